/*
 * Any bytes as a farm file: a file is good exactly if no mistake is reported, and a good one,
 * printed with its defaults filled in, is good again and the same.
 */
#include "common/farmfile.h"
#include "common/json.h"
#include "tests/fuzz/target.h"

static void count(void *context, const char *sentence)
{
    FUZZ_CHECK(*sentence);
    ++*(int *)context;
}

static void check_good(const struct farmfile *farm)
{
    struct farmfile again;
    struct error error;
    FUZZ_CHECK(*farm->name && *farm->work_kind && *farm->backend_kind && farm->mpi_mca);
    FUZZ_CHECK(farm->limits.attempts <= 1000 && farm->workers.slots <= 4096);
    struct buf printed;
    buf_init(&printed, 1 << 24);
    FUZZ_CHECK(!json_put(&printed, farm->root, 2));
    FUZZ_CHECK(!farmfile_parse(buf_text(&printed), printed.size, "again", &again, &error));
    FUZZ_CHECK(json_diff(farm->root, again.root, NULL, NULL) == 0);
    farmfile_close(&again);
    buf_fini(&printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct farmfile farm;
    struct error error = {0};
    int mistakes = 0;
    int found = farmfile_check_text((const char *)data, size, "fuzz", count, &mistakes, &error);
    FUZZ_CHECK(found < 0 || found == mistakes);
    int status = farmfile_parse((const char *)data, size, "fuzz", &farm, &error);
    FUZZ_CHECK((status == 0) == (found == 0));
    if (!status) {
        check_good(&farm);
        farmfile_close(&farm);
    }
    return 0;
}

/*
 * Any bytes as an instruction file and, behind the first NUL, as the output file that it reads:
 * what it reads are finite numbers, what it cannot read has a sentence.
 */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/pest/instruction.h"
#include "tests/fuzz/target.h"

static const char *const names[] = {"a", "b", "c", "head"};
#define COUNT 4

static void follow(const struct pest_instructions *instructions, const void *output,
                   size_t size)
{
    static int fd = -1;
    static char path[40];
    double values[COUNT] = {NAN, NAN, NAN, NAN};
    struct error error = {0};
    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    }
    FUZZ_CHECK(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
    FUZZ_CHECK(fd_write(fd, output, size) == 0);
    if (pest_instructions_run(instructions, AT_FDCWD, path, values, &error) < 0) {
        FUZZ_CHECK(error.code == ERROR_CONFIG && *error.text);
        return;
    }
    for (size_t i = 0; i < pest_instructions_count(instructions); i++)
        FUZZ_CHECK(isfinite(values[pest_instructions_observation(instructions, i)]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pest_index *index;
    struct error error = {0};
    if (!index)
        index = pest_index_create(names, COUNT, &error);
    const uint8_t *nul = memchr(data, 0, size);
    size_t split = nul ? (size_t)(nul - data) : size;
    struct pest_instructions *instructions = pest_instructions_parse(
        (const char *)data, split, "fuzz", index, size % 2 ? ";" : NULL, &error);
    if (!instructions) {
        FUZZ_CHECK(error.code == ERROR_CONFIG && *error.text);
        return 0;
    }
    follow(instructions, data + split + (nul != NULL), size - split - (nul != NULL));
    pest_instructions_destroy(instructions);
    return 0;
}

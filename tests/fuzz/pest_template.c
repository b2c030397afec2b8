/*
 * Any bytes as a template: what is written for it is as long as the template without its first
 * line, and differs from it in the fields alone.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/pest/number.h"
#include "common/pest/template.h"
#include "tests/fuzz/target.h"

static const char *const names[] = {"k", "K2", "porosity"};

static void check_write(const struct pest_template *template, const char *data, size_t size)
{
    static const struct pest_text texts[] = {{"1.5", 3}, {"-2.", 3}, {"1E5", 3}};
    static int fd = -1;
    static char written[1 << 17];
    struct error error;
    if (fd < 0)
        fd = memfd_create("fuzz", MFD_CLOEXEC);
    FUZZ_CHECK(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
    FUZZ_CHECK(pest_template_write(template, texts, fd, "fuzz", &error) == 0);
    const char *end = memchr(data, '\n', size);
    size_t head = end ? (size_t)(end + 1 - data) : size, in_fields = 0, changed = 0;
    FUZZ_CHECK(pread(fd, written, sizeof(written), 0) == (ssize_t)(size - head));
    for (size_t i = 0; i < pest_template_fields(template); i++)
        in_fields += pest_template_field(template, i).width;
    for (size_t i = head; i < size; i++)
        changed += written[i - head] != data[i];
    FUZZ_CHECK(changed <= in_fields);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pest_index *index;
    struct error error = {0};
    if (!index)
        index = pest_index_create(names, 3, &error);
    struct pest_template *template =
        pest_template_parse((const char *)data, size, "fuzz", index, &error);
    if (!template) {
        FUZZ_CHECK(error.code == ERROR_CONFIG && *error.text);
        return 0;
    }
    for (size_t i = 0; i < pest_template_fields(template); i++)
        FUZZ_CHECK(pest_template_field(template, i).width >= 3);
    if (size < 1 << 17)
        check_write(template, (const char *)data, size);
    pest_template_destroy(template);
    return 0;
}

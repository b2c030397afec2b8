/*
 * Any bytes as a template: compiling and filling never crash; the same text with its marks
 * doubled fills to itself.
 */
#include <string.h>

#include "common/template.h"
#include "tests/fuzz/target.h"

static const char *const names[] = {"K", "S", "well 3"};
static const struct template_text texts[] = {{"1.5e-3", 6}, {" 42 ", 4}, {"a \"b\"\n", 6}};

static void check_fill(const char *text, size_t size, const struct template_marks *marks)
{
    struct error error = {0};
    struct template *template = template_create(text, size, "fuzz", names, 3, marks, &error);
    if (!template) {
        FUZZ_CHECK(error.code == ERROR_CONFIG && *error.text);
        return;
    }
    struct buf buf;
    buf_init(&buf, 1 << 24);
    if (template_fill(template, texts, &buf, &error) < 0)
        FUZZ_CHECK(buf.size == 0 && error.code == ERROR_CONFIG);
    if (!template_has_places(template))
        FUZZ_CHECK(!template_uses(template, 0));
    buf_fini(&buf);
    template_destroy(template);
}

static void check_doubled(const uint8_t *data, size_t size)
{
    struct buf doubled, filled;
    struct error error;
    buf_init(&doubled, 1 << 20);
    buf_init(&filled, 1 << 20);
    for (size_t i = 0; i < size; i++) {
        buf_append(&doubled, &data[i], 1);
        if (data[i] == '{' || data[i] == '}')
            buf_append(&doubled, &data[i], 1);
    }
    struct template *template =
        template_create(buf_text(&doubled), doubled.size, "doubled", names, 3, NULL, &error);
    FUZZ_CHECK(template && !template_has_places(template));
    FUZZ_CHECK(!template_fill(template, texts, &filled, &error));
    FUZZ_CHECK(filled.size == size && (!size || !memcmp(filled.data, data, size)));
    template_destroy(template);
    buf_fini(&doubled);
    buf_fini(&filled);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct template_marks angles = {"<<", ">>"};
    check_fill((const char *)data, size, NULL);
    check_fill((const char *)data, size, &angles);
    check_doubled(data, size);
    return 0;
}

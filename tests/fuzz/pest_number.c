/*
 * Any bytes as a number: what is read can be written and reads back; what is written never passes
 * its width. The first byte chooses width and style.
 */
#include <string.h>

#include "common/pest/number.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    double value = 0, written, read;
    char text[PEST_NUMBER_MAX];
    if (size == 0)
        return 0;
    const struct pest_style style = {
        .double_precision = data[0] & 32, .point = data[0] & 64, .json = data[0] & 128};
    size_t width = data[0] & 31;
    enum pest_number kind = pest_number_parse((const char *)data + 1, size - 1, &value);
    FUZZ_CHECK(pest_number_fault(kind));
    if (kind != PEST_NUMBER_GOOD) {
        FUZZ_CHECK(value == 0);
        if (size > sizeof(value)) /* any bits */
            memcpy(&value, data + 1, sizeof(value));
    }
    size_t length = pest_number_print(&style, width, value, text, &written);
    FUZZ_CHECK(length <= width && length <= sizeof(text));
    if (!length)
        return 0;
    FUZZ_CHECK(pest_number_parse(text, length, &read) == PEST_NUMBER_GOOD && read == written);
    if (style.double_precision && width >= 24)
        FUZZ_CHECK(written == value);
    if (style.point && !style.json)
        FUZZ_CHECK(memchr(text, '.', length));
    return 0;
}

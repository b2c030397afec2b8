#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/values.h"

static void bad_bytes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {
        {"", 0},                                          /* no count */
        {"\x05", 1},                                      /* more values than bytes */
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10}, /* a count over 64 bits */
        {"\x01\x09", 2},                                  /* unknown kind */
        {"\x01\x02\x00\x00", 4},                          /* cut double */
        {"\x01\x03\x02"
         "a\0",
         5},             /* NUL inside a text */
        {"\x00\x00", 2}, /* bytes behind the list */
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct value *values = NULL;
        size_t count;
        struct error error;
        assert_int_equal(values_decode(bad[i].bytes, bad[i].size, &values, &count, &error), -1);
        assert_int_equal(error.code, ERROR_NETWORK);
        assert_null(values);
    }
}

static void every_kind_goes_there_and_back(void **state)
{
    (void)state;
    const struct value in[] = {
        {.kind = VALUE_NONE},
        {.kind = VALUE_INTEGER, .integer = INT64_MIN},
        {.kind = VALUE_INTEGER, .integer = -1},
        {.kind = VALUE_REAL, .real = -INFINITY},
        {.kind = VALUE_TEXT, .text = "1.0d-5", .text_size = 6},
        {.kind = VALUE_TEXT, .text = "", .text_size = 0},
    };
    struct buf buf;
    buf_init(&buf, 1000);
    assert_int_equal(values_encode(&buf, in, 6), 0);
    struct value *out;
    size_t count;
    assert_int_equal(values_decode(buf.data, buf.size, &out, &count, NULL), 0);
    assert_int_equal(count, 6);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(out[i].kind, in[i].kind);
    assert_true(out[1].integer == INT64_MIN && out[2].integer == -1);
    assert_true(isinf(out[3].real) && out[3].real < 0);
    assert_memory_equal(out[4].text, "1.0d-5", 6);
    assert_int_equal(out[5].text_size, 0);
    free(out);
    buf_fini(&buf);
}

static void texts_that_could_not_be_decoded_are_not_encoded(void **state)
{
    (void)state;
    char *longest = calloc(1, VALUE_TEXT_MAX + 1);
    memset(longest, 'x', VALUE_TEXT_MAX + 1);
    const struct {
        struct value value;
        int status;
    } cases[] = {
        {{.kind = VALUE_TEXT, .text = "a\0b", .text_size = 3}, -1},
        {{.kind = VALUE_TEXT, .text = longest, .text_size = VALUE_TEXT_MAX + 1}, -1},
        {{.kind = VALUE_TEXT, .text = longest, .text_size = VALUE_TEXT_MAX}, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct buf buf;
        buf_init(&buf, 2 * VALUE_TEXT_MAX);
        assert_int_equal(values_encode(&buf, &cases[i].value, 1), cases[i].status);
        buf_fini(&buf);
    }
    free(longest);
}

static void lists_of_reals_take_numbers_alone(void **state)
{
    (void)state;
    static const double reals[] = {0.1, -1e300, INFINITY};
    static const struct value mixed[] = {{.kind = VALUE_REAL, .real = 2.5},
                                         {.kind = VALUE_INTEGER, .integer = -7},
                                         {.kind = VALUE_TEXT, .text = "x", .text_size = 1}};
    double out[4];
    struct error error;
    struct buf buf;
    buf_init(&buf, 1000);
    assert_int_equal(values_encode(&buf, mixed, 3), 0);
    assert_int_equal(values_decode_reals(buf.data, buf.size, out, 3, &error), -1);
    assert_non_null(strstr(error.text, "value 3"));
    assert_int_equal(values_decode_reals(buf.data, buf.size, out, 4, &error), -1);
    assert_int_equal(values_decode_reals(buf.data, buf.size - 1, out, 3, &error), -1);
    buf_clear(&buf);
    assert_int_equal(values_encode(&buf, mixed, 2), 0);
    assert_int_equal(values_decode_reals(buf.data, buf.size, out, 2, &error), 0);
    assert_true(out[0] == 2.5 && out[1] == -7);
    buf_clear(&buf);
    assert_int_equal(values_encode_reals(&buf, reals, 3), 0);
    assert_int_equal(values_decode_reals(buf.data, buf.size, out, 3, &error), 0);
    assert_memory_equal(out, reals, sizeof reals);
    buf_append(&buf, "", 1);
    assert_int_equal(values_decode_reals(buf.data, buf.size, out, 3, &error), -1);
    buf_fini(&buf);
}

static void reals_print_short_and_read_back(void **state)
{
    (void)state;
    static const struct {
        double real;
        const char *text;
    } cases[] = {{0.1, "0.1"},
                 {1e-5, "1e-05"},
                 {1.0 / 3, "0.3333333333333333"},
                 {NAN, "nan"},
                 {-INFINITY, "-inf"},
                 {123456789, "123456789"},
                 {5e-324, "4.94065645841247e-324"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char text[VALUE_NUMBER_MAX];
        value_format_real(cases[i].real, text);
        assert_string_equal(text, cases[i].text);
        if (!isnan(cases[i].real))
            assert_true(strtod(text, NULL) == cases[i].real);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_bytes_are_refused),
        cmocka_unit_test(texts_that_could_not_be_decoded_are_not_encoded),
        cmocka_unit_test(every_kind_goes_there_and_back),
        cmocka_unit_test(lists_of_reals_take_numbers_alone),
        cmocka_unit_test(reals_print_short_and_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

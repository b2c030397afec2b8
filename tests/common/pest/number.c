/*
 * The printing is compared with a search that tries every way to write a number in a width; the
 * parsing with strtod on numbers spelled as C wants them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/pest/number.h"

static uint64_t seed = 20240229; /* xorshift64: the same values on every machine */

static uint64_t random_bits(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* A value of either sign: of few digits, of many, near a power of ten, or any bits at all. */
static double random_value(void)
{
    double unit = (double)(random_bits() >> 11) * 0x1p-53;
    double value;
    switch (random_bits() % 6) {
    case 0:
        value = (double)(random_bits() % 100000) / 1000;
        break;
    case 1:
        value = pow(10, (double)(random_bits() % 30) - 15) * (1 - unit * 1e-6);
        break;
    case 2:
        value = pow(10, unit * 600 - 300);
        break;
    case 3:
        value = (double)(random_bits() % 1000000000);
        break;
    default:
        value = pow(10, unit * 24 - 12);
    }
    return random_bits() & 1 ? -value : value;
}

static enum pest_number parse(const char *text, double *ret_value)
{
    return pest_number_parse(text, strlen(text), ret_value);
}

static void what_is_no_number_is_called_by_its_name(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum pest_number kind;
    } cases[] = {
        {"", PEST_NUMBER_BLANK},
        {" \t ", PEST_NUMBER_BLANK},
        {"NaN", PEST_NUMBER_NAN},
        {"-nan", PEST_NUMBER_NAN},
        {"nan(0x1)", PEST_NUMBER_NAN},
        {"-1.#IND00", PEST_NUMBER_NAN},
        {"1.#QNAN", PEST_NUMBER_NAN},
        {"inf", PEST_NUMBER_INFINITE},
        {"-Infinity", PEST_NUMBER_INFINITE},
        {"1.#INF", PEST_NUMBER_INFINITE},
        {"********", PEST_NUMBER_STARS},
        {"1e309", PEST_NUMBER_LARGE},
        {"-1d999999999999999999999", PEST_NUMBER_LARGE},
        {".", PEST_NUMBER_BAD},
        {"-", PEST_NUMBER_BAD},
        {"+.e5", PEST_NUMBER_BAD},
        {"e5", PEST_NUMBER_BAD},
        {"1e", PEST_NUMBER_BAD},
        {"1e+", PEST_NUMBER_BAD},
        {"1-", PEST_NUMBER_BAD},
        {"1..5", PEST_NUMBER_BAD},
        {"1.5.2", PEST_NUMBER_BAD},
        {"1 5", PEST_NUMBER_BAD},
        {"- 1", PEST_NUMBER_BAD},
        {"1e5.0", PEST_NUMBER_BAD},
        {"0x10", PEST_NUMBER_BAD},
        {"1,5", PEST_NUMBER_BAD},
        {"12%", PEST_NUMBER_BAD},
        {"nano", PEST_NUMBER_BAD},
        {"infinite", PEST_NUMBER_BAD},
        {"2024-01-15", PEST_NUMBER_BAD},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        double value = 42;
        if (parse(cases[i].text, &value) != cases[i].kind)
            fail_msg("\"%s\": %s", cases[i].text,
                     pest_number_fault(parse(cases[i].text, &value)));
        assert_true(value == 42);
        assert_non_null(pest_number_fault(cases[i].kind));
    }
}

static void what_fortran_accepts_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } cases[] = {
        {"1", 1},
        {"  +1.5  ", 1.5},
        {"\t-.5\t", -.5},
        {"5.", 5},
        {"1.0-3", 1e-3},
        {"1.0+003", 1e3},
        {"1D5", 1e5},
        {"1.5d-05", 1.5e-5},
        {"1.5E+05", 1.5e5},
        {"1.5Q2", 150},
        {"2.2250738585072014D-308", DBL_MIN},
        {"1.7976931348623157d308", DBL_MAX},
        {"4.9406564584124654e-324", 4.9406564584124654e-324},
        {"1e-400", 0},
        {"0e999999999", 0},
        {"00000000000000000000000000000001.5", 1.5},
        {"0.00000000000000000000000000000000000000000015", 1.5e-43},
        {"9007199254740993", 9007199254740992.0},
        {"9007199254740993.0000000000000000000000000000000000000001", 9007199254740994.0},
        {"123456789012345678901234567890", 123456789012345678901234567890.0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        double value = 42;
        assert_int_equal(parse(cases[i].text, &value), PEST_NUMBER_GOOD);
        if (value != cases[i].value)
            fail_msg("\"%s\" is read as %.17g", cases[i].text, value);
    }
}

static void a_number_of_any_length_is_read_to_the_last_digit(void **state)
{
    (void)state;
    /* 1 + 2^-53 lies half-way between two doubles; a digit behind thousands of zeros decides. */
    enum { LENGTH = 5000 };
    char *text = malloc(LENGTH + 1);
    int size =
        snprintf(text, LENGTH, "1.00000000000000011102230246251565404236316680908203125");
    double value;
    memset(text + size, '0', (size_t)(LENGTH - size));
    text[LENGTH] = 0;
    assert_int_equal(pest_number_parse(text, LENGTH, &value), PEST_NUMBER_GOOD);
    assert_true(value == 1); /* ties go to even */
    text[LENGTH - 1] = '1';
    assert_int_equal(pest_number_parse(text, LENGTH, &value), PEST_NUMBER_GOOD);
    assert_true(value == 1 + 0x1p-52);
    memset(text, '9', LENGTH);
    assert_int_equal(pest_number_parse(text, LENGTH, &value), PEST_NUMBER_LARGE);
    memset(text, '0', LENGTH);
    text[LENGTH - 1] = '7';
    assert_int_equal(pest_number_parse(text, LENGTH, &value), PEST_NUMBER_GOOD);
    assert_true(value == 7);
    free(text);
}

static void parsing_agrees_with_strtod(void **state)
{
    (void)state;
    char text[64];
    for (int i = 0; i < 300000; i++) {
        double value = random_value(), parsed;
        int digits = (int)(random_bits() % 20);
        const char *format = random_bits() & 1 ? "%.*e" : "%.*g";
        snprintf(text, sizeof(text), format, digits, value);
        double expected = strtod(text, NULL);
        char *exponent = strchr(text, 'e');
        if (exponent && random_bits() & 1)
            *exponent = "dDEqQ"[random_bits() % 5];
        else if (exponent && random_bits() & 1)
            memmove(exponent, exponent + 1, strlen(exponent));
        assert_int_equal(parse(text, &parsed), PEST_NUMBER_GOOD);
        if (parsed != expected)
            fail_msg("\"%s\" is read as %.17g, not %.17g", text, parsed, expected);
    }
}

/* The least error of any text that fits; a positive value. HUGE_VAL where there is none. */
struct search {
    const struct pest_style *style;
    double value, best;
    int width;
};

static bool text_is_json(const char *text)
{
    const char *point = strchr(text, '.');
    return !point || (point > text && point[1] >= '0' && point[1] <= '9');
}

static void try_text(struct search *search, const char *text)
{
    if ((int)strlen(text) > search->width)
        return;
    if (search->style->json ? !text_is_json(text) : search->style->point && !strchr(text, '.'))
        return;
    double read = strtod(text, NULL), error = fabs(read - search->value);
    if (isfinite(read) && (read == 0) == (search->value == 0) && error < search->best)
        search->best = error;
}

static void try_plain(struct search *search)
{
    char text[400];
    for (int decimals = 0; decimals <= 24 && search->value < 1e30; decimals++) {
        snprintf(text, sizeof(text), "%#.*f", decimals, search->value);
        try_text(search, text);
        if (text[0] == '0' && text[2])
            try_text(search, text + 1);
        char *point = strchr(text, '.');
        if (!point[1]) {
            *point = 0;
            try_text(search, text);
        }
    }
}

static void try_scaled(struct search *search)
{
    char printed[40], text[64];
    for (int count = 1; count <= 17; count++) {
        snprintf(printed, sizeof(printed), "%.*e", count - 1, search->value);
        int exponent = (int)strtol(strchr(printed, 'e') + 1, NULL, 10);
        memmove(printed + 1, printed + 2, strlen(printed + 1));
        printed[count] = 0;
        for (int before = 0; before <= count; before++) {
            snprintf(text, sizeof(text), "%.*s.%sE%d", before, printed, printed + before,
                     exponent + 1 - before);
            try_text(search, text);
        }
        snprintf(text, sizeof(text), "%sE%d", printed, exponent + 1 - count);
        try_text(search, text);
    }
}

static double search_best(const struct pest_style *style, int width, double value)
{
    int widest = style->double_precision ? 23 : 13;
    int room = width - (value < 0);
    struct search search = {style, fabs(value), HUGE_VAL, room < widest ? room : widest};
    try_plain(&search);
    try_scaled(&search);
    return search.best;
}

static const struct pest_style styles[] = {
    {.point = true},
    {.point = false},
    {.double_precision = true, .point = true},
    {.double_precision = true, .point = false},
    {.double_precision = true, .json = true},
};

static void nothing_that_fits_is_nearer(void **state)
{
    (void)state;
    static const double corners[] = {
        0,        -0.0,  1,        9.5,     9.96,    99.95,    0.096,    0.95,     1e10,
        9.9999e9, 1e100, 1e-100,   1e-5,    123456,  1e99,     9.99e-10, 9.99e-11, 9.6e-10,
        1e-9,     5e-1,  999999.5, 1.5e300, 9.9e299, 2.5e-308, 1e15,     1e17};
    size_t corner_count = sizeof(corners) / sizeof(*corners);
    for (size_t i = 0; i < corner_count * 2 + 3000; i++) {
        double value = i < corner_count       ? corners[i]
                       : i < corner_count * 2 ? -corners[i - corner_count]
                                              : random_value();
        const struct pest_style *style = &styles[i % 5];
        for (int width = 1; width <= 25; width++) {
            char text[PEST_NUMBER_MAX + 1];
            double written = 42;
            size_t size = pest_number_print(style, (size_t)width, value, text, &written);
            text[size] = 0;
            double best = search_best(style, width, value);
            if (!size && best != HUGE_VAL)
                fail_msg("%.17g in %d: not written (style %zu)", value, width, i % 5);
            if (size && fabs(written - value) != best)
                fail_msg("%.17g in %d: \"%s\", error %g instead of %g (style %zu)", value,
                         width, text, fabs(written - value), best, i % 5);
        }
    }
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    for (int i = 0; i < 1000000; i++) {
        double value = random_value(), written, read, again;
        size_t width = 1 + random_bits() % 25;
        const struct pest_style *style = &styles[random_bits() % 5];
        char text[PEST_NUMBER_MAX];
        size_t size = pest_number_print(style, width, value, text, &written);
        if (!size)
            continue;
        assert_true(size <= width);
        assert_int_equal(pest_number_parse(text, size, &read), PEST_NUMBER_GOOD);
        if (read != written)
            fail_msg("%.17g: \"%.*s\" is %.17g, not %.17g", value, (int)size, text, read,
                     written);
        if (width >= 24 && style->double_precision)
            assert_true(written == value); /* 17 digits tell all doubles apart */
        size_t size_again = pest_number_print(style, width, written, text, &again);
        if (!size_again || again != written)
            fail_msg("%.17g in %zu is %.17g, and that %.17g", value, width, written, again);
    }
}

static void check_text(const struct pest_style *style, size_t width, double value,
                       const char *expected)
{
    char text[PEST_NUMBER_MAX + 1];
    text[pest_number_print(style, width, value, text, NULL)] = 0;
    assert_string_equal(text, expected);
}

static void numbers_look_as_one_expects(void **state)
{
    (void)state;
    const struct pest_style single = {.point = true}, whole = {.point = false};
    const struct pest_style json = {.double_precision = true, .json = true};
    check_text(&single, 12, 1, "1.0");
    check_text(&single, 2, 1, "1.");
    check_text(&single, 1, 1, "");
    check_text(&whole, 1, 1, "1");
    check_text(&single, 12, 0.1, "0.1");
    check_text(&single, 2, 0.1, ".1");
    check_text(&json, 2, 0.1, "");
    check_text(&json, 3, 0.1, "0.1");
    check_text(&single, 20, 1e-20, "1.0E-20");
    check_text(&single, 13, 1.0 / 3, ".333333333333");
    check_text(&whole, 10, 1.234567e-3, ".001234567");
    check_text(&single, 5, NAN, "");
    check_text(&single, 50, INFINITY, "");
    check_text(&single, 0, 1, "");
    check_text(&single, 1, -1, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_number_is_called_by_its_name),
        cmocka_unit_test(what_fortran_accepts_is_read),
        cmocka_unit_test(a_number_of_any_length_is_read_to_the_last_digit),
        cmocka_unit_test(parsing_agrees_with_strtod),
        cmocka_unit_test(numbers_look_as_one_expects),
        cmocka_unit_test(nothing_that_fits_is_nearer),
        cmocka_unit_test(what_is_written_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

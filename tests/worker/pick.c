#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "worker/pick.h"

/* The value "v" that `rule` finds in what a model printed, or the sentence that says why none. */
struct picked {
    int status;
    struct buf bytes; /* of the list */
    struct value *values;
    struct error error;
};

static void pick_from(struct picked *picked, const char *rule, const void *text, size_t size)
{
    struct error error;
    cJSON *rules = cJSON_Parse(rule), *names = cJSON_Parse("[\"v\"]");
    struct pick *pick = pick_create(rules, names, &error);
    size_t count;
    assert_non_null(pick);
    *picked = (struct picked){0};
    buf_init(&picked->bytes, 8 << 20);
    pick_begin(pick);
    pick_feed_stdout(pick, text, size);
    picked->status = pick_finish(pick, NULL, &picked->bytes, &picked->error);
    if (picked->status == 0)
        assert_int_equal(values_decode(picked->bytes.data, picked->bytes.size, &picked->values,
                                       &count, &error),
                         0);
    pick_destroy(pick);
    cJSON_Delete(rules);
    cJSON_Delete(names);
}

static void forget(struct picked *picked)
{
    free(picked->values);
    buf_fini(&picked->bytes);
}

/* `rule` must fail on the text, with a sentence that holds all of `sentence`. */
static void assert_refused(const char *rule, const void *text, size_t size,
                           const char *sentence)
{
    struct picked picked;
    pick_from(&picked, rule, text, size);
    assert_int_equal(picked.status, -1);
    assert_int_equal(picked.error.code, ERROR_TASKS);
    assert_non_null(strstr(picked.error.text, sentence));
    forget(&picked);
}

#define REGEX "[{\"name\":\"v\",\"regex\":\"v=(.*)\"}]"
#define PATH  "[{\"name\":\"v\",\"path\":\"$.v\"}]"

static void what_cannot_be_a_text_is_refused_by_name(void **state)
{
    (void)state;
    static const char nul[] = "v=a\0b\n"; /* a dot does not match NUL, a negated list does */
    assert_refused("[{\"name\":\"v\",\"regex\":\"v=([^ ]*)\"}]", nul, sizeof(nul) - 1,
                   "\"v\" holds a NUL byte");
    size_t size = VALUE_TEXT_MAX + 32;
    char *text = malloc(size);
    memset(text, 'x', size);
    memcpy(text, "{\"v\":\"", 6);
    memcpy(text + size - 2, "\"}", 2);
    assert_refused(PATH, text, size, "\"v\" is longer than");
    free(text);
}

static void what_is_not_there_is_named(void **state)
{
    (void)state;
    assert_refused(REGEX, "w=1\n", 4, "\"v\" was not found in stdout");
    assert_refused(PATH, "{\"w\":1}", 7, "\"v\" was not found in stdout: $.v");
    assert_refused(PATH, "v=1", 3, "no JSON");
    assert_refused(PATH, "{\"v\":[1]}", 9, "\"v\" ($.v of stdout)");
}

static void a_match_may_be_empty(void **state)
{
    (void)state;
    struct picked picked;
    pick_from(&picked, REGEX, "v=\n", 3);
    assert_int_equal(picked.status, 0);
    assert_int_equal(picked.values[0].kind, VALUE_TEXT);
    assert_int_equal(picked.values[0].text_size, 0);
    forget(&picked);
}

static void the_last_match_counts(void **state)
{
    (void)state;
    struct picked picked;
    pick_from(&picked, REGEX, "v=1\nv=2\r\nx", 10);
    assert_int_equal(picked.status, 0);
    assert_int_equal(picked.values[0].integer, 2);
    forget(&picked);
}

static void a_byte_order_mark_is_no_part_of_the_first_line(void **state)
{
    (void)state;
    static const char rule[] = "[{\"name\":\"v\",\"regex\":\"^v=(.*)\"}]";
    struct picked picked;
    pick_from(&picked, rule, "\xef\xbb\xbfv=1\n", 7);
    assert_int_equal(picked.status, 0);
    assert_int_equal(picked.values[0].integer, 1);
    forget(&picked);
    assert_refused(rule, "x\n\xef\xbb\xbfv=1\n", 9, "");
}

static void texts_become_numbers_only_in_full(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum value_kind kind;
        double number;
    } cases[] = {{"12", VALUE_INTEGER, 12},
                 {" -3\r", VALUE_INTEGER, -3},
                 {"1.5D-3", VALUE_REAL, 1.5e-3},
                 {"2.d0", VALUE_REAL, 2},
                 {"12 m", VALUE_TEXT, 0},
                 {"0x1F", VALUE_TEXT, 0},
                 {"", VALUE_TEXT, 0},
                 {"deed", VALUE_TEXT, 0},
                 {"d5", VALUE_TEXT, 0},
                 {"99999999999999999999", VALUE_REAL, 1e20},
                 {"NaN", VALUE_REAL, NAN},
                 {"1-2", VALUE_TEXT, 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct value value = pick_parse_value(cases[i].text, strlen(cases[i].text));
        assert_int_equal(value.kind, cases[i].kind);
        if (value.kind == VALUE_INTEGER)
            assert_int_equal(value.integer, (int64_t)cases[i].number);
        if (value.kind == VALUE_REAL && !isnan(cases[i].number))
            assert_true(value.real == cases[i].number); /* strtod of the same digits */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_a_text_is_refused_by_name),
        cmocka_unit_test(what_is_not_there_is_named),
        cmocka_unit_test(a_match_may_be_empty),
        cmocka_unit_test(the_last_match_counts),
        cmocka_unit_test(a_byte_order_mark_is_no_part_of_the_first_line),
        cmocka_unit_test(texts_become_numbers_only_in_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

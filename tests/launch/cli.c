#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "launch/cli.h"

struct values {
    bool fast;
    int64_t count;
    const char *name;
};

static const struct command_option options[] = {
    {"fast", 'f', NULL, "", OPTION_FLAG, offsetof(struct values, fast), 0},
    {"count", 'n', "N", "", OPTION_COUNT, offsetof(struct values, count), 1},
    {"name", 0, "NAME", "", OPTION_TEXT, offsetof(struct values, name), 0},
};

static const struct command command = {.name = "test",
                                       COMMAND_OPTIONS(options),
                                       .options_size = sizeof(struct values),
                                       .arguments_max = 2};

static struct error error;
static size_t arguments;
static bool help;
static char *texts[8];

/* Parse up to seven texts, NULL behind the last. */
static int parse(struct values *values, const char *a, const char *b, const char *c,
                 const char *d)
{
    const char *given[] = {a, b, c, d};
    size_t count = 0;
    while (count < 4 && given[count]) {
        texts[count] = (char *)(uintptr_t)given[count];
        count++;
    }
    return cli_parse(&command, texts, count, values, &arguments, &help, &error);
}

static void wrong_lines_are_usage_errors(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"--fats", NULL},
        {"--fast=1", NULL},
        {"--count", NULL},
        {"--count", "0"},
        {"--count", "1x"},
        {"-n", "-3"},
        {"--name", ""},
        {"-x", NULL},
        {"--count=9e9", NULL},
        {"--name=", NULL},
        {"-n99999999999999999999", NULL},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct values values;
        assert_int_equal(parse(&values, wrong[i][0], wrong[i][1], NULL, NULL), -1);
        assert_int_equal(error.code, ERROR_USAGE);
    }
}

static void too_many_arguments_are_refused(void **state)
{
    (void)state;
    struct values values;
    assert_int_equal(parse(&values, "a", "b", "c", NULL), -1);
    assert_non_null(strstr(error.text, "\"c\""));
}

static void options_are_read_in_every_form(void **state)
{
    (void)state;
    struct values values;
    assert_int_equal(parse(&values, "-n7", "--name=x y", "-f", "arg"), 0);
    assert_true(values.fast);
    assert_int_equal(values.count, 7);
    assert_string_equal(values.name, "x y");
    assert_int_equal(arguments, 1);
    assert_string_equal(texts[0], "arg");
    assert_int_equal(parse(&values, "--count", "8", "--name", "-"), 0);
    assert_int_equal(values.count, 8);
    assert_string_equal(values.name, "-");
}

static void what_is_not_given_says_so(void **state)
{
    (void)state;
    struct values values;
    assert_int_equal(parse(&values, NULL, NULL, NULL, NULL), 0);
    assert_false(values.fast);
    assert_true(values.count == OPTION_NOT_GIVEN);
    assert_null(values.name);
}

static void two_dashes_end_the_options(void **state)
{
    (void)state;
    struct values values;
    assert_int_equal(parse(&values, "--", "--fast", "-", NULL), 0);
    assert_false(values.fast);
    assert_int_equal(arguments, 2);
    assert_string_equal(texts[0], "--fast");
}

static void help_wins_over_mistakes_behind_it(void **state)
{
    (void)state;
    struct values values;
    assert_int_equal(parse(&values, "--help", "--nonsense", NULL, NULL), 0);
    assert_true(help);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_lines_are_usage_errors),
        cmocka_unit_test(too_many_arguments_are_refused),
        cmocka_unit_test(options_are_read_in_every_form),
        cmocka_unit_test(what_is_not_given_says_so),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(help_wins_over_mistakes_behind_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

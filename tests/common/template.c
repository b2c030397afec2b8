#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/template.h"

static const char *const names[] = {"S", "K", "well 3"};

static struct template *create(const char *text, const struct template_marks *marks,
                               struct error *error)
{
    return template_create(text, strlen(text), "$.work.command[2]", names, 3, marks, error);
}

static void bad_templates_are_refused_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *sentence;
    } table[] = {
        {"a {Q}",
         "$.work.command[2]: at character 3: \"Q\" is no name known here (write {{ where "
         "{ stands for itself)"},
        {"{wel 3}",
         "$.work.command[2]: at character 1: \"wel 3\" is no name known here; did you "
         "mean \"well 3\"?"},
        {"{k}", "$.work.command[2]: at character 1: \"k\" is no name known here; did you mean "
                "\"K\"?"},
        {"x {K",
         "$.work.command[2]: at character 3: this { has no } (write {{ where it stands for "
         "itself)"},
        {"{K\n}",
         "$.work.command[2]: at character 1: this { has no } (write {{ where it stands for "
         "itself)"},
        {"{}",
         "$.work.command[2]: at character 1: a place without a name (write {{ where { stands "
         "for itself)"},
        {"{:5d}", "$.work.command[2]: at character 1: a place without a name (write {{ where { "
                  "stands for itself)"},
        {"a } b", "$.work.command[2]: at character 3: a lone } (write }} where it stands for "
                  "itself)"},
        {"{K}}", "$.work.command[2]: at character 4: a lone } (write }} where it stands for "
                 "itself)"},
        {"{K:}",
         "$.work.command[2]: at character 4: not a format: [-+0 ][width][.precision] and "
         "one of e E f g G d s, such as 12.4f"},
        {"{K:%s}",
         "$.work.command[2]: at character 4: not a format: [-+0 ][width][.precision] and "
         "one of e E f g G d s, such as 12.4f"},
        {"{K:300f}", "$.work.command[2]: at character 4: the width of a format is at most 255"},
        {"{K:.100f}",
         "$.work.command[2]: at character 4: the precision of a format is a number up to 99"},
        {"{K:.f}",
         "$.work.command[2]: at character 4: the precision of a format is a number up to 99"},
        {"{K:.2d}", "$.work.command[2]: at character 4: the format d takes no precision"},
        {"{K:05s}", "$.work.command[2]: at character 4: the format s takes a width alone, and "
                    "'-' for left"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct error error = {0};
        assert_null(create(table[i].text, NULL, &error));
        assert_string_equal(error.text, table[i].sentence);
        assert_int_equal(error.code, ERROR_CONFIG);
    }
    /* What printf would make something of is no format here. */
    static const char *const holes[] = {"{K:n}",  "{K:*d}", "{K:1$d}",
                                        "{K:lf}", "{K:x}",  "{K:5.2.1f}"};
    for (size_t i = 0; i < sizeof(holes) / sizeof(*holes); i++)
        assert_null(create(holes[i], NULL, NULL));
}

static void bad_marks_are_refused(void **state)
{
    (void)state;
    static const struct template_marks table[] = {
        {"", "}"},  {"<", "<"},          {"<", "<<"}, {"a", "b"},
        {" ", "}"}, {"((((((((((", ")"}, {"{", "\""},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
        assert_null(create("text", &table[i], NULL));
}

static void fill(const char *text, const struct template_marks *marks, const char *wanted)
{
    static const struct template_text texts[] = {{"42xx", 2}, {" 1.5e-3", 7}, {"a,\"b\"", 5}};
    struct error error;
    struct buf buf;
    struct template *template = create(text, marks, &error);
    if (!template)
        fail_msg("%s", error.text);
    buf_init(&buf, 10000);
    buf_append_text(&buf, ">");
    if (template_fill(template, texts, &buf, &error) < 0)
        fail_msg("%s", error.text);
    assert_string_equal(buf_text(&buf) + 1, wanted);
    buf_fini(&buf);
    template_destroy(template);
}

static void places_are_filled(void **state)
{
    (void)state;
    static const struct template_marks angles = {"<<", ">>"};
    fill("", NULL, "");
    fill("plain", NULL, "plain");
    fill("{K}", NULL, " 1.5e-3");
    fill("--s={S}{S} {well 3}.", NULL, "--s=4242 a,\"b\".");
    fill("{{{S}}}", NULL, "{42}");
    fill("{{}}{{", NULL, "{}{");
    fill("{\"k\": <<S>>, \"x\": \"<<<<\"}", &angles, "{\"k\": 42, \"x\": \"<<\"}");
    fill("a < b > c <<S>> >>>>", &angles, "a < b > c 42 >>");
}

static void numbers_are_formatted_as_printf_does(void **state)
{
    (void)state;
    fill("[{K:12.4e}]", NULL, "[  1.5000e-03]");
    fill("[{K:-12.4f}]", NULL, "[0.0015      ]");
    fill("[{K:g}] [{K:G}] [{K:.1E}]", NULL, "[0.0015] [0.0015] [1.5E-03]");
    fill("[{S:05d}] [{S:+d}] [{S: d}] [{S:8.2f}]", NULL, "[00042] [+42] [ 42] [   42.00]");
    fill("[{S:-5s}] [{S:5s}] [{well 3:2s}]", NULL, "[42   ] [   42] [a,\"b\"]");
    fill("{S:.0f}", NULL, "42");
}

static void whole_numbers_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *value, *filled; /* NULL: refused */
    } table[] = {
        {"9007199254740993", "9007199254740993"},
        {"-3.0", "-3"},
        {"1e3", "1000"},
        {"3.5", NULL},
        {"1e300", NULL},
        {"nan", NULL},
        {"", NULL},
        {"4 2", NULL},
        {"x", NULL},
    };
    struct template *template = create("{S:d}", NULL, NULL);
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct template_text texts[3] = {{table[i].value, strlen(table[i].value)}};
        struct buf buf;
        buf_init(&buf, 100);
        struct error error;
        assert_int_equal(template_fill(template, texts, &buf, &error),
                         table[i].filled ? 0 : -1);
        assert_string_equal(buf_text(&buf), table[i].filled ? table[i].filled : "");
        buf_fini(&buf);
    }
    template_destroy(template);
}

static void the_widest_number_fits(void **state)
{
    (void)state;
    struct template_text texts[3] = {{"-1.7976931348623157e308", 23}};
    struct template *template = create("{S:255.99f}", NULL, NULL);
    struct buf buf;
    buf_init(&buf, 10000);
    assert_int_equal(template_fill(template, texts, &buf, NULL), 0);
    assert_int_equal(buf.size, 1 + 309 + 1 + 99);
    buf_fini(&buf);
    template_destroy(template);
}

static void a_failed_fill_leaves_the_buffer_as_it_was(void **state)
{
    (void)state;
    struct template_text texts[3] = {{"abc", 3}, {"1", 1}, {NULL, 0}};
    struct template *template = create("{K} {S:12.4f}", NULL, NULL);
    struct error error;
    struct buf buf;
    buf_init(&buf, 100);
    buf_append_text(&buf, "kept");
    assert_int_equal(template_fill(template, texts, &buf, &error), -1);
    assert_string_equal(error.text, "{S:12.4f}: the value \"abc\" is not a number");
    assert_string_equal(buf_text(&buf), "kept");
    template_destroy(template);
    template = create("{K} and some more text", NULL, NULL);
    buf_fini(&buf);
    buf_init(&buf, 10);
    assert_int_equal(template_fill(template, texts, &buf, &error), -1);
    buf_fini(&buf);
    template_destroy(template);
}

static void it_is_known_which_names_are_used(void **state)
{
    (void)state;
    struct template *template = create("{{S}} {K:d} {K}", NULL, NULL);
    assert_false(template_uses(template, 0));
    assert_true(template_uses(template, 1));
    assert_true(template_has_places(template));
    template_destroy(template);
    template = create("{{S}}", NULL, NULL);
    assert_false(template_has_places(template));
    template_destroy(template);
}

static void files_name_line_and_column(void **state)
{
    (void)state;
    char path[] = "test_template.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "K = {K}\nS = {s}\n", 16), 16);
    close(fd);
    struct error error;
    char wanted[200];
    assert_null(template_create_file(path, names, 3, NULL, &error));
    snprintf(wanted, sizeof(wanted), "%s:2:5: \"s\" is no name known here; did you mean \"S\"?",
             path);
    assert_string_equal(error.text, wanted);
    static const struct template_marks angles = {"<<", ">>"};
    struct template *template = template_create_file(path, names, 3, &angles, &error);
    assert_non_null(template);
    assert_false(template_has_places(template));
    template_destroy(template);
    unlink(path);
    assert_null(template_create_file(path, names, 3, NULL, &error));
    assert_int_equal(error.code, ERROR_SYSTEM);
}

static void names_that_no_place_could_hold_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", " K", "K ", "a{b", "a:b", "a=b", "a\nb", "\x7f"};
    static const char *const good[] = {"K", "well 3", "caf\xc3\xa9", "K (m/d)", "h-12", "3d"};
    struct error error;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(template_check_name(bad[i], &error), -1);
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_int_equal(template_check_name(good[i], &error), 0);
    char name[257];
    memset(name, 'n', 256);
    name[256] = 0;
    assert_int_equal(template_check_name(name, &error), -1);
    assert_int_equal(template_check_name(name + 1, &error), 0);
    struct template *template =
        template_create("{caf\xc3\xa9}", 7, "t", &good[2], 1, NULL, &error);
    assert_non_null(template);
    template_destroy(template);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_templates_are_refused_with_their_place),
        cmocka_unit_test(bad_marks_are_refused),
        cmocka_unit_test(places_are_filled),
        cmocka_unit_test(numbers_are_formatted_as_printf_does),
        cmocka_unit_test(whole_numbers_are_exact),
        cmocka_unit_test(the_widest_number_fits),
        cmocka_unit_test(a_failed_fill_leaves_the_buffer_as_it_was),
        cmocka_unit_test(it_is_known_which_names_are_used),
        cmocka_unit_test(files_name_line_and_column),
        cmocka_unit_test(names_that_no_place_could_hold_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

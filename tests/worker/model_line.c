#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "worker/model_line.h"

/* The farm's files, as far as backslashes are concerned. */
#define ENTRY(path)                                                                            \
    "{\"path\":\"" path "\",\"hash\":\""                                                       \
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"                         \
    "\",\"size\":0,\"mode\":\"0755\",\"common\":true,\"copy\":false}"
static const char manifest_text[] =
    "{\"files\":[" ENTRY("bin/model") "," ENTRY("data/a.dat") "," ENTRY("model") "]}";

static struct manifest *manifest;
static struct model_case *model;
static cJSON *job;

static int open_case(void **state)
{
    struct error error = {0};
    (void)state;
    job = cJSON_Parse("{\"work\":{}}");
    manifest = manifest_create(manifest_text, strlen(manifest_text), &error);
    model = manifest ? model_case_ref(job, manifest, &error) : NULL;
    if (!model)
        fail_msg("%s", error.text);
    return 0;
}

static int close_case(void **state)
{
    (void)state;
    model_case_unref(model);
    manifest_destroy(manifest);
    cJSON_Delete(job);
    return 0;
}

/* Its words with | between them, "sh|-c|…" for the shell. */
static void line_becomes(const char *text, const char *expected)
{
    char found[1024] = "";
    char *const environment[] = {(char *)"PATH=/usr/bin:/bin", NULL};
    struct error error = {0};
    struct child_spec spec = {0};
    struct model_line *line = model_line_create(text, model, &error);
    if (!line)
        fail_msg("%s: %s", text, error.text);
    assert_string_equal(model_line_text(line), text);
    assert_int_equal(model_line_fill(line, environment, AT_FDCWD, &spec, &error), 0);
    for (char *const *word = spec.argv; *word; word++) {
        strcat(found, *word);
        strcat(found, word[1] ? "|" : "");
    }
    assert_string_equal(found, expected);
    assert_int_equal(model_line_needs_shell(line), strncmp(expected, "/bin/sh|-c|", 11) == 0);
    model_line_destroy(line);
}

static void plain_lines_are_split(void **state)
{
    (void)state;
    line_becomes("cat", "cat");
    line_becomes("  cat\ta  b \r", "cat|a|b");
    line_becomes("cat 'a b' \"c d\" e' 'f", "cat|a b|c d|e f");
    line_becomes("cat '$x' '' \"\"", "cat|$x||");
    line_becomes("cat a=b x#y a~b -o", "cat|a=b|x#y|a~b|-o");
    line_becomes("/bin/cat -", "/bin/cat|-");
    line_becomes("cat data\\a.dat data/a.dat", "cat|data/a.dat|data/a.dat");
}

static void lines_that_need_a_shell_get_one(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "cat < a",     "cat a > b", "a | b",    "a && b",      "a; b",     "(a)",
        "echo $X",     "echo `a`",  "ls *.dat", "ls a?",       "ls [ab]",  "cat ~/a",
        "cat a # b",   "X=1 cat",   "cd a",     "export X",    ". ./a",    "if true",
        "echo \"$X\"", "cat a\\ b", "a &",      "cat 'a' > b", "exec cat", "./x\ny",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        char expected[256];
        snprintf(expected, sizeof(expected), "/bin/sh|-c|%s", lines[i]);
        line_becomes(lines[i], expected);
    }
}

static void the_first_word_of_a_shells_line_is_forgiven_too(void **state)
{
    (void)state;
    line_becomes(".\\model < a", "/bin/sh|-c|./model < a");
    line_becomes("model.exe < a", "/bin/sh|-c|./model < a");
    line_becomes(" bin\\model.EXE>a", "/bin/sh|-c|bin/model>a");
    line_becomes("other.exe < a", "/bin/sh|-c|other.exe < a");
    line_becomes("bin\\other < a", "/bin/sh|-c|bin\\other < a");
}

static void refused(const char *text, const char *words)
{
    struct error error = {0};
    assert_null(model_line_create(text, model, &error));
    if (!strstr(error.text, words))
        fail_msg("\"%s\" is not in: %s", words, error.text);
    assert_int_equal(error.code, ERROR_CONFIG);
}

static void lines_that_mean_nothing_are_refused(void **state)
{
    (void)state;
    refused("", "empty");
    refused(" \t ", "empty");
    refused("'' a", "empty");
    refused("cat 'a", "quote");
    refused("cat \"a", "quote");
}

static void a_program_that_is_nowhere_is_looked_for_again(void **state)
{
    (void)state;
    char *const none[] = {(char *)"PATH=/nowhere", NULL};
    char *const some[] = {(char *)"PATH=/nowhere:/bin", NULL};
    struct error error = {0};
    struct child_spec spec = {0};
    struct model_line *line = model_line_create("cat.exe a", model, &error);
    assert_non_null(line);
    assert_int_equal(model_line_fill(line, none, AT_FDCWD, &spec, &error), -1);
    assert_non_null(strstr(error.text, "\"cat.exe\""));
    assert_int_equal(model_line_fill(line, some, AT_FDCWD, &spec, &error), 0);
    assert_string_equal(spec.program, "/bin/cat");
    assert_int_equal(model_line_fill(line, none, AT_FDCWD, &spec, &error), 0); /* remembered */
    model_line_forget(line);
    assert_int_equal(model_line_fill(line, none, AT_FDCWD, &spec, &error), -1);
    model_line_destroy(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_lines_are_split),
        cmocka_unit_test(lines_that_need_a_shell_get_one),
        cmocka_unit_test(the_first_word_of_a_shells_line_is_forgiven_too),
        cmocka_unit_test(lines_that_mean_nothing_are_refused),
        cmocka_unit_test(a_program_that_is_nowhere_is_looked_for_again),
    };
    return cmocka_run_group_tests(tests, open_case, close_case);
}

/* Sentences, whatever names are put into them. */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/error.h"
#include "common/plain.h"

static void control_characters_become_escapes(void **state)
{
    (void)state;
    struct error error;
    error_set(&error, ERROR_CONFIG, "%s: no", "a\nb\tc\x1b[31m\x7f\xc2\x9b\x01");
    assert_string_equal(error.text, "a\\nb\\tc\\x1b[31m\\x7f\\x9b\\x01: no");
    /* Handed on, it stays. */
    struct error again;
    error_set(&again, ERROR_CONFIG, "%s", error.text);
    assert_string_equal(again.text, error.text);
    error_prefix(&again, "%s", "two\nlines");
    assert_non_null(strstr(again.text, "two\\nlines: a\\nb"));
    error_errno(&again, ENOENT, "\"%s\" cannot be opened", "\r\n");
    assert_string_equal(again.text, "\"\\r\\n\" cannot be opened: No such file or directory");
    /* Letters of more than one byte are no control characters; bytes that are no text stay. */
    error_set(&error, ERROR_CONFIG, "%s", "caf\xc3\xa9 \xe2\x82\xac \xc2\xa0 \xff\xc2");
    assert_string_equal(error.text, "caf\xc3\xa9 \xe2\x82\xac \xc2\xa0 \xff\xc2");
}

static void a_long_path_leaves_the_sentence_to_be_read(void **state)
{
    (void)state;
    char path[5001];
    struct error error;
    memset(path, 'a', sizeof(path) - 1);
    path[sizeof(path) - 1] = 0;
    memcpy(path, "/first/", 7);
    memcpy(path + sizeof(path) - 12, "/farm.json", 11);
    error_set(&error, ERROR_SYSTEM, "%s: cannot be opened, \"%s\" neither", path, path);
    assert_true(strlen(error.text) < 3 * PLAIN_WORD_MAX);
    assert_int_equal(strncmp(error.text, "/first/aaa", 10), 0);
    assert_non_null(strstr(error.text, "aaa...aaa"));
    assert_non_null(strstr(error.text, "/farm.json: cannot be opened, \"/first/"));
    assert_non_null(strstr(error.text, "/farm.json\" neither"));
    error_errno(&error, ENAMETOOLONG, "%s: cannot be opened", path);
    assert_non_null(strstr(error.text, "cannot be opened: File name too long"));
    /* As long as may be is as it was. */
    path[PLAIN_WORD_MAX] = 0;
    error_set(&error, ERROR_SYSTEM, "%s", path);
    assert_string_equal(error.text, path);
}

static void cuts_are_between_characters(void **state)
{
    (void)state;
    char word[3 * 1000 + 1], shown[64];
    struct error error;
    for (size_t offset = 0; offset < 3; offset++) {
        memset(word, 'x', offset);
        for (size_t i = 0; i < 900; i++)
            memcpy(word + offset + 3 * i, "\xe2\x82\xac", 4);
        error_set(&error, ERROR_CONFIG, "%s.", word);
        const char *cut = strstr(error.text, "...");
        assert_non_null(cut);
        assert_true(strlen(error.text) <= PLAIN_WORD_MAX + 1);
        assert_memory_equal(cut - 3, "\xe2\x82\xac", 3);
        assert_memory_equal(cut + 3, "\xe2\x82\xac", 3);
        /* And where there is no room for more. */
        plain_text(shown, 20 + offset, word + offset);
        assert_true(strlen(shown) < 20 + offset);
        assert_int_equal((strlen(shown) - 3) % 3, 0);
        assert_string_equal(shown + strlen(shown) - 3, "...");
    }
    for (size_t size = 4; size < 12; size++) {
        plain_text(shown, size, "a\n\n\nb\n\n\n\n\n\n");
        assert_true(strlen(shown) < size);
        assert_string_equal(shown + strlen(shown) - 3, "...");
    }
}

static void a_sentence_knows_the_name_that_it_begins_with(void **state)
{
    (void)state;
    char path[2001];
    struct error error;
    memset(path, 'a', sizeof(path) - 1);
    path[sizeof(path) - 1] = 0;
    path[3] = '\n';
    error_set(&error, ERROR_CONFIG, "%s: it is empty", path);
    assert_string_equal(error_after(&error, path), ": it is empty");
    assert_null(error_after(&error, "b"));
    assert_null(error_after(NULL, "b"));
}

static void names_come_as_a_shell_takes_them(void **state)
{
    (void)state;
    char text[64];
    assert_string_equal(plain_argument(text, sizeof(text), "runs/a-1"), "runs/a-1");
    assert_string_equal(plain_argument(text, sizeof(text), "my runs"), "'my runs'");
    assert_string_equal(plain_argument(text, sizeof(text), "it's $1"), "'it'\\''s $1'");
    assert_string_equal(plain_argument(text, sizeof(text), ""), "''");
    assert_string_equal(plain_argument(text, sizeof(text), "a\033[2J\n'\\"),
                        "$'a\\033[2J\\012\\'\\\\'");
    assert_string_equal(plain_argument(text, sizeof(text), "\303\244\302\233"),
                        "$'\\303\\244\\302\\233'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_characters_become_escapes),
        cmocka_unit_test(a_long_path_leaves_the_sentence_to_be_read),
        cmocka_unit_test(cuts_are_between_characters),
        cmocka_unit_test(names_come_as_a_shell_takes_them),
        cmocka_unit_test(a_sentence_knows_the_name_that_it_begins_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

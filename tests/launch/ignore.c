/*
 * .farmignore against the rules that gitignore(5) documents. Verdicts on odd patterns are those of
 * git 2.39 (`git check-ignore --no-index`).
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/tree.h"
#include "launch/disk.h"
#include "launch/ignore.h"

/* What a .farmignore of this text at the top says of a path; one that ends in '/' is a folder. */
static bool left_out(const char *text, const char *path)
{
    struct error error;
    struct ignore *ignore = ignore_create();
    char name[256];
    size_t size = strlen(path);
    bool folder = path[size - 1] == '/';
    assert_true(size < sizeof(name));
    memcpy(name, path, size + 1);
    name[size - folder] = '\0';
    assert_int_equal(ignore_add(ignore, "", text, strlen(text), &error), 0);
    bool covered = ignore_covers(ignore, name, folder);
    ignore_destroy(ignore);
    return covered;
}

struct expected {
    const char *text, *path;
    bool left_out;
};

static void check(const struct expected *table, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (left_out(table[i].text, table[i].path) != table[i].left_out)
            fail_msg("\"%s\" and %s: expected %s", table[i].text, table[i].path,
                     table[i].left_out ? "left out" : "kept");
}

#define CHECK(...)                                                                             \
    do {                                                                                       \
        static const struct expected table[] = {__VA_ARGS__};                                  \
        check(table, sizeof(table) / sizeof(*table));                                          \
    } while (0)

static void patterns_that_make_no_sense_match_nothing(void **state)
{
    (void)state;
    CHECK({"[a", "[a", false}, {"[a", "a", false}, {"a\\", "a", false}, {"a\\", "a\\", false},
          {"[[:foo:]]", "f", false}, {"[z-a]", "m", false}, {"/", "a", false},
          {"!", "a", false}, {"//", "a", false}, {"a/**/", "a/", false}, {"***", "a", true},
          {"[]", "]", false}, {"", "a", false}, {"[!]", "!", false});
}

static void blank_lines_and_comments_are_none(void **state)
{
    (void)state;
    CHECK({"\n\n#a\n  \n", "#a", false}, {"#a", "a", false}, {"\\#a", "#a", true},
          {"a#b", "a#b", true}, {" #a", " #a", true},
          {"\xef\xbb\xbf"
           "a",
           "a", true},
          {"a\r\nb\r\n", "a", true}, {"a\r\nb\r\n", "b", true});
}

static void blanks_at_the_end_go_unless_quoted(void **state)
{
    (void)state;
    CHECK({"a  ", "a", true}, {"a  ", "a  ", false}, {"a\\ ", "a ", true}, {"a\\ ", "a", false},
          {"a\\  ", "a ", true}, {"a b ", "a b", true}, {"a\\\\ ", "a\\", true},
          {"a\t", "a\t", true}, {"a\t", "a", false});
}

static void an_exclamation_mark_takes_back(void **state)
{
    (void)state;
    CHECK({"*.o\n!keep.o", "keep.o", false}, {"*.o\n!keep.o", "a.o", true},
          {"!keep.o\n*.o", "keep.o", true}, {"\\!a", "!a", true}, {"\\!a", "a", false},
          {"*\n!*.c\n!sub/", "x.c", false}, {"*\n!*.c\n!sub/", "sub/x.c", false},
          {"*\n!*.c\n!sub/", "sub/x.o", true}, {"!!a", "a", false});
}

static void what_lies_in_a_folder_left_out_cannot_be_taken_back(void **state)
{
    (void)state;
    CHECK({"out\n!out/keep", "out/keep", true}, {"out/*\n!out/keep", "out/keep", false},
          {"out/*\n!out/keep", "out/other", true}, {"out/**\n!out/a/b", "out/a/b", true},
          {"/*\n!/foo\n/foo/*\n!/foo/bar", "foo/bar", false},
          {"/*\n!/foo\n/foo/*\n!/foo/bar", "foo/baz", true},
          {"/*\n!/foo\n/foo/*\n!/foo/bar", "else", true});
}

static void a_slash_in_front_or_inside_ties_to_the_folder(void **state)
{
    (void)state;
    CHECK({"a", "a", true}, {"a", "x/a", true}, {"a", "x/y/a", true}, {"/a", "a", true},
          {"/a", "x/a", false}, {"doc/frotz", "doc/frotz", true},
          {"doc/frotz", "a/doc/frotz", false}, {"/doc/frotz", "doc/frotz", true},
          {"a/b/", "a/b/", true}, {"a/b/", "x/a/b/", false}, {"foo/*", "foo/test.json", true},
          {"foo/*", "foo/bar/hello.c", true}, {"foo/*", "x/foo/a", false});
}

static void a_slash_at_the_end_asks_for_a_folder(void **state)
{
    (void)state;
    CHECK({"a/", "a/", true}, {"a/", "a", false}, {"a/", "x/a/", true}, {"a/", "a/b", true},
          {"a/", "x/a/b/c", true}, {"frotz/", "frotz/x", true}, {"*/", "a", false},
          {"*/", "a/b", true});
}

static void stars_and_question_marks_stop_at_slashes(void **state)
{
    (void)state;
    CHECK({"a*c", "abc", true}, {"a*c", "ac", true}, {"a*c", "abbbcd", false},
          {"a?c", "abc", true}, {"a?c", "ac", false}, {"a?c", "a/c", false},
          {"/a*c", "ab/c", false}, {"x/*/y", "x/a/y", true}, {"x/*/y", "x/a/b/y", false},
          {"x/*/y", "x/y", false}, {"*", ".hidden", true}, {"*.o", ".o", true},
          {"a*b*c", "axbxc", true}, {"a*b*c", "axcxb", false},
          {"*a*a*a*b", "aaaaaaaaaaaaaac", false});
}

static void two_stars_go_over_slashes(void **state)
{
    (void)state;
    CHECK({"**/foo", "foo", true}, {"**/foo", "a/b/foo", true}, {"**/foo/bar", "foo/bar", true},
          {"**/foo/bar", "x/foo/bar", true}, {"**/foo/bar", "x/foo/y/bar", false},
          {"abc/**", "abc/x", true}, {"abc/**", "abc/x/y", true}, {"abc/**", "abc/", false},
          {"abc/**", "x/abc/y", false}, {"a/**/b", "a/b", true}, {"a/**/b", "a/x/b", true},
          {"a/**/b", "a/x/y/b", true}, {"a/**/b", "a/xb", false}, {"a/**/b", "x/a/b", false},
          {"foo**bar", "foobar", true}, {"foo**bar", "fooxbar", true},
          {"/foo**bar", "foo/bar", false}, {"**", "a/b/c", true},
          {"a/**/b/**/c", "a/b/x/b/y/c", true}, {"a/**/b/**/c", "a/x/c", false});
}

static void sets_are_of_characters_ranges_and_classes(void **state)
{
    (void)state;
    CHECK({"[abc]x", "bx", true}, {"[abc]x", "dx", false}, {"[a-c]x", "bx", true},
          {"[!a-c]x", "bx", false}, {"[!a-c]x", "dx", true}, {"[^a-c]x", "dx", true},
          {"[]]x", "]x", true}, {"[a-]x", "-x", true}, {"[!]a]x", "bx", true},
          {"[!]a]x", "]x", false}, {"[\\]]x", "]x", true}, {"[[:digit:]]", "7", true},
          {"[[:digit:]]", "a", false}, {"[[:alpha:][:digit:]_]x", "_x", true},
          {"/a[/]b", "a/b", false}, {"[a-c", "b", false});
}

static void a_backslash_takes_the_next_character_as_it_is(void **state)
{
    (void)state;
    CHECK({"\\*", "*", true}, {"\\*", "a", false}, {"a\\?", "a?", true}, {"a\\?", "ab", false},
          {"\\a", "a", true}, {"a\\\\b", "a\\b", true}, {"\\[a]", "[a]", true},
          {"\\[a]", "a", false});
}

static void deeper_files_decide_after_higher_ones(void **state)
{
    static const char top[] = "*.o\n/x\n", below[] = "!*.o\n/y\n";
    struct error error;
    struct ignore *ignore = ignore_create();
    (void)state;
    assert_int_equal(ignore_add(ignore, "", top, strlen(top), &error), 0);
    size_t count = ignore_count(ignore);
    assert_int_equal(ignore_add(ignore, "sub", below, strlen(below), &error), 0);
    assert_true(ignore_matches(ignore, "a.o", false));
    assert_false(ignore_matches(ignore, "sub/a.o", false));
    assert_true(ignore_matches(ignore, "subs/a.o", false));
    assert_true(ignore_matches(ignore, "sub/y", false));
    assert_false(ignore_matches(ignore, "y", false));
    assert_false(ignore_matches(ignore, "sub/x", false));
    ignore_forget(ignore, count);
    assert_true(ignore_matches(ignore, "sub/a.o", false));
    ignore_destroy(ignore);
}

static void a_folders_file_is_read(void **state)
{
    struct error error;
    struct ignore *ignore = ignore_create();
    char folder[] = "/tmp/beofarm-ignore-XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(ignore_add_folder(ignore, folder, "", &error), 0);
    assert_int_equal(ignore_count(ignore), 0);
    char *path = disk_join(folder, IGNORE_FILE, &error);
    assert_int_equal(disk_write(path, "a\n!b\n", 5, 0644, false, &error), 0);
    assert_int_equal(ignore_add_folder(ignore, folder, "", &error), 0);
    assert_int_equal(ignore_count(ignore), 2);
    size_t size = (size_t)2 << 20;
    char *large = calloc(size, 1);
    memset(large, 'a', size);
    assert_int_equal(disk_write(path, large, size, 0644, false, &error), 0);
    assert_int_equal(ignore_add_folder(ignore, folder, "", &error), -1);
    assert_non_null(strstr(error.text, IGNORE_FILE));
    free(large);
    free(path);
    tree_remove(AT_FDCWD, folder);
    ignore_destroy(ignore);
}

static void long_patterns_of_stars_end(void **state)
{
    char glob[1024], path[2048];
    (void)state;
    for (int i = 0; i < 500; i++)
        memcpy(glob + 2 * i, "*a", 2);
    memcpy(glob + 1000, "*b", 3);
    memset(path, 'a', 255);
    path[255] = '\0';
    struct error error;
    struct ignore *ignore = ignore_create();
    assert_int_equal(ignore_add(ignore, "", glob, strlen(glob), &error), 0);
    assert_false(ignore_matches(ignore, path, false));
    for (int i = 0; i < 200; i++)
        memcpy(glob + 5 * i, "**/a/", 5);
    memcpy(glob + 1000, "b", 2);
    for (int i = 0; i < 1000; i++)
        memcpy(path + 2 * i, "a/", 2);
    memcpy(path + 2000, "c", 2);
    assert_int_equal(ignore_add(ignore, "", glob, strlen(glob), &error), 0);
    assert_false(ignore_matches(ignore, path, false));
    ignore_destroy(ignore);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_that_make_no_sense_match_nothing),
        cmocka_unit_test(blank_lines_and_comments_are_none),
        cmocka_unit_test(blanks_at_the_end_go_unless_quoted),
        cmocka_unit_test(an_exclamation_mark_takes_back),
        cmocka_unit_test(what_lies_in_a_folder_left_out_cannot_be_taken_back),
        cmocka_unit_test(a_slash_in_front_or_inside_ties_to_the_folder),
        cmocka_unit_test(a_slash_at_the_end_asks_for_a_folder),
        cmocka_unit_test(stars_and_question_marks_stop_at_slashes),
        cmocka_unit_test(two_stars_go_over_slashes),
        cmocka_unit_test(sets_are_of_characters_ranges_and_classes),
        cmocka_unit_test(a_backslash_takes_the_next_character_as_it_is),
        cmocka_unit_test(deeper_files_decide_after_higher_ones),
        cmocka_unit_test(a_folders_file_is_read),
        cmocka_unit_test(long_patterns_of_stars_end),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

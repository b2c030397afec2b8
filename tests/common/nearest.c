#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/nearest.h"

static const char *const keys[] = {"attempts", "task_timeout_s", "tasks", "duplicates"};

static void words_that_are_far_off_are_not_meant(void **state)
{
    (void)state;
    assert_null(nearest_find("colour", keys, 4));
    assert_null(nearest_find("", keys, 4));
    assert_null(nearest_find("x", NULL, 0));
}

static void a_slip_finds_the_word(void **state)
{
    (void)state;
    assert_string_equal(nearest_find("atempts", keys, 4), "attempts");
    assert_string_equal(nearest_find("Attempts", keys, 4), "attempts");
    assert_string_equal(nearest_find("task_timeout", keys, 4), "task_timeout_s");
    assert_string_equal(nearest_find("taks", keys, 4), "tasks");
    assert_string_equal(nearest_find("tasks", keys, 4), "tasks");
}

static void distances_count_half_edits(void **state)
{
    (void)state;
    assert_int_equal(nearest_distance("", ""), 0);
    assert_int_equal(nearest_distance("abc", ""), 6);
    assert_int_equal(nearest_distance("abc", "abd"), 2);
    assert_int_equal(nearest_distance("abc", "aBc"), 1);
    assert_int_equal(nearest_distance("abcd", "abdc"), 2);
    assert_int_equal(nearest_distance("kitten", "sitting"), 6);
}

static void long_words_compare_by_their_beginning(void **state)
{
    (void)state;
    char a[500], b[500];
    memset(a, 'a', sizeof(a));
    memset(b, 'a', sizeof(b));
    a[499] = b[400] = 0;
    assert_int_equal(nearest_distance(a, b), 0);
}

static void a_sentence_ends_with_what_was_meant_or_with_nothing(void **state)
{
    (void)state;
    char name[300];
    assert_string_equal(nearest_hint(NULL).text, "");
    assert_string_equal(nearest_hint("tasks").text, "; did you mean \"tasks\"?");
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_non_null(strstr(nearest_hint(name).text, "nnn\"?")); /* cut, but ended */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_that_are_far_off_are_not_meant),
        cmocka_unit_test(a_slip_finds_the_word),
        cmocka_unit_test(distances_count_half_edits),
        cmocka_unit_test(long_words_compare_by_their_beginning),
        cmocka_unit_test(a_sentence_ends_with_what_was_meant_or_with_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

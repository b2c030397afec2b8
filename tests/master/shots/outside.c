/* Files that do not travel: what is remembered of them, and what is said when they change. */
#include "config.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "master/shots/roll.h"
#include "tests/scratch.h"

static char path[4096];

/* What a run that began with the file remembers, through its note. */
static void remember(struct roll *roll)
{
    const struct survey_file files[] = {
        {.path = "beside.segy"}, {.path = "/gone.index", .index = true}, {.path = path}};
    struct outside now;
    struct error error = {0};
    struct buf note;
    scratch_text("obs it's.segy", "traces");
    snprintf(path, sizeof(path), "%s/obs it's.segy", scratch_folder());
    if (outside_look(files, 3, &now, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(now.count, 1); /* relative ones travel, by their content */
    now.survey[0] = 7;
    buf_init(&note, 1 << 16);
    assert_int_equal(outside_note(&now, &note), 0);
    outside_fini(&now);
    roll_init(roll, 1);
    if (roll_take(roll, note.data, note.size, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(roll->outside.survey[0], 7);
    buf_fini(&note);
}

static void expect(const struct roll *roll, bool sizes_only, const char *said)
{
    struct error error = {0};
    int rc = outside_compare(&roll->outside, NULL, sizes_only, &error);
    assert_int_equal(rc, said ? -1 : 0);
    if (said &&
        (error.code != ERROR_CHANGED || !strstr(error.text, said) || !strstr(error.text, path)))
        fail_msg("\"%s\" where \"%s\" was expected", error.text, said);
}

static void a_file_that_is_as_it_was_is_no_change(void **state)
{
    struct roll roll;
    (void)state;
    remember(&roll);
    expect(&roll, false, NULL);
    roll_fini(&roll);
}

static void a_file_of_another_size_is_refused(void **state)
{
    struct roll roll;
    (void)state;
    remember(&roll);
    assert_int_equal(truncate(path, 5), 0);
    expect(&roll, false, "from 6 to 5 bytes");
    expect(&roll, true, "from 6 to 5 bytes");
    roll_fini(&roll);
}

static void
a_time_that_differs_by_a_nanosecond_is_refused_with_how_to_give_it_back(void **state)
{
    struct roll roll;
    struct stat was;
    char touch[5000];
    (void)state;
    remember(&roll);
    assert_int_equal(stat(path, &was), 0);
    struct timespec times[2] = {was.st_atim, was.st_mtim};
    times[1].tv_nsec += times[1].tv_nsec < 999999999 ? 1 : -1;
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    snprintf(touch, sizeof(touch), "touch -d @%lld.%09ld '%s/obs it'\\''s.segy'",
             (long long)was.st_mtim.tv_sec, was.st_mtim.tv_nsec, scratch_folder());
    expect(&roll, false, touch);
    expect(&roll, true, NULL); /* a master on another machine sees another time */
    times[1] = was.st_mtim;
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    expect(&roll, false, NULL);
    roll_fini(&roll);
}

static void a_file_that_was_rewritten_and_has_its_time_back_was_touched(void **state)
{
    const struct survey_file files[] = {{.path = path}};
    struct outside then;
    struct error error = {0};
    struct stat was, now;
    struct roll roll;
    (void)state;
    remember(&roll);
    assert_int_equal(outside_look(files, 1, &then, &error), 0);
    assert_null(outside_touched(&then));
    assert_int_equal(stat(path, &was), 0);
    const struct timespec times[2] = {was.st_atim, was.st_mtim};
    do { /* the clock of file systems goes by milliseconds */
        scratch_text("obs it's.segy", "secart");
        assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
        assert_int_equal(stat(path, &now), 0);
    } while (memcmp(&now.st_ctim, &was.st_ctim, sizeof(was.st_ctim)) == 0);
    expect(&roll, false, NULL);
    assert_string_equal(outside_touched(&then), path);
    outside_fini(&then);
    roll_fini(&roll);
}

static void a_file_that_is_gone_is_named(void **state)
{
    struct roll roll;
    (void)state;
    remember(&roll);
    assert_int_equal(unlink(path), 0);
    expect(&roll, false, "No such file");
    roll_fini(&roll);
}

static void a_file_that_has_joined_them_is_refused(void **state)
{
    struct roll roll;
    struct error error = {0};
    char joined[] = "/data/new.segy";
    struct outside_file file = {.path = joined};
    const struct outside now = {.files = &file, .count = 1};
    (void)state;
    remember(&roll);
    assert_int_equal(outside_compare(&roll.outside, &now, false, &error), -1);
    assert_int_equal(error.code, ERROR_CHANGED);
    assert_non_null(strstr(error.text, joined));
    roll_fini(&roll);
}

static void a_note_that_is_none_changes_nothing(void **state)
{
#define SURVEY "\"survey\":\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\""
    static const char *const notes[] = {
        "{\"outside\":7}", "{\"outside\":{\"survey\":\"00\",\"files\":[]}}",
        "{\"outside\":{" SURVEY "}}", "{\"outside\":{" SURVEY ",\"files\":[[\"a\",1,2,3]]}}",
        "{\"outside\":{" SURVEY ",\"files\":[[\"/a\",1,2,3],[\"/b\",-1,2,3]]}}"};
    struct roll roll;
    struct error error;
    (void)state;
    remember(&roll);
    for (size_t i = 0; i < sizeof(notes) / sizeof(*notes); i++)
        assert_int_equal(roll_take(&roll, notes[i], strlen(notes[i]), &error), -1);
    assert_int_equal(roll.outside.count, 1);
    roll_fini(&roll);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_is_as_it_was_is_no_change),
        cmocka_unit_test(a_file_of_another_size_is_refused),
        cmocka_unit_test(
            a_time_that_differs_by_a_nanosecond_is_refused_with_how_to_give_it_back),
        cmocka_unit_test(a_file_that_was_rewritten_and_has_its_time_back_was_touched),
        cmocka_unit_test(a_file_that_is_gone_is_named),
        cmocka_unit_test(a_file_that_has_joined_them_is_refused),
        cmocka_unit_test(a_note_that_is_none_changes_nothing),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}

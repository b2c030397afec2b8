#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "master/journal.h"
#include "tests/master/henry.h"

/* --- bad input ---------------------------------------------------------------------------- */

static void refuses_a_journal_of_another_farm(void **state)
{
    const struct place *place = *state;
    struct journal_meta other = henry;

    journal_close(henry_open(place), NULL);
    other.farm = "elder";
    henry_refuse(place->path, JOURNAL_WRITE, &other, ERROR_CHANGED, "henry");
}

static void refuses_other_columns(void **state)
{
    const struct place *place = *state;
    struct journal_meta other = henry;

    journal_close(henry_open(place), NULL);
    other.params = "[\"K\",\"S\"]";
    henry_refuse(place->path, JOURNAL_WRITE, &other, ERROR_CHANGED, "parameters");
    other = henry;
    other.results = "[]";
    henry_refuse(place->path, JOURNAL_WRITE, &other, ERROR_CHANGED, "values");
}

static void refuses_a_newer_format(void **state)
{
    const struct place *place = *state;

    journal_close(henry_open(place), NULL);
    henry_sql(place->path, "PRAGMA user_version=999");
    henry_refuse(place->path, JOURNAL_WRITE, &henry, ERROR_SYSTEM, "newer");
}

static void refuses_another_programs_database(void **state)
{
    const struct place *place = *state;

    henry_sql(place->path, "CREATE TABLE x(y)");
    henry_refuse(place->path, JOURNAL_WRITE, &henry, ERROR_SYSTEM, "not a journal");
}

static void refuses_a_file_that_is_no_database(void **state)
{
    const struct place *place = *state;
    FILE *file = fopen(place->path, "w");

    for (int i = 0; i < 1000; i++)
        fputs("this is no database\n", file);
    fclose(file);
    henry_refuse(place->path, JOURNAL_WRITE, &henry, ERROR_SYSTEM, "not a database");
}

static void says_that_a_damaged_journal_is_damaged(void **state)
{
    const struct place *place = *state;
    struct journal *journal = henry_open(place);
    struct error error = {0};
    struct seen seen = {0};
    struct stat info;
    int fd;

    for (uint64_t task = 1; task <= 20000; task++)
        henry_add(journal, task);
    assert_int_equal(journal_close(journal, &error), 0);
    fd = open(place->path, O_RDWR);
    assert_int_equal(fstat(fd, &info), 0);
    assert_true(info.st_size > 400000);
    for (off_t at = 100 * 4096; at < 102 * 4096; at += 8)
        assert_int_equal(pwrite(fd, "garbage!", 8, at), 8);
    close(fd);
    journal = henry_open(place);
    assert_int_equal(journal_replay(journal, henry_see, &seen, &error), -1);
    assert_int_equal(error.code, ERROR_SYSTEM);
    assert_non_null(strstr(error.text, "malformed"));
    journal_close(journal, NULL);
}

static void refuses_a_truncated_journal(void **state)
{
    const struct place *place = *state;
    struct journal *journal = henry_open(place);
    struct error error = {0};
    struct seen seen = {0};

    for (uint64_t task = 1; task <= 5000; task++)
        henry_add(journal, task);
    assert_int_equal(journal_close(journal, &error), 0);
    assert_int_equal(truncate(place->path, 50 * 4096 + 100), 0);
    journal = journal_open(place->path, JOURNAL_WRITE, &henry, &error);
    if (journal) /* SQLite may notice only when it gets there */
        assert_int_equal(journal_replay(journal, henry_see, &seen, &error), -1);
    assert_int_equal(error.code, ERROR_SYSTEM);
    journal_close(journal, NULL);
}

static void refuses_a_second_master_and_names_the_first(void **state)
{
    const struct place *place = *state;
    struct journal *journal = henry_open(place);
    char pid[32];

    snprintf(pid, sizeof pid, "pid %ld", (long)getpid());
    henry_refuse(place->path, JOURNAL_WRITE, &henry, ERROR_SYSTEM, pid);
    journal_close(journal, NULL);
    journal_close(henry_open(place), NULL);
}

static void refuses_folders_that_are_not_there(void **state)
{
    (void)state;
    henry_refuse("/nowhere/at/all/journal.db", JOURNAL_WRITE, &henry, ERROR_SYSTEM,
                 "No such file");
    henry_refuse("/nowhere/at/all/journal.db", JOURNAL_READ, NULL, ERROR_SYSTEM,
                 "No such file");
}

/* --- what it is for ----------------------------------------------------------------------- */

static void keeps_every_field(void **state)
{
    const struct place *place = *state;
    struct journal *journal = henry_open(place);
    struct journal_row row = {.ended = true,
                              .attempts = 3,
                              .worker = "node-7",
                              .params = "\0\1\2",
                              .params_size = 3,
                              .result = {.id = {UINT64_C(1) << 40, 3},
                                         .status = RESULT_SIGNAL,
                                         .code = 11,
                                         .slot = 63,
                                         .started_ns = INT64_C(1700000000123456789),
                                         .elapsed_s = 1.25,
                                         .cpu_s = 1.125,
                                         .max_rss_bytes = INT64_C(5) << 30,
                                         .output_files = 4,
                                         .values = "\0x",
                                         .values_size = 2,
                                         .error = "it crashed",
                                         .error_size = 10,
                                         .stderr_tail = "boom\n",
                                         .stderr_size = 5}};
    struct seen seen;

    assert_int_equal(journal_add(journal, &row, NULL, NULL), 0);
    assert_int_equal(journal_close(journal, NULL), 0);
    journal = henry_open(place);
    assert_true(journal_resumed(journal));
    seen = henry_replay(journal);
    assert_int_equal(seen.count, 1);
    assert_true(seen.row.result.id.task == UINT64_C(1) << 40);
    assert_int_equal(seen.row.result.id.attempt, 3);
    assert_int_equal(seen.row.result.status, RESULT_SIGNAL);
    assert_int_equal(seen.row.result.code, 11);
    assert_int_equal(seen.row.result.slot, 63);
    assert_true(seen.row.result.started_ns == INT64_C(1700000000123456789));
    assert_true(seen.row.result.elapsed_s == 1.25 && seen.row.result.cpu_s == 1.125);
    assert_true(seen.row.result.max_rss_bytes == INT64_C(5) << 30);
    assert_int_equal(seen.row.result.output_files, 4);
    assert_int_equal(seen.row.result.values_size, 2);
    assert_int_equal(seen.row.params_size, 3);
    assert_int_equal(seen.row.attempts, 3);
    assert_string_equal(seen.error, "it crashed");
    assert_string_equal(seen.stderr_tail, "boom\n");
    assert_string_equal(seen.worker, "node-7");
    journal_close(journal, NULL);
}

static void the_first_result_of_a_task_wins(void **state)
{
    const struct place *place = *state;
    struct journal *journal = henry_open(place);
    struct journal_row late = henry_row(1);
    struct seen seen;

    henry_wait(journal, henry_add(journal, 1));
    late.worker = "late";
    late.result.status = RESULT_EXIT;
    assert_int_equal(journal_add(journal, &late, NULL, NULL), 0);
    henry_wait(journal, 2);
    seen = henry_replay(journal);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.worker, "n1");
    journal_close(journal, NULL);
}

static void failed_attempts_are_no_ended_tasks(void **state)
{
    const struct place *place = *state;
    struct journal *journal = henry_open(place);
    struct journal_row failure = henry_row(5);
    struct seen seen = {0};

    failure.ended = false;
    failure.result.status = RESULT_TIMEOUT;
    assert_int_equal(journal_add(journal, &failure, NULL, NULL), 0);
    assert_int_equal(journal_add(journal, &failure, NULL, NULL), 0);
    henry_wait(journal, 2);
    assert_int_equal(henry_replay(journal).count, 0);
    assert_int_equal(journal_replay_failures(journal, henry_see, &seen, NULL), 0);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.row.result.status, RESULT_TIMEOUT);
    journal_close(journal, NULL);
}

static void rows_come_back_in_task_order(void **state)
{
    const struct place *place = *state;
    struct journal *journal = henry_open(place);

    for (uint64_t task = 1000; task > 0; task--)
        henry_add(journal, task);
    henry_wait(journal, 1000);
    assert_int_equal(henry_replay(journal).count, 1000); /* henry_see checks the order */
    assert_int_equal(journal_backlog(journal, NULL), 0);
    journal_close(journal, NULL);
}

static void meta_lasts_and_the_run_has_an_id(void **state)
{
    const struct place *place = *state;
    struct journal *journal = henry_open(place);
    char run[64];

    assert_false(journal_resumed(journal));
    snprintf(run, sizeof run, "%s", journal_meta_get(journal, "run"));
    assert_int_equal(strlen(run), 32);
    assert_null(journal_meta_get(journal, "colour"));
    journal_close(journal, NULL);
    journal = journal_open(place->path, JOURNAL_READ, NULL, NULL);
    assert_non_null(journal);
    assert_string_equal(journal_meta_get(journal, "run"), run);
    assert_string_equal(journal_meta_get(journal, "farm"), "henry");
    journal_close(journal, NULL);
}

static void others_can_read_during_the_run(void **state)
{
    const struct place *place = *state;
    struct journal *journal = henry_open(place), *reader;
    struct error error = {0};

    henry_wait(journal, henry_add(journal, 1));
    reader = journal_open(place->path, JOURNAL_READ, NULL, &error);
    assert_non_null(reader);
    assert_int_equal(henry_replay(reader).count, 1);
    henry_wait(journal, henry_add(journal, 2));
    assert_int_equal(henry_replay(reader).count, 2);
    journal_close(reader, NULL);
    journal_close(journal, NULL);
}

static int see_note(void *context, const void *bytes, size_t size, struct error *ret_error)
{
    char *text = context;

    (void)ret_error;
    strncat(text, bytes, size);
    strcat(text, ";");
    return 0;
}

static uint64_t note(struct journal *journal, const char *text)
{
    uint64_t sequence = 0;

    assert_int_equal(journal_add_note(journal, text, strlen(text), &sequence, NULL), 0);
    return sequence;
}

static void empty_notes_are_refused(void **state)
{
    struct journal *journal = henry_open(*state);
    struct error error = {0};

    assert_int_equal(journal_add_note(journal, "", 0, NULL, &error), -1);
    assert_int_equal(error.code, ERROR_BUG);
    journal_close(journal, NULL);
}

static void notes_come_back_in_order_and_are_no_tasks(void **state)
{
    struct journal *journal = henry_open(*state);
    char text[256] = "";

    assert_int_equal(note(journal, "wave 1"), 1);
    assert_int_equal(henry_add(journal, 7), 2);
    assert_int_equal(note(journal, "wave 2"), 3); /* one sequence for rows and notes */
    assert_int_equal(note(journal, "wave 2"), 4); /* a note is never dropped */
    henry_wait(journal, 4);
    assert_int_equal(journal_close(journal, NULL), 0);

    journal = henry_open(*state);
    note(journal, "wave 3");
    henry_wait(journal, 1);
    assert_int_equal(journal_replay_notes(journal, see_note, text, NULL), 0);
    assert_string_equal(text, "wave 1;wave 2;wave 2;wave 3;");
    assert_int_equal(henry_replay(journal).count, 1);
    journal_close(journal, NULL);
}

static void a_journal_without_notes_is_brought_up_to_date(void **state)
{
    const struct place *place = *state;
    struct journal *journal = henry_open(place);
    char text[256] = "";

    henry_wait(journal, henry_add(journal, 1));
    assert_int_equal(journal_close(journal, NULL), 0);
    henry_sql(place->path, "DROP TABLE note");
    henry_sql(place->path, "ALTER TABLE result DROP COLUMN folder");
    henry_sql(place->path, "PRAGMA user_version=1");

    journal = journal_open(place->path, JOURNAL_READ, NULL, NULL);
    assert_non_null(journal);
    assert_int_equal(journal_replay_notes(journal, see_note, text, NULL), 0);
    assert_string_equal(text, "");
    journal_close(journal, NULL);

    journal = henry_open(place);
    henry_wait(journal, note(journal, "wave 1"));
    assert_int_equal(journal_replay_notes(journal, see_note, text, NULL), 0);
    assert_string_equal(text, "wave 1;");
    assert_int_equal(henry_replay(journal).count, 1);
    journal_close(journal, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HENRY_TEST(refuses_a_journal_of_another_farm),
        HENRY_TEST(refuses_other_columns),
        HENRY_TEST(refuses_a_newer_format),
        HENRY_TEST(refuses_another_programs_database),
        HENRY_TEST(refuses_a_file_that_is_no_database),
        HENRY_TEST(says_that_a_damaged_journal_is_damaged),
        HENRY_TEST(refuses_a_truncated_journal),
        HENRY_TEST(refuses_a_second_master_and_names_the_first),
        HENRY_TEST(refuses_folders_that_are_not_there),
        HENRY_TEST(keeps_every_field),
        HENRY_TEST(the_first_result_of_a_task_wins),
        HENRY_TEST(failed_attempts_are_no_ended_tasks),
        HENRY_TEST(rows_come_back_in_task_order),
        HENRY_TEST(meta_lasts_and_the_run_has_an_id),
        HENRY_TEST(others_can_read_during_the_run),
        HENRY_TEST(empty_notes_are_refused),
        HENRY_TEST(notes_come_back_in_order_and_are_no_tasks),
        HENRY_TEST(a_journal_without_notes_is_brought_up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

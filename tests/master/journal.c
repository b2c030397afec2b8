#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "common/clock.h"
#include "master/journal.h"

static const struct journal_meta henry = {
    .farm = "henry", .farm_file = "{}", .params = "[\"K\"]", .results = "[\"head\"]"};

struct place {
    char folder[64], path[128];
};

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int setup(void **state)
{
    struct place *place = calloc(1, sizeof *place);

    strcpy(place->folder, "/tmp/beofarm-journal-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->path, sizeof place->path, "%s/journal.db", place->folder);
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;

    nftw(place->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(place);
    return 0;
}

static struct journal *open_henry(const struct place *place)
{
    struct error error = {0};
    struct journal *journal = journal_open(place->path, JOURNAL_WRITE, &henry, &error);

    if (!journal)
        print_message("# %s\n", error.text);
    assert_non_null(journal);
    return journal;
}

static struct journal_row row_of(uint64_t task)
{
    return (struct journal_row){
        .ended = true,
        .attempts = 1,
        .worker = "n1",
        .params = "\1\1\2",
        .params_size = 3,
        .result = {.id = {task, 1}, .elapsed_s = 0.5, .values = "\1\1\4", .values_size = 3}};
}

static uint64_t add(struct journal *journal, uint64_t task)
{
    struct journal_row row = row_of(task);
    struct error error = {0};
    uint64_t sequence = 0;

    assert_int_equal(journal_add(journal, &row, &sequence, &error), 0);
    return sequence;
}

/* Wait, on the descriptor alone, until `sequence` is durable. */
static void wait_committed(struct journal *journal, uint64_t sequence)
{
    struct pollfd poll_fd = {.fd = journal_fd(journal), .events = POLLIN};

    while (journal_committed(journal) < sequence)
        assert_int_equal(poll(&poll_fd, 1, 20000), 1);
}

struct seen {
    uint64_t count, last;
    struct journal_row row;
    char error[64], stderr_tail[64], worker[64];
};

static int see(void *context, const struct journal_row *row, struct error *ret_error)
{
    struct seen *seen = context;

    (void)ret_error;
    if (row->ended) /* in task order, each once */
        assert_true(row->result.id.task > seen->last);
    seen->last = row->result.id.task;
    seen->count++;
    seen->row = *row;
    snprintf(seen->error, sizeof seen->error, "%.*s", (int)row->result.error_size,
             row->result.error_size ? row->result.error : "");
    snprintf(seen->stderr_tail, sizeof seen->stderr_tail, "%.*s", (int)row->result.stderr_size,
             row->result.stderr_size ? row->result.stderr_tail : "");
    snprintf(seen->worker, sizeof seen->worker, "%s", row->worker);
    return 0;
}

static struct seen replay(struct journal *journal)
{
    struct seen seen = {0};
    struct error error = {0};

    assert_int_equal(journal_replay(journal, see, &seen, &error), 0);
    return seen;
}

/* Opening must fail, with this code and a sentence that holds `words`. */
static void refuses(const char *path, enum journal_mode mode, const struct journal_meta *meta,
                    enum error_code code, const char *words)
{
    struct error error = {0};

    assert_null(journal_open(path, mode, meta, &error));
    if (error.code != code || !strstr(error.text, words))
        print_message("# code %d: %s\n", error.code, error.text);
    assert_int_equal(error.code, code);
    assert_non_null(strstr(error.text, words));
}

/* --- bad input ---------------------------------------------------------------------------- */

static void refuses_a_journal_of_another_farm(void **state)
{
    const struct place *place = *state;
    struct journal_meta other = henry;

    journal_close(open_henry(place), NULL);
    other.farm = "elder";
    refuses(place->path, JOURNAL_WRITE, &other, ERROR_CHANGED, "henry");
}

static void refuses_other_columns(void **state)
{
    const struct place *place = *state;
    struct journal_meta other = henry;

    journal_close(open_henry(place), NULL);
    other.params = "[\"K\",\"S\"]";
    refuses(place->path, JOURNAL_WRITE, &other, ERROR_CHANGED, "parameters");
    other = henry;
    other.results = "[]";
    refuses(place->path, JOURNAL_WRITE, &other, ERROR_CHANGED, "values");
}

static void sql(const char *path, const char *text)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void refuses_a_newer_format(void **state)
{
    const struct place *place = *state;

    journal_close(open_henry(place), NULL);
    sql(place->path, "PRAGMA user_version=999");
    refuses(place->path, JOURNAL_WRITE, &henry, ERROR_SYSTEM, "newer");
}

static void refuses_another_programs_database(void **state)
{
    const struct place *place = *state;

    sql(place->path, "CREATE TABLE x(y)");
    refuses(place->path, JOURNAL_WRITE, &henry, ERROR_SYSTEM, "not a journal");
}

static void refuses_a_file_that_is_no_database(void **state)
{
    const struct place *place = *state;
    FILE *file = fopen(place->path, "w");

    for (int i = 0; i < 1000; i++)
        fputs("this is no database\n", file);
    fclose(file);
    refuses(place->path, JOURNAL_WRITE, &henry, ERROR_SYSTEM, "not a database");
}

static void says_that_a_damaged_journal_is_damaged(void **state)
{
    const struct place *place = *state;
    struct journal *journal = open_henry(place);
    struct error error = {0};
    struct seen seen = {0};
    struct stat info;
    int fd;

    for (uint64_t task = 1; task <= 20000; task++)
        add(journal, task);
    assert_int_equal(journal_close(journal, &error), 0);
    fd = open(place->path, O_RDWR);
    assert_int_equal(fstat(fd, &info), 0);
    assert_true(info.st_size > 400000);
    for (off_t at = 100 * 4096; at < 102 * 4096; at += 8)
        assert_int_equal(pwrite(fd, "garbage!", 8, at), 8);
    close(fd);
    journal = open_henry(place);
    assert_int_equal(journal_replay(journal, see, &seen, &error), -1);
    assert_int_equal(error.code, ERROR_SYSTEM);
    assert_non_null(strstr(error.text, "malformed"));
    journal_close(journal, NULL);
}

static void refuses_a_truncated_journal(void **state)
{
    const struct place *place = *state;
    struct journal *journal = open_henry(place);
    struct error error = {0};
    struct seen seen = {0};

    for (uint64_t task = 1; task <= 5000; task++)
        add(journal, task);
    assert_int_equal(journal_close(journal, &error), 0);
    assert_int_equal(truncate(place->path, 50 * 4096 + 100), 0);
    journal = journal_open(place->path, JOURNAL_WRITE, &henry, &error);
    if (journal) /* SQLite may notice only when it gets there */
        assert_int_equal(journal_replay(journal, see, &seen, &error), -1);
    assert_int_equal(error.code, ERROR_SYSTEM);
    journal_close(journal, NULL);
}

static void refuses_a_second_master_and_names_the_first(void **state)
{
    const struct place *place = *state;
    struct journal *journal = open_henry(place);
    char pid[32];

    snprintf(pid, sizeof pid, "pid %ld", (long)getpid());
    refuses(place->path, JOURNAL_WRITE, &henry, ERROR_SYSTEM, pid);
    journal_close(journal, NULL);
    journal_close(open_henry(place), NULL);
}

static void refuses_folders_that_are_not_there(void **state)
{
    (void)state;
    refuses("/nowhere/at/all/journal.db", JOURNAL_WRITE, &henry, ERROR_SYSTEM, "No such file");
    refuses("/nowhere/at/all/journal.db", JOURNAL_READ, NULL, ERROR_SYSTEM, "No such file");
}

/* --- what it is for ----------------------------------------------------------------------- */

static void keeps_every_field(void **state)
{
    const struct place *place = *state;
    struct journal *journal = open_henry(place);
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
    journal = open_henry(place);
    assert_true(journal_resumed(journal));
    seen = replay(journal);
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
    struct journal *journal = open_henry(place);
    struct journal_row late = row_of(1);
    struct seen seen;

    wait_committed(journal, add(journal, 1));
    late.worker = "late";
    late.result.status = RESULT_EXIT;
    assert_int_equal(journal_add(journal, &late, NULL, NULL), 0);
    wait_committed(journal, 2);
    seen = replay(journal);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.worker, "n1");
    journal_close(journal, NULL);
}

static void failed_attempts_are_no_ended_tasks(void **state)
{
    const struct place *place = *state;
    struct journal *journal = open_henry(place);
    struct journal_row failure = row_of(5);
    struct seen seen = {0};

    failure.ended = false;
    failure.result.status = RESULT_TIMEOUT;
    assert_int_equal(journal_add(journal, &failure, NULL, NULL), 0);
    assert_int_equal(journal_add(journal, &failure, NULL, NULL), 0);
    wait_committed(journal, 2);
    assert_int_equal(replay(journal).count, 0);
    assert_int_equal(journal_replay_failures(journal, see, &seen, NULL), 0);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.row.result.status, RESULT_TIMEOUT);
    journal_close(journal, NULL);
}

static void rows_come_back_in_task_order(void **state)
{
    const struct place *place = *state;
    struct journal *journal = open_henry(place);

    for (uint64_t task = 1000; task > 0; task--)
        add(journal, task);
    wait_committed(journal, 1000);
    assert_int_equal(replay(journal).count, 1000); /* `see` checks the order */
    assert_int_equal(journal_backlog(journal, NULL), 0);
    journal_close(journal, NULL);
}

static void one_row_is_committed_without_waiting_for_more(void **state)
{
    const struct place *place = *state;
    struct journal *journal = open_henry(place);

    for (uint64_t i = 1; i <= 20; i++)
        wait_committed(journal, add(journal, i)); /* would hang if rows waited for a group */
    journal_close(journal, NULL);
}

static int64_t stepping_wall;

static int64_t step_back(void)
{
    return stepping_wall -= CLOCK_SECOND_NS * 3600;
}

static void steps_of_the_wall_clock_change_nothing(void **state)
{
    const struct place *place = *state;
    struct journal *journal;

    stepping_wall = clock_wall_ns();
    clock_replace(NULL, step_back);
    journal = open_henry(place);
    for (uint64_t i = 1; i <= 20; i++)
        wait_committed(journal, add(journal, i));
    clock_replace(NULL, NULL);
    assert_int_equal(replay(journal).count, 20);
    journal_close(journal, NULL);
}

static void meta_lasts_and_the_run_has_an_id(void **state)
{
    const struct place *place = *state;
    struct journal *journal = open_henry(place);
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
    struct journal *journal = open_henry(place), *reader;
    struct error error = {0};

    wait_committed(journal, add(journal, 1));
    reader = journal_open(place->path, JOURNAL_READ, NULL, &error);
    assert_non_null(reader);
    assert_int_equal(replay(reader).count, 1);
    wait_committed(journal, add(journal, 2));
    assert_int_equal(replay(reader).count, 2);
    journal_close(reader, NULL);
    journal_close(journal, NULL);
}

/* --- hooks -------------------------------------------------------------------------------- */

struct hooked {
    struct journal *journal;
    int refuse; /* how often prepare is still to fail */
    int prepared;
    uint64_t committed_rows, committed_tasks;
};

static int hook_prepare(void *context, const struct journal_row *rows, size_t count,
                        struct error *ret_error)
{
    struct hooked *hooked = context;

    assert_true(count > 0 && rows[0].result.id.task > 0);
    hooked->prepared++;
    if (hooked->refuse > 0) {
        hooked->refuse--;
        return error_set(ret_error, ERROR_SYSTEM, "the outputs are not durable yet");
    }
    return 0;
}

static void hook_committed(void *context, const struct journal_row *rows, size_t count)
{
    struct hooked *hooked = context;

    hooked->committed_rows += count;
    for (size_t i = 0; i < count; i++)
        hooked->committed_tasks += rows[i].ended && strcmp(rows[i].worker, "n1") == 0 &&
                                   memcmp(rows[i].result.values, "\1\1\4", 3) == 0;
}

static void nothing_is_committed_before_prepare_agrees(void **state)
{
    const struct place *place = *state;
    struct hooked hooked = {.refuse = 1};
    struct journal_hooks hooks = {.prepare = hook_prepare,
                                  .prepare_context = &hooked,
                                  .committed = hook_committed,
                                  .committed_context = &hooked};
    struct error error = {0};
    struct journal *journal = open_henry(place);
    struct pollfd poll_fd = {.fd = journal_fd(journal), .events = POLLIN};

    journal_set_hooks(journal, &hooks);
    add(journal, 1);
    assert_int_equal(poll(&poll_fd, 1, 20000), 1);
    assert_true(journal_trouble(journal, &error));
    assert_string_equal(error.text, "the outputs are not durable yet");
    assert_int_equal(journal_committed(journal), 0);
    assert_int_equal(replay(journal).count, 0);
    add(journal, 2); /* queues on */
    wait_committed(journal, 2);
    assert_false(journal_trouble(journal, NULL));
    assert_int_equal(replay(journal).count, 2);
    assert_int_equal(journal_close(journal, NULL), 0);
    assert_int_equal(hooked.committed_rows, 2);
    assert_int_equal(hooked.committed_tasks, 2);
}

static void closing_with_rows_that_cannot_be_written_says_how_many(void **state)
{
    const struct place *place = *state;
    struct hooked hooked = {.refuse = 1000};
    struct journal_hooks hooks = {.prepare = hook_prepare, .prepare_context = &hooked};
    struct error error = {0};
    struct journal *journal = open_henry(place);

    journal_set_hooks(journal, &hooks);
    for (uint64_t task = 1; task <= 3; task++)
        add(journal, task);
    assert_int_equal(journal_close(journal, &error), -1);
    assert_non_null(strstr(error.text, "3 results could not be written"));
}

/* --- crashes and full disks --------------------------------------------------------------- */

/* The child adds tasks without end and says through the pipe what is durable. */
static void child_add_for_ever(const struct place *place, int report_fd)
{
    struct journal *journal = journal_open(place->path, JOURNAL_WRITE, &henry, NULL);
    uint64_t told = 0, task = 0;

    if (journal) /* go on behind what is there */
        task = replay(journal).last;
    while (journal) {
        uint64_t committed;
        struct journal_row row = row_of(++task);

        if (journal_add(journal, &row, NULL, NULL) < 0)
            break;
        while (journal_backlog(journal, NULL) > 5000) /* the owner bounds the queue */
            wait_committed(journal, told + 1);
        committed = journal_committed(journal);
        if (committed != told) {
            uint64_t durable = task - journal_backlog(journal, NULL);

            /* All sequence numbers are of this run, so the last `backlog` tasks are not in. */
            if (write(report_fd, &durable, sizeof durable) != sizeof durable)
                break;
            told = committed;
        }
    }
    _exit(1);
}

static void kill_9_loses_nothing_that_was_called_durable(void **state)
{
    const struct place *place = *state;
    uint64_t durable = 0;

    for (int round = 0; round < 5; round++) {
        int pipe_fds[2], status;
        struct journal *journal;
        struct seen seen;
        pid_t child;

        assert_int_equal(pipe(pipe_fds), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(pipe_fds[0]);
            child_add_for_ever(place, pipe_fds[1]);
        }
        close(pipe_fds[1]);
        for (int i = 0; i < 5 + 13 * round; i++)
            assert_int_equal(read(pipe_fds[0], &durable, sizeof durable), sizeof durable);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        while (read(pipe_fds[0], &durable, sizeof durable) == sizeof durable)
            ; /* also what was said last of all */
        close(pipe_fds[0]);

        journal = open_henry(place);
        seen = replay(journal);
        assert_true(durable > 0);
        assert_true(seen.count >= durable);
        assert_true(seen.count == seen.last); /* and no gap: groups are whole */
        journal_close(journal, NULL);
    }
}

static void a_full_disk_is_waited_out(void **state)
{
    const struct place *place = *state;
    char path[160], filler[160], noise[1024];
    struct error error = {0};
    struct journal *journal;
    struct pollfd poll_fd = {.events = POLLIN};
    uint64_t task = 0;

    if (geteuid() != 0 || mount("tmpfs", place->folder, "tmpfs", 0, "size=3m") < 0) {
        print_message("# skipped: only root can mount a small tmpfs\n");
        skip();
    }
    snprintf(path, sizeof path, "%s/journal.db", place->folder);
    snprintf(filler, sizeof filler, "%s/filler", place->folder);
    int fd = open(filler, O_WRONLY | O_CREAT, 0600);
    memset(noise, 'x', sizeof noise);
    for (int i = 0; i < 1024; i++)
        assert_int_equal(write(fd, noise, sizeof noise), sizeof noise);
    close(fd);

    journal = journal_open(path, JOURNAL_WRITE, &henry, &error);
    assert_non_null(journal);
    poll_fd.fd = journal_fd(journal);
    while (!journal_trouble(journal, &error)) {
        struct journal_row row = row_of(++task);

        row.result.stderr_tail = noise;
        row.result.stderr_size = sizeof noise;
        assert_int_equal(journal_add(journal, &row, NULL, NULL), 0);
        assert_true(task < 100000);
        if (task % 64 == 0)
            assert_true(poll(&poll_fd, 1, 20000) == 1 && journal_committed(journal) <= task);
    }
    assert_int_equal(error.code, ERROR_SYSTEM);
    assert_non_null(strstr(error.text, "full"));
    assert_true(journal_backlog(journal, NULL) > 0);
    assert_true(journal_committed(journal) < task);
    assert_int_equal(replay(journal).count, journal_committed(journal));

    unlink(filler); /* room for what is queued */
    wait_committed(journal, task);
    assert_false(journal_trouble(journal, NULL));
    assert_int_equal(replay(journal).count, task);
    assert_int_equal(journal_close(journal, &error), 0);
    umount2(place->folder, MNT_DETACH);
}

/* A file system without shared memory for WAL: SQLite's own methods, cut down to version 1. */
static sqlite3_vfs plain_vfs;
static sqlite3_vfs *unix_vfs;
static sqlite3_io_methods plain_methods;

static int plain_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                      int *ret_flags)
{
    int rc = unix_vfs->xOpen(unix_vfs, name, file, flags, ret_flags);

    (void)vfs;
    if (rc == SQLITE_OK && file->pMethods && flags & SQLITE_OPEN_MAIN_DB) {
        plain_methods = *file->pMethods;
        plain_methods.iVersion = 1;
        file->pMethods = &plain_methods;
    }
    return rc;
}

static void works_where_wal_cannot_share_memory(void **state)
{
    const struct place *place = *state;
    struct journal *journal;

    unix_vfs = sqlite3_vfs_find(NULL);
    plain_vfs = *unix_vfs;
    plain_vfs.zName = "plain";
    plain_vfs.xOpen = plain_open;
    assert_int_equal(sqlite3_vfs_register(&plain_vfs, 1), SQLITE_OK);
    for (uint64_t round = 1; round <= 2; round++) { /* new, and again on what is there */
        char wal[160];

        journal = open_henry(place);
        wait_committed(journal, (add(journal, 2 * round - 1), add(journal, 2 * round)));
        assert_int_equal(replay(journal).count, 2 * round);
        snprintf(wal, sizeof wal, "%s-wal", place->path);
        assert_int_equal(access(wal, F_OK), 0); /* a log there is all the same */
        snprintf(wal, sizeof wal, "%s-shm", place->path);
        assert_int_equal(access(wal, F_OK), -1);
        assert_int_equal(journal_close(journal, NULL), 0);
    }
    sqlite3_vfs_unregister(&plain_vfs);
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
    struct journal *journal = open_henry(*state);
    struct error error = {0};

    assert_int_equal(journal_add_note(journal, "", 0, NULL, &error), -1);
    assert_int_equal(error.code, ERROR_BUG);
    journal_close(journal, NULL);
}

static void notes_come_back_in_order_and_are_no_tasks(void **state)
{
    struct journal *journal = open_henry(*state);
    char text[256] = "";

    assert_int_equal(note(journal, "wave 1"), 1);
    assert_int_equal(add(journal, 7), 2);
    assert_int_equal(note(journal, "wave 2"), 3); /* one sequence for rows and notes */
    assert_int_equal(note(journal, "wave 2"), 4); /* a note is never dropped */
    wait_committed(journal, 4);
    assert_int_equal(journal_close(journal, NULL), 0);

    journal = open_henry(*state);
    note(journal, "wave 3");
    wait_committed(journal, 1);
    assert_int_equal(journal_replay_notes(journal, see_note, text, NULL), 0);
    assert_string_equal(text, "wave 1;wave 2;wave 2;wave 3;");
    assert_int_equal(replay(journal).count, 1);
    journal_close(journal, NULL);
}

static void a_journal_without_notes_is_brought_up_to_date(void **state)
{
    const struct place *place = *state;
    struct journal *journal = open_henry(place);
    char text[256] = "";

    wait_committed(journal, add(journal, 1));
    assert_int_equal(journal_close(journal, NULL), 0);
    sql(place->path, "DROP TABLE note");
    sql(place->path, "ALTER TABLE result DROP COLUMN folder");
    sql(place->path, "PRAGMA user_version=1");

    journal = journal_open(place->path, JOURNAL_READ, NULL, NULL);
    assert_non_null(journal);
    assert_int_equal(journal_replay_notes(journal, see_note, text, NULL), 0);
    assert_string_equal(text, "");
    journal_close(journal, NULL);

    journal = open_henry(place);
    wait_committed(journal, note(journal, "wave 1"));
    assert_int_equal(journal_replay_notes(journal, see_note, text, NULL), 0);
    assert_string_equal(text, "wave 1;");
    assert_int_equal(replay(journal).count, 1);
    journal_close(journal, NULL);
}

static void a_million_rows_replay_in_seconds(void **state)
{
    const struct place *place = *state;
    struct journal *journal = open_henry(place);
    int64_t begun = clock_monotonic_ns(), added, replayed;

    for (uint64_t task = 1; task <= 1000000; task++) {
        add(journal, task);
        if (task % 10000 == 0)
            while (journal_backlog(journal, NULL) > 100000)
                wait_committed(journal, task - 50000);
    }
    wait_committed(journal, 1000000);
    added = clock_monotonic_ns();
    assert_int_equal(replay(journal).count, 1000000);
    replayed = clock_monotonic_ns();
    print_message("# added in %.2f s, replayed in %.2f s\n", (double)(added - begun) / 1e9,
                  (double)(replayed - added) / 1e9);
    assert_true(replayed - added < 20 * CLOCK_SECOND_NS); /* takes about 1 s; CI may be slow */
    journal_close(journal, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(refuses_a_journal_of_another_farm),
        TEST(refuses_other_columns),
        TEST(refuses_a_newer_format),
        TEST(refuses_another_programs_database),
        TEST(refuses_a_file_that_is_no_database),
        TEST(says_that_a_damaged_journal_is_damaged),
        TEST(refuses_a_truncated_journal),
        TEST(refuses_a_second_master_and_names_the_first),
        TEST(refuses_folders_that_are_not_there),
        TEST(keeps_every_field),
        TEST(the_first_result_of_a_task_wins),
        TEST(failed_attempts_are_no_ended_tasks),
        TEST(rows_come_back_in_task_order),
        TEST(one_row_is_committed_without_waiting_for_more),
        TEST(steps_of_the_wall_clock_change_nothing),
        TEST(meta_lasts_and_the_run_has_an_id),
        TEST(others_can_read_during_the_run),
        TEST(nothing_is_committed_before_prepare_agrees),
        TEST(closing_with_rows_that_cannot_be_written_says_how_many),
        TEST(kill_9_loses_nothing_that_was_called_durable),
        TEST(a_full_disk_is_waited_out),
        TEST(works_where_wal_cannot_share_memory),
        TEST(empty_notes_are_refused),
        TEST(notes_come_back_in_order_and_are_no_tasks),
        TEST(a_journal_without_notes_is_brought_up_to_date),
        TEST(a_million_rows_replay_in_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

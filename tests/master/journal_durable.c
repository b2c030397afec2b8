/* What a journal called durable is there, whatever happens to the master and its disk. */
#include <fcntl.h>
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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "common/clock.h"
#include "master/journal.h"
#include "tests/master/henry.h"

static void one_row_is_committed_without_waiting_for_more(void **state)
{
    const struct place *place = *state;
    struct journal *journal = henry_open(place);

    for (uint64_t i = 1; i <= 20; i++)
        henry_wait(journal, henry_add(journal, i)); /* would hang if rows waited for a group */
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
    journal = henry_open(place);
    for (uint64_t i = 1; i <= 20; i++)
        henry_wait(journal, henry_add(journal, i));
    clock_replace(NULL, NULL);
    assert_int_equal(henry_replay(journal).count, 20);
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
    struct journal *journal = henry_open(place);
    struct pollfd poll_fd = {.fd = journal_fd(journal), .events = POLLIN};

    journal_set_hooks(journal, &hooks);
    henry_add(journal, 1);
    assert_int_equal(poll(&poll_fd, 1, 20000), 1);
    assert_true(journal_trouble(journal, &error));
    assert_string_equal(error.text, "the outputs are not durable yet");
    assert_int_equal(journal_committed(journal), 0);
    assert_int_equal(henry_replay(journal).count, 0);
    henry_add(journal, 2); /* queues on */
    henry_wait(journal, 2);
    assert_false(journal_trouble(journal, NULL));
    assert_int_equal(henry_replay(journal).count, 2);
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
    struct journal *journal = henry_open(place);

    journal_set_hooks(journal, &hooks);
    for (uint64_t task = 1; task <= 3; task++)
        henry_add(journal, task);
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
        task = henry_replay(journal).last;
    while (journal) {
        uint64_t committed;
        struct journal_row row = henry_row(++task);

        if (journal_add(journal, &row, NULL, NULL) < 0)
            break;
        while (journal_backlog(journal, NULL) > 5000) /* the owner bounds the queue */
            henry_wait(journal, told + 1);
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

        journal = henry_open(place);
        seen = henry_replay(journal);
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
        struct journal_row row = henry_row(++task);

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
    assert_int_equal(henry_replay(journal).count, journal_committed(journal));

    unlink(filler); /* room for what is queued */
    henry_wait(journal, task);
    assert_false(journal_trouble(journal, NULL));
    assert_int_equal(henry_replay(journal).count, task);
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

        journal = henry_open(place);
        henry_wait(journal, (henry_add(journal, 2 * round - 1), henry_add(journal, 2 * round)));
        assert_int_equal(henry_replay(journal).count, 2 * round);
        snprintf(wal, sizeof wal, "%s-wal", place->path);
        assert_int_equal(access(wal, F_OK), 0); /* a log there is all the same */
        snprintf(wal, sizeof wal, "%s-shm", place->path);
        assert_int_equal(access(wal, F_OK), -1);
        assert_int_equal(journal_close(journal, NULL), 0);
    }
    sqlite3_vfs_unregister(&plain_vfs);
}

static void a_million_rows_replay(void **state)
{
    const struct place *place = *state;
    struct journal *journal = henry_open(place);
    int64_t begun = clock_monotonic_ns(), added, replayed;

    for (uint64_t task = 1; task <= 1000000; task++) {
        henry_add(journal, task);
        if (task % 10000 == 0)
            while (journal_backlog(journal, NULL) > 100000)
                henry_wait(journal, task - 50000);
    }
    henry_wait(journal, 1000000);
    added = clock_monotonic_ns();
    assert_int_equal(henry_replay(journal).count, 1000000);
    replayed = clock_monotonic_ns();
    print_message("# added in %.2f s, replayed in %.2f s\n", (double)(added - begun) / 1e9,
                  (double)(replayed - added) / 1e9);
    journal_close(journal, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HENRY_TEST(one_row_is_committed_without_waiting_for_more),
        HENRY_TEST(steps_of_the_wall_clock_change_nothing),
        HENRY_TEST(nothing_is_committed_before_prepare_agrees),
        HENRY_TEST(closing_with_rows_that_cannot_be_written_says_how_many),
        HENRY_TEST(kill_9_loses_nothing_that_was_called_durable),
        HENRY_TEST(a_full_disk_is_waited_out),
        HENRY_TEST(works_where_wal_cannot_share_memory),
        HENRY_TEST(a_million_rows_replay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

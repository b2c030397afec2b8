/* The journal's copy: frames that survive, frames that do not; masters that die and take over. */
#include "config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/tree.h"
#include "master/replica.h"
#include "master/replica_frame.h"
#include "tests/launch/azure/mock_blob.h"

static struct journal_row row_of(uint64_t task)
{
    return (struct journal_row){.ended = true,
                                .attempts = 2,
                                .worker = "n1",
                                .folder = task % 2 ? "outputs/1.2.3" : "",
                                .params = "\1\1\2",
                                .params_size = 3,
                                .result = {.id = {task, 2},
                                           .elapsed_s = 0.5,
                                           .stored = task % 2,
                                           .values = "\1\1\4",
                                           .values_size = 3}};
}

/* --- frames ------------------------------------------------------------------------------- */

static void rows_of_all_kinds_survive(void **state)
{
    struct journal_row rows[4] = {row_of(7), row_of(8)}, row;
    struct wire_reader content;
    enum replica_kind kind;
    struct error error;
    struct buf buf;
    size_t size;
    (void)state;
    rows[1].ended = false;
    rows[1].result.status = RESULT_EXIT;
    rows[1].result.error = "it failed";
    rows[1].result.error_size = 9;
    rows[2] = row_of(9);
    rows[2].result.status = RESULT_CANCELLED; /* said by masters alone, unattempted */
    rows[2].result.id.attempt = 0;
    rows[3] = (struct journal_row){
        .note = true, .params = "a note", .params_size = 6, .worker = "", .folder = ""};
    buf_init(&buf, 1 << 20);
    assert_int_equal(replica_put_rows(&buf, 5, rows, 4), 4);
    assert_int_equal(replica_get_frame(buf.data, buf.size, 5, &kind, &content, &size, &error),
                     1);
    assert_true(kind == REPLICA_ROWS && size == buf.size);
    assert_int_equal(replica_next_row(&content, &row, &error), 1);
    assert_true(row.ended && !row.note && row.result.id.task == 7 && row.attempts == 2);
    assert_string_equal(row.folder, "outputs/1.2.3");
    assert_string_equal(row.worker, "n1");
    assert_memory_equal(row.result.values, "\1\1\4", 3);
    assert_int_equal(replica_next_row(&content, &row, &error), 1);
    assert_true(!row.ended && row.result.status == RESULT_EXIT && row.result.error_size == 9);
    assert_int_equal(replica_next_row(&content, &row, &error), 1);
    assert_true(row.result.status == RESULT_CANCELLED && row.result.id.attempt == 0);
    assert_int_equal(replica_next_row(&content, &row, &error), 1);
    assert_true(row.note && row.params_size == 6);
    assert_int_equal(replica_next_row(&content, &row, &error), 0);
    buf_fini(&buf);
}

/* What a reader makes of bytes: 1 a good frame, 0 not all there, -1 damaged. */
static int verdict(const void *bytes, size_t size, uint64_t number)
{
    struct wire_reader content;
    enum replica_kind kind;
    struct error error;
    struct journal_row row;
    size_t whole;
    /* A copy of its own, so that reading beyond the end is noticed. */
    void *copy = malloc(size ? size : 1);
    memcpy(copy, bytes, size);
    int rc = replica_get_frame(copy, size, number, &kind, &content, &whole, &error);
    bool complete = rc > 0;
    while (rc > 0 && kind == REPLICA_ROWS &&
           (rc = replica_next_row(&content, &row, &error)) > 0)
        ;
    free(copy);
    return rc < 0 ? -1 : complete;
}

static void every_cut_and_every_wrong_byte_is_noticed(void **state)
{
    const struct journal_row rows[2] = {row_of(1), row_of(2)};
    struct buf buf;
    (void)state;
    buf_init(&buf, 1 << 20);
    assert_int_equal(replica_put_rows(&buf, 3, rows, 2), 2);
    assert_int_equal(verdict(buf.data, buf.size, 3), 1);
    assert_int_equal(verdict(buf.data, buf.size, 4), -1); /* another stands in its place */
    for (size_t size = 0; size < buf.size; size++)
        assert_int_equal(verdict(buf.data, size, 3), 0);
    for (size_t at = 0; at < buf.size; at++) {
        buf.data[at] ^= 0x10;
        assert_int_not_equal(verdict(buf.data, buf.size, 3), 1);
        buf.data[at] ^= 0x10;
    }
    buf_fini(&buf);
}

static void frames_of_many_rows_are_divided(void **state)
{
    struct journal_row rows[300];
    char *large = calloc(1, 20000);
    struct buf buf;
    size_t done = 0, frames = 0;
    (void)state;
    buf_init(&buf, 64 << 20);
    for (uint64_t i = 0; i < 300; i++) {
        rows[i] = row_of(i + 1);
        rows[i].params = large;
        rows[i].params_size = 20000;
    }
    for (; done < 300; frames++)
        done += replica_put_rows(&buf, frames, rows + done, 300 - done);
    assert_in_range(frames, 5, 7); /* 6 MB */
    buf_fini(&buf);
    free(large);
}

/* --- masters ------------------------------------------------------------------------------ */

struct bench {
    struct mock_blob mock;
    char folder[64], store[256];
    struct error error;
    int disks;
};

struct master {
    struct replica *replica;
    struct journal *journal;
    char path[128];
};

static int bench_open(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    mock_blob_start(&bench->mock);
    snprintf(bench->store, sizeof(bench->store), "blob:%s/farm?sv=1&sig=c2VjcmV0",
             server_url(bench->mock.server));
    snprintf(bench->folder, sizeof(bench->folder), "/tmp/beofarm-replica-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    *state = bench;
    return 0;
}

static int bench_close(void **state)
{
    struct bench *bench = *state;
    mock_blob_stop(&bench->mock);
    tree_remove(AT_FDCWD, bench->folder);
    free(bench);
    return 0;
}

/* A master on an empty disk. */
static bool master_try(struct bench *bench, int appends, struct master *master)
{
    const struct replica_options options = {
        .store = bench->store, .run = "run-1", .wait_s = 1, .appends = appends};
    memset(master, 0, sizeof(*master));
    snprintf(master->path, sizeof(master->path), "%s/journal-%d.db", bench->folder,
             ++bench->disks);
    master->replica = replica_open(&options, &bench->error);
    const struct journal_meta meta = {.farm = "henry",
                                      .farm_file = "{}",
                                      .params = "[\"K\"]",
                                      .results = "[\"head\"]",
                                      .restore = replica_restore,
                                      .restore_context = master->replica};
    const struct journal_hooks hooks = {.copy = replica_append,
                                        .copy_context = master->replica};
    assert_non_null(master->replica);
    master->journal = journal_open(master->path, JOURNAL_WRITE, &meta, &bench->error);
    if (!master->journal ||
        replica_begin(master->replica, master->journal, &bench->error) != 0) {
        journal_close(master->journal, NULL);
        replica_close(master->replica);
        return false;
    }
    journal_set_hooks(master->journal, &hooks);
    return true;
}

static void master_open(struct bench *bench, int appends, struct master *master)
{
    if (!master_try(bench, appends, master))
        fail_msg("%s", bench->error.text);
}

/* Add one row and wait until it is committed, which it is in a group of its own. */
static void add(struct master *master, uint64_t task)
{
    struct journal_row row = row_of(task);
    struct error error;
    assert_int_equal(journal_add(master->journal, &row, NULL, &error), 0);
    while (journal_backlog(master->journal, NULL) > 0 &&
           !journal_trouble(master->journal, &error))
        usleep(200);
}

/* Tasks from 1. */
static void add_all(struct master *master, uint64_t count)
{
    for (uint64_t task = 1; task <= count; task++)
        add(master, task);
}

/* What it had on its disk is of no use to the next one, which has another. */
static void master_die(struct bench *bench, struct master *master)
{
    (void)bench;
    journal_close(master->journal, NULL);
    replica_close(master->replica);
}

static int count_row(void *context, const struct journal_row *row, struct error *ret_error)
{
    uint64_t *sum = context;
    (void)ret_error;
    sum[0]++;
    sum[1] += row->result.id.task;
    sum[2] += *row->folder != '\0';
    return 0;
}

static void expect_rows(struct master *master, uint64_t count)
{
    uint64_t sum[3] = {0};
    assert_int_equal(journal_replay(master->journal, count_row, sum, NULL), 0);
    assert_int_equal(sum[0], count);
    assert_int_equal(sum[1], count * (count + 1) / 2);
    assert_int_equal(sum[2], (count + 1) / 2);
}

/* It dies, and the next one has so many rows. */
static void master_succeed(struct bench *bench, int appends, struct master *master,
                           uint64_t count)
{
    master_die(bench, master);
    master_open(bench, appends, master);
    expect_rows(master, count);
}

static struct mock_item *part(struct bench *bench, int number)
{
    char name[64];
    snprintf(name, sizeof(name), "run-1/journal/%06d", number);
    return mock_blob_find(&bench->mock, "farm", name);
}

static void another_master_has_what_was_committed(void **state)
{
    struct bench *bench = *state;
    struct master first, second;
    char run[64];
    master_open(bench, 0, &first);
    assert_false(journal_resumed(first.journal));
    snprintf(run, sizeof(run), "%s", journal_meta_get(first.journal, "run"));
    add_all(&first, 20);
    master_die(bench, &first);
    master_open(bench, 0, &second);
    assert_true(journal_resumed(second.journal));
    assert_string_equal(journal_meta_get(second.journal, "run"), run);
    expect_rows(&second, 20);
    add(&second, 21);
    master_die(bench, &second);
    master_open(bench, 0, &first);
    expect_rows(&first, 21);
    master_die(bench, &first);
}

static void a_full_blob_is_followed_by_another(void **state)
{
    struct bench *bench = *state;
    struct master master;
    master_open(bench, 3, &master);
    add_all(&master, 20);
    assert_non_null(part(bench, 6));
    master_succeed(bench, 3, &master, 20);
    add(&master, 21);
    master_succeed(bench, 3, &master, 21);
    master_die(bench, &master);
}

static void tasks_that_failed_are_forgotten(void **state)
{
    struct bench *bench = *state;
    struct master master;
    struct journal_row failed = row_of(6);
    const struct replica_options options = {.store = bench->store, .run = "run-1"};
    char path[128];
    master_open(bench, 0, &master);
    add_all(&master, 5);
    failed.result.status = RESULT_EXIT;
    assert_int_equal(journal_add(master.journal, &failed, NULL, &bench->error), 0);
    master_die(bench, &master);
    snprintf(path, sizeof(path), "%s/elsewhere.db", bench->folder);
    struct replica *replica = replica_open(&options, &bench->error);
    assert_int_equal(replica_restore(replica, path, &bench->error), 0);
    assert_int_equal(replica_forget(replica, &bench->error), 0);
    replica_close(replica);
    master_open(bench, 0, &master);
    expect_rows(&master, 5);
    add(&master, 6);
    master_succeed(bench, 0, &master, 6);
    master_die(bench, &master);
}

static void a_torn_end_is_left_behind(void **state)
{
    struct bench *bench = *state;
    struct master master;
    master_open(bench, 0, &master);
    add_all(&master, 5);
    master_die(bench, &master);
    part(bench, 1)->size -= 7; /* the last frame was not all there when the master died */
    master_open(bench, 0, &master);
    expect_rows(&master, 4);
    add(&master, 5);
    assert_non_null(part(bench, 2));
    master_succeed(bench, 0, &master, 5);
    master_die(bench, &master);
}

static void a_beginning_that_was_torn_begins_again(void **state)
{
    struct bench *bench = *state;
    struct master master;
    for (size_t size = 0; size < 60; size += 20) {
        master_open(bench, 0, &master);
        master_die(bench, &master);
        part(bench, 1)->size = size;
        master_open(bench, 0, &master);
        assert_false(journal_resumed(master.journal));
        add(&master, 1);
        master_succeed(bench, 0, &master, 1);
        master_die(bench, &master);
        while (bench->mock.count) /* all over again */
            mock_blob_remove(&bench->mock, &bench->mock.items[0]);
    }
}

static void damage_is_told_and_not_passed_over(void **state)
{
    struct bench *bench = *state;
    struct master master;
    master_open(bench, 0, &master);
    add_all(&master, 5);
    master_die(bench, &master);
    part(bench, 1)->bytes[part(bench, 1)->size / 2] ^= 1;
    assert_false(master_try(bench, 0, &master));
    assert_non_null(strstr(bench->error.text, "journal/000001"));
    assert_null(strstr(bench->error.text, "c2VjcmV0"));
}

static void lost_answers_do_not_make_rows_twice(void **state)
{
    struct bench *bench = *state;
    struct master master;
    master_open(bench, 0, &master);
    bench->mock.faults = (struct mock_faults){
        .method = "PUT", .part = "appendblock", .skip = 1, .count = 3, .fault = MOCK_DROP};
    add_all(&master, 5);
    assert_int_equal(journal_backlog(master.journal, NULL), 0);
    master_succeed(bench, 0, &master, 5);
    master_die(bench, &master);
}

static void what_cannot_be_copied_is_not_committed(void **state)
{
    struct bench *bench = *state;
    struct master master;
    struct error error;
    master_open(bench, 0, &master);
    add(&master, 1);
    bench->mock.faults = (struct mock_faults){
        .method = "PUT", .part = "appendblock", .count = 1, .fault = MOCK_FORBIDDEN};
    add(&master, 2);
    assert_true(journal_trouble(master.journal, &error));
    assert_int_equal(journal_committed(master.journal), 1);
    /* It is tried again by itself, once a second. */
    while (journal_backlog(master.journal, NULL) > 0)
        usleep(1000);
    master_succeed(bench, 0, &master, 2);
    master_die(bench, &master);
}

static void one_master_at_a_time(void **state)
{
    struct bench *bench = *state;
    struct master first, second;
    struct error error;
    master_open(bench, 0, &first);
    add(&first, 1);
    assert_false(master_try(bench, 0, &second));
    assert_non_null(strstr(bench->error.text, "another master"));
    /* Its lease runs out, and somebody else takes it. */
    snprintf(part(bench, 1)->lease, sizeof(part(bench, 1)->lease), "somebody-else");
    add(&first, 2);
    assert_true(journal_trouble(first.journal, &error));
    assert_int_equal(error.code, ERROR_CHANGED);
    assert_true(replica_is_lost(first.replica));
    assert_int_equal(journal_committed(first.journal), 1);
    assert_int_equal(journal_close(first.journal, &error), -1);
    replica_close(first.replica);
    assert_string_equal(part(bench, 1)->lease, "somebody-else");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_all_kinds_survive),
        cmocka_unit_test(every_cut_and_every_wrong_byte_is_noticed),
        cmocka_unit_test(frames_of_many_rows_are_divided),
        TEST(another_master_has_what_was_committed),
        TEST(a_full_blob_is_followed_by_another),
        TEST(tasks_that_failed_are_forgotten),
        TEST(a_torn_end_is_left_behind),
        TEST(a_beginning_that_was_torn_begins_again),
        TEST(damage_is_told_and_not_passed_over),
        TEST(lost_answers_do_not_make_rows_twice),
        TEST(what_cannot_be_copied_is_not_committed),
        TEST(one_master_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

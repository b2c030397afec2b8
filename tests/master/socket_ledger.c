#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "master/socket/ledger.h"

struct bench {
    char folder[64], path[80];
    struct loop *loop;
    struct loop_timer *limit;
    struct ledger *ledger;
    int found, stop_at;
    char last[64];
    bool synced;
};

static int found(void *context, const struct ledger_record *record, struct error *ret_error)
{
    struct bench *bench = context;
    bench->found++;
    snprintf(bench->last, sizeof bench->last, "%u:%.*s", record->kind, (int)record->size,
             (const char *)record->body);
    return bench->found == bench->stop_at
               ? error_set(ret_error, ERROR_SYSTEM, "nobody understands this")
               : 0;
}

static void synced(void *context)
{
    struct bench *bench = context;
    bench->synced = true;
    loop_stop(bench->loop);
}

static void give_up(void *context)
{
    loop_stop(context);
}

static struct ledger *open_it(struct bench *bench, uint64_t *ret_cut, struct error *error)
{
    const struct ledger_events events = {.found = found, .synced = synced, .context = bench};
    bench->found = 0;
    bench->ledger = ledger_open(bench->path, bench->loop, &events, ret_cut, error);
    return bench->ledger;
}

static void append(struct bench *bench, uint8_t kind, const char *text, uint64_t *ret_at)
{
    struct error error;
    assert_int_equal(ledger_append(bench->ledger, kind, text, strlen(text), ret_at, &error), 0);
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    strcpy(bench->folder, "/tmp/beofarm-ledger-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    snprintf(bench->path, sizeof bench->path, "%s/it", bench->folder);
    bench->loop = loop_create(NULL);
    assert_non_null(bench->loop);
    bench->limit = loop_timer_add(bench->loop, give_up, bench->loop);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    char lock[96];
    ledger_close(bench->ledger);
    loop_destroy(bench->loop);
    snprintf(lock, sizeof lock, "%s.lock", bench->path);
    unlink(lock);
    unlink(bench->path);
    rmdir(bench->folder);
    free(bench);
    return 0;
}

static off_t size_of(const struct bench *bench)
{
    struct stat status;
    assert_int_equal(stat(bench->path, &status), 0);
    return status.st_size;
}

static void put_bytes(const struct bench *bench, off_t at, const char *bytes, size_t size)
{
    int fd = open(bench->path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, size, at), size);
    close(fd);
}

static void what_is_no_ledger_is_left_alone(void **state)
{
    struct bench *bench = *state;
    struct error error;
    put_bytes(bench, 0, "my precious notes, line by line\n", 32);
    assert_null(open_it(bench, NULL, &error));
    assert_non_null(strstr(error.text, bench->path));
    assert_int_equal(size_of(bench), 32);
}

static void records_are_found_again(void **state)
{
    struct bench *bench = *state;
    struct error error;
    uint64_t first, second, cut = 9;
    struct buf body;
    buf_init(&body, 100);
    assert_non_null(open_it(bench, &cut, &error));
    assert_int_equal(bench->found, 0);
    append(bench, 1, "one", &first);
    append(bench, 2, "", NULL);
    append(bench, 255, "three", &second);
    assert_int_equal(ledger_read(bench->ledger, second, &body, &error), 0);
    assert_string_equal(buf_text(&body), "three");
    ledger_close(bench->ledger);
    assert_non_null(open_it(bench, &cut, &error));
    assert_int_equal(bench->found, 3);
    assert_string_equal(bench->last, "255:three");
    assert_int_equal(cut, 0);
    assert_int_equal(ledger_read(bench->ledger, first, &body, &error), 0);
    assert_string_equal(buf_text(&body), "one");
    assert_int_equal(ledger_read(bench->ledger, first + 1, &body, &error), -1);
    assert_int_equal(ledger_read(bench->ledger, 1 << 20, &body, &error), -1);
    buf_fini(&body);
}

static void half_a_record_is_cut_off_whatever_its_half(void **state)
{
    struct bench *bench = *state;
    struct error error;
    assert_non_null(open_it(bench, NULL, &error));
    append(bench, 1, "whole", NULL);
    off_t whole = size_of(bench);
    append(bench, 2, "to be cut", NULL);
    off_t all = size_of(bench);
    for (off_t size = whole + 1; size < all; size++) {
        uint64_t cut;
        ledger_close(bench->ledger);
        assert_int_equal(truncate(bench->path, size), 0);
        assert_non_null(open_it(bench, &cut, &error));
        assert_int_equal(bench->found, 1);
        assert_int_equal(cut, size - whole);
        assert_int_equal(size_of(bench), whole);
        append(bench, 2, "to be cut", NULL);
    }
    ledger_close(bench->ledger);
    put_bytes(bench, all - 1, "!", 1); /* whole, but not what was written */
    assert_non_null(open_it(bench, NULL, &error));
    assert_int_equal(bench->found, 1);
}

static void a_file_that_was_just_begun_is_begun_again(void **state)
{
    struct bench *bench = *state;
    struct error error;
    for (size_t size = 0; size < sizeof(LEDGER_MAGIC) - 1; size++) {
        unlink(bench->path);
        put_bytes(bench, 0, LEDGER_MAGIC, size);
        assert_non_null(open_it(bench, NULL, &error));
        append(bench, 1, "x", NULL);
        ledger_close(bench->ledger);
        assert_non_null(open_it(bench, NULL, &error));
        assert_int_equal(bench->found, 1);
        ledger_close(bench->ledger);
        bench->ledger = NULL;
    }
}

static void a_record_that_nobody_understands_stops_it(void **state)
{
    struct bench *bench = *state;
    struct error error;
    assert_non_null(open_it(bench, NULL, &error));
    append(bench, 1, "one", NULL);
    append(bench, 2, "two", NULL);
    ledger_close(bench->ledger);
    bench->stop_at = 2;
    assert_null(open_it(bench, NULL, &error));
    assert_non_null(strstr(error.text, "nobody understands this"));
}

static void only_one_process_has_it(void **state)
{
    struct bench *bench = *state;
    struct error error;
    assert_non_null(open_it(bench, NULL, &error));
    struct ledger *first = bench->ledger;
    assert_null(open_it(bench, NULL, &error));
    bench->ledger = first;
}

static void it_says_when_records_are_durable(void **state)
{
    struct bench *bench = *state;
    struct error error;
    uint64_t at;
    assert_non_null(open_it(bench, NULL, &error));
    append(bench, 1, "one", &at);
    assert_true(ledger_synced(bench->ledger) <= at);
    ledger_sync(bench->ledger);
    loop_timer_arm(bench->limit, clock_monotonic_ns() + 100 * CLOCK_SECOND_NS);
    while (ledger_synced(bench->ledger) <= at) {
        bench->synced = false;
        assert_int_equal(loop_run(bench->loop, &error), 0);
        assert_true(bench->synced);
    }
    append(bench, 1, "two", &at);
    assert_int_equal(ledger_sync_wait(bench->ledger, &error), 0);
    assert_true(ledger_synced(bench->ledger) > at);
    assert_false(ledger_trouble(bench->ledger, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_no_ledger_is_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(records_are_found_again, setup, teardown),
        cmocka_unit_test_setup_teardown(half_a_record_is_cut_off_whatever_its_half, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_file_that_was_just_begun_is_begun_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_record_that_nobody_understands_stops_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(only_one_process_has_it, setup, teardown),
        cmocka_unit_test_setup_teardown(it_says_when_records_are_durable, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tasks that are added many at once. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "launch/azure/batch_job.h"
#include "launch/azure/batch_lot.h"
#include "launch/azure/batch_task.h"
#include "tests/launch/azure/batch_bench.h"

struct lots {
    uint64_t count;
    size_t padding; /* bytes of each task's command line */
    const char *prefix;
    int ended[3], twice;
    char *seen;
    char fault[64];
};

static int lots_give(void *context, uint64_t index, struct batch_task_spec *ret_spec,
                     struct error *ret_error)
{
    static char id[32], line[400000];
    struct lots *lots = context;
    (void)ret_error;
    bool bad = lots->prefix && index % 10 == 3;
    snprintf(id, sizeof(id), "%s%llu", bad ? lots->prefix : "t", (unsigned long long)index);
    memset(line, 'x', lots->padding);
    line[lots->padding] = '\0';
    ret_spec->id = id;
    ret_spec->command.line = line;
    return 0;
}

static int lots_ended(void *context, uint64_t index, enum batch_lot_end end,
                      const struct batch_fault *fault, struct error *ret_error)
{
    struct lots *lots = context;
    (void)ret_error;
    lots->ended[end]++;
    lots->twice += lots->seen[index]++;
    if (fault && fault->code)
        snprintf(lots->fault, sizeof(lots->fault), "%s", fault->code);
    return 0;
}

static int lots_add(struct bench *bench, struct lots *lots, struct batch_lot_report *report)
{
    struct batch_lot_work work = {
        .count = lots->count, .give = lots_give, .ended = lots_ended, .context = lots};
    lots->seen = calloc(lots->count, 1);
    int rc = batch_lot_add(bench->account, "j", &work, report, &bench->error);
    free(lots->seen);
    return rc;
}

static void ten_thousand_tasks_take_under_120_requests(void **state)
{
    struct bench *bench = *state;
    struct lots lots = {.count = 10000, .padding = 10};
    struct batch_lot_report report;
    bench_job(bench);
    assert_int_equal(lots_add(bench, &lots, &report), 0);
    assert_int_equal(report.added, lots.count);
    assert_int_equal(lots.ended[BATCH_LOT_ADDED], lots.count);
    assert_int_equal(lots.twice, 0);
    assert_true(report.requests < 120);
    assert_int_equal(bench->mock.most, 100);
}

static void lots_stay_under_a_megabyte(void **state)
{
    struct bench *bench = *state;
    struct lots lots = {.count = 120, .padding = 30000};
    bench_job(bench);
    assert_int_equal(lots_add(bench, &lots, NULL), 0);
    assert_int_equal(lots.ended[BATCH_LOT_ADDED], 120);
    assert_true(bench->mock.largest < 1000000);
    assert_true(bench->mock.collections <= 5);
}

static void lots_that_are_too_large_are_halved(void **state)
{
    struct bench *bench = *state;
    struct lots lots = {.count = 250, .padding = 1000};
    bench_job(bench);
    bench->mock.body_max = 30000;
    assert_int_equal(lots_add(bench, &lots, NULL), 0);
    assert_int_equal(lots.ended[BATCH_LOT_ADDED], 250);
    assert_int_equal(lots.twice, 0);
    assert_true(bench->mock.most < 30);
}

static void a_task_that_is_too_large_alone_is_refused(void **state)
{
    struct bench *bench = *state;
    struct lots lots = {.count = 5, .padding = 1000};
    struct batch_lot_report report;
    bench_job(bench);
    bench->mock.body_max = 900;
    assert_int_equal(lots_add(bench, &lots, &report), 0);
    assert_int_equal(report.refused, 5);
    assert_string_equal(lots.fault, "RequestBodyTooLarge");
}

static void each_tasks_own_status_counts(void **state)
{
    struct bench *bench = *state;
    struct lots lots = {.count = 200, .padding = 10, .prefix = "bad"};
    struct batch_lot_report report;
    bench_job(bench);
    bench->mock.task_error = "InvalidPropertyValue";
    bench->mock.server_errors = 30;
    bench->mock.silent = 5;
    assert_int_equal(lots_add(bench, &lots, &report), 0);
    assert_int_equal(lots.ended[BATCH_LOT_REFUSED], 20);
    assert_int_equal(lots.ended[BATCH_LOT_ADDED], 180);
    assert_int_equal(lots.twice, 0);
    assert_string_equal(lots.fault, "InvalidPropertyValue");
}

static void tasks_that_existed_are_told_from_those_sent_twice(void **state)
{
    struct bench *bench = *state;
    struct lots lots = {.count = 150, .padding = 10};
    bench_job(bench);
    bench->mock.faults =
        (struct mock_faults){.part = "addtaskcollection", .count = 2, .fault = MOCK_CUT};
    assert_int_equal(lots_add(bench, &lots, NULL), 0);
    assert_int_equal(lots.ended[BATCH_LOT_ADDED], 150);
    memset(lots.ended, 0, sizeof(lots.ended));
    assert_int_equal(lots_add(bench, &lots, NULL), 0);
    assert_int_equal(lots.ended[BATCH_LOT_EXISTED], 150);
}

static void lots_bear_every_fault(void **state)
{
    static const enum mock_fault faults[] = {MOCK_BUSY, MOCK_DROP, MOCK_CUT};
    struct bench *bench = *state;
    for (int i = 0; i < 3; i++) {
        struct lots lots = {.count = 300, .padding = 10};
        bench_job(bench);
        bench->mock.faults =
            (struct mock_faults){.part = "addtaskcollection", .count = 3, .fault = faults[i]};
        assert_int_equal(lots_add(bench, &lots, NULL), 0);
        assert_int_equal(lots.ended[BATCH_LOT_ADDED], 300);
        assert_int_equal(lots.twice, 0);
        assert_int_equal(batch_job_delete(bench->account, "j", &bench->error), 0);
    }
}

static void a_refusal_nobody_asked_for_ends_it_with_its_sentence(void **state)
{
    struct bench *bench = *state;
    struct lots lots = {.count = 50, .padding = 10, .prefix = "bad"};
    struct batch_lot_work work = {.count = 50, .give = lots_give, .context = &lots};
    bench_job(bench);
    bench->mock.task_error = "InvalidPropertyValue";
    assert_int_equal(batch_lot_add(bench->account, "j", &work, NULL, &bench->error), -1);
    assert_non_null(strstr(bench->error.text, "adding tasks to job \"j\": task \"bad"));
    assert_non_null(strstr(bench->error.text, "InvalidPropertyValue"));
    assert_int_equal(batch_lot_add(bench->account, "none", &work, NULL, &bench->error),
                     BATCH_MISSING);
    assert_int_equal(batch_job_terminate(bench->account, "j", NULL, &bench->error), 0);
    assert_int_equal(batch_lot_add(bench->account, "j", &work, NULL, &bench->error),
                     BATCH_ALREADY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BENCH(ten_thousand_tasks_take_under_120_requests),
        WITH_BENCH(lots_stay_under_a_megabyte),
        WITH_BENCH(lots_that_are_too_large_are_halved),
        WITH_BENCH(a_task_that_is_too_large_alone_is_refused),
        WITH_BENCH(each_tasks_own_status_counts),
        WITH_BENCH(tasks_that_existed_are_told_from_those_sent_twice),
        WITH_BENCH(lots_bear_every_fault),
        WITH_BENCH(a_refusal_nobody_asked_for_ends_it_with_its_sentence),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Jobs of the Batch service, their tasks and the files of these. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <cmocka.h>

#include "launch/azure/batch_file.h"
#include "launch/azure/batch_job.h"
#include "launch/azure/batch_task.h"
#include "tests/launch/azure/batch_bench.h"

static void a_job_lives_and_ends(void **state)
{
    struct bench *bench = *state;
    struct batch_job_spec spec = {.id = "j", .pool = "p"};
    struct batch_job job;
    struct batch_counts tasks, slots;
    assert_int_equal(batch_job_get(bench->account, "j", &job, &bench->error), BATCH_MISSING);
    assert_int_equal(batch_job_add(bench->account, &spec, &bench->error), 0);
    assert_int_equal(batch_job_add(bench->account, &spec, &bench->error), BATCH_ALREADY);
    assert_int_equal(batch_job_end_with_tasks(bench->account, "j", true, &bench->error), 0);
    assert_int_equal(batch_job_get(bench->account, "j", &job, &bench->error), 0);
    assert_int_equal(job.state, BATCH_JOB_ACTIVE);
    assert_string_equal(job.pool, "p");
    assert_true(job.ends_with_tasks);
    batch_job_fini(&job);
    assert_int_equal(batch_job_counts(bench->account, "j", &tasks, &slots, &bench->error), 0);
    assert_int_equal(tasks.active, 1);
    assert_int_equal(tasks.failed, 3);
    assert_int_equal(slots.active, 2);
    assert_int_equal(batch_job_terminate(bench->account, "j", "done", &bench->error), 0);
    assert_int_equal(batch_job_terminate(bench->account, "j", NULL, &bench->error),
                     BATCH_ALREADY);
    assert_int_equal(batch_job_delete(bench->account, "j", &bench->error), 0);
    assert_int_equal(batch_job_delete(bench->account, "j", &bench->error), BATCH_MISSING);
}

static void a_task_runs_and_ends(void **state)
{
    struct bench *bench = *state;
    struct batch_task task;
    assert_int_equal(bench_task(bench, "t", "true"), BATCH_MISSING);
    bench_job(bench);
    assert_int_equal(bench_task(bench, "t", "false"), 0);
    assert_int_equal(bench_task(bench, "t", "false"), BATCH_ALREADY);
    assert_int_equal(batch_task_get(bench->account, "j", "t", "id,state", &task, &bench->error),
                     0);
    assert_int_equal(task.state, BATCH_TASK_RUNNING);
    assert_string_equal(task.node, "tvm-0");
    assert_int_equal(task.requeues, 1);
    assert_true(task.started_ns > 0 && task.ended_ns == 0 && !task.exited);
    batch_task_fini(&task);
    assert_int_equal(batch_task_reactivate(bench->account, "j", "t", &bench->error),
                     BATCH_ALREADY);
    assert_int_equal(batch_task_get(bench->account, "j", "t", NULL, &task, &bench->error), 0);
    assert_int_equal(task.state, BATCH_TASK_COMPLETED);
    assert_true(task.exited && !task.succeeded);
    assert_int_equal(task.exit_code, 1);
    assert_string_equal(task.failure.category, "usererror");
    struct buf text;
    buf_init(&text, 1000);
    assert_int_equal(batch_fault_put(&text, &task.failure), 0);
    assert_non_null(strstr(buf_text(&text), "It exited with 1"));
    assert_non_null(strstr(buf_text(&text), "there"));
    buf_fini(&text);
    batch_task_fini(&task);
    assert_int_equal(batch_task_terminate(bench->account, "j", "t", &bench->error),
                     BATCH_ALREADY);
    assert_int_equal(batch_task_reactivate(bench->account, "j", "t", &bench->error), 0);
    assert_int_equal(batch_task_terminate(bench->account, "j", "t", &bench->error), 0);
    assert_int_equal(batch_task_delete(bench->account, "j", "t", &bench->error), 0);
    assert_int_equal(batch_task_delete(bench->account, "j", "t", &bench->error), BATCH_MISSING);
}

static void a_task_is_added_once_whatever_happens_to_the_answer(void **state)
{
    static const enum mock_fault faults[] = {MOCK_BUSY, MOCK_DROP, MOCK_CUT};
    struct bench *bench = *state;
    char id[16];
    bench_job(bench);
    for (int i = 0; i < 3; i++) {
        snprintf(id, sizeof(id), "t%d", i);
        bench->mock.faults =
            (struct mock_faults){.method = "POST", .count = 1, .fault = faults[i]};
        assert_int_equal(bench_task(bench, id, "true"), 0);
        assert_int_equal(bench->mock.faults.seen, 2);
    }
}

static void a_tasks_body_is_as_the_service_wants_it(void **state)
{
    static const struct batch_variable variable = {"A", "1"};
    static const struct batch_output output = {.pattern = "../std*.txt",
                                               .container_url = "https://x/c?sig=S",
                                               .path = "t",
                                               .condition = "taskcompletion"};
    static const struct batch_task_spec spec = {
        .id = "t",
        .command = {.line = "run", .variables = &variable, .variables_count = 1},
        .outputs = &output,
        .outputs_count = 1,
        .max_wall_s = 60,
        .retries = 2,
        .instances = 4};
    (void)state;
    cJSON *json = batch_task_spec_json(&spec);
    char *text = cJSON_PrintUnformatted(json);
    assert_string_equal(
        text, "{\"id\":\"t\",\"commandLine\":\"run\",\"environmentSettings\":[{\"name\":\"A\","
              "\"value\":\"1\"}],\"outputFiles\":[{\"destination\":{\"container\":{"
              "\"containerUrl\":\"https://x/c?sig=S\",\"path\":\"t\"}},\"filePattern\":"
              "\"../std*.txt\",\"uploadOptions\":{\"uploadCondition\":\"taskcompletion\"}}],"
              "\"constraints\":{\"maxWallClockTime\":\"PT60S\",\"maxTaskRetryCount\":2},"
              "\"multiInstanceSettings\":{\"numberOfInstances\":4,\"coordinationCommandLine\":"
              "\"/bin/true\"}}");
    free(text);
    cJSON_Delete(json);
}

static int task_count(void *context, const struct batch_task *task)
{
    int *count = context;
    assert_non_null(task->id);
    return ++*count == 25 ? 5 : 0;
}

static void lists_come_in_pages(void **state)
{
    struct bench *bench = *state;
    char id[16];
    int count = 0;
    bench_job(bench);
    for (int i = 0; i < 23; i++) {
        snprintf(id, sizeof(id), "t%d", i);
        assert_int_equal(bench_task(bench, id, "true"), 0);
    }
    bench->mock.page = 4;
    struct batch_query query = {.filter = "state eq 'active'", .select = "id,state"};
    assert_int_equal(
        batch_task_list(bench->account, "j", &query, task_count, &count, &bench->error), 0);
    assert_int_equal(count, 23);
    assert_int_equal(
        batch_task_list(bench->account, "j", NULL, task_count, &count, &bench->error), 5);
    assert_int_equal(
        batch_task_list(bench->account, "none", NULL, task_count, &count, &bench->error),
        BATCH_MISSING);
}

#ifdef __SANITIZE_ADDRESS__
#define MANY 50000 /* freed memory is kept for a while there: nothing to measure */
#else
#define MANY 1000000
#endif

struct many {
    int count;
    long early_kib; /* the most that was in use after a hundredth of them */
};

static long most_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static int many_count(void *context, const struct batch_task *task)
{
    struct many *many = context;
    (void)task;
    if (++many->count == MANY / 100)
        many->early_kib = most_kib();
    return 0;
}

/* One page of a thousand tasks is held at a time. 8 MiB is room for what the allocator, curl and
 * the mock may keep beside; the whole list has 45 MB as text. */
static void a_list_of_a_million_tasks_takes_no_more_memory(void **state)
{
    struct bench *bench = *state;
    struct many many = {0};
    bench->mock.many = MANY;
    assert_int_equal(
        batch_task_list(bench->account, "many", NULL, many_count, &many, &bench->error), 0);
    assert_int_equal(many.count, MANY);
#ifndef __SANITIZE_ADDRESS__
    assert_true(most_kib() - many.early_kib < 8 << 10);
#endif
}

static int file_see(void *context, const struct batch_file *file)
{
    int *sum = context;
    *sum += file->folder ? 1000 : (int)file->size;
    return 0;
}

static void files_are_read_by_ranges(void **state)
{
    static const struct batch_file_owner owner = {.job = "j", .task = "t"};
    struct bench *bench = *state;
    struct batch_task task;
    struct buf bytes;
    uint64_t size = 7;
    int64_t changed;
    int sum = 0;
    buf_init(&bytes, 1000);
    bench_job(bench);
    bench->mock.file = "hostname n1\nmore\n";
    assert_int_equal(
        batch_file_read(bench->account, &owner, "stdout.txt", 0, 100, &bytes, &bench->error),
        0); /* no such task */
    assert_int_equal(bench_task(bench, "t", "true"), 0);
    assert_int_equal(
        batch_file_read(bench->account, &owner, "stdout.txt", 0, 100, &bytes, &bench->error),
        0); /* it has not begun */
    assert_int_equal(
        batch_file_measure(bench->account, &owner, "stdout.txt", &size, NULL, &bench->error),
        BATCH_MISSING);
    assert_int_equal(batch_task_get(bench->account, "j", "t", NULL, &task, &bench->error), 0);
    batch_task_fini(&task);
    assert_int_equal(batch_file_measure(bench->account, &owner, "stdout.txt", &size, &changed,
                                        &bench->error),
                     0);
    assert_int_equal(size, 17);
    assert_true(changed > 0);
    assert_int_equal(
        batch_file_read(bench->account, &owner, "stdout.txt", 9, 2, &bytes, &bench->error), 2);
    assert_string_equal(buf_text(&bytes), "n1");
    assert_int_equal(
        batch_file_read(bench->account, &owner, "stdout.txt", 17, 100, &bytes, &bench->error),
        0);
    assert_int_equal(
        batch_file_read(bench->account, &owner, "none.txt", 0, 100, &bytes, &bench->error), 0);
    bench->mock.whole_files = true; /* a server that knows no ranges */
    buf_clear(&bytes);
    assert_int_equal(
        batch_file_read(bench->account, &owner, "stdout.txt", 9, 2, &bytes, &bench->error), 2);
    assert_string_equal(buf_text(&bytes), "n1");
    assert_int_equal(
        batch_file_list(bench->account, &owner, true, file_see, &sum, &bench->error), 0);
    assert_int_equal(sum, 1017);
    buf_fini(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BENCH(a_job_lives_and_ends),
        WITH_BENCH(a_task_runs_and_ends),
        WITH_BENCH(a_task_is_added_once_whatever_happens_to_the_answer),
        cmocka_unit_test(a_tasks_body_is_as_the_service_wants_it),
        WITH_BENCH(lists_come_in_pages),
        WITH_BENCH(a_list_of_a_million_tasks_takes_no_more_memory),
        WITH_BENCH(files_are_read_by_ranges),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

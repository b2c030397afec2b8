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

#include "common/clock.h"
#include "launch/azure/batch_file.h"
#include "launch/azure/batch_image.h"
#include "launch/azure/batch_job.h"
#include "launch/azure/batch_lot.h"
#include "launch/azure/batch_node.h"
#include "launch/azure/batch_pool.h"
#include "launch/azure/batch_task.h"
#include "tests/launch/azure/mock_batch.h"

struct bench {
    struct mock_batch mock;
    struct account *account;
    struct error error;
};

static int bench_open(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    mock_batch_start(&bench->mock);
    bench->account = mock_account_open(server_url(bench->mock.server));
    *state = bench;
    return 0;
}

static int bench_close(void **state)
{
    struct bench *bench = *state;
    account_close(bench->account);
    mock_batch_stop(&bench->mock);
    free(bench);
    return 0;
}

static void ids_are_checked(void **state)
{
    char id[BATCH_ID_MAX + 2];
    (void)state;
    assert_false(batch_id_valid(""));
    assert_false(batch_id_valid("a b"));
    assert_false(batch_id_valid("a/b"));
    assert_false(batch_id_valid("ä"));
    memset(id, 'a', sizeof(id) - 1);
    id[sizeof(id) - 1] = '\0';
    assert_false(batch_id_valid(id));
    id[BATCH_ID_MAX] = '\0';
    assert_true(batch_id_valid(id));
    assert_true(batch_id_valid("Henry_2-master"));
}

static void times_are_read_as_the_service_writes_them(void **state)
{
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-13-01T00:00:00Z",
                                      "2026-11-21 09:00:00Z",
                                      "2026-11-21T09:00:00Zx",
                                      "2026-11-21T25:00:00Z",
                                      "2026-11-21T09:00:00+1:00"};
    int64_t ns;
    char text[BATCH_TIME_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(batch_time_parse(bad[i], &ns), -1);
    assert_int_equal(batch_time_parse("1970-01-01T00:00:01Z", &ns), 0);
    assert_int_equal(ns, CLOCK_SECOND_NS);
    assert_int_equal(batch_time_parse("1970-01-01T00:00:00.1234567Z", &ns), 0);
    assert_int_equal(ns, 123456700);
    assert_int_equal(batch_time_parse("1970-01-01T02:00:00.1234567899+02:00", &ns), 0);
    assert_int_equal(ns, 123456789);
    assert_int_equal(batch_time_parse("2026-11-21T09:00:00Z", &ns), 0);
    assert_string_equal(batch_time_format(ns, text), "2026-11-21T09:00:00Z");
}

static void durations_are_read_as_the_service_writes_them(void **state)
{
    static const char *const bad[] = {"",     "P",      "PT",  "15M", "PT15",
                                      "P15M", "PT1.5H", "PTM", "P1Y"};
    int64_t s;
    char text[BATCH_DURATION_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(batch_duration_parse(bad[i], &s), -1);
    assert_int_equal(batch_duration_parse("PT15M", &s), 0);
    assert_int_equal(s, 900);
    assert_int_equal(batch_duration_parse("P1DT2H3M4.5S", &s), 0);
    assert_int_equal(s, 86400 + 7200 + 180 + 4);
    assert_int_equal(batch_duration_parse("P10675199DT2H48M5.4775807S", &s), 0);
    assert_true(s == INT64_MAX);
    assert_int_equal(batch_duration_parse("PT99999999999999999999S", &s), 0);
    assert_true(s == INT64_MAX);
    assert_string_equal(batch_duration_format(900, text), "PT900S");
}

static void words_are_quoted_for_the_shell(void **state)
{
    struct buf buf;
    (void)state;
    buf_init(&buf, 100);
    assert_int_equal(batch_quote(&buf, "it's $HOME"), 0);
    assert_string_equal(buf_text(&buf), "'it'\\''s $HOME'");
    buf_fini(&buf);
}

struct images {
    int count, docker;
    int64_t end_ns;
};

static int image_see(void *context, const struct batch_image *image)
{
    struct images *images = context;
    images->count++;
    images->docker += batch_image_can(image, "dockercompatible");
    if (image->linux_os) {
        assert_true(image->verified);
        assert_string_equal(image->agent, "batch.node.ubuntu 24.04");
        images->end_ns = image->end_ns;
    }
    return 0;
}

static void images_are_listed_with_their_ends(void **state)
{
    struct bench *bench = *state;
    struct images images = {0};
    int64_t end;
    assert_int_equal(batch_image_list(bench->account, true, image_see, &images, &bench->error),
                     0);
    assert_int_equal(images.count, 3); /* the third is no object: nothing is known of it */
    assert_int_equal(images.docker, 1);
    assert_int_equal(batch_time_parse("2029-04-25T00:00:00Z", &end), 0);
    assert_true(images.end_ns == end);
    assert_non_null(strstr(bench->mock.last_query, "$filter=verificationType%20eq%20"));
}

static const struct batch_pool_spec *pool_spec(void)
{
    static const struct batch_resource resource = {
        .http_url = "https://x.blob/c/start.sh?sig=TOPSECRET", .path = "start.sh"};
    static const struct batch_command start = {.line = "/bin/sh start.sh",
                                               .resources = &resource,
                                               .resources_count = 1,
                                               .admin = true};
    static const struct batch_label label = {"beofarm", "henry"};
    static const struct batch_pool_spec spec = {.id = "henry",
                                                .vm_size = "standard_d2s_v3",
                                                .publisher = "canonical",
                                                .offer = "ubuntu-24_04-lts",
                                                .sku = "server",
                                                .version = "latest",
                                                .agent = "batch.node.ubuntu 24.04",
                                                .dedicated = 7,
                                                .spot = 2,
                                                .resize_timeout_s = 900,
                                                .inter_node = true,
                                                .start = &start,
                                                .start_retries = 1,
                                                .labels = &label,
                                                .labels_count = 1};
    return &spec;
}

static void a_pools_body_is_as_the_service_wants_it(void **state)
{
    static const char *const packages[] = {"/subscriptions/s/app"};
    struct batch_pool_spec spec = *pool_spec();
    struct batch_package package = {packages[0], "1"};
    const char *image = "ubuntu:24.04";
    cJSON *more = cJSON_Parse("{\"displayName\":\"mine\",\"virtualMachineConfiguration\":"
                              "{\"licenseType\":\"x\"}}");
    (void)state;
    spec.formula = "$TargetDedicatedNodes=1";
    spec.formula_interval_s = 300;
    spec.packages = &package;
    spec.packages_count = 1;
    spec.images = &image;
    spec.images_count = 1;
    spec.more = more;
    cJSON *json = batch_pool_spec_json(&spec);
    char *text = cJSON_PrintUnformatted(json);
    assert_string_equal(
        text,
        "{\"id\":\"henry\",\"vmSize\":\"standard_d2s_v3\",\"virtualMachineConfiguration\":{"
        "\"imageReference\":{\"publisher\":\"canonical\",\"offer\":\"ubuntu-24_04-lts\","
        "\"sku\":\"server\",\"version\":\"latest\"},\"nodeAgentSKUId\":\"batch.node.ubuntu "
        "24.04\",\"containerConfiguration\":{\"type\":\"dockerCompatible\","
        "\"containerImageNames\":[\"ubuntu:24.04\"]},\"licenseType\":\"x\"},"
        "\"enableAutoScale\":"
        "true,\"autoScaleFormula\":\"$TargetDedicatedNodes=1\",\"autoScaleEvaluationInterval\":"
        "\"PT300S\",\"taskSlotsPerNode\":1,\"taskSchedulingPolicy\":{\"nodeFillType\":"
        "\"spread\"},\"enableInterNodeCommunication\":true,\"startTask\":{\"commandLine\":"
        "\"/bin/sh start.sh\",\"resourceFiles\":[{\"httpUrl\":\"https://x.blob/c/"
        "start.sh?sig=TOPSECRET\",\"filePath\":\"start.sh\"}],\"userIdentity\":{\"autoUser\":{"
        "\"scope\":\"task\",\"elevationLevel\":\"admin\"}},\"maxTaskRetryCount\":1,"
        "\"waitForSuccess\":true},\"applicationPackageReferences\":[{\"applicationId\":"
        "\"/subscriptions/s/app\",\"version\":\"1\"}],\"metadata\":[{\"name\":\"beofarm\","
        "\"value\":\"henry\"}],\"displayName\":\"mine\"}");
    free(text);
    cJSON_Delete(json);
    cJSON_Delete(more);
}

static void a_pool_allocates_over_several_polls(void **state)
{
    struct bench *bench = *state;
    struct batch_pool pool;
    bench->mock.polls_to_steady = 2;
    bench->mock.nodes_missing = 2;
    assert_int_equal(batch_pool_add(bench->account, pool_spec(), &bench->error), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(batch_pool_get(bench->account, "henry", &pool, &bench->error), 0);
        assert_int_equal(pool.allocation, BATCH_ALLOCATION_RESIZING);
        assert_int_equal(pool.dedicated, 0);
        batch_pool_fini(&pool);
    }
    assert_int_equal(batch_pool_get(bench->account, "henry", &pool, &bench->error), 0);
    assert_int_equal(pool.state, BATCH_POOL_ACTIVE);
    assert_int_equal(pool.allocation, BATCH_ALLOCATION_STEADY);
    assert_int_equal(pool.dedicated, 5);
    assert_int_equal(pool.dedicated_target, 7);
    assert_int_equal(pool.spot, 2);
    assert_true(pool.inter_node);
    assert_true(pool.created_ns > 0);
    assert_string_equal(batch_label_find(pool.metadata, "beofarm"), "henry");
    assert_null(batch_label_find(pool.metadata, "other"));
    struct buf text;
    buf_init(&text, 4096);
    assert_int_equal(batch_faults_put(&text, pool.resize_errors), 0);
    assert_non_null(strstr(buf_text(&text), "AccountCoreQuotaReached"));
    assert_non_null(strstr(buf_text(&text), "20"));
    buf_fini(&text);
    batch_pool_fini(&pool);
}

static void pools_that_exist_or_do_not_are_told(void **state)
{
    struct bench *bench = *state;
    struct batch_pool pool;
    assert_int_equal(batch_pool_get(bench->account, "henry", &pool, &bench->error),
                     BATCH_MISSING);
    assert_non_null(strstr(bench->error.text, "reading pool \"henry\": PoolNotFound (404)"));
    assert_non_null(strstr(bench->error.text, "because"));
    assert_int_equal(batch_pool_add(bench->account, pool_spec(), &bench->error), 0);
    assert_int_equal(batch_pool_add(bench->account, pool_spec(), &bench->error), BATCH_ALREADY);
    assert_null(strstr(bench->error.text, "TOPSECRET"));
    assert_int_equal(batch_pool_delete(bench->account, "henry", &bench->error), 0);
    assert_int_equal(batch_pool_delete(bench->account, "henry", &bench->error), BATCH_MISSING);
    bench->mock.faults = (struct mock_faults){.count = 9, .fault = MOCK_FORBIDDEN};
    assert_int_equal(batch_pool_add(bench->account, pool_spec(), &bench->error), -1);
    assert_int_equal(bench->error.code, ERROR_AUTH);
    assert_null(strstr(bench->error.text, "TOPSECRET"));
}

static void a_pool_is_resized_scaled_and_emptied(void **state)
{
    struct bench *bench = *state;
    struct batch_pool pool;
    struct buf results;
    const char *nodes[150];
    size_t removed;
    buf_init(&results, 1000);
    for (int i = 0; i < 150; i++)
        nodes[i] = "tvm";
    assert_int_equal(batch_pool_add(bench->account, pool_spec(), &bench->error), 0);
    assert_int_equal(batch_pool_resize(bench->account, "henry", 9, -1, 600,
                                       BATCH_DEALLOC_COMPLETION, &bench->error),
                     BATCH_ALREADY);
    assert_int_equal(batch_pool_stop_resize(bench->account, "henry", &bench->error), 0);
    assert_int_equal(batch_pool_stop_resize(bench->account, "henry", &bench->error),
                     BATCH_ALREADY);
    assert_int_equal(batch_pool_resize(bench->account, "henry", 9, -1, 600,
                                       BATCH_DEALLOC_COMPLETION, &bench->error),
                     0);
    assert_string_equal(bench->mock.last_body,
                        "{\"targetDedicatedNodes\":9,\"resizeTimeout\":\"PT600S\","
                        "\"nodeDeallocationOption\":\"taskcompletion\"}");
    assert_int_equal(batch_pool_get(bench->account, "henry", &pool, &bench->error), 0);
    assert_int_equal(pool.dedicated, 9);
    batch_pool_fini(&pool);
    assert_int_equal(batch_pool_remove_nodes(bench->account, "henry", nodes, 150,
                                             BATCH_DEALLOC_REQUEUE, &removed, &bench->error),
                     0);
    assert_int_equal(removed, 150);
    assert_int_equal(batch_pool_autoscale(bench->account, "henry", "$T=1", 300, &bench->error),
                     0);
    assert_int_equal(
        batch_pool_evaluate(bench->account, "henry", "$T=1", &results, &bench->error), 0);
    assert_string_equal(buf_text(&results), "$TargetDedicatedNodes=3");
    assert_int_equal(
        batch_pool_evaluate(bench->account, "henry", "oops", &results, &bench->error), -1);
    assert_non_null(strstr(bench->error.text, "oops is unknown"));
    assert_int_equal(batch_pool_autoscale_end(bench->account, "henry", &bench->error), 0);
    buf_fini(&results);
}

struct nodes {
    int states[BATCH_NODE_STATES], count, code;
    char failure[200];
};

static int node_see(void *context, const struct batch_node *node)
{
    struct nodes *nodes = context;
    nodes->states[node->state]++;
    nodes->count++;
    assert_int_equal(node->tasks_running, 1); /* it comes as a text */
    if (node->state == BATCH_NODE_START_TASK_FAILED) {
        assert_true(node->start.ended && node->start.exited && !node->start.succeeded);
        assert_false(batch_node_hopeful(node->state));
        nodes->code = node->start.exit_code;
        snprintf(nodes->failure, sizeof(nodes->failure), "%s", node->start.failure.code);
    }
    return 0;
}

static void nodes_are_told_with_what_ails_them(void **state)
{
    struct bench *bench = *state;
    struct nodes nodes = {0};
    struct batch_node node;
    struct batch_pool pool;
    assert_int_equal(
        batch_node_list(bench->account, "henry", NULL, node_see, &nodes, &bench->error),
        BATCH_MISSING);
    assert_int_equal(batch_pool_add(bench->account, pool_spec(), &bench->error), 0);
    assert_int_equal(batch_pool_get(bench->account, "henry", &pool, &bench->error), 0);
    batch_pool_fini(&pool);
    assert_int_equal(
        batch_node_list(bench->account, "henry", NULL, node_see, &nodes, &bench->error), 0);
    assert_int_equal(nodes.count, 7);
    assert_int_equal(nodes.states[BATCH_NODE_START_TASK_FAILED], 1);
    assert_int_equal(nodes.states[BATCH_NODE_UNKNOWN], 1);
    assert_int_equal(nodes.code, 7);
    assert_string_equal(nodes.failure, "FailureExitCode");
    assert_int_equal(batch_node_get(bench->account, "henry", "tvm-0", &node, &bench->error), 0);
    assert_string_equal(node.address, "10.0.0.4");
    assert_true(node.dedicated && node.scheduling);
    batch_node_fini(&node);
    assert_int_equal(batch_node_get(bench->account, "henry", "tvm-9", &node, &bench->error),
                     BATCH_MISSING);
}

static void job_make(struct bench *bench)
{
    struct batch_job_spec spec = {.id = "j", .pool = "p"};
    assert_int_equal(batch_job_add(bench->account, &spec, &bench->error), 0);
}

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

static int task_add(struct bench *bench, const char *id, const char *line)
{
    struct batch_task_spec spec = {.id = id, .command = {.line = line}};
    return batch_task_add(bench->account, "j", &spec, &bench->error);
}

static void a_task_runs_and_ends(void **state)
{
    struct bench *bench = *state;
    struct batch_task task;
    assert_int_equal(task_add(bench, "t", "true"), BATCH_MISSING);
    job_make(bench);
    assert_int_equal(task_add(bench, "t", "false"), 0);
    assert_int_equal(task_add(bench, "t", "false"), BATCH_ALREADY);
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
    job_make(bench);
    for (int i = 0; i < 3; i++) {
        snprintf(id, sizeof(id), "t%d", i);
        bench->mock.faults =
            (struct mock_faults){.method = "POST", .count = 1, .fault = faults[i]};
        assert_int_equal(task_add(bench, id, "true"), 0);
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
    job_make(bench);
    for (int i = 0; i < 23; i++) {
        snprintf(id, sizeof(id), "t%d", i);
        assert_int_equal(task_add(bench, id, "true"), 0);
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
    job_make(bench);
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
    job_make(bench);
    assert_int_equal(lots_add(bench, &lots, NULL), 0);
    assert_int_equal(lots.ended[BATCH_LOT_ADDED], 120);
    assert_true(bench->mock.largest < 1000000);
    assert_true(bench->mock.collections <= 5);
}

static void lots_that_are_too_large_are_halved(void **state)
{
    struct bench *bench = *state;
    struct lots lots = {.count = 250, .padding = 1000};
    job_make(bench);
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
    job_make(bench);
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
    job_make(bench);
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
    job_make(bench);
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
        job_make(bench);
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
    job_make(bench);
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
    job_make(bench);
    bench->mock.file = "hostname n1\nmore\n";
    assert_int_equal(
        batch_file_read(bench->account, &owner, "stdout.txt", 0, 100, &bytes, &bench->error),
        0); /* no such task */
    assert_int_equal(task_add(bench, "t", "true"), 0);
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

static bool elsewhere_answer(void *context, const struct server_request *request,
                             struct buf *answer)
{
    (void)context, (void)request;
    server_put(answer, 200, NULL,
               "{\"value\":[{\"id\":\"a\"}],\"odata.nextLink\":\"http://evil.example/jobs\"}");
    return true;
}

static bool garbage_answer(void *context, const struct server_request *request,
                           struct buf *answer)
{
    static const char *const bodies[] = {"<html>",
                                         "{\"value\":",
                                         "[]",
                                         "7",
                                         "{\"value\":{}}",
                                         "{\"value\":[null,7,\"x\",[],{}]}",
                                         "{\"state\":7}"};
    (void)context;
    server_put(answer, 200, NULL, bodies[(request->number - 1) % 7]);
    return true;
}

static int job_see(void *context, const struct batch_job *job)
{
    (void)job;
    ++*(int *)context;
    return 0;
}

static void a_next_page_elsewhere_is_not_asked_for(void **state)
{
    struct server *server = server_start(elsewhere_answer, NULL);
    struct account *account = mock_account_open(server_url(server));
    struct error error = {0};
    int count = 0;
    (void)state;
    assert_int_equal(batch_job_list(account, NULL, job_see, &count, &error), -1);
    assert_non_null(strstr(error.text, "another host"));
    assert_int_equal(count, 1);
    account_close(account);
    server_stop(server);
}

static void garbage_is_an_error_or_nothing_but_never_a_crash(void **state)
{
    struct server *server = server_start(garbage_answer, NULL);
    struct account *account = mock_account_open(server_url(server));
    struct error error = {0};
    struct batch_job job;
    int count = 0;
    (void)state;
    for (int i = 0; i < 7; i++)
        batch_job_list(account, NULL, job_see, &count, &error);
    for (int i = 0; i < 7; i++)
        if (batch_job_get(account, "j", &job, &error) == 0) {
            assert_int_equal(job.state, BATCH_JOB_UNKNOWN);
            batch_job_fini(&job);
        }
    assert_int_equal(count, 5);
    account_close(account);
    server_stop(server);
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, bench_open, bench_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_checked),
        cmocka_unit_test(times_are_read_as_the_service_writes_them),
        cmocka_unit_test(durations_are_read_as_the_service_writes_them),
        cmocka_unit_test(words_are_quoted_for_the_shell),
        WITH_BENCH(images_are_listed_with_their_ends),
        cmocka_unit_test(a_pools_body_is_as_the_service_wants_it),
        WITH_BENCH(a_pool_allocates_over_several_polls),
        WITH_BENCH(pools_that_exist_or_do_not_are_told),
        WITH_BENCH(a_pool_is_resized_scaled_and_emptied),
        WITH_BENCH(nodes_are_told_with_what_ails_them),
        WITH_BENCH(a_job_lives_and_ends),
        WITH_BENCH(a_task_runs_and_ends),
        WITH_BENCH(a_task_is_added_once_whatever_happens_to_the_answer),
        cmocka_unit_test(a_tasks_body_is_as_the_service_wants_it),
        WITH_BENCH(lists_come_in_pages),
        WITH_BENCH(a_list_of_a_million_tasks_takes_no_more_memory),
        WITH_BENCH(ten_thousand_tasks_take_under_120_requests),
        WITH_BENCH(lots_stay_under_a_megabyte),
        WITH_BENCH(lots_that_are_too_large_are_halved),
        WITH_BENCH(a_task_that_is_too_large_alone_is_refused),
        WITH_BENCH(each_tasks_own_status_counts),
        WITH_BENCH(tasks_that_existed_are_told_from_those_sent_twice),
        WITH_BENCH(lots_bear_every_fault),
        WITH_BENCH(a_refusal_nobody_asked_for_ends_it_with_its_sentence),
        WITH_BENCH(files_are_read_by_ranges),
        cmocka_unit_test(a_next_page_elsewhere_is_not_asked_for),
        cmocka_unit_test(garbage_is_an_error_or_nothing_but_never_a_crash),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Pools of the Batch service and their nodes. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "launch/azure/batch_node.h"
#include "launch/azure/batch_pool.h"
#include "tests/launch/azure/batch_bench.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pools_body_is_as_the_service_wants_it),
        WITH_BENCH(a_pool_allocates_over_several_polls),
        WITH_BENCH(pools_that_exist_or_do_not_are_told),
        WITH_BENCH(a_pool_is_resized_scaled_and_emptied),
        WITH_BENCH(nodes_are_told_with_what_ails_them),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "config.h"

#include "launch/azure/batch_node.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/json.h"
#include "launch/azure/batch_private.h"

/* In the order of enum batch_node_state. */
static const char *const states[BATCH_NODE_STATES] = {
    "unknown",
    "creating",
    "starting",
    "waitingforstarttask",
    "idle",
    "running",
    "rebooting",
    "reimaging",
    "leavingpool",
    "offline",
    "preempted",
    "upgradingos",
    "starttaskfailed",
    "unusable",
};

const char *batch_node_state_name(enum batch_node_state state)
{
    return states[state];
}

bool batch_node_hopeful(enum batch_node_state state)
{
    switch (state) {
    case BATCH_NODE_CREATING:
    case BATCH_NODE_STARTING:
    case BATCH_NODE_START_TASK:
    case BATCH_NODE_IDLE:
    case BATCH_NODE_RUNNING:
    case BATCH_NODE_REBOOTING:
    case BATCH_NODE_REIMAGING:
    case BATCH_NODE_UPGRADING:
        return true;
    default:
        return false;
    }
}

static void start_read(const cJSON *info, struct batch_start_info *ret_start)
{
    const char *state = batch_text(info, "state"), *result = batch_text(info, "result");
    const cJSON *failure = json_member(info, "failureInfo");
    *ret_start = (struct batch_start_info){
        .state = state,
        .ended = state && strcasecmp(state, "completed") == 0,
        .succeeded = result && strcasecmp(result, "success") == 0,
        .exited = cJSON_IsNumber(json_member(info, "exitCode")),
        .exit_code = batch_int(info, "exitCode"),
        .retries = batch_int(info, "retryCount"),
        .started_ns = batch_time(info, "startTime"),
        .ended_ns = batch_time(info, "endTime"),
    };
    batch_fault_read(failure, &ret_start->failure);
}

/* Borrows from `item`. */
static void batch_node_read(const cJSON *item, struct batch_node *ret_node)
{
    const char *scheduling = batch_text(item, "schedulingState");
    *ret_node = (struct batch_node){
        .id = batch_text(item, "id"),
        .state = (enum batch_node_state)batch_choice(item, "state", states, BATCH_NODE_STATES),
        .state_text = batch_text(item, "state"),
        .address = batch_text(item, "ipAddress"),
        .vm_size = batch_text(item, "vmSize"),
        .affinity_id = batch_text(item, "affinityId"),
        .dedicated = batch_bool(item, "isDedicated"),
        .scheduling = !scheduling || strcasecmp(scheduling, "enabled") == 0,
        .tasks_running = batch_int(item, "runningTasksCount"),
        .tasks_run = batch_int(item, "totalTasksRun"),
        .allocated_ns = batch_time(item, "allocationTime"),
        .booted_ns = batch_time(item, "lastBootTime"),
        .changed_ns = batch_time(item, "stateTransitionTime"),
        .errors = batch_array(item, "errors"),
        .agent_version = batch_text(json_member(item, "nodeAgentInfo"), "version"),
        .json = item,
    };
    start_read(json_member(item, "startTaskInfo"), &ret_node->start);
}

void batch_node_fini(struct batch_node *node)
{
    cJSON_Delete((cJSON *)node->json);
    memset(node, 0, sizeof(*node));
}

int batch_node_get(struct account *account, const char *pool, const char *node,
                   struct batch_node *ret_node, struct error *ret_error)
{
    struct buf path;
    char doing[BATCH_DOING_MAX];
    cJSON *json = NULL;
    int rc;
    buf_init(&path, BATCH_PATH_MAX);
    snprintf(doing, sizeof(doing), "reading node \"%s\" of pool \"%s\"", node, pool);
    struct batch_call call = {.method = "GET", .doing = doing};
    if (batch_path(&path, "pools", pool, "nodes", node, NULL) == 0 &&
        (call.path = buf_text(&path)))
        rc = batch_ask(account, &call, &json, ret_error);
    else
        rc = error_set(ret_error, ERROR_USAGE, "%s: its name is too long", doing);
    if (rc == 0)
        batch_node_read(json, ret_node);
    buf_fini(&path);
    return rc;
}

struct visitor {
    int (*visit)(void *context, const struct batch_node *node);
    void *context;
};

static int node_visit(void *context, const cJSON *item)
{
    const struct visitor *visitor = context;
    struct batch_node node;
    batch_node_read(item, &node);
    return visitor->visit(visitor->context, &node);
}

int batch_node_list(struct account *account, const char *pool, const struct batch_query *query,
                    int (*visit)(void *context, const struct batch_node *node), void *context,
                    struct error *ret_error)
{
    struct visitor visitor = {visit, context};
    return batch_pages_of(account, "pool", pool, "nodes", query, node_visit, &visitor,
                          ret_error);
}

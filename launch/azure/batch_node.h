/*
 * batch_node.h - the nodes of a pool.
 */
#ifndef BEOFARM_LAUNCH_AZURE_BATCH_NODE_H
#define BEOFARM_LAUNCH_AZURE_BATCH_NODE_H

#include "launch/azure/batch.h"

enum batch_node_state {
    BATCH_NODE_UNKNOWN = 0, /* lost to the service, or a state we do not know: see state_text */
    BATCH_NODE_CREATING,
    BATCH_NODE_STARTING,
    BATCH_NODE_START_TASK, /* waitingforstarttask */
    BATCH_NODE_IDLE,
    BATCH_NODE_RUNNING,
    BATCH_NODE_REBOOTING,
    BATCH_NODE_REIMAGING,
    BATCH_NODE_LEAVING,
    BATCH_NODE_OFFLINE,
    BATCH_NODE_PREEMPTED,
    BATCH_NODE_UPGRADING,
    BATCH_NODE_START_TASK_FAILED, /* bills, and runs nothing */
    BATCH_NODE_UNUSABLE,          /* bills, and runs nothing */
};
#define BATCH_NODE_STATES 14

/* How a start task went. */
struct batch_start_info {
    const char *state; /* "running", "completed"; NULL: there is no start task */
    bool ended, succeeded;
    bool exited; /* exit_code says something */
    int exit_code, retries;
    int64_t started_ns, ended_ns;
    struct batch_fault failure;
};

struct batch_node {
    const char *id;
    enum batch_node_state state;
    const char *state_text;
    const char *address; /* of the node, for other nodes of its pool */
    const char *vm_size, *affinity_id;
    bool dedicated, scheduling; /* scheduling: it takes new tasks */
    int tasks_running, tasks_run;
    int64_t allocated_ns, booted_ns, changed_ns;
    struct batch_start_info start;
    const cJSON *errors;       /* array for batch_faults_put; NULL: none */
    const char *agent_version; /* NULL: not told */
    const cJSON *json;
};

/* "idle", "starttaskfailed", ... as the service writes it; "unknown". */
const char *batch_node_state_name(enum batch_node_state state);

/* Whether it will run tasks by itself: now, or when it is up. */
bool batch_node_hopeful(enum batch_node_state state);

/* GET /pools/{pool}/nodes/{node}, 200; caller calls batch_node_fini. BATCH_MISSING: the pool or the
 * node. "reading node \"N\" of pool \"P\": ...". */
int batch_node_get(struct account *account, const char *pool, const char *node,
                   struct batch_node *ret_node, struct error *ret_error);
void batch_node_fini(struct batch_node *node); /* one of zeros is allowed; not inside a list */

/* GET /pools/{pool}/nodes, 200: call `visit` for each until it returns non-zero. Returns that, 0,
 * BATCH_MISSING only before any visit: PoolNotFound, or -1. "listing the nodes of pool \"P\": ..."
 */
int batch_node_list(struct account *account, const char *pool, const struct batch_query *query,
                    int (*visit)(void *context, const struct batch_node *node), void *context,
                    struct error *ret_error);

#endif

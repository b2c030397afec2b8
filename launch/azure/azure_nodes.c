/*
 * Looking after nodes. The policy, which docs/azure.md states:
 *
 *   - a node that is unusable, or whose start task failed, runs nothing and costs: it is told with
 *     its own last words, and removed. The formula makes up for it, up to failures.nodes times;
 *     from then on the farm goes on with fewer nodes. If no node ever worked, the farm is given up
 *     instead;
 *   - nodes that Batch cannot find (quota, no capacity) are told with Batch's reason, and asked for
 *     again up to failures.resizes times; then likewise;
 *   - evicted spot nodes are Batch's own business: their tasks wait for the next node.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/azure/secret.h"
#include "common/clock.h"
#include "launch/azure/azure_private.h"
#include "launch/azure/batch_file.h"
#include "launch/azure/batch_node.h"
#include "launch/azure/batch_pool.h"

#define SAID_MAX   2000 /* bytes of a node's last words that are read */
#define SAID_SHOWN 400
#define FAILED_MAX BATCH_REMOVE_MAX

struct look {
    struct azure *azure;
    const struct backend_listener *listener;
    int states[BATCH_NODE_STATES];
    int count, failed;
    char ids[FAILED_MAX][160];
    char reason[1200]; /* of the last that failed */
};

/* What cannot be asked or done now is said, and tried again at the next look; it ends no farm. */
static int trouble_say(const struct look *look, const struct error *error)
{
    backend_say(look->listener, "%s", error->text);
    return 0;
}

/* The end of the start task's stderr, on one line. */
static void node_quote(struct azure *azure, const char *node, struct buf *text)
{
    struct batch_file_owner owner = {.pool = azure_pool_id(azure), .node = node};
    struct error ignored;
    struct buf said;
    uint64_t size = 0;
    buf_init(&said, SAID_MAX);
    if (batch_file_measure(azure->account, &owner, "startup/stderr.txt", &size, NULL,
                           &ignored) == 0 &&
        batch_file_read(azure->account, &owner, "startup/stderr.txt",
                        size > SAID_SHOWN ? size - SAID_SHOWN : 0, SAID_MAX, &said,
                        &ignored) > 0) {
        while (said.size > 0 && said.data[said.size - 1] == '\n')
            said.size--;
        for (size_t i = 0; i < said.size; i++)
            if (said.data[i] == '\n')
                said.data[i] = '|';
        buf_append_text(text, "; its start task said: ");
        secret_put_text(text, (const char *)said.data, said.size);
    }
    buf_fini(&said);
}

static void node_explain(struct look *look, const struct batch_node *node)
{
    struct buf text;
    buf_init(&text, 16384);
    buf_printf(&text, "node %s is %s", node->id, batch_node_state_name(node->state));
    if (node->state == BATCH_NODE_START_TASK_FAILED && node->start.exited)
        buf_printf(&text, " (exit code %d)", node->start.exit_code);
    if (node->start.failure.json) {
        buf_append_text(&text, ": ");
        batch_fault_put(&text, &node->start.failure);
    }
    if (node->errors) {
        buf_append_text(&text, ": ");
        batch_faults_put(&text, node->errors);
    }
    node_quote(look->azure, node->id, &text);
    snprintf(look->reason, sizeof look->reason, "%s", buf_text(&text) ? buf_text(&text) : "");
    backend_say(look->listener, "%s", look->reason);
    buf_fini(&text);
}

static int node_look(void *context, const struct batch_node *node)
{
    struct look *look = context;
    bool failed =
        node->state == BATCH_NODE_UNUSABLE || node->state == BATCH_NODE_START_TASK_FAILED;
    look->count++;
    look->states[node->state]++;
    if (node->state == BATCH_NODE_IDLE || node->state == BATCH_NODE_RUNNING)
        look->azure->watch.node_seen = true;
    if (failed && look->failed < FAILED_MAX) {
        node_explain(look, node);
        snprintf(look->ids[look->failed++], sizeof look->ids[0], "%s", node->id);
    }
    return 0;
}

/* Remove them; those beyond the policy's number are not wanted again. */
static int failed_remove(struct look *look, struct error *ret_error)
{
    struct azure *azure = look->azure;
    struct azure_watch *watch = &azure->watch;
    const char *ids[FAILED_MAX];
    int spare = azure->settings.node_failures - watch->replaced;
    int replaced = look->failed < spare ? look->failed : spare > 0 ? spare : 0;
    if (look->failed == 0)
        return 0;
    if (!watch->node_seen && replaced < look->failed)
        return error_set(
            ret_error, ERROR_BACKEND,
            "%d nodes failed and none works: the farm is given up; the last one: %s",
            watch->replaced + look->failed, look->reason);
    for (int i = 0; i < look->failed; i++)
        ids[i] = look->ids[i];
    int rc =
        batch_pool_remove_nodes(azure->account, azure_pool_id(azure), ids, (size_t)look->failed,
                                BATCH_DEALLOC_REQUEUE, NULL, ret_error);
    if (rc != 0) /* it is being resized: at the next look */
        return rc == BATCH_ALREADY || rc == BATCH_MISSING ? 0 : trouble_say(look, ret_error);
    watch->replaced += replaced;
    watch->given_up += look->failed - replaced;
    backend_say(look->listener, "%d failed node%s removed, %d replaced (%d of %d so far)",
                look->failed, look->failed == 1 ? "" : "s", replaced, watch->replaced,
                azure->settings.node_failures);
    if (look->failed > replaced && azure_pool_scale(azure, ret_error) != 0)
        return trouble_say(look, ret_error);
    return 0;
}

static int resize_check(struct look *look, const struct batch_pool *pool,
                        struct error *ret_error)
{
    struct azure *azure = look->azure;
    struct azure_watch *watch = &azure->watch;
    struct buf why;
    int rc = 0;
    if (!pool->resize_errors || pool->allocation != BATCH_ALLOCATION_STEADY ||
        pool->allocation_changed_ns == watch->resized_ns ||
        watch->resizes > azure->settings.resize_failures)
        return 0;
    watch->resized_ns = pool->allocation_changed_ns;
    buf_init(&why, 65536);
    batch_faults_put(&why, pool->resize_errors);
    const char *text = buf_text(&why) ? buf_text(&why) : "";
    bool again = watch->resizes++ < azure->settings.resize_failures;
    backend_say(look->listener, "the pool has %d of %d nodes: %s%s",
                pool->dedicated + pool->spot, pool->dedicated_target + pool->spot_target, text,
                again ? "" : " (not asked again)");
    if (again && azure_pool_scale(azure, ret_error) != 0)
        rc = trouble_say(look, ret_error);
    else if (!again && !watch->node_seen && pool->dedicated == 0)
        rc = error_set(ret_error, ERROR_BACKEND,
                       "no node comes for the master: the farm is given up: %s", text);
    buf_fini(&why);
    return rc;
}

static int pool_check(struct look *look, struct error *ret_error)
{
    struct azure *azure = look->azure;
    struct batch_pool pool = {0};
    struct buf why;
    int rc = batch_pool_get(azure->account, azure_pool_id(azure), &pool, ret_error);
    if (rc == BATCH_MISSING)
        return error_set(ret_error, ERROR_BACKEND,
                         "the pool \"%s\" is gone: somebody deleted it", azure_pool_id(azure));
    if (rc != 0)
        return trouble_say(look, ret_error);
    if (pool.autoscale_fault.json && !azure->watch.fault_said) {
        buf_init(&why, 65536);
        batch_fault_put(&why, &pool.autoscale_fault);
        backend_say(look->listener, "the pool's formula failed: %s",
                    buf_text(&why) ? buf_text(&why) : "");
        buf_fini(&why);
    }
    azure->watch.fault_said = pool.autoscale_fault.json;
    rc = resize_check(look, &pool, ret_error);
    batch_pool_fini(&pool);
    return rc;
}

/* "2 starting, 1 idle" */
static const char *states_print(const struct look *look, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < BATCH_NODE_STATES && used < size; i++)
        if (look->states[i]) {
            int added =
                snprintf(text + used, size - used, "%s%d %s", used ? ", " : "", look->states[i],
                         batch_node_state_name((enum batch_node_state)i));
            used += added > 0 ? (size_t)added : 0;
        }
    return look->count ? text : "there is none yet";
}

/* The master's node must come within a time. */
static int alone_check(struct look *look, struct error *ret_error)
{
    struct azure_watch *watch = &look->azure->watch;
    double limit_s = look->azure->settings.node_start_s;
    char states[400];
    int64_t now = clock_monotonic_ns();
    if (!watch->created_ns)
        watch->created_ns = now;
    if ((double)(now - watch->created_ns) <= limit_s * CLOCK_SECOND_NS)
        return 0;
    return error_set(
        ret_error, ERROR_BACKEND,
        "the master's node was not ready within %.0f s (backend.waits.node_start_s); "
        "nodes: %s",
        limit_s, states_print(look, states, sizeof states));
}

int azure_look_after(struct backend *backend, bool alone,
                     const struct backend_listener *listener, struct error *ret_error)
{
    struct azure *azure = azure_of(backend);
    struct look look = {.azure = azure, .listener = listener};
    int64_t now = clock_monotonic_ns();
    if (azure->watch.looked_ns &&
        now - azure->watch.looked_ns < (int64_t)(azure->settings.nodes_s * CLOCK_SECOND_NS))
        return 0;
    azure->watch.looked_ns = now;
    if (!azure_account(azure, ret_error))
        return -1;
    if (azure_access_renew(azure, ret_error) != 0)
        trouble_say(&look, ret_error);
    azure_pace(azure);
    if (pool_check(&look, ret_error) != 0)
        return -1;
    azure_pace(azure);
    int rc = batch_node_list(azure->account, azure_pool_id(azure), NULL, node_look, &look,
                             ret_error);
    if (rc != 0)
        return trouble_say(&look, ret_error);
    rc = failed_remove(&look, ret_error);
    return rc == 0 && alone ? alone_check(&look, ret_error) : rc;
}

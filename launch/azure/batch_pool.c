#include "config.h"

#include "launch/azure/batch_pool.h"

#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "launch/azure/batch_private.h"

/* What a call on one pool needs: its path and what a sentence says. */
struct pool_call {
    struct buf path;
    char doing[BATCH_DOING_MAX];
};

/* "PREFIX pool \"ID\"SUFFIX" on /pools/ID[/verb]. */
static int call_init(struct pool_call *call, const char *prefix, const char *id,
                     const char *suffix, const char *verb, struct error *ret_error)
{
    buf_init(&call->path, BATCH_PATH_MAX);
    snprintf(call->doing, sizeof(call->doing), "%s pool \"%s\"%s", prefix, id, suffix);
    if (batch_path(&call->path, "pools", id, verb, NULL) == 0 && buf_text(&call->path))
        return 0;
    buf_fini(&call->path);
    return error_set(ret_error, ERROR_USAGE, "%s: its name is too long", call->doing);
}

static int call_ask(struct account *account, struct pool_call *call, const char *method,
                    const cJSON *body, const char *const *already, cJSON **ret_json,
                    struct error *ret_error)
{
    struct batch_call ask = {.method = method,
                             .path = buf_text(&call->path),
                             .body = body,
                             .doing = call->doing,
                             .already = already};
    int rc = batch_ask(account, &ask, ret_json, ret_error);
    buf_fini(&call->path);
    return rc;
}

static void scale_read(const cJSON *item, struct batch_pool *pool)
{
    const cJSON *run = json_member(item, "autoScaleRun");
    pool->autoscaled = batch_bool(item, "enableAutoScale");
    pool->formula = batch_text(item, "autoScaleFormula");
    pool->autoscale_result = batch_text(run, "results");
    batch_fault_read(json_member(run, "error"), &pool->autoscale_fault);
}

/* Borrows from `item`. */
static void batch_pool_read(const cJSON *item, struct batch_pool *ret_pool)
{
    static const char *const states[] = {"", "active", "deleting"};
    static const char *const allocations[] = {"", "steady", "resizing", "stopping"};
    const cJSON *machine = json_member(item, "virtualMachineConfiguration");
    *ret_pool = (struct batch_pool){
        .id = batch_text(item, "id"),
        .vm_size = batch_text(item, "vmSize"),
        .state = (enum batch_pool_state)batch_choice(item, "state", states, 3),
        .allocation =
            (enum batch_allocation)batch_choice(item, "allocationState", allocations, 4),
        .created_ns = batch_time(item, "creationTime"),
        .allocation_changed_ns = batch_time(item, "allocationStateTransitionTime"),
        .dedicated = batch_int(item, "currentDedicatedNodes"),
        .spot = batch_int(item, "currentLowPriorityNodes"),
        .dedicated_target = batch_int(item, "targetDedicatedNodes"),
        .spot_target = batch_int(item, "targetLowPriorityNodes"),
        .slots_per_node = batch_int(item, "taskSlotsPerNode"),
        .inter_node = batch_bool(item, "enableInterNodeCommunication"),
        .resize_errors = batch_array(item, "resizeErrors"),
        .metadata = batch_array(item, "metadata"),
        .agent = batch_text(machine, "nodeAgentSKUId"),
        .image = json_member(machine, "imageReference"),
        .etag = batch_text(item, "eTag"),
        .json = item,
    };
    scale_read(item, ret_pool);
}

void batch_pool_fini(struct batch_pool *pool)
{
    cJSON_Delete((cJSON *)pool->json);
    memset(pool, 0, sizeof(*pool));
}

int batch_pool_add(struct account *account, const struct batch_pool_spec *spec,
                   struct error *ret_error)
{
    static const char *const already[] = {"PoolExists", NULL};
    char doing[BATCH_DOING_MAX];
    snprintf(doing, sizeof(doing), "creating pool \"%s\"", spec->id);
    cJSON *body = batch_pool_spec_json(spec);
    if (!body)
        return error_set(ret_error, ERROR_SYSTEM, "%s: no memory", doing);
    struct batch_call call = {
        .method = "POST", .path = "/pools", .body = body, .doing = doing, .already = already};
    int rc = batch_ask(account, &call, NULL, ret_error);
    cJSON_Delete(body);
    return rc;
}

int batch_pool_get(struct account *account, const char *id, struct batch_pool *ret_pool,
                   struct error *ret_error)
{
    struct pool_call call;
    cJSON *json = NULL;
    if (call_init(&call, "reading", id, "", NULL, ret_error) != 0)
        return -1;
    int rc = call_ask(account, &call, "GET", NULL, NULL, &json, ret_error);
    if (rc == 0)
        batch_pool_read(json, ret_pool);
    return rc;
}

/* Ask with a body that was just made (NULL: memory was short), and drop it. */
static int body_ask(struct account *account, struct pool_call *call, cJSON *body,
                    const char *const *already, cJSON **ret_json, struct error *ret_error)
{
    int rc;
    if (body) {
        rc = call_ask(account, call, "POST", body, already, ret_json, ret_error);
    } else {
        rc = error_set(ret_error, ERROR_SYSTEM, "%s: no memory", call->doing);
        buf_fini(&call->path);
    }
    cJSON_Delete(body);
    return rc;
}

static const char *dealloc_name(enum batch_dealloc dealloc)
{
    static const char *const names[] = {"requeue", "terminate", "taskcompletion"};
    return names[dealloc];
}

int batch_pool_resize(struct account *account, const char *id, int dedicated, int spot,
                      int64_t timeout_s, enum batch_dealloc dealloc, struct error *ret_error)
{
    static const char *const already[] = {"PoolBeingResized", NULL};
    struct pool_call call;
    struct batch_writer writer = {false};
    if (call_init(&call, "resizing", id, "", "resize", ret_error) != 0)
        return -1;
    cJSON *body = cJSON_CreateObject();
    if (dedicated >= 0)
        batch_put_integer(&writer, body, "targetDedicatedNodes", dedicated);
    if (spot >= 0)
        batch_put_integer(&writer, body, "targetLowPriorityNodes", spot);
    batch_put_duration(&writer, body, "resizeTimeout", timeout_s);
    batch_put_text(&writer, body, "nodeDeallocationOption", dealloc_name(dealloc));
    return body_ask(account, &call, batch_writer_end(&writer, body), already, NULL, ret_error);
}

int batch_pool_stop_resize(struct account *account, const char *id, struct error *ret_error)
{
    static const char *const already[] = {"PoolNotBeingResized",
                                          "OperationInvalidForCurrentState", NULL};
    struct pool_call call;
    if (call_init(&call, "stopping the resize of", id, "", "stopresize", ret_error) != 0)
        return -1;
    return call_ask(account, &call, "POST", NULL, already, NULL, ret_error);
}

int batch_pool_autoscale(struct account *account, const char *id, const char *formula,
                         int64_t interval_s, struct error *ret_error)
{
    struct pool_call call;
    struct batch_writer writer = {false};
    if (call_init(&call, "letting", id, " scale itself", "enableautoscale", ret_error) != 0)
        return -1;
    cJSON *body = cJSON_CreateObject();
    batch_put_text(&writer, body, "autoScaleFormula", formula);
    batch_put_duration(&writer, body, "autoScaleEvaluationInterval", interval_s);
    return body_ask(account, &call, batch_writer_end(&writer, body), NULL, NULL, ret_error);
}

int batch_pool_autoscale_end(struct account *account, const char *id, struct error *ret_error)
{
    struct pool_call call;
    if (call_init(&call, "ending that", id, " scales itself", "disableautoscale", ret_error) !=
        0)
        return -1;
    return call_ask(account, &call, "POST", NULL, NULL, NULL, ret_error);
}

/* What an evaluation came to: results, or the formula's own mistake. */
static int evaluation_read(const cJSON *json, const char *doing, struct buf *ret_results,
                           struct error *ret_error)
{
    struct batch_fault fault;
    const char *results = batch_text(json, "results");
    batch_fault_read(json_member(json, "error"), &fault);
    if (fault.json) {
        struct buf text;
        buf_init(&text, 8192);
        batch_fault_put(&text, &fault);
        error_set(ret_error, ERROR_CONFIG, "%s: %s", doing, buf_text(&text));
        buf_fini(&text);
        return -1;
    }
    return results ? buf_append_text(ret_results, results) : 0;
}

int batch_pool_evaluate(struct account *account, const char *id, const char *formula,
                        struct buf *ret_results, struct error *ret_error)
{
    struct pool_call call;
    struct batch_writer writer = {false};
    cJSON *json = NULL;
    if (call_init(&call, "evaluating the formula on", id, "", "evaluateautoscale", ret_error) !=
        0)
        return -1;
    cJSON *body = cJSON_CreateObject();
    batch_put_text(&writer, body, "autoScaleFormula", formula);
    int rc = body_ask(account, &call, batch_writer_end(&writer, body), NULL, &json, ret_error);
    if (rc == 0)
        rc = evaluation_read(json, call.doing, ret_results, ret_error);
    cJSON_Delete(json);
    return rc;
}

/* At most BATCH_REMOVE_MAX nodes. */
static int some_remove(struct account *account, const char *id, const char *const *nodes,
                       size_t count, enum batch_dealloc dealloc, struct error *ret_error)
{
    static const char *const already[] = {"PoolBeingResized", NULL};
    struct pool_call call;
    struct batch_writer writer = {false};
    char prefix[64];
    snprintf(prefix, sizeof(prefix), "removing %zu nodes from", count);
    if (call_init(&call, prefix, id, "", "removenodes", ret_error) != 0)
        return -1;
    cJSON *body = cJSON_CreateObject();
    cJSON *list = batch_put_array(&writer, body, "nodeList");
    for (size_t i = 0; i < count; i++) {
        cJSON *name = cJSON_CreateString(nodes[i]);
        if (!name || !cJSON_AddItemToArray(list, name)) {
            cJSON_Delete(name);
            writer.failed = true;
        }
    }
    batch_put_text(&writer, body, "nodeDeallocationOption", dealloc_name(dealloc));
    return body_ask(account, &call, batch_writer_end(&writer, body), already, NULL, ret_error);
}

int batch_pool_remove_nodes(struct account *account, const char *id, const char *const *nodes,
                            size_t count, enum batch_dealloc dealloc, size_t *ret_removed,
                            struct error *ret_error)
{
    size_t removed = 0;
    int rc = 0;
    while (rc == 0 && removed < count) {
        size_t some = count - removed < BATCH_REMOVE_MAX ? count - removed : BATCH_REMOVE_MAX;
        rc = some_remove(account, id, nodes + removed, some, dealloc, ret_error);
        removed += rc == 0 ? some : 0;
    }
    if (ret_removed)
        *ret_removed = removed;
    return rc;
}

int batch_pool_delete(struct account *account, const char *id, struct error *ret_error)
{
    static const char *const already[] = {"PoolBeingDeleted", NULL};
    struct pool_call call;
    if (call_init(&call, "deleting", id, "", NULL, ret_error) != 0)
        return -1;
    return call_ask(account, &call, "DELETE", NULL, already, NULL, ret_error);
}

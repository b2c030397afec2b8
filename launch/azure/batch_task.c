#include "config.h"

#include "launch/azure/batch_task.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/azure/secret.h"
#include "common/json.h"
#include "launch/azure/batch_private.h"

/* Ask about one task: METHOD /jobs/JOB/tasks/ID[/verb]. */
static int task_ask(struct account *account, const char *method, const char *doing,
                    const char *job, const char *id, const char *verb, const char *query,
                    const char *const *already, cJSON **ret_json, struct error *ret_error)
{
    struct buf path;
    char text[BATCH_DOING_MAX];
    int rc;
    buf_init(&path, BATCH_PATH_MAX);
    snprintf(text, sizeof(text), "%s task \"%s\" of job \"%s\"", doing, id, job);
    struct batch_call call = {
        .method = method, .query = query, .doing = text, .already = already};
    if (batch_path(&path, "jobs", job, "tasks", id, verb, NULL) == 0 &&
        (call.path = buf_text(&path)))
        rc = batch_ask(account, &call, ret_json, ret_error);
    else
        rc = error_set(ret_error, ERROR_USAGE, "%s: its name is too long", text);
    buf_fini(&path);
    return rc;
}

static void execution_read(const cJSON *info, struct batch_task *task)
{
    const char *result = batch_text(info, "result");
    task->started_ns = batch_time(info, "startTime");
    task->ended_ns = batch_time(info, "endTime");
    task->exited = cJSON_IsNumber(json_member(info, "exitCode"));
    task->exit_code = batch_int(info, "exitCode");
    task->succeeded = result && strcasecmp(result, "success") == 0;
    task->retries = batch_int(info, "retryCount");
    task->requeues = batch_int(info, "requeueCount");
    batch_fault_read(json_member(info, "failureInfo"), &task->failure);
}

/* Borrows from `item`. */
static void batch_task_read(const cJSON *item, struct batch_task *ret_task)
{
    static const char *const states[] = {"", "active", "preparing", "running", "completed"};
    const cJSON *node = json_member(item, "nodeInfo");
    *ret_task = (struct batch_task){
        .id = batch_text(item, "id"),
        .state = (enum batch_task_state)batch_choice(item, "state", states, 5),
        .created_ns = batch_time(item, "creationTime"),
        .changed_ns = batch_time(item, "stateTransitionTime"),
        .pool = batch_text(node, "poolId"),
        .node = batch_text(node, "nodeId"),
        .affinity_id = batch_text(node, "affinityId"),
        .root = batch_text(node, "taskRootDirectory"),
        .slots = batch_int(item, "requiredSlots"),
        .etag = batch_text(item, "eTag"),
        .json = item,
    };
    execution_read(json_member(item, "executionInfo"), ret_task);
}

void batch_task_fini(struct batch_task *task)
{
    cJSON_Delete((cJSON *)task->json);
    memset(task, 0, sizeof(*task));
}

/* Send a task; *ret_tries tells how often that took, which decides what TaskExists means. */
static int task_send(struct account *account, const char *url, const struct buf *body,
                     const char *doing, struct error *ret_error)
{
    static const char *const already[] = {"TaskExists", NULL};
    const struct http_header type = {"Content-Type", ACCOUNT_BATCH_TYPE};
    struct http_request request;
    struct http_response response = {0};
    account_batch_request(account, "POST", &request);
    request.url = url;
    request.headers = &type;
    request.headers_count = 1;
    request.body = body->data;
    request.body_size = body->size;
    request.retry = HTTP_RETRY_ALWAYS;
    if (http_perform(account_http(account), &request, &response, ret_error) != 0)
        return error_prefix(ret_error, "%s", doing);
    int rc = 0;
    if (response.status / 100 != 2)
        rc = batch_refuse(&response, already, doing, ret_error);
    if (rc == BATCH_ALREADY && response.tries > 1)
        rc = 0;
    http_response_fini(&response);
    return rc;
}

int batch_task_add(struct account *account, const char *job, const struct batch_task_spec *spec,
                   struct error *ret_error)
{
    struct buf path, url, body;
    char doing[BATCH_DOING_MAX];
    cJSON *json = batch_task_spec_json(spec);
    int rc;
    buf_init(&path, BATCH_PATH_MAX);
    buf_init(&url, BATCH_PATH_MAX);
    buf_init(&body, (size_t)4 << 20);
    snprintf(doing, sizeof(doing), "adding task \"%s\" to job \"%s\"", spec->id, job);
    if (!json || json_put(&body, json, 0) != 0 ||
        batch_path(&path, "jobs", job, "tasks", NULL) != 0 || !buf_text(&path) ||
        account_put_batch_url(account, buf_text(&path), NULL, &url) != 0 || !buf_text(&url))
        rc = error_set(ret_error, ERROR_SYSTEM, "%s: no room for the request", doing);
    else
        rc = task_send(account, buf_text(&url), &body, doing, ret_error);
    cJSON_Delete(json);
    buf_fini(&path);
    buf_fini(&url);
    secret_buf_fini(&body); /* it may hold SAS */
    return rc;
}

int batch_task_get(struct account *account, const char *job, const char *id, const char *select,
                   struct batch_task *ret_task, struct error *ret_error)
{
    struct buf query;
    cJSON *json = NULL;
    buf_init(&query, BATCH_PATH_MAX);
    batch_query_put(&query, "$select", select);
    int rc = task_ask(account, "GET", "reading", job, id, NULL,
                      query.size ? buf_text(&query) : NULL, NULL, &json, ret_error);
    if (rc == 0)
        batch_task_read(json, ret_task);
    buf_fini(&query);
    return rc;
}

struct visitor {
    int (*visit)(void *context, const struct batch_task *task);
    void *context;
};

static int task_visit(void *context, const cJSON *item)
{
    const struct visitor *visitor = context;
    struct batch_task task;
    batch_task_read(item, &task);
    return visitor->visit(visitor->context, &task);
}

int batch_task_list(struct account *account, const char *job, const struct batch_query *query,
                    int (*visit)(void *context, const struct batch_task *task), void *context,
                    struct error *ret_error)
{
    struct visitor visitor = {visit, context};
    return batch_pages_of(account, "job", job, "tasks", query, task_visit, &visitor, ret_error);
}

int batch_task_terminate(struct account *account, const char *job, const char *id,
                         struct error *ret_error)
{
    static const char *const already[] = {"TaskCompleted", NULL};
    return task_ask(account, "POST", "terminating", job, id, "terminate", NULL, already, NULL,
                    ret_error);
}

int batch_task_reactivate(struct account *account, const char *job, const char *id,
                          struct error *ret_error)
{
    static const char *const already[] = {"TaskNotCompleted", "TaskCompleted",
                                          "OperationInvalidForCurrentState", NULL};
    return task_ask(account, "POST", "reactivating", job, id, "reactivate", NULL, already, NULL,
                    ret_error);
}

int batch_task_delete(struct account *account, const char *job, const char *id,
                      struct error *ret_error)
{
    return task_ask(account, "DELETE", "deleting", job, id, NULL, NULL, NULL, NULL, ret_error);
}

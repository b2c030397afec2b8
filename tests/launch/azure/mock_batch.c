#include "config.h"

#include "tests/launch/azure/mock_batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIME "2026-11-21T09:00:00.1234567Z"

static void json_put_answer(struct buf *answer, int status, const cJSON *json)
{
    char *text = json ? cJSON_PrintUnformatted(json) : NULL;
    server_put(answer, status, "Content-Type: application/json\r\n", text ? text : "");
    free(text);
}

static cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static int integer(const cJSON *object, const char *name)
{
    const cJSON *item = member(object, name);
    return item ? item->valueint : 0;
}

static void set(cJSON *object, const char *name, cJSON *value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    cJSON_AddItemToObject(object, name, value);
}

static void set_text(cJSON *object, const char *name, const char *text)
{
    set(object, name, cJSON_CreateString(text));
}

/* --- pools ------------------------------------------------------------------------------------ */

static void pool_begin(struct mock_batch *mock, cJSON *pool)
{
    set_text(pool, "state", "active");
    set_text(pool, "allocationState", "resizing");
    set_text(pool, "creationTime", TIME);
    set(pool, "polls", cJSON_CreateNumber(mock->polls_to_steady));
    cJSON_DeleteItemFromObjectCaseSensitive(pool, "resizeErrors");
}

/* One look at a pool brings it nearer to what is wanted. */
static void pool_move(struct mock_batch *mock, cJSON *pool)
{
    int polls = integer(pool, "polls");
    set(pool, "polls", cJSON_CreateNumber(polls - 1));
    if (polls > 0 || strcmp(member(pool, "allocationState")->valuestring, "resizing") != 0)
        return;
    int wanted = integer(pool, "targetDedicatedNodes"), missing = mock->nodes_missing;
    set_text(pool, "allocationState", "steady");
    set(pool, "currentDedicatedNodes",
        cJSON_CreateNumber(wanted > missing ? wanted - missing : 0));
    set(pool, "currentLowPriorityNodes",
        cJSON_CreateNumber(integer(pool, "targetLowPriorityNodes")));
    if (missing)
        set(pool, "resizeErrors",
            cJSON_Parse(
                "[{\"code\":\"AccountCoreQuotaReached\",\"message\":\"The core quota is "
                "reached.\",\"values\":[{\"name\":\"Limit\",\"value\":\"20\"}]}]"));
}

static void pool_answer_post(struct mock_batch *mock, const struct mock_request *request,
                             cJSON *pool, const cJSON *body, struct buf *answer)
{
    const char *verb = request->parts[2];
    bool resizing = strcmp(member(pool, "allocationState")->valuestring, "resizing") == 0;
    if ((strcmp(verb, "resize") == 0 || strcmp(verb, "removenodes") == 0) && resizing) {
        mock_batch_error(answer, 409, "PoolBeingResized", "It is being resized.");
    } else if (strcmp(verb, "resize") == 0) {
        const cJSON *item;
        cJSON_ArrayForEach(item, body)
        {
            if (cJSON_IsNumber(item))
                set(pool, item->string, cJSON_CreateNumber(item->valuedouble));
        }
        pool_begin(mock, pool);
        server_put(answer, 202, NULL, "");
    } else if (strcmp(verb, "removenodes") == 0) {
        server_put(answer, cJSON_GetArraySize(member(body, "nodeList")) > 100 ? 400 : 202, NULL,
                   "");
    } else if (strcmp(verb, "stopresize") == 0 && !resizing) {
        mock_batch_error(answer, 409, "PoolNotBeingResized", "It is not being resized.");
    } else if (strcmp(verb, "stopresize") == 0) {
        set_text(pool, "allocationState", "stopping");
        server_put(answer, 202, NULL, "");
    } else if (strcmp(verb, "evaluateautoscale") == 0) {
        const char *formula = member(body, "autoScaleFormula")->valuestring;
        server_put(answer, 200, NULL,
                   strstr(formula, "oops")
                       ? "{\"timestamp\":\"" TIME "\",\"error\":{\"code\":\"AutoScalingFormula"
                         "EvaluationError\",\"message\":\"oops is unknown\"}}"
                       : "{\"timestamp\":\"" TIME
                         "\",\"results\":\"$TargetDedicatedNodes=3\"}");
    } else {
        set(pool, "enableAutoScale", cJSON_CreateBool(strcmp(verb, "enableautoscale") == 0));
        server_put(answer, 200, NULL, "");
    }
}

static void nodes_answer(const struct mock_request *request, const cJSON *pool,
                         struct buf *answer)
{
    static const char *const states[] = {"idle", "running", "starttaskfailed", "preempted",
                                         "somethingnew"};
    cJSON *list = cJSON_CreateObject(), *value = cJSON_AddArrayToObject(list, "value");
    for (int i = 0; i < integer(pool, "currentDedicatedNodes"); i++) {
        char text[1024];
        snprintf(text, sizeof(text),
                 "{\"id\":\"tvm-%d\",\"state\":\"%s\",\"ipAddress\":\"10.0.0.%d\","
                 "\"isDedicated\":true,\"allocationTime\":\"" TIME
                 "\",\"vmSize\":\"standard_d2s_v3\",\"runningTasksCount\":\"1\"%s}",
                 i, states[i % 5], i + 4,
                 i % 5 == 2 ? ",\"startTaskInfo\":{\"state\":\"completed\",\"exitCode\":7,"
                              "\"retryCount\":2,\"result\":\"failure\",\"failureInfo\":{"
                              "\"category\":\"usererror\",\"code\":\"FailureExitCode\","
                              "\"message\":\"It exited.\"}},\"errors\":[{\"code\":"
                              "\"StartTaskFailed\",\"errorDetails\":[]}]"
                            : "");
        cJSON *node = cJSON_Parse(text);
        if (request->parts_count == 4 &&
            strcmp(request->parts[3], member(node, "id")->valuestring) == 0) {
            json_put_answer(answer, 200, node);
            cJSON_Delete(node);
            cJSON_Delete(list);
            return;
        }
        cJSON_AddItemToArray(value, node);
    }
    if (request->parts_count == 4)
        mock_batch_error(answer, 404, "NodeNotFound", "There is no such node.");
    else
        json_put_answer(answer, 200, list);
    cJSON_Delete(list);
}

static void pools_answer(struct mock_batch *mock, const struct mock_request *request,
                         cJSON *body, struct buf *answer)
{
    const char *id = request->parts_count > 1 ? request->parts[1] : "";
    cJSON *pool = member(mock->pools, id);
    if (mock_is(request, "POST", 1)) {
        const char *name = member(body, "id")->valuestring;
        if (member(mock->pools, name)) {
            mock_batch_error(answer, 409, "PoolExists", "It exists.");
            return;
        }
        cJSON *made = cJSON_Duplicate(body, true);
        pool_begin(mock, made);
        cJSON_AddItemToObject(mock->pools, name, made);
        server_put(answer, 201, NULL, "");
    } else if (!pool) {
        mock_batch_error(answer, 404, "PoolNotFound", "There is no such pool.");
    } else if (mock_is(request, "GET", 2)) {
        pool_move(mock, pool);
        json_put_answer(answer, 200, pool);
    } else if (mock_is(request, "PATCH", 2)) {
        set(pool, "metadata", cJSON_Duplicate(member(body, "metadata"), true));
        server_put(answer, 200, NULL, "");
    } else if (mock_is(request, "DELETE", 2)) {
        cJSON_DeleteItemFromObjectCaseSensitive(mock->pools, id);
        server_put(answer, 202, NULL, "");
    } else if (mock_is(request, "POST", 3)) {
        pool_answer_post(mock, request, pool, body, answer);
    } else {
        nodes_answer(request, pool, answer);
    }
}

/* --- tasks ------------------------------------------------------------------------------------ */

/* One look at a task brings it nearer to its end: active, running, completed. */
static void task_move(cJSON *task)
{
    const char *state = member(task, "state")->valuestring;
    const char *line = member(task, "commandLine")->valuestring;
    if (strcmp(state, "active") == 0) {
        set_text(task, "state", "running");
        set(task, "executionInfo",
            cJSON_Parse("{\"startTime\":\"" TIME "\",\"retryCount\":0,\"requeueCount\":1}"));
        set(task, "nodeInfo", cJSON_Parse("{\"poolId\":\"p\",\"nodeId\":\"tvm-0\"}"));
    } else if (strcmp(state, "running") == 0) {
        bool fails = strcmp(line, "false") == 0;
        set_text(task, "state", "completed");
        set(task, "executionInfo",
            cJSON_Parse(
                fails ? "{\"startTime\":\"" TIME "\",\"endTime\":\"" TIME
                        "\",\"exitCode\":1,\"retryCount\":0,\"requeueCount\":1,\"result\":"
                        "\"failure\",\"failureInfo\":{\"category\":\"usererror\",\"code\":"
                        "\"FailureExitCode\",\"message\":\"It exited with 1.\",\"details\":[{"
                        "\"name\":\"Message\",\"value\":\"there\"}]}}"
                      : "{\"startTime\":\"" TIME "\",\"endTime\":\"" TIME
                        "\",\"exitCode\":0,\"retryCount\":0,\"requeueCount\":1,\"result\":"
                        "\"success\"}"));
    }
}

static cJSON *task_make(cJSON *tasks, const cJSON *body)
{
    cJSON *task = cJSON_Duplicate(body, true);
    set_text(task, "state", "active");
    set_text(task, "creationTime", TIME);
    cJSON_AddItemToObject(tasks, member(body, "id")->valuestring, task);
    return task;
}

/* One task of a collection; NULL: it is not mentioned in the answer. */
static cJSON *collected(struct mock_batch *mock, cJSON *tasks, const cJSON *item)
{
    const char *id = member(item, "id")->valuestring, *status = "success", *code = NULL;
    if (mock->silent > 0) {
        mock->silent--;
        return NULL;
    }
    if (mock->server_errors > 0) {
        mock->server_errors--;
        status = "servererror";
        code = "ServerBusy";
    } else if (mock->task_error && strncmp(id, "bad", 3) == 0) {
        status = "clienterror";
        code = mock->task_error;
    } else if (member(tasks, id)) {
        status = "clienterror";
        code = "TaskExists";
    } else {
        task_make(tasks, item);
    }
    cJSON *result = cJSON_CreateObject();
    cJSON_AddStringToObject(result, "taskId", id);
    cJSON_AddStringToObject(result, "status", status);
    if (code) {
        cJSON *error = cJSON_AddObjectToObject(result, "error");
        cJSON_AddStringToObject(error, "code", code);
        cJSON_AddStringToObject(cJSON_AddObjectToObject(error, "message"), "value",
                                "It was refused.");
    }
    return result;
}

static void collection_answer(struct mock_batch *mock, const struct mock_request *request,
                              cJSON *job, const cJSON *body, struct buf *answer)
{
    const cJSON *item, *value = member(body, "value");
    size_t most = mock->body_max ? (size_t)mock->body_max : 1048576;
    mock->collections++;
    if (request->raw->body_size >= most || cJSON_GetArraySize(value) > 100) {
        mock_batch_error(answer, 413, "RequestBodyTooLarge", "It is too large.");
        return;
    }
    if (request->raw->body_size > mock->largest)
        mock->largest = request->raw->body_size;
    if (cJSON_GetArraySize(value) > mock->most)
        mock->most = cJSON_GetArraySize(value);
    cJSON *reply = cJSON_CreateObject(), *results = cJSON_AddArrayToObject(reply, "value");
    cJSON_ArrayForEach(item, value)
    {
        cJSON *result = collected(mock, member(job, "tasks"), item);
        if (result) /* the latest first: any order is allowed */
            cJSON_InsertItemInArray(results, 0, result);
    }
    json_put_answer(answer, 200, reply);
    cJSON_Delete(reply);
}

/* A page of the made-up job's tasks. */
static void many_answer(struct mock_batch *mock, const struct mock_request *request,
                        struct buf *answer)
{
    char token[32];
    struct buf body;
    int64_t from = strtoll(mock_query(request, "$skiptoken", token, sizeof(token)), NULL, 10);
    int64_t to = from + 1000 < mock->many ? from + 1000 : mock->many;
    buf_init(&body, 4 << 20);
    buf_append_text(&body, "{\"value\":[");
    for (int64_t i = from; i < to; i++)
        buf_printf(&body, "%s{\"id\":\"t%lld\",\"state\":\"completed\"}", i > from ? "," : "",
                   (long long)i);
    buf_append_text(&body, "]");
    if (to < mock->many)
        buf_printf(&body,
                   ",\"odata.nextLink\":\"%s/jobs/many/tasks?api-version=1&$skiptoken=%lld\"",
                   server_url(mock->server), (long long)to);
    buf_append_text(&body, "}");
    server_put(answer, 200, NULL, buf_text(&body));
    buf_fini(&body);
}

/* A page of an object's members as a list. */
static void list_answer(struct mock_batch *mock, const struct mock_request *request,
                        const cJSON *items, struct buf *answer)
{
    char token[32], link[2400];
    int from = (int)strtol(mock_query(request, "$skiptoken", token, sizeof(token)), NULL, 10);
    int index = 0;
    const cJSON *item;
    cJSON *list = cJSON_CreateObject(), *value = cJSON_AddArrayToObject(list, "value");
    cJSON_ArrayForEach(item, items)
    {
        if (index >= from && (!mock->page || index < from + mock->page))
            cJSON_AddItemToArray(value, cJSON_Duplicate(item, true));
        index++;
    }
    if (mock->page && from + mock->page < index) {
        snprintf(link, sizeof(link), "%s%s?api-version=1&$skiptoken=%d",
                 server_url(mock->server), request->path, from + mock->page);
        cJSON_AddStringToObject(list, "odata.nextLink", link);
    }
    json_put_answer(answer, 200, list);
    cJSON_Delete(list);
}

static void file_answer(struct mock_batch *mock, const struct mock_request *request,
                        const cJSON *task, struct buf *answer)
{
    char range[64], *end;
    bool head = strcmp(request->raw->method, "HEAD") == 0;
    if (strcmp(member(task, "state")->valuestring, "active") == 0) {
        server_put(answer, 409, NULL, "");
        if (!head) {
            buf_clear(answer);
            mock_batch_error(answer, 409, "TaskFilesUnavailable", "It has not begun.");
        }
        return;
    }
    if (!mock->file || strcmp(request->parts[5], "stdout.txt") != 0) {
        if (head)
            server_put(answer, 404, NULL, "");
        else
            mock_batch_error(answer, 404, "FileNotFound", "There is no such file.");
        return;
    }
    size_t size = strlen(mock->file), from = 0, to = size;
    mock_header(request, "ocp-range", range, sizeof(range));
    if (*range && !mock->whole_files) {
        from = strtoul(range + 6, &end, 10);
        to = strtoul(end + 1, NULL, 10) + 1;
        to = to < size ? to : size;
    }
    if (from >= size && *range && !mock->whole_files) {
        mock_batch_error(answer, 416, "InvalidRange", "Beyond the end.");
        return;
    }
    buf_printf(answer,
               "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nLast-Modified: Sat, 21 Nov 2026 "
               "09:00:00 GMT\r\n\r\n",
               to - from);
    if (!head)
        buf_append(answer, mock->file + from, to - from);
}

static void files_answer(struct mock_batch *mock, struct buf *answer)
{
    char text[512];
    snprintf(text, sizeof(text),
             "{\"value\":[{\"name\":\"stdout.txt\",\"isDirectory\":false,\"properties\":{"
             "\"contentLength\":\"%zu\",\"lastModified\":\"" TIME
             "\"}},{\"name\":\"wd\",\"isDirectory\":true}]}",
             mock->file ? strlen(mock->file) : 0);
    server_put(answer, 200, NULL, text);
}

static void task_answer(struct mock_batch *mock, const struct mock_request *request, cJSON *job,
                        struct buf *answer)
{
    cJSON *tasks = member(job, "tasks"), *task = member(tasks, request->parts[3]);
    bool completed = task && strcmp(member(task, "state")->valuestring, "completed") == 0;
    if (!task) {
        mock_batch_error(answer, 404, "TaskNotFound", "There is no such task.");
    } else if (mock_is(request, "GET", 4)) {
        task_move(task);
        json_put_answer(answer, 200, task);
    } else if (mock_is(request, "DELETE", 4)) {
        cJSON_DeleteItemFromObjectCaseSensitive(tasks, request->parts[3]);
        server_put(answer, 200, NULL, "");
    } else if (strcmp(request->parts[4], "terminate") == 0 && completed) {
        mock_batch_error(answer, 409, "TaskCompleted", "It is completed.");
    } else if (strcmp(request->parts[4], "terminate") == 0) {
        set_text(task, "state", "completed");
        server_put(answer, 204, NULL, "");
    } else if (strcmp(request->parts[4], "reactivate") == 0 && completed) {
        set_text(task, "state", "active");
        server_put(answer, 204, NULL, "");
    } else if (strcmp(request->parts[4], "reactivate") == 0) {
        mock_batch_error(answer, 409, "TaskNotCompleted", "It has not ended.");
    } else if (request->parts_count == 5) {
        files_answer(mock, answer);
    } else {
        file_answer(mock, request, task, answer);
    }
}

static void job_answer(struct mock_batch *mock, const struct mock_request *request, cJSON *job,
                       const cJSON *body, struct buf *answer)
{
    const char *verb = request->parts_count > 2 ? request->parts[2] : "";
    bool completed = strcmp(member(job, "state")->valuestring, "completed") == 0;
    if (mock_is(request, "GET", 2)) {
        json_put_answer(answer, 200, job);
    } else if (mock_is(request, "DELETE", 2)) {
        cJSON_DeleteItemFromObjectCaseSensitive(mock->jobs, request->parts[1]);
        server_put(answer, 202, NULL, "");
    } else if (completed && strcmp(request->raw->method, "GET") != 0) {
        mock_batch_error(answer, 409, "JobCompleted", "It is completed.");
    } else if (mock_is(request, "PATCH", 2)) {
        set(job, "onAllTasksComplete",
            cJSON_Duplicate(member(body, "onAllTasksComplete"), true));
        server_put(answer, 200, NULL, "");
    } else if (strcmp(verb, "terminate") == 0) {
        set_text(job, "state", "completed");
        server_put(answer, 202, NULL, "");
    } else if (strcmp(verb, "taskcounts") == 0) {
        server_put(
            answer, 200, NULL,
            "{\"taskCounts\":{\"active\":\"1\",\"running\":2,\"completed\":7,\"succeeded\""
            ":4,\"failed\":3},\"taskSlotCounts\":{\"active\":2}}");
    } else if (strcmp(verb, "addtaskcollection") == 0) {
        collection_answer(mock, request, job, body, answer);
    } else if (mock_is(request, "POST", 3)) {
        if (member(member(job, "tasks"), member(body, "id")->valuestring)) {
            mock_batch_error(answer, 409, "TaskExists", "It exists.");
            return;
        }
        task_make(member(job, "tasks"), body);
        server_put(answer, 201, NULL, "");
    } else if (mock_is(request, "GET", 3)) {
        list_answer(mock, request, member(job, "tasks"), answer);
    } else {
        task_answer(mock, request, job, answer);
    }
}

static void jobs_answer(struct mock_batch *mock, const struct mock_request *request,
                        cJSON *body, struct buf *answer)
{
    cJSON *job = request->parts_count > 1 ? member(mock->jobs, request->parts[1]) : NULL;
    if (mock_is(request, "POST", 1)) {
        const char *name = member(body, "id")->valuestring;
        if (member(mock->jobs, name)) {
            mock_batch_error(answer, 409, "JobExists", "It exists.");
            return;
        }
        cJSON *made = cJSON_Duplicate(body, true);
        set_text(made, "state", "active");
        cJSON_AddObjectToObject(made, "tasks");
        cJSON_AddItemToObject(mock->jobs, name, made);
        server_put(answer, 201, NULL, "");
    } else if (mock->many && strcmp(request->parts[1], "many") == 0) {
        many_answer(mock, request, answer);
    } else if (!job) {
        mock_batch_error(answer, 404, "JobNotFound", "There is no such job.");
    } else {
        job_answer(mock, request, job, body, answer);
    }
}

static void images_answer(struct buf *answer)
{
    server_put(
        answer, 200, NULL,
        "{\"value\":[{\"nodeAgentSKUId\":\"batch.node.ubuntu 24.04\",\"imageReference\":{"
        "\"publisher\":\"canonical\",\"offer\":\"ubuntu-24_04-lts\",\"sku\":\"server\","
        "\"version\":\"latest\"},\"osType\":\"linux\",\"verificationType\":\"verified\","
        "\"capabilities\":[\"DockerCompatible\"],\"batchSupportEndOfLife\":"
        "\"2029-04-25T00:00:00Z\"},{\"nodeAgentSKUId\":\"batch.node.windows\",\"osType\":"
        "\"windows\",\"verificationType\":\"unverified\",\"unheardof\":[1,{}]},7]}");
}

static void mock_act(struct mock_batch *mock, const struct mock_request *request,
                     struct buf *answer)
{
    char text[256];
    bool post = request->raw->body_size > 0;
    cJSON *body =
        post ? cJSON_ParseWithLength(request->raw->body, request->raw->body_size) : NULL;
    snprintf(mock->last_query, sizeof(mock->last_query), "%s", request->query);
    if (post)
        snprintf(mock->last_body, sizeof(mock->last_body), "%.*s",
                 (int)(request->raw->body_size < 8191 ? request->raw->body_size : 8191),
                 request->raw->body);
    if (post && strcmp(mock_header(request, "content-type", text, sizeof(text)),
                       ACCOUNT_BATCH_TYPE) != 0)
        mock_batch_error(answer, 415, "UnsupportedMediaType", text);
    else if (strcmp(request->parts[0], "pools") == 0)
        pools_answer(mock, request, body, answer);
    else if (strcmp(request->parts[0], "jobs") == 0)
        jobs_answer(mock, request, body, answer);
    else
        images_answer(answer);
    cJSON_Delete(body);
}

static bool mock_answer(void *context, const struct server_request *raw, struct buf *answer)
{
    struct mock_batch *mock = context;
    struct mock_request request;
    char authorization[512], version[32];
    enum mock_fault fault = mock_fault_next(&mock->faults, raw);
    mock_request_read(&request, raw);
    mock_header(&request, "authorization", authorization, sizeof(authorization));
    mock_query(&request, "api-version", version, sizeof(version));
    if (fault == MOCK_BUSY)
        mock_batch_error(answer, 503, "ServerBusy", "Later.");
    else if (fault == MOCK_FORBIDDEN || !*version ||
             strncmp(authorization, "SharedKey henry:", 16) != 0)
        mock_batch_error(answer, 403, "AuthenticationFailed", "Who?");
    else
        mock_act(mock, &request, answer);
    if (fault == MOCK_DROP)
        buf_clear(answer);
    if (fault == MOCK_CUT)
        answer->size /= 2;
    return fault != MOCK_DROP && fault != MOCK_CUT;
}

void mock_batch_start(struct mock_batch *mock)
{
    memset(mock, 0, sizeof(*mock));
    mock->pools = cJSON_CreateObject();
    mock->jobs = cJSON_CreateObject();
    mock->server = server_start(mock_answer, mock);
}

void mock_batch_stop(struct mock_batch *mock)
{
    server_stop(mock->server);
    cJSON_Delete(mock->pools);
    cJSON_Delete(mock->jobs);
}

/*
 * A range is asked for in ocp-range and answered by 200. What there is nothing of yet (the task has
 * not begun, the range starts at the file's end) is no error: whoever follows a file asks again.
 */
#include "config.h"

#include "launch/azure/batch_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "launch/azure/batch_private.h"

/* Refusals that mean that there is no such file at the moment, or no more. */
static const char *const nothing[] = {
    "OperationInvalidForCurrentState",
    "TaskFilesUnavailable",
    "TaskFilesCleanedup",
    "NodeNotReady",
    "InvalidRange",
    NULL,
};

/* "DOING of task "T" of job "J"" into text; /jobs/J/tasks/T/files[/PATH] into path. */
static int place_put(const struct batch_file_owner *owner, const char *doing, const char *file,
                     struct buf *path, char text[BATCH_DOING_MAX], struct error *ret_error)
{
    char quoted[BATCH_DOING_MAX / 2] = "";
    if (file)
        snprintf(quoted, sizeof(quoted), " \"%s\"", file);
    if (owner->task)
        snprintf(text, BATCH_DOING_MAX, "%s%s of task \"%s\" of job \"%s\"", doing, quoted,
                 owner->task, owner->job);
    else
        snprintf(text, BATCH_DOING_MAX, "%s%s of node \"%s\" of pool \"%s\"", doing, quoted,
                 owner->node, owner->pool);
    buf_init(path, BATCH_PATH_MAX);
    int rc =
        owner->task
            ? batch_path(path, "jobs", owner->job, "tasks", owner->task, "files", file, NULL)
            : batch_path(path, "pools", owner->pool, "nodes", owner->node, "files", file, NULL);
    return rc == 0 && buf_text(path)
               ? 0
               : error_set(ret_error, ERROR_USAGE, "%s: its name is too long", text);
}

struct visitor {
    int (*visit)(void *context, const struct batch_file *file);
    void *context;
};

static int file_visit(void *context, const cJSON *item)
{
    const struct visitor *visitor = context;
    const cJSON *properties = json_member(item, "properties");
    int64_t size = batch_integer(properties, "contentLength");
    struct batch_file file = {
        .name = batch_text(item, "name"),
        .folder = batch_bool(item, "isDirectory"),
        .size = size > 0 ? (uint64_t)size : 0,
        .changed_ns = batch_time(properties, "lastModified"),
    };
    return file.name ? visitor->visit(visitor->context, &file) : 0;
}

int batch_file_list(struct account *account, const struct batch_file_owner *owner,
                    bool recursive, int (*visit)(void *context, const struct batch_file *file),
                    void *context, struct error *ret_error)
{
    struct visitor visitor = {visit, context};
    struct buf path;
    char doing[BATCH_DOING_MAX];
    int rc = place_put(owner, "listing the files", NULL, &path, doing, ret_error);
    if (rc == 0)
        rc = batch_pages(account, buf_text(&path), NULL,
                         recursive ? "recursive=true" : "recursive=false", doing, file_visit,
                         &visitor, ret_error);
    buf_fini(&path);
    return rc;
}

/* Ask METHOD for a file; `range` may be NULL. The answer is the caller's to fini. 0, or -1. */
static int file_ask(struct account *account, const char *method, const char *path,
                    const char *range, size_t max, const char *doing,
                    struct http_response *ret_response, struct error *ret_error)
{
    const struct http_header header = {"ocp-range", range};
    struct http_request request;
    struct buf url;
    int rc;
    buf_init(&url, BATCH_PATH_MAX * 2);
    account_batch_request(account, method, &request);
    request.headers = range ? &header : NULL;
    request.headers_count = range ? 1 : 0;
    request.response_max = max;
    if (account_put_batch_url(account, path, NULL, &url) != 0 ||
        !(request.url = buf_text(&url)))
        rc = error_set(ret_error, ERROR_SYSTEM, "%s: no room for the request", doing);
    else if ((rc = http_perform(account_http(account), &request, ret_response, ret_error)) != 0)
        error_prefix(ret_error, "%s", doing);
    buf_fini(&url);
    return rc;
}

static int64_t modified_ns(const struct http_response *response)
{
    const char *text = http_response_header(response, "last-modified");
    int64_t s;
    return text && http_date_parse(text, &s) == 0 ? s * CLOCK_SECOND_NS : 0;
}

int batch_file_measure(struct account *account, const struct batch_file_owner *owner,
                       const char *file, uint64_t *ret_size, int64_t *ret_changed_ns,
                       struct error *ret_error)
{
    struct buf path;
    char doing[BATCH_DOING_MAX];
    struct http_response response = {0};
    int rc = place_put(owner, "measuring", file, &path, doing, ret_error);
    if (rc == 0)
        rc = file_ask(account, "HEAD", buf_text(&path), NULL, 0, doing, &response, ret_error);
    if (rc == 0 && response.status == 409) { /* a HEAD's refusal has no body to tell by */
        batch_refuse(&response, NULL, doing, ret_error);
        rc = BATCH_MISSING;
    } else if (rc == 0 && response.status / 100 != 2) {
        rc = batch_refuse(&response, NULL, doing, ret_error);
    } else if (rc == 0) {
        const char *length = http_response_header(&response, "content-length");
        if (!length)
            length = http_response_header(&response, "ocp-content-length");
        *ret_size = length ? strtoull(length, NULL, 10) : 0;
        if (ret_changed_ns)
            *ret_changed_ns = modified_ns(&response);
    }
    http_response_fini(&response);
    buf_fini(&path);
    return rc;
}

/* What of an answer was asked for: whoever knows no ranges sends the whole file. */
static int64_t range_take(const struct http_response *response, uint64_t offset, size_t max,
                          struct buf *ret_bytes, const char *doing, struct error *ret_error)
{
    const uint8_t *bytes = response->body.data;
    size_t size = response->body.size;
    if (size > max) {
        size_t skip = offset < size ? (size_t)offset : size;
        bytes += skip;
        size = size - skip < max ? size - skip : max;
    }
    if (size && buf_append(ret_bytes, bytes, size) != 0)
        return error_set(ret_error, ERROR_SYSTEM, "%s: no room for what was read", doing);
    return (int64_t)size;
}

int64_t batch_file_read(struct account *account, const struct batch_file_owner *owner,
                        const char *file, uint64_t offset, size_t max, struct buf *ret_bytes,
                        struct error *ret_error)
{
    struct buf path;
    char doing[BATCH_DOING_MAX], range[64];
    struct http_response response = {0};
    int64_t got;
    if (max == 0)
        return 0;
    if (place_put(owner, "reading", file, &path, doing, ret_error) != 0) {
        buf_fini(&path);
        return -1;
    }
    snprintf(range, sizeof(range), "bytes=%llu-%llu", (unsigned long long)offset,
             (unsigned long long)(offset + max - 1));
    if (file_ask(account, "GET", buf_text(&path), range, max + ((size_t)16 << 20), doing,
                 &response, ret_error) != 0)
        got = -1;
    else if (response.status / 100 == 2)
        got = range_take(&response, offset, max, ret_bytes, doing, ret_error);
    else if (response.status == 416 || batch_refuse(&response, nothing, doing, ret_error) > 0)
        got = 0;
    else
        got = -1;
    http_response_fini(&response);
    buf_fini(&path);
    return got;
}

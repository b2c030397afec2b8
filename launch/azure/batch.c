/*
 * How all Batch operations are asked: a JSON body goes, a JSON answer comes, lists come in pages.
 *
 * A list's nextLink is absolute and goes back as it stands; but it is signed, so it is followed
 * only to the account's own host.
 */
#include "config.h"

#include "launch/azure/batch.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/azure/secret.h"
#include "common/json.h"
#include "launch/azure/batch_private.h"

#define URL_MAX        ((size_t)64 << 10)
#define BODY_MAX       ((size_t)4 << 20)
#define ANSWER_MAX     ((size_t)64 << 20)
#define NEXT_LINKS_MAX 1000000 /* pages; a service that says more goes in circles */

bool batch_id_valid(const char *id)
{
    size_t size = strlen(id);
    if (size == 0 || size > BATCH_ID_MAX)
        return false;
    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)id[i]) && id[i] != '-' && id[i] != '_')
            return false;
    return true;
}

int batch_path(struct buf *buf, ...)
{
    va_list parts;
    const char *part;
    va_start(parts, buf);
    while ((part = va_arg(parts, const char *))) {
        buf_append_text(buf, "/");
        http_encode(buf, part, "");
    }
    va_end(parts);
    return buf_failed(buf) ? -1 : 0;
}

void batch_query_put(struct buf *buf, const char *name, const char *value)
{
    if (!value)
        return;
    if (buf->size)
        buf_append_text(buf, "&");
    buf_append_text(buf, name);
    buf_append_text(buf, "=");
    http_encode(buf, value, "");
}

static int answer_read(const struct http_response *response, const char *doing,
                       cJSON **ret_json, struct error *ret_error)
{
    *ret_json = NULL;
    if (response->body.size == 0)
        return 0;
    if (json_parse((const char *)response->body.data, response->body.size, "the answer", 0,
                   ret_json, ret_error) == 0)
        return 0;
    if (ret_error)
        ret_error->code = ERROR_BACKEND;
    return error_prefix(ret_error, "%s", doing);
}

static bool code_in(const struct azure_error *error, const char *const *codes)
{
    for (; codes && *codes; codes++)
        if (azure_error_is(error, *codes))
            return true;
    return false;
}

int batch_refuse(const struct http_response *response, const char *const *already,
                 const char *doing, struct error *ret_error)
{
    struct azure_error error;
    int rc = -1;
    azure_error_read(AZURE_BATCH, response, &error);
    azure_error_set(AZURE_BATCH, &error, doing, ret_error);
    if (code_in(&error, already))
        rc = BATCH_ALREADY;
    else if (error.status == 404)
        rc = BATCH_MISSING;
    azure_error_fini(&error);
    return rc;
}

/* Send a request to `url` with the body printed. */
static int url_ask(struct account *account, const struct batch_call *call, const char *url,
                   const struct buf *body, cJSON **ret_json, struct error *ret_error)
{
    struct http_request request;
    struct http_response response = {0};
    const struct http_header type = {"Content-Type", ACCOUNT_BATCH_TYPE};
    account_batch_request(account, call->method, &request);
    request.url = url;
    request.retry = call->once ? HTTP_RETRY_METHOD : HTTP_RETRY_ALWAYS;
    request.response_max = ANSWER_MAX;
    if (call->body) {
        request.body = body->data;
        request.body_size = body->size;
        request.headers = &type;
        request.headers_count = 1;
    }
    if (http_perform(account_http(account), &request, &response, ret_error) != 0)
        return error_prefix(ret_error, "%s", call->doing);
    int rc = 0;
    if (response.status / 100 != 2)
        rc = batch_refuse(&response, call->already, call->doing, ret_error);
    else if (ret_json)
        rc = answer_read(&response, call->doing, ret_json, ret_error);
    http_response_fini(&response);
    return rc;
}

int batch_ask(struct account *account, const struct batch_call *call, cJSON **ret_json,
              struct error *ret_error)
{
    struct buf url, body;
    int rc;
    buf_init(&url, URL_MAX);
    buf_init(&body, BODY_MAX);
    if (account_put_batch_url(account, call->path, call->query, &url) != 0 || !buf_text(&url) ||
        (call->body && json_put(&body, call->body, 0) != 0))
        rc = error_set(ret_error, ERROR_SYSTEM, "%s: no room for the request", call->doing);
    else
        rc = url_ask(account, call, buf_text(&url), &body, ret_json, ret_error);
    buf_fini(&url);
    secret_buf_fini(&body); /* it may hold SAS */
    return rc;
}

int batch_tell(struct account *account, const char *method, const char *path,
               const char *const *already, const char *doing, struct error *ret_error)
{
    struct batch_call call = {
        .method = method, .path = path, .doing = doing, .already = already};
    return batch_ask(account, &call, NULL, ret_error);
}

/* The bytes of "scheme://host[:port]", the port left out where it is the scheme's own. */
static size_t origin_size(const char *url)
{
    const char *host = strstr(url, "://");
    if (!host)
        return 0;
    size_t size = (size_t)(host + 3 - url) + strcspn(host + 3, "/?#");
    if (size > 4 && strncasecmp(url, "https:", 6) == 0 &&
        strncmp(url + size - 4, ":443", 4) == 0)
        size -= 4;
    else if (size > 3 && strncasecmp(url, "http:", 5) == 0 &&
             strncmp(url + size - 3, ":80", 3) == 0)
        size -= 3;
    return size;
}

static bool same_origin(const char *a, const char *b)
{
    size_t size = origin_size(a);
    return size > 0 && size == origin_size(b) && strncasecmp(a, b, size) == 0;
}

/* The URL of a list's next page into `url`. 1: there is one, 0: there is none, -1. */
static int next_find(struct account *account, const cJSON *page, struct buf *url,
                     const char *doing, struct error *ret_error)
{
    const char *next = batch_text(page, "odata.nextLink");
    if (!next || !*next)
        return 0;
    if (!same_origin(next, credentials_batch_url(account_credentials(account))))
        return error_set(ret_error, ERROR_BACKEND,
                         "%s: the answer's nextLink leads to another host; it is not followed",
                         doing);
    if (strcmp(next, buf_text(url)) == 0)
        return error_set(ret_error, ERROR_BACKEND, "%s: the answer's nextLink leads to itself",
                         doing);
    buf_clear(url);
    buf_append_text(url, next);
    return !buf_text(url) || buf_failed(url)
               ? error_set(ret_error, ERROR_SYSTEM, "%s: no room for a nextLink", doing)
               : 1;
}

static int pages_walk(struct account *account, struct buf *url, const char *doing,
                      int (*visit)(void *context, const cJSON *item), void *context,
                      struct error *ret_error)
{
    struct batch_call call = {.method = "GET", .doing = doing};
    int rc = 1;
    for (long pages = 0; rc == 1; pages++) {
        cJSON *page = NULL;
        const cJSON *item;
        rc = pages < NEXT_LINKS_MAX
                 ? url_ask(account, &call, buf_text(url), NULL, &page, ret_error)
                 : error_set(ret_error, ERROR_BACKEND, "%s: the list does not end", doing);
        if (rc == BATCH_MISSING && pages > 0)
            rc = -1;
        if (rc != 0)
            return rc;
        cJSON_ArrayForEach(item, batch_array(page, "value"))
        {
            if (rc == 0)
                rc = visit(context, item);
        }
        if (rc == 0)
            rc = next_find(account, page, url, doing, ret_error);
        else {
            cJSON_Delete(page);
            return rc;
        }
        cJSON_Delete(page);
    }
    return rc;
}

int batch_pages(struct account *account, const char *path, const struct batch_query *query,
                const char *more, const char *doing,
                int (*visit)(void *context, const cJSON *item), void *context,
                struct error *ret_error)
{
    struct buf url, text;
    char page[16];
    buf_init(&url, URL_MAX);
    buf_init(&text, URL_MAX);
    if (query) {
        snprintf(page, sizeof(page), "%d", query->page);
        batch_query_put(&text, "$filter", query->filter);
        batch_query_put(&text, "$select", query->select);
        batch_query_put(&text, "$expand", query->expand);
        batch_query_put(&text, "maxresults", query->page > 0 ? page : NULL);
    }
    if (more) {
        buf_append_text(&text, text.size ? "&" : "");
        buf_append_text(&text, more);
    }
    int rc;
    if (buf_failed(&text) || !buf_text(&text) ||
        account_put_batch_url(account, path, text.size ? buf_text(&text) : NULL, &url) != 0 ||
        !buf_text(&url))
        rc = error_set(ret_error, ERROR_SYSTEM, "%s: no room for the request", doing);
    else
        rc = pages_walk(account, &url, doing, visit, context, ret_error);
    buf_fini(&url);
    buf_fini(&text);
    return rc;
}

int batch_pages_of(struct account *account, const char *owner, const char *id, const char *what,
                   const struct batch_query *query,
                   int (*visit)(void *context, const cJSON *item), void *context,
                   struct error *ret_error)
{
    struct buf path;
    char owners[16], doing[BATCH_DOING_MAX];
    int rc;
    buf_init(&path, BATCH_PATH_MAX);
    snprintf(owners, sizeof(owners), "%ss", owner);
    snprintf(doing, sizeof(doing), "listing the %s of %s \"%s\"", what, owner, id);
    if (batch_path(&path, owners, id, what, NULL) == 0 && buf_text(&path))
        rc = batch_pages(account, buf_text(&path), query, NULL, doing, visit, context,
                         ret_error);
    else
        rc = error_set(ret_error, ERROR_USAGE, "%s: its name is too long", doing);
    buf_fini(&path);
    return rc;
}

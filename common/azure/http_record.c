#include "config.h"

#include "common/azure/http_record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/azure/secret.h"
#include "common/fd.h"
#include "common/json.h"

#define LINE_MAX_SIZE ((size_t)64 << 20)

struct http_record {
    struct http *http;
    int fd;
    char *prefix;
};

/* A copy without secrets, NULL for lack of memory. */
static char *clean_copy(const char *text)
{
    struct buf buf;
    buf_init(&buf, 2 * strlen(text) + 64);
    const char *clean = secret_put_text(&buf, text, strlen(text)) == 0 ? buf_text(&buf) : NULL;
    char *copy = clean ? strdup(clean) : NULL;
    secret_buf_fini(&buf);
    return copy;
}

static void string_replace(cJSON *item, const char *text)
{
    char *copy = cJSON_malloc(strlen(text) + 1);
    memset(item->valuestring, '.', strlen(item->valuestring));
    if (!copy)
        return;
    memcpy(copy, text, strlen(text) + 1);
    cJSON_free(item->valuestring);
    item->valuestring = copy;
}

static bool speaks_of_secrets(const char *name)
{
    static const char *const words[] = {"secret", "key", "token", "password", "connection"};
    for (size_t i = 0; name && i < sizeof(words) / sizeof(*words); i++)
        if (strcasestr(name, words[i]))
            return true;
    return false;
}

/* {"name": "BEOFARM_SECRET", "value": ...}, as environment settings are; "accountKey": ... */
static bool is_secret(const cJSON *item, const cJSON *parent)
{
    const cJSON *name = json_member(parent, "name");
    if (!item->string || strcmp(item->string, "key") == 0) /* an error's {"key", "value"} */
        return false;
    if (strcmp(item->string, "value") == 0)
        return cJSON_IsString(name) && speaks_of_secrets(name->valuestring);
    return speaks_of_secrets(item->string);
}

static void tree_clean(cJSON *parent)
{
    cJSON *item;
    cJSON_ArrayForEach(item, parent)
    {
        if (cJSON_IsString(item) && is_secret(item, parent)) {
            string_replace(item, "...");
        } else if (cJSON_IsString(item)) {
            char *clean = clean_copy(item->valuestring);
            string_replace(item, clean ? clean : "...");
            free(clean);
        }
        tree_clean(item);
    }
}

static void put_headers(struct buf *line, const struct http_header *headers, size_t count,
                        int64_t body_size)
{
    const char *comma = "";
    buf_append_text(line, ",\"headers\":{");
    for (size_t i = 0; i < count; i++) {
        char name[256];
        size_t size = 0;
        if (secret_is_header(headers[i].name))
            continue;
        for (; headers[i].name[size] && size < sizeof(name) - 1; size++)
            name[size] = (char)(headers[i].name[size] >= 'A' && headers[i].name[size] <= 'Z'
                                    ? headers[i].name[size] + 32
                                    : headers[i].name[size]);
        char *clean = clean_copy(headers[i].value);
        buf_append_text(line, comma);
        json_put_text(line, name, size);
        buf_append_text(line, ":");
        json_put_text(line, clean ? clean : "", clean ? strlen(clean) : 0);
        free(clean);
        comma = ",";
    }
    if (body_size >= 0)
        buf_printf(line, "%s\"content-length\":\"%lld\"", comma, (long long)body_size);
    buf_append_text(line, "}");
}

static void put_body(struct buf *line, const void *body, size_t size)
{
    cJSON *root = NULL;
    if (!body || !size || json_parse(body, size, "body", JSON_STRICT, &root, NULL) != 0)
        return;
    if (cJSON_IsObject(root) || cJSON_IsArray(root)) {
        tree_clean(root);
        buf_append_text(line, ",\"body\":");
        json_put(line, root, 0);
    }
    cJSON_Delete(root);
}

static const char *path_of(const char *url)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    return host + strcspn(host, "/?");
}

static void exchange_take(void *context, const struct http_try *try, const void *request_body,
                          const struct http_response *response)
{
    struct http_record *record = context;
    struct buf line, url;
    if (record->prefix && strncmp(try->url, record->prefix, strlen(record->prefix)) != 0)
        return;
    buf_init(&line, LINE_MAX_SIZE);
    buf_init(&url, 64 << 10);
    secret_put_text(&url, path_of(try->url), strlen(path_of(try->url)));
    buf_append_text(&line, "{\"request\":{\"method\":");
    json_put_text(&line, try->method, strlen(try->method));
    buf_append_text(&line, ",\"url\":");
    json_put_text(&line, url.data, url.size);
    put_headers(&line, try->headers, try->headers_count, try->body_size);
    put_body(&line, request_body, request_body ? (size_t)try->body_size : 0);
    buf_printf(&line, "},\"response\":{\"statusCode\":%d", response->status);
    put_headers(&line, response->headers, response->headers_count, -1);
    put_body(&line, response->body.data, response->body.size);
    buf_append_text(&line, "}}\n");
    /* A record that cannot be written must not stop a farm. */
    if (!buf_failed(&line))
        (void)!fd_write(record->fd, line.data, line.size);
    buf_fini(&line);
    buf_fini(&url);
}

struct http_record *http_record_open(struct http *http, const char *path, const char *prefix,
                                     struct error *ret_error)
{
    struct http_record *record = calloc(1, sizeof(*record));
    if (record)
        record->prefix = prefix ? strdup(prefix) : NULL;
    if (!record || (prefix && !record->prefix)) {
        free(record);
        error_set(ret_error, ERROR_SYSTEM, "out of memory for a record");
        return NULL;
    }
    record->http = http;
    record->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (record->fd < 0) {
        error_errno(ret_error, errno,
                    "%s, where exchanges are to be recorded, cannot be opened", path);
        free(record->prefix);
        free(record);
        return NULL;
    }
    http_observe(http, exchange_take, record);
    return record;
}

void http_record_close(struct http_record *record)
{
    if (!record)
        return;
    http_observe(record->http, NULL, NULL);
    close(record->fd);
    free(record->prefix);
    free(record);
}

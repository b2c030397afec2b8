#include "config.h"

#include "tests/launch/azure/mock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/azure/http.h"

static void decode(const char *text, size_t size, char *out, size_t out_size)
{
    struct buf buf;
    buf_init(&buf, 65536);
    http_decode(&buf, text, size);
    snprintf(out, out_size, "%s", buf_text(&buf));
    buf_fini(&buf);
}

void mock_request_read(struct mock_request *request, const struct server_request *raw)
{
    size_t size = strcspn(raw->target, "?");
    memset(request, 0, sizeof(*request));
    request->raw = raw;
    snprintf(request->path, sizeof(request->path), "%.*s", (int)size, raw->target);
    if (raw->target[size] == '?')
        snprintf(request->query, sizeof(request->query), "%s", raw->target + size + 1);
    const char *at = request->path + 1;
    while (*at && request->parts_count < 8) {
        size_t part = strcspn(at, "/");
        decode(at, part, request->parts[request->parts_count++], sizeof(request->parts[0]));
        at += part + (at[part] == '/');
    }
}

bool mock_is(const struct mock_request *request, const char *method, int parts)
{
    return strcmp(request->raw->method, method) == 0 && request->parts_count == parts;
}

char *mock_query(const struct mock_request *request, const char *name, char *text, size_t size)
{
    text[0] = '\0';
    for (const char *at = request->query; *at;) {
        size_t length = strcspn(at, "&"), key = strcspn(at, "=&");
        if (key == strlen(name) && strncmp(at, name, key) == 0 && key < length)
            decode(at + key + 1, length - key - 1, text, size);
        at += length + (at[length] == '&');
    }
    return text;
}

char *mock_header(const struct mock_request *request, const char *name, char *text, size_t size)
{
    server_header(request->raw, name, text, size);
    return text;
}

enum mock_fault mock_fault_next(struct mock_faults *faults, const struct server_request *raw)
{
    if (!faults || (faults->method && strcmp(faults->method, raw->method) != 0) ||
        (faults->part && !strstr(raw->target, faults->part)))
        return MOCK_FINE;
    int number = faults->seen++;
    return number >= faults->skip && number < faults->skip + faults->count ? faults->fault
                                                                           : MOCK_FINE;
}

void mock_batch_error(struct buf *answer, int status, const char *code, const char *message)
{
    char body[2048];
    snprintf(body, sizeof(body),
             "{\"odata.metadata\":\"x\",\"code\":\"%s\",\"message\":{\"lang\":\"en-US\","
             "\"value\":\"%s\\nRequestId:1\\nTime:2026-11-21T09:00:00Z\"},"
             "\"values\":[{\"key\":\"Reason\",\"value\":\"because\"}]}",
             code, message);
    server_put(answer, status, "Content-Type: application/json\r\n", body);
}

void mock_blob_error(struct buf *answer, int status, const char *code, bool head)
{
    char headers[256], body[512];
    snprintf(headers, sizeof(headers), "x-ms-error-code: %s\r\n", code);
    snprintf(body, sizeof(body),
             "<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>no</Message></Error>",
             code);
    server_put(answer, status, headers, head ? "" : body);
}

struct account *mock_account_open(const char *url)
{
    struct error error = {0};
    struct account_options options = {
        .http = {.backoff_base_ms = 1, .backoff_cap_ms = 5, .tries = 4},
        .wishes = {.batch_account = "henry",
                   .batch_url = url,
                   .storage_account = "henrydata",
                   .blob_url = url}};
    setenv("AZURE_BATCH_ACCOUNT", "henry", 1);
    setenv("AZURE_BATCH_ENDPOINT", url, 1);
    setenv("AZURE_BATCH_ACCESS_KEY", "c2VjcmV0IGtleSBvZiBCYXRjaA==", 1);
    setenv("AZURE_STORAGE_ACCOUNT", "henrydata", 1);
    setenv("AZURE_STORAGE_BLOB_ENDPOINT", url, 1);
    setenv("AZURE_STORAGE_KEY", "c2VjcmV0IGtleSBvZiBTdG9yYWdl", 1);
    struct account *account = account_open(&options, &error);
    if (!account) {
        fprintf(stderr, "the mock's account: %s\n", error.text);
        exit(99);
    }
    return account;
}

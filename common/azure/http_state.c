#include "config.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/azure/http_private.h"
#include "common/azure/secret.h"
#include "common/clock.h"

static void headers_free(struct http_header *headers, size_t count)
{
    for (size_t i = 0; headers && i < count; i++) {
        free((char *)headers[i].name);
        secret_free((char *)headers[i].value);
    }
    free(headers);
}

void http_response_fini(struct http_response *response)
{
    headers_free(response->headers, response->headers_count);
    response->headers = NULL;
    response->headers_count = 0;
    secret_buf_fini(&response->body);
}

static int header_set(struct http_header *header, const char *name, const char *value,
                      struct error *ret_error)
{
    if (!*name || strpbrk(name, "\r\n: ") || strpbrk(value, "\r\n"))
        return error_set(ret_error, ERROR_BUG,
                         "the HTTP header \"%s\" cannot be sent: a line end in it", name);
    header->name = strdup(name);
    header->value = strdup(value);
    if (header->name && header->value)
        return 0;
    free((char *)header->name);
    free((char *)header->value);
    return error_set(ret_error, ERROR_SYSTEM, "out of memory for an HTTP request");
}

int http_try_add(struct http_try *try, const char *name, const char *value,
                 struct error *ret_error)
{
    struct http_request_state *state = try->state;
    if (try->headers_count == HTTP_HEADERS_MAX)
        return error_set(ret_error, ERROR_BUG, "an HTTP request has over %d headers",
                         HTTP_HEADERS_MAX);
    if (header_set(&state->headers[try->headers_count], name, value, ret_error) != 0)
        return -1;
    try->headers_count++;
    return 0;
}

/* For the prepare of the next try: the request's own headers again. */
int http_state_headers_reset(struct http_request_state *state, struct error *ret_error)
{
    headers_free(state->headers, state->try.headers_count);
    state->try.headers_count = 0;
    state->headers = calloc(HTTP_HEADERS_MAX, sizeof(*state->headers));
    state->try.headers = state->headers;
    if (!state->headers)
        return error_set(ret_error, ERROR_SYSTEM, "out of memory for an HTTP request");
    for (size_t i = 0; i < state->request.headers_count; i++)
        if (http_try_add(&state->try, state->request.headers[i].name,
                         state->request.headers[i].value, ret_error) != 0)
            return -1;
    return 0;
}

/* RFC 4122, version 4. */
int http_id_make(char id[HTTP_ID_SIZE], struct error *ret_error)
{
    uint8_t b[16];
    if (RAND_bytes(b, sizeof(b)) != 1)
        return error_set(ret_error, ERROR_SYSTEM,
                         "OpenSSL has no random numbers for the name of a request");
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    snprintf(id, HTTP_ID_SIZE,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
    return 0;
}

static bool takes_body(const char *method)
{
    return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
           strcmp(method, "PATCH") == 0;
}

static bool is_loopback(const char *host)
{
    static const char *const names[] = {"localhost", "127.", "[::1]"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        size_t size = strlen(names[i]);
        char after = host[strnlen(host, size)];
        if (strncasecmp(host, names[i], size) == 0 &&
            (i == 1 ? strspn(host, "0123456789.") == strcspn(host, ":/?")
                    : !after || strchr(":/?", after)))
            return true;
    }
    return false;
}

static int url_check(const struct http_request *request, struct error *ret_error)
{
    const char *url = request->url;
    struct buf shown;
    buf_init(&shown, 64 << 10);
    int rc = 0;
    for (const char *c = url; *c && rc == 0; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f || *c == '#')
            rc = -1;
    secret_put_url(&shown, url);
    if (rc != 0)
        error_set(ret_error, ERROR_CONFIG,
                  "%s is not a URL: it has a blank, a '#' or another character that must be "
                  "percent-encoded",
                  buf_text(&shown));
    else if (strncasecmp(url, "https://", 8) == 0 && url[8] && url[8] != '/')
        rc = 0;
    else if (strncasecmp(url, "http://", 7) != 0)
        rc = error_set(ret_error, ERROR_CONFIG, "%s is not a URL: it must begin with https://",
                       buf_text(&shown));
    else if (!request->plain && !is_loopback(url + 7))
        rc = error_set(ret_error, ERROR_CONFIG,
                       "%s would go unencrypted over the network; use https://",
                       buf_text(&shown));
    buf_fini(&shown);
    return rc;
}

static int texts_copy(struct http_request_state *state, const struct http_request *request,
                      struct error *ret_error)
{
    struct http_request *own = &state->request;
    size_t count = request->headers_count;
    own->method = strdup(request->method);
    own->url = strdup(request->url);
    struct http_header *headers = calloc(count + 1, sizeof(*headers));
    own->headers = headers;
    if (!own->method || !own->url || !headers)
        return error_set(ret_error, ERROR_SYSTEM, "out of memory for an HTTP request");
    for (size_t i = 0; i < count; i++) {
        if (header_set(&headers[i], request->headers[i].name, request->headers[i].value,
                       ret_error) != 0)
            return -1;
        own->headers_count++;
    }
    return 0;
}

struct http_request_state *http_state_create(struct http *http,
                                             const struct http_request *request,
                                             struct error *ret_error)
{
    if (url_check(request, ret_error) != 0)
        return NULL;
    struct http_request_state *state = calloc(1, sizeof(*state));
    if (!state) {
        error_set(ret_error, ERROR_SYSTEM, "out of memory for an HTTP request");
        return NULL;
    }
    state->http = http;
    state->request = *request;
    state->request.headers = NULL;
    state->request.headers_count = 0;
    state->request.method = state->request.url = NULL;
    buf_init(&state->response.body, HTTP_ERROR_BODY_MAX);
    if (texts_copy(state, request, ret_error) != 0 ||
        http_id_make(state->response.id, ret_error) != 0) {
        http_state_destroy(state);
        return NULL;
    }
    bool body = request->body || request->source || takes_body(request->method);
    state->try = (struct http_try){
        .method = state->request.method,
        .url = state->request.url,
        .body_size =
            body ? (int64_t)(request->body || request->source ? request->body_size : 0) : -1,
        .id = state->response.id,
        .state = state,
    };
    if (!request->tries)
        state->request.tries = http->options.tries;
    if (request->retry == HTTP_RETRY_NEVER)
        state->request.tries = 1;
    if (!request->response_max)
        state->request.response_max = (size_t)16 << 20;
    state->started_ns = state->due_ns = clock_monotonic_ns();
    return state;
}

void http_state_destroy(struct http_request_state *state)
{
    if (!state)
        return;
    http_try_end(state);
    headers_free(state->headers, state->try.headers_count);
    headers_free((struct http_header *)state->request.headers, state->request.headers_count);
    free((char *)state->request.method);
    secret_free((char *)state->request.url);
    http_response_fini(&state->response);
    free(state);
}

/*
 * One try of a request: what curl is told, and what it calls.
 *
 * Bodies go up by curl's upload, whatever the method, because that neither adds a Content-Type
 * (which a server would sign) nor copies the body. HTTP/1.1 is asked for: parallel blocks want
 * connections of their own, not streams of one.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/azure/http_private.h"
#include "common/azure/secret.h"
#include "common/clock.h"

#define CURL_BUFFER_SIZE (512L << 10) /* the most that curl 7.81 allows */

static size_t body_read(char *bytes, size_t one, size_t count, void *context)
{
    struct http_request_state *state = context;
    const struct http_request *request = &state->request;
    uint64_t left = (uint64_t)state->try.body_size - state->sent;
    size_t size = one * count < left ? one * count : (size_t)left;
    if (!size)
        return 0;
    if (request->body) {
        memcpy(bytes, (const char *)request->body + state->sent, size);
    } else {
        int64_t got =
            request->source(request->source_context, state->sent, bytes, size, &state->failed);
        if (got == 0)
            error_set(&state->failed, ERROR_CHANGED,
                      "what is being uploaded became shorter meanwhile");
        if (got <= 0)
            return CURL_READFUNC_ABORT;
        size = (size_t)got;
    }
    state->sent += size;
    return size;
}

static int body_seek(void *context, curl_off_t offset, int origin)
{
    struct http_request_state *state = context;
    if (origin != SEEK_SET || offset < 0 || offset > state->try.body_size)
        return CURL_SEEKFUNC_FAIL;
    state->sent = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static int gather(struct http_request_state *state, const char *bytes, size_t size)
{
    struct buf *body = &state->response.body;
    bool good = state->response.status / 100 == 2;
    body->max = good ? state->request.response_max : HTTP_ERROR_BODY_MAX;
    if (!good && size > body->max - body->size)
        size = body->max - body->size; /* whoever sends that much: it is no error of Azure's */
    if (buf_append(body, bytes, size) == 0)
        return 0;
    struct buf url;
    buf_init(&url, 64 << 10);
    secret_put_url(&url, state->request.url);
    error_set(&state->failed, ERROR_NETWORK,
              "%s %s: the answer has more than the %zu bytes that were expected at most",
              state->request.method, buf_text(&url), body->max);
    buf_fini(&url);
    return -1;
}

static size_t body_write(char *bytes, size_t one, size_t count, void *context)
{
    struct http_request_state *state = context;
    struct http_response *response = &state->response;
    size_t size = one * count;
    int rc;
    if (response->status / 100 == 2 && state->request.sink) {
        rc = state->request.sink(state->request.sink_context, response->received, bytes, size,
                                 &state->failed);
        if (rc == 0)
            response->received += size;
    } else {
        rc = gather(state, bytes, size);
    }
    return rc == 0 ? size : CURL_WRITEFUNC_ERROR;
}

static void headers_drop(struct http_response *response)
{
    for (size_t i = 0; i < response->headers_count; i++) {
        free((char *)response->headers[i].name);
        free((char *)response->headers[i].value);
    }
    response->headers_count = 0;
}

static void date_note(struct http_request_state *state, const char *value)
{
    int64_t date;
    if (http_date_parse(value, &date) != 0)
        return;
    state->response.skew_s = date - clock_wall_ns() / CLOCK_SECOND_NS;
    state->http->skew_s = state->response.skew_s;
}

static char *lower(char *text)
{
    for (char *c = text; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    return text;
}

static void header_take(struct http_request_state *state, const char *line, size_t size)
{
    struct http_response *response = &state->response;
    const char *colon = memchr(line, ':', size);
    if (!colon || response->headers_count == HTTP_HEADERS_MAX)
        return;
    const char *value = colon + 1, *end = line + size;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && strchr(" \t\r\n", end[-1]))
        end--;
    char *name = strndup(line, (size_t)(colon - line));
    char *text = strndup(value, (size_t)(end - value));
    if (!name || !text) {
        free(name);
        free(text);
        return;
    }
    response->headers[response->headers_count++] = (struct http_header){lower(name), text};
    if (strcmp(name, "date") == 0)
        date_note(state, text);
}

/* A status line begins the headers anew: interim answers are forgotten. */
static size_t header_write(char *line, size_t one, size_t count, void *context)
{
    struct http_request_state *state = context;
    size_t size = one * count;
    if (size > 5 && memcmp(line, "HTTP/", 5) == 0) {
        long status = 0;
        curl_easy_getinfo(state->easy, CURLINFO_RESPONSE_CODE, &status);
        state->response.status = (int)status;
        state->headed = false;
        headers_drop(&state->response);
    } else if (size && (line[0] == '\r' || line[0] == '\n')) {
        state->headed = true;
    } else {
        header_take(state, line, size);
    }
    return size;
}

static int response_reset(struct http_request_state *state, struct error *ret_error)
{
    struct http_response *response = &state->response;
    headers_drop(response);
    if (!response->headers)
        response->headers = calloc(HTTP_HEADERS_MAX, sizeof(*response->headers));
    if (!response->headers)
        return error_set(ret_error, ERROR_SYSTEM, "out of memory for an HTTP answer");
    buf_clear(&response->body);
    response->received = 0;
    response->status = 0;
    state->headed = false;
    response->skew_s = 0;
    state->sent = 0;
    state->curl_text[0] = '\0';
    return 0;
}

/* The headers as curl wants them: "Name: value", or "Name;" where the value is empty. */
static int list_make(struct http_request_state *state, struct error *ret_error)
{
    struct buf line;
    struct curl_slist *list = curl_slist_append(NULL, "Expect:"); /* costs a round trip */
    buf_init(&line, 64 << 10);
    for (size_t i = 0; list && i < state->try.headers_count; i++) {
        const struct http_header *header = &state->try.headers[i];
        buf_clear(&line);
        buf_printf(&line, *header->value ? "%s: %s" : "%s;", header->name, header->value);
        struct curl_slist *longer = buf_failed(&line) || !buf_text(&line)
                                        ? NULL
                                        : curl_slist_append(list, buf_text(&line));
        if (!longer)
            curl_slist_free_all(list);
        list = longer;
    }
    secret_buf_fini(&line);
    state->list = list;
    return list ? 0 : error_set(ret_error, ERROR_SYSTEM, "no room for an HTTP request");
}

static void protocols_set(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
}

static void security_set(CURL *easy)
{
    const char *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (file && *file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, file);
    if (folder && *folder)
        curl_easy_setopt(easy, CURLOPT_CAPATH, folder);
}

static void limits_set(CURL *easy, const struct http_options *options,
                       const struct http_request *request)
{
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)options->connect_timeout_s);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)options->stall_timeout_s);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)request->timeout_s);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, CURL_BUFFER_SIZE);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, CURL_BUFFER_SIZE);
}

static void method_set(struct http_request_state *state)
{
    CURL *easy = state->easy;
    if (strcmp(state->try.method, "HEAD") == 0)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    else
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, state->try.method);
    if (state->try.body_size < 0)
        return;
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)state->try.body_size);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, body_read);
    curl_easy_setopt(easy, CURLOPT_READDATA, state);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, body_seek);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, state);
}

/* curl sends a request again by itself if a connection that it had kept ends without a word. The
 * server may have acted on it all the same, so it counts as one more try. */
static int request_begin(void *context, char *to, char *from, int to_port, int from_port)
{
    struct http_request_state *state = context;
    (void)to, (void)from, (void)to_port, (void)from_port;
    if (state->begun) {
        state->resent++;
        state->response.tries++;
    }
    state->begun = true;
    return CURL_PREREQFUNC_OK;
}

static void easy_set(struct http_request_state *state)
{
    CURL *easy = state->easy;
    protocols_set(easy);
    security_set(easy);
    limits_set(easy, &state->http->options, &state->request);
    curl_easy_setopt(easy, CURLOPT_URL, state->try.url);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L); /* what was signed is what goes out */
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, state->http->options.user_agent);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, state->list);
    curl_easy_setopt(easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, header_write);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, state);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_write);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, state);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, request_begin);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, state);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, state->curl_text);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, state);
    if (state->request.unproxied)
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    method_set(state);
}

int http_try_begin(struct http_request_state *state)
{
    const struct http_request *request = &state->request;
    state->try.number++;
    state->response.tries = state->try.number + state->resent;
    state->begun = false;
    if (http_state_headers_reset(state, &state->failed) != 0 ||
        response_reset(state, &state->failed) != 0)
        return -1;
    if (request->prepare &&
        request->prepare(request->prepare_context, &state->try, &state->failed) != 0)
        return -1;
    if (list_make(state, &state->failed) != 0)
        return -1;
    state->easy = curl_easy_init();
    if (!state->easy)
        return error_set(&state->failed, ERROR_SYSTEM, "curl has no room for a request");
    easy_set(state);
    CURLMcode code = curl_multi_add_handle(state->http->multi, state->easy);
    if (code != CURLM_OK) {
        curl_easy_cleanup(state->easy);
        state->easy = NULL;
        return error_set(&state->failed, ERROR_SYSTEM, "curl takes no request: %s",
                         curl_multi_strerror(code));
    }
    state->http->active++;
    state->http->count++;
    return 0;
}

void http_try_end(struct http_request_state *state)
{
    if (state->easy) {
        curl_multi_remove_handle(state->http->multi, state->easy);
        curl_easy_cleanup(state->easy);
        state->easy = NULL;
        state->http->active--;
    }
    curl_slist_free_all(state->list);
    state->list = NULL;
}

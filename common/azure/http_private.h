/*
 * http_private.h - a request on its way, for the parts of http alone.
 */
#ifndef BEOFARM_COMMON_AZURE_HTTP_PRIVATE_H
#define BEOFARM_COMMON_AZURE_HTTP_PRIVATE_H

#include <curl/curl.h>

#include "common/azure/http.h"
#include "common/azure/http_retry.h"

#define HTTP_HEADERS_MAX    256
#define HTTP_ERROR_BODY_MAX ((size_t)256 << 10)

struct http_request_state {
    struct http_request_state *next;
    struct http *http;
    struct http_request request; /* its texts are ours, its bodies the caller's */

    struct http_try try;
    struct http_header *headers; /* what this try sends, but for curl's own */
    CURL *easy;                  /* NULL between tries */
    struct curl_slist *list;     /* the same headers, for curl */
    bool begun;                  /* curl has begun to send this try */
    int resent; /* how often curl itself sent a try once more: a kept connection was dead */
    char curl_text[CURL_ERROR_SIZE];
    uint64_t sent;       /* where in the body the source is asked next */
    bool headed;         /* the answer's headers have ended */
    struct error failed; /* a callback's sentence, which ends the request */
    struct http_response response;

    int64_t started_ns; /* of the first try */
    int64_t due_ns;     /* when the next try may begin; while easy is NULL */
};

struct http {
    CURLM *multi;
    struct http_options options; /* with the defaults filled in */
    struct http_request_state *first;
    size_t open, active;
    struct retry_budget budget;
    int64_t skew_s;
    uint64_t count;    /* tries begun */
    uint64_t finished; /* requests done */
    void (*observer)(void *context, const struct http_try *try, const void *request_body,
                     const struct http_response *response);
    void *observer_context;
};

/* http_state.c: a request's copy. NULL with a sentence. */
struct http_request_state *http_state_create(struct http *http,
                                             const struct http_request *request,
                                             struct error *ret_error);
void http_state_destroy(struct http_request_state *state);

/* http_try.c: set up and begin a try. -1: state->failed says why. */
/* http_state.c: the request's own headers again, for the next try. */
int http_state_headers_reset(struct http_request_state *state, struct error *ret_error);

int http_try_begin(struct http_request_state *state);

/* Take a try off the multi handle; its answer stays. */
void http_try_end(struct http_request_state *state);

/* http_fault.c: the sentence for a try that got no answer. */
void http_fault_describe(const struct http_request_state *state, CURLcode code,
                         struct error *ret_error);
enum retry_kind http_fault_kind(CURLcode code);

#endif

/*
 * All requests stand in one list, in the order in which they were started. Between its tries a
 * request has no curl handle and a time at which it is due; http_wait begins those that are due,
 * lets curl work, and takes what has ended. Callers' functions are called from http_wait and
 * from nowhere else, after the list is in order, so they may start further requests.
 */
#include "config.h"

#include "common/azure/http.h"

#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/azure/http_private.h"
#include "common/clock.h"

#define STOP_POLL_MS 200 /* how often options.stop is asked */

static CURLcode curl_ready;

static void curl_prepare(void)
{
    curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void default_int(int *value, int fallback)
{
    if (*value <= 0)
        *value = fallback;
}

static void default_ms(int64_t *value, int64_t fallback)
{
    if (*value <= 0)
        *value = fallback;
}

static void options_complete(struct http_options *options)
{
    default_int(&options->connections, 8);
    default_int(&options->tries, 6);
    default_int(&options->connect_timeout_s, 15);
    default_int(&options->stall_timeout_s, 60);
    default_int(&options->budget, 100);
    default_ms(&options->backoff_base_ms, 500);
    default_ms(&options->backoff_cap_ms, 30000);
    default_ms(&options->patience_ms, 300000);
    if (!options->user_agent)
        options->user_agent = "beofarm/" PACKAGE_VERSION;
}

struct http *http_create(const struct http_options *options, struct error *ret_error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, curl_prepare);
    struct http *http = calloc(1, sizeof(*http));
    if (http)
        http->multi = curl_ready == CURLE_OK ? curl_multi_init() : NULL;
    if (!http || !http->multi) {
        error_set(ret_error, ERROR_SYSTEM, "libcurl cannot be set up: %s",
                  curl_ready == CURLE_OK ? "out of memory" : curl_easy_strerror(curl_ready));
        free(http);
        return NULL;
    }
    if (options)
        http->options = *options;
    options_complete(&http->options);
    retry_budget_init(&http->budget, http->options.budget);
    /* A connection per request at once, kept for the next. */
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)http->options.connections + 4);
    return http;
}

void http_destroy(struct http *http)
{
    if (!http)
        return;
    while (http->first) {
        struct http_request_state *state = http->first;
        http->first = state->next;
        http_state_destroy(state);
    }
    curl_multi_cleanup(http->multi);
    free(http);
}

int http_start(struct http *http, const struct http_request *request, struct error *ret_error)
{
    struct http_request_state *state = http_state_create(http, request, ret_error);
    if (!state)
        return -1;
    struct http_request_state **last = &http->first;
    while (*last)
        last = &(*last)->next;
    *last = state;
    http->open++;
    return 0;
}

/* It is over: with its answer, or with a sentence. */
static void finish(struct http_request_state *state, const struct error *error)
{
    struct http *http = state->http;
    struct http_request_state **link = &http->first;
    while (*link != state)
        link = &(*link)->next;
    *link = state->next;
    http->open--;
    http->finished++;
    http_try_end(state);
    if (state->request.done)
        state->request.done(state->request.done_context, error ? NULL : &state->response,
                            error);
    http_state_destroy(state);
}

static bool is_idempotent(const struct http_request *request)
{
    if (request->retry != HTTP_RETRY_METHOD)
        return request->retry == HTTP_RETRY_ALWAYS;
    return strcmp(request->method, "POST") != 0 && strcmp(request->method, "PATCH") != 0;
}

static double random_unit(void)
{
    uint32_t number = 0;
    if (RAND_bytes((unsigned char *)&number, sizeof(number)) != 1)
        return 1;
    return number / 4294967296.0;
}

/* True if the request is to be tried again; it is due later then. */
static bool again(struct http_request_state *state, enum retry_kind kind, bool answered)
{
    const struct http_options *options = &state->http->options;
    int64_t now = clock_monotonic_ns();
    const char *after = answered ? http_response_header(&state->response, "retry-after") : NULL;
    struct retry_try try = {
        .kind = kind,
        .idempotent = is_idempotent(&state->request),
        .number = state->try.number,
        .tries = state->request.tries,
        .age_ms = (now - state->started_ns) / CLOCK_MS_NS,
        .retry_after_ms =
            retry_after_ms(after, clock_wall_ns() / CLOCK_SECOND_NS + state->response.skew_s),
        .base_ms = options->backoff_base_ms,
        .cap_ms = options->backoff_cap_ms,
        .patience_ms = options->patience_ms,
        .random = random_unit(),
    };
    int64_t wait = retry_wait_ms(&try);
    if (wait < 0 || !retry_budget_take(&state->http->budget))
        return false;
    http_try_end(state);
    state->due_ns = now + wait * CLOCK_MS_NS;
    return true;
}

static void take_answer(struct http_request_state *state)
{
    struct http *http = state->http;
    enum retry_kind kind = retry_kind_of_status(state->response.status);
    if (http->observer)
        http->observer(http->observer_context, &state->try, state->request.body,
                       &state->response);
    if (kind == RETRY_SETTLED)
        retry_budget_earn(&http->budget);
    else if (again(state, kind, true))
        return;
    finish(state, NULL);
}

static void take_fault(struct http_request_state *state, CURLcode code)
{
    struct error error = {0};
    if (state->failed.code != ERROR_NONE) /* a callback ended it */
        error = state->failed;
    else if (again(state, http_fault_kind(code), false))
        return;
    else
        http_fault_describe(state, code, &error);
    finish(state, &error);
}

static void take_ended(struct http *http)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(http->multi, &left))) {
        struct http_request_state *state = NULL;
        CURLcode code = message->data.result; /* the message goes with its handle */
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&state);
        /* A connection that ends among the headers is fine to curl. */
        if (code == CURLE_OK && state->headed)
            take_answer(state);
        else
            take_fault(state, code == CURLE_OK ? CURLE_PARTIAL_FILE : code);
    }
}

static void begin_due(struct http *http)
{
    int64_t now = clock_monotonic_ns();
    struct http_request_state *state = http->first;
    while (state && http->active < (size_t)http->options.connections) {
        struct http_request_state *next = state->next;
        if (!state->easy && state->due_ns <= now && http_try_begin(state) != 0) {
            struct error error = state->failed;
            finish(state, &error);
            next = http->first; /* the callback may have changed the list */
        }
        state = next;
    }
}

static void interrupt_all(struct http *http)
{
    struct error error;
    error_set(&error, ERROR_INTERRUPTED, "interrupted while waiting for the network");
    for (size_t left = http->open; left; left--)
        finish(http->first, &error);
}

/* How long curl may wait for the network, in ms. */
static int wait_ms(const struct http *http, int64_t deadline_ns)
{
    int64_t until = deadline_ns, now = clock_monotonic_ns();
    if (http->options.stop && now + STOP_POLL_MS * CLOCK_MS_NS < until)
        until = now + STOP_POLL_MS * CLOCK_MS_NS;
    bool room = http->active < (size_t)http->options.connections;
    for (const struct http_request_state *s = http->first; s && room; s = s->next)
        if (!s->easy && s->due_ns < until)
            until = s->due_ns;
    if (until <= now)
        return 0;
    int64_t ms = (until - now + CLOCK_MS_NS - 1) / CLOCK_MS_NS;
    return ms < 60000 ? (int)ms : 60000;
}

size_t http_wait(struct http *http, int limit_ms)
{
    int64_t deadline = limit_ms < 0 ? INT64_MAX : clock_monotonic_ns() + limit_ms * CLOCK_MS_NS;
    uint64_t finished = http->finished;
    while (http->open && http->finished == finished) {
        int running;
        if (http->options.stop && http->options.stop(http->options.stop_context)) {
            interrupt_all(http);
            break;
        }
        begin_due(http);
        curl_multi_perform(http->multi, &running);
        take_ended(http);
        if (http->finished != finished || clock_monotonic_ns() >= deadline)
            break;
        curl_multi_poll(http->multi, NULL, 0, wait_ms(http, deadline), NULL);
    }
    return http->open;
}

struct performance {
    bool done;
    int rc;
    struct http_response *response;
    struct error *error;
};

static void perform_done(void *context, struct http_response *response,
                         const struct error *error)
{
    struct performance *performance = context;
    performance->done = true;
    if (response) {
        *performance->response = *response;
        response->headers = NULL;
        response->headers_count = 0;
        buf_init(&response->body, 0);
    } else {
        performance->rc = -1;
        if (performance->error)
            *performance->error = *error;
    }
}

int http_perform(struct http *http, const struct http_request *request,
                 struct http_response *ret_response, struct error *ret_error)
{
    struct performance performance = {.response = ret_response, .error = ret_error};
    struct http_request own = *request;
    own.done = perform_done;
    own.done_context = &performance;
    if (http_start(http, &own, ret_error) != 0)
        return -1;
    while (!performance.done)
        http_wait(http, -1);
    return performance.rc;
}

int64_t http_skew_s(const struct http *http)
{
    return http->skew_s;
}

uint64_t http_count(const struct http *http)
{
    return http->count;
}

void http_observe(struct http *http,
                  void (*observer)(void *context, const struct http_try *try,
                                   const void *request_body,
                                   const struct http_response *response),
                  void *context)
{
    http->observer = observer;
    http->observer_context = context;
}

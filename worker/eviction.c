#include "config.h"

#include "worker/eviction.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/azure/http.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/thread.h"

#define SERVICE   "http://169.254.169.254"
#define EVENTS    "/metadata/scheduledevents?api-version=2020-07-01"
#define NAME      "/metadata/instance/compute/name?api-version=2021-02-01&format=text"
#define PERIOD_S  3  /* a spot machine has 30 s */
#define PAUSE_S   60 /* while nobody answers */
#define NAME_MAX_ 256

struct eviction {
    char *url;
    struct loop_watch *watch;
    int noticed_fd;
    pthread_t thread;
    bool runs;
    void (*noticed)(void *context, double left_s);
    void *context;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool closing;
    char id[EVICTION_ID_MAX]; /* of the event; written before noticed_fd rings */
    double left_s;
};

/* --- what events say ---------------------------------------------------------------------- */

static const char *text_of(const cJSON *object, const char *key)
{
    const cJSON *item = json_member(object, key);
    return cJSON_IsString(item) ? item->valuestring : "";
}

static bool event_is_ours(const cJSON *event, const char *name)
{
    const cJSON *resource;
    const char *type = text_of(event, "EventType");
    if (strcasecmp(type, "Preempt") != 0 && strcasecmp(type, "Terminate") != 0)
        return false;
    cJSON_ArrayForEach(resource,
                       json_member(event, "Resources")) if (cJSON_IsString(resource) &&
                                                            strcasecmp(resource->valuestring,
                                                                       name) == 0) return true;
    return false;
}

bool eviction_find(const char *text, size_t size, const char *name, int64_t now_s,
                   char id[EVICTION_ID_MAX], double *ret_left_s)
{
    struct error error;
    cJSON *root = NULL;
    const cJSON *event;
    int64_t when_s;
    bool found = false;
    if (!*name || json_parse(text, size, "events", JSON_STRICT, &root, &error) < 0)
        return false;
    cJSON_ArrayForEach(event, json_member(root, "Events"))
    {
        if (found || !event_is_ours(event, name))
            continue;
        found = true;
        snprintf(id, EVICTION_ID_MAX, "%s", text_of(event, "EventId"));
        *ret_left_s = 0;
        if (http_date_parse(text_of(event, "NotBefore"), &when_s) == 0 && when_s > now_s)
            *ret_left_s = (double)(when_s - now_s);
    }
    cJSON_Delete(root);
    return found;
}

/* --- asking ------------------------------------------------------------------------------- */

/* -1: nobody answers as they should. */
static int ask(struct http *http, const struct eviction *eviction, const char *method,
               const char *path, const char *body, struct buf *ret_text)
{
    static const struct http_header headers[] = {{"Metadata", "true"},
                                                 {"Content-Type", "application/json"}};
    struct http_response response = {0};
    struct error error;
    struct buf url;
    buf_init(&url, 1024);
    buf_printf(&url, "%s%s", eviction->url, path);
    const struct http_request request = {.method = method,
                                         .url = buf_text(&url),
                                         .headers = headers,
                                         .headers_count = body ? 2 : 1,
                                         .body = body,
                                         .body_size = body ? strlen(body) : 0,
                                         .response_max = (size_t)1 << 20,
                                         .tries = 1,
                                         .timeout_s =
                                             130, /* the first answer takes two minutes */
                                         .plain = true,
                                         .unproxied = true};
    int rc = request.url && http_perform(http, &request, &response, &error) == 0 &&
                     response.status == 200
                 ? 0
                 : -1;
    if (rc == 0 && ret_text)
        rc = buf_append(ret_text, response.body.data, response.body.size);
    http_response_fini(&response);
    buf_fini(&url);
    return rc;
}

static bool stop(void *context)
{
    struct eviction *eviction = context;
    pthread_mutex_lock(&eviction->lock);
    bool closing = eviction->closing;
    pthread_mutex_unlock(&eviction->lock);
    return closing;
}

static void pause_s(struct eviction *eviction, int seconds)
{
    pthread_mutex_lock(&eviction->lock);
    thread_wait(&eviction->changed, &eviction->lock, &eviction->closing,
                thread_deadline(seconds * CLOCK_SECOND_NS));
    pthread_mutex_unlock(&eviction->lock);
}

/* How this machine is called; "" while that is not known. */
static int name_ask(struct http *http, const struct eviction *eviction, char *name, size_t size)
{
    struct buf text;
    buf_init(&text, size);
    int rc = *name ? 0 : ask(http, eviction, "GET", NAME, NULL, &text);
    if (rc == 0 && !*name && text.size && buf_text(&text))
        snprintf(name, size, "%.*s", (int)strcspn(buf_text(&text), "\r\n"), buf_text(&text));
    buf_fini(&text);
    return *name ? 0 : -1;
}

/* 1: we are to go. 0: not yet. -1: nobody answers. */
static int look(struct http *http, struct eviction *eviction, char *name, size_t size)
{
    struct buf text;
    buf_init(&text, (size_t)1 << 20);
    int rc = name_ask(http, eviction, name, size);
    if (rc == 0)
        rc = ask(http, eviction, "GET", EVENTS, NULL, &text);
    if (rc == 0 && text.size)
        rc = eviction_find((const char *)text.data, text.size, name,
                           clock_wall_ns() / CLOCK_SECOND_NS, eviction->id, &eviction->left_s);
    buf_fini(&text);
    return rc;
}

static void *watch(void *context)
{
    struct eviction *eviction = context;
    const struct http_options options = {
        .connections = 1, .connect_timeout_s = 3, .stop = stop, .stop_context = eviction};
    char name[NAME_MAX_] = "";
    struct error error;
    uint64_t one = 1;
    struct http *http = http_create(&options, &error);
    while (http && !stop(eviction)) {
        int rc = look(http, eviction, name, sizeof(name));
        if (rc > 0 && write(eviction->noticed_fd, &one, sizeof(one)) == sizeof(one))
            break;
        pause_s(eviction, rc < 0 ? PAUSE_S : PERIOD_S);
    }
    http_destroy(http);
    return NULL;
}

/* --- the owner's side --------------------------------------------------------------------- */

static void noticed(unsigned events, void *context)
{
    (void)events;
    struct eviction *eviction = context;
    loop_watch_remove(eviction->watch);
    eviction->watch = NULL;
    eviction->noticed(eviction->context, eviction->left_s);
}

static int watch_start(struct eviction *eviction)
{
    eviction->runs = thread_start(&eviction->thread, watch, eviction) == 0;
    return eviction->runs ? 0 : -1;
}

static const char *service(void)
{
    const char *url = getenv("BEOFARM_METADATA");
    if (url)
        return *url ? url : NULL;
    return getenv("AZ_BATCH_NODE_ID") ? SERVICE : NULL;
}

struct eviction *eviction_watch(struct loop *loop,
                                void (*is_noticed)(void *context, double left_s), void *context)
{
    struct error error;
    struct eviction *eviction = service() ? calloc(1, sizeof(*eviction)) : NULL;
    if (!eviction)
        return NULL;
    pthread_mutex_init(&eviction->lock, NULL);
    thread_condition_init(&eviction->changed);
    eviction->noticed = is_noticed;
    eviction->context = context;
    eviction->url = strdup(service());
    eviction->noticed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (eviction->noticed_fd >= 0)
        eviction->watch =
            loop_watch_add(loop, eviction->noticed_fd, LOOP_READ, noticed, eviction, &error);
    if (eviction->url && eviction->watch && watch_start(eviction) == 0)
        return eviction;
    eviction_close(eviction);
    return NULL;
}

static void thread_end(struct eviction *eviction)
{
    if (!eviction->runs)
        return;
    pthread_mutex_lock(&eviction->lock);
    eviction->closing = true;
    pthread_cond_signal(&eviction->changed);
    pthread_mutex_unlock(&eviction->lock);
    pthread_join(eviction->thread, NULL);
    eviction->runs = false;
}

void eviction_close(struct eviction *eviction)
{
    if (!eviction)
        return;
    thread_end(eviction);
    loop_watch_remove(eviction->watch);
    if (eviction->noticed_fd >= 0)
        close(eviction->noticed_fd);
    pthread_cond_destroy(&eviction->changed);
    pthread_mutex_destroy(&eviction->lock);
    free(eviction->url);
    free(eviction);
}

static void tell_started(struct eviction *eviction)
{
    struct error error;
    struct buf body;
    const struct http_options options = {.connections = 1, .connect_timeout_s = 3};
    struct http *http = http_create(&options, &error);
    buf_init(&body, 1024);
    buf_append_text(&body, "{\"StartRequests\":[{\"EventId\":");
    json_put_text(&body, eviction->id, strlen(eviction->id));
    buf_append_text(&body, "}]}");
    if (http && buf_text(&body))
        ask(http, eviction, "POST", EVENTS, buf_text(&body), NULL);
    http_destroy(http);
    buf_fini(&body);
}

void eviction_accept(struct eviction *eviction, double stay_s)
{
    sigset_t set;
    struct timespec limit = {.tv_sec = (time_t)stay_s};
    thread_end(eviction);
    tell_started(eviction);
    log_info("this machine is about to be taken away: nothing of ours is left on it");
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    sigtimedwait(&set, NULL, &limit);
}

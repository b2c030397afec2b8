#include "config.h"

#include "launch/progress.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"

void progress_init(struct progress *progress)
{
    memset(progress, 0, sizeof *progress);
    progress->total = -1;
    buf_init(&progress->line, PROGRESS_LINE_MAX);
}

void progress_fini(struct progress *progress)
{
    for (size_t i = 0; i < progress->worker_count; i++) {
        free(progress->workers[i].host);
        free(progress->workers[i].transport);
        free(progress->workers[i].state);
    }
    for (size_t i = 0; i < progress->failure_count; i++)
        free(progress->failures[i].sentence);
    free(progress->workers);
    free(progress->address);
    free(progress->transport);
    free(progress->status);
    free(progress->sentence);
    free(progress->estimate.purpose);
    buf_fini(&progress->line);
}

static int64_t integer_get(const cJSON *event, const char *key, int64_t fallback)
{
    int64_t value = fallback;
    json_get_integer(event, "$", key, fallback, &value, NULL);
    return value;
}

static double real_get(const cJSON *event, const char *key)
{
    double value = 0.0;
    json_get_real(event, "$", key, 0.0, &value, NULL);
    return value;
}

/* Replace *text by the member's text; kept as it is where there is none. */
static void text_take(const cJSON *event, const char *key, char **text)
{
    const char *value = cJSON_GetStringValue(json_member(event, key));
    char *copy = value ? strdup(value) : NULL;
    if (!copy)
        return;
    free(*text);
    *text = copy;
}

static void listening_fold(struct progress *progress, const cJSON *event)
{
    int64_t port = integer_get(event, "port", 0);
    text_take(event, "address", &progress->address);
    text_take(event, "transport", &progress->transport);
    progress->port = port > 0 && port <= 65535 ? (int)port : 0;
    progress->listening = progress->port > 0;
}

/* The list is in the order of ids, in which workers come, or nearly: so a newcomer's place is found
 * at once, and thousands that come and go do not make this slow. */
static struct progress_worker *worker_find(struct progress *progress, int64_t id)
{
    size_t low = 0, high = progress->worker_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (progress->workers[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < progress->worker_count && progress->workers[low].id == id)
        return &progress->workers[low];
    size_t size = (progress->worker_count + 1) * sizeof *progress->workers;
    struct progress_worker *workers = realloc(progress->workers, size);
    if (!workers)
        return NULL;
    progress->workers = workers;
    struct progress_worker *worker = &workers[low];
    memmove(worker + 1, worker, (progress->worker_count++ - low) * sizeof *worker);
    memset(worker, 0, sizeof *worker);
    worker->id = id;
    return worker;
}

static void worker_count(struct progress *progress, const struct progress_worker *worker,
                         int sign)
{
    if (!worker->state || strcmp(worker->state, "joined") != 0)
        return;
    progress->workers_joined += sign;
    progress->slots += sign * worker->slots;
}

static void worker_fold(struct progress *progress, const cJSON *event)
{
    struct progress_worker *worker = worker_find(progress, integer_get(event, "id", 0));
    if (!worker)
        return;
    worker_count(progress, worker, -1);
    text_take(event, "host", &worker->host);
    text_take(event, "transport", &worker->transport);
    text_take(event, "state", &worker->state);
    worker->slots = integer_get(event, "slots", worker->slots);
    worker_count(progress, worker, 1);
}

static void counts_fold(struct progress *progress, const cJSON *event)
{
    progress->counted = true;
    progress->done = integer_get(event, "done", progress->done);
    progress->failed = integer_get(event, "failed", progress->failed);
    progress->cancelled = integer_get(event, "cancelled", progress->cancelled);
    progress->total = integer_get(event, "total", progress->total);
    progress->resumed = integer_get(event, "resumed", progress->resumed);
    progress->elapsed_s = real_get(event, "elapsed_s");
}

static void progress_fold(struct progress *progress, const cJSON *event)
{
    counts_fold(progress, event);
    progress->running = integer_get(event, "running", 0);
    progress->waiting = integer_get(event, "waiting", 0);
    progress->workers_joined = integer_get(event, "workers", progress->workers_joined);
    progress->slots = integer_get(event, "slots", progress->slots);
    progress->rate = real_get(event, "rate");
}

static void failed_fold(struct progress *progress, const cJSON *event)
{
    if (progress->failure_count == PROGRESS_FAILURES_MAX)
        return;
    struct progress_failure *failure = &progress->failures[progress->failure_count];
    failure->task = integer_get(event, "task", 0);
    text_take(event, "sentence", &failure->sentence);
    progress->failure_count += failure->sentence != NULL;
}

static double real_or_nan(const cJSON *event, const char *key)
{
    const cJSON *item = json_member(event, key);
    return cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
}

static void estimate_fold(struct progress *progress, const cJSON *event)
{
    progress->estimate.known = true;
    progress->estimate.wave = integer_get(event, "wave", 0);
    progress->estimate.first = integer_get(event, "first", 1);
    progress->estimate.runs = integer_get(event, "runs", 0);
    progress->estimate.iteration = integer_get(event, "iteration", 0);
    progress->estimate.phi = real_or_nan(event, "phi");
    progress->estimate.lambda = real_or_nan(event, "lambda");
    const char *called = cJSON_GetStringValue(json_member(event, "called"));
    progress->estimate.misfit = called && strcmp(called, "misfit") == 0;
    text_take(event, "purpose", &progress->estimate.purpose);
    for (char *at = progress->estimate.purpose; at && *at; at++)
        if (*at < ' ' ||
            *at == 0x7f) /* it goes into a line of the terminal; so does no UTF-8 */
            *at = '?';
}

/* The master says nothing after its end, which is when its workers leave. */
static void workers_leave(struct progress *progress)
{
    for (size_t i = 0; i < progress->worker_count; i++) {
        struct progress_worker *worker = &progress->workers[i];
        char *left =
            worker->state && strcmp(worker->state, "lost") != 0 ? strdup("left") : NULL;
        if (!left)
            continue;
        free(worker->state);
        worker->state = left;
    }
}

static void end_fold(struct progress *progress, const cJSON *event)
{
    counts_fold(progress, event);
    workers_leave(progress);
    progress->ended = true;
    progress->running = progress->waiting = 0;
    progress->lost = integer_get(event, "lost", 0);
    progress->unwritten = integer_get(event, "unwritten", 0);
    text_take(event, "status", &progress->status);
    text_take(event, "sentence", &progress->sentence);
}

static void event_fold(struct progress *progress, const cJSON *event)
{
    static const struct {
        const char *name;
        void (*fold)(struct progress *progress, const cJSON *event);
    } folds[] = {
        {"listening", listening_fold}, {"worker", worker_fold}, {"progress", progress_fold},
        {"failed", failed_fold},       {"end", end_fold},       {"estimate", estimate_fold},
    };
    const char *name = cJSON_GetStringValue(json_member(event, "event"));
    for (size_t i = 0; name && i < sizeof folds / sizeof folds[0]; i++)
        if (strcmp(name, folds[i].name) == 0)
            folds[i].fold(progress, event);
}

/* "NAME" or "hostname NAME". */
static int host_fold(struct progress *progress, const char *text, struct error *ret_error)
{
    static const char word[] = "hostname";
    const char *name = text + strspn(text, " \t");
    size_t skip = strlen(word);
    if (strncmp(name, word, skip) == 0 && (name[skip] == ' ' || name[skip] == '\t'))
        name += skip + strspn(name + skip, " \t");
    size_t size = 0;
    while (isalnum((unsigned char)name[size]) || (name[size] && strchr("-._:%", name[size])))
        size++;
    if (size == 0 || size > PROGRESS_HOST_MAX || name[size + strspn(name + size, " \t\r")]) {
        char shown[80];
        snprintf(shown, sizeof shown, "%s", text);
        for (char *next = shown; *next; next++)
            if ((unsigned char)*next < ' ')
                *next = ' ';
        return error_set(ret_error, ERROR_BACKEND,
                         "the first line of the master's stdout is no hostname: \"%s\"", shown);
    }
    memcpy(progress->host, name, size);
    progress->host[size] = '\0';
    return 0;
}

static int line_fold(struct progress *progress, const char *text, size_t size,
                     void (*each)(void *context, const char *text, const cJSON *event),
                     void *context, struct error *ret_error)
{
    cJSON *event = NULL;
    if (!progress->host[0]) {
        if (host_fold(progress, text, ret_error) != 0)
            return -1;
    } else if (json_parse(text, size, "stdout.txt", JSON_STRICT, &event, NULL) == 0 &&
               cJSON_IsObject(event)) {
        event_fold(progress, event);
    } else {
        cJSON_Delete(event);
        event = NULL;
    }
    if (each)
        each(context, text, event);
    cJSON_Delete(event);
    return 0;
}

int progress_feed(struct progress *progress, const void *bytes, size_t size,
                  void (*each)(void *context, const char *text, const cJSON *event),
                  void *context, struct error *ret_error)
{
    const char *next = bytes, *end = next + size;
    while (next < end) {
        const char *stop = memchr(next, '\n', (size_t)(end - next));
        const char *piece_end = stop ? stop : end;
        /* A line beyond all bounds is dropped as a whole; the next one is read again. */
        if (buf_append(&progress->line, next, (size_t)(piece_end - next)) != 0)
            progress->line_dropped = true;
        next = piece_end + (stop != NULL);
        if (!stop)
            break;
        int rc = 0;
        const char *text = buf_text(&progress->line);
        if (!progress->line_dropped && text && (progress->line.size > 0 || !progress->host[0]))
            rc = line_fold(progress, text, progress->line.size, each, context, ret_error);
        buf_clear(&progress->line);
        progress->line_dropped = false;
        if (rc != 0)
            return rc;
    }
    return 0;
}

int64_t progress_ended(const struct progress *progress)
{
    return progress->done + progress->failed + progress->cancelled;
}

double progress_left_s(const struct progress *progress)
{
    if (!progress->counted || progress->total < 0 || progress->rate <= 0.0 || progress->ended)
        return -1.0;
    double left = (double)(progress->total - progress_ended(progress));
    return left > 0.0 ? left / progress->rate : 0.0;
}

static void text_print(cJSON *object, const char *key, const char *text)
{
    if (text && *text)
        cJSON_AddStringToObject(object, key, text);
    else
        cJSON_AddNullToObject(object, key);
}

static cJSON *workers_print(const struct progress *progress)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < progress->worker_count; i++) {
        const struct progress_worker *worker = &progress->workers[i];
        cJSON *object = cJSON_CreateObject();
        cJSON_AddNumberToObject(object, "id", (double)worker->id);
        text_print(object, "state", worker->state);
        text_print(object, "host", worker->host);
        text_print(object, "transport", worker->transport);
        cJSON_AddNumberToObject(object, "slots", (double)worker->slots);
        cJSON_AddItemToArray(list, object);
    }
    return list;
}

static cJSON *failures_print(const struct progress *progress)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < progress->failure_count; i++) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddNumberToObject(object, "task", (double)progress->failures[i].task);
        text_print(object, "sentence", progress->failures[i].sentence);
        cJSON_AddItemToArray(list, object);
    }
    return list;
}

static cJSON *estimate_print(const struct progress *progress)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "wave", (double)progress->estimate.wave);
    cJSON_AddNumberToObject(object, "first", (double)progress->estimate.first);
    cJSON_AddNumberToObject(object, "runs", (double)progress->estimate.runs);
    text_print(object, "purpose", progress->estimate.purpose);
    cJSON_AddNumberToObject(object, "iteration", (double)progress->estimate.iteration);
    cJSON_AddNumberToObject(object, "phi", progress->estimate.phi); /* NaN is printed as null */
    cJSON_AddNumberToObject(object, "lambda", progress->estimate.lambda);
    return object;
}

cJSON *progress_print(const struct progress *progress)
{
    cJSON *object = cJSON_CreateObject();
    text_print(object, "host", progress->host);
    text_print(object, "address", progress->address);
    cJSON_AddNumberToObject(object, "port", progress->port);
    cJSON_AddNumberToObject(object, "done", (double)progress->done);
    cJSON_AddNumberToObject(object, "failed", (double)progress->failed);
    cJSON_AddNumberToObject(object, "total", (double)progress->total);
    cJSON_AddNumberToObject(object, "cancelled", (double)progress->cancelled);
    cJSON_AddNumberToObject(object, "running", (double)progress->running);
    cJSON_AddNumberToObject(object, "waiting", (double)progress->waiting);
    cJSON_AddNumberToObject(object, "slots", (double)progress->slots);
    cJSON_AddNumberToObject(object, "rate", progress->rate);
    cJSON_AddNumberToObject(object, "elapsed_s", progress->elapsed_s);
    cJSON_AddItemToObject(object, "workers", workers_print(progress));
    cJSON_AddItemToObject(object, "failures", failures_print(progress));
    if (progress->estimate.known)
        cJSON_AddItemToObject(object, "estimate", estimate_print(progress));
    text_print(object, "end", progress->status);
    text_print(object, "sentence", progress->sentence);
    return object;
}

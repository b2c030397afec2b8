/*
 * Lots wait in a queue (halves of lots that were too large, tasks to send again) or are made from
 * the tasks that come next; up to a few are under way. What an answer says of each task decides
 * whether it has ended or goes into a new lot. A lot keeps its tasks' indices and ids, not the
 * tasks: they are asked for again. After a failure nothing new is sent, and what is under way is
 * waited for, since it uses the lots.
 */
#include "config.h"

#include "launch/azure/batch_lot.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/azure/secret.h"
#include "common/clock.h"
#include "common/json.h"
#include "launch/azure/batch_private.h"

#define LOT_TASKS     100
#define LOT_BYTES     ((size_t)990000) /* under 1 MB, with room for what frames the tasks */
#define BODY_MAX      ((size_t)8 << 20)
#define LOTS_AT_ONCE  4
#define ROUNDS_MAX    6   /* how often a task is sent that fails by the server's fault */
#define ROUND_WAIT_MS 500 /* before the second; doubles each time */
#define NAP_MS        250

struct adding;

struct lot {
    struct lot *next;
    struct adding *adding;
    uint64_t indices[LOT_TASKS];
    char *ids[LOT_TASKS]; /* owned */
    size_t count;
    int round;      /* from 0 */
    bool sent;      /* some of its tasks may have arrived earlier */
    int64_t due_ns; /* not before */
    struct buf body;
};

struct adding {
    struct account *account;
    const struct batch_lot_work *work;
    struct batch_lot_report report;
    struct buf url;
    char doing[BATCH_DOING_MAX];
    struct lot *queue;
    uint64_t next; /* the first task that is in no lot yet */
    int under_way;
    int rc; /* not 0: it ends */
    struct error error;
};

static void lot_destroy(struct lot *lot)
{
    if (!lot)
        return;
    for (size_t i = 0; i < lot->count; i++)
        free(lot->ids[i]);
    secret_buf_fini(&lot->body);
    free(lot);
}

static struct lot *lot_create(struct adding *adding)
{
    struct lot *lot = calloc(1, sizeof(*lot));
    if (!lot) {
        adding->rc = error_set(&adding->error, ERROR_SYSTEM, "%s: no memory", adding->doing);
        return NULL;
    }
    lot->adding = adding;
    buf_init(&lot->body, BODY_MAX);
    return lot;
}

static void lot_queue(struct lot *lot)
{
    struct lot **last = &lot->adding->queue;
    while (*last)
        last = &(*last)->next;
    lot->next = NULL;
    *last = lot;
}

/* Move task i of `from` to the end of `to`. */
static void task_move(struct lot *from, size_t i, struct lot *to)
{
    to->indices[to->count] = from->indices[i];
    to->ids[to->count++] = from->ids[i];
    from->ids[i] = NULL;
}

/* Append task `index` to the lot's body. 1: it would be too much, and is left out. */
static int task_append(struct lot *lot, uint64_t index, bool first, char **ret_id)
{
    struct adding *adding = lot->adding;
    struct batch_task_spec spec = {0};
    size_t before = lot->body.size;
    if (adding->work->give(adding->work->context, index, &spec, &adding->error) != 0)
        return -1;
    cJSON *json = batch_task_spec_json(&spec);
    buf_append_text(&lot->body, first ? "{\"value\":[" : ",");
    bool good = json && json_put(&lot->body, json, 0) == 0;
    cJSON_Delete(json);
    if (good && !first && lot->body.size > LOT_BYTES) {
        lot->body.size = before;
        return 1;
    }
    *ret_id = good ? strdup(spec.id) : NULL;
    return *ret_id ? 0
                   : error_set(&adding->error, ERROR_CONFIG,
                               "%s: task \"%s\" is too large, or memory is short",
                               adding->doing, spec.id);
}

/* A lot of the tasks that come next; NULL: there are none, or adding->rc says what went wrong. */
static struct lot *lot_make(struct adding *adding)
{
    struct lot *lot = adding->next < adding->work->count ? lot_create(adding) : NULL;
    int rc = 0;
    while (lot && rc == 0 && lot->count < LOT_TASKS && adding->next < adding->work->count) {
        char *id;
        rc = task_append(lot, adding->next, lot->count == 0, &id);
        if (rc == 0) {
            lot->ids[lot->count] = id;
            lot->indices[lot->count++] = adding->next++;
        }
    }
    if (rc < 0) {
        adding->rc = -1;
        lot_destroy(lot);
        return NULL;
    }
    return lot;
}

/* The body of a lot whose tasks are known. */
static int lot_fill(struct lot *lot)
{
    for (size_t i = 0; i < lot->count; i++) {
        char *id = NULL;
        int rc = task_append(lot, lot->indices[i], i == 0, &id);
        if (rc == 1) { /* it was not too much before: what give says has changed */
            free(id);
            return error_set(&lot->adding->error, ERROR_BUG, "%s: task \"%s\" grew meanwhile",
                             lot->adding->doing, lot->ids[i]);
        }
        free(id);
        if (rc != 0)
            return -1;
    }
    return 0;
}

/* One task has ended. */
static void task_end(struct lot *lot, size_t i, enum batch_lot_end end,
                     const struct batch_fault *fault)
{
    struct adding *adding = lot->adding;
    const struct batch_lot_work *work = adding->work;
    struct batch_lot_report *report = &adding->report;
    report->added += end == BATCH_LOT_ADDED;
    report->existed += end == BATCH_LOT_EXISTED;
    report->refused += end == BATCH_LOT_REFUSED;
    if (adding->rc != 0)
        return;
    if (work->ended) {
        adding->rc = work->ended(work->context, lot->indices[i], end, fault, &adding->error);
    } else if (end == BATCH_LOT_REFUSED) {
        struct buf text;
        buf_init(&text, 8192);
        batch_fault_put(&text, fault);
        adding->rc = error_set(&adding->error, ERROR_BACKEND, "%s: task \"%s\": %s",
                               adding->doing, lot->ids[i], buf_text(&text));
        buf_fini(&text);
    }
}

/* Send again what failed by the server's fault, later. */
static void lot_repeat(struct lot *lot)
{
    lot->sent = true;
    lot->due_ns = clock_monotonic_ns() + ((int64_t)ROUND_WAIT_MS << lot->round) * CLOCK_MS_NS;
    lot->round++;
    lot_queue(lot);
}

/* What an answer says of task i; NULL: nothing. */
static const cJSON *result_find(const cJSON *value, const char *id)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, value)
    {
        const char *name = batch_text(item, "taskId");
        if (name && strcasecmp(name, id) == 0)
            return item;
    }
    return NULL;
}

enum verdict { VERDICT_ADDED, VERDICT_EXISTS, VERDICT_REFUSED, VERDICT_AGAIN };

static enum verdict result_judge(const cJSON *result, struct batch_fault *ret_fault)
{
    static const char *const names[] = {"", "success", "clienterror", "servererror"};
    int status = batch_choice(result, "status", names, 4);
    batch_fault_read(json_member(result, "error"), ret_fault);
    if (status == 1)
        return VERDICT_ADDED;
    if (ret_fault->code && strcmp(ret_fault->code, "TaskExists") == 0)
        return VERDICT_EXISTS;
    return status == 2 ? VERDICT_REFUSED : VERDICT_AGAIN;
}

/* What is said where the server said nothing, time and again. */
static void silence_describe(cJSON **ret_json, struct batch_fault *ret_fault)
{
    *ret_json = cJSON_CreateObject();
    cJSON_AddStringToObject(*ret_json, "code", "NoAnswer");
    cJSON_AddStringToObject(*ret_json, "message",
                            "the service did not say what became of it; run again");
    batch_fault_read(*ret_json, ret_fault);
}

static void lot_judge(struct lot *lot, const cJSON *json, bool resent)
{
    const cJSON *value = batch_array(json, "value");
    struct lot *again = NULL;
    for (size_t i = 0; i < lot->count; i++) {
        struct batch_fault fault;
        const cJSON *result = result_find(value, lot->ids[i]);
        enum verdict verdict = result_judge(result, &fault);
        if (verdict == VERDICT_AGAIN && lot->round + 1 < ROUNDS_MAX && lot->adding->rc == 0 &&
            (again || (again = lot_create(lot->adding)))) {
            task_move(lot, i, again);
        } else if (verdict == VERDICT_ADDED) {
            task_end(lot, i, BATCH_LOT_ADDED, NULL);
        } else if (verdict == VERDICT_EXISTS) {
            task_end(lot, i, lot->sent || resent ? BATCH_LOT_ADDED : BATCH_LOT_EXISTED, NULL);
        } else {
            cJSON *said = NULL;
            if (!fault.json)
                silence_describe(&said, &fault);
            task_end(lot, i, BATCH_LOT_REFUSED, &fault);
            cJSON_Delete(said);
        }
    }
    if (again) {
        again->round = lot->round;
        lot_repeat(again);
    }
}

/* 413: two lots of half the tasks; a single task is refused. */
static void lot_halve(struct lot *lot, const struct http_response *response)
{
    if (lot->count > 1) {
        struct lot *halves[2] = {lot_create(lot->adding), NULL};
        halves[1] = halves[0] ? lot_create(lot->adding) : NULL;
        if (!halves[1]) {
            lot_destroy(halves[0]);
            return;
        }
        size_t half = lot->count / 2;
        for (size_t i = 0; i < lot->count; i++)
            task_move(lot, i, halves[i >= half]);
        for (int h = 0; h < 2; h++) {
            halves[h]->sent = lot->sent;
            halves[h]->round = lot->round;
            lot_queue(halves[h]);
        }
        return;
    }
    struct azure_error error;
    struct batch_fault fault;
    azure_error_read(AZURE_BATCH, response, &error);
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "code", *error.code ? error.code : "RequestBodyTooLarge");
    cJSON_AddStringToObject(json, "message",
                            error.message ? error.message : "the task alone is too large");
    batch_fault_read(json, &fault);
    task_end(lot, 0, BATCH_LOT_REFUSED, &fault);
    cJSON_Delete(json);
    azure_error_fini(&error);
}

static void lot_answered(struct lot *lot, const struct http_response *response)
{
    static const char *const already[] = {"JobCompleted", "JobBeingTerminated",
                                          "JobBeingDeleted", "JobTerminating", NULL};
    struct adding *adding = lot->adding;
    cJSON *json = NULL;
    adding->report.requests++;
    if (response->status == 413) {
        lot_halve(lot, response);
    } else if (response->status / 100 != 2) {
        int rc = batch_refuse(response, already, adding->doing,
                              adding->rc == 0 ? &adding->error : NULL);
        if (adding->rc == 0)
            adding->rc = rc;
    } else {
        /* An answer that cannot be read says nothing of any task. */
        if (json_parse((const char *)response->body.data, response->body.size, "the answer", 0,
                       &json, NULL) != 0)
            json = NULL;
        lot_judge(lot, json, response->tries > 1);
        cJSON_Delete(json);
    }
}

static void lot_done(void *context, struct http_response *response, const struct error *error)
{
    struct lot *lot = context;
    struct adding *adding = lot->adding;
    adding->under_way--;
    if (response) {
        lot_answered(lot, response);
    } else if (adding->rc == 0) {
        adding->error = *error;
        adding->rc = error_prefix(&adding->error, "%s", adding->doing);
    }
    lot_destroy(lot);
}

static int lot_send(struct lot *lot)
{
    static const struct http_header type = {"Content-Type", ACCOUNT_BATCH_TYPE};
    struct adding *adding = lot->adding;
    struct http_request request;
    account_batch_request(adding->account, "POST", &request);
    if (buf_append_text(&lot->body, "]}") != 0)
        return error_set(&adding->error, ERROR_SYSTEM, "%s: no memory", adding->doing);
    request.url = buf_text(&adding->url);
    request.headers = &type;
    request.headers_count = 1;
    request.body = lot->body.data;
    request.body_size = lot->body.size;
    request.retry = HTTP_RETRY_ALWAYS; /* TaskExists tells what has arrived */
    request.done = lot_done;
    request.done_context = lot;
    if (http_start(account_http(adding->account), &request, &adding->error) != 0)
        return -1;
    adding->under_way++;
    return 0;
}

/* The next lot that may go, taken from the queue or made new. NULL: none at the moment. */
static struct lot *lot_next(struct adding *adding)
{
    int64_t now = clock_monotonic_ns();
    for (struct lot **link = &adding->queue; *link; link = &(*link)->next) {
        struct lot *lot = *link;
        if (lot->due_ns > now)
            continue;
        *link = lot->next;
        if (lot_fill(lot) == 0)
            return lot;
        adding->rc = -1;
        lot_destroy(lot);
        return NULL;
    }
    return lot_make(adding);
}

/* Send what may go now. */
static void lots_send(struct adding *adding)
{
    int most = adding->work->lots_at_once > 0 ? adding->work->lots_at_once : LOTS_AT_ONCE;
    while (adding->rc == 0 && adding->under_way < most) {
        struct lot *lot = lot_next(adding);
        if (!lot)
            break;
        if (lot_send(lot) != 0) {
            adding->rc = -1;
            lot_destroy(lot);
        }
    }
}

static void lots_run(struct adding *adding)
{
    for (;;) {
        lots_send(adding);
        if (adding->under_way > 0)
            http_wait(account_http(adding->account), NAP_MS);
        else if (adding->rc == 0 && adding->queue)
            poll(NULL, 0, NAP_MS); /* all that is left is not due yet */
        else
            break;
    }
}

int batch_lot_add(struct account *account, const char *job, const struct batch_lot_work *work,
                  struct batch_lot_report *ret_report, struct error *ret_error)
{
    struct adding adding = {.account = account, .work = work};
    struct buf path;
    buf_init(&path, BATCH_PATH_MAX);
    buf_init(&adding.url, 2 * BATCH_PATH_MAX);
    snprintf(adding.doing, sizeof(adding.doing), "adding tasks to job \"%s\"", job);
    if (batch_path(&path, "jobs", job, "addtaskcollection", NULL) != 0 || !buf_text(&path) ||
        account_put_batch_url(account, buf_text(&path), NULL, &adding.url) != 0 ||
        !buf_text(&adding.url))
        adding.rc =
            error_set(&adding.error, ERROR_SYSTEM, "%s: no room for the request", adding.doing);
    else
        lots_run(&adding);
    while (adding.queue) {
        struct lot *lot = adding.queue;
        adding.queue = lot->next;
        lot_destroy(lot);
    }
    buf_fini(&path);
    buf_fini(&adding.url);
    if (ret_report)
        *ret_report = adding.report;
    if (adding.rc != 0 && ret_error)
        *ret_error = adding.error;
    return adding.rc;
}

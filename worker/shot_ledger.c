/*
 * Chores go through one errand, one at a time; the sums belong to whoever does a chore. Checks, for
 * which slots wait, go before all others; those keep their order, so that what a collect task needs
 * is added before it is delivered.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/errand.h"
#include "common/json.h"
#include "worker/memory.h"
#include "worker/shot_ledger.h"
#include "worker/shot_sums.h"

#define MEMORY_SHARE 0.9 /* the rest is the system's, the page cache's, and this worker's */

enum chore_kind { CHECK, ADD, DELIVER, FORGET, DROP };

struct chore {
    struct chore *next;
    enum chore_kind kind;
    struct attempt_id id;
    struct shot_parcel *parcel; /* CHECK, ADD; owned */
    uint64_t number;            /* DROP, DELIVER: the wave */
    struct attempt_id *wanted;  /* DELIVER; owned, as the path */
    size_t wanted_count;
    char *path;
    uint64_t attempts, shots; /* DELIVER: what came of it */
    int rc;
    struct error error;
    void (*checked)(void *context, const struct error *error);
    void (*collected)(void *context, const struct shot_collected *result);
    void *context; /* NULL: nobody is told */
};

struct queue {
    struct chore *first, **last;
};

struct held_parcel {
    struct held_parcel *next;
    struct shot_parcel *parcel;
};

struct delivered {
    struct delivered *next;
    struct attempt_id id;
};

struct shot_ledger {
    struct shot_ledger *next;
    unsigned refs;
    const struct workplace *place;
    struct errand *errand;
    struct shot_room *room;
    struct shot_models *models;
    struct shot_sums *sums;
    uint64_t sums_bytes; /* as of the last chore */
    struct queue urgent, usual;
    struct chore *current;
    struct held_parcel *held;
    struct delivered *delivered;
    uint64_t kept_from;
    bool leaving;
    bool has_trouble;
    struct error trouble; /* the last that kept a parcel out of a sum */
};

static struct shot_ledger *ledgers;

static void start_next(struct shot_ledger *ledger);

/* --- Parcels --- */

struct shot_parcel *shot_parcel_create(struct attempt_id id, const struct shot_task *task)
{
    struct shot_parcel *parcel = calloc(1, sizeof(*parcel));
    if (!parcel)
        return NULL;
    parcel->id = id;
    parcel->shape = sum_shape_of(task);
    parcel->shot_count = task->shot_count;
    for (size_t i = 0; i < SHOT_ARRAYS_MAX; i++)
        parcel->files[i] = -1;
    parcel->shots = malloc(task->shot_count * sizeof(*task->shots));
    if (!parcel->shots) {
        free(parcel);
        return NULL;
    }
    memcpy(parcel->shots, task->shots, task->shot_count * sizeof(*task->shots));
    return parcel;
}

void shot_parcel_destroy(struct shot_parcel *parcel)
{
    if (!parcel)
        return;
    for (size_t i = 0; i < SHOT_ARRAYS_MAX; i++)
        if (parcel->files[i] >= 0)
            close(parcel->files[i]);
    free(parcel->shots);
    free(parcel);
}

static struct sum_part part_of(const struct shot_parcel *parcel)
{
    return (struct sum_part){.id = parcel->id,
                             .shots = parcel->shots,
                             .shot_count = parcel->shot_count,
                             .window = parcel->has_window ? &parcel->window : NULL,
                             .files = parcel->files};
}

/* Take the held parcel of this attempt out of the list; NULL if there is none. */
static struct shot_parcel *take_held(struct shot_ledger *ledger, struct attempt_id id)
{
    for (struct held_parcel **link = &ledger->held; *link; link = &(*link)->next) {
        struct held_parcel *item = *link;
        struct shot_parcel *parcel = item->parcel;
        if (parcel->id.task != id.task || parcel->id.attempt != id.attempt)
            continue;
        *link = item->next;
        free(item);
        return parcel;
    }
    return NULL;
}

static int hold(struct shot_ledger *ledger, struct shot_parcel *parcel, struct error *ret_error)
{
    struct held_parcel *item = malloc(sizeof(*item));
    if (!item)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to hold a shot");
    *item = (struct held_parcel){ledger->held, parcel};
    ledger->held = item;
    return 0;
}

/* --- Chores --- */

static void queue_init(struct queue *queue)
{
    queue->first = NULL;
    queue->last = &queue->first;
}

static void queue_put(struct queue *queue, struct chore *chore)
{
    chore->next = NULL;
    *queue->last = chore;
    queue->last = &chore->next;
}

static struct chore *queue_take(struct queue *queue)
{
    struct chore *chore = queue->first;
    if (chore && !(queue->first = chore->next))
        queue->last = &queue->first;
    return chore;
}

static void free_chore(struct chore *chore)
{
    shot_parcel_destroy(chore->parcel);
    free(chore->wanted);
    free(chore->path);
    free(chore);
}

static struct chore *make_chore(enum chore_kind kind, struct attempt_id id)
{
    struct chore *chore = calloc(1, sizeof(*chore));
    if (chore) {
        chore->kind = kind;
        chore->id = id;
    }
    return chore;
}

/* In the thread. */
static void work(void *context)
{
    struct shot_ledger *ledger = context;
    struct chore *chore = ledger->current;
    struct sum_part part = chore->parcel ? part_of(chore->parcel) : (struct sum_part){0};
    struct shot_delivery delivery = {.number = chore->number,
                                     .wanted = chore->wanted,
                                     .wanted_count = chore->wanted_count,
                                     .task = chore->id.task,
                                     .path = chore->path};
    switch (chore->kind) {
    case CHECK:
        chore->rc = sum_check_part(&chore->parcel->shape, &part, &chore->error);
        break;
    case ADD:
        chore->rc = shot_sums_add(ledger->sums, &chore->parcel->shape, &part, &chore->error);
        break;
    case DELIVER:
        chore->rc = shot_sums_deliver(ledger->sums, &delivery, &chore->error);
        chore->attempts = delivery.attempts;
        chore->shots = delivery.shots;
        break;
    case FORGET:
        shot_sums_forget(ledger->sums, chore->id.task);
        break;
    case DROP:
        shot_sums_drop(ledger->sums, chore->number);
        break;
    }
    ledger->sums_bytes = shot_sums_bytes(ledger->sums);
}

static void finish_check(struct shot_ledger *ledger, struct chore *chore)
{
    if (chore->rc == 0)
        chore->rc = hold(ledger, chore->parcel, &chore->error);
    if (chore->rc == 0)
        chore->parcel = NULL; /* it is held */
    if (chore->context)
        chore->checked(chore->context, chore->rc == 0 ? NULL : &chore->error);
}

static void finish_delivery(struct shot_ledger *ledger, struct chore *chore)
{
    const struct shot_collected result = {.attempts = chore->attempts,
                                          .shots = chore->shots,
                                          .trouble =
                                              ledger->has_trouble ? ledger->trouble.text : NULL,
                                          .error = chore->rc == 0 ? NULL : &chore->error};
    struct delivered *delivered = chore->rc == 0 ? malloc(sizeof(*delivered)) : NULL;
    if (delivered) { /* without memory for it the sum is kept until the next wave */
        *delivered = (struct delivered){ledger->delivered, chore->id};
        ledger->delivered = delivered;
    }
    if (chore->context)
        chore->collected(chore->context, &result);
}

/* What is to be done with a chore when its work is through. */
static void finish(struct shot_ledger *ledger)
{
    struct chore *chore = ledger->current;
    ledger->current = NULL;
    shot_room_set_used(ledger->room, ledger->sums_bytes);
    if (chore->kind == ADD && chore->rc < 0) {
        ledger->trouble = chore->error;
        ledger->has_trouble = true;
    } else if (chore->kind == CHECK) {
        finish_check(ledger, chore);
    } else if (chore->kind == DELIVER) {
        finish_delivery(ledger, chore);
    }
    free_chore(chore);
}

static void worked(void *context)
{
    struct shot_ledger *ledger = context;
    finish(ledger);
    start_next(ledger);
}

static void start_next(struct shot_ledger *ledger)
{
    if (ledger->current)
        return;
    ledger->current = queue_take(&ledger->urgent);
    if (!ledger->current)
        ledger->current = queue_take(&ledger->usual);
    if (ledger->current)
        errand_start(ledger->errand, work, worked, ledger);
}

static void do_usual(struct shot_ledger *ledger, struct chore *chore)
{
    queue_put(&ledger->usual, chore);
    start_next(ledger);
}

/* --- The ledger --- */

static uint64_t memory_of(const cJSON *job)
{
    double bytes = MEMORY_SHARE * (double)memory_limit("", getenv("BEOFARM_SHARE"));
    json_get_real(json_member(job, "work"), "$.work", "memory_bytes", bytes, &bytes, NULL);
    return bytes > 0 && bytes < 0x1p63 ? (uint64_t)bytes : 0;
}

static struct shot_ledger *make_ledger(struct loop *loop, const struct workplace *place,
                                       const cJSON *job, struct error *ret_error)
{
    struct shot_ledger *ledger = calloc(1, sizeof(*ledger));
    if (ledger) {
        queue_init(&ledger->urgent);
        queue_init(&ledger->usual);
        ledger->place = place;
        ledger->sums = shot_sums_create();
        ledger->models = shot_models_create();
    }
    if (!ledger || !ledger->sums || !ledger->models) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for partial sums");
        if (ledger) {
            shot_sums_destroy(ledger->sums);
            shot_models_destroy(ledger->models);
        }
        free(ledger);
        return NULL;
    }
    ledger->errand = errand_create(loop, ret_error);
    if (ledger->errand)
        ledger->room = shot_room_create(loop, memory_of(job), ret_error);
    if (ledger->room)
        return ledger;
    errand_destroy(ledger->errand);
    shot_sums_destroy(ledger->sums);
    shot_models_destroy(ledger->models);
    free(ledger);
    return NULL;
}

struct shot_ledger *shot_ledger_ref(struct loop *loop, const struct workplace *place,
                                    const cJSON *job, struct error *ret_error)
{
    struct shot_ledger *ledger = ledgers;
    while (ledger && ledger->place != place)
        ledger = ledger->next;
    if (!ledger) {
        ledger = make_ledger(loop, place, job, ret_error);
        if (!ledger)
            return NULL;
        ledger->next = ledgers;
        ledgers = ledger;
    }
    ledger->refs++;
    return ledger;
}

static void free_lists(struct shot_ledger *ledger)
{
    struct chore *chore;
    while ((chore = queue_take(&ledger->urgent)) || (chore = queue_take(&ledger->usual)))
        free_chore(chore);
    for (struct held_parcel *next; ledger->held; ledger->held = next) {
        next = ledger->held->next;
        shot_parcel_destroy(ledger->held->parcel);
        free(ledger->held);
    }
    for (struct delivered *next; ledger->delivered; ledger->delivered = next) {
        next = ledger->delivered->next;
        free(ledger->delivered);
    }
}

void shot_ledger_unref(struct shot_ledger *ledger)
{
    if (!ledger || --ledger->refs)
        return;
    struct shot_ledger **link = &ledgers;
    while (*link != ledger)
        link = &(*link)->next;
    *link = ledger->next;
    errand_destroy(ledger->errand); /* waits */
    if (ledger->current)
        free_chore(ledger->current);
    free_lists(ledger);
    shot_room_destroy(ledger->room);
    shot_sums_destroy(ledger->sums);
    shot_models_destroy(ledger->models);
    free(ledger);
}

struct shot_room *shot_ledger_room(struct shot_ledger *ledger)
{
    return ledger->room;
}

struct shot_models *shot_ledger_models(struct shot_ledger *ledger)
{
    return ledger->models;
}

bool shot_ledger_holds(const struct shot_ledger *ledger)
{
    return ledger->held || ledger->current || ledger->urgent.first || ledger->usual.first ||
           ledger->sums_bytes > 0;
}

void shot_ledger_keep_from(struct shot_ledger *ledger, uint64_t number)
{
    struct chore *chore;
    if (number <= ledger->kept_from || !(chore = make_chore(DROP, (struct attempt_id){0})))
        return;
    ledger->kept_from = number;
    ledger->has_trouble = false;
    for (struct held_parcel **link = &ledger->held; *link;) {
        struct held_parcel *item = *link;
        if (item->parcel->shape.number >= number) {
            link = &item->next;
            continue;
        }
        *link = item->next;
        shot_parcel_destroy(item->parcel);
        free(item);
    }
    chore->number = number;
    do_usual(ledger, chore);
}

void shot_ledger_check(struct shot_ledger *ledger, struct shot_parcel *parcel,
                       void (*checked)(void *context, const struct error *error), void *context)
{
    struct error error;
    struct chore *chore = make_chore(CHECK, parcel->id);
    if (!chore) {
        shot_parcel_destroy(parcel);
        error_set(&error, ERROR_SYSTEM, "no memory to check a shot");
        checked(context, &error);
        return;
    }
    chore->parcel = parcel;
    chore->checked = checked;
    chore->context = context;
    queue_put(&ledger->urgent, chore);
    start_next(ledger);
}

/* Without memory for the chore the parcel stays held: a collect task will ask for it. */
static void add(struct shot_ledger *ledger, struct attempt_id id)
{
    struct chore *chore = make_chore(ADD, id);
    struct shot_parcel *parcel = chore ? take_held(ledger, id) : NULL;
    if (!parcel) {
        free(chore);
        return;
    }
    chore->parcel = parcel;
    do_usual(ledger, chore);
}

static bool take_delivered(struct shot_ledger *ledger, struct attempt_id id)
{
    for (struct delivered **link = &ledger->delivered; *link; link = &(*link)->next) {
        struct delivered *item = *link;
        if (item->id.task != id.task || item->id.attempt != id.attempt)
            continue;
        *link = item->next;
        free(item);
        return true;
    }
    return false;
}

void shot_ledger_settle(struct shot_ledger *ledger, struct attempt_id id, bool counts)
{
    struct chore *chore;
    if (!take_delivered(ledger, id)) {
        if (counts && !ledger->leaving)
            add(ledger, id);
    } else if (counts && (chore = make_chore(FORGET, id))) {
        do_usual(ledger, chore);
    }
}

void shot_ledger_leave(struct shot_ledger *ledger)
{
    ledger->leaving = true;
}

void shot_ledger_discard(struct shot_ledger *ledger, struct attempt_id id)
{
    shot_parcel_destroy(take_held(ledger, id));
}

static struct chore *make_delivery(struct attempt_id id, const struct shot_task *task,
                                   const char *path)
{
    struct chore *chore = make_chore(DELIVER, id);
    if (!chore)
        return NULL;
    chore->number = task->sum;
    chore->path = strdup(path);
    chore->wanted_count = task->attempt_count;
    chore->wanted = malloc(task->attempt_count * sizeof(*task->attempts));
    if (!chore->path || !chore->wanted) {
        free_chore(chore);
        return NULL;
    }
    memcpy(chore->wanted, task->attempts, task->attempt_count * sizeof(*task->attempts));
    return chore;
}

void shot_ledger_collect(struct shot_ledger *ledger, struct attempt_id id,
                         const struct shot_task *task, const char *path,
                         void (*collected)(void *context, const struct shot_collected *result),
                         void *context)
{
    struct error error;
    struct chore *chore = make_delivery(id, task, path);
    if (!chore) {
        error_set(&error, ERROR_SYSTEM, "no memory to deliver a sum");
        collected(context, &(struct shot_collected){.error = &error});
        return;
    }
    chore->collected = collected;
    chore->context = context;
    for (size_t i = 0; ledger->held && i < task->attempt_count; i++)
        add(ledger, task->attempts[i]);
    do_usual(ledger, chore);
}

static void forget_in(struct queue *queue, const void *context)
{
    for (struct chore *chore = queue->first; chore; chore = chore->next)
        if (chore->context == context)
            chore->context = NULL;
}

void shot_ledger_forget(struct shot_ledger *ledger, const void *context)
{
    forget_in(&ledger->urgent, context);
    forget_in(&ledger->usual, context);
    if (!ledger->current || ledger->current->context != context)
        return;
    ledger->current->context = NULL;
    while (errand_is_busy(ledger->errand) && !errand_wait(ledger->errand, CLOCK_SECOND_NS))
        ;
    worked(ledger);
}

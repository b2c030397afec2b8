/*
 * Chores go through one errand, one at a time; the sums belong to whoever does a chore. Checks, for
 * which slots wait, go before all others; those keep their order, so that what a collect task needs
 * is added before it is delivered.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/errand.h"
#include "common/json.h"
#include "worker/memory.h"
#include "worker/shot_chore.h"
#include "worker/shot_held.h"
#include "worker/shot_ledger.h"
#include "worker/shot_peers.h"

#define MEMORY_SHARE 0.9 /* the rest is the system's, the page cache's, and this worker's */

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
    struct shot_chores urgent, usual;
    struct shot_chore *current;
    struct shot_held held;
    struct shot_peers *peers;
    struct loop_timer *delay; /* for others that wait in the queue */
    struct delivered *delivered;
    uint64_t kept_from;
    bool leaving;
    bool has_trouble;
    struct error trouble; /* the last that kept a parcel out of a sum */
};

static struct shot_ledger *ledgers;

static void start_next(struct shot_ledger *ledger);
static void do_usual(struct shot_ledger *ledger, struct shot_chore *chore);
static void bring_in(struct shot_ledger *ledger, const struct shot_task *task);
static void wait_turn(struct shot_ledger *ledger, struct shot_chore *chore);

/* --- Chores --- */

/* In the thread. */
static void work(void *context)
{
    struct shot_ledger *ledger = context;
    shot_chore_work(ledger->current, ledger->sums);
    ledger->sums_bytes = shot_sums_bytes(ledger->sums);
}

static void finish_check(struct shot_ledger *ledger, struct shot_chore *chore)
{
    if (chore->rc == 0)
        chore->rc = shot_held_put(&ledger->held, chore->parcel, &chore->error);
    if (chore->rc == 0)
        chore->parcel = NULL; /* it is held */
    if (chore->context)
        chore->checked(chore->context, chore->rc == 0 ? NULL : &chore->error);
}

static void tell_collected(const struct shot_ledger *ledger, const struct shot_chore *chore)
{
    const struct shot_collected result = {.attempts = chore->contents.attempts,
                                          .shots = chore->contents.shots,
                                          .trouble =
                                              ledger->has_trouble ? ledger->trouble.text : NULL,
                                          .error = chore->rc == 0 ? NULL : &chore->error};
    if (chore->context)
        chore->collected(chore->context, &result);
}

static void finish_delivery(struct shot_ledger *ledger, struct shot_chore *chore)
{
    struct delivered *delivered = chore->rc == 0 ? malloc(sizeof(*delivered)) : NULL;
    if (delivered) { /* without memory for it the sum is kept until the next wave */
        *delivered = (struct delivered){ledger->delivered, chore->id};
        ledger->delivered = delivered;
    }
    tell_collected(ledger, chore);
}

/* What was taken waits until its result was accepted. */
static void hold_gift(struct shot_ledger *ledger, struct shot_chore *chore)
{
    chore->kind = CHORE_ADOPT;
    shot_held_put_gift(&ledger->held, chore);
    tell_collected(ledger, chore); /* which may discard it */
}

/* What is to be done with a chore when its work is through. */
static void finish(struct shot_ledger *ledger)
{
    struct shot_chore *chore = ledger->current;
    ledger->current = NULL;
    shot_room_set_used(ledger->room, ledger->sums_bytes);
    if (chore->kind == CHORE_TAKE && chore->rc == 0) {
        hold_gift(ledger, chore);
        return;
    }
    if (chore->kind == CHORE_HEAR && chore->rc == 0) {
        chore->kind = CHORE_GIVE;
        bring_in(ledger, &chore->task);
        wait_turn(ledger, chore);
        return;
    }
    if ((chore->kind == CHORE_ADD || chore->kind == CHORE_ADOPT) && chore->rc < 0) {
        ledger->trouble = chore->error;
        ledger->has_trouble = true;
    } else if (chore->kind == CHORE_CHECK) {
        finish_check(ledger, chore);
    } else if (chore->kind == CHORE_DELIVER) {
        finish_delivery(ledger, chore);
    } else if (chore->kind == CHORE_TAKE) {
        tell_collected(ledger, chore);
    }
    shot_chore_destroy(chore);
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
    ledger->current = shot_chores_take(&ledger->urgent);
    if (!ledger->current)
        ledger->current = shot_chores_take(&ledger->usual);
    if (ledger->current)
        errand_start(ledger->errand, work, worked, ledger);
}

static void do_usual(struct shot_ledger *ledger, struct shot_chore *chore)
{
    shot_chores_put(&ledger->usual, chore);
    start_next(ledger);
}

/* --- Other workers that wait --- */

/* The first from `chore` on that another worker waits for; NULL: none is. */
static const struct shot_chore *visit_from(const struct shot_chore *chore)
{
    while (chore && chore->kind != CHORE_HEAR && chore->kind != CHORE_GIVE)
        chore = chore->next;
    return chore;
}

static void arm_delay(struct shot_ledger *ledger)
{
    loop_timer_arm(ledger->delay, clock_monotonic_ns() + GIFT_BUSY_NS);
}

/* They are told that their turn comes: sums before it may take their time. */
static void delay(void *context)
{
    struct shot_ledger *ledger = context;
    const struct shot_chore *first = visit_from(ledger->usual.first);
    for (const struct shot_chore *chore = first; chore; chore = visit_from(chore->next))
        gift_delay(chore->fd);
    if (first)
        arm_delay(ledger);
}

/* Who comes does not put off what those before are told. */
static void wait_turn(struct shot_ledger *ledger, struct shot_chore *chore)
{
    if (!visit_from(ledger->usual.first))
        arm_delay(ledger);
    do_usual(ledger, chore);
}

/* --- The ledger --- */

static uint64_t memory_of(const cJSON *job)
{
    double bytes = MEMORY_SHARE * (double)memory_limit("", getenv("BEOFARM_SHARE"));
    json_get_real(json_member(job, "work"), "$.work", "memory_bytes", bytes, &bytes, NULL);
    return bytes > 0 && bytes < 0x1p63 ? (uint64_t)bytes : 0;
}

static void free_lists(struct shot_ledger *ledger)
{
    struct shot_chore *chore;
    while ((chore = shot_chores_take(&ledger->urgent)) ||
           (chore = shot_chores_take(&ledger->usual)))
        shot_chore_destroy(chore);
    shot_held_fini(&ledger->held);
    for (struct delivered *next; ledger->delivered; ledger->delivered = next) {
        next = ledger->delivered->next;
        free(ledger->delivered);
    }
}

static void free_ledger(struct shot_ledger *ledger)
{
    if (!ledger)
        return;
    errand_destroy(ledger->errand); /* waits */
    loop_timer_remove(ledger->delay);
    shot_peers_destroy(ledger->peers);
    shot_chore_destroy(ledger->current);
    free_lists(ledger);
    shot_room_destroy(ledger->room);
    shot_sums_destroy(ledger->sums);
    shot_models_destroy(ledger->models);
    free(ledger);
}

/* Another worker is at the door. */
static void visited(void *context, int fd)
{
    struct shot_ledger *ledger = context;
    struct shot_chore *chore = shot_chore_create(CHORE_HEAR, (struct attempt_id){0});
    struct error error;
    if (!chore) {
        close(fd);
        return;
    }
    chore->fd = fd;
    chore->terms = shot_peers_terms(ledger->peers, &error); /* there, as there is a door */
    wait_turn(ledger, chore);
}

static struct shot_ledger *make_ledger(struct loop *loop, const struct workplace *place,
                                       const cJSON *job, struct error *ret_error)
{
    struct shot_ledger *ledger = calloc(1, sizeof(*ledger));
    if (ledger) {
        shot_chores_init(&ledger->urgent);
        shot_chores_init(&ledger->usual);
        ledger->place = place;
        ledger->sums = shot_sums_create();
        ledger->models = shot_models_create();
        ledger->delay = loop_timer_add(loop, delay, ledger);
    }
    if (!ledger || !ledger->sums || !ledger->models || !ledger->delay)
        error_set(ret_error, ERROR_SYSTEM, "no memory for partial sums");
    else if ((ledger->errand = errand_create(loop, ret_error)) &&
             (ledger->peers = shot_peers_create(loop, job, visited, ledger, ret_error)))
        ledger->room = shot_room_create(loop, memory_of(job), ret_error);
    if (ledger && ledger->room)
        return ledger;
    free_ledger(ledger);
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

/* Who waits for another worker in the thread waits no more. */
static void hurry(struct shot_ledger *ledger)
{
    shot_peers_give_up(ledger->peers);
    if (ledger->current && ledger->current->kind == CHORE_GIVE)
        shutdown(ledger->current->fd, SHUT_RDWR);
}

void shot_ledger_unref(struct shot_ledger *ledger)
{
    if (!ledger || --ledger->refs)
        return;
    struct shot_ledger **link = &ledgers;
    while (*link != ledger)
        link = &(*link)->next;
    *link = ledger->next;
    hurry(ledger);
    free_ledger(ledger);
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
    return !shot_held_is_empty(&ledger->held) || ledger->current || ledger->urgent.first ||
           ledger->usual.first || ledger->sums_bytes > 0;
}

void shot_ledger_keep_from(struct shot_ledger *ledger, uint64_t number)
{
    struct shot_chore *chore;
    if (number <= ledger->kept_from ||
        !(chore = shot_chore_create(CHORE_DROP, (struct attempt_id){0})))
        return;
    ledger->kept_from = number;
    ledger->has_trouble = false;
    shot_held_drop(&ledger->held, number);
    chore->number = number;
    do_usual(ledger, chore);
}

void shot_ledger_check(struct shot_ledger *ledger, struct shot_parcel *parcel,
                       void (*checked)(void *context, const struct error *error), void *context)
{
    struct error error;
    struct shot_chore *chore = shot_chore_create(CHORE_CHECK, parcel->id);
    if (!chore) {
        shot_parcel_destroy(parcel);
        error_set(&error, ERROR_SYSTEM, "no memory to check a shot");
        checked(context, &error);
        return;
    }
    chore->parcel = parcel;
    chore->checked = checked;
    chore->context = context;
    shot_chores_put(&ledger->urgent, chore);
    start_next(ledger);
}

/* Without memory for the chore the parcel stays held: a collect task will ask for it. */
static void add(struct shot_ledger *ledger, struct attempt_id id)
{
    struct shot_chore *chore = shot_chore_create(CHORE_ADD, id);
    struct shot_parcel *parcel = chore ? shot_held_take(&ledger->held, id) : NULL;
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

/* Whatever is held of what this task names is to be added, before what is put into the queue
 * next. */
static void bring_in(struct shot_ledger *ledger, const struct shot_task *task)
{
    struct shot_chore *gift;
    for (size_t i = 0; ledger->held.parcels && i < task->attempt_count; i++)
        add(ledger, task->attempts[i]);
    while ((gift = shot_held_take_gift_within(&ledger->held, task)))
        do_usual(ledger, gift);
}

void shot_ledger_settle(struct shot_ledger *ledger, struct attempt_id id, bool counts)
{
    struct shot_chore *chore;
    if (take_delivered(ledger, id)) {
        if (counts && (chore = shot_chore_create(CHORE_FORGET, id)))
            do_usual(ledger, chore);
    } else if (counts && !ledger->leaving) {
        if ((chore = shot_held_take_gift(&ledger->held, id)))
            do_usual(ledger, chore);
        else
            add(ledger, id);
    }
}

void shot_ledger_leave(struct shot_ledger *ledger)
{
    ledger->leaving = true;
}

void shot_ledger_discard(struct shot_ledger *ledger, struct attempt_id id)
{
    shot_parcel_destroy(shot_held_take(&ledger->held, id));
    shot_chore_destroy(shot_held_take_gift(&ledger->held, id));
}

/* A chore about what a task names, with a file at `path`. */
static struct shot_chore *make_collection(enum shot_chore_kind kind, struct attempt_id id,
                                          const struct shot_task *task, const char *path)
{
    struct shot_chore *chore = shot_chore_create(kind, id);
    size_t size = task->attempt_count * sizeof(*task->attempts);
    if (!chore)
        return NULL;
    chore->path = strdup(path);
    chore->task = (struct shot_task){.operation = task->operation,
                                     .sum = task->sum,
                                     .exact = task->exact,
                                     .giver = task->giver,
                                     .attempts = malloc(size),
                                     .attempt_count = task->attempt_count};
    if (!chore->path || !chore->task.attempts) {
        shot_chore_destroy(chore);
        return NULL;
    }
    memcpy(chore->task.attempts, task->attempts, size);
    return chore;
}

static void tell_error(shot_collected_done *collected, void *context, struct error *error)
{
    collected(context, &(struct shot_collected){.error = error});
}

void shot_ledger_collect(struct shot_ledger *ledger, struct attempt_id id,
                         const struct shot_task *task, const char *path,
                         shot_collected_done *collected, void *context)
{
    struct error error;
    struct shot_chore *chore = make_collection(CHORE_DELIVER, id, task, path);
    if (!chore) {
        error_set(&error, ERROR_SYSTEM, "no memory to deliver a sum");
        tell_error(collected, context, &error);
        return;
    }
    chore->collected = collected;
    chore->context = context;
    bring_in(ledger, task);
    do_usual(ledger, chore);
}

int shot_ledger_listen(struct shot_ledger *ledger, char host[SHOT_HOST_MAX + 1], int *ret_port,
                       struct error *ret_error)
{
    return shot_peers_listen(ledger->peers, host, ret_port, ret_error);
}

void shot_ledger_take(struct shot_ledger *ledger, struct attempt_id id,
                      const struct shot_task *task, const struct shot_payload *payload,
                      const char *path, shot_collected_done *collected, void *context)
{
    struct error error;
    struct shot_chore *chore = NULL;
    const struct gift_terms *terms = shot_peers_terms(ledger->peers, &error);
    if (terms && !(chore = make_collection(CHORE_TAKE, id, task, path)))
        error_set(&error, ERROR_SYSTEM, "no memory to take a sum");
    if (chore && !(chore->payload = malloc(payload->size))) {
        error_set(&error, ERROR_SYSTEM, "no memory to take a sum");
        shot_chore_destroy(chore);
        chore = NULL;
    }
    if (!chore) {
        tell_error(collected, context, &error);
        return;
    }
    memcpy(chore->payload, payload->bytes, payload->size);
    chore->payload_size = payload->size;
    chore->terms = terms;
    chore->collected = collected;
    chore->context = context;
    do_usual(ledger, chore);
}

static void forget_in(struct shot_chores *queue, const void *context)
{
    for (struct shot_chore *chore = queue->first; chore; chore = chore->next)
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
    if (ledger->current->kind == CHORE_TAKE)
        hurry(ledger);
    while (errand_is_busy(ledger->errand) && !errand_wait(ledger->errand, CLOCK_SECOND_NS))
        ;
    worked(ledger);
}

/*
 * A session is one link between a worker and a master, from READY to loss; messages belong to
 * sessions and arrive in order, or not at all once the session was cut. What the master knows of
 * a session it may learn late: a cut is noticed some time after, when the worker may have joined
 * again by another session. The journal commits every few milliseconds; a master that dies loses
 * what was not committed, and the next one knows the journal alone.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/master/farm_sim.h"

#define COMMIT_NS    (5 * CLOCK_MS_NS)
#define MENTION_NS   (100 * CLOCK_MS_NS) /* shorter tasks are not announced by STARTED */
#define FOR_EVER_NS  (INT64_C(1000000) * CLOCK_SECOND_NS)
#define EVENTS_LIMIT 1000 /* per task, plus a million: then the farm is stuck */

enum kind {
    /* To the master. */
    TO_JOIN,
    TO_STARTED,
    TO_RESULT,
    TO_HANDBACK,
    TO_CREDIT,
    TO_LEAVING,
    /* To a worker. */
    TO_LEASE,
    TO_ACK,
    TO_CANCEL,
    TO_RECALL,
    /* What happens. */
    MASTER_COMMITS,
    MASTER_NOTICES,
    MASTER_TICKS,
    MASTER_DIES,
    WORKER_FINISHES,
    WORKER_DIES,
    WORKER_CUT,
    WORKER_DRAINS,
    WORKER_WISHES,
    WORKER_JOINS,
};

struct event {
    int64_t at_ns;
    uint64_t order; /* first come, first served among equals */
    enum kind kind;
    uint32_t session; /* of messages and MASTER_NOTICES; of others the worker */
    struct attempt_id id;
    uint32_t value; /* outcome, count, or token */
};

struct ledger_entry {
    uint32_t task;
    uint32_t attempt;
};

/* The master's side of a link. */
struct session {
    uint32_t worker;
    uint32_t id; /* what the scheduler calls it; 0: not joined, or lost */
    bool open;
    bool leaving;
    uint32_t credits;
    uint32_t live;
    struct ledger_entry *ledger; /* attempts that are live there, by our own books */
    uint32_t ledger_capacity;
    int64_t up_ns; /* when the last message sent arrives */
    int64_t down_ns;
    struct ledger_entry *offers; /* of the READY on its way */
    uint32_t offer_count;
};

enum held_state { QUEUED, RUNNING, FINISHED };

struct held {
    uint32_t task;
    uint32_t attempt;
    enum held_state state;
    enum scheduler_outcome outcome;
    uint32_t token; /* of the FINISHES event */
    int64_t began_ns;
    int64_t took_ns;
};

struct worker {
    uint32_t slots;
    uint32_t credits;
    uint32_t session; /* UINT32_MAX: away */
    uint32_t last_id;
    uint32_t life; /* counts its deaths */
    bool bad;
    bool draining;
    struct held *held;
    uint32_t held_count;
    uint32_t held_capacity;
    uint32_t running;
};

struct commit {
    struct attempt_id id;
    uint32_t session;
    char end; /* 'd', 'f', or 0: only to be acknowledged */
};

struct sim {
    const struct sim_config *config;
    struct sim_report *report;
    uint64_t random;
    int64_t now_ns;
    struct scheduler *scheduler;
    struct event *heap;
    size_t heap_count, heap_capacity;
    uint64_t orders;
    struct worker *workers;
    struct session *sessions;
    uint32_t session_count, session_capacity;
    uint32_t *session_of_id;
    uint32_t ids, id_capacity;
    uint32_t tokens;
    char *journal;     /* per task: 0, 'd' or 'f' */
    char *ended;       /* the same, as this master has it, committed or not */
    uint8_t *live;     /* per task */
    uint8_t *failures; /* that happened, known to the master or not */
    uint8_t *losses;   /* at least as many as the scheduler may count */
    uint32_t journaled;
    struct commit *commits;
    size_t commit_count, commit_capacity;
    int64_t tick_ns;
    uint32_t restarts;
};

/* ---- Chance, time, and complaints ---- */

/* splitmix64, as published by Sebastiano Vigna (public domain). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint64_t chance(struct sim *sim)
{
    return mix(sim->random += UINT64_C(0x9e3779b97f4a7c15));
}

static double unit(uint64_t bits)
{
    return (double)(bits >> 11) * 0x1p-53;
}

static bool happens(struct sim *sim, double share)
{
    return share > 0 && unit(chance(sim)) < share;
}

static int64_t upto(struct sim *sim, int64_t ns)
{
    return ns > 0 ? (int64_t)(chance(sim) % (uint64_t)ns) : 0;
}

static void complain(struct sim *sim, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void complain(struct sim *sim, const char *format, ...)
{
    char *text = sim->report->failure;
    if (*text)
        return;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, 300, format, args);
    va_end(args);
    if (length > 299)
        length = 299;
    snprintf(text + length, 200, " (seed %llu, at %.6f s)",
             (unsigned long long)sim->config->seed, (double)sim->now_ns / 1e9);
}

static void *grown(void *array, uint64_t count, size_t size)
{
    void *bigger = realloc(array, count * size);
    if (!bigger)
        abort();
    return bigger;
}

static bool before(const struct event *a, const struct event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void push(struct sim *sim, struct event event)
{
    if (sim->heap_count == sim->heap_capacity) {
        sim->heap_capacity = sim->heap_capacity ? sim->heap_capacity * 2 : 1024;
        sim->heap = grown(sim->heap, sim->heap_capacity, sizeof(event));
    }
    event.order = sim->orders++;
    size_t at = sim->heap_count++;
    while (at && before(&event, &sim->heap[(at - 1) / 2])) {
        sim->heap[at] = sim->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    sim->heap[at] = event;
}

static struct event pop(struct sim *sim)
{
    struct event top = sim->heap[0];
    struct event last = sim->heap[--sim->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= sim->heap_count)
            break;
        if (child + 1 < sim->heap_count && before(&sim->heap[child + 1], &sim->heap[child]))
            child++;
        if (!before(&sim->heap[child], &last))
            break;
        sim->heap[at] = sim->heap[child];
        at = child;
    }
    sim->heap[at] = last;
    return top;
}

static void later(struct sim *sim, int64_t in_ns, enum kind kind, uint32_t worker,
                  struct attempt_id id, uint32_t value)
{
    push(sim, (struct event){.at_ns = sim->now_ns + in_ns,
                             .kind = kind,
                             .session = worker,
                             .id = id,
                             .value = value});
}

/* After a time that is exponentially distributed, roughly: uniform in up to twice the mean. */
static void at_rate(struct sim *sim, double rate, enum kind kind, uint32_t worker)
{
    if (rate > 0)
        later(sim, (int64_t)(unit(chance(sim)) * 2e9 / rate), kind, worker,
              (struct attempt_id){0}, 0);
}

static void send(struct sim *sim, enum kind kind, uint32_t number, struct attempt_id id,
                 uint32_t value)
{
    struct session *session = &sim->sessions[number];
    if (!session->open)
        return;
    int64_t *last_ns = kind < TO_LEASE ? &session->up_ns : &session->down_ns;
    int64_t at_ns = sim->now_ns + upto(sim, sim->config->delay_ns);
    if (at_ns < *last_ns)
        at_ns = *last_ns;
    *last_ns = at_ns;
    struct event event = {
        .at_ns = at_ns, .kind = kind, .session = number, .id = id, .value = value};
    push(sim, event);
    if (kind < TO_LEASE && kind != TO_JOIN && happens(sim, sim->config->twice)) {
        event.at_ns += upto(sim, sim->config->delay_ns * 3);
        push(sim, event);
    }
}

/* ---- Tasks ---- */

enum nature { SOUND, POISON, FLAKY, KILLER };

static enum nature nature_of(const struct sim *sim, uint32_t task)
{
    const struct sim_config *config = sim->config;
    double at = unit(mix(config->seed * 31 + task));
    if (at < config->poison)
        return POISON;
    if (at < config->poison + config->flaky)
        return FLAKY;
    return at < config->poison + config->flaky + config->killer ? KILLER : SOUND;
}

/* ---- Workers ---- */

static struct held *held_find(struct worker *worker, struct attempt_id id)
{
    for (uint32_t i = 0; i < worker->held_count; i++) {
        if (worker->held[i].task == id.task && worker->held[i].attempt == id.attempt)
            return &worker->held[i];
    }
    return NULL;
}

static void held_remove(struct worker *worker, struct held *held)
{
    if (held->state == RUNNING)
        worker->running--;
    uint32_t at = (uint32_t)(held - worker->held);
    memmove(held, held + 1, (--worker->held_count - at) * sizeof(*held));
}

static void worker_begin(struct sim *sim, uint32_t number, struct held *held)
{
    struct worker *worker = &sim->workers[number];
    struct attempt_id id = {.task = held->task, .attempt = held->attempt};
    enum nature nature = nature_of(sim, held->task);
    int64_t took_ns = upto(sim, 2 * sim->config->task_ns);
    if (happens(sim, sim->config->straggler))
        took_ns *= 50;
    if (worker->bad)
        took_ns = CLOCK_MS_NS;
    bool fails = worker->bad || nature == POISON || (nature == FLAKY && happens(sim, 0.5));
    held->state = RUNNING;
    held->outcome = fails ? SCHEDULER_FAILED : SCHEDULER_OK;
    held->token = ++sim->tokens;
    held->began_ns = sim->now_ns;
    worker->running++;
    if (nature == KILLER)
        later(sim, took_ns, WORKER_DIES, number, id, worker->life + 1);
    else
        later(sim, took_ns, WORKER_FINISHES, number, id, held->token);
    if (took_ns > MENTION_NS && worker->session != UINT32_MAX)
        send(sim, TO_STARTED, worker->session, id, 0);
}

static void worker_run(struct sim *sim, uint32_t number)
{
    struct worker *worker = &sim->workers[number];
    for (uint32_t i = 0; i < worker->held_count && worker->running < worker->slots; i++) {
        if (worker->held[i].state == QUEUED && !worker->draining)
            worker_begin(sim, number, &worker->held[i]);
    }
}

static void worker_away(struct sim *sim, uint32_t number)
{
    sim->workers[number].session = UINT32_MAX;
    sim->workers[number].draining = false;
    later(sim, 1 + upto(sim, sim->config->away_ns), WORKER_JOINS, number,
          (struct attempt_id){0}, 0);
}

/* The link goes; the master notices at once, or after a while. */
static void worker_cut(struct sim *sim, uint32_t number)
{
    struct worker *worker = &sim->workers[number];
    if (worker->session == UINT32_MAX)
        return;
    sim->sessions[worker->session].open = false;
    later(sim, happens(sim, 0.5) ? 0 : upto(sim, sim->config->away_ns), MASTER_NOTICES,
          worker->session, (struct attempt_id){0}, 0);
    worker_away(sim, number);
    worker_run(sim, number);
}

static void worker_dies(struct sim *sim, uint32_t number)
{
    struct worker *worker = &sim->workers[number];
    worker->held_count = 0;
    worker->running = 0;
    worker->life++;
    worker_cut(sim, number);
}

/* A drained worker that has nothing left closes. */
static void worker_maybe_closes(struct sim *sim, uint32_t number)
{
    struct worker *worker = &sim->workers[number];
    if (worker->draining && !worker->held_count)
        worker_cut(sim, number);
}

static void worker_hands_back(struct sim *sim, uint32_t number, uint32_t count)
{
    struct worker *worker = &sim->workers[number];
    for (uint32_t i = worker->held_count; i-- && count;) {
        struct held *held = &worker->held[i];
        if (held->state != QUEUED)
            continue;
        struct attempt_id id = {.task = held->task, .attempt = held->attempt};
        send(sim, TO_HANDBACK, worker->session, id, 0);
        held_remove(worker, held);
        count--;
    }
}

static void worker_drains(struct sim *sim, uint32_t number)
{
    struct worker *worker = &sim->workers[number];
    if (worker->session == UINT32_MAX || worker->draining)
        return;
    worker->draining = true;
    send(sim, TO_LEAVING, worker->session, (struct attempt_id){0}, 0);
    worker_hands_back(sim, number, UINT32_MAX);
    worker_maybe_closes(sim, number);
}

static void worker_wishes(struct sim *sim, uint32_t number)
{
    struct worker *worker = &sim->workers[number];
    worker->credits = worker->slots + (uint32_t)(chance(sim) % (sim->config->prefetch_max + 1));
    if (worker->session != UINT32_MAX)
        send(sim, TO_CREDIT, worker->session, (struct attempt_id){0}, worker->credits);
}

/* What a RESULT says: how it ended, and how many ms it took. */
static uint32_t result_value(const struct held *held)
{
    return (uint32_t)held->outcome | (uint32_t)(held->took_ns / CLOCK_MS_NS) << 2;
}

static void worker_finishes(struct sim *sim, uint32_t number, const struct event *event)
{
    struct worker *worker = &sim->workers[number];
    struct held *held = held_find(worker, event->id);
    if (!held || held->token != event->value)
        return;
    held->state = FINISHED;
    held->took_ns = sim->now_ns - held->began_ns;
    worker->running--;
    if (worker->session != UINT32_MAX)
        send(sim, TO_RESULT, worker->session, event->id, result_value(held));
    if (held->outcome != SCHEDULER_OK && sim->failures[event->id.task] < UINT8_MAX)
        sim->failures[event->id.task]++;
    worker_run(sim, number);
}

/* READY carries all it holds; results follow. */
static void worker_joins(struct sim *sim, uint32_t number)
{
    struct worker *worker = &sim->workers[number];
    if (worker->session != UINT32_MAX)
        return;
    if (sim->session_count == sim->session_capacity) {
        sim->session_capacity = sim->session_capacity ? sim->session_capacity * 2 : 64;
        sim->sessions = grown(sim->sessions, sim->session_capacity, sizeof(*sim->sessions));
    }
    worker->session = sim->session_count++;
    struct session *session = &sim->sessions[worker->session];
    *session = (struct session){.worker = number, .open = true, .credits = worker->credits};
    session->offers = malloc((worker->held_count + 1) * sizeof(*session->offers));
    for (uint32_t i = 0; i < worker->held_count; i++)
        session->offers[session->offer_count++] =
            (struct ledger_entry){worker->held[i].task, worker->held[i].attempt};
    send(sim, TO_JOIN, worker->session, (struct attempt_id){0}, worker->credits);
    for (uint32_t i = 0; i < worker->held_count; i++) {
        const struct held *held = &worker->held[i];
        if (held->state == FINISHED)
            send(sim, TO_RESULT, worker->session,
                 (struct attempt_id){.task = held->task, .attempt = held->attempt},
                 result_value(held));
    }
}

static void worker_takes(struct sim *sim, uint32_t number, struct attempt_id id)
{
    struct worker *worker = &sim->workers[number];
    if (worker->draining) {
        send(sim, TO_HANDBACK, worker->session, id, 0);
        return;
    }
    if (held_find(worker, id)) {
        complain(sim, "worker %u got %u.%u, which it has", number, (unsigned)id.task,
                 id.attempt);
        return;
    }
    if (worker->held_count == worker->held_capacity) {
        worker->held_capacity = worker->held_capacity ? worker->held_capacity * 2 : 8;
        worker->held = grown(worker->held, worker->held_capacity, sizeof(*worker->held));
    }
    worker->held[worker->held_count++] =
        (struct held){.task = (uint32_t)id.task, .attempt = id.attempt, .state = QUEUED};
    worker_run(sim, number);
}

static void worker_hears(struct sim *sim, const struct event *event)
{
    uint32_t number = sim->sessions[event->session].worker;
    struct worker *worker = &sim->workers[number];
    struct held *held = held_find(worker, event->id);
    switch (event->kind) {
    case TO_LEASE:
        worker_takes(sim, number, event->id);
        return;
    case TO_ACK:
        if (held && held->state == FINISHED)
            held_remove(worker, held);
        break;
    case TO_CANCEL:
        /* A result is kept until it is acknowledged. */
        if (held && held->state != FINISHED)
            held_remove(worker, held);
        worker_run(sim, number);
        break;
    default:
        if (!happens(sim, sim->config->deaf))
            worker_hands_back(sim, number, event->value);
        break;
    }
    worker_maybe_closes(sim, number);
}

/* ---- The master ---- */

static bool ledger_remove(struct sim *sim, struct session *session, struct attempt_id id)
{
    for (uint32_t i = 0; i < session->live; i++) {
        struct ledger_entry *entry = &session->ledger[i];
        if (entry->task != id.task || entry->attempt != id.attempt)
            continue;
        *entry = session->ledger[--session->live];
        sim->live[id.task]--;
        return true;
    }
    return false;
}

static void ledger_add(struct sim *sim, struct session *session, struct attempt_id id)
{
    for (uint32_t i = 0; i < session->live; i++) {
        if (session->ledger[i].task == id.task)
            complain(sim, "task %u is live twice on worker %u", (unsigned)id.task, session->id);
    }
    if (session->live == session->ledger_capacity) {
        session->ledger_capacity = session->ledger_capacity ? session->ledger_capacity * 2 : 4;
        session->ledger =
            grown(session->ledger, session->ledger_capacity, sizeof(*session->ledger));
    }
    session->ledger[session->live++] = (struct ledger_entry){(uint32_t)id.task, id.attempt};
    if (++sim->live[id.task] > 2)
        complain(sim, "task %u is live three times", (unsigned)id.task);
    if (sim->ended[id.task])
        complain(sim, "task %u is live though it ended", (unsigned)id.task);
}

static void master_ends(struct sim *sim, struct attempt_id id, uint32_t session, char end)
{
    if (end && sim->ended[id.task])
        complain(sim, "task %u ended twice", (unsigned)id.task);
    if (end)
        sim->ended[id.task] = end;
    if (sim->commit_count == sim->commit_capacity) {
        sim->commit_capacity = sim->commit_capacity ? sim->commit_capacity * 2 : 64;
        sim->commits = grown(sim->commits, sim->commit_capacity, sizeof(*sim->commits));
    }
    if (!sim->commit_count)
        later(sim, COMMIT_NS, MASTER_COMMITS, 0, (struct attempt_id){0}, sim->restarts);
    sim->commits[sim->commit_count++] =
        (struct commit){.id = id, .session = session, .end = end};
}

static void master_commits(struct sim *sim, uint32_t restarts)
{
    if (restarts != sim->restarts)
        return;
    for (size_t i = 0; i < sim->commit_count; i++) {
        const struct commit *commit = &sim->commits[i];
        if (commit->end) {
            if (sim->journal[commit->id.task])
                complain(sim, "task %u journaled twice", (unsigned)commit->id.task);
            sim->journal[commit->id.task] = commit->end;
            sim->journaled++;
        }
        if (commit->session != UINT32_MAX)
            send(sim, TO_ACK, commit->session, commit->id, 0);
    }
    sim->commit_count = 0;
}

static struct session *session_of(struct sim *sim, uint32_t id)
{
    if (!id || id >= sim->id_capacity || sim->session_of_id[id] == UINT32_MAX) {
        complain(sim, "an action for worker %u, which has not joined", id);
        return NULL;
    }
    return &sim->sessions[sim->session_of_id[id]];
}

static void act_lease(struct sim *sim, const struct scheduler_action *action)
{
    struct session *session = session_of(sim, action->worker);
    if (!session)
        return;
    if (session->leaving)
        complain(sim, "a lease for worker %u, which is leaving", action->worker);
    if (session->live + action->count > session->credits)
        complain(sim, "worker %u has %u leases, gets %u more, and wants %u", action->worker,
                 session->live, action->count, session->credits);
    for (uint32_t i = 0; i < action->count; i++) {
        ledger_add(sim, session, action->attempts[i]);
        send(sim, TO_LEASE, sim->session_of_id[action->worker], action->attempts[i], 0);
    }
    sim->report->leases += action->count;
}

static void act_cancel(struct sim *sim, const struct scheduler_action *action)
{
    struct session *session = session_of(sim, action->worker);
    for (uint32_t i = 0; session && i < action->count; i++) {
        if (!ledger_remove(sim, session, action->attempts[i]))
            complain(sim, "%u.%u was cancelled on worker %u, where it was not live",
                     (unsigned)action->attempts[i].task, action->attempts[i].attempt,
                     action->worker);
        send(sim, TO_CANCEL, sim->session_of_id[action->worker], action->attempts[i], 0);
    }
}

static void act_fail(struct sim *sim, const struct scheduler_action *action)
{
    for (uint32_t i = 0; i < action->count; i++) {
        uint64_t task = action->attempts[i].task;
        if (sim->failures[task] < sim->config->policy.attempts &&
            (!sim->config->policy.losses || sim->losses[task] < sim->config->policy.losses))
            complain(sim, "task %u failed after %u failures and %u losses", (unsigned)task,
                     sim->failures[task], sim->losses[task]);
        master_ends(sim, action->attempts[i], UINT32_MAX, 'f');
    }
}

static void act_give_up(struct sim *sim, const struct scheduler_action *action)
{
    uint64_t task = action->attempts[0].task;
    int64_t least_ns = sim->config->policy.overdue_floor_ns < sim->config->policy.overdue_ns
                           ? sim->config->policy.overdue_floor_ns
                           : sim->config->policy.overdue_ns;
    if (action->ran_ns < least_ns)
        complain(sim, "task %u was given up after %.6f s", (unsigned)task,
                 (double)action->ran_ns / 1e9);
    act_cancel(sim, action);
    if (sim->failures[task] < UINT8_MAX)
        sim->failures[task]++;
    sim->report->given_up++;
    if (action->failed)
        act_fail(sim, action);
}

static void act(struct sim *sim, const struct scheduler_action *action)
{
    struct session *session;
    sim->report->actions++;
    switch (action->kind) {
    case SCHEDULER_LEASE:
        act_lease(sim, action);
        break;
    case SCHEDULER_CANCEL:
        act_cancel(sim, action);
        break;
    case SCHEDULER_RECALL:
        session = session_of(sim, action->worker);
        if (session && (!action->count || action->count > session->live))
            complain(sim, "%u of %u were recalled", action->count, session->live);
        if (session)
            send(sim, TO_RECALL, sim->session_of_id[action->worker], (struct attempt_id){0},
                 action->count);
        sim->report->recalls++;
        break;
    case SCHEDULER_FAIL_TASK:
        act_fail(sim, action);
        break;
    case SCHEDULER_GIVE_UP:
        act_give_up(sim, action);
        break;
    case SCHEDULER_SET_ASIDE:
        sim->report->set_asides++;
        break;
    case SCHEDULER_REINSTATE:
        break;
    }
}

static void master_pulls(struct sim *sim)
{
    struct scheduler_action action;
    struct error error;
    int rc;
    while ((rc = scheduler_next_action(sim->scheduler, sim->now_ns, &action, &error)) > 0)
        act(sim, &action);
    if (rc < 0)
        complain(sim, "%s", error.text);
    int64_t wake_ns = scheduler_wake_ns(sim->scheduler);
    if (wake_ns <= sim->now_ns)
        complain(sim, "it wants to be woken at %.6f s, which has passed",
                 (double)wake_ns / 1e9);
    if (wake_ns < sim->tick_ns) {
        sim->tick_ns = wake_ns;
        later(sim, wake_ns - sim->now_ns, MASTER_TICKS, 0, (struct attempt_id){0}, 0);
    }
}

static void master_loses(struct sim *sim, uint32_t number)
{
    struct session *session = &sim->sessions[number];
    if (!session->id)
        return;
    sim->report->losses++;
    for (uint32_t i = 0; i < session->live; i++) {
        uint32_t task = session->ledger[i].task;
        sim->live[task]--;
        if (!session->leaving && sim->losses[task] < UINT8_MAX)
            sim->losses[task]++;
    }
    sim->session_of_id[session->id] = UINT32_MAX;
    sim->report->events++;
    scheduler_worker_lost(sim->scheduler, session->id, sim->now_ns);
    session->id = 0;
    session->live = 0;
    free(session->ledger);
    session->ledger = NULL;
    session->ledger_capacity = 0;
    master_pulls(sim);
}

/* Some come back under the name they had, if that was given up. */
static uint32_t id_for(struct sim *sim, struct worker *worker)
{
    if (worker->last_id && worker->last_id < sim->id_capacity &&
        sim->session_of_id[worker->last_id] == UINT32_MAX && happens(sim, 0.5))
        return worker->last_id;
    worker->last_id = ++sim->ids;
    while (worker->last_id >= sim->id_capacity) {
        uint32_t capacity = sim->id_capacity ? sim->id_capacity * 2 : 64;
        sim->session_of_id = grown(sim->session_of_id, capacity, sizeof(uint32_t));
        memset(sim->session_of_id + sim->id_capacity, 0xff,
               (capacity - sim->id_capacity) * sizeof(uint32_t));
        sim->id_capacity = capacity;
    }
    return worker->last_id;
}

static void master_welcomes(struct sim *sim, uint32_t number, uint32_t credits)
{
    struct session *session = &sim->sessions[number];
    struct worker *worker = &sim->workers[session->worker];
    struct error error;
    session->id = id_for(sim, worker);
    session->credits = credits;
    sim->session_of_id[session->id] = number;
    sim->report->events++;
    if (scheduler_worker_joined(sim->scheduler, session->id, worker->slots, credits,
                                sim->now_ns, &error) < 0)
        complain(sim, "%s", error.text);
    for (uint32_t i = 0; i < session->offer_count; i++) {
        struct attempt_id id = {.task = session->offers[i].task,
                                .attempt = session->offers[i].attempt};
        sim->report->events++;
        switch (scheduler_adopted(sim->scheduler, session->id, id, sim->now_ns)) {
        case SCHEDULER_ADOPTED:
            ledger_add(sim, session, id);
            sim->report->adoptions++;
            break;
        case SCHEDULER_CANCEL_IT:
            send(sim, TO_CANCEL, number, id, 0);
            break;
        case SCHEDULER_ADOPT_UNKNOWN:
            complain(sim, "task %u is unknown", (unsigned)id.task);
        }
    }
    free(session->offers);
    session->offers = NULL;
    session->offer_count = 0;
}

static void master_judges(struct sim *sim, uint32_t number, const struct event *event)
{
    struct session *session = &sim->sessions[number];
    struct attempt_id id = event->id;
    enum scheduler_outcome outcome = event->value & 3;
    enum scheduler_verdict verdict =
        scheduler_result(sim->scheduler, session->id, id, outcome,
                         (event->value >> 2) * CLOCK_MS_NS, sim->now_ns);
    bool live = ledger_remove(sim, session, id);
    switch (verdict) {
    case SCHEDULER_ACCEPT:
        sim->report->late += !live;
        master_ends(sim, id, number, 'd');
        if (outcome != SCHEDULER_OK)
            complain(sim, "a failure of task %u was accepted", (unsigned)id.task);
        break;
    case SCHEDULER_FAIL:
        master_ends(sim, id, number, 'f');
        if (sim->failures[id.task] < sim->config->policy.attempts &&
            (!sim->config->policy.losses || sim->losses[id.task] < sim->config->policy.losses))
            complain(sim, "task %u failed after %u failures", (unsigned)id.task,
                     sim->failures[id.task]);
        break;
    case SCHEDULER_RETRY:
        send(sim, TO_ACK, number, id, 0);
        break;
    default:
        sim->report->repeated++;
        if (verdict == SCHEDULER_UNKNOWN || (verdict == SCHEDULER_STALE && live))
            complain(sim, "a result of task %u is %s", (unsigned)id.task,
                     scheduler_verdict_name(verdict));
        master_ends(sim, id, number, 0);
    }
}

static void master_hears(struct sim *sim, const struct event *event)
{
    struct session *session = &sim->sessions[event->session];
    if (event->kind == TO_JOIN)
        master_welcomes(sim, event->session, event->value);
    if (!session->id)
        return;
    sim->report->events++;
    switch (event->kind) {
    case TO_STARTED:
        scheduler_started(sim->scheduler, session->id, event->id, sim->now_ns);
        break;
    case TO_RESULT:
        master_judges(sim, event->session, event);
        break;
    case TO_HANDBACK:
        scheduler_handed_back(sim->scheduler, session->id, event->id, sim->now_ns);
        ledger_remove(sim, session, event->id);
        break;
    case TO_CREDIT:
        scheduler_worker_credits(sim->scheduler, session->id, event->value);
        session->credits = event->value;
        break;
    case TO_LEAVING:
        scheduler_worker_leaving(sim->scheduler, session->id);
        session->leaving = true;
        break;
    default:
        break;
    }
    master_pulls(sim);
    struct scheduler_worker_view view = scheduler_worker_view(sim->scheduler, session->id);
    if (view.leased != session->live)
        complain(sim, "worker %u has %u leases, but %u are live", session->id, view.leased,
                 session->live);
}

static void scheduler_begin(struct sim *sim)
{
    struct error error = {0};
    sim->scheduler = scheduler_create(&sim->config->policy, &error);
    for (uint32_t task = 1; task <= sim->config->tasks; task++) {
        if (sim->journal[task] &&
            scheduler_restore(sim->scheduler, task, sim->journal[task] == 'd', &error) < 0)
            complain(sim, "%s", error.text);
    }
    size_t bytes = scheduler_memory_bytes(sim->scheduler);
    if (scheduler_add(sim->scheduler, sim->config->tasks, &error) < 0)
        complain(sim, "%s", error.text);
    if (!sim->restarts)
        sim->report->bytes_per_task =
            (double)(scheduler_memory_bytes(sim->scheduler) - bytes) / sim->config->tasks;
}

static void master_dies(struct sim *sim)
{
    sim->restarts++;
    for (uint32_t i = 0; i < sim->session_count; i++) {
        struct session *session = &sim->sessions[i];
        if (session->open)
            worker_away(sim, session->worker);
        session->open = false;
        session->id = 0;
        session->live = 0;
    }
    for (uint32_t id = 0; id < sim->id_capacity; id++)
        sim->session_of_id[id] = UINT32_MAX;
    memset(sim->live, 0, sim->config->tasks + 1);
    memcpy(sim->ended, sim->journal, sim->config->tasks + 1);
    sim->commit_count = 0;
    sim->tick_ns = INT64_MAX;
    scheduler_destroy(sim->scheduler);
    scheduler_begin(sim);
}

/* ---- All together ---- */

static void happen(struct sim *sim, const struct event *event)
{
    const struct sim_config *config = sim->config;
    uint32_t worker = event->session;
    switch (event->kind) {
    case MASTER_COMMITS:
        master_commits(sim, event->value);
        break;
    case MASTER_NOTICES:
        master_loses(sim, event->session);
        break;
    case MASTER_TICKS:
        sim->tick_ns = INT64_MAX;
        master_pulls(sim);
        break;
    case MASTER_DIES:
        master_dies(sim);
        break;
    case WORKER_FINISHES:
        worker_finishes(sim, worker, event);
        break;
    case WORKER_DIES:
        /* By its task, if that still runs in the same life; else by chance. */
        if (!event->value || (event->value == sim->workers[worker].life + 1 &&
                              held_find(&sim->workers[worker], event->id)))
            worker_dies(sim, worker);
        if (!event->value)
            at_rate(sim, config->kill_rate, WORKER_DIES, worker);
        break;
    case WORKER_CUT:
        worker_cut(sim, worker);
        at_rate(sim, config->cut_rate, WORKER_CUT, worker);
        break;
    case WORKER_DRAINS:
        worker_drains(sim, worker);
        at_rate(sim, config->drain_rate, WORKER_DRAINS, worker);
        break;
    case WORKER_WISHES:
        worker_wishes(sim, worker);
        at_rate(sim, config->credit_rate, WORKER_WISHES, worker);
        break;
    case WORKER_JOINS:
        worker_joins(sim, worker);
        break;
    default:
        if (!sim->sessions[event->session].open)
            break;
        if (event->kind < TO_LEASE)
            master_hears(sim, event);
        else
            worker_hears(sim, event);
    }
}

static void sim_begin(struct sim *sim)
{
    const struct sim_config *config = sim->config;
    sim->random = config->seed;
    sim->tick_ns = INT64_MAX;
    sim->journal = calloc(config->tasks + 1, 1);
    sim->ended = calloc(config->tasks + 1, 1);
    sim->live = calloc(config->tasks + 1, 1);
    sim->failures = calloc(config->tasks + 1, 1);
    sim->losses = calloc(config->tasks + 1, 1);
    sim->workers = calloc(config->workers, sizeof(*sim->workers));
    scheduler_begin(sim);
    for (uint32_t i = 0; i < config->workers; i++) {
        struct worker *worker = &sim->workers[i];
        worker->slots = 1 + (uint32_t)(chance(sim) % config->slots_max);
        worker->credits = worker->slots + (uint32_t)(chance(sim) % (config->prefetch_max + 1));
        worker->session = UINT32_MAX;
        worker->bad = i && happens(sim, config->bad_workers);
        later(sim, upto(sim, config->away_ns), WORKER_JOINS, i, (struct attempt_id){0}, 0);
        at_rate(sim, config->kill_rate, WORKER_DIES, i);
        at_rate(sim, config->cut_rate, WORKER_CUT, i);
        at_rate(sim, config->drain_rate, WORKER_DRAINS, i);
        at_rate(sim, config->credit_rate, WORKER_WISHES, i);
    }
}

static void sim_check_end(struct sim *sim)
{
    for (uint32_t task = 1; task <= sim->config->tasks; task++) {
        if (sim->journal[task] != 'd' && sim->journal[task] != 'f')
            complain(sim, "task %u never ended", task);
        sim->report->done += sim->journal[task] == 'd';
        sim->report->failed += sim->journal[task] == 'f';
        sim->report->failed_sound += sim->journal[task] == 'f' && nature_of(sim, task) == SOUND;
        if (nature_of(sim, task) == POISON && sim->journal[task] == 'd')
            complain(sim, "task %u is poison, but done", task);
    }
    struct scheduler_counts counts = scheduler_counts(sim->scheduler);
    if (counts.waiting || counts.leased || counts.live || counts.done != sim->report->done ||
        counts.failed != sim->report->failed)
        complain(sim, "at the end %u wait, %u are leased, %u live", (unsigned)counts.waiting,
                 (unsigned)counts.leased, (unsigned)counts.live);
}

static void sim_end(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->session_count; i++) {
        free(sim->sessions[i].ledger);
        free(sim->sessions[i].offers);
    }
    for (uint32_t i = 0; i < sim->config->workers; i++)
        free(sim->workers[i].held);
    free(sim->workers);
    free(sim->sessions);
    free(sim->session_of_id);
    free(sim->heap);
    free(sim->commits);
    free(sim->journal);
    free(sim->ended);
    free(sim->live);
    free(sim->failures);
    free(sim->losses);
    scheduler_destroy(sim->scheduler);
}

/* The scheduler's memory for workers alone, that join with nothing to do. */
static double measure_worker(const struct sim_config *config)
{
    struct scheduler *scheduler = scheduler_create(&config->policy, NULL);
    size_t bytes = scheduler_memory_bytes(scheduler);
    for (uint32_t i = 1; i <= config->workers; i++)
        scheduler_worker_joined(scheduler, i, 1, 1, 0, NULL);
    bytes = scheduler_memory_bytes(scheduler) - bytes;
    scheduler_destroy(scheduler);
    return (double)bytes / config->workers;
}

int sim_run(const struct sim_config *config, struct sim_report *report)
{
    struct sim sim = {.config = config, .report = report};
    *report = (struct sim_report){.bytes_per_worker = measure_worker(config)};
    sim_begin(&sim);
    uint64_t limit = (uint64_t)EVENTS_LIMIT * config->tasks + 1000000;
    while (sim.journaled < config->tasks && !*report->failure) {
        /* The master dies when so many have ended. */
        if (sim.restarts < config->master_restarts &&
            sim.journaled >=
                (uint64_t)config->tasks * (sim.restarts + 1) / (config->master_restarts + 1))
            master_dies(&sim);
        if (!sim.heap_count || sim.orders > limit || sim.now_ns > FOR_EVER_NS) {
            complain(&sim, "stuck: %u of %u tasks ended, %zu events to come", sim.journaled,
                     config->tasks, sim.heap_count);
            break;
        }
        struct event event = pop(&sim);
        sim.now_ns = event.at_ns;
        happen(&sim, &event);
    }
    report->duplicates = scheduler_counts(sim.scheduler).duplicated;
    report->seconds = (double)sim.now_ns / 1e9;
    if (!*report->failure)
        sim_check_end(&sim);
    sim_end(&sim);
    return *report->failure ? -1 : 0;
}

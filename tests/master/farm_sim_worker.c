#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/master/farm_sim_private.h"

#define MENTION_NS (100 * CLOCK_MS_NS) /* shorter tasks are not announced by STARTED */

struct held *worker_find(struct worker *worker, struct attempt_id id)
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
    enum nature nature = sim_nature(sim, held->task);
    int64_t took_ns = sim_upto(sim, 2 * sim->config->task_ns);
    if (sim_happens(sim, sim->config->straggler))
        took_ns *= 50;
    if (worker->bad)
        took_ns = CLOCK_MS_NS;
    bool fails = worker->bad || nature == POISON || (nature == FLAKY && sim_happens(sim, 0.5));
    held->state = RUNNING;
    held->outcome = fails ? SCHEDULER_FAILED : SCHEDULER_OK;
    held->token = ++sim->tokens;
    held->began_ns = sim->now_ns;
    worker->running++;
    if (nature == KILLER)
        sim_later(sim, took_ns, WORKER_DIES, number, id, worker->life + 1);
    else
        sim_later(sim, took_ns, WORKER_FINISHES, number, id, held->token);
    if (took_ns > MENTION_NS && worker->session != UINT32_MAX)
        sim_send(sim, TO_STARTED, worker->session, id, 0);
}

static void worker_run(struct sim *sim, uint32_t number)
{
    struct worker *worker = &sim->workers[number];
    for (uint32_t i = 0; i < worker->held_count && worker->running < worker->slots; i++) {
        if (worker->held[i].state == QUEUED && !worker->draining)
            worker_begin(sim, number, &worker->held[i]);
    }
}

void worker_away(struct sim *sim, uint32_t number)
{
    sim->workers[number].session = UINT32_MAX;
    sim->workers[number].draining = false;
    sim_later(sim, 1 + sim_upto(sim, sim->config->away_ns), WORKER_JOINS, number,
              (struct attempt_id){0}, 0);
}

/* The link goes; the master notices at once, or after a while. */
void worker_cut(struct sim *sim, uint32_t number)
{
    struct worker *worker = &sim->workers[number];
    if (worker->session == UINT32_MAX)
        return;
    sim->sessions[worker->session].open = false;
    sim_later(sim, sim_happens(sim, 0.5) ? 0 : sim_upto(sim, sim->config->away_ns),
              MASTER_NOTICES, worker->session, (struct attempt_id){0}, 0);
    worker_away(sim, number);
    worker_run(sim, number);
}

void worker_dies(struct sim *sim, uint32_t number)
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
        sim_send(sim, TO_HANDBACK, worker->session, id, 0);
        held_remove(worker, held);
        count--;
    }
}

void worker_drains(struct sim *sim, uint32_t number)
{
    struct worker *worker = &sim->workers[number];
    if (worker->session == UINT32_MAX || worker->draining)
        return;
    worker->draining = true;
    sim_send(sim, TO_LEAVING, worker->session, (struct attempt_id){0}, 0);
    worker_hands_back(sim, number, UINT32_MAX);
    worker_maybe_closes(sim, number);
}

void worker_wishes(struct sim *sim, uint32_t number)
{
    struct worker *worker = &sim->workers[number];
    worker->credits =
        worker->slots + (uint32_t)(sim_chance(sim) % (sim->config->prefetch_max + 1));
    if (worker->session != UINT32_MAX)
        sim_send(sim, TO_CREDIT, worker->session, (struct attempt_id){0}, worker->credits);
}

/* What a RESULT says: how it ended, and how many ms it took. */
static uint32_t result_value(const struct held *held)
{
    return (uint32_t)held->outcome | (uint32_t)(held->took_ns / CLOCK_MS_NS) << 2;
}

void worker_finishes(struct sim *sim, uint32_t number, const struct event *event)
{
    struct worker *worker = &sim->workers[number];
    struct held *held = worker_find(worker, event->id);
    if (!held || held->token != event->value)
        return;
    held->state = FINISHED;
    held->took_ns = sim->now_ns - held->began_ns;
    worker->running--;
    if (worker->session != UINT32_MAX)
        sim_send(sim, TO_RESULT, worker->session, event->id, result_value(held));
    if (held->outcome != SCHEDULER_OK && sim->failures[event->id.task] < UINT8_MAX)
        sim->failures[event->id.task]++;
    worker_run(sim, number);
}

/* READY carries all it holds; results follow. */
void worker_joins(struct sim *sim, uint32_t number)
{
    struct worker *worker = &sim->workers[number];
    if (worker->session != UINT32_MAX)
        return;
    if (sim->session_count == sim->session_capacity) {
        sim->session_capacity = sim->session_capacity ? sim->session_capacity * 2 : 64;
        sim->sessions = sim_grown(sim->sessions, sim->session_capacity, sizeof(*sim->sessions));
    }
    worker->session = sim->session_count++;
    struct session *session = &sim->sessions[worker->session];
    *session = (struct session){.worker = number, .open = true, .credits = worker->credits};
    session->offers = malloc((worker->held_count + 1) * sizeof(*session->offers));
    for (uint32_t i = 0; i < worker->held_count; i++)
        session->offers[session->offer_count++] =
            (struct ledger_entry){worker->held[i].task, worker->held[i].attempt};
    sim_send(sim, TO_JOIN, worker->session, (struct attempt_id){0}, worker->credits);
    for (uint32_t i = 0; i < worker->held_count; i++) {
        const struct held *held = &worker->held[i];
        if (held->state == FINISHED)
            sim_send(sim, TO_RESULT, worker->session,
                     (struct attempt_id){.task = held->task, .attempt = held->attempt},
                     result_value(held));
    }
}

static void worker_takes(struct sim *sim, uint32_t number, struct attempt_id id)
{
    struct worker *worker = &sim->workers[number];
    if (worker->draining) {
        sim_send(sim, TO_HANDBACK, worker->session, id, 0);
        return;
    }
    if (worker_find(worker, id)) {
        sim_complain(sim, "worker %u got %u.%u, which it has", number, (unsigned)id.task,
                     id.attempt);
        return;
    }
    if (worker->held_count == worker->held_capacity) {
        worker->held_capacity = worker->held_capacity ? worker->held_capacity * 2 : 8;
        worker->held = sim_grown(worker->held, worker->held_capacity, sizeof(*worker->held));
    }
    worker->held[worker->held_count++] =
        (struct held){.task = (uint32_t)id.task, .attempt = id.attempt, .state = QUEUED};
    worker_run(sim, number);
}

void worker_hears(struct sim *sim, const struct event *event)
{
    uint32_t number = sim->sessions[event->session].worker;
    struct worker *worker = &sim->workers[number];
    struct held *held = worker_find(worker, event->id);
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
        if (!sim_happens(sim, sim->config->deaf))
            worker_hands_back(sim, number, event->value);
        break;
    }
    worker_maybe_closes(sim, number);
}

#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/master/farm_sim_private.h"

#define COMMIT_NS (5 * CLOCK_MS_NS)

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
            sim_complain(sim, "task %u is live twice on worker %u", (unsigned)id.task,
                         session->id);
    }
    if (session->live == session->ledger_capacity) {
        session->ledger_capacity = session->ledger_capacity ? session->ledger_capacity * 2 : 4;
        session->ledger =
            sim_grown(session->ledger, session->ledger_capacity, sizeof(*session->ledger));
    }
    session->ledger[session->live++] = (struct ledger_entry){(uint32_t)id.task, id.attempt};
    if (++sim->live[id.task] > 2)
        sim_complain(sim, "task %u is live three times", (unsigned)id.task);
    if (sim->ended[id.task])
        sim_complain(sim, "task %u is live though it ended", (unsigned)id.task);
}

static void master_ends(struct sim *sim, struct attempt_id id, uint32_t session, char end)
{
    if (end && sim->ended[id.task])
        sim_complain(sim, "task %u ended twice", (unsigned)id.task);
    if (end)
        sim->ended[id.task] = end;
    if (sim->commit_count == sim->commit_capacity) {
        sim->commit_capacity = sim->commit_capacity ? sim->commit_capacity * 2 : 64;
        sim->commits = sim_grown(sim->commits, sim->commit_capacity, sizeof(*sim->commits));
    }
    if (!sim->commit_count)
        sim_later(sim, COMMIT_NS, MASTER_COMMITS, 0, (struct attempt_id){0}, sim->restarts);
    sim->commits[sim->commit_count++] =
        (struct commit){.id = id, .session = session, .end = end};
}

void master_commits(struct sim *sim, uint32_t restarts)
{
    if (restarts != sim->restarts)
        return;
    for (size_t i = 0; i < sim->commit_count; i++) {
        const struct commit *commit = &sim->commits[i];
        if (commit->end) {
            if (sim->journal[commit->id.task])
                sim_complain(sim, "task %u journaled twice", (unsigned)commit->id.task);
            sim->journal[commit->id.task] = commit->end;
            sim->journaled++;
        }
        if (commit->session != UINT32_MAX)
            sim_send(sim, TO_ACK, commit->session, commit->id, 0);
    }
    sim->commit_count = 0;
}

static struct session *session_of(struct sim *sim, uint32_t id)
{
    if (!id || id >= sim->id_capacity || sim->session_of_id[id] == UINT32_MAX) {
        sim_complain(sim, "an action for worker %u, which has not joined", id);
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
        sim_complain(sim, "a lease for worker %u, which is leaving", action->worker);
    if (session->live + action->count > session->credits)
        sim_complain(sim, "worker %u has %u leases, gets %u more, and wants %u", action->worker,
                     session->live, action->count, session->credits);
    for (uint32_t i = 0; i < action->count; i++) {
        ledger_add(sim, session, action->attempts[i]);
        sim_send(sim, TO_LEASE, sim->session_of_id[action->worker], action->attempts[i], 0);
    }
    sim->report->leases += action->count;
}

static void act_cancel(struct sim *sim, const struct scheduler_action *action)
{
    struct session *session = session_of(sim, action->worker);
    for (uint32_t i = 0; session && i < action->count; i++) {
        if (!ledger_remove(sim, session, action->attempts[i]))
            sim_complain(sim, "%u.%u was cancelled on worker %u, where it was not live",
                         (unsigned)action->attempts[i].task, action->attempts[i].attempt,
                         action->worker);
        sim_send(sim, TO_CANCEL, sim->session_of_id[action->worker], action->attempts[i], 0);
    }
}

static void act_fail(struct sim *sim, const struct scheduler_action *action)
{
    for (uint32_t i = 0; i < action->count; i++) {
        uint64_t task = action->attempts[i].task;
        if (sim->failures[task] < sim->config->policy.attempts &&
            (!sim->config->policy.losses || sim->losses[task] < sim->config->policy.losses))
            sim_complain(sim, "task %u failed after %u failures and %u losses", (unsigned)task,
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
        sim_complain(sim, "task %u was given up after %.6f s", (unsigned)task,
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
            sim_complain(sim, "%u of %u were recalled", action->count, session->live);
        if (session)
            sim_send(sim, TO_RECALL, sim->session_of_id[action->worker], (struct attempt_id){0},
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

void master_pulls(struct sim *sim)
{
    struct scheduler_action action;
    struct error error;
    int rc;
    while ((rc = scheduler_next_action(sim->scheduler, sim->now_ns, &action, &error)) > 0)
        act(sim, &action);
    if (rc < 0)
        sim_complain(sim, "%s", error.text);
    int64_t wake_ns = scheduler_wake_ns(sim->scheduler);
    if (wake_ns <= sim->now_ns)
        sim_complain(sim, "it wants to be woken at %.6f s, which has passed",
                     (double)wake_ns / 1e9);
    if (wake_ns < sim->tick_ns) {
        sim->tick_ns = wake_ns;
        sim_later(sim, wake_ns - sim->now_ns, MASTER_TICKS, 0, (struct attempt_id){0}, 0);
    }
}

void master_loses(struct sim *sim, uint32_t number)
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
        sim->session_of_id[worker->last_id] == UINT32_MAX && sim_happens(sim, 0.5))
        return worker->last_id;
    worker->last_id = ++sim->ids;
    while (worker->last_id >= sim->id_capacity) {
        uint32_t capacity = sim->id_capacity ? sim->id_capacity * 2 : 64;
        sim->session_of_id = sim_grown(sim->session_of_id, capacity, sizeof(uint32_t));
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
        sim_complain(sim, "%s", error.text);
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
            sim_send(sim, TO_CANCEL, number, id, 0);
            break;
        case SCHEDULER_ADOPT_UNKNOWN:
            sim_complain(sim, "task %u is unknown", (unsigned)id.task);
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
            sim_complain(sim, "a failure of task %u was accepted", (unsigned)id.task);
        break;
    case SCHEDULER_FAIL:
        master_ends(sim, id, number, 'f');
        if (sim->failures[id.task] < sim->config->policy.attempts &&
            (!sim->config->policy.losses || sim->losses[id.task] < sim->config->policy.losses))
            sim_complain(sim, "task %u failed after %u failures", (unsigned)id.task,
                         sim->failures[id.task]);
        break;
    case SCHEDULER_RETRY:
        sim_send(sim, TO_ACK, number, id, 0);
        break;
    default:
        sim->report->repeated++;
        if (verdict == SCHEDULER_UNKNOWN || (verdict == SCHEDULER_STALE && live))
            sim_complain(sim, "a result of task %u is %s", (unsigned)id.task,
                         scheduler_verdict_name(verdict));
        master_ends(sim, id, number, 0);
    }
}

void master_hears(struct sim *sim, const struct event *event)
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
        sim_complain(sim, "worker %u has %u leases, but %u are live", session->id, view.leased,
                     session->live);
}

void master_begin(struct sim *sim)
{
    struct error error = {0};
    sim->scheduler = scheduler_create(&sim->config->policy, &error);
    for (uint32_t task = 1; task <= sim->config->tasks; task++) {
        if (sim->journal[task] &&
            scheduler_restore(sim->scheduler, task, sim->journal[task] == 'd', &error) < 0)
            sim_complain(sim, "%s", error.text);
    }
    size_t bytes = scheduler_memory_bytes(sim->scheduler);
    if (scheduler_add(sim->scheduler, sim->config->tasks, &error) < 0)
        sim_complain(sim, "%s", error.text);
    if (!sim->restarts)
        sim->report->bytes_per_task =
            (double)(scheduler_memory_bytes(sim->scheduler) - bytes) / sim->config->tasks;
}

void master_dies(struct sim *sim)
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
    master_begin(sim);
}

/*
 * A session is one link between a worker and a master, from READY to loss; messages belong to
 * sessions and arrive in order, or not at all once the session was cut. What the master knows of
 * a session it may learn late: a cut is noticed some time after, when the worker may have joined
 * again by another session. The journal commits every few milliseconds; a master that dies loses
 * what was not committed, and the next one knows the journal alone.
 */
#include "config.h"

#include <stdlib.h>

#include "common/clock.h"
#include "tests/master/farm_sim_private.h"

#define FOR_EVER_NS  (INT64_C(1000000) * CLOCK_SECOND_NS)
#define EVENTS_LIMIT 1000 /* per task, plus a million: then the farm is stuck */

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
                              worker_find(&sim->workers[worker], event->id)))
            worker_dies(sim, worker);
        if (!event->value)
            sim_at_rate(sim, config->kill_rate, WORKER_DIES, worker);
        break;
    case WORKER_CUT:
        worker_cut(sim, worker);
        sim_at_rate(sim, config->cut_rate, WORKER_CUT, worker);
        break;
    case WORKER_DRAINS:
        worker_drains(sim, worker);
        sim_at_rate(sim, config->drain_rate, WORKER_DRAINS, worker);
        break;
    case WORKER_WISHES:
        worker_wishes(sim, worker);
        sim_at_rate(sim, config->credit_rate, WORKER_WISHES, worker);
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
    master_begin(sim);
    for (uint32_t i = 0; i < config->workers; i++) {
        struct worker *worker = &sim->workers[i];
        worker->slots = 1 + (uint32_t)(sim_chance(sim) % config->slots_max);
        worker->credits =
            worker->slots + (uint32_t)(sim_chance(sim) % (config->prefetch_max + 1));
        worker->session = UINT32_MAX;
        worker->bad = i && sim_happens(sim, config->bad_workers);
        sim_later(sim, sim_upto(sim, config->away_ns), WORKER_JOINS, i, (struct attempt_id){0},
                  0);
        sim_at_rate(sim, config->kill_rate, WORKER_DIES, i);
        sim_at_rate(sim, config->cut_rate, WORKER_CUT, i);
        sim_at_rate(sim, config->drain_rate, WORKER_DRAINS, i);
        sim_at_rate(sim, config->credit_rate, WORKER_WISHES, i);
    }
}

static void sim_check_end(struct sim *sim)
{
    for (uint32_t task = 1; task <= sim->config->tasks; task++) {
        if (sim->journal[task] != 'd' && sim->journal[task] != 'f')
            sim_complain(sim, "task %u never ended", task);
        sim->report->done += sim->journal[task] == 'd';
        sim->report->failed += sim->journal[task] == 'f';
        sim->report->failed_sound +=
            sim->journal[task] == 'f' && sim_nature(sim, task) == SOUND;
        if (sim_nature(sim, task) == POISON && sim->journal[task] == 'd')
            sim_complain(sim, "task %u is poison, but done", task);
    }
    struct scheduler_counts counts = scheduler_counts(sim->scheduler);
    if (counts.waiting || counts.leased || counts.live || counts.done != sim->report->done ||
        counts.failed != sim->report->failed)
        sim_complain(sim, "at the end %u wait, %u are leased, %u live",
                     (unsigned)counts.waiting, (unsigned)counts.leased, (unsigned)counts.live);
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
            sim_complain(&sim, "stuck: %u of %u tasks ended, %zu events to come", sim.journaled,
                         config->tasks, sim.heap_count);
            break;
        }
        struct event event = sim_pop(&sim);
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

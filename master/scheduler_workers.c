/*
 * Events of workers: who may get leases, and who is trusted.
 */
#include "config.h"

#include <math.h>

#include "master/scheduler_private.h"

/* A row of failures is held against a worker if luck would give it with this probability. */
#define UNLUCKY       1e-6
#define DOUBLINGS_MAX 32

int64_t scheduler_doubled(int64_t ns, uint32_t times, int64_t max_ns)
{
    if (times > DOUBLINGS_MAX)
        times = DOUBLINGS_MAX;
    return ns > max_ns >> times ? max_ns : ns << times;
}

int scheduler_worker_joined(struct scheduler *s, uint32_t id, uint32_t slots, uint32_t credits,
                            int64_t now_ns, struct error *ret_error)
{
    (void)now_ns;
    if (!id || id > SCHEDULER_WORKERS_MAX)
        return error_set(ret_error, ERROR_BUG, "%u is not a worker id", id);
    if (worker_find(&s->workers, id) != WORKER_NONE)
        return error_set(ret_error, ERROR_BUG, "worker %u joined twice", id);
    if (!slots)
        return error_set(ret_error, ERROR_NETWORK, "worker %u has no slots", id);
    if (slots > SCHEDULER_CREDITS_MAX)
        slots = SCHEDULER_CREDITS_MAX;
    if (credits > SCHEDULER_CREDITS_MAX)
        credits = SCHEDULER_CREDITS_MAX;
    if (worker_add(&s->workers, id, slots, credits > slots ? credits : slots) == WORKER_NONE)
        return error_set(ret_error, ERROR_SYSTEM, "out of memory for worker %u", id);
    return 0;
}

void scheduler_worker_credits(struct scheduler *s, uint32_t id, uint32_t credits)
{
    uint32_t index = worker_find(&s->workers, id);
    if (index != WORKER_NONE)
        worker_set_credits(&s->workers, index,
                           credits > SCHEDULER_CREDITS_MAX ? SCHEDULER_CREDITS_MAX : credits);
}

void scheduler_worker_leaving(struct scheduler *s, uint32_t id)
{
    uint32_t index = worker_find(&s->workers, id);
    if (index != WORKER_NONE)
        worker_set_state(&s->workers, index, SCHEDULER_WORKER_LEAVING);
}

void scheduler_worker_lost(struct scheduler *s, uint32_t id, int64_t now_ns)
{
    uint32_t index = worker_find(&s->workers, id);
    if (index == WORKER_NONE)
        return;
    bool left = worker_at(&s->workers, index)->state == SCHEDULER_WORKER_LEAVING;
    uint32_t slots = worker_at(&s->workers, index)->slots;
    worker_set_state(&s->workers, index, SCHEDULER_WORKER_LEAVING);
    /* A worker runs its leases in order and tells only of those that run for a while, so the
     * first may have been running too. */
    uint32_t lease;
    for (uint32_t i = 0; (lease = worker_at(&s->workers, index)->leases.first) != LEASE_NONE;
         i++) {
        bool running = i < slots || lease_has_started(lease_at(&s->leases, lease));
        scheduler_attempt_lost(s, lease, running && !left, now_ns);
    }
    worker_remove(&s->workers, index);
}

struct scheduler_worker_view scheduler_worker_view(const struct scheduler *s, uint32_t id)
{
    uint32_t index = worker_find(&s->workers, id);
    if (index == WORKER_NONE)
        return (struct scheduler_worker_view){.state = SCHEDULER_WORKER_UNKNOWN};
    const struct worker *worker = worker_at(&s->workers, index);
    return (struct scheduler_worker_view){.state = worker->state,
                                          .slots = worker->slots,
                                          .credits = worker->credits,
                                          .leased = worker->leased,
                                          .failures = worker->failures};
}

/* Whether luck would hardly give a worker such a row of failures, when others fared as they did
 * since it began. Laplace's rule of succession, so that few results of others prove little. */
static bool is_unlucky(const struct scheduler *s, const struct worker *worker)
{
    uint64_t good = s->all_good - worker->all_good_before;
    uint64_t bad = s->all_bad - worker->all_bad_before - worker->failures;
    if (!good && !bad) {
        /* Others are busy with long tasks: go by how they fared ever. */
        good = s->all_good - worker->good;
        bad = s->all_bad - worker->bad;
    }
    if (!good)
        return false;
    double share = ((double)bad + 1) / ((double)bad + (double)good + 2);
    return worker->failures * log(share) < log(UNLUCKY);
}

static void set_aside(struct scheduler *s, uint32_t index, int64_t now_ns)
{
    struct worker *worker = worker_at(&s->workers, index);
    int64_t for_ns = scheduler_doubled(s->policy.set_aside_ns, worker->times_aside,
                                       s->policy.set_aside_max_ns);
    if (worker->times_aside < DOUBLINGS_MAX)
        worker->times_aside++;
    worker->aside_until_ns = now_ns > INT64_MAX - for_ns ? INT64_MAX : now_ns + for_ns;
    if (worker->aside_until_ns < s->workers.aside_due_ns)
        s->workers.aside_due_ns = worker->aside_until_ns;
    worker_set_state(&s->workers, index, SCHEDULER_WORKER_SET_ASIDE);
    scheduler_pend(s, SCHEDULER_SET_ASIDE, worker->id, 0, worker->failures);
    if (worker->leased)
        scheduler_pend(s, SCHEDULER_RECALL, worker->id, 0, worker->leased);
}

void scheduler_worker_failed(struct scheduler *s, uint32_t index, int64_t now_ns)
{
    struct worker *worker = worker_at(&s->workers, index);
    if (!worker->failures) {
        worker->all_good_before = s->all_good;
        worker->all_bad_before = s->all_bad;
    }
    s->all_bad++;
    worker->bad++;
    worker->failures++;
    /* The last one that can run anything stays. */
    if (!s->policy.set_aside_failures || !worker_is_eligible(worker) ||
        s->workers.eligible == 1)
        return;
    uint32_t row = 2 * worker->slots;
    if (row < s->policy.set_aside_failures)
        row = s->policy.set_aside_failures;
    if (worker->state == SCHEDULER_WORKER_TRIAL ||
        (worker->failures >= row && is_unlucky(s, worker)))
        set_aside(s, index, now_ns);
}

void scheduler_worker_succeeded(struct scheduler *s, uint32_t index)
{
    struct worker *worker = worker_at(&s->workers, index);
    s->all_good++;
    worker->good++;
    worker->failures = 0;
    /* One that is leaving, or was set aside just now, is not called back. */
    if (worker->state == SCHEDULER_WORKER_TRIAL)
        scheduler_reinstate(s, index);
}

void scheduler_reinstate(struct scheduler *s, uint32_t index)
{
    struct worker *worker = worker_at(&s->workers, index);
    worker->failures = 0;
    worker_set_state(&s->workers, index, SCHEDULER_WORKER_ACTIVE);
    scheduler_pend(s, SCHEDULER_REINSTATE, worker->id, 0, 0);
}

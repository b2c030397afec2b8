/*
 * Decisions: what is to be done next, in the order of scheduler_next_action. Each decision looks
 * at a handful of workers and tasks at the heads of lists, whatever their number; where that
 * might miss a better choice, a time-out (retry_elsewhere_ns) sees to it that none is waited for
 * in vain.
 */
#include "config.h"

#include <string.h>

#include "master/scheduler_private.h"

/* One more than a task can avoid: if there are so many idle workers, one of them will do. */
#define CANDIDATES (SCHEDULER_FAILED_ON + 1)
/* Workers without idle slots, and tasks, looked at for one decision. */
#define ROOMS_SEEN 4
#define TASKS_SEEN 64

static int64_t later(int64_t from_ns, int64_t by_ns)
{
    return from_ns > INT64_MAX - by_ns ? INT64_MAX : from_ns + by_ns;
}

static void wake_at(struct scheduler *s, int64_t at_ns)
{
    if (at_ns < s->wake_ns)
        s->wake_ns = at_ns;
}

/* ---- Time ---- */

/* Those whose time is over are on trial; if nobody else is left, all are reinstated. */
static void aside_advance(struct scheduler *s, int64_t now_ns)
{
    bool all = !s->workers.eligible;
    if (!s->workers.aside_count || (now_ns < s->workers.aside_due_ns && !all))
        return;
    s->workers.aside_due_ns = INT64_MAX;
    uint32_t next;
    for (uint32_t i = s->workers.aside.first; i != WORKER_NONE; i = next) {
        struct worker *worker = worker_at(&s->workers, i);
        next = worker->links[WORKER_LINK_ASIDE].next;
        if (all)
            scheduler_reinstate(s, i);
        else if (worker->aside_until_ns <= now_ns)
            worker_set_state(&s->workers, i, SCHEDULER_WORKER_TRIAL);
        else if (worker->aside_until_ns < s->workers.aside_due_ns)
            s->workers.aside_due_ns = worker->aside_until_ns;
    }
}

static int64_t recall_due_ns(const struct scheduler *s)
{
    uint32_t first = s->workers.recalling.first;
    if (first == WORKER_NONE)
        return INT64_MAX;
    return later(worker_at(&s->workers, first)->recalled_ns, s->policy.recall_patience_ns);
}

static void recalls_advance(struct scheduler *s, int64_t now_ns)
{
    while (recall_due_ns(s) <= now_ns)
        worker_recall_forget(&s->workers, s->workers.recalling.first);
}

/* ---- Pending actions ---- */

static bool joins_batch(const struct pending_action *first, const struct pending_action *next)
{
    return (first->kind == SCHEDULER_CANCEL || first->kind == SCHEDULER_FAIL_TASK) &&
           next->kind == first->kind && next->worker == first->worker;
}

/* Its worker was lost since. */
static bool is_moot(const struct scheduler *s, const struct pending_action *action)
{
    return action->worker && worker_find(&s->workers, action->worker) == WORKER_NONE;
}

static bool action_pending(struct scheduler *s, struct scheduler_action *action)
{
    struct pending_queue *queue = &s->pending;
    while (queue->first < queue->end && is_moot(s, &queue->actions[queue->first]))
        queue->first++;
    if (queue->first == queue->end)
        return false;
    const struct pending_action *first = &queue->actions[queue->first++];
    *action = (struct scheduler_action){.kind = first->kind, .worker = first->worker};
    if (!joins_batch(first, first)) {
        action->count = first->id.attempt;
        return true;
    }
    s->batch[action->count++] = first->id;
    while (queue->first < queue->end && action->count < SCHEDULER_BATCH &&
           joins_batch(first, &queue->actions[queue->first]))
        s->batch[action->count++] = queue->actions[queue->first++].id;
    action->attempts = s->batch;
    return true;
}

/* ---- Leases ---- */

/* Tasks that could be handed out now. */
static uint64_t ready_count(const struct scheduler *s)
{
    return ready_queue_count(&s->ready) + s->tasks.counts[TASK_PICKY];
}

/* Lease `count` tasks that any worker may have; their places are changed. */
static void lease_many(struct scheduler *s, uint32_t index, uint32_t count,
                       struct scheduler_action *action)
{
    uint64_t ready = ready_queue_count(&s->ready);
    if (count > ready)
        count = (uint32_t)ready;
    if (count > SCHEDULER_BATCH)
        count = SCHEDULER_BATCH;
    uint32_t leased = 0;
    for (; leased < count && !s->broken; leased++) {
        uint32_t task = ready_queue_take(&s->ready);
        uint32_t attempt = scheduler_next_attempt(s, task);
        scheduler_lease(s, index, task, attempt);
        s->batch[leased] = (struct attempt_id){.task = task, .attempt = attempt};
    }
    worker_leased_change(&s->workers, index, leased);
    worker_turn_over(&s->workers, index);
    *action = (struct scheduler_action){.kind = SCHEDULER_LEASE,
                                        .worker = worker_at(&s->workers, index)->id,
                                        .count = leased,
                                        .attempts = s->batch};
}

/* One more live attempt of a task whose place is TASK_LEASED. */
static void lease_one(struct scheduler *s, uint32_t index, uint32_t task,
                      struct scheduler_action *action)
{
    uint32_t attempt = scheduler_next_attempt(s, task);
    scheduler_lease(s, index, task, attempt);
    worker_leased_change(&s->workers, index, 1);
    worker_turn_over(&s->workers, index);
    s->batch[0] = (struct attempt_id){.task = task, .attempt = attempt};
    *action = (struct scheduler_action){.kind = SCHEDULER_LEASE,
                                        .worker = worker_at(&s->workers, index)->id,
                                        .count = 1,
                                        .attempts = s->batch};
}

/* Workers that could take a task now: idle ones, or if there are none, some that have room.
 * Returns how many, at most CANDIDATES. */
static uint32_t candidates_find(const struct scheduler *s, uint32_t *candidates)
{
    const struct worker_table *workers = &s->workers;
    uint32_t count = 0;
    uint32_t i = workers->turns[WORKER_IDLE].first;
    for (; i != WORKER_NONE && count < CANDIDATES; i = worker_next_in_turn(workers, i))
        candidates[count++] = i;
    if (count)
        return count;
    uint32_t seen = 0;
    i = workers->turns[WORKER_ROOM].first;
    for (; i != WORKER_NONE && seen < CANDIDATES; i = worker_next_in_turn(workers, i), seen++) {
        if (worker_prefetch_share(workers, worker_at(workers, i), ready_count(s)))
            candidates[count++] = i;
    }
    return count;
}

static bool is_avoided(const struct trouble *trouble, uint32_t worker_id)
{
    for (uint32_t i = 0; i < trouble->failed_on_count; i++) {
        if (trouble->failed_on[i] == worker_id)
            return true;
    }
    return false;
}

/* Whether the task has waited for another worker for long enough, or there is no other. */
static bool is_for_any(const struct scheduler *s, const struct trouble *trouble, int64_t now_ns)
{
    if (now_ns >= later(trouble->due_ns, s->policy.retry_elsewhere_ns))
        return true;
    if (s->workers.eligible > trouble->failed_on_count)
        return false;
    uint32_t avoided = 0;
    for (uint32_t i = 0; i < trouble->failed_on_count; i++) {
        uint32_t index = worker_find(&s->workers, trouble->failed_on[i]);
        avoided += index != WORKER_NONE && worker_is_eligible(worker_at(&s->workers, index));
    }
    return avoided == s->workers.eligible;
}

/* Tasks that failed before: each to a worker that it does not avoid. */
static bool action_retry(struct scheduler *s, int64_t now_ns, struct scheduler_action *action)
{
    uint32_t candidates[CANDIDATES];
    uint32_t at = s->ready.picky_first;
    uint32_t count = at == TROUBLE_NONE ? 0 : candidates_find(s, candidates);
    for (int seen = 0; count && at != TROUBLE_NONE && seen < TASKS_SEEN; seen++) {
        const struct trouble *trouble = &s->tasks.troubles[at];
        bool any = is_for_any(s, trouble, now_ns);
        for (uint32_t i = 0; i < count; i++) {
            if (!any && is_avoided(trouble, worker_at(&s->workers, candidates[i])->id))
                continue;
            uint32_t task = trouble->task;
            ready_queue_leave(&s->ready, task, TASK_LEASED);
            lease_one(s, candidates[i], task, action);
            return true;
        }
        at = trouble->next;
    }
    /* The first has waited longest. */
    if (count && s->ready.picky_first != TROUBLE_NONE)
        wake_at(s, later(s->tasks.troubles[s->ready.picky_first].due_ns,
                         s->policy.retry_elsewhere_ns));
    return false;
}

/* Tasks that one worker alone can run. Only when it has a slot for them: what waits there might be
 * recalled, and come back here, again and again. */
static bool action_bound(struct scheduler *s, struct scheduler_action *action)
{
    if (!s->tasks.counts[TASK_BOUND])
        return false;
    for (size_t i = 0; i < s->bonds.count; i++) {
        const struct bond bond = s->bonds.bonds[i];
        if (task_place(&s->tasks, bond.task) != TASK_BOUND)
            continue;
        uint32_t index = worker_find(&s->workers, bond.worker);
        if (index == WORKER_NONE) {
            s->batch[0].task = bond.task;
            s->batch[0].attempt = scheduler_bound_fail(s, bond.task);
            *action = (struct scheduler_action){
                .kind = SCHEDULER_FAIL_TASK, .count = 1, .attempts = s->batch, .failed = true};
            return true;
        }
        if (worker_at(&s->workers, index)->leased < worker_at(&s->workers, index)->slots) {
            task_place_set(&s->tasks, bond.task, TASK_LEASED);
            lease_one(s, index, bond.task, action);
            return true;
        }
    }
    return false;
}

/* Tasks for any worker: as many as are this one's share, slots of all before room of any. */
static bool action_lease(struct scheduler *s, struct scheduler_action *action)
{
    const struct worker_table *workers = &s->workers;
    uint64_t ready = ready_queue_count(&s->ready);
    if (!ready)
        return false;
    uint32_t i = workers->turns[WORKER_IDLE].first;
    if (i != WORKER_NONE) {
        lease_many(s, i, worker_share(workers, worker_at(workers, i), ready), action);
        return true;
    }
    i = workers->turns[WORKER_ROOM].first;
    for (int seen = 0; i != WORKER_NONE && seen < ROOMS_SEEN; seen++) {
        uint32_t next = worker_next_in_turn(workers, i);
        uint32_t share = worker_prefetch_share(workers, worker_at(workers, i), ready);
        if (share) {
            lease_many(s, i, share, action);
            return true;
        }
        worker_turn_over(&s->workers, i);
        i = next;
    }
    return false;
}

/* ---- The end of a farm ---- */

/* Slots that nothing that waits, or is on its way back, will fill. */
static uint64_t slots_unused(const struct scheduler *s)
{
    if (ready_count(s) || s->workers.idle <= s->workers.recalled)
        return 0;
    return s->workers.idle - s->workers.recalled;
}

static bool action_recall(struct scheduler *s, int64_t now_ns, struct scheduler_action *action)
{
    uint64_t unused = slots_unused(s);
    uint32_t index = s->policy.steal && unused ? worker_fullest(&s->workers) : WORKER_NONE;
    if (index == WORKER_NONE)
        return false;
    /* At least half, so that a long queue of short tasks is not stolen slot by slot. */
    uint32_t spare = worker_spare(worker_at(&s->workers, index));
    uint32_t count = (spare + 1) / 2;
    if (count < unused)
        count = unused < spare ? (uint32_t)unused : spare;
    worker_recall(&s->workers, index, count, now_ns);
    *action = (struct scheduler_action){
        .kind = SCHEDULER_RECALL, .worker = worker_at(&s->workers, index)->id, .count = count};
    return true;
}

/* `factor` times as long as good results took, at least the floor; INT64_MAX if that is not known.
 * `quantile` below 0: as they took in the mean. */
static int64_t longer_than_others_ns(struct scheduler *s, double factor, double quantile,
                                     int64_t floor_ns)
{
    if (!s->durations.count || s->durations.count < s->policy.duplicate_samples)
        return INT64_MAX;
    int64_t usual_ns = quantile < 0 ? durations_mean(&s->durations)
                                    : durations_quantile(&s->durations, quantile);
    double after = factor * (double)usual_ns;
    if (after < (double)floor_ns)
        return floor_ns;
    return after < (double)(INT64_MAX / 2) ? (int64_t)after : INT64_MAX;
}

/* How long an attempt must run to get a duplicate; INT64_MAX if that is not known. */
static int64_t duplicate_after_ns(struct scheduler *s)
{
    const struct scheduler_policy *policy = &s->policy;
    return longer_than_others_ns(s, policy->duplicate_factor, policy->duplicate_quantile,
                                 policy->duplicate_floor_ns);
}

/* An idle worker for a duplicate of that attempt; WORKER_NONE if there is none. */
static uint32_t duplicate_worker(const struct scheduler *s, const struct lease *lease)
{
    const struct trouble *trouble = trouble_find(&s->tasks, lease->task);
    uint32_t i = s->workers.turns[WORKER_IDLE].first;
    for (int seen = 0; i != WORKER_NONE && seen <= CANDIDATES; seen++) {
        if (i != lease->worker &&
            !(trouble && is_avoided(trouble, worker_at(&s->workers, i)->id)))
            return i;
        i = worker_next_in_turn(&s->workers, i);
    }
    return WORKER_NONE;
}

static bool action_duplicate(struct scheduler *s, int64_t now_ns,
                             struct scheduler_action *action)
{
    if (!s->policy.duplicates || !slots_unused(s))
        return false;
    int64_t after_ns = duplicate_after_ns(s);
    uint32_t at = after_ns == INT64_MAX ? LEASE_NONE : s->leases.orders[LEASE_SOLE].first;
    for (int seen = 0; at != LEASE_NONE && seen < TASKS_SEEN; seen++) {
        const struct lease *lease = lease_at(&s->leases, at);
        int64_t due_ns = later(lease->started_ns, after_ns);
        if (due_ns > now_ns) {
            wake_at(s, due_ns);
            return false;
        }
        uint32_t index = bond_find(&s->bonds, lease->task) == BOND_NONE
                             ? duplicate_worker(s, lease)
                             : WORKER_NONE;
        if (index != WORKER_NONE) {
            uint32_t task = lease->task;
            lease_order_leave(&s->leases, LEASE_SOLE, at);
            lease_one(s, index, task, action);
            s->duplicated++;
            return true;
        }
        at = lease->links[LEASE_SOLE].next;
    }
    return false;
}

/* ---- Overdue ---- */

static int64_t overdue_after_ns(struct scheduler *s)
{
    const struct scheduler_policy *policy = &s->policy;
    int64_t after_ns = INT64_MAX;
    if (policy->overdue_factor > 0)
        after_ns =
            longer_than_others_ns(s, policy->overdue_factor, -1, policy->overdue_floor_ns);
    return after_ns < policy->overdue_ns ? after_ns : policy->overdue_ns;
}

/* Attempts that have run for so long that nobody waits for them any more. */
static bool action_overdue(struct scheduler *s, int64_t now_ns, struct scheduler_action *action)
{
    uint32_t first = s->leases.orders[LEASE_STARTED].first;
    int64_t after_ns = first == LEASE_NONE ? INT64_MAX : overdue_after_ns(s);
    if (after_ns == INT64_MAX)
        return false;
    const struct lease *lease = lease_at(&s->leases, first);
    int64_t due_ns = later(lease->started_ns, after_ns);
    if (due_ns > now_ns) {
        wake_at(s, due_ns);
        return false;
    }
    s->batch[0] = (struct attempt_id){.task = lease->task, .attempt = lease->attempt};
    *action = (struct scheduler_action){.kind = SCHEDULER_GIVE_UP,
                                        .worker = worker_at(&s->workers, lease->worker)->id,
                                        .count = 1,
                                        .attempts = s->batch,
                                        .ran_ns = now_ns - lease->started_ns};
    action->failed = scheduler_give_up(s, first, now_ns);
    return true;
}

/* ---- All together ---- */

/* Of tasks that any worker may run. */
static bool action_free(struct scheduler *s, int64_t now_ns, struct scheduler_action *action)
{
    return action_retry(s, now_ns, action) || action_lease(s, action) ||
           action_recall(s, now_ns, action) || action_duplicate(s, now_ns, action);
}

int scheduler_next_action(struct scheduler *s, int64_t now_ns,
                          struct scheduler_action *ret_action, struct error *ret_error)
{
    ready_queue_advance(&s->ready, now_ns);
    aside_advance(s, now_ns);
    recalls_advance(s, now_ns);
    s->wake_ns = INT64_MAX;
    bool found =
        !s->broken &&
        (action_pending(s, ret_action) || action_overdue(s, now_ns, ret_action) ||
         action_bound(s, ret_action) || (!s->stopped && action_free(s, now_ns, ret_action)));
    if (s->broken)
        return error_set(
            ret_error, ERROR_SYSTEM,
            "out of memory for %u live attempts and %u tasks in trouble; resume on "
            "a machine with more memory",
            s->leases.count, s->tasks.trouble_count);
    if (found)
        return 1;
    wake_at(s, ready_queue_due_ns(&s->ready));
    wake_at(s, s->workers.aside_count ? s->workers.aside_due_ns : INT64_MAX);
    wake_at(s, recall_due_ns(s));
    return 0;
}

int64_t scheduler_wake_ns(const struct scheduler *s)
{
    return s->wake_ns;
}

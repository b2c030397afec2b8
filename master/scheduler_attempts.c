/*
 * Events of attempts: how they begin, end and come back, and when a task has ended.
 */
#include "config.h"

#include <string.h>

#include "master/scheduler_private.h"

static uint64_t mask_of(uint32_t attempt)
{
    return attempt >= 1 && attempt <= 64 ? UINT64_C(1) << (attempt - 1) : 0;
}

/* An attempt thought lost came back. */
static void loss_forget(struct trouble *trouble, uint32_t attempt)
{
    uint64_t mask = mask_of(attempt);
    if (!(trouble->lost_mask & mask))
        return;
    trouble->lost_mask &= ~mask;
    trouble->losses--;
}

/* End one live attempt. Returns whether the task has another; the trouble, where there is one,
 * remembers the attempt's number. */
static bool lease_drop(struct scheduler *s, uint32_t lease)
{
    struct lease gone = *lease_at(&s->leases, lease);
    lease_remove(&s->leases, &worker_at(&s->workers, gone.worker)->leases, lease);
    worker_leased_change(&s->workers, gone.worker, -1);
    struct trouble *trouble = trouble_find(&s->tasks, gone.task);
    if (trouble && trouble->last_attempt < gone.attempt)
        trouble->last_attempt = gone.attempt;
    uint32_t other = lease_first(&s->leases, gone.task);
    if (other == LEASE_NONE)
        return false;
    if (lease_has_started(lease_at(&s->leases, other)))
        lease_order_enter(&s->leases, LEASE_SOLE, other);
    return true;
}

/* The task ended: cancel every live attempt but the one on `reporter` (an index). */
static void task_end(struct scheduler *s, uint32_t task, enum task_place place,
                     uint32_t reporter, uint32_t attempt)
{
    uint32_t lease;
    if (task_place(&s->tasks, task) == TASK_LEASED) {
        while ((lease = lease_first(&s->leases, task)) != LEASE_NONE) {
            const struct lease *it = lease_at(&s->leases, lease);
            if (it->worker != reporter || it->attempt != attempt)
                scheduler_pend(s, SCHEDULER_CANCEL, worker_at(&s->workers, it->worker)->id,
                               task, it->attempt);
            uint32_t worker = it->worker;
            lease_remove(&s->leases, &worker_at(&s->workers, worker)->leases, lease);
            worker_leased_change(&s->workers, worker, -1);
        }
        task_place_set(&s->tasks, task, place);
    } else {
        ready_queue_leave(&s->ready, task, place);
    }
    scheduler_forget(s, task);
}

static bool is_bound(const struct scheduler *s, uint32_t task)
{
    return bond_find(&s->bonds, task) != BOND_NONE;
}

uint32_t scheduler_bound_fail(struct scheduler *s, uint32_t task)
{
    const struct trouble *trouble = trouble_find(&s->tasks, task);
    uint32_t attempt = trouble ? trouble->last_attempt : 0;
    task_end(s, task, TASK_FAILED, WORKER_NONE, 0);
    return attempt;
}

/* Whether the task may not be tried again. Failures on workers that stand aside do not count. */
static bool is_exhausted(const struct scheduler *s, const struct trouble *trouble)
{
    uint32_t failures = trouble->failures;
    for (uint32_t i = 0; i < trouble->failed_on_count && failures; i++) {
        uint32_t index = worker_find(&s->workers, trouble->failed_on[i]);
        if (index == WORKER_NONE)
            continue;
        enum scheduler_worker_state state = worker_at(&s->workers, index)->state;
        if (state == SCHEDULER_WORKER_SET_ASIDE || state == SCHEDULER_WORKER_TRIAL)
            failures--;
    }
    return failures >= s->policy.attempts ||
           (s->policy.losses && trouble->losses >= s->policy.losses);
}

/* A task without live attempts, leased until now, waits again after delay_ns; or fails, if it may
 * not be tried any more. */
static void task_wait_again(struct scheduler *s, struct trouble *trouble, int64_t delay_ns,
                            int64_t now_ns)
{
    if (is_bound(s, trouble->task)) {
        task_place_set(&s->tasks, trouble->task, TASK_BOUND);
        return; /* whether its worker is still there, the next pull sees */
    }
    if (is_exhausted(s, trouble) || (s->policy.losses && trouble->losses >= s->policy.losses)) {
        scheduler_pend(s, SCHEDULER_FAIL_TASK, 0, trouble->task, trouble->last_attempt);
        task_end(s, trouble->task, TASK_FAILED, WORKER_NONE, 0);
        return;
    }
    int64_t due_ns = now_ns > INT64_MAX - delay_ns ? INT64_MAX : now_ns + delay_ns;
    if (ready_queue_put(&s->ready, trouble->task, due_ns, now_ns) < 0)
        s->broken = true;
}

/* Remember that the task should rather go elsewhere. */
static void avoid(struct trouble *trouble, uint32_t worker_id)
{
    for (uint32_t i = 0; i < trouble->failed_on_count; i++) {
        if (trouble->failed_on[i] == worker_id)
            return;
    }
    if (trouble->failed_on_count == SCHEDULER_FAILED_ON) {
        memmove(trouble->failed_on, trouble->failed_on + 1,
                sizeof(trouble->failed_on) - sizeof(trouble->failed_on[0]));
        trouble->failed_on_count--;
    }
    trouble->failed_on[trouble->failed_on_count++] = worker_id;
}

static int64_t retry_delay(const struct scheduler *s, const struct trouble *trouble)
{
    return scheduler_doubled(s->policy.retry_delay_ns,
                             trouble->failures ? trouble->failures - 1 : 0,
                             s->policy.retry_delay_max_ns);
}

void scheduler_attempt_lost(struct scheduler *s, uint32_t lease, bool running, int64_t now_ns)
{
    uint32_t task = lease_at(&s->leases, lease)->task;
    uint64_t mask = mask_of(lease_at(&s->leases, lease)->attempt);
    struct trouble *trouble = trouble_make(&s->tasks, task);
    if (!trouble) {
        s->broken = true;
        lease_drop(s, lease);
        return;
    }
    if (running) {
        trouble->losses++;
        trouble->lost_mask |= mask;
    }
    if (!lease_drop(s, lease))
        task_wait_again(s, trouble, 0, now_ns);
}

/* The live attempt that a message speaks of, LEASE_NONE if there is none. */
static uint32_t lease_of(const struct scheduler *s, uint32_t index, struct attempt_id id)
{
    if (index == WORKER_NONE || task_place(&s->tasks, id.task) != TASK_LEASED)
        return LEASE_NONE;
    uint32_t lease = lease_find(&s->leases, (uint32_t)id.task, index);
    return lease != LEASE_NONE && lease_at(&s->leases, lease)->attempt == id.attempt
               ? lease
               : LEASE_NONE;
}

static bool is_only_one(const struct scheduler *s, uint32_t lease)
{
    uint32_t first = lease_first(&s->leases, lease_at(&s->leases, lease)->task);
    return first == lease && lease_next(&s->leases, lease) == LEASE_NONE;
}

static void start(struct scheduler *s, uint32_t lease, int64_t now_ns)
{
    lease_at(&s->leases, lease)->started_ns = now_ns;
    lease_order_enter(&s->leases, LEASE_STARTED, lease);
    if (is_only_one(s, lease))
        lease_order_enter(&s->leases, LEASE_SOLE, lease);
}

void scheduler_started(struct scheduler *s, uint32_t worker, struct attempt_id id,
                       int64_t now_ns)
{
    uint32_t lease = lease_of(s, worker_find(&s->workers, worker), id);
    if (lease != LEASE_NONE && !lease_has_started(lease_at(&s->leases, lease)))
        start(s, lease, now_ns);
}

static const char *const verdict_names[] = {
    [SCHEDULER_ACCEPT] = "accept", [SCHEDULER_RETRY] = "retry",
    [SCHEDULER_FAIL] = "fail",     [SCHEDULER_DUPLICATE] = "duplicate",
    [SCHEDULER_STALE] = "stale",   [SCHEDULER_UNKNOWN] = "unknown",
};

const char *scheduler_verdict_name(enum scheduler_verdict verdict)
{
    return (size_t)verdict < sizeof(verdict_names) / sizeof(*verdict_names)
               ? verdict_names[verdict]
               : "?";
}

static void failure_count(struct trouble *trouble, uint32_t worker_id, uint32_t attempt)
{
    loss_forget(trouble, attempt);
    trouble->failures++;
    trouble->failed_mask |= mask_of(attempt);
    avoid(trouble, worker_id);
}

/* A failure of an attempt that is live. */
static enum scheduler_verdict result_failed(struct scheduler *s, uint32_t index, uint32_t lease,
                                            bool for_good, int64_t now_ns)
{
    uint32_t task = lease_at(&s->leases, lease)->task;
    uint32_t attempt = lease_at(&s->leases, lease)->attempt;
    struct trouble *trouble = trouble_make(&s->tasks, task);
    if (!trouble) {
        s->broken = true;
        return SCHEDULER_RETRY;
    }
    failure_count(trouble, worker_at(&s->workers, index)->id, attempt);
    bool another = lease_drop(s, lease);
    scheduler_worker_failed(s, index, now_ns);
    if (for_good || is_bound(s, task) || (!another && is_exhausted(s, trouble))) {
        task_end(s, task, TASK_FAILED, index, attempt);
        return SCHEDULER_FAIL;
    }
    if (!another)
        task_wait_again(s, trouble, retry_delay(s, trouble), now_ns);
    return SCHEDULER_RETRY;
}

bool scheduler_give_up(struct scheduler *s, uint32_t lease, int64_t now_ns)
{
    uint32_t index = lease_at(&s->leases, lease)->worker;
    return result_failed(s, index, lease, false, now_ns) == SCHEDULER_FAIL;
}

/* A failure of an attempt that is not live: lost, handed back, cancelled, or of an earlier
 * master. It is counted once, where that can be known; the task waits, or runs, on as it was. */
static enum scheduler_verdict result_failed_late(struct scheduler *s, uint32_t worker_id,
                                                 struct attempt_id id, bool for_good)
{
    uint32_t task = (uint32_t)id.task;
    uint64_t mask = mask_of(id.attempt);
    struct trouble *trouble = trouble_find(&s->tasks, task);
    if (!mask || (trouble && trouble->failed_mask & mask))
        return SCHEDULER_STALE;
    trouble = trouble_make(&s->tasks, task);
    if (!trouble) {
        s->broken = true;
        return SCHEDULER_RETRY;
    }
    failure_count(trouble, worker_id, id.attempt);
    if (trouble->last_attempt < id.attempt)
        trouble->last_attempt = id.attempt;
    bool waits = task_place(&s->tasks, task) != TASK_LEASED;
    for_good = for_good || is_bound(s, task);
    if (!for_good && (!waits || !is_exhausted(s, trouble)))
        return SCHEDULER_RETRY;
    task_end(s, task, TASK_FAILED, WORKER_NONE, 0);
    return SCHEDULER_FAIL;
}

enum scheduler_verdict scheduler_result(struct scheduler *s, uint32_t worker,
                                        struct attempt_id id, enum scheduler_outcome outcome,
                                        int64_t elapsed_ns, int64_t now_ns)
{
    enum task_place place = task_place(&s->tasks, id.task);
    if (place == TASK_NONE)
        return SCHEDULER_UNKNOWN;
    if (task_place_ended(place))
        return SCHEDULER_DUPLICATE;
    uint32_t index = worker_find(&s->workers, worker);
    uint32_t lease = lease_of(s, index, id);
    if (outcome != SCHEDULER_OK) {
        bool for_good = outcome == SCHEDULER_FAILED_FOR_GOOD;
        return lease != LEASE_NONE ? result_failed(s, index, lease, for_good, now_ns)
                                   : result_failed_late(s, worker, id, for_good);
    }
    /* What is bound is not the work itself: its durations say nothing of that. */
    if (elapsed_ns > 0 && !is_bound(s, (uint32_t)id.task))
        durations_add(&s->durations, elapsed_ns);
    if (lease != LEASE_NONE)
        scheduler_worker_succeeded(s, index);
    task_end(s, (uint32_t)id.task, TASK_DONE, index, id.attempt);
    return SCHEDULER_ACCEPT;
}

bool scheduler_cancel(struct scheduler *s, uint64_t task)
{
    enum task_place place = task_place(&s->tasks, task);
    if (place == TASK_NONE || task_place_ended(place))
        return false;
    task_end(s, (uint32_t)task, TASK_DONE, WORKER_NONE, 0);
    return true;
}

/* A live attempt is not wanted now; its task may be, by another master. That it failed elsewhere,
 * or was lost, as often as it may is no matter: nobody gave up this attempt. */
static void take_back(struct scheduler *s, uint32_t lease, int64_t now_ns)
{
    const struct lease *it = lease_at(&s->leases, lease);
    uint32_t task = it->task;
    struct trouble *trouble = trouble_make(&s->tasks, task);
    scheduler_pend(s, SCHEDULER_CANCEL, worker_at(&s->workers, it->worker)->id, task,
                   it->attempt);
    if (!trouble ||
        (!lease_drop(s, lease) && ready_queue_put(&s->ready, task, now_ns, now_ns) < 0))
        s->broken = true;
}

void scheduler_stop(struct scheduler *s, int64_t now_ns)
{
    s->stopped = true;
    for (uint32_t id = 1; id < s->workers.ids && !s->broken; id++) {
        uint32_t index = worker_find(&s->workers, id), next;
        uint32_t lease =
            index == WORKER_NONE ? LEASE_NONE : worker_at(&s->workers, index)->leases.first;
        for (; lease != LEASE_NONE && !s->broken; lease = next) {
            next = lease_at(&s->leases, lease)->next_on_worker;
            if (!is_bound(s, lease_at(&s->leases, lease)->task))
                take_back(s, lease, now_ns);
        }
    }
}

/* Whether a worker that hands back does what was, or will be, asked of it. */
static bool is_welcome(const struct scheduler *s, const struct worker *worker, int64_t now_ns)
{
    return worker->leased > worker->usable_credits ||
           (worker->recalled_ns != INT64_MIN &&
            now_ns - worker->recalled_ns <= s->policy.recall_patience_ns);
}

void scheduler_handed_back(struct scheduler *s, uint32_t worker, struct attempt_id id,
                           int64_t now_ns)
{
    uint32_t index = worker_find(&s->workers, worker);
    uint32_t lease = lease_of(s, index, id);
    if (lease == LEASE_NONE)
        return;
    struct trouble *trouble = trouble_make(&s->tasks, (uint32_t)id.task);
    if (!trouble) {
        s->broken = true;
        return;
    }
    bool welcome = is_welcome(s, worker_at(&s->workers, index), now_ns);
    if (!welcome)
        avoid(trouble, worker);
    worker_recall_answered(&s->workers, index);
    /* One that leaves cannot do it any more, and nobody else can. */
    size_t bond = bond_find(&s->bonds, trouble->task);
    if (bond != BOND_NONE && worker_at(&s->workers, index)->state == SCHEDULER_WORKER_LEAVING)
        s->bonds.bonds[bond].worker = 0;
    if (!lease_drop(s, lease))
        task_wait_again(s, trouble, welcome ? 0 : s->policy.retry_delay_ns, now_ns);
}

/* An offered attempt is refused, but its number is taken: its result may still come. */
static enum scheduler_adoption refuse(struct scheduler *s, struct attempt_id id)
{
    struct trouble *trouble = trouble_make(&s->tasks, (uint32_t)id.task);
    if (!trouble)
        s->broken = true;
    else if (trouble->last_attempt < id.attempt)
        trouble->last_attempt = id.attempt;
    return SCHEDULER_CANCEL_IT;
}

/* Whether a task is another worker's. */
static bool is_bound_elsewhere(const struct scheduler *s, uint32_t task, uint32_t worker_id)
{
    size_t bond = bond_find(&s->bonds, task);
    return bond != BOND_NONE && s->bonds.bonds[bond].worker != worker_id;
}

/* Whether a task that is live elsewhere may be live on this worker too. */
static bool may_be_duplicated(const struct scheduler *s, uint32_t task, uint32_t index)
{
    uint32_t other = lease_first(&s->leases, task);
    return s->policy.duplicates && !is_bound(s, task) &&
           lease_at(&s->leases, other)->worker != index &&
           lease_next(&s->leases, other) == LEASE_NONE;
}

static enum scheduler_adoption adopt(struct scheduler *s, uint32_t index, struct attempt_id id,
                                     int64_t now_ns)
{
    uint32_t task = (uint32_t)id.task;
    if (task_place(&s->tasks, task) == TASK_LEASED)
        lease_order_leave(&s->leases, LEASE_SOLE, lease_first(&s->leases, task));
    else
        ready_queue_leave(&s->ready, task, TASK_LEASED);
    struct trouble *trouble = trouble_find(&s->tasks, task);
    if (trouble)
        loss_forget(trouble, id.attempt);
    uint32_t lease = scheduler_lease(s, index, task, id.attempt);
    if (lease == LEASE_NONE)
        return SCHEDULER_CANCEL_IT;
    worker_leased_change(&s->workers, index, 1);
    start(s, lease, now_ns);
    return SCHEDULER_ADOPTED;
}

enum scheduler_adoption scheduler_adopted(struct scheduler *s, uint32_t worker,
                                          struct attempt_id id, int64_t now_ns)
{
    enum task_place place = task_place(&s->tasks, id.task);
    uint32_t index = worker_find(&s->workers, worker);
    if (place == TASK_NONE)
        return SCHEDULER_ADOPT_UNKNOWN;
    if (lease_of(s, index, id) != LEASE_NONE)
        return SCHEDULER_ADOPTED;
    if (task_place_ended(place) || index == WORKER_NONE || !id.attempt ||
        id.attempt > SCHEDULER_ATTEMPT_MAX)
        return SCHEDULER_CANCEL_IT;
    const struct trouble *trouble = trouble_find(&s->tasks, (uint32_t)id.task);
    if (trouble && trouble->failed_mask & mask_of(id.attempt))
        return SCHEDULER_CANCEL_IT; /* its failure was counted, only our ACK was lost */
    if (is_bound_elsewhere(s, (uint32_t)id.task, worker))
        return refuse(s, id);
    if (s->stopped && !is_bound(s, (uint32_t)id.task))
        return refuse(s, id); /* it would keep a slot from what is bound */
    if (place == TASK_LEASED && !may_be_duplicated(s, (uint32_t)id.task, index))
        return refuse(s, id);
    return adopt(s, index, id, now_ns);
}

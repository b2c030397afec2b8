/*
 * The scheduler in four files: this one makes it, adds tasks and counts; scheduler_workers.c and
 * scheduler_attempts.c take the events; scheduler_actions.c decides.
 *
 * An event changes the tables at once; what the farm must do because of it is either the verdict
 * or waits in the queue of pending actions. New leases are never decided in an event, but when
 * the farm has told all it knows and pulls.
 *
 * A task is waiting, leased (at least one live attempt) or ended; waiting tasks have no live
 * attempt. A task that came back has a struct trouble until it ends; one that was never in
 * trouble costs a byte, and 40 more while it is leased.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "master/scheduler_private.h"

/* A row of failures is held against a worker if luck would give it with this probability. */
#define UNLUCKY       1e-6
#define DOUBLINGS_MAX 32

struct scheduler_policy scheduler_policy_default(uint32_t attempts)
{
    return (struct scheduler_policy){
        .attempts = attempts,
        .losses = attempts < UINT32_MAX - 2 ? attempts + 2 : UINT32_MAX,
        .retry_delay_ns = 100 * INT64_C(1000000),
        .retry_delay_max_ns = 10 * INT64_C(1000000000),
        .retry_elsewhere_ns = 2 * INT64_C(1000000000),
        .set_aside_failures = 5,
        .set_aside_ns = 10 * INT64_C(1000000000),
        .set_aside_max_ns = 600 * INT64_C(1000000000),
        .prefetch = true,
        .steal = true,
        .recall_patience_ns = INT64_C(1000000000),
        .duplicates = true,
        .duplicate_quantile = 0.9,
        .duplicate_factor = 1.5,
        .duplicate_floor_ns = 500 * INT64_C(1000000),
        .duplicate_samples = 3,
        .overdue_floor_ns = 2 * INT64_C(1000000000),
        .overdue_ns = INT64_MAX,
    };
}

static void at_least(int64_t *value, int64_t least)
{
    if (*value < least)
        *value = least;
}

static void policy_mend(struct scheduler_policy *policy)
{
    if (!policy->attempts)
        policy->attempts = 1;
    at_least(&policy->retry_delay_ns, 0);
    at_least(&policy->retry_delay_max_ns, policy->retry_delay_ns);
    at_least(&policy->retry_elsewhere_ns, 0);
    at_least(&policy->set_aside_ns, 1);
    at_least(&policy->set_aside_max_ns, policy->set_aside_ns);
    at_least(&policy->recall_patience_ns, 1);
    at_least(&policy->duplicate_floor_ns, 0);
    at_least(&policy->overdue_floor_ns, 0);
    if (policy->overdue_ns <= 0)
        policy->overdue_ns = INT64_MAX;
    if (!(policy->overdue_factor >= 0))
        policy->overdue_factor = 0;
    if (policy->duplicate_quantile != policy->duplicate_quantile)
        policy->duplicate_quantile = 0;
    if (policy->duplicate_quantile > 1)
        policy->duplicate_quantile = 1;
    if (!(policy->duplicate_factor >= 0))
        policy->duplicate_factor = 0;
}

struct scheduler *scheduler_create(const struct scheduler_policy *policy,
                                   struct error *ret_error)
{
    struct scheduler *s = calloc(1, sizeof(*s));
    if (!s) {
        error_set(ret_error, ERROR_SYSTEM, "out of memory for the scheduler");
        return NULL;
    }
    s->policy = *policy;
    policy_mend(&s->policy);
    task_table_init(&s->tasks);
    ready_queue_init(&s->ready, &s->tasks);
    lease_table_init(&s->leases);
    worker_table_init(&s->workers, s->policy.prefetch);
    bond_table_init(&s->bonds);
    s->wake_ns = INT64_MAX;
    return s;
}

void scheduler_destroy(struct scheduler *s)
{
    if (!s)
        return;
    ready_queue_fini(&s->ready);
    task_table_fini(&s->tasks);
    lease_table_fini(&s->leases);
    worker_table_fini(&s->workers);
    bond_table_fini(&s->bonds);
    free(s->pending.actions);
    free(s);
}

/* ---- Shared with scheduler_actions.c ---- */

static int pending_reserve(struct pending_queue *queue)
{
    if (queue->first == queue->end)
        queue->first = queue->end = 0;
    if (queue->end < queue->capacity)
        return 0;
    if (queue->first > queue->capacity / 2) {
        memmove(queue->actions, queue->actions + queue->first,
                (queue->end - queue->first) * sizeof(*queue->actions));
        queue->end -= queue->first;
        queue->first = 0;
        return 0;
    }
    size_t capacity = queue->capacity ? queue->capacity * 2 : 64;
    struct pending_action *actions =
        realloc(queue->actions, capacity * sizeof(*queue->actions));
    if (!actions)
        return -1;
    queue->actions = actions;
    queue->capacity = capacity;
    return 0;
}

void scheduler_pend(struct scheduler *s, enum scheduler_action_kind kind, uint32_t worker,
                    uint64_t task, uint32_t attempt)
{
    if (pending_reserve(&s->pending) < 0) {
        s->broken = true;
        return;
    }
    s->pending.actions[s->pending.end++] =
        (struct pending_action){kind, worker, {.task = task, .attempt = attempt}};
}

uint32_t scheduler_lease(struct scheduler *s, uint32_t worker, uint32_t task, uint32_t attempt)
{
    uint32_t lease =
        lease_add(&s->leases, &worker_at(&s->workers, worker)->leases, task, attempt, worker);
    if (lease == LEASE_NONE)
        s->broken = true;
    return lease;
}

uint32_t scheduler_next_attempt(const struct scheduler *s, uint32_t task)
{
    const struct trouble *trouble = trouble_find(&s->tasks, task);
    uint32_t highest = trouble ? trouble->last_attempt : 0;
    for (uint32_t i = lease_first(&s->leases, task); i != LEASE_NONE;
         i = lease_next(&s->leases, i)) {
        if (lease_at(&s->leases, i)->attempt > highest)
            highest = lease_at(&s->leases, i)->attempt;
    }
    return highest + 1;
}

/* ---- Tasks ---- */

int scheduler_add(struct scheduler *s, uint64_t count, struct error *ret_error)
{
    if (count > SCHEDULER_TASKS_MAX - s->tasks.added)
        return error_set(ret_error, ERROR_CONFIG,
                         "a farm has at most %u tasks; make fewer, larger ones",
                         SCHEDULER_TASKS_MAX);
    if (task_table_reserve(&s->tasks, s->tasks.added + count) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "out of memory for %llu tasks",
                         (unsigned long long)(s->tasks.added + count));
    task_table_add(&s->tasks, count);
    return 0;
}

int scheduler_bind(struct scheduler *s, uint64_t task, uint32_t worker, struct error *ret_error)
{
    enum task_place place = task_place(&s->tasks, task);
    if (task_place_ended(place))
        return 0;
    if (place != TASK_FRESH || task > s->tasks.added)
        return error_set(ret_error, ERROR_BUG,
                         "task %llu was bound before it was there, or twice",
                         (unsigned long long)task);
    if (bond_add(&s->bonds, (uint32_t)task, worker) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "out of memory for task %llu",
                         (unsigned long long)task);
    task_place_set(&s->tasks, (uint32_t)task, TASK_BOUND);
    return 0;
}

void scheduler_forget(struct scheduler *s, uint32_t task)
{
    trouble_remove(&s->tasks, task);
    bond_remove(&s->bonds, task);
}

int scheduler_restore(struct scheduler *s, uint64_t task, bool done, struct error *ret_error)
{
    if (!task || task > SCHEDULER_TASKS_MAX)
        return error_set(ret_error, ERROR_BUG, "%llu is not a task number",
                         (unsigned long long)task);
    if (task_table_reserve(&s->tasks, task) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "out of memory for %llu tasks",
                         (unsigned long long)task);
    enum task_place place = task_place(&s->tasks, task);
    if (place != TASK_NONE && !task_place_waits(place))
        return error_set(ret_error, ERROR_BUG, "task %llu was restored twice, or too late",
                         (unsigned long long)task);
    ready_queue_leave(&s->ready, (uint32_t)task, done ? TASK_DONE : TASK_FAILED);
    scheduler_forget(s, (uint32_t)task);
    return 0;
}

int scheduler_restore_failures(struct scheduler *s, uint64_t task, uint32_t failures,
                               uint32_t attempt, struct error *ret_error)
{
    if (task_place(&s->tasks, task) != TASK_FRESH || attempt > SCHEDULER_ATTEMPT_MAX)
        return error_set(ret_error, ERROR_BUG,
                         "failures of task %llu were restored twice, or too late",
                         (unsigned long long)task);
    struct trouble *trouble = trouble_make(&s->tasks, (uint32_t)task);
    if (!trouble)
        return error_set(ret_error, ERROR_SYSTEM, "out of memory for task %llu",
                         (unsigned long long)task);
    trouble->failures = failures;
    trouble->last_attempt = attempt;
    if (failures >= s->policy.attempts) {
        scheduler_pend(s, SCHEDULER_FAIL_TASK, 0, task, attempt);
        scheduler_forget(s, (uint32_t)task);
        task_place_set(&s->tasks, (uint32_t)task, TASK_FAILED);
    }
    return 0;
}

uint32_t scheduler_attempts(const struct scheduler *s, struct attempt_id id)
{
    const struct trouble *trouble =
        id.task <= SCHEDULER_TASKS_MAX ? trouble_find(&s->tasks, (uint32_t)id.task) : NULL;
    if (!trouble)
        return 1;
    uint64_t counted = trouble->failed_mask | trouble->lost_mask;
    bool is_counted = id.attempt <= 64 && (counted >> (id.attempt - 1) & 1);
    return trouble->failures + trouble->losses + (is_counted ? 0 : 1);
}

enum scheduler_task_state scheduler_task_state(const struct scheduler *s, uint64_t task)
{
    enum task_place place = task_place(&s->tasks, task);
    if (task_place_waits(place))
        return SCHEDULER_TASK_WAITING;
    return place == TASK_LEASED ? SCHEDULER_TASK_LEASED
           : place == TASK_DONE ? SCHEDULER_TASK_DONE
           : place == TASK_NONE ? SCHEDULER_TASK_UNKNOWN
                                : SCHEDULER_TASK_FAILED;
}

/* ---- Counts ---- */

struct scheduler_counts scheduler_counts(const struct scheduler *s)
{
    const uint64_t *tasks = s->tasks.counts;
    return (struct scheduler_counts){
        .tasks = s->tasks.added,
        .waiting = tasks[TASK_FRESH] + tasks[TASK_RETURNED] + tasks[TASK_DELAYED] +
                   tasks[TASK_PICKY] + tasks[TASK_BOUND],
        .leased = tasks[TASK_LEASED],
        .done = tasks[TASK_DONE],
        .failed = tasks[TASK_FAILED],
        .live = s->leases.count,
        .running = s->workers.all_running,
        .duplicated = s->duplicated,
        .slots = s->workers.all_slots,
        .credits = s->workers.credits,
        .workers = s->workers.count,
        .set_aside = s->workers.aside_count,
    };
}

size_t scheduler_memory_bytes(const struct scheduler *s)
{
    return sizeof(*s) + task_table_bytes(&s->tasks) + ready_queue_bytes(&s->ready) +
           lease_table_bytes(&s->leases) + worker_table_bytes(&s->workers) +
           s->pending.capacity * sizeof(*s->pending.actions) +
           s->bonds.capacity * sizeof(*s->bonds.bonds);
}

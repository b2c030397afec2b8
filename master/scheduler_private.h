/*
 * scheduler_private.h - what the files of the scheduler share.
 */
#ifndef BEOFARM_MASTER_SCHEDULER_PRIVATE_H
#define BEOFARM_MASTER_SCHEDULER_PRIVATE_H

#include "master/bond_table.h"
#include "master/durations.h"
#include "master/lease_table.h"
#include "master/ready_queue.h"
#include "master/scheduler.h"
#include "master/task_table.h"
#include "master/worker_table.h"

/* An action that an event left behind. */
struct pending_action {
    enum scheduler_action_kind kind;
    uint32_t worker;      /* id */
    struct attempt_id id; /* or count in id.attempt */
};

/* First in, first out. */
struct pending_queue {
    struct pending_action *actions;
    size_t first;
    size_t end;
    size_t capacity;
};

struct scheduler {
    struct scheduler_policy policy;
    struct task_table tasks;
    struct ready_queue ready;
    struct lease_table leases;
    struct worker_table workers;
    struct bond_table bonds;
    struct durations durations; /* of good results */
    struct pending_queue pending;
    uint64_t all_good; /* results of live attempts, ever */
    uint64_t all_bad;
    uint64_t duplicated;
    int64_t wake_ns;
    bool stopped; /* nothing is handed out but what is bound */
    bool broken;  /* out of memory: see scheduler_next_action */
    struct attempt_id batch[SCHEDULER_BATCH];
};

/* Remember an action for the next pull. */
void scheduler_pend(struct scheduler *scheduler, enum scheduler_action_kind kind,
                    uint32_t worker, uint64_t task, uint32_t attempt);

/* Make an attempt live on a worker (an index). LEASE_NONE, and broken, if out of memory. Its task
 * must be TASK_LEASED; the worker's count of leases is left to the caller (worker_leased_change),
 * who may change it once for many. */
uint32_t scheduler_lease(struct scheduler *scheduler, uint32_t worker, uint32_t task,
                         uint32_t attempt);

/* The number of a task's next attempt: above all that are, or were, known here. */
uint32_t scheduler_next_attempt(const struct scheduler *scheduler, uint32_t task);

/* A task has ended: nothing more is known of it than that. */
void scheduler_forget(struct scheduler *scheduler, uint32_t task);

/* A bound task that waits fails, because its worker is gone. Its last attempt; 0 if none. */
uint32_t scheduler_bound_fail(struct scheduler *scheduler, uint32_t task);

/* One live attempt of a worker that is gone; it may have been `running`. */
void scheduler_attempt_lost(struct scheduler *scheduler, uint32_t lease, bool running,
                            int64_t now_ns);

/* A live attempt has run for too long: it is not live any more, and counts as failed. Whether its
 * task failed for good with it. */
bool scheduler_give_up(struct scheduler *scheduler, uint32_t lease, int64_t now_ns);

/* A worker (an index) brought the result of a live attempt that has been dropped already. */
void scheduler_worker_failed(struct scheduler *scheduler, uint32_t worker, int64_t now_ns);
void scheduler_worker_succeeded(struct scheduler *scheduler, uint32_t worker);

/* A worker (an index) is trusted again. */
void scheduler_reinstate(struct scheduler *scheduler, uint32_t worker);

/* ns doubled so many times, at most max_ns. */
int64_t scheduler_doubled(int64_t ns, uint32_t times, int64_t max_ns);

#endif

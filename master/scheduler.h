/*
 * scheduler.h - decides which worker runs which task, and when a task has ended.
 *
 * Pure: events in, actions out; no clock (times come in, int64_t nanoseconds of one clock that
 * never steps back), no files, no network, no chance of its own. The farm tells it of every event
 * and then pulls actions until there are none:
 *
 *     verdict = scheduler_result(s, worker, id, outcome, elapsed_ns, now);   (any event)
 *     while (scheduler_next_action(s, now, &action, &error) > 0)
 *         act(&action);
 *     sleep until an event or scheduler_wake_ns(s)
 *
 * Tasks are numbers from 1, dense, added in order; their payloads are not known here. A task ends
 * exactly once: done by the first good result, whichever attempt brings it, or failed for good.
 * An attempt that the scheduler has handed out and that still may bring a result is *live*; a
 * worker never has two live attempts of one task.
 *
 * Order. Waiting tasks are handed out lowest number first; tasks that come back (handed back,
 * lost, failed) go before those never tried, so that trouble shows early and not at the end.
 *
 * Whom. Slots before prefetch: tasks are spread over idle slots in turn, in proportion if there
 * are fewer tasks than slots; only then is room beyond the slots filled, up to the worker's
 * credits, and never with more than half of a fair share of what is left, so that the end of a
 * farm is bound late.
 *
 * Failures. A task has at most `attempts` failed attempts. A failed task waits `retry_delay_ns`
 * (doubled with each failure), then goes to a worker on which it has not failed; if none is free
 * within `retry_elsewhere_ns`, or none exists, to any. Failures on a worker that stands aside at
 * that time do not count against the task (at most SCHEDULER_FAILED_ON of them).
 *
 * Losses. A lost worker proves nothing against a task, but a task that kills nodes must end: it
 * fails after `losses` lost attempts that were, or may have been, running. An attempt that comes
 * back after all (adopted, or its result) is taken off again. Handed back attempts never count.
 *
 * Set aside. A worker with max(set_aside_failures, 2 x slots) or more failures in a row, so many
 * as would happen by luck less than once in a million given how others fared meanwhile, gets no
 * more leases for `set_aside_ns` (doubled each time); then it gets one task on trial: success
 * reinstates it. The last worker that can run anything is never set aside, and if the others go,
 * those set aside are reinstated: the farm never stalls, tasks then fail by their attempts.
 *
 * Overdue. An attempt that has run for longer than `overdue_ns`, or than max(overdue_floor_ns,
 * overdue_factor x the mean duration of good results), is given up: stopped, and counted as a
 * failure. So a task that hangs ends, by its attempts.
 *
 * Bound. A task may be bound to one worker, because only that one can run it (it holds what the
 * task asks for). It goes there before any other, to an idle slot, whether the worker is set aside,
 * or leaving, or not; it has no duplicate, and its duration does not count among those of others.
 * When its worker is lost, or was never there, or hands it back as it leaves, or an attempt fails,
 * the task fails at once.
 *
 * The end. When nothing waits and slots are idle, tasks that have not started are recalled from
 * the worker with most of them; when there are none, and `duplicates` is set, the attempt running
 * longest gets a duplicate elsewhere, if it has run for longer than max(duplicate_floor_ns,
 * duplicate_factor x the duplicate_quantile of the durations of good results). At most two
 * attempts of a task are live; the first good result ends it and the other is cancelled.
 *
 * Memory: 1 byte per task; while it is live 52 more per attempt, and while it waits again after
 * trouble 90 more; about 140 per worker; all up to doubled, as arrays grow. Every event is O(1),
 * or O(log n) for tasks that came back.
 */
#ifndef BEOFARM_MASTER_SCHEDULER_H
#define BEOFARM_MASTER_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/message.h" /* struct attempt_id */

#define SCHEDULER_TASKS_MAX   (UINT32_C(1) << 30)
#define SCHEDULER_WORKERS_MAX (UINT32_C(1) << 24) /* worker ids are 1 to this */
#define SCHEDULER_CREDITS_MAX (UINT32_C(1) << 20) /* more is taken as this; slots too */
#define SCHEDULER_ATTEMPT_MAX (UINT32_C(1) << 30) /* offers of higher attempts are refused */
#define SCHEDULER_BATCH       1024                /* attempts in one action */
#define SCHEDULER_FAILED_ON   4                   /* workers remembered per failed task */

struct scheduler;

struct scheduler_policy {
    uint32_t attempts;      /* failed attempts after which a task is failed, >= 1 */
    uint32_t losses;        /* lost attempts after which a task is failed; 0: no limit */
    int64_t retry_delay_ns; /* after the first failure; doubles with each, see next */
    int64_t retry_delay_max_ns;
    int64_t retry_elsewhere_ns;  /* how long a failed task waits for another worker */
    uint32_t set_aside_failures; /* failures in a row, at least; 0: never set a worker aside */
    int64_t set_aside_ns;        /* for how long the first time; doubles, see next */
    int64_t set_aside_max_ns;
    bool prefetch;              /* false: never more attempts than slots on a worker */
    bool steal;                 /* recall tasks that have not started, at the end */
    int64_t recall_patience_ns; /* a RECALL not answered by then may be repeated */
    bool duplicates;            /* false for endless (service) tasks */
    double duplicate_quantile;  /* 0 to 1; below 0: the mean instead of a quantile */
    double duplicate_factor;
    int64_t duplicate_floor_ns;
    uint32_t
        duplicate_samples;    /* good results needed before anything is duplicated or overdue */
    double overdue_factor;    /* x the mean duration: given up; 0: never */
    int64_t overdue_floor_ns; /* but not before it has run for so long */
    int64_t overdue_ns;       /* given up after so long in any case; INT64_MAX: never */
};

/* attempts 3, losses attempts + 2, delays 0.1 s to 10 s, elsewhere 2 s, set aside after 5 for
 * 10 s to 10 min, prefetch and steal, patience 1 s, duplicates beyond max(0.5 s, 1.5 x p90) after
 * 3 samples; nothing is ever overdue, the floor is 2 s. */
struct scheduler_policy scheduler_policy_default(uint32_t attempts);

/* NULL if out of memory. The policy is copied; values out of range are brought into it. */
struct scheduler *scheduler_create(const struct scheduler_policy *policy,
                                   struct error *ret_error);
void scheduler_destroy(struct scheduler *scheduler);

/* ---- Tasks ---- */

/* Add the next `count` tasks: numbers counts.tasks + 1 and so on. Those restored before are not
 * run again. 0, or -1: too many, or out of memory (nothing added). */
int scheduler_add(struct scheduler *scheduler, uint64_t count, struct error *ret_error);

/* Bind a task that was added, before actions are pulled, to a worker, which need not be there: 0
 * never is. No effect if it was restored. 0, or -1: not such a task (ERROR_BUG), or out of memory.
 * O(log n) of the tasks that are bound and have not ended, as all that concerns them. */
int scheduler_bind(struct scheduler *scheduler, uint64_t task, uint32_t worker,
                   struct error *ret_error);

/* On resume: the journal says that `task` ended, done or failed. Best before it is added; else
 * before it is handed out. It counts as done or failed at once. 0, or -1: not a task number, ended
 * already or handed out (ERROR_BUG), or out of memory. */
int scheduler_restore(struct scheduler *scheduler, uint64_t task, bool done,
                      struct error *ret_error);

/* On resume, if the journal keeps failed attempts: `task`, added and waiting, failed before.
 * attempt: the highest attempt of it that is known. 0 or -1 as above. */
int scheduler_restore_failures(struct scheduler *scheduler, uint64_t task, uint32_t failures,
                               uint32_t attempt, struct error *ret_error);

enum scheduler_task_state {
    SCHEDULER_TASK_UNKNOWN, /* not added, nor restored */
    SCHEDULER_TASK_WAITING,
    SCHEDULER_TASK_LEASED,
    SCHEDULER_TASK_DONE,
    SCHEDULER_TASK_FAILED,
};
enum scheduler_task_state scheduler_task_state(const struct scheduler *scheduler,
                                               uint64_t task);

/* The task is not wanted any more: it ends now, without a result, and counts as done. CANCEL
 * actions for its live attempts follow. False, and nothing changes, if it has ended or is not
 * known. */
bool scheduler_cancel(struct scheduler *scheduler, uint64_t task);

/* The farm is stopped: from now on nothing is handed out but what is bound, and all other live
 * attempts are taken back: CANCEL actions follow, and their tasks wait; who comes back with one is
 * told to cancel it, too. A result of such an attempt that comes all the same is as good as any, if
 * it is told of. */
void scheduler_stop(struct scheduler *scheduler, int64_t now_ns);

/* How many attempts of id.task have run, `id` included: those that failed and those that were lost
 * while they may have been running, but not those handed back. Ask before the result of `id` is
 * told of. */
uint32_t scheduler_attempts(const struct scheduler *scheduler, struct attempt_id id);

/* ---- Workers ---- */

/* A worker joined; it holds at most max(slots, credits) attempts. Ids are the farm's, small
 * numbers from 1 (a table is indexed by them); an id may join again after it was lost. 0, or -1:
 * id out of range, joined already, no slots, or out of memory. */
int scheduler_worker_joined(struct scheduler *scheduler, uint32_t worker, uint32_t slots,
                            uint32_t credits, int64_t now_ns, struct error *ret_error);

/* CREDIT: how many attempts it wants in hand at most, slots included. Fewer than slots, even 0, is
 * allowed. Fewer than it holds: it gets no more until it holds less. Unknown workers: no effect. */
void scheduler_worker_credits(struct scheduler *scheduler, uint32_t worker, uint32_t credits);

/* LEAVING: no more leases but of what is bound to it; it will finish or hand back what it has, then
 * be lost. */
void scheduler_worker_leaving(struct scheduler *scheduler, uint32_t worker);

/* The link is gone. Its attempts wait again (FAIL actions may follow, see losses); those of a
 * worker that was leaving count as handed back. */
void scheduler_worker_lost(struct scheduler *scheduler, uint32_t worker, int64_t now_ns);

enum scheduler_worker_state {
    SCHEDULER_WORKER_UNKNOWN, /* never joined, or lost */
    SCHEDULER_WORKER_ACTIVE,
    SCHEDULER_WORKER_TRIAL, /* was set aside; gets one task at a time until one succeeds */
    SCHEDULER_WORKER_SET_ASIDE,
    SCHEDULER_WORKER_LEAVING,
};

struct scheduler_worker_view {
    enum scheduler_worker_state state;
    uint32_t slots;
    uint32_t credits;
    uint32_t leased;   /* live attempts */
    uint32_t failures; /* in a row */
};
struct scheduler_worker_view scheduler_worker_view(const struct scheduler *scheduler,
                                                   uint32_t worker);

/* ---- Attempts ---- */

/* STARTED. What is not live is ignored. */
void scheduler_started(struct scheduler *scheduler, uint32_t worker, struct attempt_id id,
                       int64_t now_ns);

enum scheduler_outcome {
    SCHEDULER_OK,
    SCHEDULER_FAILED,          /* may succeed when tried again */
    SCHEDULER_FAILED_FOR_GOOD, /* trying again is of no use: the task fails now */
};

enum scheduler_verdict {
    SCHEDULER_ACCEPT, /* the task is done by this: journal it, then acknowledge */
    SCHEDULER_RETRY,  /* failed, and counted; the task will be, or is being, tried again:
                          * acknowledge (and journal the failure if you keep such) */
    SCHEDULER_FAIL,   /* failed, and with this the task failed for good: journal, acknowledge */
    SCHEDULER_DUPLICATE, /* the task has ended already: drop, acknowledge once that end is durable
                          * (it is, unless it is in the very group of results being committed) */
    SCHEDULER_STALE,     /* a failure that was counted before: drop, acknowledge */
    SCHEDULER_UNKNOWN,   /* no such task (yet): add it and ask again, or drop and acknowledge */
};

/* "accept", "retry", ... */
const char *scheduler_verdict_name(enum scheduler_verdict verdict);

/* A result came from `worker`, which need not be live or even known: a result of an attempt that
 * was declared lost, handed back or cancelled, or that an earlier master handed out, is as good
 * as any, if the task has not ended. elapsed_ns: how long it ran (<= 0: not known). After ACCEPT
 * and FAIL, CANCEL actions for other live attempts of the task may follow. */
enum scheduler_verdict scheduler_result(struct scheduler *scheduler, uint32_t worker,
                                        struct attempt_id id, enum scheduler_outcome outcome,
                                        int64_t elapsed_ns, int64_t now_ns);

/* HANDBACK: the attempt was not run; the task waits again. Never counted. Attempts that are not
 * live are ignored. An attempt that nobody recalled, from a worker that is not leaving, waits
 * retry_delay_ns and goes elsewhere if it can, so that a worker that wants nothing causes no
 * storm of messages. */
void scheduler_handed_back(struct scheduler *scheduler, uint32_t worker, struct attempt_id id,
                           int64_t now_ns);

enum scheduler_adoption {
    SCHEDULER_ADOPTED,      /* it is live now, and counts against the worker's credits */
    SCHEDULER_CANCEL_IT,    /* the task ended, or runs elsewhere: send CANCEL */
    SCHEDULER_ADOPT_UNKNOWN /* no such task (yet): add it and ask again, or send CANCEL */
};

/* READY: a worker, just joined, still holds this attempt from before. Call it between
 * scheduler_worker_joined and the next scheduler_next_action, or the worker's slots fill up
 * twice. If the task is live elsewhere meanwhile, it is adopted as a duplicate where `duplicates`
 * allows. (task, attempt) may then not be unique: an earlier master numbered independently. Keep
 * what belongs to an attempt by (worker, task, attempt). A worker that is told to cancel an
 * attempt whose result it already has still offers the result. */
enum scheduler_adoption scheduler_adopted(struct scheduler *scheduler, uint32_t worker,
                                          struct attempt_id id, int64_t now_ns);

/* ---- Actions ---- */

enum scheduler_action_kind {
    SCHEDULER_LEASE,     /* send the tasks of `attempts` to `worker`; they are live now */
    SCHEDULER_CANCEL,    /* tell `worker` that `attempts` are not wanted; no longer live */
    SCHEDULER_RECALL,    /* ask `worker` for up to `count` attempts that have not started */
    SCHEDULER_FAIL_TASK, /* the tasks of `attempts` failed for good without a result, because their
                          * workers were lost too often (attempt: the last one): journal them.
                          * or, if `failed`, because that which they were bound to is not there.
                          * worker is 0 */
    SCHEDULER_GIVE_UP,   /* tell `worker` to stop the one attempt of `attempts`, which ran for
                          * `ran_ns`: it is overdue, counted as failed, and no longer live. Its task
                          * waits again, or is live elsewhere, or, if `failed`, failed for good */
    SCHEDULER_SET_ASIDE, /* say so: `worker` failed `count` tasks in a row; a RECALL follows */
    SCHEDULER_REINSTATE, /* say so: `worker` is trusted again */
};

struct scheduler_action {
    enum scheduler_action_kind kind;
    uint32_t worker;
    uint32_t count;                    /* of attempts, or see the kind */
    const struct attempt_id *attempts; /* borrowed until the next call of next_action; NULL for
                                        * RECALL, SET_ASIDE and REINSTATE */
    int64_t ran_ns;                    /* of GIVE_UP */
    bool failed;                       /* of GIVE_UP and FAIL_TASK, see there */
};

/* The next thing to do, in order (a CANCEL to a worker precedes later LEASEs to it). Time passes
 * by this call alone: it is also the tick. Several LEASEs in a row may be for one worker, and may
 * share a message. 1, 0 when there is nothing to do, or -1: out of memory, in this call or in an
 * event before; the scheduler is of no more use then, and the farm should end, resumable. */
int scheduler_next_action(struct scheduler *scheduler, int64_t now_ns,
                          struct scheduler_action *ret_action, struct error *ret_error);

/* When next_action might have something to do though no event came; INT64_MAX: never. Valid
 * after next_action has returned 0, until the next event. */
int64_t scheduler_wake_ns(const struct scheduler *scheduler);

/* ---- Counts: O(1) ---- */

struct scheduler_counts {
    uint64_t tasks;   /* added */
    uint64_t waiting; /* not ended, not leased; those delayed by a retry included */
    uint64_t leased;  /* tasks with a live attempt */
    uint64_t done;    /* restored ones included, also if not added yet */
    uint64_t failed;
    uint64_t live;       /* attempts: leased plus duplicates */
    uint64_t running;    /* attempts on slots: per worker, the smaller of live and slots */
    uint64_t duplicated; /* duplicates handed out so far */
    uint64_t slots;      /* of all workers joined, leaving and set aside ones included */
    uint64_t credits; /* attempts that workers would hold if tasks were plenty; where tasks are
                          * made on demand, keep twice as many waiting, or workers get less */
    uint32_t workers; /* joined, leaving and set aside ones included */
    uint32_t set_aside;
};
struct scheduler_counts scheduler_counts(const struct scheduler *scheduler);

/* Bytes allocated, for benchmarks. */
size_t scheduler_memory_bytes(const struct scheduler *scheduler);

#endif

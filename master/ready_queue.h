/*
 * ready_queue.h - the order in which waiting tasks are handed out.
 *
 * Four places: fresh tasks by number; returned ones, which come first, by number too; delayed
 * ones until their time; picky ones, which must not go to just any worker, in the order in which
 * they came. A task's place stands in the task table; entries here that no longer agree with it
 * are skipped when they come up.
 */
#ifndef BEOFARM_MASTER_READY_QUEUE_H
#define BEOFARM_MASTER_READY_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "master/task_table.h"

struct ready_entry {
    int64_t key; /* the task, or when it is due */
    uint32_t task;
};

/* A binary heap, smallest key first, then smallest task. */
struct ready_heap {
    struct ready_entry *entries;
    size_t count;
    size_t capacity;
};

struct ready_queue {
    struct task_table *tasks; /* borrowed */
    uint64_t fresh;           /* no task before this one is fresh */
    struct ready_heap returned;
    struct ready_heap delayed;
    uint32_t picky_first; /* indices of troubles */
    uint32_t picky_last;
};

/* An empty queue over `tasks` (borrowed). */
void ready_queue_init(struct ready_queue *queue, struct task_table *tasks);
void ready_queue_fini(struct ready_queue *queue);
/* Memory it has allocated. */
size_t ready_queue_bytes(const struct ready_queue *queue);

/* Tasks that any worker may have now. */
static inline uint64_t ready_queue_count(const struct ready_queue *queue)
{
    return queue->tasks->counts[TASK_FRESH] + queue->tasks->counts[TASK_RETURNED];
}

/* Put a task that is not waiting, and has a trouble, into its place: delayed until due_ns if that
 * is later than now_ns, picky if it failed somewhere, else returned. 0, or -1 if out of memory. */
int ready_queue_put(struct ready_queue *queue, uint32_t task, int64_t due_ns, int64_t now_ns);

/* Take the next task that any worker may have; ready_queue_count must not be 0. Its place is
 * TASK_LEASED then. */
uint32_t ready_queue_take(struct ready_queue *queue);

/* A waiting task, of any place, waits no more: it goes to `place`. */
void ready_queue_leave(struct ready_queue *queue, uint32_t task, enum task_place place);

/* Make those picky whose time has come. */
void ready_queue_advance(struct ready_queue *queue, int64_t now_ns);

/* When the next delayed task is due; INT64_MAX if there is none. */
int64_t ready_queue_due_ns(struct ready_queue *queue);

#endif

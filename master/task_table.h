/*
 * task_table.h - what is known of each task: a byte, and more only where there was trouble.
 */
#ifndef BEOFARM_MASTER_TASK_TABLE_H
#define BEOFARM_MASTER_TASK_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/scheduler.h"

#define TROUBLE_NONE UINT32_MAX

enum task_place {
    TASK_NONE,     /* not added, nor restored */
    TASK_FRESH,    /* waits, never handed out */
    TASK_RETURNED, /* waits again; any worker will do */
    TASK_DELAYED,  /* waits until its time has come */
    TASK_PICKY,    /* waits again; not every worker will do */
    TASK_BOUND,    /* waits for the one worker that it is bound to */
    TASK_LEASED,   /* has live attempts */
    TASK_DONE,
    TASK_FAILED,
    TASK_PLACES
};

/* What is remembered of a task that came back, until it ends. */
struct trouble {
    uint32_t task;
    uint32_t next_in_bucket; /* or the next free one */
    uint32_t prev;           /* in the list of picky tasks */
    uint32_t next;
    uint32_t last_attempt; /* the highest that was live and is not any more */
    uint32_t failures;
    uint32_t losses;
    uint32_t failed_on_count;
    uint32_t failed_on[SCHEDULER_FAILED_ON]; /* ids of workers, the latest last */
    int64_t due_ns;                          /* delayed: until; picky: since */
    uint64_t failed_mask; /* bit a - 1: attempt a failed, and was counted; for a up to 64 */
    uint64_t lost_mask;   /* the same for lost ones */
};

struct task_table {
    uint8_t *places; /* of task i at i - 1 */
    uint64_t capacity;
    uint64_t added;
    uint64_t counts[TASK_PLACES]; /* of TASK_NONE it is meaningless */
    struct trouble *troubles;
    uint32_t trouble_capacity;
    uint32_t trouble_used;
    uint32_t trouble_free;
    uint32_t trouble_count;
    uint32_t *buckets;
};

/* An empty table. */
void task_table_init(struct task_table *table);
void task_table_fini(struct task_table *table);
/* Memory it has allocated. */
size_t task_table_bytes(const struct task_table *table);

/* Make room for tasks up to `task`. 0, or -1 if out of memory. */
int task_table_reserve(struct task_table *table, uint64_t task);
/* The next `count` tasks are fresh, but for those that ended. Room must have been made. */
void task_table_add(struct task_table *table, uint64_t count);

/* TASK_NONE for any number that is no task. */
static inline enum task_place task_place(const struct task_table *table, uint64_t task)
{
    return task - 1 < table->capacity ? (enum task_place)table->places[task - 1] : TASK_NONE;
}

static inline void task_place_set(struct task_table *table, uint32_t task,
                                  enum task_place place)
{
    table->counts[table->places[task - 1]]--;
    table->counts[place]++;
    table->places[task - 1] = (uint8_t)place;
}

static inline bool task_place_waits(enum task_place place)
{
    return place >= TASK_FRESH && place <= TASK_BOUND;
}

static inline bool task_place_ended(enum task_place place)
{
    return place >= TASK_DONE;
}

/* The trouble of a task, or NULL. Pointers last until the next trouble_make. */
struct trouble *trouble_find(const struct task_table *table, uint32_t task);
/* The same, made if there is none. NULL: out of memory. */
struct trouble *trouble_make(struct task_table *table, uint32_t task);
/* Forget it, if there is any. It must not be in a list. */
void trouble_remove(struct task_table *table, uint32_t task);

#endif

/*
 * lease_table.h - the live attempts: found by task, listed by worker, ordered by start (all that
 * have started, and those of them that are the only live attempt of their task).
 *
 * Leases are numbers into one array; pointers into it last until the next lease_add.
 */
#ifndef BEOFARM_MASTER_LEASE_TABLE_H
#define BEOFARM_MASTER_LEASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEASE_NONE UINT32_MAX

/* The lists by start, oldest first. */
enum lease_order {
    LEASE_STARTED, /* all that have started */
    LEASE_SOLE,    /* those of them that are the only live attempt of their task */
    LEASE_ORDERS
};

struct lease_links {
    uint32_t prev, next; /* next: not in the list, see lease_table.c */
};

struct lease {
    uint32_t task;
    uint32_t attempt;
    uint32_t worker;         /* an index of the worker table */
    uint32_t next_in_bucket; /* or the next free one */
    uint32_t prev_on_worker;
    uint32_t next_on_worker;
    struct lease_links links[LEASE_ORDERS];
    int64_t started_ns; /* INT64_MIN: not known to have started */
};

/* One worker's leases, oldest first. */
struct lease_list {
    uint32_t first;
    uint32_t last;
};

struct lease_table {
    struct lease *leases;
    uint32_t capacity;
    uint32_t used; /* the array is in use, or on the free list, up to here */
    uint32_t free;
    uint32_t count;
    uint32_t *buckets; /* chains of leases, by the low bits of the task */
    uint32_t bucket_mask;
    struct lease_list orders[LEASE_ORDERS];
};

/* An empty table. */
void lease_table_init(struct lease_table *table);
void lease_table_fini(struct lease_table *table);
/* Memory it has allocated. */
size_t lease_table_bytes(const struct lease_table *table);

static inline struct lease *lease_at(const struct lease_table *table, uint32_t lease)
{
    return &table->leases[lease];
}

static inline bool lease_has_started(const struct lease *lease)
{
    return lease->started_ns != INT64_MIN;
}

/* Add a lease at the end of its worker's `list`. LEASE_NONE if out of memory. */
uint32_t lease_add(struct lease_table *table, struct lease_list *list, uint32_t task,
                   uint32_t attempt, uint32_t worker);
void lease_remove(struct lease_table *table, struct lease_list *list, uint32_t lease);

/* The live attempts of a task; LEASE_NONE ends them. */
uint32_t lease_first(const struct lease_table *table, uint32_t task);
uint32_t lease_next(const struct lease_table *table, uint32_t lease);
uint32_t lease_find(const struct lease_table *table, uint32_t task, uint32_t worker);

/* Put a started lease into a list by its start, or take it out. Both may be repeated. */
void lease_order_enter(struct lease_table *table, enum lease_order order, uint32_t lease);
void lease_order_leave(struct lease_table *table, enum lease_order order, uint32_t lease);

#endif

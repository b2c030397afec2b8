/*
 * bond_table.h - tasks bound to one worker: nobody else can run them.
 *
 * A handful at a time (one per worker that holds a partial sum), so an ordered list does; farms
 * that bind nothing pay one comparison.
 */
#ifndef BEOFARM_MASTER_BOND_TABLE_H
#define BEOFARM_MASTER_BOND_TABLE_H

#include <stddef.h>
#include <stdint.h>

#define BOND_NONE SIZE_MAX

struct bond {
    uint32_t task;
    uint32_t worker; /* id, not an index: the worker may be gone; 0: never was */
};

struct bond_table {
    struct bond *bonds; /* by task */
    size_t count, capacity;
};

/* An empty table. */
void bond_table_init(struct bond_table *table);
void bond_table_fini(struct bond_table *table);

/* Where a task's bond is, BOND_NONE if it is for any worker. */
size_t bond_find(const struct bond_table *table, uint32_t task);

/* Bind a task that is not bound. 0, or -1 if out of memory. */
int bond_add(struct bond_table *table, uint32_t task, uint32_t worker);

/* The task has ended: forget its bond, if it has one. */
void bond_remove(struct bond_table *table, uint32_t task);

#endif

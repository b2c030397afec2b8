#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "master/bond_table.h"

#define BONDS_AT_FIRST 16

void bond_table_init(struct bond_table *table)
{
    *table = (struct bond_table){0};
}

void bond_table_fini(struct bond_table *table)
{
    free(table->bonds);
    bond_table_init(table);
}

/* The first bond of this task or a later one. */
static size_t place_of(const struct bond_table *table, uint32_t task)
{
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->bonds[middle].task < task)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t bond_find(const struct bond_table *table, uint32_t task)
{
    if (table->count == 0)
        return BOND_NONE;
    size_t at = place_of(table, task);
    return at < table->count && table->bonds[at].task == task ? at : BOND_NONE;
}

int bond_add(struct bond_table *table, uint32_t task, uint32_t worker)
{
    if (table->count == table->capacity) {
        size_t capacity = table->capacity ? table->capacity * 2 : BONDS_AT_FIRST;
        struct bond *bonds = reallocarray(table->bonds, capacity, sizeof(*bonds));
        if (!bonds)
            return -1;
        table->bonds = bonds;
        table->capacity = capacity;
    }
    size_t at = place_of(table, task);
    memmove(&table->bonds[at + 1], &table->bonds[at],
            (table->count - at) * sizeof(*table->bonds));
    table->bonds[at] = (struct bond){.task = task, .worker = worker};
    table->count++;
    return 0;
}

void bond_remove(struct bond_table *table, uint32_t task)
{
    size_t at = bond_find(table, task);
    if (at == BOND_NONE)
        return;
    table->count--;
    memmove(&table->bonds[at], &table->bonds[at + 1],
            (table->count - at) * sizeof(*table->bonds));
}

#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "master/task_table.h"

#define PLACES_AT_FIRST   1024
#define TROUBLES_AT_FIRST 64

void task_table_init(struct task_table *table)
{
    *table = (struct task_table){.trouble_free = TROUBLE_NONE};
}

void task_table_fini(struct task_table *table)
{
    free(table->places);
    free(table->troubles);
    free(table->buckets);
    task_table_init(table);
}

size_t task_table_bytes(const struct task_table *table)
{
    return table->capacity +
           table->trouble_capacity * (sizeof(*table->troubles) + sizeof(*table->buckets));
}

int task_table_reserve(struct task_table *table, uint64_t task)
{
    if (task <= table->capacity)
        return 0;
    uint64_t capacity = table->capacity ? table->capacity : PLACES_AT_FIRST;
    while (capacity < task)
        capacity += capacity / 2;
    uint8_t *places = realloc(table->places, capacity);
    if (!places)
        return -1;
    memset(places + table->capacity, TASK_NONE, capacity - table->capacity);
    table->places = places;
    table->capacity = capacity;
    return 0;
}

void task_table_add(struct task_table *table, uint64_t count)
{
    for (uint64_t i = table->added; i < table->added + count; i++) {
        if (table->places[i] != TASK_NONE)
            continue;
        table->places[i] = TASK_FRESH;
        table->counts[TASK_FRESH]++;
    }
    table->added += count;
}

static uint32_t *bucket_of(const struct task_table *table, uint32_t task)
{
    return &table->buckets[task & (table->trouble_capacity - 1)];
}

static void chain(struct task_table *table, uint32_t index)
{
    uint32_t *bucket = bucket_of(table, table->troubles[index].task);
    table->troubles[index].next_in_bucket = *bucket;
    *bucket = index;
}

/* As in lease_table.c: only called when all are in use. */
static int grow(struct task_table *table)
{
    if (table->trouble_capacity > UINT32_MAX / 4)
        return -1;
    uint32_t capacity =
        table->trouble_capacity ? table->trouble_capacity * 2 : TROUBLES_AT_FIRST;
    uint32_t *buckets = malloc(capacity * sizeof(*buckets));
    struct trouble *troubles =
        buckets ? realloc(table->troubles, capacity * sizeof(*troubles)) : NULL;
    if (!troubles) {
        free(buckets);
        return -1;
    }
    free(table->buckets);
    memset(buckets, 0xff, capacity * sizeof(*buckets));
    table->buckets = buckets;
    table->troubles = troubles;
    table->trouble_capacity = capacity;
    for (uint32_t i = 0; i < table->trouble_used; i++)
        chain(table, i);
    return 0;
}

struct trouble *trouble_find(const struct task_table *table, uint32_t task)
{
    if (!table->trouble_count)
        return NULL;
    uint32_t index = *bucket_of(table, task);
    while (index != TROUBLE_NONE && table->troubles[index].task != task)
        index = table->troubles[index].next_in_bucket;
    return index == TROUBLE_NONE ? NULL : &table->troubles[index];
}

struct trouble *trouble_make(struct task_table *table, uint32_t task)
{
    struct trouble *trouble = trouble_find(table, task);
    if (trouble)
        return trouble;
    uint32_t index = table->trouble_free;
    if (index != TROUBLE_NONE) {
        table->trouble_free = table->troubles[index].next_in_bucket;
    } else {
        if (table->trouble_used == table->trouble_capacity && grow(table) < 0)
            return NULL;
        index = table->trouble_used++;
    }
    table->troubles[index] = (struct trouble){.task = task};
    chain(table, index);
    table->trouble_count++;
    return &table->troubles[index];
}

void trouble_remove(struct task_table *table, uint32_t task)
{
    struct trouble *trouble = trouble_find(table, task);
    if (!trouble)
        return;
    uint32_t index = (uint32_t)(trouble - table->troubles);
    uint32_t *at = bucket_of(table, task);
    while (*at != index)
        at = &table->troubles[*at].next_in_bucket;
    *at = trouble->next_in_bucket;
    trouble->next_in_bucket = table->trouble_free;
    table->trouble_free = index;
    table->trouble_count--;
}

/*
 * Buckets are chosen by the low bits of the task number alone: live tasks are mostly a run of
 * neighbours, which fall into neighbouring buckets, one each, so chains are short and a batch of
 * results walks memory in order. There are at least as many buckets as leases.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "master/lease_table.h"

#define LEASE_UNLISTED  (UINT32_MAX - 1)
#define LEASES_AT_FIRST 64

void lease_table_init(struct lease_table *table)
{
    *table = (struct lease_table){
        .free = LEASE_NONE, .running_first = LEASE_NONE, .running_last = LEASE_NONE};
}

void lease_table_fini(struct lease_table *table)
{
    free(table->leases);
    free(table->buckets);
    lease_table_init(table);
}

size_t lease_table_bytes(const struct lease_table *table)
{
    return table->capacity * sizeof(*table->leases) +
           (table->buckets ? (table->bucket_mask + (size_t)1) * sizeof(*table->buckets) : 0);
}

static uint32_t *bucket_of(const struct lease_table *table, uint32_t task)
{
    return &table->buckets[task & table->bucket_mask];
}

static void chain(struct lease_table *table, uint32_t lease)
{
    uint32_t *bucket = bucket_of(table, table->leases[lease].task);
    table->leases[lease].next_in_bucket = *bucket;
    *bucket = lease;
}

/* Only called when every lease of the array is live, so that all can be chained anew. */
static int grow(struct lease_table *table)
{
    if (table->capacity > UINT32_MAX / 4)
        return -1;
    uint32_t capacity = table->capacity ? table->capacity * 2 : LEASES_AT_FIRST;
    uint32_t *buckets = malloc(capacity * sizeof(*buckets));
    struct lease *leases = buckets ? realloc(table->leases, capacity * sizeof(*leases)) : NULL;
    if (!leases) {
        free(buckets);
        return -1;
    }
    free(table->buckets);
    memset(buckets, 0xff, capacity * sizeof(*buckets));
    table->leases = leases;
    table->capacity = capacity;
    table->buckets = buckets;
    table->bucket_mask = capacity - 1;
    for (uint32_t i = 0; i < table->used; i++)
        chain(table, i);
    return 0;
}

uint32_t lease_add(struct lease_table *table, struct lease_list *list, uint32_t task,
                   uint32_t attempt, uint32_t worker)
{
    uint32_t lease = table->free;
    if (lease != LEASE_NONE) {
        table->free = table->leases[lease].next_in_bucket;
    } else {
        if (table->used == table->capacity && grow(table) < 0)
            return LEASE_NONE;
        lease = table->used++;
    }
    table->leases[lease] = (struct lease){.task = task,
                                          .attempt = attempt,
                                          .worker = worker,
                                          .prev_on_worker = list->last,
                                          .next_on_worker = LEASE_NONE,
                                          .prev_running = LEASE_NONE,
                                          .next_running = LEASE_UNLISTED,
                                          .started_ns = INT64_MIN};
    chain(table, lease);
    if (list->last != LEASE_NONE)
        table->leases[list->last].next_on_worker = lease;
    else
        list->first = lease;
    list->last = lease;
    table->count++;
    return lease;
}

static void unchain(struct lease_table *table, uint32_t lease)
{
    uint32_t *at = bucket_of(table, table->leases[lease].task);
    while (*at != lease)
        at = &table->leases[*at].next_in_bucket;
    *at = table->leases[lease].next_in_bucket;
}

void lease_remove(struct lease_table *table, struct lease_list *list, uint32_t lease)
{
    struct lease *gone = &table->leases[lease];
    unchain(table, lease);
    lease_running_unlist(table, lease);
    if (gone->prev_on_worker != LEASE_NONE)
        table->leases[gone->prev_on_worker].next_on_worker = gone->next_on_worker;
    else
        list->first = gone->next_on_worker;
    if (gone->next_on_worker != LEASE_NONE)
        table->leases[gone->next_on_worker].prev_on_worker = gone->prev_on_worker;
    else
        list->last = gone->prev_on_worker;
    gone->next_in_bucket = table->free;
    table->free = lease;
    table->count--;
}

static uint32_t of_task(const struct lease_table *table, uint32_t lease, uint32_t task)
{
    while (lease != LEASE_NONE && table->leases[lease].task != task)
        lease = table->leases[lease].next_in_bucket;
    return lease;
}

uint32_t lease_first(const struct lease_table *table, uint32_t task)
{
    return table->count ? of_task(table, *bucket_of(table, task), task) : LEASE_NONE;
}

uint32_t lease_next(const struct lease_table *table, uint32_t lease)
{
    return of_task(table, table->leases[lease].next_in_bucket, table->leases[lease].task);
}

uint32_t lease_find(const struct lease_table *table, uint32_t task, uint32_t worker)
{
    uint32_t lease = lease_first(table, task);
    while (lease != LEASE_NONE && table->leases[lease].worker != worker)
        lease = lease_next(table, lease);
    return lease;
}

/* Where a lease that started then belongs: after `ret`. Most are the newest; one that lost its
 * duplicate is among the oldest; so both ends are tried before walking. */
static uint32_t running_place(const struct lease_table *table, int64_t started_ns)
{
    uint32_t last = table->running_last;
    if (last == LEASE_NONE || table->leases[last].started_ns <= started_ns)
        return last;
    uint32_t after = LEASE_NONE;
    uint32_t next = table->running_first;
    while (next != LEASE_NONE && table->leases[next].started_ns <= started_ns) {
        after = next;
        next = table->leases[next].next_running;
    }
    return after;
}

void lease_running_list(struct lease_table *table, uint32_t lease)
{
    struct lease *it = &table->leases[lease];
    if (it->next_running != LEASE_UNLISTED)
        return;
    uint32_t after = running_place(table, it->started_ns);
    uint32_t *from =
        after != LEASE_NONE ? &table->leases[after].next_running : &table->running_first;
    it->prev_running = after;
    it->next_running = *from;
    *from = lease;
    if (it->next_running != LEASE_NONE)
        table->leases[it->next_running].prev_running = lease;
    else
        table->running_last = lease;
}

void lease_running_unlist(struct lease_table *table, uint32_t lease)
{
    struct lease *it = &table->leases[lease];
    if (it->next_running == LEASE_UNLISTED)
        return;
    if (it->prev_running != LEASE_NONE)
        table->leases[it->prev_running].next_running = it->next_running;
    else
        table->running_first = it->next_running;
    if (it->next_running != LEASE_NONE)
        table->leases[it->next_running].prev_running = it->prev_running;
    else
        table->running_last = it->prev_running;
    it->next_running = LEASE_UNLISTED;
}

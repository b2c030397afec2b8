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
    *table = (struct lease_table){.free = LEASE_NONE};
    for (int i = 0; i < LEASE_ORDERS; i++)
        table->orders[i] = (struct lease_list){LEASE_NONE, LEASE_NONE};
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
                                          .started_ns = INT64_MIN};
    for (int i = 0; i < LEASE_ORDERS; i++)
        table->leases[lease].links[i] = (struct lease_links){LEASE_NONE, LEASE_UNLISTED};
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
    for (int i = 0; i < LEASE_ORDERS; i++)
        lease_order_leave(table, (enum lease_order)i, lease);
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
static uint32_t order_place(const struct lease_table *table, enum lease_order order,
                            int64_t started_ns)
{
    uint32_t last = table->orders[order].last;
    if (last == LEASE_NONE || table->leases[last].started_ns <= started_ns)
        return last;
    uint32_t after = LEASE_NONE;
    uint32_t next = table->orders[order].first;
    while (next != LEASE_NONE && table->leases[next].started_ns <= started_ns) {
        after = next;
        next = table->leases[next].links[order].next;
    }
    return after;
}

void lease_order_enter(struct lease_table *table, enum lease_order order, uint32_t lease)
{
    struct lease_links *it = &table->leases[lease].links[order];
    if (it->next != LEASE_UNLISTED)
        return;
    uint32_t after = order_place(table, order, table->leases[lease].started_ns);
    uint32_t *from = after != LEASE_NONE ? &table->leases[after].links[order].next
                                         : &table->orders[order].first;
    it->prev = after;
    it->next = *from;
    *from = lease;
    if (it->next != LEASE_NONE)
        table->leases[it->next].links[order].prev = lease;
    else
        table->orders[order].last = lease;
}

void lease_order_leave(struct lease_table *table, enum lease_order order, uint32_t lease)
{
    struct lease_links *it = &table->leases[lease].links[order];
    if (it->next == LEASE_UNLISTED)
        return;
    if (it->prev != LEASE_NONE)
        table->leases[it->prev].links[order].next = it->next;
    else
        table->orders[order].first = it->next;
    if (it->next != LEASE_NONE)
        table->leases[it->next].links[order].prev = it->prev;
    else
        table->orders[order].last = it->prev;
    it->next = LEASE_UNLISTED;
}

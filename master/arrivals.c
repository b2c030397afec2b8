/*
 * A hash table with chains. Its entries do not move, so the owner may hold one without the lock
 * until it seals it.
 */
#include "config.h"

#include <pthread.h>
#include <stdlib.h>

#include "master/arrivals.h"

#define BUCKETS_FIRST 64

struct arrivals {
    pthread_mutex_t lock;
    struct arrival **buckets;
    size_t bucket_count, count;
};

struct arrivals *arrivals_create(void)
{
    struct arrivals *arrivals = calloc(1, sizeof *arrivals);

    if (!arrivals)
        return NULL;
    arrivals->buckets = calloc(BUCKETS_FIRST, sizeof *arrivals->buckets);
    if (!arrivals->buckets) {
        free(arrivals);
        return NULL;
    }
    arrivals->bucket_count = BUCKETS_FIRST;
    pthread_mutex_init(&arrivals->lock, NULL);
    return arrivals;
}

static void arrival_free(struct arrival *arrival)
{
    free(arrival->path);
    free(arrival);
}

void arrivals_destroy(struct arrivals *arrivals)
{
    struct arrival *next;

    if (!arrivals)
        return;
    for (size_t i = 0; i < arrivals->bucket_count; i++)
        for (struct arrival *arrival = arrivals->buckets[i]; arrival; arrival = next) {
            next = arrival->next;
            arrival_free(arrival);
        }
    pthread_mutex_destroy(&arrivals->lock);
    free(arrivals->buckets);
    free(arrivals);
}

static bool key_is(const struct arrival_key *a, const struct arrival_key *b)
{
    return a->id.task == b->id.task && a->id.attempt == b->id.attempt && a->worker == b->worker;
}

static size_t bucket_of(const struct arrivals *arrivals, struct arrival_key key)
{
    uint64_t hash =
        ((key.id.task * 31 + key.id.attempt) * 31 + key.worker) * UINT64_C(0x9e3779b97f4a7c15);

    return (size_t)(hash >> 32) & (arrivals->bucket_count - 1);
}

/* Where the pointer to the arrival stands, or would stand. Called with the lock. */
static struct arrival **slot_of(struct arrivals *arrivals, struct arrival_key key)
{
    struct arrival **slot = &arrivals->buckets[bucket_of(arrivals, key)];

    while (*slot && !key_is(&(*slot)->key, &key))
        slot = &(*slot)->next;
    return slot;
}

static void table_grow(struct arrivals *arrivals)
{
    struct arrival **before = arrivals->buckets, *next;
    size_t count = arrivals->bucket_count;
    struct arrival **after = calloc(2 * count, sizeof *after);

    if (!after)
        return; /* longer chains, then */
    arrivals->buckets = after;
    arrivals->bucket_count = 2 * count;
    for (size_t i = 0; i < count; i++)
        for (struct arrival *arrival = before[i]; arrival; arrival = next) {
            struct arrival **slot = &after[bucket_of(arrivals, arrival->key)];

            next = arrival->next;
            arrival->next = *slot;
            *slot = arrival;
        }
    free(before);
}

struct arrival *arrivals_find(struct arrivals *arrivals, struct arrival_key key,
                              bool *ret_sealed)
{
    struct arrival *arrival;

    pthread_mutex_lock(&arrivals->lock);
    arrival = *slot_of(arrivals, key);
    *ret_sealed = arrival && arrival->sealed;
    pthread_mutex_unlock(&arrivals->lock);
    return *ret_sealed ? NULL : arrival;
}

struct arrival *arrivals_add(struct arrivals *arrivals, struct arrival_key key)
{
    struct arrival *arrival = calloc(1, sizeof *arrival), **slot;

    if (!arrival)
        return NULL;
    arrival->key = key;
    pthread_mutex_lock(&arrivals->lock);
    if (arrivals->count >= arrivals->bucket_count)
        table_grow(arrivals);
    slot = &arrivals->buckets[bucket_of(arrivals, key)];
    arrival->next = *slot;
    *slot = arrival;
    arrivals->count++;
    pthread_mutex_unlock(&arrivals->lock);
    return arrival;
}

void arrivals_forget(struct arrivals *arrivals, struct arrival_key key)
{
    struct arrival **slot, *arrival;

    pthread_mutex_lock(&arrivals->lock);
    slot = slot_of(arrivals, key);
    arrival = *slot;
    if (arrival) {
        *slot = arrival->next;
        arrivals->count--;
        arrival_free(arrival);
    }
    pthread_mutex_unlock(&arrivals->lock);
}

/* An arrival of this worker that is not sealed. Called with the lock. */
static const struct arrival *arrival_of(const struct arrivals *arrivals, uint32_t worker)
{
    for (size_t i = 0; i < arrivals->bucket_count && arrivals->count; i++)
        for (const struct arrival *arrival = arrivals->buckets[i]; arrival;
             arrival = arrival->next)
            if (arrival->key.worker == worker && !arrival->sealed)
                return arrival;
    return NULL;
}

bool arrivals_find_worker(struct arrivals *arrivals, uint32_t worker,
                          struct arrival_key *ret_key)
{
    const struct arrival *arrival;

    pthread_mutex_lock(&arrivals->lock);
    arrival = arrival_of(arrivals, worker);
    if (arrival)
        *ret_key = arrival->key;
    pthread_mutex_unlock(&arrivals->lock);
    return arrival != NULL;
}

void arrivals_seal(struct arrivals *arrivals, struct arrival *arrival)
{
    pthread_mutex_lock(&arrivals->lock);
    arrival->sealed = true;
    pthread_mutex_unlock(&arrivals->lock);
}

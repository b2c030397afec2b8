#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "worker/hand.h"
#include "worker/workdir.h"

struct list {
    struct held *first, *last;
    size_t count;
};

struct hand {
    struct list lists[HAND_STATES];
    struct held **buckets; /* by id; a power of two of them */
    size_t bucket_count, count;
};

struct hand *hand_create(void)
{
    struct hand *hand = calloc(1, sizeof(*hand));
    if (!hand)
        return NULL;
    hand->bucket_count = 1024;
    hand->buckets = calloc(hand->bucket_count, sizeof(*hand->buckets));
    if (hand->buckets)
        return hand;
    free(hand);
    return NULL;
}

void hand_destroy(struct hand *hand)
{
    if (!hand)
        return;
    for (int state = 0; state < HAND_STATES; state++)
        while (hand->lists[state].first)
            hand_remove(hand, hand->lists[state].first);
    free(hand->buckets);
    free(hand);
}

static struct held **bucket_of(struct hand *hand, struct attempt_id id)
{
    uint64_t hash = (id.task * 31 + id.attempt) * UINT64_C(0x9e3779b97f4a7c15);
    return &hand->buckets[(hash >> 32) & (hand->bucket_count - 1)];
}

struct held *hand_find(struct hand *hand, struct attempt_id id)
{
    struct held *held = *bucket_of(hand, id);
    while (held && (held->id.task != id.task || held->id.attempt != id.attempt))
        held = held->next_in_bucket;
    return held;
}

static void list_add(struct list *list, struct held *held)
{
    held->previous = list->last;
    held->next = NULL;
    if (list->last)
        list->last->next = held;
    else
        list->first = held;
    list->last = held;
    list->count++;
}

static void list_remove(struct list *list, struct held *held)
{
    if (held->previous)
        held->previous->next = held->next;
    else
        list->first = held->next;
    if (held->next)
        held->next->previous = held->previous;
    else
        list->last = held->previous;
    list->count--;
}

/* Longer chains, where there is no memory for more buckets. */
static void grow(struct hand *hand)
{
    struct held **before = hand->buckets;
    size_t count = hand->bucket_count;
    struct held **after = calloc(count * 2, sizeof(*after));
    if (!after)
        return;
    hand->buckets = after;
    hand->bucket_count = count * 2;
    for (size_t i = 0; i < count; i++)
        for (struct held *held = before[i], *next; held; held = next) {
            next = held->next_in_bucket;
            struct held **bucket = bucket_of(hand, held->id);
            held->next_in_bucket = *bucket;
            *bucket = held;
        }
    free(before);
}

struct held *hand_add(struct hand *hand, struct attempt_id id, const void *payload, size_t size,
                      bool *ret_known)
{
    *ret_known = hand_find(hand, id) != NULL;
    struct held *held = *ret_known ? NULL : calloc(1, sizeof(*held));
    if (!held)
        return NULL;
    held->id = id;
    held->payload = malloc(size ? size : 1);
    if (!held->payload) {
        free(held);
        return NULL;
    }
    if (size)
        memcpy(held->payload, payload, size);
    held->payload_size = size;
    if (hand->count++ >= hand->bucket_count)
        grow(hand);
    struct held **bucket = bucket_of(hand, id);
    held->next_in_bucket = *bucket;
    *bucket = held;
    list_add(&hand->lists[HAND_QUEUED], held);
    return held;
}

void hand_move(struct hand *hand, struct held *held, enum hand_state state)
{
    list_remove(&hand->lists[held->state], held);
    held->state = state;
    list_add(&hand->lists[state], held);
}

void hand_remove(struct hand *hand, struct held *held)
{
    struct held **place = bucket_of(hand, held->id);
    while (*place != held)
        place = &(*place)->next_in_bucket;
    *place = held->next_in_bucket;
    hand->count--;
    list_remove(&hand->lists[held->state], held);
    workdir_destroy(held->workdir);
    free(held->payload);
    free(held->result);
    free(held);
}

struct held *hand_first(const struct hand *hand, enum hand_state state)
{
    return hand->lists[state].first;
}

struct held *hand_last(const struct hand *hand, enum hand_state state)
{
    return hand->lists[state].last;
}

size_t hand_count(const struct hand *hand, enum hand_state state)
{
    return hand->lists[state].count;
}

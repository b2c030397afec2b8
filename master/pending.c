/* A ring that doubles when it is full; its capacity is a power of two. */
#include "config.h"

#include <stdlib.h>

#include "master/pending.h"

struct pending {
    struct pending_ack *ring;
    size_t capacity;
    size_t first; /* index of the oldest, ever growing; its place is first % capacity */
    size_t count;
};

struct pending *pending_create(void)
{
    struct pending *pending = calloc(1, sizeof(*pending));
    if (!pending)
        return NULL;
    pending->capacity = 1024;
    pending->ring = malloc(pending->capacity * sizeof(*pending->ring));
    if (pending->ring)
        return pending;
    free(pending);
    return NULL;
}

void pending_destroy(struct pending *pending)
{
    if (!pending)
        return;
    free(pending->ring);
    free(pending);
}

static struct pending_ack *place(const struct pending *pending, size_t index)
{
    return &pending->ring[index & (pending->capacity - 1)];
}

static int grow(struct pending *pending)
{
    struct pending_ack *ring = malloc(2 * pending->capacity * sizeof(*ring));
    if (!ring)
        return -1;
    for (size_t i = 0; i < pending->count; i++)
        ring[i] = *place(pending, pending->first + i);
    free(pending->ring);
    pending->ring = ring;
    pending->capacity *= 2;
    pending->first = 0;
    return 0;
}

int pending_add(struct pending *pending, const struct pending_ack *ack)
{
    if (pending->count == pending->capacity && grow(pending) < 0)
        return -1;
    *place(pending, pending->first + pending->count++) = *ack;
    return 0;
}

bool pending_take(struct pending *pending, uint64_t committed, struct pending_ack *ret_ack)
{
    if (pending->count == 0 || place(pending, pending->first)->sequence > committed)
        return false;
    *ret_ack = *place(pending, pending->first);
    pending->first++;
    pending->count--;
    return true;
}

size_t pending_count(const struct pending *pending)
{
    return pending->count;
}

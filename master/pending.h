/*
 * pending.h - acknowledgements that wait until the journal has committed.
 *
 * A queue, in the order of the journal's sequence numbers.
 */
#ifndef BEOFARM_MASTER_PENDING_H
#define BEOFARM_MASTER_PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/message.h"

struct pending;

struct pending_ack {
    uint64_t sequence; /* of the journal: durable when it is committed */
    uint32_t worker;
    struct attempt_id id;
};

struct pending *pending_create(void); /* NULL if out of memory */
void pending_destroy(struct pending *pending);

/* Add at the end; sequence is not smaller than the last one's. -1 if out of memory. */
int pending_add(struct pending *pending, const struct pending_ack *ack);

/* Take the first whose sequence is at most `committed`; false if there is none. */
bool pending_take(struct pending *pending, uint64_t committed, struct pending_ack *ret_ack);

/* How many wait. */
size_t pending_count(const struct pending *pending);

#endif

/*
 * shot_room.h - memory, so that shots never need more than the node has.
 *
 * Each task says what its program will need. A slot's program computes one task at a time, so a
 * slot needs as much as the largest of those it was given; the slots together, and what else is
 * counted, stay within the limit. Claims are granted in the order in which they came: a large one
 * waits until it fits, and nothing overtakes it, so that it comes to its turn.
 */
#ifndef BEOFARM_WORKER_SHOT_ROOM_H
#define BEOFARM_WORKER_SHOT_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/loop.h"

struct shot_room;

/* In its owner's memory, from shot_room_claim until shot_room_release. The first four are the
 * owner's to set. */
struct shot_claim {
    uint32_t slot;
    uint64_t bytes;
    /* It has its room; or, with an error (ERROR_TASKS), it never will. From the loop; never from
     * within another call of this module. */
    void (*granted)(void *context, const struct error *error);
    void *context;
    /* --- */
    bool waits, holds;
    struct shot_claim *next;
};

/* limit: bytes in all; 0: no limit. NULL with a sentence. */
struct shot_room *shot_room_create(struct loop *loop, uint64_t limit, struct error *ret_error);
void shot_room_destroy(struct shot_room *room); /* claims are forgotten; NULL is allowed */

/* What is used apart from claims (sums), bytes; it may rise above what is free. */
void shot_room_set_used(struct shot_room *room, uint64_t bytes);

/* Ask for room; `granted` is called later. */
void shot_room_claim(struct shot_room *room, struct shot_claim *claim);

/* Give it back, or take the question back. One that was never made is allowed. */
void shot_room_release(struct shot_room *room, struct shot_claim *claim);

#endif

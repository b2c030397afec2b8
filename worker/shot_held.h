/*
 * shot_held.h - what a worker has of attempts, and has not added to its sums: parcels of its own,
 * and gifts that it took from others. They wait until the master says that they count, or a task
 * names them (shot_ledger.h). Used in the loop's thread.
 */
#ifndef BEOFARM_WORKER_SHOT_HELD_H
#define BEOFARM_WORKER_SHOT_HELD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/seismic/shot_task.h"
#include "worker/shot_chore.h"
#include "worker/shot_parcel.h"

struct shot_held_parcel;

/* A zeroed one is empty. */
struct shot_held {
    struct shot_held_parcel *parcels;
    struct shot_chore *gifts; /* CHORE_ADOPT */
};

void shot_held_fini(struct shot_held *held);

bool shot_held_is_empty(const struct shot_held *held);

/* Hold a parcel; it is taken. -1 without memory, and it is not. */
int shot_held_put(struct shot_held *held, struct shot_parcel *parcel, struct error *ret_error);
/* Take out that of this attempt; NULL: there is none. */
struct shot_parcel *shot_held_take(struct shot_held *held, struct attempt_id id);

/* The same of gifts. */
void shot_held_put_gift(struct shot_held *held, struct shot_chore *gift);
struct shot_chore *shot_held_take_gift(struct shot_held *held, struct attempt_id id);
/* A gift of which this task names all; NULL: there is none (any more). */
struct shot_chore *shot_held_take_gift_within(struct shot_held *held,
                                              const struct shot_task *task);

/* Forget what is of waves below `number`. */
void shot_held_drop(struct shot_held *held, uint64_t number);

#endif

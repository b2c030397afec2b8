/*
 * shot_sums.h - the partial sums of a worker, and which attempts are in which.
 *
 * There is one sum per wave (shot_task.sum) to which parts are added. A task that collects, or
 * takes, *seals* those that it delivers: what comes for the same wave afterwards begins a new one,
 * so that what the master has durably can be forgotten as a whole. A part that overlaps what the
 * open sum has begins a new one, too: the master had given up on this worker and farmed those shots
 * again, so what is in the old one may not be wanted any more. Used by one thread at a time: the
 * ledger's errand (shot_ledger.h).
 */
#ifndef BEOFARM_WORKER_SHOT_SUMS_H
#define BEOFARM_WORKER_SHOT_SUMS_H

#include "common/error.h"
#include "common/message.h"
#include "common/seismic/sum.h"

struct shot_sums;

struct shot_sums *shot_sums_create(void);       /* NULL if out of memory */
void shot_sums_destroy(struct shot_sums *sums); /* NULL is allowed */

/* Bytes that they take. */
uint64_t shot_sums_bytes(const struct shot_sums *sums);

/* Add a part to the wave's open sum, making it if there is none. -1 with a sentence: it is not in
 * any sum; where its file failed half way, the open sum is gone with all that was in it, which is
 * then missing from what is delivered, and farmed again. */
int shot_sums_add(struct shot_sums *sums, const struct sum_shape *shape,
                  const struct sum_part *part, struct error *ret_error);

/* Add all that is in the file of a partial sum (gift.h) to its wave's open sum, in the same way:
 * what overlaps with that begins a new one. -1 with a sentence: the same attempts are here already,
 * or as shot_sums_add. */
int shot_sums_adopt(struct shot_sums *sums, const char *path, struct error *ret_error);

struct shot_delivery {
    uint64_t number;                 /* the wave */
    const struct attempt_id *wanted; /* in rising order of task */
    size_t wanted_count;
    uint64_t task;            /* the one that collects or takes: whom they are sealed for */
    const char *path;         /* NULL: */
    int fd;                   /* a socket that blocks */
    uint64_t attempts, shots; /* delivered: filled in */
};

/* Write to `path`, or send to `fd`, the merger of all the wave's sums whose every attempt is
 * wanted. A sum in which something else is is left alone as a whole. -1 with a sentence
 * (ERROR_TASKS: there is none). */
int shot_sums_deliver(struct shot_sums *sums, struct shot_delivery *delivery,
                      struct error *ret_error);

/* Forget those that were sealed for this collect task: the master has them. */
void shot_sums_forget(struct shot_sums *sums, uint64_t task);

/* Forget all of waves below `number`. */
void shot_sums_drop(struct shot_sums *sums, uint64_t number);

#endif

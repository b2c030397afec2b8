/*
 * delivery.h - what a farm comes to, put into its container, so that it can be had from any machine
 * and outlives the master's node: results.csv, outputs.csv, said.txt, and the driver's files in
 * out/master/ of the run directory. (Output files of tasks are there already: ship.h,
 * worker/depot.h.)
 *
 * Uploads happen in a thread. Files that are being written are copied first, so that what arrives
 * is of one moment; one that has not changed since it was delivered is not sent again.
 */
#ifndef BEOFARM_MASTER_DELIVERY_H
#define BEOFARM_MASTER_DELIVERY_H

#include <stdbool.h>

#include "common/error.h"
#include "common/loop.h"
#include "common/whereabouts.h"

struct delivery;

enum delivery_extent {
    DELIVERY_TABLES, /* results.csv, outputs.csv, said.txt */
    DELIVERY_ALL,    /* and out/master/ */
};

/* `store`, `run` and `run_dir` are borrowed. NULL with a sentence. */
struct delivery *delivery_create(struct loop *loop, const char *store, const char *run,
                                 const char *run_dir, struct error *ret_error);

/* Waits for what is under way. NULL is allowed. */
void delivery_destroy(struct delivery *delivery);

/* Deliver; `done` is called from the loop, with NULL or why it failed. Not while another is under
 * way. `whereabouts` (may be NULL) is written first (whereabouts_put). */
void delivery_start(struct delivery *delivery, enum delivery_extent extent,
                    const struct whereabouts *whereabouts,
                    void (*done)(void *context, const struct error *error), void *context);

bool delivery_is_busy(const struct delivery *delivery);

#endif

/*
 * depot.h - puts the output files of attempts into the farm's container (common/azure/container.h),
 * a few attempts at once, each in a thread, in parallel blocks.
 *
 * While the container cannot be reached it is tried again and again: the result waits, the slot
 * does not.
 */
#ifndef BEOFARM_WORKER_DEPOT_H
#define BEOFARM_WORKER_DEPOT_H

#include "common/error.h"
#include "common/loop.h"
#include "common/message.h"

struct depot;
struct workdir;

/* `store` is "blob:URL". `done` is called from the loop when all files of an attempt are there
 * (error NULL), or one cannot be read. NULL with a sentence. */
struct depot *depot_create(struct loop *loop, const char *store,
                           void (*done)(void *context, struct attempt_id id,
                                        const struct error *error),
                           void *context, struct error *ret_error);

/* Breaks off what is under way; `done` is not called any more. NULL is allowed. */
void depot_destroy(struct depot *depot);

/* Put what was collected in `workdir` into the attempt's folder (message_put_folder). The workdir
 * is borrowed, and must be left alone, until `done`. -1 if memory is short. */
int depot_put(struct depot *depot, struct attempt_id id, struct workdir *workdir);

#endif

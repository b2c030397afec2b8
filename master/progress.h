/*
 * progress.h - when to say how far the farm is, and how fast it goes.
 *
 * A line is announced when something changed and the last one is old enough: 0.2 s in the first
 * minute, then a hundredth of the farm's age, up to 10 s. So a short farm is lively and a week's
 * farm leaves a small file.
 */
#ifndef BEOFARM_MASTER_PROGRESS_H
#define BEOFARM_MASTER_PROGRESS_H

#include "common/loop.h"
#include "master/announce.h"

struct progress;

/* `counts` fills in everything but rate and elapsed_s. NULL if out of memory. */
struct progress *progress_create(struct loop *loop,
                                 void (*counts)(void *context, struct announce_progress *ret),
                                 void *context);
void progress_destroy(struct progress *progress); /* NULL is allowed */

/* Something changed: a line will be announced in due time. Cheap. */
void progress_touch(struct progress *progress);

/* The numbers now, rate and elapsed_s included. */
void progress_read(struct progress *progress, struct announce_progress *ret_numbers);

/* Announce now. */
void progress_say(struct progress *progress);

#endif

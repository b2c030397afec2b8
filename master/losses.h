/*
 * losses.h - tells the user of workers that were lost: one by one, or in masses summed up.
 *
 * A site that goes takes thousands of workers along. The first LOSSES_TOLD within LOSSES_SPAN_NS
 * get a sentence each, and the others one together when that time is over.
 */
#ifndef BEOFARM_MASTER_LOSSES_H
#define BEOFARM_MASTER_LOSSES_H

#include "common/clock.h"
#include "common/loop.h"

#define LOSSES_TOLD    10
#define LOSSES_SPAN_NS CLOCK_SECOND_NS

struct losses;

/* `say` gets the sentences. NULL if memory is short. */
struct losses *losses_create(struct loop *loop,
                             void (*say)(void *context, const char *sentence), void *context);
void losses_destroy(struct losses *losses); /* NULL is allowed; says nothing */

/* A worker is lost; the sentence says which and why. */
void losses_add(struct losses *losses, const char *sentence);

/* Say now what was to be summed up later. */
void losses_flush(struct losses *losses);

#endif

/*
 * step.h - what an estimator computes from one wave to the next, done beside the event loop.
 *
 * A step may take a minute, and meanwhile workers want their heartbeats answered. So it is done in
 * a thread. What the estimator says there is told from the loop's thread, in the same order, while
 * the step goes on. A step that takes a moment only is waited for: it costs a thread, 20 us, and
 * no turn of the loop.
 */
#ifndef BEOFARM_MASTER_PEST_STEP_H
#define BEOFARM_MASTER_PEST_STEP_H

#include <stdbool.h>

#include "common/error.h"
#include "common/loop.h"
#include "master/pest/estimator.h"

struct step;

/* Called in the loop's thread alone. */
struct step_events {
    void (*say)(void *context, const char *sentence);
    void (*stand)(void *context, const struct estimator_stand *stand);
    void (*done)(void *context); /* the step that step_start has left under way is through */
};

/* Without a loop (NULL) steps are done at once. NULL with a sentence. */
struct step *step_create(struct loop *loop, const struct step_events *events, void *context,
                         struct error *ret_error);

/* Free it, after a short wait for a step that is under way. NULL is allowed. False: that step takes
 * longer and is abandoned; everything that it uses must stay as it is, and the process be left as
 * errand_is_abroad says. */
bool step_destroy(struct step *step);

/* Do compute(context) of step_create's context. True: it is through, also if it was waited for.
 * False: it is under way, and `done` will be called from the loop. None may be under way. */
bool step_start(struct step *step, void (*compute)(void *context));

/* Whether a step is under way: what it uses is not to be touched. */
bool step_is_busy(const struct step *step);

/* What the estimator says: from a step, or else from the loop's thread. */
void step_say(struct step *step, const char *sentence);
void step_stand(struct step *step, const struct estimator_stand *stand);

#endif

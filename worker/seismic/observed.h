/*
 * observed.h - the observed data of a shot, and what of them counts.
 *
 * A trace that is zero throughout is one that was not recorded, and has no part in what data are
 * compared for; the survey's mute (common/seismic/mute.h) says what counts of the others.
 */
#ifndef BEOFARM_WORKER_SEISMIC_OBSERVED_H
#define BEOFARM_WORKER_SEISMIC_OBSERVED_H

#include <stddef.h>

#include "common/error.h"
#include "common/seismic/survey.h"

struct observed {
    float *traces; /* [receivers][samples], as recorded */
    /* The same: what observed and modelled traces are multiplied by. NULL: all 1. */
    float *weights;
    size_t dead; /* traces that do not count */
};

/* Read those of `count` shots, and add them up, `factors[i]` times that of members[i]. `shot` is
 * what they are when they are fired as one; or the only one. -1 with a sentence: what there is
 * observed_fini frees. */
int observed_read(struct observed *observed, const struct survey *survey,
                  const struct shot *shot, const struct shot *members, const double *factors,
                  size_t count, struct error *ret_error);
void observed_fini(struct observed *observed); /* a zeroed one is allowed */

#endif

/*
 * breakthrough.h - the concentration at the well over time, and the numbers that people ask
 * for.
 */
#ifndef BEOFARM_EXAMPLES_ADVECTION_BREAKTHROUGH_H
#define BEOFARM_EXAMPLES_ADVECTION_BREAKTHROUGH_H

#include <stddef.h>

#include "examples/advection/column.h"

#define BREAKTHROUGH_ARRIVAL 0.01 /* relative concentration that counts as having arrived */

struct breakthrough {
    size_t count;          /* points, the first at day 0 */
    double *day;           /* owned, with concentration */
    double *concentration; /* at the well, relative to the source's */
    double arrival_day;    /* first day at BREAKTHROUGH_ARRIVAL, d; NaN if that never came */
    double peak;           /* highest concentration at the well */
    double peak_day;
    double decayed_share; /* of what entered, 0..1 */
    double balance_error; /* mass lost by the numerics over mass entered: rounding, or a bug */
};

/* Simulate. 0, or -1 with a sentence in `reason`; caller frees with breakthrough_fini. */
int breakthrough_compute(const struct column *column, struct breakthrough *ret_breakthrough,
                         char *reason, size_t reason_size);
void breakthrough_fini(struct breakthrough *breakthrough);

/* Write `day,concentration` rows, about `rows` of them, evenly thinned. 0 or -1. */
int breakthrough_write(const struct breakthrough *breakthrough, const char *path, size_t rows,
                       char *reason, size_t reason_size);

#endif

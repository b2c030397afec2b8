/*
 * glm_derivatives.h - the runs of a Jacobian: planned, and made into columns in their own place.
 *
 * Increments (PEST manual I, 4.2.7) are of the parameter itself, not of its logarithm: DERINC
 * times its size (relative), DERINC (absolute), or DERINC times the size of the largest of its
 * group (rel_to_max), at least DERINCLB, times DERINCMUL where more than two points are used (five
 * points: half of it and all of it, to either side). Two points are upwards unless the bound
 * forbids it; where there is no room for an increment the points move to the other side, and where
 * there is none either way they shrink into the wider gap. Values are those that the templates can
 * hold: an increment that is lost in them is doubled until it shows.
 *
 * Failures: a column lives on what points are left; one with none gets another chance (the other
 * side, then half the increment), see glm_derivatives_retry; after that it is dead: its derivative
 * is zero and the parameter stays where it is for this iteration.
 */
#ifndef BEOFARM_MASTER_PEST_GLM_DERIVATIVES_H
#define BEOFARM_MASTER_PEST_GLM_DERIVATIVES_H

#include <stdbool.h>
#include <stddef.h>

#include "master/pest/estimator.h"
#include "master/pest/glm_parameters.h"
#include "master/pest/glm_stencil.h"

struct glm_stencil {
    size_t count;
    double x[GLM_STENCIL_MAX];   /* distances from the base, in the column's coordinate */
    size_t run[GLM_STENCIL_MAX]; /* run of the wave */
    enum pest_dermthd method;
    double splitthresh, splitreldiff; /* 0: no split-slope analysis */
    int splitaction;
};

struct glm_derivatives {
    size_t count; /* columns */
    struct glm_stencil *stencils;
    double *reach;  /* [count] largest distance from the base, in the column's coordinate */
    bool *dead;     /* [count] no derivative could be had */
    bool *waiting;  /* [count] to be tried again */
    size_t forward; /* columns with two points */
    bool once;      /* super parameters: no second chance */
    int attempt;    /* retries so far */
};

int glm_derivatives_init(struct glm_derivatives *derivatives, size_t count,
                         struct error *ret_error);
void glm_derivatives_fini(struct glm_derivatives *derivatives);

/* Append to `wanted` the runs for all columns around `values` (all parameters, as written).
 * `switched`: groups that switch use more points. `split`: split-slope analysis is on. */
int glm_derivatives_plan(struct glm_derivatives *derivatives,
                         const struct glm_parameters *parameters, const double *values,
                         bool switched, bool split, struct wave *wanted,
                         struct error *ret_error);

/* The same for super parameters: column k is the direction directions[k * parameters->count + c]
 * of transformed parameters, `origin` the transformed values. Points are `switched`: two-sided.
 * The distance is chosen so that the parameter that moves most, in units of its own increment,
 * moves by one. */
int glm_derivatives_plan_super(struct glm_derivatives *derivatives,
                               const struct glm_parameters *parameters, const double *origin,
                               const double *directions, bool switched, struct wave *wanted,
                               struct error *ret_error);

/* Make columns of the runs of `ended`: column c goes to jacobian[c * observation_count], which
 * may be ended->observations itself where no column was dead from the start. `base` are the
 * observations at the base, `previous` the Jacobian before this one (for SPLITACTION previous) or
 * NULL. Columns without a run left are `waiting`. Returns how many are. */
size_t glm_derivatives_digest(struct glm_derivatives *derivatives, const struct wave *ended,
                              const double *base, const double *previous, double *jacobian);

/* Plan another run for each waiting column, with less in it. Returns how many runs; 0: nothing is
 * left to try, and the waiting columns are dead. -1: no memory. Not for super parameters: there
 * the columns are dead at once. */
long glm_derivatives_retry(struct glm_derivatives *derivatives,
                           const struct glm_parameters *parameters, const double *values,
                           struct wave *wanted, struct error *ret_error);

/* The increment of a column's parameter at `values`, in its own units, for two points. */
double glm_derivatives_increment(const struct glm_parameters *parameters, const double *values,
                                 size_t column);

#endif

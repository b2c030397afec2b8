/*
 * glm_limits.h - how far an iteration may take each parameter from where it began.
 *
 * PARCHGLIM (PEST manual I, 4.2.8; control data line 6): factor: between value / FACPARMAX and
 * value * FACPARMAX; relative: by RELPARMAX times its size; absolute(N): by ABSPARMAX(N). Sizes
 * below FACORIG times the initial value count as that. Bounds always hold.
 *
 * Where PEST shortens the whole upgrade vector so that its worst parameter keeps to its limit, the
 * limits here make a box in which the upgrade is sought (glm_model.h): one insensitive parameter
 * does not hold back all the others.
 *
 * IBOUNDSTICK: a parameter that ended that many iterations at the same bound stays there.
 */
#ifndef BEOFARM_MASTER_PEST_GLM_LIMITS_H
#define BEOFARM_MASTER_PEST_GLM_LIMITS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "master/pest/glm_model.h"
#include "master/pest/glm_parameters.h"

struct glm_limits {
    size_t count;
    double *lower,
        *upper;         /* [count] of steps from the base, transformed; lower <= 0 <= upper */
    double *low, *high; /* [count] where these ends are, transformed */
    bool *frozen;       /* [count] */
    int *stuck;         /* [count] iterations at a bound, on end */
};

int glm_limits_init(struct glm_limits *limits, size_t count, struct error *ret_error);
void glm_limits_fini(struct glm_limits *limits);

/* The box around `values` (all parameters; transformed: origin[count]); `dead` (or NULL):
 * parameters without a derivative, frozen. */
void glm_limits_set(struct glm_limits *limits, const struct glm_parameters *parameters,
                    const double *values, const double *origin, const bool *dead);

/* An iteration ended at `values`: count who is at a bound. */
void glm_limits_note(struct glm_limits *limits, const struct glm_parameters *parameters,
                     const double *values);

/* Whether a step from `origin` ends at a limit that is not a bound: another iteration may take a
 * parameter farther. */
bool glm_limits_holds(const struct glm_limits *limits, const struct glm_parameters *parameters,
                      const double *origin, const double *step);

/* The largest share of its limit that a step uses, 0 to 1 (bounds are no limit in this sense). */
double glm_limits_share(const struct glm_limits *limits, const double *step);

#endif

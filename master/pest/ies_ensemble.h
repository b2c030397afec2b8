/*
 * ies_ensemble.h - the realisations of a smoother: parameters, what is to be fitted, what the model
 * said. All arrays are in the order of the realisations that are left.
 */
#ifndef BEOFARM_MASTER_PEST_IES_ENSEMBLE_H
#define BEOFARM_MASTER_PEST_IES_ENSEMBLE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

struct ies_ensemble {
    size_t parameter_count, observation_count;   /* all of the control file */
    size_t count;                                /* realisations left */
    size_t first_count;                          /* realisations there were at first */
    char **parameter_names, **observation_names; /* [first_count] in the first order; those that
                                                  * were dropped keep theirs */
    size_t *origin; /* [count] the realisation's place in the first order */
    double *values; /* [count][parameter_count] model-side values, as estimator.h has them */
    double *prior;  /* [count][parameter_count] those that it began with */
    double *target; /* [count][observation_count] measured value plus noise; without noise where
                     * the weight is 0 */
    double *simulated; /* [count][observation_count]; NaN where nothing is known yet */
};

/* `count` realisations without names, values zero, simulated NaN. -1: no memory, with the size. */
int ies_ensemble_init(struct ies_ensemble *ensemble, size_t parameter_count,
                      size_t observation_count, size_t count, struct error *ret_error);
void ies_ensemble_fini(struct ies_ensemble *ensemble); /* a zeroed one is allowed */

/* Name realisation `index`; names are copied. -1: no memory. */
int ies_ensemble_name(struct ies_ensemble *ensemble, size_t index, const char *parameter_name,
                      const char *observation_name, struct error *ret_error);

/* Names of a realisation that is left. */
const char *ies_ensemble_parameter_name(const struct ies_ensemble *ensemble, size_t index);
const char *ies_ensemble_observation_name(const struct ies_ensemble *ensemble, size_t index);

double *ies_ensemble_values(const struct ies_ensemble *ensemble, size_t index);
double *ies_ensemble_prior(const struct ies_ensemble *ensemble, size_t index);
double *ies_ensemble_target(const struct ies_ensemble *ensemble, size_t index);
double *ies_ensemble_simulated(const struct ies_ensemble *ensemble, size_t index);

/* The realisation whose parameters are called "base", or -1. */
long ies_ensemble_base(const struct ies_ensemble *ensemble);

/* Take out those marked; the others close up. */
void ies_ensemble_drop(struct ies_ensemble *ensemble, const bool *dropped);

#endif

/*
 * ies_prior.h - the ensembles that a smoother begins with: read, or drawn.
 *
 * Parameters are drawn from a normal distribution about the control file's values, log parameters
 * in log10: variances from `++parcov` or from the bounds (covariance_prior), correlated where
 * parcov says so. Noise has the standard deviation 1 / weight, or the covariances of `++obscov`.
 * Realisations are called "0", "1" ...; with `++ies_add_base` the last one is "base".
 *
 * Random numbers are by address (master/sweep/random.h): parameter p of realisation k is the same
 * however many realisations there are.
 *
 * A file of parameters needs all adjustable ones; fixed ones that it has take their values from
 * it, in each realisation; tied ones follow their parents. A file of observations needs those with
 * a weight. Its realisations go with those of parameters by name if all names are there, else in
 * order.
 */
#ifndef BEOFARM_MASTER_PEST_IES_PRIOR_H
#define BEOFARM_MASTER_PEST_IES_PRIOR_H

#include "common/error.h"
#include "common/pest/control.h"
#include "master/pest/covariance.h"
#include "master/pest/glm_parameters.h"
#include "master/pest/ies_ensemble.h"
#include "master/pest/ies_options.h"
#include "master/pest/ies_phi.h"

struct ies_prior_source {
    struct pest_control *control;
    const struct ies_options *options;
    const struct glm_parameters *parameters;
    struct covariance *covariance; /* of the parameters' columns; it is factored where needed */
    const struct ies_rows *rows;
};

/* Fill a zeroed ensemble: names, values, prior, target; with restart files values and simulated
 * from them. Values are written as the templates can hold them. -1 with a sentence. */
int ies_prior_make(const struct ies_prior_source *source, struct ies_ensemble *ensemble,
                   struct error *ret_error);

#endif

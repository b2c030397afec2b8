/*
 * glm_posterior.h - realisations of the posterior, drawn by first-order uncertainty and run.
 *
 * With ++glm_num_reals(N) an estimation ends with a wave of N runs. Their parameters are drawn from
 * the normal distribution about the best parameter set with the posterior covariance P of fosm.h
 * (of transformed parameters), and put on their bounds where they are outside of them. So the
 * outputs show what first-order uncertainty of parameters means for forecasts, without taking the
 * model for linear.
 *
 * BASE.post.paren.csv has a row per realisation ("0", "1", ...), all parameters of the control file
 * in its order, as written; BASE.post.obsen.csv the observations of those whose runs did not fail
 * (++save_binary(true): .jcb). The names are those of pestpp-glm. ++rand_seed(358183147) seeds the
 * draws; a realisation does not depend on how many there are.
 */
#ifndef BEOFARM_MASTER_PEST_GLM_POSTERIOR_H
#define BEOFARM_MASTER_PEST_GLM_POSTERIOR_H

#include "master/pest/fosm.h"
#include "master/pest/glm_private.h"

/* Draw them into estimator->posterior. Where P is not positive definite, as far as rounding lets
 * one see, there are none, and the user is told so. -1: no memory. */
int glm_posterior_draw(struct estimator *estimator, const struct fosm *fosm,
                       struct error *ret_error);

/* Their runs, and the file of their parameters. -1 with a sentence. */
int glm_posterior_plan(struct estimator *estimator, struct wave *wanted,
                       struct error *ret_error);

/* The file of their observations. -1 with a sentence. */
int glm_posterior_take(struct estimator *estimator, const struct wave *ended,
                       struct error *ret_error);

#endif

/*
 * fosm.h - first-order second-moment uncertainty of parameters and forecasts.
 *
 * With the Jacobian J (transformed parameters), weights Q and prior covariance C, the posterior
 * covariance of the parameters is P = (JᵗQJ + C⁻¹)⁻¹, which is the Schur complement
 * C - CJᵗ(JCJᵗ + Q⁻¹)⁻¹JC (Fienen, Doherty, Hunt and Reeves, USGS SIR 2010-5159; PEST++
 * LinearAnalysis). A forecast with sensitivities y has variance yᵗCy before and yᵗPy after.
 * It is computed (in one n x n matrix; in two, besides C and L, where C is not diagonal) as
 * L (I + LᵗJᵗQJL)⁻¹ Lᵗ with C = LLᵗ, so that no inverse of C is made and a prior that is nearly
 * singular does no harm.
 */
#ifndef BEOFARM_MASTER_PEST_FOSM_H
#define BEOFARM_MASTER_PEST_FOSM_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/pest/control.h"
#include "master/pest/covariance.h"
#include "master/pest/normal.h"

/* The weights with which PEST++ does this: those of the control file, but none that would make a
 * residual larger than the noise that it implies, so that misfit is not taken for knowledge:
 * min(w, 1 / |residual|). Rows that take no part (regularisation; prior information is left out by
 * the view, with priors 0) have the weight 0. `regularisation` may be NULL. */
void fosm_weights(const double *weights, const double *residuals, const bool *regularisation,
                  size_t rows, double *ret);

struct fosm;

/* `normal` is JᵗQJ of measurements (normal_fill; parameters x parameters, column-major, both
 * triangles; borrowed during the call), with the forecasts' weight 0; `prior` in the order of its
 * columns (borrowed until fosm_destroy; it is factored here). NULL with a sentence. */
struct fosm *fosm_create(const double *normal, struct covariance *prior,
                         struct error *ret_error);
void fosm_destroy(struct fosm *fosm); /* NULL is allowed */

/* The prior as given. Borrowed. */
const struct covariance *fosm_prior(const struct fosm *fosm);
/* P, count x count, column-major, both triangles. Borrowed. */
const double *fosm_posterior(const struct fosm *fosm);
/* Standard deviations of parameter p (transformed), before and after. */
double fosm_prior_deviation(const struct fosm *fosm, size_t parameter);
double fosm_posterior_deviation(const struct fosm *fosm, size_t parameter);
/* Of a forecast with these sensitivities (one per parameter). */
void fosm_forecast(const struct fosm *fosm, const double *sensitivities, double *ret_prior,
                   double *ret_posterior);

/* Identifiability of each parameter with `count` singular values: sum over the first `count`
 * columns of V of V[p][k]², where Q^½J = UΣVᵗ (Doherty and Hunt 2009,
 * doi:10.1016/j.jhydrol.2008.12.017). `vectors` is V, parameters x parameters,
 * column-major: what eigen_decompose makes of JᵗQJ. */
void fosm_identifiability(const double *vectors, size_t parameters, size_t count, double *ret);

/* A forecast for the report. */
struct fosm_prediction {
    const char *name;
    double prior_mean, prior_stdev; /* value at the start and at the end, and deviations */
    double post_mean, post_stdev;
};

/* The files, with the names and columns of PEST++ (5.2, LinearAnalysis::glm_iter_fosm and
 * write_par_credible_range). BASE is the path without extension (with ".N" where it is an
 * iteration's). Numbers have the fewest digits that read back as the same double.
 * BASE.post.cov: P as ASCII matrix, icode 1. */
int fosm_write_covariance(const struct fosm *fosm, const char *base, struct error *ret_error);
/* BASE.par.usum.csv: name,prior_mean,prior_stdev,prior_lower_bound,prior_upper_bound,post_mean,
 * post_stdev,post_lower_bound,post_upper_bound; means and bounds are transformed (log10) where
 * the parameter is; bounds are two standard deviations from the mean. `parameters` are indices
 * into the control file; `initial`, `final` the parameters' values (not transformed), one per
 * column. */
int fosm_write_parameters(const struct fosm *fosm, const struct pest_control *control,
                          const size_t *parameters, const double *initial, const double *final,
                          const char *base, struct error *ret_error);
/* BASE.pred.usum.csv: the same columns, a row per forecast. */
int fosm_write_predictions(const struct fosm_prediction *predictions, size_t count,
                           const char *base, struct error *ret_error);
/* BASE.ident.csv: name,identifiability. */
int fosm_write_identifiability(const struct pest_control *control, const size_t *parameters,
                               const double *identifiability, size_t count, const char *base,
                               struct error *ret_error);

#endif

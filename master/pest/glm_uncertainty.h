/*
 * glm_uncertainty.h - first-order uncertainty at the end of an estimation (fosm.h).
 *
 * From the last full Jacobian: BASE.post.cov, BASE.par.usum.csv, BASE.ident.csv and, for
 * `++forecasts(...)`, BASE.pred.usum.csv. Switched off by `++uncertainty(false)`; left out where
 * there is no Jacobian, or so many parameters (more than 10,000) that a covariance matrix of them
 * would not fit the machine.
 */
#ifndef BEOFARM_MASTER_PEST_GLM_UNCERTAINTY_H
#define BEOFARM_MASTER_PEST_GLM_UNCERTAINTY_H

#include "master/pest/glm_private.h"

/* Write the files, where the context has an output_base. The full frame must be whitened; its
 * Jacobian, which nobody needs any more, is freed on the way: the most memory taken is that of the
 * Jacobian and two or three matrices of JᵗQJ's size. -1 with a sentence (a forecast is not an
 * observation ...). */
int glm_uncertainty(struct estimator *estimator, struct error *ret_error);

/* The prior covariance of the parameters, read or made when the estimation opens, so that a mistake
 * in ++parcov shows then. Bounds that give no prior only mean that no uncertainty is told. */
int glm_uncertainty_open(struct estimator *estimator, struct error *ret_error);

#endif

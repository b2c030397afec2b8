/*
 * glm.h - the estimator "glm": Gauss-Levenberg-Marquardt as in PEST (estimator.h).
 *
 * Derivatives are finite differences (glm_derivatives.h); upgrades are those of a model that
 * learns from every run (glm_model.h, glm_search.h), within bounds and limits (glm_limits.h), with
 * prior information, covariances and Tikhonov regularisation (glm_objective.h, glm_regul.h). It
 * ends by PEST's criteria (glm_stop.h), or when the model has no hope to lower phi, or when no
 * upgrade does although derivatives are as good as the control file allows, or when gains dwindle
 * so quickly that PEST's criteria would be met by runs for nothing.
 */
#ifndef BEOFARM_MASTER_PEST_GLM_H
#define BEOFARM_MASTER_PEST_GLM_H

#include "master/pest/estimator.h"

extern const struct estimator_ops estimator_glm;

#endif

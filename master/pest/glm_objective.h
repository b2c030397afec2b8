/*
 * glm_objective.h - phi: residuals, weights, covariances, prior information, regularisation.
 *
 * Rows are the observations of the control file, then the prior information equations. A residual
 * is observed minus modelled; phi is the sum over rows of (weight * residual)². An observation
 * group with a covariance file C is whitened with Cholesky's factor, r := L⁻¹ r, and then has
 * weights 1: its part of phi is rᵗC⁻¹r. Observations of weight 0 in such a group stay out of it.
 *
 * In regularisation mode the rows of groups that are called "regul..." are regularisation rows;
 * their weights are multiplied by one factor (regularisation), which is not part of what stands
 * here, and by one of their group (IREGADJ). In estimation mode they are like others.
 */
#ifndef BEOFARM_MASTER_PEST_GLM_OBJECTIVE_H
#define BEOFARM_MASTER_PEST_GLM_OBJECTIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/pest/control.h"
#include "master/pest/glm_parameters.h"
#include "master/pest/glm_report.h"
#include "master/pest/normal.h"

struct glm_objective;

/* Reads covariance files (relative to `folder`). NULL with a sentence. `control` and `parameters`
 * are borrowed. */
struct glm_objective *glm_objective_create(const struct pest_control *control,
                                           const struct glm_parameters *parameters,
                                           const char *folder, struct error *ret_error);
void glm_objective_destroy(struct glm_objective *objective); /* NULL is allowed */

/* observation_count + prior_count */
size_t glm_objective_rows(const struct glm_objective *objective);
/* [rows] as used in phi (1 in whitened groups), without the regularisation factor, and which rows
 * are regularisation; NULL where none is. Borrowed. */
const double *glm_objective_weights(const struct glm_objective *objective);
const bool *glm_objective_regularisation(const struct glm_objective *objective);

/* Left sides of the prior information equations at a full parameter set. */
void glm_objective_priors(const struct pest_control *control, const double *values,
                          double *ret_priors);

/* Residuals of all rows, whitened, at a parameter set and its observations. -1: no memory. */
int glm_objective_residuals(const struct glm_objective *objective, const double *values,
                            const double *observations, double *ret_residuals,
                            struct error *ret_error);

/* phi of residuals, by group; phi->groups is filled where it is not NULL. */
void glm_objective_phi(const struct glm_objective *objective, const double *residuals,
                       double factor, struct glm_phi *phi);

/* Whiten the columns of a Jacobian (observation rows alone), or undo it. -1 with a sentence. */
int glm_objective_whiten(const struct glm_objective *objective, double *const *columns,
                         size_t column_count, struct error *ret_error);
int glm_objective_unwhiten(const struct glm_objective *objective, double *const *columns,
                           size_t column_count, struct error *ret_error);

/* The prior rows' derivatives with respect to the transformed columns at `values`, into the
 * priors of `view` (arrays borrowed from the objective until the next call). */
void glm_objective_prior_rows(struct glm_objective *objective, const double *values,
                              struct jacobian_view *view);

/* IREGADJ: multiply the weights of each regularisation group (1, 2 ... of PEST manual I, 9.3.3) by
 * a factor of its own, so that groups speak equally loud: so that loudness[group] times its square
 * is the same for all. IREGADJ 1 (and 4 and 5, whose weights for single rows are not made here):
 * loudness is the group's sensitivity, the sum over its rows of the squared weighted Jacobian
 * entries; 2: its size, the sum of squared weights; 3: the geometric mean of both. */
void glm_objective_adjust(struct glm_objective *objective, const double *loudness);
/* Those of all groups by IREGADJ, with the weights in the control file. */
void glm_objective_loudness(const struct glm_objective *objective,
                            const struct jacobian_view *view, double *ret_loudness);

#endif

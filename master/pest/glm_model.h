/*
 * glm_model.h - what phi is expected to be near the base: the linear model and what trials taught.
 *
 * Around the base, where residuals r0 and the Jacobian J are known, the residuals at a step s (of
 * transformed parameters) are taken to be
 *
 *     r(s) = r0 - J s - sum over j of E'_j k(d_j, s),
 *     k(a, b) = <a, b>² + b² <a, b>,     <a, b> = sum of W_i a_i b_i,
 *
 * where d_j are steps at which the model has been run (upgrade trials, earlier bases) and E'_j are
 * such that r is met exactly at each of them. With b = 0 it is, of all quadratic models with this
 * J that pass through the points, the one whose second derivatives are smallest (minimum Frobenius
 * norm in the metric W; M. J. D. Powell, "Least Frobenius norm updating of quadratic models",
 * Math. Program. 100 (2004), doi:10.1007/s10107-003-0490-7, here with the gradient known). But
 * finite differences blur J: nearer to the base than about the increments, what J misses is its
 * own error, not curvature. b is that distance, and the second part of k corrects J there as
 * Broyden's update does (C. G. Broyden, Math. Comp. 19 (1965) 577-593). No run is
 * spent on it, and nothing is as long as the observations but the sums that set it up: an upgrade
 * costs n³/3 operations, as without.
 *
 * The upgrade for lambda minimises phi(s) + lambda |s - c|² (in W, or what else damps) in a box
 * (bounds and RELPARMAX, ...), from a centre c, by Gauss-Newton steps on this model; without points
 * and with c = 0 that is (JᵗQJ + lambda W)⁻¹ JᵗQ r0, Marquardt's upgrade.
 */
#ifndef BEOFARM_MASTER_PEST_GLM_MODEL_H
#define BEOFARM_MASTER_PEST_GLM_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/pest/control.h"
#include "master/pest/normal.h"

#define GLM_MODEL_POINTS 8

struct glm_model;

/* For `columns` parameters; the control file's SVD and LSQR sections say how it is solved. NULL: no
 * memory (a sentence). */
struct glm_model *glm_model_create(size_t columns, const struct pest_control *control,
                                   struct error *ret_error);
void glm_model_destroy(struct glm_model *model); /* NULL is allowed */

/* A new base. All borrowed until the next call or glm_model_destroy: the view, weights[rows] and
 * regularisation[rows] (or NULL). `residuals` [rows] are copied. W is the diagonal of JᵗQJ, never
 * less than a tenth of what it was at the base before. damping[columns] > 0 is what lambda
 * multiplies (copied); NULL: W. Forgets all points. -1 with a sentence. */
int glm_model_base(struct glm_model *model, const struct jacobian_view *view,
                   const double *weights, const bool *regularisation, const double *residuals,
                   const double *damping, struct error *ret_error);

/* Free what is as large as JᵗQJ, until the next glm_model_base: nothing that needs it may be called
 * meanwhile (upgrade, predict). For the time of a Jacobian's runs, which need memory of their
 * own. */
void glm_model_rest(struct glm_model *model);

/* The weight factor of regularisation rows (multiplies phi, that is: squared weights). */
void glm_model_factor(struct glm_model *model, double factor);

/* b: `part` times the root mean square of the increments that J was made with, transformed. Before
 * points are learnt. */
void glm_model_blur(struct glm_model *model, const double *increments, double part);

/* Forget all points; then learn what the model gave at step[columns]: residuals[rows]. The most
 * telling first: a point whose direction is already known, or one too many, is left out. Returns
 * whether it was taken; -1: no memory. glm_model_fit makes the model pass through them. */
void glm_model_forget(struct glm_model *model);
int glm_model_learn(struct glm_model *model, const double *step, const double *residuals,
                    struct error *ret_error);
void glm_model_fit(struct glm_model *model);

/* Where a step may end: lower[columns] <= s <= upper[columns] (0 is inside), and which parameters
 * may move at all. Borrowed. */
struct glm_box {
    const double *lower, *upper;
    const bool *frozen; /* NULL: none */
    bool clip; /* UPVECBEND: cut at bounds, others unchanged, instead of solving again for
                         * the others */
};

/* The upgrade for lambda into ret_step[columns], from `centre` (NULL: 0). `effort`: Gauss-Newton
 * steps at most. -1 with a sentence. */
int glm_model_upgrade(struct glm_model *model, const struct glm_box *box, double lambda,
                      const double *centre, int effort, double *ret_step,
                      struct error *ret_error);

/* phi foretold at a step: measurement, and regularisation without the factor. */
void glm_model_predict(struct glm_model *model, const double *step, double *ret_measurement,
                       double *ret_regularisation);

/* |a - b|² in W (b NULL: 0). */
double glm_model_distance(const struct glm_model *model, const double *a, const double *b);
/* The largest ratio of W to what lambda multiplies: lambda in units of it means the same whatever
 * it multiplies. */
double glm_model_unit(const struct glm_model *model);

/* What the model misses at a step where the residuals are known: |foretold - residuals|, the
 * length of weighted measurement residuals. */
double glm_model_miss(struct glm_model *model, const double *step, const double *residuals);

/* JᵗQr at the base with the factor (half of minus the gradient); borrowed until the next call. */
const double *glm_model_gradient(struct glm_model *model);

/* A Jacobian column of the model at a step differs from J's by sum of 2 E'_j <d_j, s> W d_j:
 * columns[p][o] += that, for observation rows. The Jacobian that the model has at `step`. */
void glm_model_update_columns(const struct glm_model *model, const double *step,
                              double *const *columns);

#endif

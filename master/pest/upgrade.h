/*
 * upgrade.h - the upgrade vectors of the Gauss-Levenberg-Marquardt method, without a normal matrix.
 *
 * With residuals r = observed - modelled, weights Q = diag(w²) and the Jacobian J of transformed
 * parameters, the upgrade for lambda λ is the δ that makes
 *
 *     |Q^½(Jδ - r)|² + λ|δ|²
 *
 * smallest, which solves (JᵗQJ + λI) δ = JᵗQr: PEST's upgrade (manual part I, "theory") where no
 * singular value is left out. LSQR (lsqr.h) finds it by 4 m n operations per iteration, shared by
 * all lambdas; ending early regularises. A column of J that is zero (no weighted observation
 * answers to the parameter) has an upgrade of 0. glm_model.h comes here where there is no room for
 * JᵗQJ, or LSQRMODE asks for it.
 */
#ifndef BEOFARM_MASTER_PEST_UPGRADE_H
#define BEOFARM_MASTER_PEST_UPGRADE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "master/pest/lsqr.h"
#include "master/pest/normal.h"

/* How one lambda's upgrade came about. */
struct upgrade_report {
    size_t parameters; /* that were not frozen */
    enum lsqr_reason reason;
    int iterations;
};

struct upgrade;

/* The jacobian's arrays, weights and regularisation (which may be NULL: no row is) are borrowed
 * until upgrade_destroy. NULL with a sentence: no memory. */
struct upgrade *upgrade_create(const struct jacobian_view *jacobian, const double *weights,
                               const bool *regularisation, const struct lsqr_limits *limits,
                               struct error *ret_error);
void upgrade_destroy(struct upgrade *upgrade); /* NULL is allowed */

/* Give the residuals (observed - modelled; all rows; copied). To be called before the others below;
 * may be called again. -1 if a row with a weight is not finite. */
int upgrade_set_residuals(struct upgrade *upgrade, const double *residuals,
                          struct error *ret_error);

/* Multiply the weights of the regularisation rows by `factor` (>= 0; 1 at first). Replaces an
 * earlier factor. */
void upgrade_set_factor(struct upgrade *upgrade, double factor);

/* Upgrades for lambda_count lambdas (>= 0 each): ret_upgrades[i * parameters + p]. frozen[p]
 * (NULL: none): parameter p does not take part, its upgrade is moves[p] (NULL: 0), and the
 * residuals are those that stay after that move (r - J moves). ret_reports: lambda_count, or
 * NULL. -1 with a sentence: no memory, or the Jacobian holds values that are not finite. */
int upgrade_solve(struct upgrade *upgrade, const bool *frozen, const double *moves,
                  const double *lambdas, size_t lambda_count, double *ret_upgrades,
                  struct upgrade_report *ret_reports, struct error *ret_error);

/* phi of the linear model after the step `delta` (all parameters): the measurement part, and
 * the regularisation part without the factor. A pass through J. -1: no memory. */
int upgrade_predict(struct upgrade *upgrade, const double *delta, double *ret_measurement,
                    double *ret_regularisation, struct error *ret_error);

/* diag(JᵗQJ) with the factor applied. parameters entries. Composite sensitivity of a parameter is
 * its root over the number of weighted observations (PEST's .sen). */
void upgrade_diagonal(const struct upgrade *upgrade, double *ret_diagonal);

#endif

/*
 * upgrade.h - the upgrade vectors of the Gauss-Levenberg-Marquardt method.
 *
 * With residuals r = observed - modelled, weights Q = diag(w²) and the Jacobian J of transformed
 * parameters, the upgrade for lambda λ solves (PEST manual part I, "theory"; PEST++ SVDSolver)
 *
 *     S = diag(JᵗQJ)^(-1/2),   N = (JS)ᵗQ(JS) + λ SᵗS,   N = V Σ Vᵗ,
 *     δ = S V Σ⁻¹ Vᵗ (JS)ᵗ Q r,
 *
 * where only the MAXSING largest of Σ count, and of those only the ones that are more than
 * EIGTHRESH times the largest. A column of J that is zero (no weighted observation answers to the
 * parameter) has S = 1 and an upgrade of 0.
 *
 * JᵗQJ is made once (n² m operations); a lambda then costs
 * - Cholesky: n³/3, twice where EIGTHRESH asks whether anything would be truncated: N - EIGTHRESH
 *   σ₁ I has a Cholesky factor exactly where nothing is. Then, and where MAXSING >= n, the formula
 *   is N⁻¹, and no decomposition is made.
 * - eigen: about 9 n³ (LAPACK dsyevd), where something is truncated.
 * - LSQR (lsqr.h): no JᵗQJ at all; 4 m n operations per iteration, shared by all lambdas. It solves
 *   min |Q^½(Jδ - r)|² + λ|δ|², which is the same δ without truncation; ending early regularises
 *   instead.
 * UPGRADE_AUTOMATIC takes LSQR where the control file's LSQRMODE is 1, or where JᵗQJ would be
 * larger than both 1 GiB and the Jacobian (n > 11585 and n > m); else Cholesky or eigen as above.
 *
 * Parameters can be frozen (at a bound) without a new JᵗQJ: their rows and columns are left out.
 */
#ifndef BEOFARM_MASTER_PEST_UPGRADE_H
#define BEOFARM_MASTER_PEST_UPGRADE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/pest/control.h"
#include "master/pest/lsqr.h"
#include "master/pest/normal.h"

enum upgrade_method { UPGRADE_AUTOMATIC, UPGRADE_CHOLESKY, UPGRADE_EIGEN, UPGRADE_LSQR };

struct upgrade_options {
    enum upgrade_method
        method;       /* UPGRADE_CHOLESKY asks for no truncation, whatever stands below;
                                 * it falls back to eigen where N is not positive definite */
    size_t maxsing;   /* >= 1; more than there are parameters: no limit */
    double eigthresh; /* 0 <= eigthresh < 1, a ratio of eigenvalues of N */
    struct lsqr_limits lsqr;
};

/* What the control file asks for: LSQR where LSQRMODE is not 0; MAXSING and EIGTHRESH where
 * SVDMODE is not 0, else no limit and 1e-6 (PEST++'s assumption where there is no svd section). */
void upgrade_options_read(const struct pest_control *control, struct upgrade_options *ret);

/* How one lambda's upgrade came about. */
struct upgrade_report {
    enum upgrade_method method; /* never UPGRADE_AUTOMATIC */
    size_t parameters;          /* that were not frozen and have a column that is not zero */
    size_t rank; /* singular values used (eigen), `parameters` (Cholesky); LSQR: 0 */
    double largest, smallest; /* of Σ used (eigen); largest alone (Cholesky); 0 if not known */
    enum lsqr_reason reason;  /* LSQR alone */
    int iterations;           /* LSQR alone */
};

struct upgrade;

/* Make JᵗQJ (or, for LSQR, nothing). The jacobian's arrays, weights and regularisation (which may
 * be NULL: no row is) are borrowed until upgrade_destroy. Where there are regularisation rows, two
 * normal matrices are kept (8 n² bytes each), so that a new weight factor costs n² operations.
 * -1... NULL with a sentence: no memory, or values that are not finite. */
struct upgrade *upgrade_create(const struct jacobian_view *jacobian, const double *weights,
                               const bool *regularisation,
                               const struct upgrade_options *options, struct error *ret_error);
void upgrade_destroy(struct upgrade *upgrade); /* NULL is allowed */

/* Give the residuals (observed - modelled; all rows; copied). One pass through J. To be called
 * before the others below; may be called again (4 m n operations, no JᵗQJ). -1 if a row with a
 * weight is not finite. */
int upgrade_set_residuals(struct upgrade *upgrade, const double *residuals,
                          struct error *ret_error);

/* Multiply the weights of the regularisation rows by `factor` (>= 0; 1 at first). Replaces an
 * earlier factor. */
void upgrade_set_factor(struct upgrade *upgrade, double factor);

/* Upgrades for lambda_count lambdas (>= 0 each): ret_upgrades[i * parameters + p]. frozen[p]
 * (NULL: none): parameter p does not take part, its upgrade is moves[p] (NULL: 0), and the
 * residuals are those that stay after that move (r - J moves). ret_reports: lambda_count, or
 * NULL. -1: no memory, or LAPACK failed (a sentence). */
int upgrade_solve(struct upgrade *upgrade, const bool *frozen, const double *moves,
                  const double *lambdas, size_t lambda_count, double *ret_upgrades,
                  struct upgrade_report *ret_reports, struct error *ret_error);

/* phi of the linear model after the step `delta` (all parameters): the measurement part, and
 * the regularisation part without the factor. n² operations (LSQR: a pass through J). -1: no
 * memory. */
int upgrade_predict(struct upgrade *upgrade, const double *delta, double *ret_measurement,
                    double *ret_regularisation, struct error *ret_error);

/* JᵗQr with the factor applied: minus half the gradient of phi. parameters entries. */
void upgrade_gradient(const struct upgrade *upgrade, double *ret_gradient);

/* diag(JᵗQJ) with the factor applied. parameters entries. Composite sensitivity of a parameter is
 * its root over the number of weighted observations (PEST's .sen). */
void upgrade_diagonal(struct upgrade *upgrade, double *ret_diagonal);

/* JᵗQJ with the factor applied into ret (parameters x parameters, column-major, both triangles);
 * made now if LSQR did without. -1 with a sentence. */
int upgrade_normal(struct upgrade *upgrade, double *ret_normal, struct error *ret_error);

/* The largest `count` (at most the parameters not frozen) eigenvalues of JᵗQJ, falling, and their
 * eigenvectors as columns over all parameters (0 at frozen ones): ret_values[k],
 * ret_vectors[p + k * parameters]. Of each vector the component largest in size is positive. These
 * are the squares of the singular values of Q^½J, and V: the super parameters of SVD-assist.
 * Returns how many there are, -1 with a sentence. */
long upgrade_eigen(struct upgrade *upgrade, const bool *frozen, size_t count,
                   double *ret_values, double *ret_vectors, struct error *ret_error);

#endif

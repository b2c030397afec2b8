/*
 * ies_update.h - how far each realisation is to move: the Levenberg-Marquardt form of the iterative
 * ensemble smoother.
 *
 * Source: Y. Chen and D. S. Oliver, Computational Geosciences 17 (2013) 689-703,
 * doi:10.1007/s10596-013-9351-5, eq. 10 to 12 and algorithm 1. With N realisations, m transformed
 * parameters, d simulated values, means taken off and divided by sqrt(N - 1):
 *
 *     dm = C_sc^(-1/2) (m - mean m) / sqrt(N - 1)     dd = C_D^(-1/2) (d - mean d) / sqrt(N - 1)
 *     dd = U W V^T   (truncated)                      r = C_D^(-1/2) (d - target)
 *     step1 = -C_sc^(1/2) dm V W ((lambda + 1) I + W^2)^-1 U^T r
 *     step2 = -C_sc^(1/2) dm V ((lambda + 1) I + W^2)^-1 V^T dm^T A A^T C_sc^(-1/2) (m - prior)
 *
 * where A = U0 W0^-1 of the prior's dm = U0 W0 V0^T. C_D^(-1/2) are the weights; C_sc the prior
 * variances (++ies_use_prior_scaling) or the identity. The approximate solution is step1 alone.
 *
 * All is done in the space of the ensemble: V W^2 V^T = dd^T dd is N x N (or U W^2 U^T = dd dd^T,
 * where there are fewer observations than realisations), so that nothing larger is decomposed, and
 * W U^T r = V^T dd^T r needs no division by small singular values. Singular values of less than
 * EIGTHRESH of the largest are cut off, and those beyond MAXSING; so are those of which
 * rounding leaves nothing: of less than sqrt(8 n epsilon) of the largest, n the order of that
 * matrix.
 *
 * With a localizer each class of parameters (localizer.h) is solved for by itself, with the
 * observations whose factor is not 0; anomalies and residuals of those are multiplied by the square
 * root of the factor, which multiplies the inverse variances of noise by it (B. R. Hunt et al.,
 * Physica D 230 (2007) 112-126, doi:10.1016/j.physd.2006.11.008, section 2.3). Factors of 0 and 1
 * alone do what PEST++'s do. A is then of the class's own parameters.
 *
 * Sums have a fixed order: the result does not depend on the number of processors.
 */
#ifndef BEOFARM_MASTER_PEST_IES_UPDATE_H
#define BEOFARM_MASTER_PEST_IES_UPDATE_H

#include <stddef.h>

#include "common/error.h"

/* Parameters that are solved for together. */
struct ies_class {
    const size_t *parameters; /* columns of the problem */
    size_t parameter_count;
    const double *factors; /* [rows] from 0 to 1; NULL: all 1 */
};

struct ies_update_problem {
    size_t columns;           /* transformed adjustable parameters */
    size_t rows;              /* observations with a weight */
    size_t count;             /* realisations, >= 2 */
    const double *parameters; /* [count][columns] */
    const double *offset; /* [count][columns] parameters minus prior ones; NULL: approximate */
    const double *prior;  /* [count][columns]; NULL: approximate */
    const double *deviations; /* [columns] prior standard deviations, > 0; NULL: no scaling */
    const double *simulated;  /* [count][rows] */
    const double *residuals;  /* [count][rows] simulated minus target, unweighted */
    const double *weights;    /* [rows] > 0 */
    size_t maxsing;
    double eigthresh;
    const struct ies_class *classes; /* NULL: all parameters together */
    size_t class_count;
};

/* Steps of the realisations listed, for each lambda (>= 0):
 * ret_steps[(l * realisation_count + k) * columns + c]. Parameters that are in no class, or whose
 * class has no observation, get 0. -1 with a sentence: no memory, or LAPACK failed. */
int ies_update_solve(const struct ies_update_problem *problem, const double *lambdas,
                     size_t lambda_count, const size_t *realisations, size_t realisation_count,
                     double *ret_steps, struct error *ret_error);

#endif

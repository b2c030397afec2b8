/*
 * normal.h - a Jacobian as the estimator holds it, and its normal matrix JᵗQJ.
 *
 * Rows are the observations of the control file, then prior information; columns are the
 * adjustable parameters, transformed (a log parameter's column is the derivative with respect to
 * log10 of it). Weights are PEST's own, NOT squared: Q = diag(w²), phi = sum (w r)². A row of
 * weight 0 is not read at all, so it may hold NaN. Rows of observation groups with a covariance
 * file are whitened beforehand (covariance.h) and then have weight 1.
 *
 * All sums are made in an order that depends on the sizes alone, never on the number of threads,
 * so results are bit-identical from run to run on machines with the same kind of processor
 * (OpenBLAS picks its kernels by processor).
 */
#ifndef BEOFARM_MASTER_PEST_NORMAL_H
#define BEOFARM_MASTER_PEST_NORMAL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

/* Borrowed arrays; nothing here is owned. */
struct jacobian_view {
    size_t observations; /* rows that stand in the columns */
    size_t parameters;   /* columns */
    /* columns[p][o] = d(observation o) / d(transformed parameter p). Any pointers: the runs of a
     * wave, or columns of one block. */
    const double *const *columns;

    /* Prior information rows, sparse, after the observations: row i has the coefficients
     * prior_values[k] at the columns prior_columns[k], prior_starts[i] <= k < prior_starts[i + 1].
     * A column may be named twice: the coefficients add up. All NULL where `priors` is 0. */
    size_t priors;
    const size_t *prior_starts; /* priors + 1 */
    const size_t *prior_columns;
    const double *prior_values;
};

/* Which rows take part: those of both kinds, those that are not regularisation, or those that
 * are. */
enum normal_part { NORMAL_ALL, NORMAL_MEASUREMENT, NORMAL_REGULARISATION };

/* observations + priors */
size_t jacobian_rows(const struct jacobian_view *jacobian);

/* ret_normal[p + q * parameters] = sum over rows of w² J[row][p] J[row][q], both triangles,
 * column-major, parameters x parameters. `weights` has jacobian_rows entries >= 0;
 * `regularisation` (as many, or NULL: none is) says which rows are regularisation. Needs a
 * buffer of at most 64 MiB + 2 % of the Jacobian. -1: no memory, or a sentence (ERROR_TASKS) that
 * names by 0-based indices the column that is not finite. */
int normal_fill(const struct jacobian_view *jacobian, const double *weights,
                const bool *regularisation, enum normal_part part, double *ret_normal,
                struct error *ret_error);

/* ret[p] = sum over rows of w² J[row][p] x[row]: JᵗQx, parameters entries. -1: no memory. */
int normal_gradient(const struct jacobian_view *jacobian, const double *weights,
                    const bool *regularisation, enum normal_part part, const double *x,
                    double *ret, struct error *ret_error);

/* ret[row] = sum over p of J[row][p] delta[p], for all rows (0 where the weight is 0, if weights
 * are given; they may be NULL). */
void jacobian_multiply(const struct jacobian_view *jacobian, const double *weights,
                       const double *delta, double *ret);

/* sum over rows of the part of (w x)². */
double weighted_square(const double *weights, const bool *regularisation, enum normal_part part,
                       const double *x, size_t rows);

#endif

/*
 * eigen.h - eigenvalues and linear systems of symmetric matrices, through LAPACK.
 *
 * Matrices are order x order, column-major, both triangles filled.
 */
#ifndef BEOFARM_MASTER_PEST_EIGEN_H
#define BEOFARM_MASTER_PEST_EIGEN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

/* Eigenvalues, falling, and in the columns of `matrix` (whose content they replace) the
 * eigenvectors; of each the component largest in size is positive, so that the signs do not hang
 * on LAPACK. About 9 n³ operations; LAPACK needs 16 n² bytes besides. -1 with a sentence. */
int eigen_decompose(double *matrix, size_t order, double *ret_values, struct error *ret_error);

/* The largest eigenvalue of a positive semidefinite matrix, to about 1e-9 of itself (Lanczos; n²
 * operations a step, at most 200 steps). -1: no memory. */
int eigen_largest(const double *matrix, size_t order, double *ret_value,
                  struct error *ret_error);

/* Cholesky's factor (lower triangle), in place. False where the matrix is not positive definite;
 * *ret_row (if not NULL) is then the first row, from 0, that depends on those before it. */
bool eigen_cholesky(double *matrix, size_t order, size_t *ret_row);

/* A⁻¹ (lower triangle) in the place of that factor. */
void eigen_cholesky_invert(double *factor, size_t order);

/* x := A⁻¹x with that factor. */
void eigen_cholesky_solve(const double *factor, size_t order, double *x);

#endif

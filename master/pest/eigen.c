/*
 * eigen.c - dsyevd rather than dsyevr: its eigenvectors are orthogonal to rounding however close
 * eigenvalues lie, and those of rank-deficient normal matrices lie close to zero in crowds.
 */
#include "config.h"

#include <cblas.h>
#include <lapacke.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/eigen.h"
#include "master/pest/gang.h"

#define LANCZOS_STEPS     200
#define LANCZOS_PRECISION 1e-9

static void columns_reverse(double *matrix, size_t order, double *values)
{
    for (size_t i = 0, j = order - 1; i < j; i++, j--) {
        double value = values[i];
        values[i] = values[j];
        values[j] = value;
        cblas_dswap((blasint)order, matrix + i * order, 1, matrix + j * order, 1);
    }
}

static void column_orient(double *column, size_t order)
{
    size_t largest = 0;
    for (size_t i = 1; i < order; i++) {
        if (fabs(column[i]) > fabs(column[largest])) {
            largest = i;
        }
    }
    if (column[largest] < 0) {
        cblas_dscal((blasint)order, -1, column, 1);
    }
}

int eigen_decompose(double *matrix, size_t order, double *ret_values, struct error *ret_error)
{
    if (order == 0) {
        return 0;
    }
    if (order > INT_MAX) {
        return error_set(ret_error, ERROR_SYSTEM, "a matrix of order %zu is too large", order);
    }
    gang_blas_begin(order);
    lapack_int info = LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'V', 'L', (lapack_int)order, matrix,
                                     (lapack_int)order, ret_values);
    gang_blas_done();
    if (info == LAPACK_WORK_MEMORY_ERROR) {
        return error_set(ret_error, ERROR_SYSTEM,
                         "there is no memory for the eigenvalues of a matrix of order %zu",
                         order);
    }
    if (info != 0) {
        return error_set(
            ret_error, ERROR_TASKS,
            "LAPACK found no eigenvalues for a matrix of order %zu (dsyevd: %d); it "
            "may hold values that are not finite",
            order, (int)info);
    }
    columns_reverse(matrix, order, ret_values);
    for (size_t i = 0; i < order; i++) {
        column_orient(matrix + i * order, order);
    }
    return 0;
}

/* A start for Lanczos that no structured matrix is likely to be orthogonal to, the same always. */
static void vector_begin(double *x, size_t count)
{
    uint64_t state = 1;
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        x[i] = 0.5 + (double)(state >> 11) / 9007199254740992.0;
        sum += x[i] * x[i];
    }
    for (size_t i = 0; i < count; i++) {
        x[i] /= sqrt(sum);
    }
}

/* The largest eigenvalue of a tridiagonal matrix, by bisection on the count of negative pivots
 * (Sturm). */
static double tridiagonal_largest(const double *diagonal, const double *beside, size_t order)
{
    double low = diagonal[0], high = diagonal[0];
    for (size_t i = 0; i < order; i++) {
        double radius =
            (i > 0 ? fabs(beside[i - 1]) : 0) + (i + 1 < order ? fabs(beside[i]) : 0);
        low = fmax(low, diagonal[i]);
        high = fmax(high, diagonal[i] + radius);
    }
    for (int step = 0; step < 200; step++) {
        double middle = low + (high - low) / 2;
        if (middle <= low || middle >= high) {
            break;
        }
        double pivot = diagonal[0] - middle;
        bool above = pivot >= 0;
        for (size_t i = 1; i < order && !above; i++) {
            pivot = diagonal[i] - middle - beside[i - 1] * beside[i - 1] / pivot;
            above = pivot >= 0;
        }
        *(above ? &low : &high) = middle;
    }
    return high;
}

int eigen_largest(const double *matrix, size_t order, double *ret_value,
                  struct error *ret_error)
{
    double diagonal[LANCZOS_STEPS], beside[LANCZOS_STEPS], value = 0;
    double *memory = calloc(3 * order + 1, sizeof(*memory));
    if (!memory) {
        return error_set(ret_error, ERROR_SYSTEM, "there is no memory for an eigenvalue");
    }
    gang_blas();
    double *before = memory, *v = memory + order, *next = v + order;
    vector_begin(v, order);
    for (size_t k = 0; k < LANCZOS_STEPS && k < order; k++) {
        cblas_dsymv(CblasColMajor, CblasLower, (blasint)order, 1, matrix, (blasint)order, v, 1,
                    0, next, 1);
        if (k > 0) {
            cblas_daxpy((blasint)order, -beside[k - 1], before, 1, next, 1);
        }
        diagonal[k] = cblas_ddot((blasint)order, v, 1, next, 1);
        cblas_daxpy((blasint)order, -diagonal[k], v, 1, next, 1);
        beside[k] = cblas_dnrm2((blasint)order, next, 1);
        double last = value;
        value = tridiagonal_largest(diagonal, beside, k + 1);
        if (beside[k] <= LANCZOS_PRECISION * value ||
            (k > 8 && value - last <= LANCZOS_PRECISION * value)) {
            break;
        }
        cblas_dscal((blasint)order, 1 / beside[k], next, 1);
        double *free_one = before;
        before = v;
        v = next;
        next = free_one;
    }
    free(memory);
    *ret_value = value;
    return 0;
}

bool eigen_cholesky(double *matrix, size_t order, size_t *ret_row)
{
    gang_blas();
    lapack_int info = 0;
    if (ret_row) {
        *ret_row = 0;
    }
    if (order > 0) {
        info =
            LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'L', (lapack_int)order, matrix, (lapack_int)order);
    }
    if (info > 0 && ret_row) {
        *ret_row = (size_t)info - 1;
    }
    return info == 0;
}

void eigen_cholesky_invert(double *factor, size_t order)
{
    gang_blas();
    if (order > 0) {
        LAPACKE_dpotri(LAPACK_COL_MAJOR, 'L', (lapack_int)order, factor, (lapack_int)order);
    }
}

void eigen_cholesky_solve(const double *factor, size_t order, double *x)
{
    gang_blas();
    if (order > 0) {
        cblas_dtrsv(CblasColMajor, CblasLower, CblasNoTrans, CblasNonUnit, (blasint)order,
                    factor, (blasint)order, x, 1);
        cblas_dtrsv(CblasColMajor, CblasLower, CblasTrans, CblasNonUnit, (blasint)order, factor,
                    (blasint)order, x, 1);
    }
}

/*
 * upgrade_solve.c - N for each lambda, and the system solved.
 *
 * Frozen parameters, and those whose column is zero, are left out: what remains is numbered anew
 * ("active"). N has 1 + λ S² on its diagonal, so it is well scaled whatever the units are.
 */
#include "config.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/eigen.h"
#include "master/pest/gang.h"
#include "master/pest/upgrade_private.h"

#define EIGEN_ORDER 150 /* up to here dsyevd takes milliseconds, and reports its spectrum */

/* The system without what does not take part. */
struct reduced {
    const struct upgrade *upgrade;
    size_t count;
    size_t *active;      /* parameters */
    double *scale;       /* S */
    double *right;       /* S JᵗQ(r - J moves) */
    double *matrix;      /* N, count x count */
    double *eigenvalues; /* and what else needs `count` */
    double lambda;
};

static void reduced_fini(struct reduced *reduced)
{
    free(reduced->active);
    free(reduced->scale);
    free(reduced->right);
    free(reduced->matrix);
    free(reduced->eigenvalues);
}

/* JᵗQ(r - J moves), all parameters. */
static void gradient_move(struct upgrade *upgrade, const bool *frozen, const double *moves,
                          double *ret)
{
    upgrade_gradient(upgrade, ret);
    size_t n = upgrade->jacobian.parameters;
    for (size_t q = 0; frozen && moves && q < n; q++) {
        if (frozen[q] && moves[q] != 0) {
            for (size_t p = 0; p < n; p++) {
                ret[p] -= upgrade_element(upgrade, p, q) * moves[q];
            }
        }
    }
}

static int reduced_init(struct reduced *reduced, struct upgrade *upgrade, const bool *frozen,
                        const double *moves, struct error *ret_error)
{
    size_t n = upgrade->jacobian.parameters;
    *reduced = (struct reduced){.upgrade = upgrade};
    reduced->active = malloc((n + 1) * sizeof(*reduced->active));
    reduced->scale = malloc((n + 1) * sizeof(double));
    reduced->right = malloc((n + 1) * sizeof(double));
    reduced->eigenvalues = malloc((2 * n + 1) * sizeof(double));
    if (!reduced->active || !reduced->scale || !reduced->right || !reduced->eigenvalues) {
        return error_set(ret_error, ERROR_SYSTEM, "there is no memory for an upgrade");
    }
    gradient_move(upgrade, frozen, moves, reduced->eigenvalues);
    for (size_t p = 0; p < n; p++) {
        double square = upgrade_element(upgrade, p, p);
        if ((!frozen || !frozen[p]) && square > 0) {
            size_t at = reduced->count++;
            reduced->active[at] = p;
            reduced->scale[at] = 1 / sqrt(square);
            reduced->right[at] = reduced->scale[at] * reduced->eigenvalues[p];
        }
    }
    reduced->matrix = malloc((reduced->count * reduced->count + 1) * sizeof(double));
    if (!reduced->matrix) {
        return error_set(ret_error, ERROR_SYSTEM,
                         "there is no memory to solve for %zu parameters", reduced->count);
    }
    return 0;
}

static void matrix_column(void *context, size_t column)
{
    struct reduced *reduced = context;
    double *to = reduced->matrix + column * reduced->count;
    size_t q = reduced->active[column];
    for (size_t row = 0; row < reduced->count; row++) {
        to[row] = upgrade_element(reduced->upgrade, reduced->active[row], q) *
                  reduced->scale[row] * reduced->scale[column];
    }
    /* Exactly 1, as it is by definition, but for rounding. */
    to[column] = 1 + reduced->lambda * reduced->scale[column] * reduced->scale[column];
}

/* N (both triangles), less `shift` on its diagonal. */
static void matrix_fill(struct reduced *reduced, double shift)
{
    for (size_t i = 0; i < reduced->count; i++) {
        matrix_column(reduced, i);
        reduced->matrix[i + i * reduced->count] -= shift;
    }
}

/* Whether N has no eigenvalue that EIGTHRESH would drop; leaves the matrix in pieces. */
static int keeps_all(struct reduced *reduced, double eigthresh, double *ret_largest,
                     bool *ret_all, struct error *ret_error)
{
    matrix_fill(reduced, 0);
    if (eigen_largest(reduced->matrix, reduced->count, ret_largest, ret_error) != 0) {
        return -1;
    }
    *ret_all = eigthresh == 0;
    if (eigthresh > 0) {
        matrix_fill(reduced, eigthresh * *ret_largest);
        *ret_all = eigen_cholesky(reduced->matrix, reduced->count, NULL);
    }
    return 0;
}

/* 1: solved (into x); 0: something would be truncated; -1 with a sentence. */
static int cholesky_try(struct reduced *reduced, double *x, struct upgrade_report *report,
                        struct error *ret_error)
{
    const struct upgrade_options *options = &reduced->upgrade->options;
    if (options->method != UPGRADE_CHOLESKY) {
        bool all = false;
        if (reduced->count <= EIGEN_ORDER || options->maxsing < reduced->count ||
            options->method == UPGRADE_EIGEN) {
            return 0;
        }
        if (keeps_all(reduced, options->eigthresh, &report->largest, &all, ret_error) != 0) {
            return -1;
        }
        if (!all) {
            return 0;
        }
    }
    matrix_fill(reduced, 0);
    if (!eigen_cholesky(reduced->matrix, reduced->count, NULL)) {
        return 0;
    }
    memcpy(x, reduced->right, reduced->count * sizeof(*x));
    eigen_cholesky_solve(reduced->matrix, reduced->count, x);
    report->method = UPGRADE_CHOLESKY;
    report->rank = reduced->count;
    return 1;
}

/* How many eigenvalues count. Rounding leaves eigenvalues of about ± n ε σ₁ where N is singular:
 * they never do. */
static size_t rank_count(const struct reduced *reduced)
{
    const struct upgrade_options *options = &reduced->upgrade->options;
    double floor = options->method == UPGRADE_CHOLESKY ? 0 : options->eigthresh;
    double rounding = (double)reduced->count * 2.220446049250313e-16;
    size_t most = options->method == UPGRADE_CHOLESKY ? SIZE_MAX : options->maxsing, rank = 0;
    double least = reduced->eigenvalues[0] * (floor > rounding ? floor : rounding);
    while (rank < reduced->count && rank < most && reduced->eigenvalues[rank] > least) {
        rank++;
    }
    return rank;
}

static int eigen_solve(struct reduced *reduced, double *x, struct upgrade_report *report,
                       struct error *ret_error)
{
    size_t n = reduced->count;
    double *coefficients = reduced->eigenvalues + n;
    matrix_fill(reduced, 0);
    if (eigen_decompose(reduced->matrix, n, reduced->eigenvalues, ret_error) != 0) {
        return -1;
    }
    size_t rank = rank_count(reduced);
    cblas_dgemv(CblasColMajor, CblasTrans, (blasint)n, (blasint)rank, 1, reduced->matrix,
                (blasint)n, reduced->right, 1, 0, coefficients, 1);
    for (size_t i = 0; i < rank; i++) {
        coefficients[i] /= reduced->eigenvalues[i];
    }
    cblas_dgemv(CblasColMajor, CblasNoTrans, (blasint)n, (blasint)rank, 1, reduced->matrix,
                (blasint)n, coefficients, 1, 0, x, 1);
    report->method = UPGRADE_EIGEN;
    report->rank = rank;
    report->largest = reduced->eigenvalues[0];
    report->smallest = rank > 0 ? reduced->eigenvalues[rank - 1] : 0;
    return 0;
}

/* One lambda: the upgrade of the active parameters into ret (all others are there already). */
static int lambda_solve(struct reduced *reduced, double lambda, double *x, double *ret,
                        struct upgrade_report *report, struct error *ret_error)
{
    *report = (struct upgrade_report){.method = UPGRADE_CHOLESKY, .parameters = reduced->count};
    if (reduced->count == 0) {
        return 0;
    }
    reduced->lambda = lambda;
    int solved = cholesky_try(reduced, x, report, ret_error);
    if (solved == 0) {
        solved = eigen_solve(reduced, x, report, ret_error);
    }
    if (solved < 0) {
        return error_prefix(ret_error, "upgrade for lambda %g", lambda);
    }
    for (size_t i = 0; i < reduced->count; i++) {
        ret[reduced->active[i]] = reduced->scale[i] * x[i];
    }
    return 0;
}

static int dense_solve(struct reduced *reduced, const double *lambdas, size_t lambda_count,
                       double *ret_upgrades, struct upgrade_report *ret_reports,
                       struct error *ret_error)
{
    double *x = malloc((reduced->count + 1) * sizeof(*x));
    if (!x) {
        return error_set(ret_error, ERROR_SYSTEM, "there is no memory for an upgrade");
    }
    gang_blas();
    int result = 0;
    for (size_t i = 0; i < lambda_count && result == 0; i++) {
        struct upgrade_report report;
        result = lambda_solve(reduced, lambdas[i], x,
                              ret_upgrades + i * reduced->upgrade->jacobian.parameters, &report,
                              ret_error);
        if (ret_reports) {
            ret_reports[i] = report;
        }
    }
    free(x);
    return result;
}

int upgrade_solve(struct upgrade *upgrade, const bool *frozen, const double *moves,
                  const double *lambdas, size_t lambda_count, double *ret_upgrades,
                  struct upgrade_report *ret_reports, struct error *ret_error)
{
    size_t n = upgrade->jacobian.parameters;
    for (size_t i = 0; i < lambda_count; i++) {
        for (size_t p = 0; p < n; p++) {
            ret_upgrades[i * n + p] = frozen && frozen[p] && moves ? moves[p] : 0;
        }
    }
    if (upgrade->method == UPGRADE_LSQR) {
        return upgrade_solve_lsqr(upgrade, frozen, moves, lambdas, lambda_count, ret_upgrades,
                                  ret_reports, ret_error);
    }
    struct reduced reduced;
    int result = reduced_init(&reduced, upgrade, frozen, moves, ret_error);
    if (result == 0) {
        result =
            dense_solve(&reduced, lambdas, lambda_count, ret_upgrades, ret_reports, ret_error);
    }
    reduced_fini(&reduced);
    return result;
}

/* --- eigenvectors of JᵗQJ -------------------------------------------------------------------- */

static void vectors_place(const double *matrix, const size_t *active, size_t order,
                          const double *values, size_t count, size_t parameters,
                          double *ret_values, double *ret_vectors)
{
    memset(ret_vectors, 0, count * parameters * sizeof(*ret_vectors));
    for (size_t k = 0; k < count; k++) {
        ret_values[k] = values[k] > 0 ? values[k] : 0;
        for (size_t i = 0; i < order; i++) {
            ret_vectors[active[i] + k * parameters] = matrix[i + k * order];
        }
    }
}

long upgrade_eigen(struct upgrade *upgrade, const bool *frozen, size_t count,
                   double *ret_values, double *ret_vectors, struct error *ret_error)
{
    size_t n = upgrade->jacobian.parameters, order = 0;
    if (upgrade_normal_make(upgrade, ret_error) != 0) {
        return -1;
    }
    size_t *active = malloc((n + 1) * sizeof(*active));
    double *matrix = malloc((n * n + 1) * sizeof(*matrix));
    double *values = malloc((n + 1) * sizeof(*values));
    for (size_t p = 0; active && p < n; p++) {
        if (!frozen || !frozen[p]) {
            active[order++] = p;
        }
    }
    long result = -1;
    if (!active || !matrix || !values) {
        error_set(ret_error, ERROR_SYSTEM, "there is no memory for eigenvectors");
        goto out;
    }
    for (size_t q = 0; q < order; q++) {
        for (size_t p = 0; p < order; p++) {
            matrix[p + q * order] = upgrade_element(upgrade, active[p], active[q]);
        }
    }
    if (eigen_decompose(matrix, order, values, ret_error) == 0) {
        result = (long)(count < order ? count : order);
        vectors_place(matrix, active, order, values, (size_t)result, n, ret_values,
                      ret_vectors);
    }
out:
    free(active);
    free(matrix);
    free(values);
    return result;
}

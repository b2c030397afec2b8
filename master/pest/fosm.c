/*
 * fosm.c - P = L (I + LᵗAL)⁻¹ Lᵗ, where C = LLᵗ and A = JᵗQJ.
 *
 * I + LᵗAL has no eigenvalue below 1, so its Cholesky factor M always exists: P = (LM⁻ᵗ)(LM⁻ᵗ)ᵗ.
 * Where C is diagonal, all of it happens in the place of P: there the inverse from M is P but for
 * its units. Else a second matrix, LM⁻ᵗ, is needed.
 */
#include "config.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/eigen.h"
#include "master/pest/fosm.h"
#include "master/pest/gang.h"

struct fosm {
    struct covariance *prior; /* borrowed */
    size_t count;
    double *posterior;
};

void fosm_weights(const double *weights, const double *residuals, const bool *regularisation,
                  size_t rows, double *ret)
{
    for (size_t i = 0; i < rows; i++) {
        double residual = fabs(residuals[i]);
        ret[i] = regularisation && regularisation[i] ? 0 : weights[i];
        if (ret[i] > 0 && residual * ret[i] > 1) {
            ret[i] = 1 / residual;
        }
    }
}

/* matrix := Lᵗ matrix L */
static void sandwich(const struct covariance *prior, double *matrix)
{
    size_t n = prior->count;
    if (prior->diagonal) {
        for (size_t j = 0; j < n; j++) {
            for (size_t i = 0; i < n; i++) {
                matrix[i + j * n] *= prior->factor[i] * prior->factor[j];
            }
        }
        return;
    }
    cblas_dtrmm(CblasColMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, (blasint)n,
                (blasint)n, 1, prior->factor, (blasint)n, matrix, (blasint)n);
    cblas_dtrmm(CblasColMajor, CblasRight, CblasLower, CblasNoTrans, CblasNonUnit, (blasint)n,
                (blasint)n, 1, prior->factor, (blasint)n, matrix, (blasint)n);
}

/* LM⁻ᵗ into `root`, where M is the lower factor in `matrix`. */
static void root_make(const struct covariance *prior, const double *matrix, double *root)
{
    size_t n = prior->count;
    memset(root, 0, n * n * sizeof(*root));
    for (size_t j = 0; j < n; j++) {
        for (size_t i = j; i < n; i++) {
            root[i + j * n] =
                prior->diagonal ? (i == j ? prior->factor[j] : 0) : prior->factor[i + j * n];
        }
    }
    cblas_dtrsm(CblasColMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, (blasint)n,
                (blasint)n, 1, matrix, (blasint)n, root, (blasint)n);
}

/* From M in the lower triangle of `matrix` to that of P. */
static int posterior_finish(const struct covariance *prior, double *matrix)
{
    size_t n = prior->count;
    if (prior->diagonal) {
        eigen_cholesky_invert(matrix, n);
        sandwich(prior, matrix);
        return 0;
    }
    double *root = malloc((n * n + 1) * sizeof(*root));
    if (!root) {
        return -1;
    }
    root_make(prior, matrix, root);
    cblas_dsyrk(CblasColMajor, CblasLower, CblasNoTrans, (blasint)n, (blasint)n, 1, root,
                (blasint)n, 0, matrix, (blasint)n);
    free(root);
    return 0;
}

static int posterior_make(struct fosm *fosm, const double *normal, struct error *ret_error)
{
    size_t n = fosm->count;
    double *matrix = fosm->posterior;
    memcpy(matrix, normal, n * n * sizeof(*matrix));
    sandwich(fosm->prior, matrix);
    for (size_t i = 0; i < n; i++) {
        matrix[i + i * n] += 1;
    }
    if (!eigen_cholesky(matrix, n, NULL)) {
        return error_set(ret_error, ERROR_TASKS,
                         "the posterior covariance cannot be computed: the normal matrix holds "
                         "values that are not finite, or is not one");
    }
    if (posterior_finish(fosm->prior, matrix) != 0) {
        return error_set(ret_error, ERROR_SYSTEM,
                         "there is no memory for a posterior covariance");
    }
    for (size_t j = 0; j < n; j++) {
        for (size_t i = 0; i < j; i++) {
            matrix[i + j * n] = matrix[j + i * n];
        }
    }
    return 0;
}

struct fosm *fosm_create(const double *normal, struct covariance *prior,
                         struct error *ret_error)
{
    size_t n = prior->count;
    if (covariance_factor(prior, ret_error) != 0) {
        return NULL;
    }
    gang_blas();
    struct fosm *fosm = calloc(1, sizeof(*fosm));
    int result = -1;
    if (fosm) {
        fosm->prior = prior;
        fosm->count = n;
        fosm->posterior = malloc((n * n + 1) * sizeof(double));
    }
    if (!fosm || !fosm->posterior) {
        error_set(ret_error, ERROR_SYSTEM, "there is no memory for a posterior covariance");
    } else {
        result = n > 0 ? posterior_make(fosm, normal, ret_error) : 0;
    }
    if (result != 0) {
        fosm_destroy(fosm);
        return NULL;
    }
    return fosm;
}

void fosm_destroy(struct fosm *fosm)
{
    if (fosm) {
        free(fosm->posterior);
        free(fosm);
    }
}

const double *fosm_posterior(const struct fosm *fosm)
{
    return fosm->posterior;
}

double fosm_prior_deviation(const struct fosm *fosm, size_t parameter)
{
    size_t at = fosm->prior->diagonal ? parameter : parameter + parameter * fosm->count;
    return sqrt(fosm->prior->values[at]);
}

double fosm_posterior_deviation(const struct fosm *fosm, size_t parameter)
{
    return sqrt(fosm->posterior[parameter + parameter * fosm->count]);
}

void fosm_forecast(const struct fosm *fosm, const double *sensitivities, double *ret_prior,
                   double *ret_posterior)
{
    size_t n = fosm->count;
    double posterior = 0;
    gang_blas();
    for (size_t j = 0; j < n; j++) {
        posterior += sensitivities[j] *
                     cblas_ddot((blasint)n, fosm->posterior + j * n, 1, sensitivities, 1);
    }
    double prior = covariance_quadratic(fosm->prior, sensitivities);
    *ret_prior = sqrt(prior > 0 ? prior : 0);
    *ret_posterior = sqrt(posterior > 0 ? posterior : 0);
}

void fosm_identifiability(const double *vectors, size_t parameters, size_t count, double *ret)
{
    for (size_t p = 0; p < parameters; p++) {
        double sum = 0;
        for (size_t k = 0; k < count; k++) {
            sum += vectors[p + k * parameters] * vectors[p + k * parameters];
        }
        ret[p] = sum;
    }
}

const struct covariance *fosm_prior(const struct fosm *fosm)
{
    return fosm->prior;
}

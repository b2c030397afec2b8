/*
 * glm_model_solve.c - where an upgrade is not that of a full normal matrix: singular values are
 * left out (SVDMODE), or there is no normal matrix (LSQR).
 *
 * SVDMODE: of JᵗQJ scaled to a unit diagonal (BOUNDSCALE: by the distance between bounds),
 * S JᵗQJ S = V Σ Vᵗ as in PEST, at most MAXSING singular values are kept, and of these the ones
 * above EIGTHRESH times the largest. Steps are then sought among B = S V of those alone: s = B z.
 * Whether anything is left out at all is asked by a Cholesky factor of S JᵗQJ S - EIGTHRESH σ₁ I,
 * which costs less than V. In regularisation mode nothing is left out: there the regularisation
 * sees to the rank.
 *
 * LSQR: upgrade.h solves; the model is linear, and lambda multiplies the unit matrix.
 */
#include "config.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/eigen.h"
#include "master/pest/gang.h"
#include "master/pest/glm_model_private.h"

/* The scaled normal matrix into work; scale[p] 0 where nothing answers to p. How many do. */
static size_t scale_fill(struct glm_model *model, double *scale)
{
    const double *normal = model->normal[0];
    size_t n = model->n, active = 0;

    for (size_t p = 0; p < n; p++) {
        double square = model->scaling ? model->scaling[p] : normal[p + p * n];

        scale[p] = normal[p + p * n] > 0.0 ? 1.0 / sqrt(square) : 0.0;
        active += scale[p] > 0.0;
    }
    for (size_t c = 0; c < n; c++)
        for (size_t p = 0; p < n; p++)
            model->work[p + c * n] = normal[p + c * n] * scale[p] * scale[c];
    return active;
}

/* Whether every eigenvalue (of the active ones) is above the threshold; uses up work. */
static int is_whole(struct glm_model *model, const double *scale, bool *ret_whole,
                    struct error *ret_error)
{
    size_t n = model->n;
    double largest;

    if (eigen_largest(model->work, n, &largest, ret_error) != 0)
        return -1;
    for (size_t p = 0; p < n; p++)
        model->work[p + p * n] =
            scale[p] > 0.0 ? model->work[p + p * n] - model->control->eigthresh * largest : 1.0;
    *ret_whole = eigen_cholesky(model->work, n, NULL);
    return 0;
}

static size_t rank_of(const struct pest_control *control, const double *values, size_t n)
{
    size_t most = (size_t)control->maxsing < n ? (size_t)control->maxsing : n, rank = 0;

    while (rank < most && values[rank] > control->eigthresh * values[0])
        rank++;
    return rank ? rank : 1;
}

static int basis_fill(struct glm_model *model, const double *scale, struct error *ret_error)
{
    size_t n = model->n;
    double *values = malloc((n + 1) * sizeof *values);
    int failed = -1;

    if (!values) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for singular values");
    } else if (scale_fill(model, model->scratch + n) &&
               eigen_decompose(model->work, n, values, ret_error) == 0) {
        model->rank = rank_of(model->control, values, n);
        model->basis = malloc(2 * n * model->rank * sizeof *model->basis);
        model->dense = malloc(n * n * sizeof *model->dense);
        failed = model->basis && model->dense
                     ? 0
                     : error_set(ret_error, ERROR_SYSTEM, "no memory for singular vectors");
        for (size_t k = 0; !failed && k < model->rank; k++)
            for (size_t p = 0; p < n; p++)
                model->basis[p + k * n] = scale[p] * model->work[p + k * n];
    }
    free(values);
    return failed;
}

int glm_model_basis_make(struct glm_model *model, struct error *ret_error)
{
    double *scale = model->scratch;
    size_t active;
    bool whole = false;

    free(model->basis);
    free(model->dense);
    model->basis = model->dense = NULL;
    model->rank = model->n;
    if (!model->control->svdmode || model->normal[1])
        return 0;
    active = scale_fill(model, scale);
    if (!active)
        return 0;
    if ((size_t)model->control->maxsing >= active &&
        is_whole(model, scale, &whole, ret_error) != 0)
        return -1;
    return whole ? 0 : basis_fill(model, scale, ret_error);
}

/* Bᵗ right = Bᵗ A B z with the rows of held parameters left out of B; step = B z. `dense` holds A,
 * all of it. */
int glm_model_basis_solve(struct glm_model *model, const bool *held, const double *right,
                          double *step)
{
    size_t n = model->n, rank = model->rank;
    double *rows = model->basis + n * rank, *product = malloc(n * rank * sizeof *product);
    double *z = malloc((rank + 1) * sizeof *z);
    bool solved = false;

    for (size_t k = 0; k < rank; k++)
        for (size_t p = 0; p < n; p++)
            rows[p + k * n] = held[p] ? 0.0 : model->basis[p + k * n];
    for (double ridge = 1e-12; product && z && !solved && ridge < 10.0; ridge *= 100.0) {
        gang_blas();
        cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, (int)n, (int)rank, (int)n, 1.0,
                    model->dense, (int)n, rows, (int)n, 0.0, product, (int)n);
        cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, (int)rank, (int)rank, (int)n, 1.0,
                    rows, (int)n, product, (int)n, 0.0, model->work, (int)rank);
        cblas_dgemv(CblasColMajor, CblasTrans, (int)n, (int)rank, 1.0, rows, (int)n, right, 1,
                    0.0, z, 1);
        for (size_t k = 0; k < rank; k++)
            model->work[k + k * rank] += ridge * (1.0 + model->work[k + k * rank]);
        solved = eigen_cholesky(model->work, rank, NULL);
    }
    if (solved) {
        eigen_cholesky_solve(model->work, rank, z);
        cblas_dgemv(CblasColMajor, CblasNoTrans, (int)n, (int)rank, 1.0, rows, (int)n, z, 1,
                    0.0, model->dense, 1);
        for (size_t p = 0; p < n; p++)
            if (!held[p])
                step[p] = model->dense[p];
    }
    free(product);
    free(z);
    return solved ? 0 : -1;
}

int glm_model_lsqr_base(struct glm_model *model, const double *residuals,
                        struct error *ret_error)
{
    const struct pest_control *control = model->control;
    const struct lsqr_limits limits = {.atol = control->lsqr_atol,
                                       .btol = control->lsqr_btol,
                                       .conlim = control->lsqr_conlim,
                                       .itnlim = control->lsqr_itnlim};

    upgrade_destroy(model->lsqr);
    model->lsqr =
        upgrade_create(model->view, model->weights, model->regularisation, &limits, ret_error);
    if (!model->lsqr || upgrade_set_residuals(model->lsqr, residuals, ret_error) != 0)
        return -1;
    upgrade_set_factor(model->lsqr, sqrt(model->factor));
    upgrade_diagonal(model->lsqr, model->diagonal);
    return 0;
}

void glm_model_lsqr_predict(struct glm_model *model, const double *step,
                            double *ret_measurement, double *ret_regularisation)
{
    /* It fails for want of memory alone; then nothing good is foretold. */
    if (upgrade_predict(model->lsqr, step, ret_measurement, ret_regularisation, NULL) != 0)
        *ret_measurement = *ret_regularisation = HUGE_VAL;
}

int glm_model_lsqr_upgrade(struct glm_model *model, const struct glm_box *box, double lambda,
                           double *ret_step, struct error *ret_error)
{
    size_t n = model->n, out = 1;
    bool *held = calloc(n + 1, sizeof *held);
    double *moves = model->scratch;
    int failed = held ? 0 : -1;

    upgrade_set_factor(model->lsqr, sqrt(model->factor));
    memset(moves, 0, n * sizeof *moves);
    for (size_t p = 0; held && p < n; p++)
        held[p] = box->frozen && box->frozen[p];
    for (int turn = 0; !failed && out && turn < 4; turn++) {
        failed = upgrade_solve(model->lsqr, held, moves, &lambda, 1, ret_step, NULL, ret_error);
        out = 0;
        for (size_t p = 0; !failed && p < n; p++) {
            double to = fmax(box->lower[p], fmin(box->upper[p], ret_step[p]));

            if (held[p] || to == ret_step[p])
                continue;
            moves[p] = ret_step[p] = to;
            held[p] = true;
            out += !box->clip;
        }
    }
    free(held);
    return failed;
}

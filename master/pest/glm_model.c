/*
 * glm_model.c - the sums that set a model up; glm_model_upgrade.c makes upgrades of it.
 *
 * With U = (E'_1 ... E'_k) everything that an upgrade needs are JᵗQJ, JᵗQr0, JᵗQU, UᵗQU and
 * UᵗQr0, measurement rows and regularisation rows apart (curvature is of measurement rows alone:
 * regularisation is linear or nearly so). The E'_j come from E_j = r0 - J d_j - r_j by the k x k
 * system with matrix G, G_ij = <d_i, d_j>²; U is never formed, its sums are those of E times G⁻¹.
 */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/glm_model_private.h"

#define SAME_DIRECTION 1e-3 /* of G's diagonal, after elimination: known already */

static double *doubles(size_t count)
{
    return calloc(count + 1, sizeof(double));
}

/* LSQRMODE, or a normal matrix larger than both 1 GiB and the Jacobian. */
static bool wants_lsqr(const struct pest_control *control, size_t n)
{
    return control->lsqrmode != 0 ||
           (n > 11585 && n > control->observation_count + control->prior_count);
}

static bool arrays_make(struct glm_model *model)
{
    size_t n = model->n;

    model->gradient[0] = doubles(n);
    model->gradient[1] = doubles(n);
    model->total_gradient = doubles(n);
    model->metric = doubles(n);
    model->damping = doubles(n);
    model->diagonal = doubles(n);
    model->steps = doubles(n * GLM_MODEL_POINTS);
    model->raw_cross = doubles(n * GLM_MODEL_POINTS);
    model->cross = doubles(n * GLM_MODEL_POINTS);
    model->turn_v = doubles(n * GLM_MODEL_POINTS);
    model->turn_w = doubles(n * GLM_MODEL_POINTS);
    model->scratch = doubles(n * 8);
    return model->gradient[0] && model->gradient[1] && model->total_gradient && model->metric &&
           model->damping && model->diagonal && model->steps && model->raw_cross &&
           model->cross && model->turn_v && model->turn_w && model->scratch;
}

static int squares_make(struct glm_model *model, struct error *ret_error)
{
    size_t n = model->n;
    int parts = model->regularisation ? 2 : 1;

    for (int part = 0; part < parts; part++)
        if (!model->normal[part] && !(model->normal[part] = doubles(n * n)))
            break;
    if (!model->work)
        model->work = doubles(n * n);
    if (model->work && model->normal[parts - 1])
        return 0;
    return error_set(ret_error, ERROR_SYSTEM,
                     "no memory for the normal matrix of %zu parameters", n);
}

void glm_model_rest(struct glm_model *model)
{
    double **squares[] = {&model->normal[0], &model->normal[1], &model->work, &model->basis,
                          &model->dense};

    for (size_t i = 0; i < sizeof squares / sizeof *squares; i++) {
        free(*squares[i]);
        *squares[i] = NULL;
    }
}

struct glm_model *glm_model_create(size_t columns, const struct pest_control *control,
                                   struct error *ret_error)
{
    struct glm_model *model = calloc(1, sizeof *model);

    if (model) {
        model->n = columns;
        model->control = control;
        model->factor = 1.0;
        if (arrays_make(model))
            return model;
        glm_model_destroy(model);
    }
    error_set(ret_error, ERROR_SYSTEM, "no memory for a model of %zu parameters", columns);
    return NULL;
}

void glm_model_destroy(struct glm_model *model)
{
    if (!model)
        return;
    for (int part = 0; part < 2; part++) {
        free(model->gradient[part]);
    }
    free(model->total_gradient);
    free(model->metric);
    free(model->damping);
    free(model->diagonal);
    glm_model_rest(model);
    upgrade_destroy(model->lsqr);
    free(model->steps);
    free(model->raw_cross);
    free(model->cross);
    free(model->turn_v);
    free(model->turn_w);
    free(model->scratch);
    free(model->residuals);
    free(model->misses);
    free(model);
}

static int rows_make(struct glm_model *model, size_t rows, struct error *ret_error)
{
    if (rows == model->rows)
        return 0;
    free(model->residuals);
    free(model->misses);
    model->residuals = doubles(rows);
    model->misses = doubles(rows * (GLM_MODEL_POINTS + 1));
    model->rows = rows;
    if (model->residuals && model->misses)
        return 0;
    model->rows = 0;
    return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu residuals", rows);
}

static void metric_set(struct glm_model *model, const double *damping)
{
    size_t n = model->n;
    double largest = 0.0;

    for (size_t p = 0; p < n; p++) {
        model->metric[p] = fmax(model->diagonal[p], 0.1 * model->metric[p]);
        largest = fmax(largest, model->metric[p]);
    }
    /* A parameter that nothing answers to has no gradient either; any length will do. */
    for (size_t p = 0; p < n; p++)
        if (!(model->metric[p] > 1e-30 * largest))
            model->metric[p] = largest > 0.0 ? 1e-30 * largest : 1.0;
    memcpy(model->damping, damping ? damping : model->metric, n * sizeof *model->damping);
}

double glm_model_unit(const struct glm_model *model)
{
    double unit = 0.0;

    for (size_t p = 0; p < model->n; p++)
        unit = fmax(unit, model->metric[p] / model->damping[p]);
    return unit;
}

/* LSQR knows no other. */
static const double *unit_damping(struct glm_model *model)
{
    for (size_t p = 0; p < model->n; p++)
        model->scratch[p] = 1.0;
    return model->scratch;
}

static int normals_fill(struct glm_model *model, const double *residuals,
                        struct error *ret_error)
{
    size_t n = model->n, rows = model->rows;
    int parts = model->regularisation ? 2 : 1;

    if (squares_make(model, ret_error) != 0)
        return -1;
    for (int part = 0; part < parts; part++) {
        enum normal_part which = part ? NORMAL_REGULARISATION : NORMAL_MEASUREMENT;

        if (normal_fill(model->view, model->weights, model->regularisation, which,
                        model->normal[part], ret_error) != 0 ||
            normal_gradient(model->view, model->weights, model->regularisation, which,
                            residuals, model->gradient[part], ret_error) != 0)
            return -1;
        model->phi[part] =
            weighted_square(model->weights, model->regularisation, which, residuals, rows);
    }
    for (size_t p = 0; p < n; p++)
        model->diagonal[p] = model->normal[0][p + p * n] +
                             (parts == 2 ? model->factor * model->normal[1][p + p * n] : 0.0);
    return 0;
}

int glm_model_base(struct glm_model *model, const struct jacobian_view *view,
                   const double *weights, const bool *regularisation, const double *residuals,
                   const double *damping, struct error *ret_error)
{
    size_t rows = jacobian_rows(view);

    if (rows_make(model, rows, ret_error) != 0)
        return -1;
    model->view = view;
    model->weights = weights;
    model->regularisation = regularisation;
    memcpy(model->residuals, residuals, rows * sizeof *residuals);
    model->scaling = model->control->boundscale ? damping : NULL;
    glm_model_forget(model);
    if (wants_lsqr(model->control, model->n)) {
        if (glm_model_lsqr_base(model, residuals, ret_error) != 0)
            return -1;
        damping = unit_damping(model);
    } else if (normals_fill(model, residuals, ret_error) != 0 ||
               glm_model_basis_make(model, ret_error) != 0) {
        return -1;
    }
    metric_set(model, damping);
    return 0;
}

void glm_model_factor(struct glm_model *model, double factor)
{
    model->factor = factor;
}

void glm_model_forget(struct glm_model *model)
{
    model->points = 0;
    model->fitted = 0;
}

double glm_model_distance(const struct glm_model *model, const double *a, const double *b)
{
    double sum = 0.0;

    for (size_t p = 0; p < model->n; p++) {
        double difference = b ? a[p] - b[p] : a[p];

        sum += model->metric[p] * difference * difference;
    }
    return sum;
}

double glm_model_inner(const struct glm_model *model, const double *a, const double *b)
{
    double sum = 0.0;

    for (size_t p = 0; p < model->n; p++)
        sum += model->metric[p] * a[p] * b[p];
    return sum;
}

double glm_model_kernel(const struct glm_model *model, double inner)
{
    return inner * (inner + model->blur);
}

void glm_model_blur(struct glm_model *model, const double *increments, double part)
{
    double sum = 0.0;

    for (size_t p = 0; increments && p < model->n; p++)
        sum += model->metric[p] * increments[p] * increments[p];
    model->blur = part * part * sum / (double)model->n;
}

/* E = r0 - J s - r, measurement rows; others 0. */
static void miss_fill(struct glm_model *model, const double *step, const double *residuals,
                      double *ret)
{
    jacobian_multiply(model->view, model->weights, step, ret);
    for (size_t r = 0; r < model->rows; r++) {
        bool counts =
            model->weights[r] != 0.0 && !(model->regularisation && model->regularisation[r]);

        ret[r] = counts ? model->residuals[r] - ret[r] - residuals[r] : 0.0;
    }
}

/* x := G⁻¹x with the factor in model->gram; entries `stride` apart. */
static void gram_solve(const struct glm_model *model, double *x, size_t k, size_t stride)
{
    for (size_t i = 0; i < k; i++) {
        for (size_t j = 0; j < i; j++)
            x[i * stride] -= model->gram[i][j] * x[j * stride];
        x[i * stride] /= model->gram[i][i];
    }
    for (size_t i = k; i-- > 0;) {
        for (size_t j = i + 1; j < k; j++)
            x[i * stride] -= model->gram[j][i] * x[j * stride];
        x[i * stride] /= model->gram[i][i];
    }
}

double glm_model_miss(struct glm_model *model, const double *step, const double *residuals)
{
    double *miss = model->misses + model->rows * GLM_MODEL_POINTS;
    double share[GLM_MODEL_POINTS];

    miss_fill(model, step, residuals, miss);
    for (size_t j = 0; j < model->fitted; j++) {
        double inner = glm_model_inner(model, model->steps + j * model->n, step);

        share[j] = glm_model_kernel(model, inner) / model->lengths[j];
    }
    gram_solve(model, share, model->fitted, 1);
    for (size_t j = 0; j < model->fitted; j++)
        for (size_t r = 0; r < model->rows; r++)
            miss[r] -= share[j] * model->misses[j * model->rows + r];
    return sqrt(weighted_square(model->weights, model->regularisation, NORMAL_MEASUREMENT, miss,
                                model->rows));
}

/* What of the new row of G is left after eliminating the rows before it (Cholesky). Scaled by the
 * lengths of the steps, so that G's diagonal is 1. */
static double cholesky_row(struct glm_model *model, const double *step, double length,
                           double *row)
{
    double left = 1.0;

    for (size_t j = 0; j < model->points; j++) {
        double inner = glm_model_inner(model, step, model->steps + j * model->n);
        double sum = glm_model_kernel(model, inner) / (length * model->lengths[j]);

        for (size_t k = 0; k < j; k++)
            sum -= row[k] * model->gram[j][k];
        row[j] = sum / model->gram[j][j];
        left -= row[j] * row[j];
    }
    return left;
}

int glm_model_learn(struct glm_model *model, const double *step, const double *residuals,
                    struct error *ret_error)
{
    size_t k = model->points, n = model->n;
    double length = glm_model_distance(model, step, NULL), left;
    double *miss = model->misses + k * model->rows;

    length = sqrt(glm_model_kernel(model, length));
    if (k == GLM_MODEL_POINTS || !(length > 0.0) || model->lsqr)
        return 0;
    left = cholesky_row(model, step, length, model->gram[k]);
    if (left < SAME_DIRECTION)
        return 0;
    model->gram[k][k] = sqrt(left);
    model->lengths[k] = length;
    memcpy(model->steps + k * n, step, n * sizeof *step);
    miss_fill(model, step, residuals, miss);
    /* In units of the root of G's diagonal, as the rows of G are. */
    for (size_t r = 0; r < model->rows; r++)
        miss[r] /= length;
    if (normal_gradient(model->view, model->weights, model->regularisation, NORMAL_MEASUREMENT,
                        miss, model->raw_cross + k * n, ret_error) != 0)
        return -1;
    model->points++;
    return 1;
}

static double weighted_inner(const struct glm_model *model, const double *a, const double *b)
{
    double sum = 0.0;

    for (size_t r = 0; r < model->rows; r++)
        if (a[r] != 0.0 && b[r] != 0.0)
            sum += model->weights[r] * model->weights[r] * a[r] * b[r];
    return sum;
}

void glm_model_fit(struct glm_model *model)
{
    size_t k = model->points, n = model->n;

    for (size_t i = 0; i < k; i++) {
        const double *miss = model->misses + i * model->rows;

        model->against[i] = weighted_inner(model, miss, model->residuals);
        for (size_t j = 0; j <= i; j++)
            model->curvature[i][j] = model->curvature[j][i] =
                weighted_inner(model, miss, model->misses + j * model->rows);
    }
    memcpy(model->cross, model->raw_cross, n * k * sizeof *model->cross);
    for (size_t p = 0; p < n; p++)
        gram_solve(model, model->cross + p, k, n);
    gram_solve(model, model->against, k, 1);
    for (size_t i = 0; i < k; i++)
        gram_solve(model, model->curvature[i], k, 1);
    for (size_t i = 0; i < k; i++)
        gram_solve(model, &model->curvature[0][i], k, GLM_MODEL_POINTS);
    model->fitted = k;
}

void glm_model_update_columns(const struct glm_model *model, const double *step,
                              double *const *columns)
{
    size_t k = model->fitted, n = model->n;
    double share[GLM_MODEL_POINTS], turn[GLM_MODEL_POINTS];

    /* E' = E G⁻¹; J gains E' D (W d)ᵗ = E (G⁻¹ D dᵗW). */
    for (size_t j = 0; j < k; j++)
        share[j] = (2.0 * glm_model_inner(model, model->steps + j * n, step) + model->blur) /
                   model->lengths[j];
    for (size_t p = 0; p < n; p++) {
        for (size_t j = 0; j < k; j++)
            turn[j] = share[j] * model->metric[p] * model->steps[j * n + p];
        gram_solve(model, turn, k, 1);
        for (size_t j = 0; j < k; j++)
            for (size_t o = 0; o < model->view->observations; o++)
                columns[p][o] += model->misses[j * model->rows + o] * turn[j];
    }
}

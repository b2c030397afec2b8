/* upgrade.c - what is summed once, and what follows from it; upgrade_solve.c has the solution. */
#include "config.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/eigen.h"
#include "master/pest/gang.h"
#include "master/pest/upgrade_private.h"

#define EIGTHRESH_ASSUMED 1e-6              /* PEST++'s, where there is no svd section */
#define NORMAL_BYTES      ((size_t)1 << 30) /* of JᵗQJ, below which LSQR is not thought of */

void upgrade_options_read(const struct pest_control *control, struct upgrade_options *ret)
{
    *ret = (struct upgrade_options){
        .method = control->lsqrmode ? UPGRADE_LSQR : UPGRADE_AUTOMATIC,
        .maxsing = SIZE_MAX,
        .eigthresh = EIGTHRESH_ASSUMED,
        .lsqr = {.atol = control->lsqr_atol,
                 .btol = control->lsqr_btol,
                 .conlim = control->lsqr_conlim,
                 .itnlim = control->lsqr_itnlim},
    };
    if (control->svdmode) {
        ret->maxsing = (size_t)control->maxsing;
        ret->eigthresh = control->eigthresh;
    }
}

/* The header says when LSQR is taken. */
static enum upgrade_method method_choose(const struct jacobian_view *jacobian,
                                         enum upgrade_method wanted)
{
    size_t n = jacobian->parameters;
    if (wanted != UPGRADE_AUTOMATIC) {
        return wanted;
    }
    if (n > jacobian_rows(jacobian) && n > NORMAL_BYTES / sizeof(double) / n) {
        return UPGRADE_LSQR;
    }
    return UPGRADE_AUTOMATIC;
}

static bool is_any(const bool *flags, size_t count)
{
    for (size_t i = 0; flags && i < count; i++) {
        if (flags[i]) {
            return true;
        }
    }
    return false;
}

static int part_fill(struct upgrade *upgrade, enum normal_part which, struct upgrade_part *part,
                     struct error *ret_error)
{
    size_t n = upgrade->jacobian.parameters;
    part->normal = malloc((n * n + 1) * sizeof(double));
    if (!part->normal) {
        return error_set(
            ret_error, ERROR_SYSTEM,
            "there is no memory for the normal matrix of %zu parameters (%zu MiB); "
            "LSQRMODE 1 in the control file does without it",
            n, n * n * sizeof(double) >> 20);
    }
    if (normal_fill(&upgrade->jacobian, upgrade->weights, upgrade->regularisation, which,
                    part->normal, ret_error) != 0) {
        free(part->normal);
        part->normal = NULL;
        return -1;
    }
    return 0;
}

int upgrade_normal_make(struct upgrade *upgrade, struct error *ret_error)
{
    if (!upgrade->measurement.normal &&
        part_fill(upgrade, NORMAL_MEASUREMENT, &upgrade->measurement, ret_error) != 0) {
        return -1;
    }
    if (upgrade->regularisation && !upgrade->regular.normal) {
        return part_fill(upgrade, NORMAL_REGULARISATION, &upgrade->regular, ret_error);
    }
    return 0;
}

struct upgrade *upgrade_create(const struct jacobian_view *jacobian, const double *weights,
                               const bool *regularisation,
                               const struct upgrade_options *options, struct error *ret_error)
{
    struct upgrade *upgrade = calloc(1, sizeof(*upgrade));
    size_t n = jacobian->parameters, rows = jacobian_rows(jacobian);
    if (!upgrade) {
        error_set(ret_error, ERROR_SYSTEM, "there is no memory for an upgrade");
        return NULL;
    }
    upgrade->jacobian = *jacobian;
    upgrade->weights = weights;
    upgrade->regularisation = is_any(regularisation, rows) ? regularisation : NULL;
    upgrade->options = *options;
    upgrade->method = method_choose(jacobian, options->method);
    upgrade->factor = 1;
    upgrade->residuals = calloc(rows + 1, sizeof(double));
    upgrade->measurement.gradient = calloc(n + 1, sizeof(double));
    upgrade->regular.gradient = calloc(n + 1, sizeof(double));
    if (!upgrade->residuals || !upgrade->measurement.gradient || !upgrade->regular.gradient) {
        error_set(ret_error, ERROR_SYSTEM, "there is no memory for an upgrade");
        upgrade_destroy(upgrade);
        return NULL;
    }
    if (upgrade->method != UPGRADE_LSQR && upgrade_normal_make(upgrade, ret_error) != 0) {
        upgrade_destroy(upgrade);
        return NULL;
    }
    return upgrade;
}

void upgrade_destroy(struct upgrade *upgrade)
{
    if (upgrade) {
        free(upgrade->residuals);
        free(upgrade->measurement.normal);
        free(upgrade->measurement.gradient);
        free(upgrade->regular.normal);
        free(upgrade->regular.gradient);
        free(upgrade);
    }
}

static int part_residuals(struct upgrade *upgrade, enum normal_part which,
                          struct upgrade_part *part, struct error *ret_error)
{
    part->square = weighted_square(upgrade->weights, upgrade->regularisation, which,
                                   upgrade->residuals, jacobian_rows(&upgrade->jacobian));
    return normal_gradient(&upgrade->jacobian, upgrade->weights, upgrade->regularisation, which,
                           upgrade->residuals, part->gradient, ret_error);
}

int upgrade_set_residuals(struct upgrade *upgrade, const double *residuals,
                          struct error *ret_error)
{
    size_t rows = jacobian_rows(&upgrade->jacobian);
    for (size_t i = 0; i < rows; i++) {
        if (upgrade->weights[i] != 0 && !isfinite(residuals[i])) {
            return error_set(ret_error, ERROR_TASKS,
                             "the residual of row %zu (of %zu, from 0) is not a finite number",
                             i, rows);
        }
    }
    for (size_t i = 0; i < rows; i++) { /* rows without a weight may hold anything */
        upgrade->residuals[i] = upgrade->weights[i] != 0 ? residuals[i] : 0;
    }
    if (part_residuals(upgrade, NORMAL_MEASUREMENT, &upgrade->measurement, ret_error) != 0) {
        return -1;
    }
    if (upgrade->regularisation) {
        return part_residuals(upgrade, NORMAL_REGULARISATION, &upgrade->regular, ret_error);
    }
    return 0;
}

void upgrade_set_factor(struct upgrade *upgrade, double factor)
{
    upgrade->factor = factor;
}

void upgrade_gradient(const struct upgrade *upgrade, double *ret_gradient)
{
    double square = upgrade->factor * upgrade->factor;
    for (size_t p = 0; p < upgrade->jacobian.parameters; p++) {
        ret_gradient[p] =
            upgrade->measurement.gradient[p] + square * upgrade->regular.gradient[p];
    }
}

/* diag(JᵗQJ) where there is no JᵗQJ. */
static void diagonal_sum(const struct upgrade *upgrade, double *ret_diagonal)
{
    const struct jacobian_view *jacobian = &upgrade->jacobian;
    for (size_t p = 0; p < jacobian->parameters; p++) {
        double sum = 0;
        for (size_t i = 0; i < jacobian->observations; i++) {
            double weight = upgrade->weights[i];
            if (upgrade->regularisation && upgrade->regularisation[i]) {
                weight *= upgrade->factor;
            }
            double value = weight != 0 ? weight * jacobian->columns[p][i] : 0;
            sum += value * value;
        }
        ret_diagonal[p] = sum;
    }
    for (size_t i = 0; i < jacobian->priors; i++) {
        size_t row = jacobian->observations + i;
        double weight = upgrade->weights[row];
        if (upgrade->regularisation && upgrade->regularisation[row]) {
            weight *= upgrade->factor;
        }
        size_t end = jacobian->prior_starts[i + 1];
        for (size_t a = jacobian->prior_starts[i]; a < end; a++) {
            for (size_t b = jacobian->prior_starts[i]; b < end;
                 b++) { /* a column named twice */
                if (jacobian->prior_columns[a] == jacobian->prior_columns[b]) {
                    ret_diagonal[jacobian->prior_columns[a]] +=
                        weight * weight * jacobian->prior_values[a] * jacobian->prior_values[b];
                }
            }
        }
    }
}

void upgrade_diagonal(struct upgrade *upgrade, double *ret_diagonal)
{
    if (!upgrade->measurement.normal) {
        diagonal_sum(upgrade, ret_diagonal);
        return;
    }
    for (size_t p = 0; p < upgrade->jacobian.parameters; p++) {
        ret_diagonal[p] = upgrade_element(upgrade, p, p);
    }
}

int upgrade_normal(struct upgrade *upgrade, double *ret_normal, struct error *ret_error)
{
    size_t n = upgrade->jacobian.parameters;
    if (upgrade_normal_make(upgrade, ret_error) != 0) {
        return -1;
    }
    for (size_t q = 0; q < n; q++) {
        for (size_t p = 0; p < n; p++) {
            ret_normal[p + q * n] = upgrade_element(upgrade, p, q);
        }
    }
    return 0;
}

/* |Q^½(r - Jδ)|² from its sums; rounding may bring it below zero where the fit is perfect. */
static double part_predict(const struct upgrade_part *part, const double *delta, size_t n,
                           double *scratch)
{
    cblas_dsymv(CblasColMajor, CblasLower, (blasint)n, 1, part->normal, (blasint)n, delta, 1, 0,
                scratch, 1);
    double value = part->square - 2 * cblas_ddot((blasint)n, part->gradient, 1, delta, 1) +
                   cblas_ddot((blasint)n, delta, 1, scratch, 1);
    return value > 0 ? value : 0;
}

int upgrade_predict(struct upgrade *upgrade, const double *delta, double *ret_measurement,
                    double *ret_regularisation, struct error *ret_error)
{
    size_t n = upgrade->jacobian.parameters, rows = jacobian_rows(&upgrade->jacobian);
    double *scratch = malloc((n + rows + 1) * sizeof(*scratch));
    if (!scratch) {
        return error_set(ret_error, ERROR_SYSTEM, "there is no memory for a prediction");
    }
    gang_blas();
    *ret_regularisation = 0;
    if (upgrade->measurement.normal) {
        *ret_measurement = part_predict(&upgrade->measurement, delta, n, scratch);
        if (upgrade->regular.normal) {
            *ret_regularisation = part_predict(&upgrade->regular, delta, n, scratch);
        }
    } else {
        jacobian_multiply(&upgrade->jacobian, upgrade->weights, delta, scratch);
        for (size_t i = 0; i < rows; i++) {
            scratch[i] = upgrade->residuals[i] - scratch[i];
        }
        *ret_measurement = weighted_square(upgrade->weights, upgrade->regularisation,
                                           NORMAL_MEASUREMENT, scratch, rows);
        if (upgrade->regularisation) {
            *ret_regularisation = weighted_square(upgrade->weights, upgrade->regularisation,
                                                  NORMAL_REGULARISATION, scratch, rows);
        }
    }
    free(scratch);
    return 0;
}

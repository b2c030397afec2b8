/* upgrade.c - what is known of the linear model; upgrade_solve.c has the solution. */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "master/pest/upgrade_private.h"

static bool is_any(const bool *flags, size_t count)
{
    for (size_t i = 0; flags && i < count; i++) {
        if (flags[i]) {
            return true;
        }
    }
    return false;
}

struct upgrade *upgrade_create(const struct jacobian_view *jacobian, const double *weights,
                               const bool *regularisation, const struct lsqr_limits *limits,
                               struct error *ret_error)
{
    struct upgrade *upgrade = calloc(1, sizeof(*upgrade));
    size_t rows = jacobian_rows(jacobian);
    double *residuals = calloc(rows + 1, sizeof(*residuals));
    if (!upgrade || !residuals) {
        free(upgrade);
        free(residuals);
        error_set(ret_error, ERROR_SYSTEM, "there is no memory for an upgrade");
        return NULL;
    }
    *upgrade =
        (struct upgrade){.jacobian = *jacobian,
                         .weights = weights,
                         .regularisation = is_any(regularisation, rows) ? regularisation : NULL,
                         .limits = *limits,
                         .factor = 1,
                         .residuals = residuals};
    return upgrade;
}

void upgrade_destroy(struct upgrade *upgrade)
{
    if (upgrade) {
        free(upgrade->residuals);
        free(upgrade);
    }
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
    return 0;
}

void upgrade_set_factor(struct upgrade *upgrade, double factor)
{
    upgrade->factor = factor;
}

void upgrade_diagonal(const struct upgrade *upgrade, double *ret_diagonal)
{
    const struct jacobian_view *jacobian = &upgrade->jacobian;
    for (size_t p = 0; p < jacobian->parameters; p++) {
        double sum = 0;
        for (size_t i = 0; i < jacobian->observations; i++) {
            double weight = upgrade_weight(upgrade, i);
            double value = weight != 0 ? weight * jacobian->columns[p][i] : 0;
            sum += value * value;
        }
        ret_diagonal[p] = sum;
    }
    for (size_t i = 0; i < jacobian->priors; i++) {
        size_t row = jacobian->observations + i;
        double weight = upgrade_weight(upgrade, row);
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

int upgrade_predict(struct upgrade *upgrade, const double *delta, double *ret_measurement,
                    double *ret_regularisation, struct error *ret_error)
{
    size_t rows = jacobian_rows(&upgrade->jacobian);
    double *left = malloc((rows + 1) * sizeof(*left));
    if (!left) {
        return error_set(ret_error, ERROR_SYSTEM, "there is no memory for a prediction");
    }
    jacobian_multiply(&upgrade->jacobian, upgrade->weights, delta, left);
    for (size_t i = 0; i < rows; i++) {
        left[i] = upgrade->residuals[i] - left[i];
    }
    *ret_measurement = weighted_square(upgrade->weights, upgrade->regularisation,
                                       NORMAL_MEASUREMENT, left, rows);
    *ret_regularisation = upgrade->regularisation
                              ? weighted_square(upgrade->weights, upgrade->regularisation,
                                                NORMAL_REGULARISATION, left, rows)
                              : 0;
    free(left);
    return 0;
}

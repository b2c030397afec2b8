#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/ies_phi.h"

/* --- rows --------------------------------------------------------------------------------- */

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Names are in lower case. */
static enum ies_sense sense_of(const char *group)
{
    if (begins(group, "l_") || begins(group, "less") || begins(group, ">@"))
        return IES_LESS;
    if (begins(group, "g_") || begins(group, "greater") || begins(group, "<@"))
        return IES_GREATER;
    return IES_EQUAL;
}

int ies_rows_init(struct ies_rows *rows, const struct pest_control *control,
                  struct error *ret_error)
{
    *rows = (struct ies_rows){.control = control};
    rows->observation = calloc(control->observation_count + 1, sizeof *rows->observation);
    rows->weight = calloc(control->observation_count + 1, sizeof *rows->weight);
    rows->sense = calloc(control->observation_count + 1, sizeof *rows->sense);
    if (!rows->observation || !rows->weight || !rows->sense) {
        ies_rows_fini(rows);
        return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu observations",
                         control->observation_count);
    }
    for (size_t o = 0; o < control->observation_count; o++) {
        const struct pest_observation *observation = &control->observations[o];
        const struct pest_observation_group *group =
            &control->observation_groups[observation->obgnme];
        if (observation->weight == 0)
            continue;
        if (group->regularisation) {
            rows->ignored++;
            continue;
        }
        rows->observation[rows->count] = o;
        rows->weight[rows->count] = observation->weight;
        rows->sense[rows->count++] = sense_of(group->obgnme);
    }
    return 0;
}

void ies_rows_fini(struct ies_rows *rows)
{
    free(rows->observation);
    free(rows->weight);
    free(rows->sense);
    *rows = (struct ies_rows){0};
}

void ies_rows_drop(struct ies_rows *rows, const bool *dropped)
{
    size_t kept = 0;
    for (size_t r = 0; r < rows->count; r++) {
        if (dropped[r])
            continue;
        rows->observation[kept] = rows->observation[r];
        rows->weight[kept] = rows->weight[r];
        rows->sense[kept++] = rows->sense[r];
    }
    rows->count = kept;
}

static double residual_of(const struct ies_rows *rows, size_t row, const double *simulated,
                          const double *target)
{
    size_t o = rows->observation[row];
    double measured = rows->control->observations[o].obsval;
    if (rows->sense[row] == IES_LESS)
        return fmax(0, simulated[o] - measured);
    if (rows->sense[row] == IES_GREATER)
        return fmin(0, simulated[o] - measured);
    return simulated[o] - (target ? target[o] : measured);
}

void ies_rows_residuals(const struct ies_rows *rows, const double *simulated,
                        const double *target, double *ret)
{
    for (size_t r = 0; r < rows->count; r++)
        ret[r] = residual_of(rows, r, simulated, target);
}

/* --- phi ---------------------------------------------------------------------------------- */

static double square(double x)
{
    return x * x;
}

/* The step of column c away from the prior, in standard deviations. */
static double step_of(const struct ies_judge *judge, size_t column, const double *values,
                      const double *prior)
{
    int p = judge->parameters->index[column];
    if (values[p] == prior[p])
        return 0;
    return (glm_parameters_transform(judge->parameters, column, values[p]) -
            glm_parameters_transform(judge->parameters, column, prior[p])) /
           judge->deviations[column];
}

struct ies_phi ies_phi_of(const struct ies_judge *judge, const double *values,
                          const double *prior, const double *simulated, const double *target)
{
    struct ies_phi phi = {0};
    const struct ies_rows *rows = judge->rows;
    for (size_t r = 0; r < rows->count; r++) {
        phi.measured += square(rows->weight[r] * residual_of(rows, r, simulated, target));
        phi.actual += square(rows->weight[r] * residual_of(rows, r, simulated, NULL));
    }
    for (size_t c = 0; c < judge->parameters->count; c++)
        phi.regularisation += square(step_of(judge, c, values, prior));
    phi.composite = phi.measured + judge->regul_factor * phi.regularisation;
    return phi;
}

void ies_phi_groups(const struct ies_judge *judge, const double *simulated, double *ret_groups)
{
    const struct ies_rows *rows = judge->rows;
    for (size_t g = 0; g < rows->control->observation_group_count; g++)
        ret_groups[g] = 0;
    for (size_t r = 0; r < rows->count; r++)
        ret_groups[rows->control->observations[rows->observation[r]].obgnme] +=
            square(rows->weight[r] * residual_of(rows, r, simulated, NULL));
}

void ies_phi_parameter_groups(const struct ies_judge *judge, const double *values,
                              const double *prior, double *ret_groups)
{
    const struct pest_control *control = judge->rows->control;
    for (size_t g = 0; g < control->parameter_group_count; g++)
        ret_groups[g] = 0;
    for (size_t c = 0; c < judge->parameters->count; c++) {
        int group = control->parameters[judge->parameters->index[c]].pargp;
        if (group >= 0)
            ret_groups[group] += square(step_of(judge, c, values, prior));
    }
}

/* --- statistics --------------------------------------------------------------------------- */

struct ies_statistics ies_statistics_of(const double *values, size_t count)
{
    struct ies_statistics statistics = {NAN, 0, NAN, NAN};
    double sum = 0, squares = 0;
    if (count == 0)
        return statistics;
    statistics.least = statistics.most = values[0];
    for (size_t i = 0; i < count; i++) {
        sum += values[i];
        statistics.least = fmin(statistics.least, values[i]);
        statistics.most = fmax(statistics.most, values[i]);
    }
    statistics.mean = sum / (double)count;
    for (size_t i = 0; i < count; i++)
        squares += square(values[i] - statistics.mean);
    if (count > 1)
        statistics.deviation = sqrt(squares / (double)(count - 1));
    return statistics;
}

static int real_compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

static double median_of(const double *sorted, size_t count)
{
    return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

int ies_phi_threshold(const double *measured, size_t count, double bad_phi, double sigma,
                      double *ret_threshold, struct error *ret_error)
{
    *ret_threshold = bad_phi;
    if (sigma == 0 || count < 2)
        return 0;
    if (sigma > 0) {
        struct ies_statistics all = ies_statistics_of(measured, count);
        *ret_threshold = fmin(bad_phi, all.mean + sigma * all.deviation);
        return 0;
    }
    double *sorted = malloc(count * sizeof *sorted);
    if (!sorted)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to sort phis");
    memcpy(sorted, measured, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, real_compare);
    double lower = median_of(sorted, count / 2);
    double upper = median_of(sorted + (count + 1) / 2, count / 2);
    *ret_threshold = fmin(bad_phi, upper - sigma * (upper - lower));
    free(sorted);
    return 0;
}

/* --- prior-data conflict ------------------------------------------------------------------ */

static bool is_conflict(enum ies_sense sense, const struct ies_conflict *conflict, double sigma)
{
    const struct ies_statistics *observed = &conflict->observed,
                                *simulated = &conflict->simulated;
    bool above = simulated->least > observed->most, below = simulated->most < observed->least;
    if (sigma > 0) {
        double reach = sigma * (simulated->deviation + observed->deviation);
        above = simulated->mean - observed->mean > reach;
        below = observed->mean - simulated->mean > reach;
    }
    return (above && sense != IES_GREATER) || (below && sense != IES_LESS);
}

static struct ies_statistics column_statistics(const double *matrix, size_t columns,
                                               size_t column, size_t count, double *scratch)
{
    for (size_t i = 0; i < count; i++)
        scratch[i] = matrix[i * columns + column];
    return ies_statistics_of(scratch, count);
}

int ies_conflicts_find(const struct ies_rows *rows, const struct ies_ensemble *ensemble,
                       double sigma, struct ies_conflict **ret_list, size_t *ret_count,
                       struct error *ret_error)
{
    size_t columns = ensemble->observation_count, count = ensemble->count;
    double *scratch = malloc((count + 1) * sizeof *scratch);
    *ret_count = 0;
    *ret_list = calloc(rows->count + 1, sizeof **ret_list);
    if (!scratch || !*ret_list) {
        free(scratch);
        free(*ret_list);
        *ret_list = NULL;
        return error_set(ret_error, ERROR_SYSTEM, "no memory to look for conflicts");
    }
    for (size_t r = 0; r < rows->count; r++) {
        size_t o = rows->observation[r];
        struct ies_conflict conflict = {
            .row = r,
            .observed = column_statistics(ensemble->target, columns, o, count, scratch),
            .simulated = column_statistics(ensemble->simulated, columns, o, count, scratch)};
        conflict.distance = fmax(conflict.simulated.least - conflict.observed.most,
                                 conflict.observed.least - conflict.simulated.most);
        if (is_conflict(rows->sense[r], &conflict, sigma))
            (*ret_list)[(*ret_count)++] = conflict;
    }
    free(scratch);
    return 0;
}

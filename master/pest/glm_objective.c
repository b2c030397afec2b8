/* glm_objective.c - see glm_objective.h. */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/covariance.h"
#include "master/pest/glm_objective.h"
#include "master/pest/matrix.h"

/* The observations of a group that a covariance file stands for. */
struct whitening {
    struct covariance *covariance;
    size_t *rows;
    size_t count;
};

struct glm_objective {
    const struct pest_control *control;
    const struct glm_parameters *parameters;
    size_t rows;
    double *given;        /* [rows] weights, 1 in whitened groups */
    double *weights;      /* [rows] times the group's factor */
    double *group_factor; /* [groups] IREGADJ; 1 at first */
    int *group;           /* [rows] */
    bool *regularisation; /* [rows], or NULL: none is */
    struct whitening *whitenings;
    size_t whitening_count;
    size_t *prior_starts, *prior_columns;
    double *prior_values;
};

size_t glm_objective_rows(const struct glm_objective *objective)
{
    return objective->rows;
}

const double *glm_objective_weights(const struct glm_objective *objective)
{
    return objective->weights;
}

const bool *glm_objective_regularisation(const struct glm_objective *objective)
{
    return objective->regularisation;
}

static const char **whitening_names(const struct pest_control *control,
                                    const struct whitening *whitening)
{
    const char **names = malloc((whitening->count + 1) * sizeof *names);

    for (size_t i = 0; names && i < whitening->count; i++)
        names[i] = control->observations[whitening->rows[i]].obsnme;
    return names;
}

static int whitening_open(struct glm_objective *objective, int group, const char *folder,
                          struct error *ret_error)
{
    const struct pest_control *control = objective->control;
    const char *file = control->observation_groups[group].covfle;
    struct whitening *whitening = &objective->whitenings[objective->whitening_count++];
    struct covariance *whole = NULL;
    const char **names = NULL;
    char path[4096];
    int got;

    whitening->rows = calloc(control->observation_count + 1, sizeof *whitening->rows);
    if (!whitening->rows)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for covariance groups");
    for (size_t o = 0; o < control->observation_count; o++)
        if (control->observations[o].obgnme == group && control->observations[o].weight > 0.0)
            whitening->rows[whitening->count++] = o;
    if (!whitening->count)
        return 0;
    got = snprintf(path, sizeof path, "%s%s%s", file[0] == '/' || !folder ? "" : folder,
                   file[0] == '/' || !folder ? "" : "/", file);
    if (got < 0 || (size_t)got >= sizeof path)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: the path of covariance file \"%s\" is too "
                         "long",
                         control->path, file);
    whole = covariance_read(path, MATRIX_BYTES_MAX, ret_error);
    names = whitening_names(control, whitening);
    if (whole && names)
        whitening->covariance =
            covariance_select(whole, names, whitening->count, NULL, ret_error);
    covariance_free(whole);
    free(names);
    if (!whitening->covariance || covariance_factor(whitening->covariance, ret_error) != 0)
        return error_prefix(ret_error, "covariance of observation group \"%s\"",
                            control->observation_groups[group].obgnme);
    for (size_t i = 0; i < whitening->count; i++)
        objective->given[whitening->rows[i]] = 1.0;
    return 0;
}

static void rows_set(struct glm_objective *objective)
{
    const struct pest_control *control = objective->control;
    size_t n = control->observation_count;
    bool any = false;

    for (size_t o = 0; o < n; o++) {
        objective->given[o] = control->observations[o].weight;
        objective->group[o] = control->observations[o].obgnme;
    }
    for (size_t i = 0; i < control->prior_count; i++) {
        objective->given[n + i] = control->priors[i].weight;
        objective->group[n + i] = control->priors[i].obgnme;
    }
    for (size_t r = 0; r < objective->rows; r++) {
        objective->regularisation[r] =
            control->pestmode == PEST_REGULARISATION &&
            control->observation_groups[objective->group[r]].regularisation;
        any = any || objective->regularisation[r];
    }
    if (!any) {
        free(objective->regularisation);
        objective->regularisation = NULL;
    }
}

static void weights_set(struct glm_objective *objective)
{
    for (size_t r = 0; r < objective->rows; r++)
        objective->weights[r] =
            objective->given[r] * (objective->regularisation && objective->regularisation[r]
                                       ? objective->group_factor[objective->group[r]]
                                       : 1.0);
}

static int arrays_make(struct glm_objective *objective)
{
    const struct pest_control *control = objective->control;
    size_t terms = 0, rows = objective->rows, groups = control->observation_group_count;

    for (size_t i = 0; i < control->prior_count; i++)
        terms += control->priors[i].term_count;
    objective->given = calloc(rows + 1, sizeof *objective->given);
    objective->weights = calloc(rows + 1, sizeof *objective->weights);
    objective->group = calloc(rows + 1, sizeof *objective->group);
    objective->regularisation = calloc(rows + 1, sizeof *objective->regularisation);
    objective->group_factor = calloc(groups + 1, sizeof *objective->group_factor);
    objective->whitenings = calloc(groups + 1, sizeof *objective->whitenings);
    objective->prior_starts = calloc(control->prior_count + 2, sizeof(size_t));
    objective->prior_columns = calloc(terms + 1, sizeof *objective->prior_columns);
    objective->prior_values = calloc(terms + 1, sizeof *objective->prior_values);
    if (!objective->given || !objective->weights || !objective->group ||
        !objective->regularisation || !objective->group_factor || !objective->whitenings ||
        !objective->prior_starts || !objective->prior_columns || !objective->prior_values)
        return -1;
    for (size_t g = 0; g < groups; g++)
        objective->group_factor[g] = 1.0;
    return 0;
}

struct glm_objective *glm_objective_create(const struct pest_control *control,
                                           const struct glm_parameters *parameters,
                                           const char *folder, struct error *ret_error)
{
    struct glm_objective *objective = calloc(1, sizeof *objective);

    if (objective) {
        objective->control = control;
        objective->parameters = parameters;
        objective->rows = control->observation_count + control->prior_count;
    }
    if (!objective || arrays_make(objective) != 0) {
        glm_objective_destroy(objective);
        error_set(ret_error, ERROR_SYSTEM, "no memory for the residuals");
        return NULL;
    }
    rows_set(objective);
    for (size_t g = 0; g < control->observation_group_count; g++)
        if (control->observation_groups[g].covfle &&
            whitening_open(objective, (int)g, folder, ret_error) != 0) {
            glm_objective_destroy(objective);
            return NULL;
        }
    weights_set(objective);
    return objective;
}

void glm_objective_destroy(struct glm_objective *objective)
{
    if (!objective)
        return;
    for (size_t i = 0; i < objective->whitening_count; i++) {
        covariance_free(objective->whitenings[i].covariance);
        free(objective->whitenings[i].rows);
    }
    free(objective->whitenings);
    free(objective->given);
    free(objective->weights);
    free(objective->group);
    free(objective->regularisation);
    free(objective->group_factor);
    free(objective->prior_starts);
    free(objective->prior_columns);
    free(objective->prior_values);
    free(objective);
}

void glm_objective_priors(const struct pest_control *control, const double *values,
                          double *ret_priors)
{
    for (size_t i = 0; i < control->prior_count; i++) {
        const struct pest_prior *prior = &control->priors[i];

        ret_priors[i] = 0.0;
        for (size_t k = 0; k < prior->term_count; k++) {
            double value = values[prior->terms[k].parnme];

            ret_priors[i] +=
                prior->terms[k].pifac * (prior->terms[k].log ? log10(value) : value);
        }
    }
}

int glm_objective_residuals(const struct glm_objective *objective, const double *values,
                            const double *observations, double *ret_residuals,
                            struct error *ret_error)
{
    const struct pest_control *control = objective->control;
    double *priors = ret_residuals + control->observation_count;

    for (size_t o = 0; o < control->observation_count; o++)
        ret_residuals[o] = control->observations[o].obsval - observations[o];
    glm_objective_priors(objective->control, values, priors);
    for (size_t i = 0; i < control->prior_count; i++)
        priors[i] = control->priors[i].pival - priors[i];
    return glm_objective_whiten(objective, &ret_residuals, 1, ret_error);
}

void glm_objective_phi(const struct glm_objective *objective, const double *residuals,
                       double factor, struct glm_phi *phi)
{
    size_t groups = objective->control->observation_group_count;

    phi->measurement = phi->regularisation = 0.0;
    for (size_t g = 0; phi->groups && g < groups; g++)
        phi->groups[g] = 0.0;
    for (size_t r = 0; r < objective->rows; r++) {
        bool regular = objective->regularisation && objective->regularisation[r];
        double weighted = objective->weights[r] * residuals[r], square = weighted * weighted;

        if (objective->weights[r] == 0.0)
            continue;
        *(regular ? &phi->regularisation : &phi->measurement) += square;
        if (phi->groups)
            phi->groups[objective->group[r]] += regular ? factor * square : square;
    }
    phi->total = phi->measurement + factor * phi->regularisation;
}

int glm_objective_whiten(const struct glm_objective *objective, double *const *columns,
                         size_t column_count, struct error *ret_error)
{
    for (size_t i = 0; i < objective->whitening_count; i++)
        if (objective->whitenings[i].covariance &&
            covariance_whiten(objective->whitenings[i].covariance, columns, column_count,
                              objective->whitenings[i].rows, ret_error) != 0)
            return -1;
    return 0;
}

int glm_objective_unwhiten(const struct glm_objective *objective, double *const *columns,
                           size_t column_count, struct error *ret_error)
{
    for (size_t i = 0; i < objective->whitening_count; i++)
        if (objective->whitenings[i].covariance &&
            covariance_unwhiten(objective->whitenings[i].covariance, columns, column_count,
                                objective->whitenings[i].rows, ret_error) != 0)
            return -1;
    return 0;
}

/* d (log10 of) parameter / d transformed column that it depends on. */
static double term_slope(const struct glm_parameters *parameters, const double *values,
                         const struct pest_prior_term *term, size_t column)
{
    double native = values[parameters->index[column]];
    double slope = glm_parameters_slope(parameters, column, native);

    if (term->parnme != parameters->index[column]) /* tied: ratio * parent */
        slope *= parameters->control->parameters[term->parnme].tied_ratio;
    return term->log ? slope / (M_LN10 * values[term->parnme]) : slope;
}

void glm_objective_prior_rows(struct glm_objective *objective, const double *values,
                              struct jacobian_view *view)
{
    const struct pest_control *control = objective->control;
    size_t used = 0;

    for (size_t i = 0; i < control->prior_count; i++) {
        objective->prior_starts[i] = used;
        for (size_t k = 0; k < control->priors[i].term_count; k++) {
            const struct pest_prior_term *term = &control->priors[i].terms[k];
            const struct pest_parameter *parameter = &control->parameters[term->parnme];
            int p = parameter->partrans == PEST_TIED ? parameter->tied_to : term->parnme;
            int column = objective->parameters->column[p];

            if (column < 0)
                continue;
            objective->prior_columns[used] = (size_t)column;
            objective->prior_values[used++] =
                term->pifac * term_slope(objective->parameters, values, term, (size_t)column);
        }
    }
    objective->prior_starts[control->prior_count] = used;
    view->priors = control->prior_count;
    view->prior_starts = control->prior_count ? objective->prior_starts : NULL;
    view->prior_columns = control->prior_count ? objective->prior_columns : NULL;
    view->prior_values = control->prior_count ? objective->prior_values : NULL;
}

/* Sum over a group's rows of w². */
static double size_of(const struct glm_objective *objective, size_t group)
{
    double sum = 0.0;

    for (size_t r = 0; r < objective->rows; r++)
        if ((size_t)objective->group[r] == group)
            sum += objective->given[r] * objective->given[r];
    return sum;
}

/* Sum over each group's rows of (w J)². */
static void sensitivities_fill(const struct glm_objective *objective,
                               const struct jacobian_view *view, double *ret_sensitivity)
{
    size_t observations = view->observations;

    for (size_t g = 0; g < objective->control->observation_group_count; g++)
        ret_sensitivity[g] = 0.0;
    for (size_t p = 0; p < view->parameters; p++)
        for (size_t o = 0; o < observations; o++)
            if (objective->given[o] != 0.0) {
                double weighted = objective->given[o] * view->columns[p][o];

                ret_sensitivity[objective->group[o]] += weighted * weighted;
            }
    for (size_t i = 0; i < view->priors; i++)
        for (size_t k = view->prior_starts[i]; k < view->prior_starts[i + 1]; k++) {
            double weighted = objective->given[observations + i] * view->prior_values[k];

            ret_sensitivity[objective->group[observations + i]] += weighted * weighted;
        }
}

void glm_objective_loudness(const struct glm_objective *objective,
                            const struct jacobian_view *view, double *ret_loudness)
{
    size_t groups = objective->control->observation_group_count;
    int how = objective->control->iregadj;

    sensitivities_fill(objective, view, ret_loudness);
    for (size_t g = 0; g < groups && (how == 2 || how == 3); g++)
        ret_loudness[g] =
            how == 2 ? size_of(objective, g) : sqrt(ret_loudness[g] * size_of(objective, g));
}

void glm_objective_adjust(struct glm_objective *objective, const double *loudness)
{
    const struct pest_control *control = objective->control;
    double mean = 0.0;
    size_t groups = 0;

    for (size_t g = 0; g < control->observation_group_count; g++)
        if (control->observation_groups[g].regularisation && loudness[g] > 0.0) {
            mean += log(loudness[g]);
            groups++;
        }
    if (!groups || !objective->regularisation)
        return;
    mean = exp(mean / (double)groups);
    for (size_t g = 0; g < control->observation_group_count; g++)
        if (control->observation_groups[g].regularisation && loudness[g] > 0.0)
            objective->group_factor[g] = sqrt(mean / loudness[g]);
    weights_set(objective);
}

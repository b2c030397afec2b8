/* glm_parameters.c - see glm_parameters.h. */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "master/pest/glm_parameters.h"

static const struct pest_parameter *of(const struct glm_parameters *parameters, size_t column)
{
    return &parameters->control->parameters[parameters->index[column]];
}

double glm_parameters_transform(const struct glm_parameters *parameters, size_t column,
                                double native)
{
    return of(parameters, column)->partrans == PEST_LOG ? log10(native) : native;
}

double glm_parameters_native(const struct glm_parameters *parameters, size_t column,
                             double transformed)
{
    const struct pest_parameter *parameter = of(parameters, column);
    double native = parameter->partrans == PEST_LOG ? pow(10.0, transformed) : transformed;

    /* 10^log10(bound) need not be the bound. */
    if (transformed <= parameters->lower[column])
        return parameters->low[column];
    if (transformed >= parameters->upper[column])
        return parameters->high[column];
    return fmax(parameters->low[column], fmin(parameters->high[column], native));
}

double glm_parameters_slope(const struct glm_parameters *parameters, size_t column,
                            double native)
{
    return of(parameters, column)->partrans == PEST_LOG ? M_LN10 * native : 1.0;
}

static double written(const struct glm_parameters *parameters, size_t parameter, double value)
{
    return parameters->written
               ? parameters->written(parameters->written_context, parameter, value)
               : value;
}

void glm_parameters_put(const struct glm_parameters *parameters, double *values, size_t column,
                        double native)
{
    const struct pest_control *control = parameters->control;
    int parent = parameters->index[column];

    values[parent] = written(parameters, (size_t)parent, native);
    for (size_t p = 0; p < control->parameter_count; p++)
        if (control->parameters[p].partrans == PEST_TIED &&
            control->parameters[p].tied_to == parent)
            values[p] = written(parameters, p, native * control->parameters[p].tied_ratio);
}

void glm_parameters_expand(const struct glm_parameters *parameters, const double *transformed,
                           double *ret_values)
{
    const struct pest_control *control = parameters->control;

    for (size_t p = 0; p < control->parameter_count; p++) {
        const struct pest_parameter *parameter = &control->parameters[p];
        int parent = parameter->partrans == PEST_TIED ? parameter->tied_to : (int)p;
        int column = parameters->column[parent];
        double value = parameters->initial[p];

        if (column >= 0) {
            value = glm_parameters_native(parameters, (size_t)column, transformed[column]);
            if (parameter->partrans == PEST_TIED)
                value *= parameter->tied_ratio;
        }
        ret_values[p] = written(parameters, p, value);
    }
}

void glm_parameters_expand_from(const struct glm_parameters *parameters, const double *origin,
                                const double *values, const double *transformed,
                                double *ret_values)
{
    const struct pest_control *control = parameters->control;

    glm_parameters_expand(parameters, transformed, ret_values);
    for (size_t p = 0; p < control->parameter_count; p++) {
        bool tied = control->parameters[p].partrans == PEST_TIED;
        int column = parameters->column[tied ? control->parameters[p].tied_to : (int)p];

        if (column < 0 || transformed[column] == origin[column])
            ret_values[p] = values[p];
    }
}

void glm_parameters_begin(const struct glm_parameters *parameters, double *ret_values)
{
    const struct pest_control *control = parameters->control;

    for (size_t p = 0; p < control->parameter_count; p++) {
        const struct pest_parameter *parameter = &control->parameters[p];
        int parent = parameter->tied_to;
        double value = parameters->initial[p];

        if (parameter->partrans == PEST_TIED &&
            parameters->initial[parent] != control->parameters[parent].parval1)
            value = parameters->initial[parent] * parameter->tied_ratio;
        ret_values[p] = written(parameters, p, value);
    }
}

void glm_parameters_reduce(const struct glm_parameters *parameters, const double *values,
                           double *ret_transformed)
{
    for (size_t c = 0; c < parameters->count; c++)
        ret_transformed[c] =
            glm_parameters_transform(parameters, c, values[parameters->index[c]]);
}

static void narrow(struct glm_parameters *parameters, const struct pest_parameter *child)
{
    int column = child->tied_to >= 0 ? parameters->column[child->tied_to] : -1;
    double low, high;

    if (child->partrans != PEST_TIED || column < 0 || child->tied_ratio == 0.0)
        return;
    low = child->parlbnd / child->tied_ratio;
    high = child->parubnd / child->tied_ratio;
    parameters->low[column] = fmax(parameters->low[column], fmin(low, high));
    parameters->high[column] = fmin(parameters->high[column], fmax(low, high));
}

/* Chains of tied parameters: the first of each parent, and the next of the same one. */
static void chains_set(struct glm_parameters *parameters)
{
    const struct pest_control *control = parameters->control;

    for (size_t p = 0; p < control->parameter_count; p++)
        parameters->child[p] = parameters->sibling[p] = -1;
    for (size_t p = control->parameter_count; p-- > 0;) {
        int parent = control->parameters[p].tied_to;

        if (control->parameters[p].partrans != PEST_TIED || parent < 0)
            continue;
        parameters->sibling[p] = parameters->child[parent];
        parameters->child[parent] = (int)p;
    }
}

static void columns_set(struct glm_parameters *parameters)
{
    const struct pest_control *control = parameters->control;

    for (size_t p = 0; p < control->parameter_count; p++) {
        const struct pest_parameter *parameter = &control->parameters[p];
        size_t c = parameters->count;

        parameters->column[p] = -1;
        parameters->initial[p] = parameter->parval1;
        if (parameter->partrans != PEST_NONE && parameter->partrans != PEST_LOG)
            continue;
        parameters->index[c] = (int)p;
        parameters->column[p] = (int)c;
        parameters->count++;
        parameters->low[c] = parameter->parlbnd;
        parameters->high[c] = parameter->parubnd;
    }
}

/* -1: bounds of tied parameters leave their parent nothing. */
static int bounds_set(struct glm_parameters *parameters, bool enforce_tied,
                      struct error *ret_error)
{
    const struct pest_control *control = parameters->control;

    for (size_t p = 0; enforce_tied && p < control->parameter_count; p++)
        narrow(parameters, &control->parameters[p]);
    for (size_t c = 0; c < parameters->count; c++) {
        int p = parameters->index[c];

        if (!(parameters->low[c] <= parameters->high[c]))
            return error_set(
                ret_error, ERROR_CONFIG,
                "%s: the bounds of parameters tied to \"%s\" leave no value for it "
                "(++enforce_tied_bounds)",
                control->path, control->parameters[p].parnme);
        parameters->lower[c] = glm_parameters_transform(parameters, c, parameters->low[c]);
        parameters->upper[c] = glm_parameters_transform(parameters, c, parameters->high[c]);
        parameters->initial[p] =
            fmax(parameters->low[c], fmin(parameters->high[c], parameters->initial[p]));
    }
    return 0;
}

int glm_parameters_init(struct glm_parameters *parameters, const struct pest_control *control,
                        bool enforce_tied, struct error *ret_error)
{
    size_t count = control->parameter_count ? control->parameter_count : 1;

    *parameters = (struct glm_parameters){.control = control};
    parameters->index = calloc(count, sizeof *parameters->index);
    parameters->column = calloc(count, sizeof *parameters->column);
    parameters->child = calloc(count, sizeof *parameters->child);
    parameters->sibling = calloc(count, sizeof *parameters->sibling);
    parameters->low = calloc(count, sizeof *parameters->low);
    parameters->high = calloc(count, sizeof *parameters->high);
    parameters->lower = calloc(count, sizeof *parameters->lower);
    parameters->upper = calloc(count, sizeof *parameters->upper);
    parameters->initial = calloc(count, sizeof *parameters->initial);
    if (!parameters->index || !parameters->column || !parameters->child ||
        !parameters->sibling || !parameters->low || !parameters->high || !parameters->lower ||
        !parameters->upper || !parameters->initial) {
        glm_parameters_fini(parameters);
        return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu parameters", count);
    }
    columns_set(parameters);
    chains_set(parameters);
    if (bounds_set(parameters, enforce_tied, ret_error) != 0) {
        glm_parameters_fini(parameters);
        return -1;
    }
    if (!parameters->count && control->noptmax != 0) {
        glm_parameters_fini(parameters);
        return error_set(
            ret_error, ERROR_CONFIG,
            "%s: every parameter is fixed or tied; at least one must be adjustable "
            "(PARTRANS none or log), unless NOPTMAX is 0",
            control->path ? control->path : "control file");
    }
    return 0;
}

void glm_parameters_fini(struct glm_parameters *parameters)
{
    free(parameters->index);
    free(parameters->column);
    free(parameters->child);
    free(parameters->sibling);
    free(parameters->low);
    free(parameters->high);
    free(parameters->lower);
    free(parameters->upper);
    free(parameters->initial);
    *parameters = (struct glm_parameters){0};
}

void glm_parameters_follow(const struct glm_parameters *parameters, double *values)
{
    const struct pest_control *control = parameters->control;

    for (size_t p = 0; p < control->parameter_count; p++) {
        const struct pest_parameter *parameter = &control->parameters[p];

        if (parameter->partrans == PEST_TIED)
            values[p] = values[parameter->tied_to] * parameter->tied_ratio;
    }
}

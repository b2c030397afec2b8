/* ies_values.c - a realisation's values, transformed and back; see ies_values.h. */
#include "config.h"

#include <math.h>

#include "master/pest/ies_values.h"

/* The nearest value inside the bounds; values inside stay what they are, to the last bit. */
static double bounded(const struct glm_parameters *parameters, size_t column, double value)
{
    double transformed = glm_parameters_transform(parameters, column, value);
    if (transformed < parameters->lower[column])
        return glm_parameters_native(parameters, column, parameters->lower[column]);
    if (transformed > parameters->upper[column])
        return glm_parameters_native(parameters, column, parameters->upper[column]);
    return value;
}

void ies_values_settle(const struct glm_parameters *parameters, bool enforce, double *values)
{
    const struct pest_control *control = parameters->control;
    for (size_t c = 0; enforce && c < parameters->count; c++)
        values[parameters->index[c]] = bounded(parameters, c, values[parameters->index[c]]);
    for (size_t p = 0; p < control->parameter_count; p++)
        if (control->parameters[p].partrans == PEST_TIED)
            values[p] =
                values[control->parameters[p].tied_to] * control->parameters[p].tied_ratio;
    for (size_t p = 0; parameters->written && p < control->parameter_count; p++)
        values[p] = parameters->written(parameters->written_context, p, values[p]);
}

void ies_values_put(const struct glm_parameters *parameters, size_t column, double transformed,
                    double *values)
{
    int p = parameters->index[column];
    values[p] = parameters->control->parameters[p].partrans == PEST_LOG ? pow(10, transformed)
                                                                        : transformed;
}

void ies_values_expand(const struct glm_parameters *parameters, const double *transformed,
                       bool enforce, double *values)
{
    for (size_t c = 0; c < parameters->count; c++)
        ies_values_put(parameters, c, transformed[c], values);
    ies_values_settle(parameters, enforce, values);
}

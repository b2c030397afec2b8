/* glm_limits.c - see glm_limits.h. */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "master/pest/glm_limits.h"

int glm_limits_init(struct glm_limits *limits, size_t count, struct error *ret_error)
{
    *limits = (struct glm_limits){.count = count};
    limits->lower = calloc(count + 1, sizeof *limits->lower);
    limits->upper = calloc(count + 1, sizeof *limits->upper);
    limits->low = calloc(count + 1, sizeof *limits->low);
    limits->high = calloc(count + 1, sizeof *limits->high);
    limits->frozen = calloc(count + 1, sizeof *limits->frozen);
    limits->stuck = calloc(count + 1, sizeof *limits->stuck);
    if (!limits->lower || !limits->upper || !limits->low || !limits->high || !limits->frozen ||
        !limits->stuck) {
        glm_limits_fini(limits);
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the limits of %zu parameters",
                         count);
    }
    return 0;
}

void glm_limits_fini(struct glm_limits *limits)
{
    free(limits->lower);
    free(limits->upper);
    free(limits->low);
    free(limits->high);
    free(limits->frozen);
    free(limits->stuck);
    *limits = (struct glm_limits){0};
}

/* The value that limits are reckoned from: its own, or FACORIG times the initial one. */
static double reckoned(const struct pest_control *control,
                       const struct pest_parameter *parameter, double value)
{
    double least = control->facorig * fabs(parameter->parval1);

    if (fabs(value) >= least && value != 0.0)
        return value;
    if (least > 0.0)
        return value < 0.0 ? -least : least;
    return control->facorig * fmax(fabs(parameter->parlbnd), fabs(parameter->parubnd));
}

/* Native values between which the limit holds. */
static void native_range(const struct pest_control *control,
                         const struct pest_parameter *parameter, double value, double *ret_low,
                         double *ret_high)
{
    double from = reckoned(control, parameter, value), reach;

    if (parameter->parchglim == PEST_FACTOR && control->facparmax > 1.0) {
        double near = from / control->facparmax, far = from * control->facparmax;

        *ret_low = fmin(value, fmin(near, far));
        *ret_high = fmax(value, fmax(near, far));
        return;
    }
    reach = control->relparmax * fabs(from);
    if (parameter->parchglim == PEST_ABSOLUTE && parameter->absparmax >= 1 &&
        parameter->absparmax <= 10)
        reach = fabs(control->absparmax[parameter->absparmax - 1]);
    *ret_low = value - reach;
    *ret_high = value + reach;
}

static double transformed(const struct glm_parameters *parameters, size_t column, double native)
{
    bool log = parameters->control->parameters[parameters->index[column]].partrans == PEST_LOG;

    if (log && native <= 0.0)
        return -HUGE_VAL;
    return glm_parameters_transform(parameters, column, native);
}

void glm_limits_set(struct glm_limits *limits, const struct glm_parameters *parameters,
                    const double *values, const double *origin, const bool *dead)
{
    const struct pest_control *control = parameters->control;

    for (size_t c = 0; c < limits->count; c++) {
        int p = parameters->index[c];
        double low, high;

        native_range(control, &control->parameters[p], values[p], &low, &high);
        low = fmax(parameters->lower[c], transformed(parameters, c, low));
        high = fmin(parameters->upper[c], transformed(parameters, c, high));
        limits->low[c] = low;
        limits->high[c] = high;
        limits->lower[c] = fmin(0.0, low - origin[c]);
        limits->upper[c] = fmax(0.0, high - origin[c]);
        limits->frozen[c] = (dead && dead[c]) || (control->iboundstick > 0 &&
                                                  limits->stuck[c] >= control->iboundstick);
    }
}

void glm_limits_note(struct glm_limits *limits, const struct glm_parameters *parameters,
                     const double *values)
{
    for (size_t c = 0; c < limits->count; c++) {
        double value = values[parameters->index[c]];
        bool at = value <= parameters->low[c] || value >= parameters->high[c];

        limits->stuck[c] = at ? limits->stuck[c] + 1 : 0;
    }
}

bool glm_limits_holds(const struct glm_limits *limits, const struct glm_parameters *parameters,
                      const double *origin, const double *step)
{
    for (size_t c = 0; c < limits->count; c++) {
        double to = origin[c] + step[c];
        double slack = 1e-9 * (limits->upper[c] - limits->lower[c]);

        if (step[c] <= limits->lower[c] + slack && to > parameters->lower[c] + slack)
            return true;
        if (step[c] >= limits->upper[c] - slack && to < parameters->upper[c] - slack)
            return true;
    }
    return false;
}

double glm_limits_share(const struct glm_limits *limits, const double *step)
{
    double most = 0.0;

    for (size_t c = 0; c < limits->count; c++) {
        double room = step[c] < 0.0 ? -limits->lower[c] : limits->upper[c];

        if (step[c] != 0.0 && room > 0.0)
            most = fmax(most, fmin(1.0, fabs(step[c]) / room));
    }
    return most;
}

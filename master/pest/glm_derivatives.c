/*
 * glm_derivatives.c - see glm_derivatives.h.
 *
 * Made in place: the runs of column c stand at or after row c of the wave, and rows before them
 * belong to columns that are done. Within a column all points of an observation are read before
 * its derivative is written, so reading and writing the same row is fine.
 */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/glm_derivatives.h"

#define RETRIES 2

int glm_derivatives_init(struct glm_derivatives *derivatives, size_t count,
                         struct error *ret_error)
{
    *derivatives = (struct glm_derivatives){.count = count};
    derivatives->stencils = calloc(count + 1, sizeof *derivatives->stencils);
    derivatives->reach = calloc(count + 1, sizeof *derivatives->reach);
    derivatives->dead = calloc(count + 1, sizeof *derivatives->dead);
    derivatives->waiting = calloc(count + 1, sizeof *derivatives->waiting);
    if (!derivatives->stencils || !derivatives->reach || !derivatives->dead ||
        !derivatives->waiting) {
        glm_derivatives_fini(derivatives);
        return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu derivatives", count);
    }
    return 0;
}

void glm_derivatives_fini(struct glm_derivatives *derivatives)
{
    free(derivatives->stencils);
    free(derivatives->reach);
    free(derivatives->dead);
    free(derivatives->waiting);
    *derivatives = (struct glm_derivatives){0};
}

static const struct pest_parameter *parameter_of(const struct glm_parameters *parameters,
                                                 size_t column)
{
    return &parameters->control->parameters[parameters->index[column]];
}

static const struct pest_parameter_group *group_of(const struct glm_parameters *parameters,
                                                   size_t column)
{
    static const struct pest_parameter_group none = {
        .inctyp = PEST_INC_RELATIVE, .derinc = 0.01, .derincmul = 2.0};
    int group = parameter_of(parameters, column)->pargp;

    return group >= 0 ? &parameters->control->parameter_groups[group] : &none;
}

static double group_largest(const struct glm_parameters *parameters, const double *values,
                            size_t column)
{
    int group = parameter_of(parameters, column)->pargp;
    double largest = 0.0;

    for (size_t c = 0; c < parameters->count; c++)
        if (parameter_of(parameters, c)->pargp == group)
            largest = fmax(largest, fabs(values[parameters->index[c]]));
    return largest;
}

double glm_derivatives_increment(const struct glm_parameters *parameters, const double *values,
                                 size_t column)
{
    const struct pest_parameter *parameter = parameter_of(parameters, column);
    const struct pest_parameter_group *group = group_of(parameters, column);
    double value = values[parameters->index[column]], increment = group->derinc;

    if (group->inctyp == PEST_INC_RELATIVE)
        increment = group->derinc * fabs(value);
    else if (group->inctyp == PEST_INC_REL_TO_MAX)
        increment = group->derinc * group_largest(parameters, values, column);
    increment = fmax(increment, group->derinclb);
    if (increment > 0.0)
        return increment;
    /* Relative to a value of zero, and no DERINCLB: take the size that the parameter had. */
    increment = group->derinc * fabs(parameter->parval1);
    return increment > 0.0 ? increment
                           : group->derinc * 0.01 * (parameter->parubnd - parameter->parlbnd);
}

/* How many points beside the base a column has. */
static size_t points(const struct pest_parameter_group *group, bool switched)
{
    switch (group->forcen) {
    case PEST_ALWAYS_3:
        return 2;
    case PEST_SWITCH:
        return switched ? 2 : 1;
    case PEST_ALWAYS_5:
        return 4;
    case PEST_SWITCH_5:
        return switched ? 4 : 1;
    case PEST_ALWAYS_2:
        break;
    }
    return 1;
}

/* A value at `distance` from the column's own, inside the bounds and as written; the distance is
 * doubled while it is lost in writing. NAN where none differs. */
static double place(const struct glm_parameters *parameters, double *scratch,
                    const double *values, size_t column, double distance)
{
    double low = parameters->low[column], high = parameters->high[column];
    int p = parameters->index[column];

    for (int widened = 0; widened < 60; widened++) {
        double value = values[p] + distance;

        value = fmax(low, fmin(high, value));
        glm_parameters_put(parameters, scratch, column, value);
        if (scratch[p] != values[p])
            return scratch[p];
        if (value == low || value == high)
            break;
        distance *= 2.0;
    }
    return NAN;
}

/* Distances wanted for `count` points of size `increment` in the room between the bounds. */
static void spread(const struct glm_parameters *parameters, const double *values, size_t column,
                   size_t count, double increment, double *ret)
{
    double low = parameters->low[column], high = parameters->high[column];
    double value = values[parameters->index[column]];
    double up = high - value, down = value - low;
    double side = up >= increment ? 1.0 : down >= increment ? -1.0 : up >= down ? 1.0 : -1.0;

    increment = fmin(increment, fmax(up, down));
    if (count == 1) {
        ret[0] = side * increment;
    } else if (up >= increment && down >= increment) {
        for (size_t i = 0; i < count; i++)
            ret[i] = (i % 2 ? -1.0 : 1.0) * increment * (count == 4 && i < 2 ? 0.5 : 1.0);
    } else { /* all on one side, evenly, as far as there is room */
        double step = fmin(increment, fmax(up, down) / (double)(count == 4 ? 4 : count));

        for (size_t i = 0; i < count; i++)
            ret[i] = side * step * (double)(i + 1);
    }
}

/* Add the run with column at `native`; the point goes into the stencil. */
static int point_add(struct glm_stencil *stencil, const struct glm_parameters *parameters,
                     double *scratch, const double *values, size_t column, double native,
                     struct wave *wanted)
{
    double x = glm_parameters_transform(parameters, column, native) -
               glm_parameters_transform(parameters, column, values[parameters->index[column]]);
    long run;

    for (size_t i = 0; i < stencil->count; i++)
        if (stencil->x[i] == x)
            return 0;
    glm_parameters_put(parameters, scratch, column, native);
    run = wave_add(wanted, scratch);
    if (run < 0)
        return -1;
    stencil->x[stencil->count] = x;
    stencil->run[stencil->count++] = (size_t)run;
    return 0;
}

/* Plan `count` points around the column; with none that differs, the column is dead. */
static int column_plan(struct glm_derivatives *derivatives,
                       const struct glm_parameters *parameters, double *scratch,
                       const double *values, size_t column, size_t count, double increment,
                       struct wave *wanted)
{
    struct glm_stencil *stencil = &derivatives->stencils[column];
    double distances[GLM_STENCIL_MAX];

    stencil->count = 0;
    spread(parameters, values, column, count, increment, distances);
    for (size_t i = 0; i < count; i++) {
        double native = place(parameters, scratch, values, column, distances[i]);

        if (!isnan(native) &&
            point_add(stencil, parameters, scratch, values, column, native, wanted) != 0)
            return -1;
    }
    /* Back to the base, tied ones included. */
    glm_parameters_put(parameters, scratch, column, values[parameters->index[column]]);
    derivatives->dead[column] = stencil->count == 0;
    return 0;
}

static double *copy_of(const double *values, size_t count)
{
    double *copy = malloc((count + 1) * sizeof *copy);

    if (copy)
        memcpy(copy, values, count * sizeof *copy);
    return copy;
}

int glm_derivatives_plan(struct glm_derivatives *derivatives,
                         const struct glm_parameters *parameters, const double *values,
                         bool switched, bool split, struct wave *wanted,
                         struct error *ret_error)
{
    double *scratch = copy_of(values, wanted->parameter_count);
    int failed = scratch ? 0 : -1;

    derivatives->forward = 0;
    derivatives->attempt = 0;
    derivatives->once = false;
    for (size_t c = 0; !failed && c < derivatives->count; c++) {
        const struct pest_parameter_group *group = group_of(parameters, c);
        struct glm_stencil *stencil = &derivatives->stencils[c];
        size_t count = points(group, switched);
        double increment = glm_derivatives_increment(parameters, values, c);

        derivatives->waiting[c] = false;
        *stencil = (struct glm_stencil){.method = group->dermthd};
        if (split) {
            stencil->splitthresh = group->splitthresh;
            stencil->splitreldiff = group->splitreldiff;
            stencil->splitaction = group->splitaction;
        }
        increment *= count > 1 && group->derincmul > 0.0 ? group->derincmul : 1.0;
        failed =
            column_plan(derivatives, parameters, scratch, values, c, count, increment, wanted);
        derivatives->forward += stencil->count == 1;
    }
    free(scratch);
    return failed ? error_set(ret_error, ERROR_SYSTEM, "no memory for the runs of a Jacobian")
                  : 0;
}

/* How far along a direction the quickest parameter has moved by one increment. */
static double super_distance(const struct glm_parameters *parameters, const double *origin,
                             const double *values, const double *direction)
{
    double quickest = 0.0;

    for (size_t c = 0; c < parameters->count; c++) {
        double value = values[parameters->index[c]];
        double increment = glm_derivatives_increment(parameters, values, c);
        double moved =
            fabs(glm_parameters_transform(parameters, c, value + increment) - origin[c]);

        if (moved > 0.0)
            quickest = fmax(quickest, fabs(direction[c]) / moved);
    }
    return quickest > 0.0 ? 1.0 / quickest : 0.0;
}

static int super_point(struct glm_stencil *stencil, const struct glm_parameters *parameters,
                       const double *origin, const double *direction, double distance,
                       double *scratch, struct wave *wanted)
{
    double *transformed = scratch, *values = scratch + parameters->count;
    long run;

    for (size_t c = 0; c < parameters->count; c++)
        transformed[c] = fmax(parameters->lower[c],
                              fmin(parameters->upper[c], origin[c] + distance * direction[c]));
    glm_parameters_expand(parameters, transformed, values);
    run = wave_add(wanted, values);
    if (run < 0)
        return -1;
    stencil->x[stencil->count] = distance;
    stencil->run[stencil->count++] = (size_t)run;
    return 0;
}

int glm_derivatives_plan_super(struct glm_derivatives *derivatives,
                               const struct glm_parameters *parameters, const double *origin,
                               const double *directions, bool switched, struct wave *wanted,
                               struct error *ret_error)
{
    size_t n = parameters->count;
    double *scratch = malloc((n + 2 * wanted->parameter_count + 1) * sizeof *scratch);
    double *values = scratch ? scratch + n + wanted->parameter_count : NULL;
    int failed = scratch ? 0 : -1;

    derivatives->forward = switched ? 0 : derivatives->count;
    derivatives->attempt = 0;
    derivatives->once = true;
    if (scratch)
        glm_parameters_expand(parameters, origin, values);
    for (size_t k = 0; !failed && k < derivatives->count; k++) {
        struct glm_stencil *stencil = &derivatives->stencils[k];
        const double *direction = directions + k * n;
        double distance = super_distance(parameters, origin, values, direction);

        *stencil = (struct glm_stencil){.method = PEST_PARABOLIC};
        derivatives->waiting[k] = false;
        derivatives->dead[k] = distance == 0.0;
        for (size_t i = 0; !failed && distance > 0.0 && i < (switched ? 2u : 1u); i++)
            failed = super_point(stencil, parameters, origin, direction,
                                 i ? -distance : distance, scratch, wanted);
    }
    free(scratch);
    return failed ? error_set(ret_error, ERROR_SYSTEM, "no memory for the runs of a Jacobian")
                  : 0;
}

/* Leave out the points whose runs failed. */
static void survivors(struct glm_stencil *stencil, const struct wave *ended)
{
    size_t kept = 0;

    for (size_t i = 0; i < stencil->count; i++) {
        if (ended->failed && ended->failed[stencil->run[i]])
            continue;
        stencil->x[kept] = stencil->x[i];
        stencil->run[kept++] = stencil->run[i];
    }
    stencil->count = kept;
}

/* Slopes to either side of the base that disagree too much (PEST manual I, 5.4.4): the smaller,
 * zero, or the previous derivative instead. */
static double split_slope(const struct glm_stencil *stencil, const double *y, double base,
                          double slope, double previous)
{
    double left = NAN, right = NAN, nearest_left = -HUGE_VAL, nearest_right = HUGE_VAL;

    for (size_t i = 0; i < stencil->count; i++) {
        double one = (y[i] - base) / stencil->x[i];

        if (stencil->x[i] < 0.0 && stencil->x[i] > nearest_left) {
            nearest_left = stencil->x[i];
            left = one;
        } else if (stencil->x[i] > 0.0 && stencil->x[i] < nearest_right) {
            nearest_right = stencil->x[i];
            right = one;
        }
    }
    if (isnan(left) || isnan(right) ||
        fmax(fabs(left), fabs(right)) <= fabs(stencil->splitthresh))
        return slope;
    if (fabs(left - right) <= stencil->splitreldiff * fmin(fabs(left), fabs(right)))
        return slope;
    if (stencil->splitaction == 1)
        return 0.0;
    if (stencil->splitaction == 2 && !isnan(previous))
        return previous;
    return fabs(left) < fabs(right) ? left : right;
}

static int column_digest(const struct glm_stencil *stencil, const struct wave *ended,
                         const double *base, const double *previous, double *column)
{
    double weights[GLM_STENCIL_MAX], base_weight;
    const double *rows[GLM_STENCIL_MAX];
    size_t count = stencil->count;

    if (glm_stencil_weights(stencil->method, stencil->x, count, &base_weight, weights) != 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        rows[i] = ended->observations + stencil->run[i] * ended->observation_count;
    for (size_t o = 0; o < ended->observation_count; o++) {
        double y[GLM_STENCIL_MAX], slope = 0.0;

        /* Differences from the base: its weight is minus the sum of the others, and what is
         * common to all of them must not cost digits. */
        for (size_t i = 0; i < count; i++) {
            y[i] = rows[i][o];
            slope += weights[i] * (y[i] - base[o]);
        }
        if (stencil->splitthresh != 0.0 && count > 1)
            slope = split_slope(stencil, y, base[o], slope, previous ? previous[o] : NAN);
        column[o] = slope;
    }
    return 0;
}

size_t glm_derivatives_digest(struct glm_derivatives *derivatives, const struct wave *ended,
                              const double *base, const double *previous, double *jacobian)
{
    size_t rows = ended->observation_count, waiting = 0;
    bool again = derivatives->attempt > 0;

    for (size_t c = 0; c < derivatives->count; c++) {
        struct glm_stencil *stencil = &derivatives->stencils[c];

        if (again && !derivatives->waiting[c])
            continue; /* done in an earlier wave, or dead */
        survivors(stencil, ended);
        derivatives->reach[c] = 0.0;
        for (size_t i = 0; i < stencil->count; i++)
            derivatives->reach[c] = fmax(derivatives->reach[c], fabs(stencil->x[i]));
        derivatives->waiting[c] =
            column_digest(stencil, ended, base, previous ? previous + c * rows : NULL,
                          jacobian + c * rows) != 0;
        if (derivatives->waiting[c])
            memset(jacobian + c * rows, 0, rows * sizeof *jacobian);
        derivatives->waiting[c] = derivatives->waiting[c] && !derivatives->dead[c];
        waiting += derivatives->waiting[c];
        stencil->count = 0;
    }
    return waiting;
}

long glm_derivatives_retry(struct glm_derivatives *derivatives,
                           const struct glm_parameters *parameters, const double *values,
                           struct wave *wanted, struct error *ret_error)
{
    double *scratch = copy_of(values, wanted->parameter_count);
    int failed = scratch ? 0 : -1;
    size_t before = wanted->run_count;

    derivatives->attempt++;
    for (size_t c = 0; !failed && c < derivatives->count; c++) {
        double increment, room;

        if (!derivatives->waiting[c])
            continue;
        if (derivatives->attempt > RETRIES || derivatives->once) {
            derivatives->dead[c] = true;
            derivatives->waiting[c] = false;
            continue;
        }
        increment = glm_derivatives_increment(parameters, values, c);
        room = values[parameters->index[c]] - parameters->low[c];
        /* First to the other side, then half as far to where there is room. */
        derivatives->stencils[c].count = 0;
        if (derivatives->attempt == 1 && room > 0.0) {
            double native = place(parameters, scratch, values, c, -fmin(increment, room));

            if (!isnan(native))
                failed = point_add(&derivatives->stencils[c], parameters, scratch, values, c,
                                   native, wanted);
            glm_parameters_put(parameters, scratch, c, values[parameters->index[c]]);
        } else {
            failed = column_plan(derivatives, parameters, scratch, values, c, 1,
                                 increment / 2.0, wanted);
        }
    }
    free(scratch);
    if (failed)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the runs of a Jacobian");
    return (long)(wanted->run_count - before);
}

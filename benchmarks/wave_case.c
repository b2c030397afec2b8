#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "benchmarks/wave_case.h"

double wave_case_now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    const double *p = a, *q = b;
    return (*p > *q) - (*p < *q);
}

double wave_case_median(double *numbers, size_t count)
{
    qsort(numbers, count, sizeof(*numbers), compare);
    return numbers[count / 2];
}

/* A field of the medium; NULL where the physics takes none. */
static const float *constant(size_t n, float value, bool taken)
{
    float *values = taken ? malloc(n * sizeof *values) : NULL;
    if (taken && !values)
        exit(1);
    for (size_t i = 0; i < n && taken; i++)
        values[i] = value;
    return values;
}

struct wave *wave_case_create(const char *physics, struct grid grid,
                              struct wave_options options)
{
    const struct wave_physics *found = wave_physics_find(physics);
    if (!found) {
        fprintf(stderr, "no physics \"%s\"\n", physics);
        exit(1);
    }
    for (int axis = 0; axis < GRID_AXES; axis++)
        if (axis != GRID_Y || grid.dims == 3)
            grid.n[axis] -= 2 * (size_t)options.absorb;
    size_t n = grid_size(&grid);
    unsigned takes = found->needs | found->may_have;
    const struct wave_medium medium = {
        .grid = grid,
        .vp = constant(n, 2000, true),
        .rho = constant(n, 1.5F, takes & WAVE_RHO),
        .epsilon = constant(n, 0.2F, takes & WAVE_EPSILON),
        .delta = constant(n, 0.1F, takes & WAVE_DELTA),
        .theta = constant(n, 0.5F, takes & WAVE_THETA),
        .phi = constant(n, 0.3F, (takes & WAVE_PHI) && grid.dims == 3),
    };
    options.dt = 0.9 * wave_dt_limit(found, &medium, &options);
    struct error error = {0};
    struct wave *wave = wave_create(found, &medium, &options, &error);
    if (!wave) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    const float *fields[] = {medium.vp,    medium.rho,   medium.epsilon,
                             medium.delta, medium.theta, medium.phi};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        free((void *)fields[i]);
    return wave;
}

struct wave_points *wave_case_points(const struct wave *wave, size_t count, int depth)
{
    size_t first[WAVE_CASE_PLACES + 1];
    struct wave_weight weights[WAVE_CASE_PLACES];
    struct error error = {0};
    const size_t *n = wave->grid.n;
    for (size_t i = 0; i <= count; i++)
        first[i] = i;
    for (size_t i = 0; i < count; i++)
        weights[i] = (struct wave_weight){
            .at = {(int)((i + 1) * n[GRID_X] / (count + 1)), (int)(n[GRID_Y] / 2), depth},
            .weight = 1};
    struct wave_points *made = wave_points_create(wave, count, first, weights, &error);
    if (!made) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    return made;
}

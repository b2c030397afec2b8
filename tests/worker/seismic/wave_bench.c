#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/worker/seismic/wave_bench.h"

double bench_random(uint64_t *seed)
{
    *seed ^= *seed << 13; /* xorshift, Marsaglia 2003 */
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (double)(*seed >> 11) / 9007199254740992.0 - 0.5;
}

struct grid bench_grid(size_t nx, size_t ny, size_t nz, double h)
{
    return (struct grid){.dims = ny > 1 ? 3 : 2, .n = {nx, ny, nz}, .spacing = {h, h, h}};
}

static float *random_field(size_t n, double lo, double hi, uint64_t seed)
{
    float *values = malloc(n * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < n; i++)
        values[i] = (float)(lo + (hi - lo) * (bench_random(&seed) + 0.5));
    return values;
}

struct wave_medium bench_medium(struct grid grid, double vp_lo, double vp_hi,
                                const char *physics)
{
    size_t n = grid_size(&grid);
    const struct wave_physics *found = wave_physics_find(physics);
    assert_non_null(found);
    unsigned takes = found->needs | found->may_have;
    struct wave_medium medium = {.grid = grid};
    medium.vp = random_field(n, vp_lo, vp_hi, 42);
    if (takes & WAVE_RHO)
        medium.rho = random_field(n, 1, 3, 43);
    if (takes & WAVE_EPSILON)
        medium.epsilon = random_field(n, -0.05, 0.3, 44);
    if (takes & WAVE_DELTA)
        medium.delta = random_field(n, -0.1, 0.25, 45);
    if (takes & WAVE_THETA)
        medium.theta = random_field(n, -2, 2, 46);
    if ((takes & WAVE_PHI) && grid.dims == 3)
        medium.phi = random_field(n, -3, 3, 47);
    return medium;
}

struct wave_medium bench_constant(struct grid grid, float vp, float rho)
{
    size_t n = grid_size(&grid);
    float *vps = malloc(n * sizeof *vps), *rhos = rho > 0 ? malloc(n * sizeof *rhos) : NULL;
    assert_non_null(vps);
    for (size_t i = 0; i < n; i++) {
        vps[i] = vp;
        if (rhos)
            rhos[i] = rho;
    }
    return (struct wave_medium){.grid = grid, .vp = vps, .rho = rhos};
}

static float *constant_field(size_t n, float value, unsigned wanted)
{
    float *values = wanted ? malloc(n * sizeof *values) : NULL;
    assert_true(values || !wanted);
    for (size_t i = 0; i < n && wanted; i++)
        values[i] = value;
    return values;
}

struct wave_medium bench_anisotropic(struct grid grid, const char *physics,
                                     const struct bench_ellipse *constant)
{
    size_t n = grid_size(&grid);
    const struct wave_physics *found = wave_physics_find(physics);
    assert_non_null(found);
    unsigned takes = found->needs | found->may_have;
    return (struct wave_medium){
        .grid = grid,
        .vp = constant_field(n, constant->vp, WAVE_VP),
        .rho = constant_field(n, 1, takes & WAVE_RHO),
        .epsilon = constant_field(n, constant->epsilon, takes & WAVE_EPSILON),
        .delta = constant_field(n, constant->delta, takes & WAVE_DELTA),
        .theta = constant_field(n, constant->theta, takes & WAVE_THETA),
        .phi = constant_field(n, constant->phi, grid.dims == 3 ? takes & WAVE_PHI : 0),
    };
}

void bench_medium_free(struct wave_medium *medium)
{
    free((void *)medium->vp);
    free((void *)medium->rho);
    free((void *)medium->epsilon);
    free((void *)medium->delta);
    free((void *)medium->theta);
    free((void *)medium->phi);
}

struct wave *bench_wave(const char *physics, const struct wave_medium *medium,
                        struct wave_options options)
{
    struct error error = {0};
    const struct wave_physics *found = wave_physics_find(physics);
    assert_non_null(found);
    if (options.order == 0)
        options.order = 8;
    if (options.dt == 0)
        options.dt = 0.9 * wave_dt_limit(found, medium, &options);
    struct wave *wave = wave_create(found, medium, &options, &error);
    if (!wave)
        fail_msg("%s", error.text);
    return wave;
}

static struct wave_points *points_of(const struct wave *wave, size_t count,
                                     const struct wave_weight *weights)
{
    struct error error = {0};
    size_t *first = malloc((count + 1) * sizeof *first);
    assert_non_null(first);
    for (size_t i = 0; i <= count; i++)
        first[i] = i;
    struct wave_points *points = wave_points_create(wave, count, first, weights, &error);
    if (!points)
        fail_msg("%s", error.text);
    free(first);
    return points;
}

struct wave *bench_uneven(const char *physics, size_t nx, size_t ny, size_t nz,
                          struct wave_options options)
{
    struct grid grid = bench_grid(nx, ny, nz, 10);
    grid.spacing[GRID_X] = 12;
    grid.spacing[GRID_Y] = 9;
    struct wave_medium medium = bench_medium(grid, 1500, 3500, physics);
    struct wave *wave = bench_wave(physics, &medium, options);
    bench_medium_free(&medium);
    return wave;
}

wave_real *bench_reals(size_t n, uint64_t seed)
{
    wave_real *values = malloc((n + 1) * sizeof(*values));
    assert_non_null(values);
    for (size_t i = 0; i < n; i++)
        values[i] = (wave_real)bench_random(&seed);
    return values;
}

double bench_product(const wave_real *a, const wave_real *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

struct wave_points *bench_point(const struct wave *wave, int ix, int iy, int iz, double weight)
{
    struct wave_weight one = {.at = {ix, iy, iz}, .weight = weight};
    return points_of(wave, 1, &one);
}

struct wave_points *bench_everywhere(const struct wave *wave)
{
    int pad = wave->options.absorb, from[GRID_AXES], to[GRID_AXES];
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        bool absent = axis == GRID_Y && wave->grid.dims == 2;
        from[axis] = absent || (axis == GRID_Z && wave->options.free_surface) ? 0 : -pad;
        to[axis] = (int)wave->grid.n[axis] + (absent ? 0 : pad);
    }
    struct wave_weight *weights = malloc(wave->padded * sizeof *weights);
    assert_non_null(weights);
    size_t count = 0;
    for (int x = from[GRID_X]; x < to[GRID_X]; x++)
        for (int y = from[GRID_Y]; y < to[GRID_Y]; y++)
            for (int z = from[GRID_Z]; z < to[GRID_Z]; z++)
                weights[count++] = (struct wave_weight){{x, y, z}, 1};
    assert_int_equal(count, wave->padded);
    struct wave_points *points = points_of(wave, count, weights);
    free(weights);
    return points;
}

double bench_ricker(double f, double t)
{
    double a = M_PI * f * t;
    return (1 - 2 * a * a) * exp(-a * a);
}

wave_real *bench_shoot(struct wave *wave, const struct bench_shot *shot)
{
    const double *h = wave->grid.spacing;
    double volume = h[GRID_X] * h[GRID_Z] * (wave->grid.dims == 3 ? h[GRID_Y] : 1);
    const int *s = shot->source, *r = shot->receiver;
    struct wave_points *source = bench_point(wave, s[0], s[1], s[2], 1 / volume);
    struct wave_points *receiver = bench_point(wave, r[0], r[1], r[2], 1);
    wave_real *wavelet = malloc(shot->steps * sizeof *wavelet);
    wave_real *trace = malloc(shot->steps * sizeof *trace);
    assert_true(wavelet && trace);
    for (size_t k = 0; k < shot->steps; k++)
        wavelet[k] = (wave_real)bench_ricker(shot->frequency,
                                             (double)k * wave->options.dt - shot->delay);
    wave_run(wave, &(struct wave_run){.steps = shot->steps,
                                      .inject = source,
                                      .injected = wavelet,
                                      .sample = receiver,
                                      .sampled = trace});
    wave_points_destroy(source);
    wave_points_destroy(receiver);
    free(wavelet);
    return trace;
}

wave_real *bench_shoot_once(const char *physics, struct wave_medium *medium,
                            struct wave_options options, const struct bench_shot *shot)
{
    struct wave *wave = bench_wave(physics, medium, options);
    wave_real *trace = bench_shoot(wave, shot);
    wave_destroy(wave);
    bench_medium_free(medium);
    return trace;
}

double bench_misfit(const wave_real *a, const wave_real *b, size_t n)
{
    double over = 0, under = 0;
    for (size_t i = 0; i < n; i++) {
        over += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        under += (double)b[i] * (double)b[i];
    }
    return sqrt(over / under);
}

struct bench_sides bench_modelling(struct wave *wave, const struct wave_points *points,
                                   const wave_real *d, size_t steps)
{
    size_t n = steps * wave->padded;
    wave_real *q = bench_reals(n, 1), *fq = bench_reals(n, 3), *ftd = bench_reals(n, 4);
    struct wave_run run = {
        .steps = steps, .inject = points, .injected = q, .sample = points, .sampled = fq};
    wave_clear(wave);
    wave_run(wave, &run);
    wave_clear(wave);
    run.mode = WAVE_TRANSPOSED;
    run.injected = d;
    run.sampled = ftd;
    wave_run(wave, &run);
    struct bench_sides sides = {.left = bench_product(fq, d, n),
                                .right = bench_product(q, ftd, n),
                                .scale =
                                    sqrt(bench_product(fq, fq, n) * bench_product(d, d, n))};
    free(q);
    free(fq);
    free(ftd);
    return sides;
}

struct bench_sides bench_scattering(struct wave *wave, const struct wave_points *points,
                                    const wave_real *snapshots, size_t every,
                                    const wave_real *d, size_t steps)
{
    size_t n = steps * wave->padded;
    wave_real *dm = bench_reals(wave->points, 5), *jdm = bench_reals(n, 3);
    wave_real *image = calloc(wave->points, sizeof(*image));
    assert_non_null(image);
    wave_clear(wave);
    wave_run(wave, &(struct wave_run){.steps = steps,
                                      .sample = points,
                                      .sampled = jdm,
                                      .every = every,
                                      .scattered = snapshots,
                                      .dm = dm});
    wave_clear(wave);
    wave_run(wave, &(struct wave_run){.mode = WAVE_TRANSPOSED,
                                      .steps = steps,
                                      .inject = points,
                                      .injected = d,
                                      .every = every,
                                      .scattered = snapshots,
                                      .image = image});
    struct bench_sides sides = {.left = bench_product(jdm, d, n),
                                .right = bench_product(dm, image, wave->points),
                                .scale =
                                    sqrt(bench_product(jdm, jdm, n) * bench_product(d, d, n))};
    free(dm);
    free(jdm);
    free(image);
    return sides;
}

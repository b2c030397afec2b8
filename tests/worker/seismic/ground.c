#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/worker/seismic/ground.h"
#include "worker/seismic/places.h"
#include "worker/seismic/wavelet.h"

double bench_noise(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(*seed >> 11) / (double)(1ull << 52) - 1;
}

double bench_dot(const wave_real *a, const wave_real *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static float *field(const struct bench *bench, double base, double range, uint64_t seed)
{
    float *values = calloc(bench->points, sizeof(*values));
    double phase = bench_noise(&seed) * 3;
    assert_non_null(values);
    for (size_t i = 0; i < bench->points; i++) {
        double z = (double)(i % bench->grid.n[GRID_Z]), x = (double)(i / bench->grid.n[GRID_Z]);
        double layer = z > 14 ? 0.5 : -0.2;
        values[i] = (float)(base + range * (layer + 0.5 * sin(0.3 * x + 0.2 * z + phase)));
    }
    return values;
}

static void make_medium(struct bench *bench)
{
    bench->vp = field(bench, 2000, 500, 1);
    bench->rho = field(bench, 2000, 600, 2);
    bench->epsilon = field(bench, 0.15, 0.05, 3);
    bench->delta = field(bench, 0.06, 0.03, 4);
    bench->theta = field(bench, 0.3, 0.2, 5);
    bench->phi = field(bench, 0.4, 0.3, 6);
}

static struct wave_medium medium_of(const struct bench *bench,
                                    const struct wave_physics *physics)
{
    unsigned all = physics->needs | physics->may_have;
    return (struct wave_medium){
        .grid = bench->grid,
        .vp = bench->vp,
        .rho = all & WAVE_RHO ? bench->rho : NULL,
        .epsilon = all & WAVE_EPSILON ? bench->epsilon : NULL,
        .delta = all & WAVE_DELTA ? bench->delta : NULL,
        .theta = all & WAVE_THETA ? bench->theta : NULL,
        .phi = (all & WAVE_PHI) && bench->grid.dims == 3 ? bench->phi : NULL,
    };
}

static void make_waves(struct bench *bench)
{
    struct error error = {0};
    const struct wave_physics *physics = wave_physics_find(bench->which.physics);
    assert_non_null(physics);
    const struct wave_medium medium = medium_of(bench, physics);
    struct wave_options options = {.order = bench->which.order,
                                   .absorb = bench->which.absorb,
                                   .free_surface = bench->which.free_surface,
                                   .frequency = 12,
                                   .threads = bench->which.threads ? bench->which.threads : 1,
                                   .time_block = bench->which.time_block};
    if (bench->dt == 0)
        bench->dt = 0.7 * wave_dt_limit(physics, &medium, &options);
    options.dt = bench->dt;
    bench->wave = wave_create(physics, &medium, &options, &error);
    if (!bench->wave)
        print_error("%s\n", error.text);
    assert_non_null(bench->wave);
    bench->second = wave_create(physics, &medium, &options, &error);
    assert_non_null(bench->second);
}

static void make_places(struct bench *bench)
{
    const struct grid *grid = &bench->grid;
    const struct point sources[] = {{203.7, 91.3, 23.1}, {118.2, 77.0, 30.0}};
    const double weights[] = {1, -0.6};
    struct point receivers[16];
    for (size_t i = 0; i < bench->receiver_count; i++)
        receivers[i] = (struct point){
            .x = 12.5 + 21.7 * (double)i, .y = 40 + 7.3 * (double)i, .z = 14.4 + (double)i};
    assert_true(receivers[bench->receiver_count - 1].x < grid_end(grid, GRID_X));
    bench->sources = places_of_sources(bench->wave, "1", sources, weights, 2, NULL);
    bench->receivers =
        places_of_receivers(bench->wave, "1", receivers, bench->receiver_count, NULL);
    assert_non_null(bench->sources);
    assert_non_null(bench->receivers);
}

static void set_operators(struct bench *bench)
{
    bench->operators = (struct operators){
        .wave = bench->wave,
        .second = bench->second,
        .sources = bench->sources,
        .receivers = bench->receivers,
        .steps = bench->steps,
        .history = {.method = SURVEY_MEMORY_FULL, .every = 1, .memory_bytes = UINT64_MAX},
    };
}

void bench_open(struct bench *bench, const struct ground_case *which, size_t steps)
{
    bool flat = which->dims == 2;
    *bench = (struct bench){
        .which = *which,
        .steps = steps,
        .receiver_count = flat ? 13 : 6,
        .grid = {.dims = which->dims,
                 .n = {flat ? 37 : 23, flat ? 1 : 17, flat ? 31 : 19},
                 .spacing = {10, 11, 9},
                 .origin = {flat ? 0 : 10, 0, 0}},
    };
    bench->points = grid_size(&bench->grid);
    make_medium(bench);
    make_waves(bench);
    make_places(bench);
    bench->source = calloc(steps, sizeof(*bench->source));
    assert_non_null(bench->source);
    for (size_t k = 0; k < steps; k++)
        bench->source[k] = (wave_real)wavelet_ricker(12, (double)k * bench->dt - 0.1);
    set_operators(bench);
}

void bench_renew(struct bench *bench)
{
    wave_destroy(bench->wave);
    wave_destroy(bench->second);
    make_waves(bench);
    set_operators(bench);
}

void bench_close(struct bench *bench)
{
    wave_points_destroy(bench->sources);
    wave_points_destroy(bench->receivers);
    wave_destroy(bench->wave);
    wave_destroy(bench->second);
    free(bench->source);
    free(bench->vp);
    free(bench->rho);
    free(bench->epsilon);
    free(bench->delta);
    free(bench->theta);
    free(bench->phi);
}

static bool at_edge(const struct grid *grid, size_t i)
{
    size_t z = i % grid->n[GRID_Z], y = i / grid->n[GRID_Z] % grid->n[GRID_Y];
    size_t x = i / grid->n[GRID_Z] / grid->n[GRID_Y];
    return z == 0 || z == grid->n[GRID_Z] - 1 || x == 0 || x == grid->n[GRID_X] - 1 ||
           (grid->dims == 3 && (y == 0 || y == grid->n[GRID_Y] - 1));
}

void bench_perturb(const struct bench *bench, wave_real *ret_dm)
{
    uint64_t seed = 77;
    for (size_t i = 0; i < bench->points; i++) {
        double m = 1 / ((double)bench->vp[i] * (double)bench->vp[i]);
        double share = bench_noise(&seed);
        ret_dm[i] = at_edge(&bench->grid, i) ? 0 : (wave_real)(0.05 * m * share);
    }
}

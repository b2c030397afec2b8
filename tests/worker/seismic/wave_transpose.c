/*
 * Transposes, exact to rounding. Sources and receivers at every point of the padded grid, in every
 * step, reach all of the state; so the dot test of F is that of a step with its memory variables.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/worker/seismic/wave_bench.h"

/* What rounding leaves of some thousand products, relative to the norms of what is multiplied: some
 * hundred times the precision. A wrong weight anywhere gives 1e-3 and more. */
#ifdef WAVE_DOUBLE
#define TOLERANCE 1e-13
#else
#define TOLERANCE 1e-5
#endif

#define STEPS 12

struct setting {
    const char *physics;
    size_t nx, ny, nz;
    int order, absorb;
    bool free_surface;
    int threads, time_block;
};

static const struct setting settings[] = {
    {"acoustic", 23, 1, 31, 4, 8, false, 1, 1}, {"acoustic", 23, 1, 31, 8, 20, true, 2, 1},
    {"acoustic", 40, 1, 21, 12, 7, true, 1, 3}, {"acoustic", 23, 1, 37, 16, 20, true, 2, 3},
    {"acoustic", 9, 11, 13, 4, 5, true, 2, 1},  {"acoustic", 1, 1, 1, 8, 9, false, 1, 1},
    {"acoustic", 11, 9, 14, 8, 5, false, 3, 1}, {"acoustic", 13, 11, 12, 8, 6, true, 2, 3},
    {"acoustic", 3, 1, 5, 8, 3, true, 2, 1},    {"acoustic", 12, 9, 10, 16, 9, false, 2, 2},
    {"acoustic", 20, 1, 20, 8, 0, true, 1, 1},  {"acoustic", 9, 31, 11, 8, 6, true, 2, 2},
    {"acoustic", 9, 19, 11, 4, 5, false, 3, 3}, {"density", 23, 1, 31, 4, 8, false, 1, 1},
    {"density", 23, 1, 31, 8, 8, true, 2, 1},   {"density", 40, 1, 21, 12, 9, true, 1, 3},
    {"density", 9, 11, 13, 4, 5, true, 2, 1},   {"density", 11, 9, 14, 8, 6, false, 3, 3},
    {"density", 5, 1, 5, 8, 7, false, 1, 1},    {"density", 20, 1, 20, 8, 0, true, 1, 1},
    {"vti", 23, 1, 31, 4, 8, false, 1, 1},      {"vti", 23, 1, 31, 8, 8, true, 2, 1},
    {"vti", 40, 1, 21, 12, 9, true, 1, 3},      {"vti", 9, 11, 13, 4, 5, true, 2, 1},
    {"vti", 12, 9, 10, 16, 9, false, 2, 2},     {"vti", 20, 1, 20, 8, 0, true, 1, 1},
    {"tti", 23, 1, 31, 4, 8, false, 1, 1},      {"tti", 23, 1, 31, 8, 8, true, 2, 1},
    {"tti", 40, 1, 21, 12, 9, true, 1, 3},      {"tti", 23, 1, 37, 16, 20, false, 2, 1},
    {"tti", 9, 11, 13, 4, 5, true, 2, 1},       {"tti", 11, 9, 14, 8, 6, false, 3, 3},
    {"tti", 5, 1, 5, 8, 7, false, 1, 1},        {"tti", 20, 1, 20, 8, 0, true, 1, 1},
};

static struct wave *setting_wave(const struct setting *s)
{
    return bench_uneven(s->physics, s->nx, s->ny, s->nz,
                        (struct wave_options){.order = s->order,
                                              .absorb = s->absorb,
                                              .free_surface = s->free_surface,
                                              .threads = s->threads,
                                              .time_block = s->time_block,
                                              .frequency = 25});
}

static void assert_transposed(const struct setting *s, const char *what,
                              const struct bench_sides *sides)
{
    double error = fabs(sides->left - sides->right) / sides->scale;
    if (!(error < TOLERANCE) || !(sides->scale > 0))
        fail_msg(
            "%s order %d %zux%zux%zu threads %d block %d: %s: %.15g and %.15g differ by %g",
            s->physics, s->order, s->nx, s->ny, s->nz, s->threads, s->time_block, what,
            sides->left, sides->right, error);
}

static void modelling_transposed(const struct setting *s)
{
    struct wave *wave = setting_wave(s);
    struct wave_points *points = bench_everywhere(wave);
    wave_real *d = bench_reals(STEPS * wave->padded, 2);
    struct bench_sides sides = bench_modelling(wave, points, d, STEPS);
    assert_transposed(s, "F", &sides);
    free(d);
    wave_points_destroy(points);
    wave_destroy(wave);
}

static void modelling_is_transposed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        modelling_transposed(&settings[i]);
}

/* J dm and J^T d with the snapshots of a source at one point; `every` leaves some out. */
static void scattering_transposed(const struct setting *s, size_t every)
{
    struct wave *wave = setting_wave(s);
    struct wave_points *points = bench_everywhere(wave);
    size_t n = STEPS * wave->padded, turns = (STEPS + every - 1) / every;
    wave_real *q = bench_reals(n, 1), *d = bench_reals(n, 2);
    wave_real *snapshots = bench_reals(turns * wave->snapshot_size, 6);
    wave_run(wave, &(struct wave_run){.steps = STEPS,
                                      .inject = points,
                                      .injected = q,
                                      .every = every,
                                      .snapshots = snapshots});
    struct bench_sides sides = bench_scattering(wave, points, snapshots, every, d, STEPS);
    assert_transposed(s, "J", &sides);
    free(q);
    free(d);
    free(snapshots);
    wave_points_destroy(points);
    wave_destroy(wave);
}

static void scattering_is_transposed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        scattering_transposed(&settings[i], 1 + i % 3);
}

int main(void)
{
    setenv("BEOFARM_CACHE", "1", 1); /* what takes several steps takes them in tiles */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modelling_is_transposed),
        cmocka_unit_test(scattering_is_transposed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

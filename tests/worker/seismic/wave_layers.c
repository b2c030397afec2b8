/* Absorbing layers: how little they reflect, and that they stay stable; walls without any. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/worker/seismic/wave_bench.h"

#define STEPS 700 /* of what comes straight back */
#define LATE  1500

/* Traces at two places in a constant medium of 1500 m/s, 10 m, 10 Hz: its right edge `nx` points
 * from the left. The source is 30 points from where the near edge will be. */
static wave_real *shoot(const char *physics, float delta, size_t steps, size_t nx, int rx,
                        int rz)
{
    struct grid grid = bench_grid(nx, 1, 201, 10);
    struct wave_medium medium = bench_anisotropic(
        grid, physics,
        &(struct bench_ellipse){.vp = 1500, .epsilon = 0.2f, .delta = delta, .theta = 0.5f});
    struct wave *wave = bench_wave(
        physics, &medium,
        (struct wave_options){
            .absorb = 20, .dt = 0.001, .frequency = 10, .threads = 1, .time_block = 1});
    wave_real *trace = bench_shoot(wave, &(struct bench_shot){.source = {70, 0, 60},
                                                              .receiver = {rx, 0, rz},
                                                              .frequency = 10,
                                                              .delay = 0.12,
                                                              .steps = steps});
    wave_destroy(wave);
    bench_medium_free(&medium);
    return trace;
}

/* Energy that comes back from an edge at x = 100, over what a rigid wall would send: the field of
 * the mirror image, which in the larger model is recorded behind where the edge was. In dB. */
static double reflection(const char *physics, float delta, size_t steps, int rx, int rz)
{
    wave_real *near = shoot(physics, delta, steps, 101, rx, rz);
    wave_real *far = shoot(physics, delta, steps, 301, rx, rz);
    wave_real *wall = shoot(physics, delta, steps, 301, 200 - rx, rz);
    double over = 0, under = 0;
    for (size_t k = 0; k < steps; k++) {
        over += pow((double)near[k] - (double)far[k], 2);
        under += pow((double)wall[k], 2);
    }
    free(near);
    free(far);
    free(wall);
    double db = 10 * log10(over / under);
    print_message("# %s, delta %g: %.1f dB\n", physics, (double)delta, db);
    return db;
}

/* What 20 points are to reach, of every physics. */
static const struct {
    const char *physics;
    float delta;
    double straight, aslant; /* dB at most, straight on and at 45 degrees */
} walls[] = {
    {"acoustic", 0, -60, -60}, {"density", 0, -60, -60}, {"vti", 0.1f, -60, -60},
    {"tti", 0.2f, -60, -60},   {"tti", 0.1f, -60, -60},
};

static void twenty_points_reflect_a_millionth_of_the_energy(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof walls / sizeof *walls; i++) {
        const char *physics = walls[i].physics;
        assert_true(reflection(physics, walls[i].delta, STEPS, 85, 60) < walls[i].straight);
        assert_true(reflection(physics, walls[i].delta, STEPS, 70, 60 + 60) < walls[i].aslant);
    }
}

/* What comes late has met the layers at grazing incidence. -79 dB; with second differences of order
 * 4 in the memory variables beside order 8 it was -64 dB, though no more came straight back. */
static void what_grazes_the_layers_is_absorbed_too(void **state)
{
    (void)state;
    assert_true(reflection("acoustic", 0, LATE, 85, 60) < -75);
}

#ifdef __SANITIZE_ADDRESS__
#define MANY 2000
#else
#define MANY 50000
#endif

static void stays_stable(const char *physics, struct grid grid, int absorb, int order)
{
    struct wave_medium medium = bench_medium(grid, 1500, 4500, physics);
    struct wave_options options = {
        .order = order, .absorb = absorb, .free_surface = true, .frequency = 10, .threads = 1};
    options.dt = 0.99 * wave_dt_limit(wave_physics_find(physics), &medium, &options);
    struct wave *wave = bench_wave(physics, &medium, options);
    struct wave_points *source = bench_point(wave, 2, grid.dims == 3 ? 2 : 0, 5, 1);
    wave_real one = 1;
    wave_run(wave, &(struct wave_run){.steps = 1, .inject = source, .injected = &one});
    double before = wave_energy(wave);
    wave_run(wave, &(struct wave_run){.steps = MANY});
    double after = wave_energy(wave);
    print_message("# %s order %d: energy %.3g, after %d steps %.3g\n", physics, order, before,
                  MANY, after);
    assert_true(before > 0);
    /* What grows, grows without bounds. (Waves caught in the random medium leave it but slowly.) */
    assert_true(after < before);
    wave_points_destroy(source);
    wave_destroy(wave);
    bench_medium_free(&medium);
}

static void fifty_thousand_steps_stay_stable(void **state)
{
    (void)state;
    stays_stable("acoustic", bench_grid(14, 1, 15, 10), 10, 8);
    stays_stable("acoustic", bench_grid(14, 1, 15, 10), 8, 4);
    stays_stable("acoustic", bench_grid(14, 1, 15, 10), 8, 16);
    stays_stable("acoustic", bench_grid(5, 4, 6, 10), 5, 8);
    stays_stable("density", bench_grid(14, 1, 15, 10), 10, 8);
    stays_stable("density", bench_grid(10, 1, 10, 10), 5, 4);
    stays_stable("vti", bench_grid(14, 1, 15, 10), 10, 8);
    stays_stable("vti", bench_grid(10, 1, 10, 10), 5, 4);
    stays_stable("tti", bench_grid(14, 1, 15, 10), 10, 8);
    stays_stable("tti", bench_grid(10, 1, 10, 10), 6, 4);
}

/* A trace near a corner of a constant medium; near the other end of `axis`, if that is one. */
static wave_real *shoot_at_edge(const char *physics, int absorb, int axis)
{
    struct grid grid = bench_grid(13, 11, 12, 10);
    struct wave_medium medium =
        bench_constant(grid, 2000, strcmp(physics, "density") == 0 ? 2 : 0);
    struct bench_shot shot = {.source = {1, 2, 3},
                              .receiver = {2, 4, 1},
                              .frequency = 25,
                              .delay = 0.04,
                              .steps = 100};
    if (axis < GRID_AXES) {
        shot.source[axis] = (int)grid.n[axis] - 1 - shot.source[axis];
        shot.receiver[axis] = (int)grid.n[axis] - 1 - shot.receiver[axis];
    }
    return bench_shoot_once(
        physics, &medium,
        (struct wave_options){.absorb = absorb, .dt = 0.001, .frequency = 25, .threads = 2},
        &shot);
}

/* Waves with density had a flux beyond the last plane and row, but none before the first ones. */
static void opposite_edges_are_alike(void **state)
{
    (void)state;
    static const char *const physics[] = {"acoustic", "density"};
    for (int i = 0; i < 2 * 2 * GRID_AXES; i++) {
        int absorb = i / 2 % 2 ? 3 : 0;
        wave_real *near = shoot_at_edge(physics[i % 2], absorb, GRID_AXES);
        wave_real *far = shoot_at_edge(physics[i % 2], absorb, i / 4);
        double over = 0, under = 0;
        for (size_t k = 0; k < 100; k++) {
            over += pow((double)near[k] - (double)far[k], 2);
            under += pow((double)near[k], 2);
        }
        free(near);
        free(far);
        print_message("# %s, %d absorbing, axis %d: off by %.1e\n", physics[i % 2], absorb,
                      i / 4, sqrt(over / under));
        assert_true(over < 1e-8 * under); /* rounding */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(twenty_points_reflect_a_millionth_of_the_energy),
        cmocka_unit_test(what_grazes_the_layers_is_absorbed_too),
        cmocka_unit_test(opposite_edges_are_alike),
        cmocka_unit_test(fifty_thousand_steps_stay_stable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

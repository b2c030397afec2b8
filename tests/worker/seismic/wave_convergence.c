/*
 * The orders of convergence of all stencils over sequences of grids, in double precision
 * (WAVE_DOUBLE): in single, rounding leaves 1e-4 of a trace, which order 16 reaches before its
 * order can be seen.
 *
 * Every run has the same steps in time, so that the error of time is that of the run on the finest
 * grid, from which the others differ by space alone; the edges are so far that nothing comes back
 * from them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/worker/seismic/wave_bench.h"

#define SPEED     1500.0 /* m/s */
#define FREQUENCY 10.0   /* Hz */
#define DELAY     0.16 /* s: begins with 1e-9 of its peak, not with a jump of all frequencies */
#define LENGTH    0.5  /* s: 750 m, and from one place by an edge to the other are 854 m */
#define OFFSET    300.0  /* m, from the source to the trace */
#define ROOM      400.0  /* m, from both to the edges */
#define FINEST    5.0    /* m */
#define STEP      0.0005 /* s */
#define GRIDS     3

static wave_real *shoot(const char *physics, int order, double h, double dt, size_t *ret_steps)
{
    int room = (int)lround(ROOM / h), offset = (int)lround(OFFSET / h);
    struct grid grid =
        bench_grid((size_t)(2 * room + offset + 1), 1, (size_t)(2 * room + 1), h);
    struct wave_medium medium = bench_constant(grid, SPEED, physics[0] == 'd' ? 2 : 0);
    *ret_steps = (size_t)lround(LENGTH / dt);
    struct wave_options options = {
        .order = order, .dt = dt, .absorb = 20, .frequency = FREQUENCY, .threads = 1};
    struct bench_shot shot = {.source = {room, 0, room},
                              .receiver = {room + offset, 0, room},
                              .frequency = FREQUENCY,
                              .delay = DELAY,
                              .steps = *ret_steps};
    return bench_shoot_once(physics, &medium, options, &shot);
}

static double error_of(const char *physics, int order, double h, const wave_real *fine)
{
    size_t steps;
    wave_real *trace = shoot(physics, order, h, STEP, &steps);
    double error = bench_misfit(trace, fine, steps);
    free(trace);
    return error;
}

/* Grids on which the leading term of the error is most of it; their spacings divide 100 m. */
struct sequence {
    int order, parts[GRIDS];
};

static void check_sequence(const char *physics, const struct sequence *sequence,
                           const wave_real *fine)
{
    double before = 0, rate_before = 0, spacing = 0;
    for (int i = 0; i < GRIDS; i++) {
        double h = 100.0 / sequence->parts[i];
        double error = error_of(physics, sequence->order, h, fine);
        double rate = i ? log(before / error) / log(spacing / h) : 0;
        print_message("# %s order %d, h %.2f m: error %.3g, rate %.2f\n", physics,
                      sequence->order, h, error, rate);
        /* The term behind the leading one takes a fifth of the rate at most, and ever less. */
        if (i)
            assert_true(fabs(rate / sequence->order - 1) < 0.2);
        if (i > 1)
            assert_true(fabs(rate - sequence->order) <
                        fabs(rate_before - sequence->order) + 0.05);
        before = error;
        rate_before = rate;
        spacing = h;
    }
}

static void converges_in_space(const char *physics)
{
    static const struct sequence sequences[] = {
        {4, {6, 8, 10}}, {8, {7, 8, 10}}, {12, {7, 8, 10}}, {16, {7, 8, 10}}};
    size_t steps;
    wave_real *fine = shoot(physics, 16, FINEST, STEP, &steps);
    for (size_t i = 0; i < sizeof sequences / sizeof *sequences; i++)
        check_sequence(physics, &sequences[i], fine);
    free(fine);
}

static void waves_converge_in_space(void **state)
{
    (void)state;
    converges_in_space("acoustic");
}

static void waves_with_density_converge_in_space(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    print_message("# with sanitizers, shorter tests run the same code\n");
    skip();
#endif
    converges_in_space("density");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waves_converge_in_space),
        cmocka_unit_test(waves_with_density_converge_in_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

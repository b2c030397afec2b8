/*
 * Against closed forms in a homogeneous medium, and the orders of convergence in space and time as
 * far as single precision shows them (wave_convergence.c has all of them).
 *
 * (1/c^2) u_tt - Laplace(u) = q(t) delta: in 3-D u = q(t - r/c) / (4 pi r); in 2-D
 * u = 1/(2 pi) integral from 0 to acosh(ct/r) of q(t - (r/c) cosh s) ds.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/worker/seismic/wave_bench.h"

#define SPEED     1500.0
#define FREQUENCY 10.0
#define DELAY     0.12

static double closed_2d(double r, double t)
{
    double end = acosh(fmax(1, SPEED * (t + 0.001) / r)),
           sum = 0; /* the wavelet ends smoothly */
    int pieces = 2000;
    for (int i = 0; i < pieces;
         i++) { /* midpoints: the integrand is smooth and ends in zeros */
        double s = end * (i + 0.5) / pieces;
        sum += bench_ricker(FREQUENCY, t - r / SPEED * cosh(s) - DELAY);
    }
    return sum * end / pieces / (2 * M_PI);
}

static double closed_3d(double r, double t)
{
    return bench_ricker(FREQUENCY, t - r / SPEED - DELAY) / (4 * M_PI * r);
}

struct setting {
    const char *physics;
    int dims, order;
    double h, dt;
    bool free_surface;
};

/* The trace 300 m to the side of a source and, with a free surface, as deep: 200 m. */
#define OFFSET 300.0
#define DEPTH  200.0
#define ROOM   100.0

static wave_real *shoot(const struct setting *s, size_t *ret_steps)
{
    int room = (int)lround(ROOM / s->h), offset = (int)lround(OFFSET / s->h);
    int depth = s->free_surface ? (int)lround(DEPTH / s->h) : room;
    size_t wide = (size_t)(2 * room + 1), y = s->dims == 3 ? wide : 1;
    struct grid grid =
        bench_grid((size_t)(2 * room + offset + 1), y, (size_t)(depth + room + 1), s->h);
    struct wave_medium medium = bench_constant(grid, SPEED, s->physics[0] == 'd' ? 2 : 0);
    int middle = s->dims == 3 ? room : 0;
    *ret_steps = (size_t)lround(0.5 / s->dt);
    struct wave_options options = {.order = s->order,
                                   .dt = s->dt,
                                   .absorb = (int)lround((s->dims == 3 ? 150 : 250) / s->h),
                                   .free_surface = s->free_surface,
                                   .frequency = FREQUENCY,
                                   .threads = 1};
    struct bench_shot shot = {.source = {room, middle, depth},
                              .receiver = {room + offset, middle, depth},
                              .frequency = FREQUENCY,
                              .delay = DELAY,
                              .steps = *ret_steps};
    return bench_shoot_once(s->physics, &medium, options, &shot);
}

static double error_of(const struct setting *s)
{
    size_t steps;
    wave_real *trace = shoot(s, &steps);
    wave_real *closed = malloc(steps * sizeof *closed);
    assert_non_null(closed);
    for (size_t k = 0; k < steps; k++) {
        double t = (double)(k + 1) * s->dt, image = hypot(OFFSET, 2 * DEPTH);
        double u = s->dims == 2 ? closed_2d(OFFSET, t) : closed_3d(OFFSET, t);
        if (s->free_surface)
            u -= s->dims == 2 ? closed_2d(image, t) : closed_3d(image, t);
        closed[k] = (wave_real)(s->physics[0] == 'd' ? 2 * u : u); /* rho is 2 */
    }
    double error = bench_misfit(trace, closed, steps);
    free(trace);
    free(closed);
    print_message("# %s %d-D order %d, h %g m, dt %g s%s: relative L2 error %.3g\n", s->physics,
                  s->dims, s->order, s->h, s->dt, s->free_surface ? ", free surface" : "",
                  error);
    return error;
}

static void agrees_with_closed_forms(void **state)
{
    (void)state;
    /* 1e-3 of it is the second order in time; the rest space, and what the layers reflect. */
    static const struct setting settings[] = {
        {"acoustic", 2, 8, 10, 0.0005, false},
        {"acoustic", 2, 8, 10, 0.0005, true},
        {"density", 2, 8, 10, 0.0005, true},
#ifndef __SANITIZE_ADDRESS__
        {"acoustic", 3, 8, 10, 0.0005, false},
#endif
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        assert_true(error_of(&settings[i]) < 2e-3);
}

static void converges_in_time(void **state)
{
    (void)state;
    double error[3];
    for (int i = 0; i < 3; i++)
        error[i] = error_of(&(struct setting){"acoustic", 2, 16, 10, 0.002 / (1 << i), false});
    /* of second order: a quarter at half the step, until other errors of 1e-4 show */
    assert_true(log2(error[0] / error[1]) > 1.9 && log2(error[0] / error[1]) < 2.1);
    assert_true(log2(error[1] / error[2]) > 1.9 && log2(error[1] / error[2]) < 2.1);
}

/* The same steps in time leave the same error of time, so only space differs. */
static double space_error(const char *physics, int order, double h)
{
    struct setting fine = {physics, 2, 16, 5, 0.0005, true}, coarse = fine;
    coarse.order = order;
    coarse.h = h;
    size_t steps;
    wave_real *a = shoot(&coarse, &steps), *b = shoot(&fine, &steps);
    double error = bench_misfit(a, b, steps);
    free(a);
    free(b);
    return error;
}

static void converges_in_space(void **state)
{
    (void)state;
    static const struct {
        const char *physics;
        int order;
        double coarse, fine; /* m: where the error is between all of it and the rounding */
    } settings[] = {
        {"acoustic", 4, 12.5, 25. / 3},
        {"acoustic", 8, 50. / 3, 12.5},
        {"density", 8, 50. / 3, 12.5},
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        double a = space_error(settings[i].physics, settings[i].order, settings[i].coarse);
        double b = space_error(settings[i].physics, settings[i].order, settings[i].fine);
        double rate = log(a / b) / log(settings[i].coarse / settings[i].fine);
        print_message("# %s order %d: errors %.3g and %.3g, rate %.2f\n", settings[i].physics,
                      settings[i].order, a, b, rate);
        assert_true(fabs(rate / settings[i].order - 1) < 0.2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_closed_forms),
        cmocka_unit_test(converges_in_time),
        cmocka_unit_test(converges_in_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

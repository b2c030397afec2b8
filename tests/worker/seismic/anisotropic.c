/*
 * Anisotropic waves against what is known of them: elliptical media, which are isotropic ones in
 * stretched (and turned) coordinates; media without anisotropy; tilts of zero.
 *
 * With epsilon = delta and s^2 = 1 + 2 delta, m q_tt = s^2 H q + Z q + f delta(x - x_s). Stretched
 * by 1/s across the axis, that is the isotropic equation, and the point source 1/s (2-D) or 1/s^2
 * (3-D) as strong. A free surface stays a plane when stretched, and has a mirror source.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/worker/seismic/wave_bench.h"

#define SPEED     1500.0
#define FREQUENCY 10.0
#define DELAY     0.12
#define ROOM      6 /* points between places and layers */

static double closed(int dims, double r, double t)
{
    if (dims == 3)
        return bench_ricker(FREQUENCY, t - r / SPEED - DELAY) / (4 * M_PI * r);
    double end = acosh(fmax(1, SPEED * (t + 0.001) / r)), sum = 0;
    int pieces = 2000;
    for (int i = 0; i < pieces; i++) { /* midpoints: smooth, and zero at the ends */
        double s = end * (i + 0.5) / pieces;
        sum += bench_ricker(FREQUENCY, t - r / SPEED * cosh(s) - DELAY);
    }
    return sum * end / pieces / (2 * M_PI);
}

struct setting {
    const char *physics;
    int dims, order;
    double h, dt, stretch; /* 1 + 2 epsilon */
    double theta, phi;     /* degrees */
    int offset[GRID_AXES]; /* points from source to receiver */
    int depth;             /* points below a free surface; 0: none */
};

static struct wave_medium medium_of(const struct setting *s, struct grid grid)
{
    float epsilon = (float)((s->stretch - 1) / 2);
    return bench_anisotropic(grid, s->physics,
                             &(struct bench_ellipse){.vp = (float)SPEED,
                                                     .epsilon = epsilon,
                                                     .delta = epsilon,
                                                     .theta = (float)(s->theta * M_PI / 180),
                                                     .phi = (float)(s->phi * M_PI / 180)});
}

static wave_real *shoot(const struct setting *s, size_t steps)
{
    struct bench_shot shot = {.frequency = FREQUENCY, .delay = DELAY, .steps = steps};
    struct grid grid = {.dims = s->dims, .spacing = {s->h, s->h, s->h}};
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        bool absent = axis == GRID_Y && s->dims == 2;
        int room = absent ? 0 : ROOM, first = s->offset[axis] < 0 ? -s->offset[axis] : 0;
        if (axis == GRID_Z && s->depth)
            first += s->depth - room;
        shot.source[axis] = room + first;
        shot.receiver[axis] = shot.source[axis] + s->offset[axis];
        int last = s->offset[axis] > 0 ? shot.receiver[axis] : shot.source[axis];
        grid.n[axis] = (size_t)(last + room + 1);
    }
    struct wave_medium medium = medium_of(s, grid);
    struct wave *wave = bench_wave(
        s->physics, &medium,
        (struct wave_options){.order = s->order,
                              .dt = s->dt,
                              .absorb = (int)lround((s->dims == 3 ? 140 : 240) / s->h),
                              .free_surface = s->depth > 0,
                              .frequency = FREQUENCY,
                              .threads = 1});
    wave_real *trace = bench_shoot(wave, &shot);
    wave_destroy(wave);
    bench_medium_free(&medium);
    return trace;
}

/* The vector, with what is across the axis times `by`. */
static void stretch(const struct setting *s, double by, const double *from, double *ret_to)
{
    double theta = s->theta * M_PI / 180, phi = s->phi * M_PI / 180;
    double n[] = {sin(theta) * cos(phi), sin(theta) * sin(phi), cos(theta)};
    double along = n[0] * from[0] + n[1] * from[1] + n[2] * from[2];
    for (int i = 0; i < 3; i++)
        ret_to[i] = by * from[i] + (1 - by) * along * n[i];
}

static double norm(const double *a)
{
    return sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2]);
}

/* The stretched distance of the receiver from the source, or from its mirror image. */
static double distance(const struct setting *s, bool mirrored)
{
    double by = 1 / sqrt(s->stretch), h = s->h;
    double way[] = {h * s->offset[0], h * s->offset[1], h * s->offset[2]};
    double source[] = {0, 0, h * s->depth}, up[] = {0, 0, 1}, to[3], from[3], normal[3];
    stretch(s, by, way, to);
    if (!mirrored)
        return norm(to);
    stretch(s, by, source, from);
    stretch(s, 1 / by, up, normal);
    double length = norm(normal), height = 0;
    for (int i = 0; i < 3; i++)
        height += normal[i] / length * from[i];
    for (int i = 0; i < 3; i++) /* from the image: the way, and twice the height */
        to[i] += 2 * height * normal[i] / length;
    return norm(to);
}

static double error_of(const struct setting *s)
{
    size_t steps = (size_t)lround(0.4 / s->dt);
    wave_real *trace = shoot(s, steps), *exact = malloc(steps * sizeof *exact);
    double r = distance(s, false), image = distance(s, true);
    double scale = s->dims == 3 ? 1 / s->stretch : 1 / sqrt(s->stretch);
    assert_non_null(exact);
    for (size_t k = 0; k < steps; k++) {
        double t = (double)(k + 1) * s->dt, u = closed(s->dims, r, t);
        exact[k] = (wave_real)(scale * (s->depth ? u - closed(s->dims, image, t) : u));
    }
    double error = bench_misfit(trace, exact, steps);
    free(trace);
    free(exact);
    print_message("# %s %d-D order %d, h %g m, tilt %g, %g, towards (%d, %d, %d)%s: "
                  "relative L2 error %.3g\n",
                  s->physics, s->dims, s->order, s->h, s->theta, s->phi, s->offset[0],
                  s->offset[1], s->offset[2], s->depth ? ", free surface" : "", error);
    return error;
}

static void agrees_with_closed_forms_of_elliptical_media(void **state)
{
    (void)state;
    /* 1e-3 of it is the second order in time; the rest space, and what the layers reflect. */
    static const struct setting settings[] = {
        {"vti", 2, 8, 10, 0.0005, 1.3, 0, 0, {0, 0, 30}, 0},
        {"vti", 2, 8, 10, 0.0005, 1.3, 0, 0, {21, 0, 21}, 0},
        {"vti", 2, 8, 10, 0.0005, 1.3, 0, 0, {30, 0, 5}, 20},
        {"tti", 2, 8, 10, 0.0005, 1.3, 30, 0, {30, 0, 0}, 0},
        {"tti", 2, 8, 10, 0.0005, 1.3, -60, 0, {21, 0, 21}, 0},
        {"tti", 2, 8, 10, 0.0005, 1.3, 25, 0, {30, 0, 5}, 20},
#ifndef __SANITIZE_ADDRESS__
        {"vti", 3, 8, 10, 0.0005, 1.3, 0, 0, {16, 8, 12}, 0},
        {"tti", 3, 8, 10, 0.0005, 1.3, 30, 50, {16, 8, 12}, 0},
#endif
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        assert_true(error_of(&settings[i]) < 2e-3);
}

/* The way of 200 m by 100 m on a grid of spacing 100 m / `parts`: the same steps in time leave the
 * same error of time as in `fine`, so only space differs. */
static double space_error(struct setting s, int parts, const wave_real *fine, size_t steps)
{
    s.h = 100. / parts;
    s.offset[GRID_X] = 2 * parts;
    s.offset[GRID_Z] = parts;
    wave_real *trace = shoot(&s, steps);
    double error = bench_misfit(trace, fine, steps);
    free(trace);
    return error;
}

static void converges_with_its_order(void **state)
{
    (void)state;
    static const struct {
        const char *physics;
        double theta;
        int order;
    } ways[] = {{"vti", 0, 4}, {"vti", 0, 8}, {"tti", 30, 4}, {"tti", 30, 8}};
    enum { STEPS = 350 };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct setting way = {.physics = ways[i].physics,
                              .dims = 2,
                              .order = 16,
                              .h = 10,
                              .dt = 0.001,
                              .stretch = 1.3,
                              .theta = ways[i].theta,
                              .offset = {20, 0, 10}};
        wave_real *fine = shoot(&way, STEPS);
        way.order = ways[i].order;
        int coarse = way.order == 4 ? 6 : 4, less = way.order == 4 ? 8 : 6;
        double a = space_error(way, coarse, fine, STEPS),
               b = space_error(way, less, fine, STEPS);
        double rate = log(a / b) / log((double)less / coarse);
        print_message("# %s order %d: errors %.3g and %.3g, rate %.2f\n", way.physics,
                      way.order, a, b, rate);
        /* Tilted, errors of H and Z have opposite signs, and what is left falls faster at first. */
        assert_true(rate > 0.8 * way.order);
        assert_true(way.theta != 0 || rate < 1.2 * way.order);
        free(fine);
    }
}

/* A trace of 300 steps in a medium of random velocities, with a free surface. */
static wave_real *compare_shoot(const char *physics, bool pair, double theta)
{
    struct grid grid = bench_grid(45, 1, 40, 10);
    struct wave_medium medium = bench_medium(grid, 1500, 1800, "acoustic"), other = medium;
    size_t n = grid_size(&grid);
    float *tilt = calloc(n, sizeof *tilt), *epsilon = calloc(n, sizeof *epsilon);
    float *delta = calloc(n, sizeof *delta);
    assert_true(tilt && epsilon && delta);
    for (size_t i = 0; i < n; i++) {
        tilt[i] = (float)theta;
        epsilon[i] = pair ? 0.15f : 0;
        delta[i] = pair ? 0.1f : 0;
    }
    if (strcmp(physics, "acoustic")) {
        other.epsilon = epsilon;
        other.delta = delta;
    }
    if (strcmp(physics, "tti") == 0)
        other.theta = tilt;
    struct wave *wave = bench_wave(
        physics, &other,
        (struct wave_options){
            .dt = 0.001, .absorb = 20, .free_surface = true, .frequency = 10, .threads = 1});
    wave_real *trace = bench_shoot(wave, &(struct bench_shot){.source = {12, 0, 10},
                                                              .receiver = {33, 0, 20},
                                                              .frequency = FREQUENCY,
                                                              .delay = DELAY,
                                                              .steps = 300});
    wave_destroy(wave);
    free(tilt);
    free(epsilon);
    free(delta);
    bench_medium_free(&medium);
    return trace;
}

static double compare(const char *a, const char *b, bool pair, double theta)
{
    wave_real *of_a = compare_shoot(a, pair, theta), *of_b = compare_shoot(b, pair, 0);
    double error = bench_misfit(of_a, of_b, 300);
    free(of_a);
    free(of_b);
    print_message("# %s and %s: %.3g\n", a, b, error);
    return error;
}

static void without_anisotropy_it_is_the_acoustic_wave(void **state)
{
    (void)state;
    assert_true(compare("vti", "acoustic", false, 0) < 2e-5); /* rounding, in 300 steps */
    assert_true(compare("tti", "acoustic", false, 0.7) <
                2e-3); /* layers, and that p = q but nearly */
}

static void a_tilt_of_zero_is_vti(void **state)
{
    (void)state;
    assert_true(compare("tti", "vti", true, 0) < 1e-2);    /* the error of first differences */
    assert_true(compare("tti", "vti", true, M_PI) < 1e-2); /* axes have no direction */
}

/* The point where epsilon is below delta counts as elliptical. */
static void epsilon_below_delta_is_raised(void **state)
{
    (void)state;
    wave_real *traces[2];
    for (int i = 0; i < 2; i++) {
        struct grid grid = bench_grid(30, 1, 30, 10);
        struct wave_medium medium = bench_anisotropic(
            grid, "vti",
            &(struct bench_ellipse){.vp = 1500, .epsilon = i ? 0.2f : -0.1f, .delta = 0.2f});
        struct wave *wave = bench_wave("vti", &medium, (struct wave_options){.dt = 0.001});
        traces[i] = bench_shoot(wave, &(struct bench_shot){.source = {10, 0, 10},
                                                           .receiver = {20, 0, 14},
                                                           .frequency = FREQUENCY,
                                                           .delay = DELAY,
                                                           .steps = 200});
        wave_destroy(wave);
        bench_medium_free(&medium);
    }
    assert_true(traces[0][199] != 0);
    assert_memory_equal(traces[0], traces[1], 200 * sizeof(wave_real));
    free(traces[0]);
    free(traces[1]);
}

static void refuses_what_has_no_meaning(void **state)
{
    (void)state;
    struct grid grid = bench_grid(20, 1, 10, 10);
    struct wave_medium medium =
        bench_anisotropic(grid, "tti", &(struct bench_ellipse){.vp = 1500, .delta = -0.5f});
    struct wave_options options = {.dt = 0.001};
    struct error error = {0};
    assert_null(wave_create(wave_physics_find("tti"), &medium, &options, &error));
    assert_non_null(strstr(error.text, "delta is -0.5 at point (x 0, y 0, z 0)"));
    ((float *)medium.epsilon)[3] = NAN;
    assert_null(wave_create(wave_physics_find("tti"), &medium, &options, &error));
    assert_non_null(strstr(error.text, "epsilon is nan at point (x 0, y 0, z 3)"));
    for (size_t i = 0; i < grid_size(&grid); i++)
        ((float *)medium.epsilon)[i] = ((float *)medium.delta)[i] = 0.4f;
    options.dt = 0.003; /* stable with 1500 m/s, not with 2012 m/s */
    assert_null(wave_create(wave_physics_find("tti"), &medium, &options, &error));
    assert_non_null(strstr(error.text, "unstable"));
    options.dt = 0.001;
    medium.phi = medium.theta;
    assert_null(wave_create(wave_physics_find("tti"), &medium, &options, &error));
    assert_non_null(strstr(error.text, "phi"));
    assert_null(wave_create(wave_physics_find("vti"), &medium, &options, &error));
    assert_non_null(strstr(error.text, "no use for theta"));
    medium.phi = NULL;
    bench_medium_free(&medium);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_has_no_meaning),
        cmocka_unit_test(epsilon_below_delta_is_raised),
        cmocka_unit_test(without_anisotropy_it_is_the_acoustic_wave),
        cmocka_unit_test(a_tilt_of_zero_is_vti),
        cmocka_unit_test(agrees_with_closed_forms_of_elliptical_media),
        cmocka_unit_test(converges_with_its_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

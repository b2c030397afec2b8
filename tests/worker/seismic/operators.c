/*
 * The operators are what they claim: J is the derivative of F, and the transposes are transposes,
 * with absorbing layers, a free surface, density, anisotropy, and sources and receivers off the
 * grid.
 *
 * Compiled twice: in float, as programs compute, and in double, where only what is truly transposed
 * stays below the tolerance.
 */
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
#include "worker/seismic/points.h"

/* A few hundred steps of rounding, of which a dot product of thousands of terms averages most. */
#ifdef WAVE_DOUBLE
#define DOT_TOLERANCE 1e-12
#else
#define DOT_TOLERANCE 1e-5
#endif

static const struct ground_case cases[] = {
    {.physics = "acoustic", .dims = 2, .order = 8, .absorb = 8},
    {.physics = "acoustic", .dims = 2, .order = 4, .absorb = 10, .free_surface = true},
    {.physics = "acoustic", .dims = 3, .order = 4, .absorb = 6, .free_surface = true},
    {.physics = "density", .dims = 2, .order = 8, .absorb = 8, .free_surface = true},
    {.physics = "density", .dims = 3, .order = 4, .absorb = 6},
    {.physics = "vti", .dims = 2, .order = 8, .absorb = 8},
    {.physics = "vti", .dims = 2, .order = 4, .absorb = 8, .free_surface = true},
    {.physics = "tti", .dims = 2, .order = 8, .absorb = 8},
    {.physics = "tti", .dims = 2, .order = 4, .absorb = 8, .free_surface = true},
    {.physics = "tti", .dims = 3, .order = 4, .absorb = 6},
};

#define CASES (sizeof(cases) / sizeof(*cases))

/* Room for one test's vectors. */
static wave_real *vector(size_t n)
{
    wave_real *values = calloc(n, sizeof(*values));
    assert_non_null(values);
    return values;
}

static bool is_there(const struct ground_case *which)
{
    return wave_physics_find(which->physics) != NULL;
}

static void close_enough(const struct ground_case *which, double left, double right)
{
    double apart = fabs(left - right) / fmax(fabs(left), fabs(right));
    if (!(apart < DOT_TOLERANCE))
        print_error("%s, %d-D: %.15g and %.15g are %.3g apart\n", which->physics, which->dims,
                    left, right, apart);
    assert_true(apart < DOT_TOLERANCE);
}

static void forward_dot(const struct ground_case *which)
{
    struct bench bench;
    uint64_t seed = 11;
    bench_open(&bench, which, which->dims == 2 ? 150 : 60);
    size_t rows = bench.steps * bench.receiver_count;
    wave_real *data = vector(rows), *y = vector(rows), *back = vector(bench.steps);
    operators_forward(&bench.operators, bench.source, data, NULL);
    double most = 0;
    for (size_t i = 0; i < rows; i++)
        most = fmax(most, fabs((double)data[i]));
    assert_true(most > 0 && isfinite(most));
    for (size_t i = 0; i < rows; i++) /* near the data, so that the product does not cancel */
        y[i] = data[i] + (wave_real)(0.3 * most * bench_noise(&seed));
    operators_adjoint(&bench.operators, y, back);
    close_enough(which, bench_dot(data, y, rows), bench_dot(bench.source, back, bench.steps));
    free(data);
    free(y);
    free(back);
    bench_close(&bench);
}

static void the_adjoint_is_the_transpose_of_the_forward_operator(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++)
        if (is_there(&cases[i]))
            forward_dot(&cases[i]);
}

/* operators_residual: put what the test chose. */
static int give(void *context, wave_real *data, struct error *ret_error)
{
    const struct {
        const wave_real *values;
        size_t n;
    } *given = context;
    (void)ret_error;
    memcpy(data, given->values, given->n * sizeof(*data));
    return 0;
}

static void born_dot(const struct ground_case *which)
{
    struct bench bench;
    uint64_t seed = 12;
    bench_open(&bench, which, which->dims == 2 ? 150 : 60);
    size_t rows = bench.steps * bench.receiver_count;
    wave_real *data = vector(rows), *y = vector(rows), *room = vector(rows);
    wave_real *dm = vector(bench.points), *image = vector(bench.points);
    struct {
        const wave_real *values;
        size_t n;
    } given = {y, rows};
    bench_perturb(&bench, dm);
    assert_int_equal(operators_born(&bench.operators, bench.source, dm, data, NULL, NULL), 0);
    double most = 0;
    for (size_t i = 0; i < rows; i++)
        most = fmax(most, fabs((double)data[i]));
    assert_true(most > 0 && isfinite(most));
    for (size_t i = 0; i < rows; i++)
        y[i] = data[i] + (wave_real)(0.3 * most * bench_noise(&seed));
    assert_int_equal(
        operators_image(&bench.operators, bench.source, give, &given, room, image, NULL, NULL),
        0);
    close_enough(which, bench_dot(data, y, rows), bench_dot(dm, image, bench.points));
    free(data);
    free(y);
    free(room);
    free(dm);
    free(image);
    bench_close(&bench);
}

static void migration_is_the_transpose_of_born_modelling(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++)
        if (is_there(&cases[i]))
            born_dot(&cases[i]);
}

/* The velocity whose squared slowness is h dm more, and by how much it is after rounding to
 * float. */
static void move(struct bench *bench, const float *vp, const wave_real *dm, double h,
                 wave_real *ret_dm)
{
    for (size_t i = 0; i < bench->points; i++) {
        double m = 1 / ((double)vp[i] * (double)vp[i]);
        bench->vp[i] = (float)(1 / sqrt(m + h * (double)dm[i]));
        ret_dm[i] = (wave_real)(1 / ((double)bench->vp[i] * (double)bench->vp[i]) - m);
    }
}

static double apart(const wave_real *a, const wave_real *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sqrt(sum);
}

/* |F(m + h dm) - F(m)| falls like h and |F(m + h dm) - F(m) - h J dm| like h^2. */
static void born_taylor(const struct ground_case *which)
{
    struct bench bench;
    double first[2], second[2];
    bench_open(&bench, which, which->dims == 2 ? 150 : 60);
    size_t rows = bench.steps * bench.receiver_count;
    wave_real *data = vector(rows), *moved = vector(rows), *born = vector(rows);
    wave_real *dm = vector(bench.points), *step = vector(bench.points);
    float *vp = calloc(bench.points, sizeof(*vp));
    assert_non_null(vp);
    memcpy(vp, bench.vp, bench.points * sizeof(*vp));
    bench_perturb(&bench, dm);
    for (int i = 0; i < 2; i++) {
        move(&bench, vp, dm, i ? 0.5 : 1, step);
        bench_renew(&bench);
        operators_forward(&bench.operators, bench.source, moved, NULL);
        memcpy(bench.vp, vp, bench.points * sizeof(*vp));
        bench_renew(&bench);
        assert_int_equal(operators_born(&bench.operators, bench.source, step, born, data, NULL),
                         0);
        first[i] = apart(moved, data, rows);
        for (size_t j = 0; j < rows; j++)
            born[j] += data[j];
        second[i] = apart(moved, born, rows);
    }
    /* 5 % of slowness is no small step for the second order: third-order terms stay below 0.15. */
    assert_true(fabs(log2(first[0] / first[1]) - 1) < 0.1);
    assert_true(fabs(log2(second[0] / second[1]) - 2) < 0.15);
    free(data);
    free(moved);
    free(born);
    free(dm);
    free(step);
    free(vp);
    bench_close(&bench);
}

static void born_modelling_is_the_derivative_of_modelling(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++)
        if (is_there(&cases[i]))
            born_taylor(&cases[i]);
}

static void a_source_that_does_not_fire_records_nothing(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench, &cases[0], 30);
    size_t rows = bench.steps * bench.receiver_count;
    wave_real *data = vector(rows);
    data[3] = 1;
    memset(bench.source, 0, bench.steps * sizeof(*bench.source));
    operators_forward(&bench.operators, bench.source, data, NULL);
    for (size_t i = 0; i < rows; i++)
        assert_true(data[i] == 0);
    free(data);
    bench_close(&bench);
}

static void illumination_is_the_forward_field_squared(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench, &cases[0], 60);
    size_t rows = bench.steps * bench.receiver_count;
    wave_real *data = vector(rows), *light = vector(bench.points), *again = vector(rows);
    wave_real *image = vector(bench.points), *other = vector(bench.points);
    struct {
        const wave_real *values;
        size_t n;
    } given = {data, rows};
    operators_forward(&bench.operators, bench.source, data, light);
    assert_true(light[bench.points / 2] > 0);
    operators_image(&bench.operators, bench.source, give, &given, again, image, other, NULL);
    assert_memory_equal(light, other, bench.points * sizeof(*light));
    free(data);
    free(light);
    free(again);
    free(image);
    free(other);
    bench_close(&bench);
}

/* As headers round it to thousandths of a foot. */
static void a_place_a_rounding_beyond_the_edge_is_on_it(void **state)
{
    (void)state;
    struct bench bench;
    struct error error = {0};
    bench_open(&bench, &cases[0], 1);
    const struct point corner = {360, 0, 270}, beyond = {360.0003, 0, 270.0003},
                       outside = {360.02, 0, 270};
    struct wave_points *on = places_of_receivers(bench.wave, "1", &corner, 1, &error);
    struct wave_points *off = places_of_receivers(bench.wave, "1", &beyond, 1, &error);
    assert_true(on && off && on->plane[on->planes] == 1 && off->plane[off->planes] == 1);
    assert_memory_equal(on->strips, off->strips, sizeof *on->strips);
    assert_true(on->weights[0] == off->weights[0]);
    wave_points_destroy(on);
    wave_points_destroy(off);
    assert_null(places_of_receivers(bench.wave, "1", &outside, 1, &error));
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_that_does_not_fire_records_nothing),
        cmocka_unit_test(the_adjoint_is_the_transpose_of_the_forward_operator),
        cmocka_unit_test(migration_is_the_transpose_of_born_modelling),
        cmocka_unit_test(born_modelling_is_the_derivative_of_modelling),
        cmocka_unit_test(illumination_is_the_forward_field_squared),
        cmocka_unit_test(a_place_a_rounding_beyond_the_edge_is_on_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

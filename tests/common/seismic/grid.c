/*
 * Grids, and the weights and time steps on them.
 */
#include "config.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/seismic/cfl.h"
#include "common/seismic/grid.h"

static const struct grid plane = {
    .dims = 2, .n = {101, 1, 51}, .spacing = {10, 0, 5}, .origin = {-100, 0, 20}};

static void a_grid_that_no_memory_holds_has_no_size(void **state)
{
    (void)state;
    struct grid huge = {.dims = 3, .n = {(size_t)1 << 40, (size_t)1 << 40, 2}};
    assert_int_equal(grid_size(&huge), 0);
    assert_int_equal(grid_size(&plane), 101 * 51);
}

static void a_point_lies_in_a_grid_or_not(void **state)
{
    (void)state;
    assert_true(grid_contains(&plane, &(struct point){-100, 1e9, 20}));
    assert_true(grid_contains(&plane, &(struct point){900 + 1e-6, 0, 270}));
    /* Thousandths of a foot are 0.3 mm. */
    assert_true(grid_contains(&plane, &(struct point){900.0005, 0, 19.9996}));
    assert_false(grid_contains(&plane, &(struct point){900.011, 0, 270}));
    assert_false(grid_contains(&plane, &(struct point){900, 0, 270.006}));
    assert_false(grid_contains(&plane, &(struct point){900.1, 0, 100}));
    assert_false(grid_contains(&plane, &(struct point){0, 0, 19.9}));
    assert_false(grid_contains(&plane, &(struct point){NAN, 0, 100}));
}

static void a_box_is_a_grid(void **state)
{
    (void)state;
    struct grid_box box = {.first = {10, 0, 2}, .n = {5, 1, 3}};
    struct grid cut = grid_cut(&plane, &box), whole;
    assert_true(cut.origin[GRID_X] == 0 && cut.origin[GRID_Z] == 30);
    assert_true(grid_end(&cut, GRID_X) == 40 && grid_end(&cut, GRID_Z) == 40);
    box = grid_whole(&plane);
    whole = grid_cut(&plane, &box);
    assert_true(grid_equal(&plane, &whole));
    assert_false(grid_equal(&plane, &cut));
}

/* What a stencil makes of sin(k x) at k h = theta; the derivative's value is theta^2 or theta. */
static double centred_symbol(int order, double theta)
{
    double w[CFL_HALF_MAX + 1];
    cfl_centred_weights(order, w);
    double sum = w[0];
    for (int k = 1; k <= order / 2; k++)
        sum += 2 * w[k] * cos(k * theta);
    return -sum;
}

static double staggered_symbol(int order, double theta)
{
    double w[CFL_HALF_MAX];
    cfl_staggered_weights(order, w);
    double sum = 0;
    for (int k = 0; k < order / 2; k++)
        sum += 2 * w[k] * sin((k + 0.5) * theta);
    return sum;
}

/* At theta = 1/2 the error of order p falls by 2^p when theta is halved: at least 2^(p - 1/2) is
 * seen until rounding (1e-15 of 1/4) is reached, which is why orders above 8 are not measured
 * so. */
static void weights_have_their_order(void **state)
{
    (void)state;
    for (int order = 2; order <= 8; order += 2) {
        double coarse = centred_symbol(order, 0.8) / 0.64 - 1;
        double fine = centred_symbol(order, 0.4) / 0.16 - 1;
        assert_true(coarse / fine > pow(2, order - 0.5));
        coarse = staggered_symbol(order, 0.8) / 0.8 - 1;
        fine = staggered_symbol(order, 0.4) / 0.4 - 1;
        assert_true(coarse / fine > pow(2, order - 0.5));
    }
}

static void weights_are_those_of_the_tables(void **state)
{
    (void)state;
    double w[CFL_HALF_MAX + 1];
    cfl_centred_weights(8, w); /* Fornberg 1988, table 1 */
    const double eighth[] = {-205.0 / 72, 8.0 / 5, -1.0 / 5, 8.0 / 315, -1.0 / 560};
    for (int k = 0; k <= 4; k++)
        assert_true(fabs(w[k] - eighth[k]) < 1e-14);
    cfl_staggered_weights(4, w);
    assert_true(fabs(w[0] - 9.0 / 8) < 1e-14 && fabs(w[1] + 1.0 / 24) < 1e-14);
    /* The first term left out is 2 (8!)^2 / 18! theta^18 = 2e-12. */
    assert_true(fabs(centred_symbol(16, 0.5) - 0.25) < 1e-11);
    assert_true(fabs(staggered_symbol(16, 0.5) - 0.5) < 1e-11);
}

static void the_symbol_is_largest_at_nyquist(void **state)
{
    (void)state;
    for (int order = 2; order <= 16; order += 2) {
        assert_true(fabs(cfl_symbol_max(CFL_CENTRED, order) - centred_symbol(order, M_PI)) <
                    1e-12);
        double nyquist = staggered_symbol(order, M_PI);
        assert_true(fabs(cfl_symbol_max(CFL_STAGGERED, order) - nyquist * nyquist) < 1e-12);
    }
}

/* Order 2 in d dimensions: h / (c sqrt(d)). */
static void the_limit_is_the_textbooks(void **state)
{
    (void)state;
    struct grid cube = {.dims = 3, .n = {9, 9, 9}, .spacing = {10, 10, 10}};
    struct grid square = {.dims = 2, .n = {9, 1, 9}, .spacing = {10, 0, 10}};
    assert_true(fabs(cfl_limit(CFL_CENTRED, 2, &cube, 1500) - 10 / (1500 * sqrt(3))) < 1e-15);
    assert_true(fabs(cfl_limit(CFL_STAGGERED, 2, &square, 1500) - 10 / (1500 * sqrt(2))) <
                1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_grid_that_no_memory_holds_has_no_size),
        cmocka_unit_test(a_point_lies_in_a_grid_or_not),
        cmocka_unit_test(a_box_is_a_grid),
        cmocka_unit_test(weights_have_their_order),
        cmocka_unit_test(weights_are_those_of_the_tables),
        cmocka_unit_test(the_symbol_is_largest_at_nyquist),
        cmocka_unit_test(the_limit_is_the_textbooks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

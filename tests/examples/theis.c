#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <cmocka.h>

#include "examples/theis/well_function.h"

/* Wenzel (1942), USGS Water-Supply Paper 887, table of W(u), as every groundwater textbook
 * reprints it; `unit` is one in the last printed digit. */
static const struct {
    double u, w, unit;
} wenzel[] = {
    {1e-15, 33.9616, 1e-4}, {1e-12, 27.0538, 1e-4}, {1e-10, 22.4486, 1e-4},
    {1e-8, 17.8435, 1e-4},  {1e-6, 13.2383, 1e-4},  {1e-5, 10.9357, 1e-4},
    {1e-4, 8.6332, 1e-4},   {1e-3, 6.3315, 1e-4},   {5e-3, 4.7261, 1e-4},
    {1e-2, 4.0379, 1e-4},   {5e-2, 2.4679, 1e-4},   {0.1, 1.8229, 1e-4},
    {0.2, 1.2227, 1e-4},    {0.5, 0.5598, 1e-4},    {0.9, 0.2602, 1e-4},
    {1, 0.2194, 1e-4},      {1.5, 0.1000, 1e-4},    {2, 0.04890, 1e-5},
    {3, 0.01305, 1e-5},     {4, 0.003779, 1e-6},    {5, 0.001148, 1e-6},
    {6, 0.0003601, 1e-7},   {8, 0.00003767, 1e-8},  {9, 0.00001245, 1e-8},
};

static void the_well_function_agrees_with_the_published_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wenzel / sizeof wenzel[0]; i++) {
        double error = fabs(well_function(wenzel[i].u) - wenzel[i].w);
        /* Half a unit is the table's rounding; some of its entries are one unit off. */
        if (error > 1.01 * wenzel[i].unit)
            fail_msg("W(%g) is %.8g, the table says %g", wenzel[i].u,
                     well_function(wenzel[i].u), wenzel[i].w);
    }
}

static void series_and_fraction_meet(void **state)
{
    (void)state;
    double below = well_function(nextafter(1, 0));
    double above = well_function(1);
    /* Two expansions of one function at one place: a few roundings of 2^-53. */
    assert_true(fabs(below - above) < 1e-15);
    assert_true(fabs(above - 0.21938393439552029) < 1e-15); /* E1(1), DLMF 6.6 */
}

static void the_derivative_is_the_integrand(void **state)
{
    (void)state;
    /* W'(u) = -exp(-u) / u by central differences: their error is h^2 / 6 W''' = 1e-6 relative
     * at h = 1e-3 u. */
    for (double u = 1e-6; u < 20; u *= 1.7) {
        double h = 1e-3 * u;
        double slope = (well_function(u + h) - well_function(u - h)) / (2 * h);
        double wanted = -exp(-u) / u;
        double third = h * h / 6 * (1 + 2 / u + 2 / (u * u)); /* W''' / W' */
        assert_true(fabs(slope / wanted - 1) < 1.1 * third + 1e-8);
    }
}

static void outside_its_domain_it_is_not_a_number(void **state)
{
    (void)state;
    assert_true(isnan(well_function(-1)));
    assert_true(isnan(well_function(NAN)));
    assert_true(isinf(well_function(0)));
    assert_true(well_function(800) == 0); /* underflow, not a failure */
}

static void a_textbook_well_draws_down_as_computed(void **state)
{
    (void)state;
    /* Todd and Mays, "Groundwater Hydrology", ch. 4: Q = 2500 m3/d, T = 1110 m2/d, S = 2.06e-4,
     * r = 60 m; their Table 4.4.1 measured 0.57 m after 10 minutes and 1.12 m after 240, from
     * which T and S were found by curve matching: good to a few cm. */
    struct theis theis = {1110, 2.06e-4, 2500, INFINITY};
    assert_true(fabs(theis_drawdown(&theis, 60, 10 / 1440.0) - 0.57) < 0.05);
    assert_true(fabs(theis_drawdown(&theis, 60, 240 / 1440.0) - 1.12) < 0.03);
}

static void a_river_keeps_its_level(void **state)
{
    (void)state;
    struct theis theis = {500, 1e-3, 1000, 200};
    struct theis endless = {500, 1e-3, 1000, INFINITY};
    assert_true(theis_drawdown(&theis, 200, 10) == 0);
    assert_true(theis_drawdown(&theis, 50, 10) < theis_drawdown(&endless, 50, 10));
    /* Long pumping ends in the steady state s = Q / (2 pi T) ln((2 river - r) / r). At u = 3e-7
     * the two logarithms' difference is off by u itself. */
    double steady = 1000 / (2 * M_PI * 500) * log(350 / 50.0);
    assert_true(fabs(theis_drawdown(&theis, 50, 1e5) - steady) < 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outside_its_domain_it_is_not_a_number),
        cmocka_unit_test(the_well_function_agrees_with_the_published_table),
        cmocka_unit_test(series_and_fraction_meet),
        cmocka_unit_test(the_derivative_is_the_integrand),
        cmocka_unit_test(a_textbook_well_draws_down_as_computed),
        cmocka_unit_test(a_river_keeps_its_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

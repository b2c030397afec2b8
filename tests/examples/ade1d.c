/*
 * The model of examples/advection against closed solutions of its equation.
 *
 * With decay (van Genuchten and Alves, 1982, USDA Technical Bulletin 1661, case C5; Bear,
 * 1972), for a semi-infinite strip whose inlet is held at 1:
 *
 *     C = 1/2 exp((v - u) x / 2D) erfc((R x - u t) / 2 sqrt(D R t))
 *       + 1/2 exp((v + u) x / 2D) erfc((R x + u t) / 2 sqrt(D R t)),   u = sqrt(v2 + 4 lambda R
 * D)
 *
 * and with lambda = 0, u = v that is Ogata and Banks (1961), USGS Professional Paper 411-A.
 * The strips here are long enough that the outlet, which the closed solution does not have, is
 * never reached: C there stays below 1e-9.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "examples/advection/breakthrough.h"
#include "examples/advection/column.h"
#include "examples/advection/transport.h"

/* exp(a) erfc(b) without overflow where a is large: for b > 5 the asymptotic series
 * (Abramowitz and Stegun 7.1.23) has four terms' error below 1e-5 of an already tiny term. */
static double exp_erfc(double a, double b)
{
    if (b < 5)
        return exp(a) * erfc(b);
    double s = 1 / (2 * b * b);
    return exp(a - b * b) / (b * sqrt(M_PI)) * (1 - s * (1 - 3 * s * (1 - 5 * s)));
}

static double closed_solution(const struct transport_problem *p, double x, double t)
{
    double u = sqrt(p->velocity * p->velocity + 4 * p->decay * p->retardation * p->dispersion);
    double width = 2 * sqrt(p->dispersion * p->retardation * t);
    double near = exp_erfc((p->velocity - u) * x / (2 * p->dispersion),
                           (p->retardation * x - u * t) / width);
    double far = exp_erfc((p->velocity + u) * x / (2 * p->dispersion),
                          (p->retardation * x + u * t) / width);
    return (near + far) / 2;
}

/* The largest difference from the closed solution in 0..length/2 after `days`. */
static double error_after(const struct transport_problem *problem, double days, int steps)
{
    struct transport *transport = transport_create(problem);
    assert_non_null(transport);
    for (int i = 0; i < steps; i++)
        transport_step(transport, days / steps, 1);
    double dx = problem->length / problem->cells;
    double worst = 0;
    for (int i = 0; i < problem->cells / 2; i++) {
        double x = (i + 0.5) * dx;
        worst = fmax(worst, fabs(transport_concentration(transport, x) -
                                 closed_solution(problem, x, days)));
    }
    assert_true(transport_concentration(transport, problem->length) < 1e-9);
    transport_destroy(transport);
    return worst;
}

static const struct transport_problem sand = {
    .velocity = 0.25, .dispersion = 0.25, .retardation = 1, .length = 100, .cells = 400};

static void follows_ogata_and_banks(void **state)
{
    (void)state;
    /* The error's leading term is of the order (dx / front width)^2 and (v dt / width)^2: here
     * dx = 0.25 m, v dt = 0.25 m, width 2 sqrt(D t) = 10 m, so about (0.025)^2 = 6e-4 at most.
     */
    assert_true(error_after(&sand, 100, 100) < 6e-4);
}

static void follows_the_solution_with_sorption_and_decay(void **state)
{
    (void)state;
    struct transport_problem clay = sand;
    clay.retardation = 2.5;
    clay.decay = 0.01;
    /* R stretches time by 2.5, so 250 days give the front above; the same reason as there. */
    assert_true(error_after(&clay, 250, 100) < 6e-4);
}

static void converges_with_second_order(void **state)
{
    (void)state;
    struct transport_problem problem = sand;
    problem.retardation = 1.5;
    problem.decay = 0.005;
    double before = 0;
    for (int refine = 1; refine <= 8; refine *= 2) {
        problem.cells = 400 * refine;
        double error = error_after(&problem, 100, 50 * refine);
        /* Second order halves twice; 1.9 leaves room for the next term, 5 % at the coarsest. */
        if (refine > 1)
            assert_in_range((uintmax_t)(100 * log2(before / error)), 190, 210);
        before = error;
    }
}

static void loses_no_mass(void **state)
{
    (void)state;
    struct transport_problem problem = sand;
    problem.retardation = 1.7;
    problem.decay = 0.002;
    struct transport *transport = transport_create(&problem);
    assert_non_null(transport);
    for (int i = 0; i < 2000; i++)
        transport_step(transport, 0.5, i < 300 ? 1 : 0);
    struct transport_balance balance = transport_balance(transport);
    double lost = balance.entered - balance.left - balance.decayed - transport_mass(transport);
    /* Rounding: 2000 steps of 400 sums, 2^-53 each, at worst all one way. */
    assert_true(fabs(lost) < balance.entered * 2000 * 400 * 0x1p-53);
    assert_true(balance.left > 0 && balance.decayed > 0);
    transport_destroy(transport);
}

static void a_pulse_is_the_difference_of_two_fronts(void **state)
{
    (void)state;
    struct transport *transport = transport_create(&sand);
    assert_non_null(transport);
    for (int i = 0; i < 200; i++)
        transport_step(transport, 0.5, i < 80 ? 1 : 0);
    for (double x = 5; x < 50; x += 5) {
        double closed = closed_solution(&sand, x, 100) - closed_solution(&sand, x, 60);
        /* Two fronts, so twice the tolerance of one. */
        assert_true(fabs(transport_concentration(transport, x) - closed) < 1.2e-3);
    }
    transport_destroy(transport);
}

static void never_rings_below_zero_or_above_one(void **state)
{
    (void)state;
    struct transport_problem sharp = sand;
    sharp.cells = 2000; /* D dt / dx2 = 20, where undamped steps ring */
    struct transport *transport = transport_create(&sharp);
    assert_non_null(transport);
    double dx = sharp.length / sharp.cells;
    for (int i = 0; i < 50; i++) {
        transport_step(transport, dx / sharp.velocity, 1);
        for (int cell = 0; cell < sharp.cells; cell++) {
            double c = transport_concentration(transport, (cell + 0.5) * dx);
            /* Undamped, C behind the inlet swings up to 1.7; one damped step still leaves
             * 4e-4, two less than 1e-5. */
            assert_true(c > -1e-5 && c < 1 + 1e-5);
        }
    }
    transport_destroy(transport);
}

static const struct column aquifer = {
    .conductivity = 12,
    .gradient = 0.005,
    .porosity = 0.24,
    .dispersivity = 1,
    .diffusion = 0,
    .retardation = 1.5,
    .half_life = 0,
    .source_days = 1e6,
    .length = 100,
    .well_distance = 50,
    .days = 1000,
    .cells = 500,
};

static void the_well_sees_the_spill_when_the_closed_solution_says(void **state)
{
    (void)state;
    char reason[256];
    struct breakthrough breakthrough;
    assert_int_equal(breakthrough_compute(&aquifer, &breakthrough, reason, sizeof reason), 0);
    struct transport_problem problem = sand; /* v = 12 * 0.005 / 0.24 = 0.25, D = 0.25 */
    problem.retardation = 1.5;
    /* On the rising limb the curve's slope turns the error of 6e-4 into a fraction of a day. */
    double arrived = closed_solution(&problem, 50, breakthrough.arrival_day);
    assert_true(fabs(arrived - BREAKTHROUGH_ARRIVAL) < 6e-4);
    assert_true(breakthrough.peak > 0.999 && breakthrough.peak < 1.001);
    assert_true(fabs(breakthrough.balance_error) < 1e-9);
    breakthrough_fini(&breakthrough);
}

static void a_spill_that_never_comes_has_no_arrival(void **state)
{
    (void)state;
    char reason[256];
    struct column column = aquifer;
    column.days = 10;
    struct breakthrough breakthrough;
    assert_int_equal(breakthrough_compute(&column, &breakthrough, reason, sizeof reason), 0);
    assert_true(isnan(breakthrough.arrival_day));
    breakthrough_fini(&breakthrough);
}

static void a_grid_too_coarse_is_refused_with_the_number_needed(void **state)
{
    (void)state;
    char reason[256];
    struct column column = aquifer;
    column.dispersivity = 0.01;
    struct breakthrough breakthrough;
    assert_int_equal(breakthrough_compute(&column, &breakthrough, reason, sizeof reason), -1);
    assert_non_null(strstr(reason, "at least 5000"));
}

static const char good_input[] = "conductivity = 12\ngradient = 0.005\nporosity = 0.24\n"
                                 "dispersivity=1 # m\n\n# a comment\r\ndiffusion = 5e-5\n"
                                 "retardation = 1.5\nhalf_life = 300\nsource_days = 365\n"
                                 "length = 100\nwell_distance = 50\ndays = 7300\n";

/* column_read on `text`; the sentence without the file's name, or NULL if it was accepted. */
static const char *read_text(const char *text, struct column *ret_column, char *reason)
{
    char path[] = "/tmp/ade1d-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    int result = column_read(path, ret_column, reason, 512);
    unlink(path);
    if (result == 0)
        return NULL;
    const char *place = strstr(reason, path);
    assert_non_null(place);
    return place + strlen(path);
}

static void bad_input_is_named_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *end; /* put behind good_input */
        const char *sentence;
    } cases[] = {
        {"", " does not give cells"},
        {"cells 500\n", ":14: expected `name = value`, found `cells 500`"},
        {"cells = many\n", ":14: cells must be a number, found `many`"},
        {"cells = \n", ":14: cells must be a number, found ``"},
        {"cells = 12.5\n", ":14: cells must be a whole number from 10 to 100000, found `12.5`"},
        {"cells = 9\n", ":14: cells must be a whole number from 10 to 100000, found `9`"},
        {"cels = 500\n", ":14: there is no parameter `cels`"},
        {"days = 7300\n", ":14: days is given twice"},
        {"cells = {cells}\n", ":14: cells must be a number, found `{cells}`"},
    };
    struct column column;
    char text[1024];
    char reason[512];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(text, sizeof text, "%s%s", good_input, cases[i].end);
        const char *sentence = read_text(text, &column, reason);
        assert_non_null(sentence);
        assert_string_equal(sentence, cases[i].sentence);
    }
}

static void values_out_of_bounds_are_refused(void **state)
{
    (void)state;
    char reason[512];
    struct column column = aquifer;
    column.porosity = 1;
    assert_int_equal(column_check(&column, reason, sizeof reason), -1);
    assert_string_equal(reason, "porosity must lie between 0.001 and 0.999, found 1");
    column = aquifer;
    column.retardation = NAN;
    assert_int_equal(column_check(&column, reason, sizeof reason), -1);
    column = aquifer;
    column.well_distance = 100;
    assert_int_equal(column_check(&column, reason, sizeof reason), -1);
    assert_int_equal(column_read("/nonexistent/in", &column, reason, sizeof reason), -1);
    assert_string_equal(reason, "cannot open /nonexistent/in: No such file or directory");
}

static void good_input_is_read(void **state)
{
    (void)state;
    struct column column;
    char text[1024];
    char reason[512];
    snprintf(text, sizeof text, "%scells = 500", good_input); /* no newline at the end */
    assert_null(read_text(text, &column, reason));
    assert_int_equal(column.cells, 500);
    assert_true(column.dispersivity == 1 && column.diffusion == 5e-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_input_is_named_with_its_line),
        cmocka_unit_test(values_out_of_bounds_are_refused),
        cmocka_unit_test(good_input_is_read),
        cmocka_unit_test(a_grid_too_coarse_is_refused_with_the_number_needed),
        cmocka_unit_test(follows_ogata_and_banks),
        cmocka_unit_test(follows_the_solution_with_sorption_and_decay),
        cmocka_unit_test(converges_with_second_order),
        cmocka_unit_test(loses_no_mass),
        cmocka_unit_test(a_pulse_is_the_difference_of_two_fronts),
        cmocka_unit_test(never_rings_below_zero_or_above_one),
        cmocka_unit_test(the_well_sees_the_spill_when_the_closed_solution_says),
        cmocka_unit_test(a_spill_that_never_comes_has_no_arrival),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The estimator "glm" on small cases whose answer is known beforehand: covariance groups, tied
 * bounds, thresholds, regularisation by portion, forgiveness; and cases that are odd (no weights,
 * no derivatives, values outside of bounds).
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "master/pest/ensemble.h"
#include "tests/master/pest/glm_rig.h"
#include "tests/scratch.h"

static struct glm_rig_result result;
static double first[8]; /* what the first run saw */
static long runs;

/* What of a control file differs from case to case. */
struct text {
    const char *mode, *counts, *lambda, *limits, *noptmax, *sections, *groups, *parameters,
        *observations, *tail;
};

#define NOT_GIVEN(text, fallback) ((text) ? (text) : (fallback))

static const char *control_of(const struct text *text)
{
    static char control[8192];

    snprintf(control, sizeof control,
             "pcf\n* control data\nrestart %s\n%s\n1 1 double point 1 0 0\n"
             "10.0 -3.0 0.3 0.03 10 %s\n%s\n0.1\n%s\n0 0 0\n%s* parameter groups\n%s"
             "* parameter data\n%s* observation groups\n%s* model command line\nm\n"
             "* model input/output\na.tpl a\nb.ins b\n%s",
             NOT_GIVEN(text->mode, "estimation"), text->counts, NOT_GIVEN(text->lambda, ""),
             NOT_GIVEN(text->limits, "10.0 10.0 0.001"),
             NOT_GIVEN(text->noptmax, "30 0.005 4 4 0.005 4"), NOT_GIVEN(text->sections, ""),
             NOT_GIVEN(text->groups, "pg relative 0.01 0.0 always_2 2.0 parabolic\n"),
             text->parameters, text->observations, NOT_GIVEN(text->tail, ""));
    return control;
}

static void run(const struct text *text, glm_rig_model *model)
{
    struct glm_rig rig = {.control = control_of(text), .model = model, .slots = 2};

    runs = 0;
    glm_rig_run(&rig, &result);
}

static void run_well(const struct text *text, glm_rig_model *model)
{
    run(text, model);
    if (result.failed)
        fail_msg("%s", result.error.text);
}

static void seen(const double *p, size_t count)
{
    if (runs++ == 0)
        memcpy(first, p, count * sizeof *p);
}

/* o = (x, x, 2 x) */
static void one_line(const double *p, size_t count, double *o)
{
    seen(p, count);
    o[0] = o[1] = p[0];
    o[2] = 2.0 * p[0];
}

/* o = p */
static void identity(const double *p, size_t count, double *o)
{
    seen(p, count);
    memcpy(o, p, count * sizeof *p);
}

static void near(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance))
        fail_msg("%.17g is not %.17g (within %g)", a, b, tolerance);
}

/* --- initial values and bounds ------------------------------------------------------------ */

/* 10^log10(5e-3) is 0.004999999999999999. */
static void the_first_run_sees_the_very_numbers_of_the_control_file(void **state)
{
    static const struct text text = {
        .counts = "3 3 1 0 1",
        .parameters = "a log factor 5e-3 1e-5 1 pg 1 0 1\nb log factor 0.07 1e-6 1.0 pg 1 0 1\n"
                      "c tied factor 0.035 1e-6 1.0 pg 1 0 1\nc b\n",
        .observations = "og\n* observation data\no1 0.1 1 og\no2 0.3 1 og\no3 0.1 0 og\n"};

    (void)state;
    run_well(&text, identity);
    assert_true(first[0] == 5e-3 && first[1] == 0.07 && first[2] == 0.035);
    near(result.parameters[0], 0.1, 1e-6);
    near(result.parameters[2], 0.15, 1e-6);
}

/* Both would like to be far outside. 0.003 and 0.7 are not what their logarithms give back. */
static void parameters_at_bounds_are_the_bounds_themselves(void **state)
{
    static const struct text text = {
        .counts = "2 2 1 0 1",
        .parameters =
            "a log factor 0.01 0.003 1 pg 1 0 1\nb log factor 0.1 1e-6 0.7 pg 1 0 1\n",
        .observations = "og\n* observation data\no1 1e-6 1 og\no2 30 1 og\n"};

    (void)state;
    run_well(&text, identity);
    assert_true(result.parameters[0] == 0.003 && result.parameters[1] == 0.7);
    assert_in_range(result.runs, 1, 20);
}

static void a_value_outside_of_its_bounds_begins_on_them(void **state)
{
    static const struct text text = {
        .counts = "2 2 1 0 1",
        .parameters = "a none relative 9 1 5 pg 1 0 1\nb tied relative 18 0 90 pg 1 0 1\nb a\n",
        .observations = "og\n* observation data\no1 2 1 og\no2 4 1 og\n"};

    (void)state;
    run_well(&text, identity);
    assert_true(first[0] == 5.0 && first[1] == 10.0);
    near(result.parameters[0], 2.0, 1e-6);
}

/* b = 2 a may be 6 at most, so a ends at 3 and not at 8. */
static void bounds_of_tied_parameters_can_hold_their_parents(void **state)
{
    struct text text = {
        .counts = "2 2 1 0 1",
        .parameters = "a log factor 1 0.1 10 pg 1 0 1\nb tied factor 2 0.1 6 pg 1 0 1\nb a\n",
        .observations = "og\n* observation data\no1 8 1 og\no2 0 0 og\n",
        .tail = "++enforce_tied_bounds(true)\n"};

    (void)state;
    run_well(&text, identity);
    assert_true(result.parameters[0] == 3.0 && result.parameters[1] == 6.0);
    text.tail = NULL;
    run_well(&text, identity);
    near(result.parameters[0], 8.0, 1e-6);
    text.tail = "++enforce_tied_bounds(true)\n";
    text.parameters = "a none factor 1 0.1 10 pg 1 0 1\nb tied factor 2 50 60 pg 1 0 1\nb a\n";
    run(&text, identity);
    assert_true(result.failed);
    assert_non_null(strstr(result.error.text, "leave no value"));
}

/* --- covariances -------------------------------------------------------------------------- */

/* Of o1 = x and o2 = x, 1 and 3 are measured with C = (2 1; 1 3), and 4 of o3 = 2 x with weight 1.
 * C⁻¹ = (3 -1; -1 2) / 5; x = (1ᵗC⁻¹(1, 3) + 2 * 4) / (1ᵗC⁻¹1 + 4) = (1 + 8) / (0.6 + 4). */
static void a_covariance_file_weighs_a_group(void **state)
{
    struct text text = {
        .counts = "1 3 1 0 2",
        .parameters = "x none relative 1 -100 100 pg 1 0 1\n",
        .observations =
            "og c.mat\nfree\n* observation data\no1 1 1 og\no2 3 7 og\no3 4 1 free\n"};
    double x = 9.0 / 4.6, a = 1.0 - x, b = 3.0 - x, c = 4.0 - 2.0 * x;

    (void)state;
    scratch_text("c.mat", "2 2 1\n2 1\n1 3\n* row and column names\no1\no2\n");
    run_well(&text, one_line);
    near(result.parameters[0], x, 1e-8);
    near(result.phi, (3.0 * a * a - 2.0 * a * b + 2.0 * b * b) / 5.0 + c * c, 1e-12);
    /* What is reported is the Jacobian as it was, not whitened. */
    near(result.jacobian[0], 1.0, 1e-9);
    near(result.jacobian[1], 1.0, 1e-9);
    near(result.jacobian[2], 2.0, 1e-9);
    /* Without o2 the variance of o1 alone counts: x = (1 / 2 + 8) / (1 / 2 + 4). */
    text.observations =
        "og c.mat\nfree\n* observation data\no1 1 1 og\no2 3 0 og\no3 4 1 free\n";
    run_well(&text, one_line);
    near(result.parameters[0], 8.5 / 4.5, 1e-8);
    scratch_text("c.mat", "1 1 1\n2\n* row and column names\no1\n");
    text.observations =
        "og c.mat\nfree\n* observation data\no1 1 1 og\no2 3 1 og\no3 4 1 free\n";
    run(&text, one_line);
    assert_true(result.failed);
    assert_non_null(strstr(result.error.text, "o2"));
}

/* --- thresholds --------------------------------------------------------------------------- */

static void rosenbrock(const double *p, size_t count, double *o)
{
    seen(p, count);
    o[0] = 10.0 * (p[1] - p[0] * p[0]);
    o[1] = 1.0 - p[0];
}

static void phiabandon_gives_up_after_the_first_iteration(void **state)
{
    struct text text = {
        .counts = "2 2 1 0 1",
        .parameters =
            "x none relative -1.2 -10 10 pg 1 0 1\ny none relative 1.0 -10 10 pg 1 0 1\n",
        .groups = "pg relative 0.01 0.001 switch 2.0 parabolic\n",
        .observations = "og\n* observation data\nr1 0 1 og\nr2 0 1 og\n",
        .noptmax = "30 0.005 4 4 0.005 4 0.0 1 0.5"};

    (void)state;
    run_well(&text, rosenbrock);
    assert_int_equal(result.iterations, 1);
    assert_non_null(strstr(result.reason, "PHIABANDON"));
    text.noptmax = "30 0.005 4 4 0.005 4 0.0 1 24.0";
    run_well(&text, rosenbrock);
    assert_true(result.phi < 1e-20);
}

/* --- forgiveness -------------------------------------------------------------------------- */

static bool a_derivative_fails(long number, const char *purpose, size_t index)
{
    (void)purpose;
    (void)index;
    return number == 2;
}

static bool a_trial_fails(long number, const char *purpose, size_t index)
{
    (void)number;
    return index == 0 && strcmp(purpose, "lambda search") == 0;
}

/* The control file's words count, and `++` options more. */
static void failed_runs_are_forgiven_as_the_control_file_says(void **state)
{
    static const struct {
        const char *words, *options, *complaint;
        bool (*fails)(long number, const char *purpose, size_t index);
    } cases[] = {
        {NULL, NULL, NULL, a_derivative_fails},
        {"noderforgive", NULL, "der_forgive", a_derivative_fails},
        {"noderforgive", "++der_forgive(true)\n", NULL, a_derivative_fails},
        {"derforgive", "++der_forgive(false)\n", "der_forgive", a_derivative_fails},
        {"lamforgive derforgive", NULL, NULL, a_trial_fails},
        {"nolamforgive", NULL, "lambda_forgive", a_trial_fails},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct text text = {
            .counts = "2 2 1 0 1",
            .lambda = cases[i].words,
            .tail = cases[i].options,
            .parameters = "a none relative 1 -9 9 pg 1 0 1\nb none relative 1 -9 9 pg 1 0 1\n",
            .observations = "og\n* observation data\no1 2 1 og\no2 3 1 og\n"};
        struct glm_rig rig = {.control = control_of(&text),
                              .model = identity,
                              .slots = 1,
                              .fails = cases[i].fails};

        glm_rig_run(&rig, &result);
        assert_int_equal(result.failed, cases[i].complaint != NULL);
        if (cases[i].complaint)
            assert_non_null(strstr(result.error.text, cases[i].complaint));
    }
}

/* --- the Jacobian ------------------------------------------------------------------------- */

static void a_compressed_jacobian_drops_small_derivatives(void **state)
{
    struct text text = {.counts = "1 3 1 0 1 2 1.5",
                        .noptmax = "-1 0.005 4 4 0.005 4",
                        .parameters = "x none relative 1 -100 100 pg 1 0 1\n",
                        .observations =
                            "og\n* observation data\no1 1 1 og\no2 3 1 og\no3 4 1 og\n"};

    (void)state;
    run_well(&text, one_line);
    assert_true(result.jacobian[0] == 0.0 && result.jacobian[1] == 0.0);
    near(result.jacobian[2], 2.0, 1e-9);
    text.counts = "1 3 1 0 1 0 1.5"; /* not compressed */
    run_well(&text, one_line);
    near(result.jacobian[0], 1.0, 1e-9);
}

/* Two parameters whose sum alone is known share what is missing: each by its part of the smallest
 * step. With BOUNDSCALE "small" is against the distance between bounds, squared: 10² to 1². */
static void sum_of_two(const double *p, size_t count, double *o)
{
    seen(p, count);
    o[0] = p[0] + p[1];
}

static void boundscale_measures_steps_by_bounds(void **state)
{
    struct text text = {
        .counts = "2 1 1 0 1",
        .sections = "* singular value decomposition\n1\n2 1e-6\n0\n",
        .groups = "pg absolute 0.01 0.0 always_2 2.0 parabolic\n",
        .parameters = "x none relative 1 -4 6 pg 1 0 1\ny none relative 1 0.5 1.5 pg 1 0 1\n",
        .observations = "og\n* observation data\no1 3.01 1 og\n"};
    char control[8192];
    struct glm_rig rig = {.control = control, .model = sum_of_two, .slots = 1};

    (void)state;
    snprintf(control, sizeof control, "%s", control_of(&text));
    memcpy(strstr(control, "\n0.1\n"), "\n.1 \n", 5);
    glm_rig_run(&rig, &result);
    assert_false(result.failed);
    near(result.parameters[1], 1.5, 1e-3); /* half of 1.01, and the bound */
    {
        char scaled[8400];
        char *line = strstr(control, "\n.1 \n");

        snprintf(scaled, sizeof scaled, "%.*s\n0.1 boundscale\n%s", (int)(line - control),
                 control, line + 5);
        rig.control = scaled;
        glm_rig_run(&rig, &result);
        assert_false(result.failed);
        near(result.parameters[1], 1.01, 1e-3);
        near(result.parameters[0], 2.0, 1e-3);
    }
}

/* --- regularisation ----------------------------------------------------------------------- */

/* min (4 - x)² + f² x², where f² makes the second the portion p of phi where an iteration begins:
 * p = 3/4 at x = 2 is f² = 3 * 4 / 4, and x = 4 / (1 + f²) = 1. At x = 3 it is f² = 3 * 1 / 9, and
 * x stays. */
static void a_portion_of_phi_is_regularisation(void **state)
{
    static const char tail[] = "* prior information\np1 1.0 * x = 0.0 1.0 regul\n"
                               "* regularisation\n1e-3 1.1e-3\n1.0 1e-10 1e10\n1.3 0.01\n"
                               "++reg_frac(0.75)\n";
    struct text text = {.mode = "regularisation",
                        .counts = "1 1 1 1 2",
                        .noptmax = "1 0.005 4 4 0.005 4",
                        .parameters = "x none relative 2 -100 100 pg 1 0 1\n",
                        .observations = "og\nregul\n* observation data\no1 4 1 og\n",
                        .tail = tail};
    char wrong[300];

    (void)state;
    run_well(&text, identity);
    near(result.parameters[0], 1.0, 1e-6);
    text.parameters = "x none relative 3 -100 100 pg 1 0 1\n";
    text.noptmax = NULL;
    run_well(&text, identity);
    near(result.parameters[0], 3.0, 1e-6);
    snprintf(wrong, sizeof wrong, "%s", tail);
    memcpy(strstr(wrong, "0.75"), "7.5 ", 4);
    text.tail = wrong;
    run(&text, identity);
    assert_true(result.failed);
    assert_non_null(strstr(result.error.text, "reg_frac"));
}

/* --- realisations of the posterior ---------------------------------------------------------- */

static bool the_third_realisation_fails(long number, const char *purpose, size_t index)
{
    (void)number;
    return index == 2 && strcmp(purpose, "posterior realisations") == 0;
}

static void ensemble_read_all(const char *path, const char *const *names, struct ensemble *ret)
{
    struct error error;

    if (ensemble_load(path, names, 2, NULL, 0, ret, &error) != 0)
        fail_msg("%s", error.text);
}

/* Measured are a = 2 with weight 4 and log10 b = 1 with weight 10, and bounds give prior deviations
 * of 1 / 2: variances are 1 / (16 + 4) and 1 / (100 + 4), and there is no covariance. Means of 400
 * are within 5 of their standard deviations, and so are variances (sqrt(2 / 400) of themselves). */
static void a_and_log_b(const double *p, size_t count, double *o)
{
    seen(p, count);
    o[0] = p[0];
    o[1] = log10(p[1]);
}

static void posterior_check(const struct ensemble *parameters)
{
    static const double means[] = {2.0, 1.0}, variances[] = {1.0 / 20.0, 1.0 / 104.0};

    for (size_t k = 0; k < 2; k++) {
        double sum = 0.0, squares = 0.0, n = (double)parameters->realisations;

        for (size_t r = 0; r < parameters->realisations; r++) {
            double value = parameters->values[r * 2 + k];
            double off = (k ? log10(value) : value) - means[k];

            sum += off;
            squares += off * off;
        }
        near(sum / n, 0.0, 5.0 * sqrt(variances[k] / n));
        near(squares / n, variances[k], 5.0 * variances[k] * sqrt(2.0 / n));
    }
}

static void realisations_of_the_posterior_are_run_at_the_end(void **state)
{
    static const char *const names[] = {"a", "b"}, *const outputs[] = {"o1", "o2"};
    struct text text = {.counts = "2 2 1 0 1",
                        .parameters =
                            "a none relative 1 1 3 pg 1 0 1\nb log factor 1 1 100 pg 1 0 1\n",
                        .observations = "og\n* observation data\no1 2 4 og\no2 1 10 og\n",
                        .tail = "++glm_num_reals(400)\n"};
    struct glm_rig rig = {.model = a_and_log_b,
                          .slots = 3,
                          .output_base = "case",
                          .fails = the_third_realisation_fails};
    struct ensemble parameters, observations, fewer;
    long alone;

    (void)state;
    rig.control = control_of(&text);
    glm_rig_run(&rig, &result);
    assert_false(result.failed);
    alone = result.runs - 400;
    assert_in_range(alone, 3, 20);
    ensemble_read_all("case.post.paren.csv", names, &parameters);
    ensemble_read_all("case.post.obsen.csv", outputs, &observations);
    assert_int_equal(parameters.realisations, 400);
    assert_int_equal(observations.realisations, 399);
    posterior_check(&parameters);
    assert_string_equal(observations.names[2], "3");
    assert_true(observations.values[4] == parameters.values[6]); /* o1 of "3" is its a */
    for (size_t r = 0; r < 400; r++)
        assert_true(parameters.values[2 * r] >= 1.0 && parameters.values[2 * r] <= 3.0);
    text.tail = "++glm_num_reals(5)\n++save_binary(true)\n";
    rig.control = control_of(&text);
    glm_rig_run(&rig, &result);
    assert_int_equal(result.runs, alone + 5);
    ensemble_read_all("case.post.paren.jcb", names, &fewer);
    assert_memory_equal(fewer.values, parameters.values, 10 * sizeof(double));
    ensemble_fini(&parameters);
    ensemble_fini(&observations);
    ensemble_fini(&fewer);
    text.tail = "++glm_num_reals(5)\n++uncertainty(false)\n";
    run(&text, identity);
    assert_true(result.failed);
    assert_non_null(strstr(result.error.text, "++uncertainty(false) forbids"));
}

/* --- odd cases ---------------------------------------------------------------------------- */

static void a_parameter_without_an_increment_stays(void **state)
{
    static const struct text text = {
        .counts = "2 2 2 0 1",
        .groups = "pg relative 0.01 0.0 always_2 2.0 parabolic\n"
                  "still relative 0.0 0.0 always_2 2.0 parabolic\n",
        .parameters = "a none relative 1 -9 9 pg 1 0 1\nb log factor 0.3 0.1 9 still 1 0 1\n",
        .observations = "og\n* observation data\no1 2 1 og\no2 3 1 og\n"};

    (void)state;
    run_well(&text, identity);
    near(result.parameters[0], 2.0, 1e-6); /* phi is 7.29, and 1e-12 of it nothing */
    assert_true(result.parameters[1] == 0.3);
}

static void a_facparmax_of_1_leaves_relparmax(void **state)
{
    static const struct text text = {.counts = "1 1 1 0 1",
                                     .limits = "0.5 1.0 0.001",
                                     .noptmax = "1 0.005 4 4 0.005 4",
                                     .parameters = "a log factor 1 1e-3 1e3 pg 1 0 1\n",
                                     .observations = "og\n* observation data\no1 100 1 og\n"};

    (void)state;
    run_well(&text, identity);
    near(result.parameters[0], 1.5, 1e-9);
}

static void a_log_bound_of_0_is_as_low_as_can_be(void **state)
{
    static const struct text text = {.counts = "1 1 1 0 1",
                                     .parameters = "a log factor 1 0 1e3 pg 1 0 1\n",
                                     .observations =
                                         "og\n* observation data\no1 1e-3 1e3 og\n"};

    (void)state;
    run_well(&text, identity);
    near(result.parameters[0], 1e-3, 1e-8);
}

static void cases_without_anything_to_fit_are_told_so(void **state)
{
    struct text text = {.counts = "1 1 1 0 1",
                        .parameters = "a none relative 1 0 9 pg 1 0 1\n",
                        .observations = "og\n* observation data\no1 100 0 og\n"};

    (void)state;
    run(&text, identity);
    assert_true(result.failed);
    assert_non_null(strstr(result.error.text, "every weight is 0"));
    text.noptmax = "-1 0.005 4 4 0.005 4"; /* a Jacobian needs none */
    run_well(&text, identity);
    near(result.jacobian[0], 1.0, 1e-9);
    text.counts = "1 0 1 0 1";
    text.observations = "og\n* observation data\n";
    run(&text, identity);
    assert_true(result.failed);
    assert_non_null(strstr(result.error.text, "no observations"));
}

static void a_single_run_needs_nothing_adjustable(void **state)
{
    struct text text = {.counts = "1 1 1 0 1",
                        .noptmax = "0 0.005 4 4 0.005 4",
                        .parameters = "a fixed relative 1 0 9 pg 1 0 1\n",
                        .observations = "og\n* observation data\no1 3 1 og\n"};

    (void)state;
    run_well(&text, identity);
    assert_int_equal(result.runs, 1);
    near(result.phi, 4.0, 0.0);
    text.noptmax = "3 0.005 4 4 0.005 4";
    run(&text, identity);
    assert_true(result.failed);
    assert_non_null(strstr(result.error.text, "fixed or tied"));
}

static void a_forecast_must_be_an_observation(void **state)
{
    static const struct text text = {.counts = "1 1 1 0 1",
                                     .parameters = "a none relative 1 0 9 pg 1 0 1\n",
                                     .observations = "og\n* observation data\no1 3 1 og\n",
                                     .tail = "++forecasts(o1, o7)\n"};

    (void)state;
    run(&text, identity);
    assert_true(result.failed);
    assert_non_null(strstr(result.error.text, "\"o7\", which is no observation"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cases_without_anything_to_fit_are_told_so),
        cmocka_unit_test(a_forecast_must_be_an_observation),
        cmocka_unit_test(a_single_run_needs_nothing_adjustable),
        cmocka_unit_test(a_parameter_without_an_increment_stays),
        cmocka_unit_test(a_facparmax_of_1_leaves_relparmax),
        cmocka_unit_test(a_log_bound_of_0_is_as_low_as_can_be),
        cmocka_unit_test(a_value_outside_of_its_bounds_begins_on_them),
        cmocka_unit_test(the_first_run_sees_the_very_numbers_of_the_control_file),
        cmocka_unit_test(parameters_at_bounds_are_the_bounds_themselves),
        cmocka_unit_test(bounds_of_tied_parameters_can_hold_their_parents),
        cmocka_unit_test(a_covariance_file_weighs_a_group),
        cmocka_unit_test(phiabandon_gives_up_after_the_first_iteration),
        cmocka_unit_test(failed_runs_are_forgiven_as_the_control_file_says),
        cmocka_unit_test(a_compressed_jacobian_drops_small_derivatives),
        cmocka_unit_test(boundscale_measures_steps_by_bounds),
        cmocka_unit_test(a_portion_of_phi_is_regularisation),
        cmocka_unit_test(realisations_of_the_posterior_are_run_at_the_end),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}

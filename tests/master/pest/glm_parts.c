/*
 * Parts of the estimator "glm": derivative formulas on polynomials, where points are put, limits,
 * parameters there and back, phi with prior information, the model on a quadratic.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "master/pest/glm_derivatives.h"
#include "master/pest/glm_limits.h"
#include "master/pest/glm_model.h"
#include "master/pest/glm_objective.h"
#include "master/pest/glm_stencil.h"
#include "master/pest/glm_stop.h"
#include "master/pest/wave.h"

/* --- stencils ----------------------------------------------------------------------------- */

static double power(double x, int degree)
{
    double product = 1.0;

    for (int i = 0; i < degree; i++)
        product *= x;
    return product;
}

/* The derivative at 0 of x^degree, by the stencil. */
static double slope(enum pest_dermthd method, const double *x, size_t count, int degree)
{
    double base, weights[GLM_STENCIL_MAX], sum;

    assert_int_equal(glm_stencil_weights(method, x, count, &base, weights), 0);
    sum = base * power(0.0, degree);
    for (size_t i = 0; i < count; i++)
        sum += weights[i] * power(x[i], degree);
    return sum;
}

static void stencils_are_exact_up_to_their_degree(void **state)
{
    static const struct {
        enum pest_dermthd method;
        double x[GLM_STENCIL_MAX];
        size_t count;
        int degree;
    } cases[] = {
        {PEST_PARABOLIC, {0.1}, 1, 1},
        {PEST_PARABOLIC, {0.1, -0.1}, 2, 2},
        {PEST_PARABOLIC, {0.1, 0.25}, 2, 2}, /* both on one side */
        {PEST_PARABOLIC, {0.1, -0.03}, 2, 2},
        {PEST_OUTSIDE_PTS, {0.1, -0.1}, 2, 2}, /* symmetric: x² cancels */
        {PEST_OUTSIDE_PTS, {0.1, 0.2}, 2, 1},
        {PEST_BEST_FIT, {0.1, -0.3}, 2, 1},
        {PEST_MINVAR, {0.1, -0.1, 0.2, -0.2}, 4, 2},
        {PEST_MINVAR, {0.1, 0.2, 0.3, 0.4}, 4, 2},
        {PEST_MAXPREC, {0.1, -0.1, 0.2, -0.2}, 4, 4},
        {PEST_MAXPREC, {1e-6, 2e-6, 3e-6, 4e-6}, 4, 4},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int degree = 0; degree <= cases[i].degree; degree++) {
            double got = slope(cases[i].method, cases[i].x, cases[i].count, degree);

            /* Weights are of the size 1/x: 1e-10 of that is far above rounding. */
            if (fabs(got - (degree == 1)) > 1e-10 / fabs(cases[i].x[0]))
                fail_msg("case %zu: the slope of x^%d is %g", i, degree, got);
        }
}

static void five_points_have_their_known_weights(void **state)
{
    static const double x[] = {1, -1, 2, -2};
    double base, weights[GLM_STENCIL_MAX];

    (void)state;
    /* Savitzky-Golay: (-2, -1, 0, 1, 2) / 10; Lagrange: (1, -8, 0, 8, -1) / 12. */
    glm_stencil_weights(PEST_MINVAR, x, 4, &base, weights);
    assert_true(fabs(weights[0] - 0.1) < 1e-14 && fabs(weights[2] - 0.2) < 1e-14);
    glm_stencil_weights(PEST_MAXPREC, x, 4, &base, weights);
    assert_true(fabs(weights[0] - 8 / 12.0) < 1e-13 && fabs(weights[2] + 1 / 12.0) < 1e-13);
}

static void points_that_coincide_are_refused(void **state)
{
    static const double same[] = {0.1, 0.1}, zero[] = {0.0}, bad[] = {NAN, 0.1};
    double base, weights[GLM_STENCIL_MAX];

    (void)state;
    assert_int_equal(glm_stencil_weights(PEST_PARABOLIC, same, 2, &base, weights), -1);
    assert_int_equal(glm_stencil_weights(PEST_PARABOLIC, zero, 1, &base, weights), -1);
    assert_int_equal(glm_stencil_weights(PEST_PARABOLIC, bad, 2, &base, weights), -1);
    assert_int_equal(glm_stencil_weights(PEST_PARABOLIC, bad, 0, &base, weights), -1);
}

/* --- a control file ----------------------------------------------------------------------- */

static const char text[] =
    "pcf\n* control data\nrestart estimation\n7 3 3 2 2\n1 1 double point 1 0 0\n"
    "10.0 -3.0 0.3 0.03 10\n2.0 3.0 0.001\n0.1\n30 0.005 4 4 0.005 4\n0 0 0\n"
    "* parameter groups\nga relative 0.01 0.0 always_2 2.0 parabolic\n"
    "gb rel_to_max 0.1 0.0 always_3 1.5 parabolic\ngc absolute 0.2 0.0 always_5 1.0 maxprec\n"
    "* parameter data\n"
    "a none relative 4.0 0.0 10.0 ga 1 0 1\n"
    "b log factor 10.0 1.0 20.0 ga 1 0 1\n"
    "c none relative 2.0 0.0 9.0 gb 1 0 1\n"
    "d none relative 8.9 0.0 9.0 gb 1 0 1\n"
    "e tied relative 8.0 0.0 90.0 ga 1 0 1\n"
    "f fixed relative 7.0 0.0 90.0 ga 1 0 1\n"
    "g none relative 0.0 -1.0 1.0 gc 1 0 1\n"
    "e a\n"
    "* observation groups\nog\npg\n* observation data\no1 1.0 2.0 og\no2 2.0 0.0 og\n"
    "o3 3.0 1.0 og\n* model command line\nm\n* model input/output\na.tpl a\nb.ins b\n"
    "* prior information\np1 2.0 * a + 1.0 * log(b) = 3.0 2.0 pg\n"
    "p2 1.0 * c - 1.0 * d = 0.0 1.0 pg\n";

static struct pest_control *control;
static struct glm_parameters parameters;

static int setup(void **state)
{
    char path[] = "/tmp/beofarm-glm-parts-XXXXXX.pst";
    int fd = mkstemps(path, 4);
    FILE *file = fdopen(fd, "w");
    struct error error = {0};

    (void)state;
    fputs(text, file);
    fclose(file);
    control = pest_control_read(path, &error);
    unlink(path);
    if (!control)
        print_message("%s\n", error.text);
    return control && glm_parameters_init(&parameters, control, false, &error) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    glm_parameters_fini(&parameters);
    pest_control_free(control);
    return 0;
}

static void parameters_go_there_and_back(void **state)
{
    double transformed[5], values[7];

    (void)state;
    assert_int_equal(parameters.count, 5);
    glm_parameters_reduce(&parameters, parameters.initial, transformed);
    assert_true(transformed[1] == 1.0); /* log10 of b */
    transformed[0] = 5.0;
    transformed[1] = 7.0; /* out of bounds */
    glm_parameters_expand(&parameters, transformed, values);
    assert_true(values[0] == 5.0 && values[4] == 10.0); /* e stays twice a */
    assert_true(values[1] == 20.0);
    assert_true(values[5] == 7.0);
}

/* --- where the points are ----------------------------------------------------------------- */

static void points_respect_increments_and_bounds(void **state)
{
    struct glm_derivatives derivatives;
    struct error error;
    struct wave wave;
    const double *row;

    (void)state;
    wave_init(&wave, 7, 3);
    assert_int_equal(glm_derivatives_init(&derivatives, 5, &error), 0);
    assert_int_equal(glm_derivatives_plan(&derivatives, &parameters, parameters.initial, false,
                                          false, &wave, &error),
                     0);
    assert_int_equal(wave.run_count, 1 + 1 + 2 + 2 + 4);
    row = wave.parameters;
    assert_true(fabs(row[0] - 4.04) < 1e-12 && fabs(row[4] - 8.08) < 1e-12);
    row += 7;
    assert_true(fabs(row[1] - 10.1) < 1e-12 && row[0] == 4.0 && row[4] == 8.0);
    /* rel_to_max: 0.1 of d's 8.9, times DERINCMUL: 1.335 to both sides of c */
    row += 7;
    assert_true(fabs(row[2] - 3.335) < 1e-12 && fabs(row[9] - 0.665) < 1e-12);
    /* no room above d: both below */
    row += 14;
    assert_true(fabs(row[3] - 7.565) < 1e-12 && fabs(row[10] - 6.23) < 1e-12);
    /* five points about g: half of the increment and all of it */
    row += 14;
    assert_true(fabs(row[6] - 0.1) < 1e-15 && fabs(row[13] + 0.1) < 1e-15);
    assert_true(fabs(row[20] - 0.2) < 1e-15 && fabs(row[27] + 0.2) < 1e-15);
    for (size_t r = 0; r < wave.run_count; r++)
        for (size_t p = 0; p < 7; p++)
            assert_true(wave.parameters[r * 7 + p] >= control->parameters[p].parlbnd &&
                        wave.parameters[r * 7 + p] <= control->parameters[p].parubnd);
    glm_derivatives_fini(&derivatives);
    wave_fini(&wave);
}

static double to_tens(void *context, size_t parameter, double value)
{
    (void)context;
    (void)parameter;
    return round(value * 10.0) / 10.0;
}

static void an_increment_lost_in_writing_grows(void **state)
{
    struct glm_derivatives derivatives;
    struct error error;
    struct wave wave;

    (void)state;
    wave_init(&wave, 7, 3);
    parameters.written = to_tens; /* 4.04 becomes 4.0; 4.08 becomes 4.1 */
    assert_int_equal(glm_derivatives_init(&derivatives, 5, &error), 0);
    glm_derivatives_plan(&derivatives, &parameters, parameters.initial, false, false, &wave,
                         &error);
    assert_true(wave.parameters[0] == 4.1);
    assert_true(derivatives.stencils[0].x[0] == 4.1 - 4.0);
    parameters.written = NULL;
    glm_derivatives_fini(&derivatives);
    wave_fini(&wave);
}

/* --- limits ------------------------------------------------------------------------------- */

static void limits_are_relative_or_factors_or_bounds(void **state)
{
    struct glm_limits limits;
    struct error error;
    double origin[5];

    (void)state;
    glm_parameters_reduce(&parameters, parameters.initial, origin);
    assert_int_equal(glm_limits_init(&limits, 5, &error), 0);
    glm_limits_set(&limits, &parameters, parameters.initial, origin, NULL);
    assert_true(limits.lower[0] == -4.0 && limits.upper[0] == 6.0); /* RELPARMAX 2, bounds */
    assert_true(fabs(limits.lower[1] + log10(3.0)) < 1e-14);        /* FACPARMAX 3 */
    assert_true(fabs(limits.upper[1] - log10(2.0)) < 1e-14);        /* the bound is nearer */
    assert_true(limits.upper[2] == 4.0);
    /* g is 0 and began so: FACORIG times its bounds, times RELPARMAX */
    assert_true(fabs(limits.upper[4] - 0.002) < 1e-15);
    glm_limits_fini(&limits);
}

/* --- phi ---------------------------------------------------------------------------------- */

static void phi_counts_weights_and_prior_information(void **state)
{
    static const double observations[] = {2.0, 99.0, 5.0};
    struct error error;
    struct glm_objective *objective =
        glm_objective_create(control, &parameters, "/tmp", &error);
    double residuals[5], groups[2];
    struct glm_phi phi = {.groups = groups};
    struct jacobian_view view = {.observations = 3, .parameters = 5};

    (void)state;
    assert_non_null(objective);
    assert_int_equal(
        glm_objective_residuals(objective, parameters.initial, observations, residuals, &error),
        0);
    glm_objective_phi(objective, residuals, 1.0, &phi);
    /* (2 * -1)² + 0 + (-2)² and prior: 3 - (8 + 1) = -6, twice: 144; 6.9² */
    assert_true(fabs(groups[0] - 8.0) < 1e-12);
    assert_true(fabs(groups[1] - (144.0 + 6.9 * 6.9)) < 1e-12);
    assert_true(fabs(phi.total - groups[0] - groups[1]) < 1e-12);
    glm_objective_prior_rows(objective, parameters.initial, &view);
    assert_int_equal(view.priors, 2);
    assert_true(view.prior_values[0] == 2.0 && fabs(view.prior_values[1] - 1.0) < 1e-15);
    glm_objective_destroy(objective);
}

/* --- groups that speak too loud, and parameters that stick ----------------------------------- */

/* Group og has the weights 2, 0 and 1 and derivatives 1 and 3 with respect to one parameter: (2 *
 * 1)² + 3² = 13, size 5. pg: (2 * 2)² + (2 * 1)² + 1 + 1 = 22 (term by term), size 4 + 1 = 5. */
static void regularisation_groups_are_made_as_loud_as_each_other(void **state)
{
    static const double column[] = {1.0, 9.0, 3.0}, zero[] = {0.0, 0.0, 0.0};
    static const double *const columns[] = {column, zero, zero, zero, zero};
    static const double expected[][2] = {{13.0, 22.0}, {5.0, 5.0}, {0.0, 0.0}};
    struct jacobian_view view = {.observations = 3, .parameters = 5, .columns = columns};
    struct error error;
    double loudness[2];

    (void)state;
    control->pestmode = PEST_REGULARISATION;
    for (size_t g = 0; g < 2; g++)
        control->observation_groups[g].regularisation = true;
    for (control->iregadj = 1; control->iregadj <= 3; control->iregadj++) {
        struct glm_objective *objective =
            glm_objective_create(control, &parameters, "/tmp", &error);
        const double *weights = glm_objective_weights(objective);
        double factor[2], a, b;

        glm_objective_prior_rows(objective, parameters.initial, &view);
        glm_objective_loudness(objective, &view, loudness);
        a = control->iregadj < 3 ? expected[control->iregadj - 1][0] : sqrt(13.0 * 5.0);
        b = control->iregadj < 3 ? expected[control->iregadj - 1][1] : sqrt(22.0 * 5.0);
        assert_true(fabs(loudness[0] - a) < 1e-9 && fabs(loudness[1] - b) < 1e-9);
        glm_objective_adjust(objective, loudness);
        factor[0] = weights[0] / 2.0; /* weights of o1 and p1 are 2 in the control file */
        factor[1] = weights[3] / 2.0;
        /* As loud as each other, and on the whole as before. */
        assert_true(fabs(factor[0] * factor[0] * a - factor[1] * factor[1] * b) < 1e-9);
        assert_true(fabs(factor[0] * factor[1] - 1.0) < 1e-12);
        glm_objective_destroy(objective);
    }
    control->iregadj = 0;
    control->pestmode = PEST_ESTIMATION;
    for (size_t g = 0; g < 2; g++)
        control->observation_groups[g].regularisation = false;
}

static void iboundstick_keeps_parameters_at_bounds(void **state)
{
    double values[7], origin[5];
    struct glm_limits limits;
    struct error error;

    (void)state;
    memcpy(values, parameters.initial, sizeof values);
    values[1] = 20.0; /* b at its upper bound */
    glm_parameters_reduce(&parameters, values, origin);
    assert_int_equal(glm_limits_init(&limits, 5, &error), 0);
    control->iboundstick = 2;
    glm_limits_note(&limits, &parameters, values);
    glm_limits_set(&limits, &parameters, values, origin, NULL);
    assert_false(limits.frozen[1]);
    glm_limits_note(&limits, &parameters, values);
    glm_limits_set(&limits, &parameters, values, origin, NULL);
    assert_true(limits.frozen[1] && !limits.frozen[0]);
    values[1] = 19.0; /* off the bound it counts anew */
    glm_limits_note(&limits, &parameters, values);
    glm_limits_set(&limits, &parameters, values, origin, NULL);
    assert_false(limits.frozen[1]);
    control->iboundstick = 0;
    glm_limits_fini(&limits);
}

/* Of c (three points) slopes are -1 to the left and 3 to the right, the parabola's 1. */
static double split_slope_of(int action, double thresh, double reldiff)
{
    static const double base[] = {0.0, 0.0, 0.0}, before[15] = {0, 0, 0, 0, 0, 0, 7, 7, 7};
    struct glm_derivatives derivatives;
    struct error error;
    struct wave wave;
    double jacobian[15], slope;

    control->parameter_groups[1].splitthresh = thresh;
    control->parameter_groups[1].splitreldiff = reldiff;
    control->parameter_groups[1].splitaction = action;
    wave_init(&wave, 7, 3);
    assert_int_equal(glm_derivatives_init(&derivatives, 5, &error), 0);
    glm_derivatives_plan(&derivatives, &parameters, parameters.initial, false, true, &wave,
                         &error);
    assert_int_equal(wave_begin(&wave, &error), 0);
    for (size_t r = 0; r < wave.run_count; r++) {
        double c = wave.parameters[r * 7 + 2] - 2.0;

        for (size_t o = 0; o < 3; o++)
            wave_row(&wave, r)[o] = c > 0.0 ? 3.0 * c : -c;
        wave_take(&wave, r);
    }
    assert_int_equal(glm_derivatives_digest(&derivatives, &wave, base, before, jacobian), 0);
    slope = jacobian[6];
    glm_derivatives_fini(&derivatives);
    wave_fini(&wave);
    control->parameter_groups[1].splitthresh = 0.0;
    return slope;
}

static void slopes_that_disagree_are_told_apart(void **state)
{
    (void)state;
    /* To the left the outputs are -c with c < 0: the slope is -1. */
    assert_true(fabs(split_slope_of(0, 0.0, 0.5) - 1.0) < 1e-9); /* no analysis: the parabola */
    assert_true(fabs(split_slope_of(0, 1e-3, 0.5) + 1.0) < 1e-9);
    assert_true(split_slope_of(1, 1e-3, 0.5) == 0.0);
    assert_true(split_slope_of(2, 1e-3, 0.5) == 7.0);
    assert_true(fabs(split_slope_of(1, 5.0, 0.5) - 1.0) < 1e-9);  /* too small to matter */
    assert_true(fabs(split_slope_of(1, 1e-3, 4.5) - 1.0) < 1e-9); /* alike enough */
}

/* --- the model ---------------------------------------------------------------------------- */

/* Residuals -(x + x², y): one lesson along x teaches the model the curvature exactly. */
static void a_lesson_along_a_line_is_exact_for_a_quadratic(void **state)
{
    static const double first[] = {1.0, 0.0}, second[] = {0.0, 1.0};
    static const double *const columns[] = {first, second};
    static const double weights[] = {1.0, 1.0}, r0[] = {-3.0, -1.0};
    static const double lesson[] = {0.5, 0.0}, taught[] = {-3.0 - 0.5 - 0.25, -1.0};
    static const double far[] = {-2.0, 0.0}, there[] = {-3.0 + 2.0 - 4.0, -1.0};
    struct jacobian_view view = {.observations = 2, .parameters = 2, .columns = columns};
    struct error error;
    struct glm_model *model = glm_model_create(2, control, &error);
    double measurement, regularisation;

    (void)state;
    assert_non_null(model);
    assert_int_equal(glm_model_base(model, &view, weights, NULL, r0, NULL, &error), 0);
    assert_true(glm_model_miss(model, far, there) > 3.9); /* the linear model misses x² = 4 */
    assert_int_equal(glm_model_learn(model, lesson, taught, &error), 1);
    glm_model_fit(model);
    assert_true(glm_model_miss(model, far, there) < 1e-12);
    glm_model_predict(model, far, &measurement, &regularisation);
    assert_true(fabs(measurement - 26.0) < 1e-12);
    /* The same point, or one in its direction, teaches nothing new. */
    assert_int_equal(glm_model_learn(model, far, there, &error), 0);
    glm_model_destroy(model);
}

/* min (3 - x - y)² + (1 - x + y)² with x <= 1: x = 1, y = 1 (free: 2, 1). */
static void bounds_hold_and_the_others_are_solved_again(void **state)
{
    static const double first[] = {1.0, 1.0}, second[] = {1.0, -1.0};
    static const double *const columns[] = {first, second};
    static const double weights[] = {1.0, 2.0}, r0[] = {3.0, 1.0};
    static const double lower[] = {-9.0, -9.0}, upper[] = {1.0, 9.0};
    struct jacobian_view view = {.observations = 2, .parameters = 2, .columns = columns};
    struct glm_box box = {.lower = lower, .upper = upper};
    struct error error;
    struct glm_model *model = glm_model_create(2, control, &error);
    double step[2];

    (void)state;
    assert_int_equal(glm_model_base(model, &view, weights, NULL, r0, NULL, &error), 0);
    assert_int_equal(glm_model_upgrade(model, &box, 0.0, NULL, 5, step, &error), 0);
    /* With x = 1: min (2 - y)² + 4 y²: y = 0.4 */
    assert_true(step[0] == 1.0 && fabs(step[1] - 0.4) < 1e-9);
    box.clip = true; /* bent: y stays where it was to go with x = 2 */
    assert_int_equal(glm_model_upgrade(model, &box, 0.0, NULL, 1, step, &error), 0);
    assert_true(step[0] == 1.0 && fabs(step[1] - 1.0) < 1e-9);
    glm_model_destroy(model);
}

/* min (1 - x + y)² + (1 + x - 1.02 y)² + (y / 100)²: both want out of the box; one after the other,
 * phi falls. x wants out only because y does. */
static void edges_are_met_one_by_one_and_phi_falls(void **state)
{
    static const double first[] = {1.0, -1.0, 0.0}, second[] = {-1.0, 1.02, 0.01};
    static const double *const columns[] = {first, second};
    static const double weights[] = {1.0, 1.0, 1.0}, r0[] = {1.0, 1.0, 0.0};
    static const double lower[] = {-200.0, -0.5}, upper[] = {20.0, 0.5};
    struct jacobian_view view = {.observations = 3, .parameters = 2, .columns = columns};
    struct glm_box box = {.lower = lower, .upper = upper};
    struct error error;
    struct glm_model *model = glm_model_create(2, control, &error);
    double step[2], measurement, regularisation;

    (void)state;
    assert_int_equal(glm_model_base(model, &view, weights, NULL, r0, NULL, &error), 0);
    assert_int_equal(glm_model_upgrade(model, &box, 0.0, NULL, 5, step, &error), 0);
    /* Free, y goes to 67 and x with it, out at the upper end of both. With y = 0.5 it is
     * x = ((1 + 0.5) - (1 - 0.51)) / 2 = 0.505, far from the edge where it stood. */
    glm_model_predict(model, step, &measurement, &regularisation);
    assert_true(step[1] == 0.5);
    assert_true(fabs(step[0] - 0.505) < 1e-9);
    assert_true(measurement < 2.0);
    glm_model_destroy(model);
}

/* phi = (10 + 0.2 s + 0.5 s²)²: a minimum with a large residual. One lesson teaches the curvature;
 * Gauss and Newton's matrix knows J² alone and steps too far, Newton's lands on the model's own
 * minimum. */
static void large_residuals_are_no_hindrance(void **state)
{
    static const double first[] = {0.2};
    static const double *const columns[] = {first};
    static const double weights[] = {1.0}, r0[] = {-10.0}, lesson[] = {1.0};
    static const double taught[] = {-10.0 - 0.2 - 0.5}, lower[] = {-9.0}, upper[] = {9.0};
    struct jacobian_view view = {.observations = 1, .parameters = 1, .columns = columns};
    struct glm_box box = {.lower = lower, .upper = upper};
    struct error error;
    struct glm_model *model = glm_model_create(1, control, &error);
    double step[1];

    (void)state;
    assert_int_equal(glm_model_base(model, &view, weights, NULL, r0, NULL, &error), 0);
    assert_int_equal(glm_model_learn(model, lesson, taught, &error), 1);
    glm_model_fit(model);
    /* |r| = 10 + 0.2 s + 0.5 s²: least at s = -0.2 */
    assert_int_equal(glm_model_upgrade(model, &box, 0.0, NULL, 8, step, &error), 0);
    assert_true(fabs(step[0] + 0.2) < 1e-6);
    glm_model_destroy(model);
}

/* --- the end ------------------------------------------------------------------------------ */

static bool is_vain_after(const double *phis, int count)
{
    struct glm_stop stop;
    bool vain;

    glm_stop_init(&stop, control);
    for (int i = 0; i < count; i++)
        glm_stop_note(&stop, i, phis[i], false, 1.0);
    vain = glm_stop_is_vain(&stop);
    glm_stop_fini(&stop);
    return vain;
}

/* PHIREDSTP is 0.005: 1e-7 of phi is what may be left. */
static void gains_that_dwindle_are_told_from_slow_ones(void **state)
{
    static const double quick[] = {100, 10, 1.0001, 1.000001},
                        slow[] = {1.003, 1.002, 1.001, 1.0};
    static const double early[] = {100, 10, 1.1, 1.0}, stuck[] = {10, 1, 1};
    static const double coarse[] = {100, 10, 1.03, 1.026};

    (void)state;
    assert_true(is_vain_after(quick, 4));
    assert_false(is_vain_after(slow, 4));
    assert_false(is_vain_after(early, 4));  /* a tenth of phi in the last */
    assert_false(is_vain_after(coarse, 4)); /* what follows may be 2e-6 */
    assert_false(is_vain_after(stuck, 3));  /* no gain says nothing of the next */
    assert_false(is_vain_after(quick + 2, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_that_coincide_are_refused),
        cmocka_unit_test(stencils_are_exact_up_to_their_degree),
        cmocka_unit_test(five_points_have_their_known_weights),
        cmocka_unit_test(parameters_go_there_and_back),
        cmocka_unit_test(points_respect_increments_and_bounds),
        cmocka_unit_test(an_increment_lost_in_writing_grows),
        cmocka_unit_test(limits_are_relative_or_factors_or_bounds),
        cmocka_unit_test(phi_counts_weights_and_prior_information),
        cmocka_unit_test(regularisation_groups_are_made_as_loud_as_each_other),
        cmocka_unit_test(iboundstick_keeps_parameters_at_bounds),
        cmocka_unit_test(slopes_that_disagree_are_told_apart),
        cmocka_unit_test(a_lesson_along_a_line_is_exact_for_a_quadratic),
        cmocka_unit_test(bounds_hold_and_the_others_are_solved_again),
        cmocka_unit_test(edges_are_met_one_by_one_and_phi_falls),
        cmocka_unit_test(large_residuals_are_no_hindrance),
        cmocka_unit_test(gains_that_dwindle_are_told_from_slow_ones),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

/*
 * The estimator "glm" as a whole: the reference problems against PEST++, with any number of slots;
 * failed runs; replays; NOPTMAX 0, -1, -2; SVD-assist; Broyden updates; rough models.
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

#include "tests/master/pest/glm_problems.h"
#include "tests/scratch.h"

static const uint32_t slot_counts[] = {1, 2, 3, 4, 5, 6, 8, 10, 12, 16};
#define SLOT_COUNTS (sizeof slot_counts / sizeof *slot_counts)

static struct glm_rig_result result, other;

static struct glm_rig rig_of(const struct glm_problem *problem, uint32_t slots)
{
    return (struct glm_rig){
        .control = problem->control, .model = problem->model, .slots = slots};
}

/* The control file with one text in it replaced; static. */
static const char *edited(const char *control, const char *from, const char *to)
{
    static char text[16384];
    const char *at = strstr(control, from);

    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - control), control, to,
             at + strlen(from));
    return text;
}

static const char *with(const char *control, const char *lines)
{
    static char text[16384];

    snprintf(text, sizeof text, "%s%s", control, lines);
    return text;
}

/* --- against PEST++ ----------------------------------------------------------------------- */

static void row_print(const struct glm_problem *problem, uint32_t slots)
{
    print_message(
        "%-16s %2u slots: %3ld runs, phi %.8g (PEST++: %d runs, %d with one lambda)\n",
        problem->name, (unsigned)slots, result.runs,
        strstr(problem->name, "regul") ? result.measurement : result.phi,
        problem->rows[problem->row_count - 1].runs, problem->single_runs);
    if (slots != 1 && slots != 4)
        return;
    print_message("    ours   ");
    for (int i = 1; i < result.iterations; i++)
        print_message(" %ld:%.6g", result.iteration_runs[i], result.iteration_phi[i]);
    print_message("\n    PEST++ ");
    for (int i = 0; i < problem->row_count; i++)
        print_message(" %d:%.6g", problem->rows[i].runs, problem->rows[i].phi);
    print_message("\n");
}

/* Published values have 4 to 7 digits: 2e-5 of them is half of the last one at worst, but where a
 * published phi is rounded down the same minimum may not be below it. */
static void rows_check(const struct glm_problem *problem)
{
    for (int i = 0; i < problem->row_count; i++) {
        long runs = problem->rows[i].runs;
        double ours = result.lowest[runs < result.runs ? runs : result.runs];

        if (ours > problem->rows[i].phi * (1.0 + 2e-5))
            fail_msg("%s: after %ld runs phi is %.8g, PEST++ has %.8g", problem->name, runs,
                     ours, problem->rows[i].phi);
    }
    assert_in_range(result.runs, 1, problem->rows[problem->row_count - 1].runs);
}

static void no_more_runs_than_pestpp_for_any_number_of_slots(void **state)
{
    (void)state;
    for (size_t i = 0; i < GLM_PROBLEMS; i++)
        for (size_t k = 0; k < SLOT_COUNTS; k++) {
            struct glm_rig rig = rig_of(&glm_problems[i], slot_counts[k]);

            glm_rig_run(&rig, &result);
            if (result.failed)
                fail_msg("%s: %s", glm_problems[i].name, result.error.text);
            row_print(&glm_problems[i], slot_counts[k]);
            rows_check(&glm_problems[i]);
            /* Even the fewest runs that PEST++ was seen to need, but for g1, where those do not
             * reach the minimum. */
            assert_in_range(result.runs, 1, glm_problems[i].single_runs);
        }
}

/* Whether a row of .iobj has no more runs and no larger phi. */
static bool is_matched(int row_of_pestpp, const struct glm_problem *problem)
{
    bool regular = strstr(problem->name, "regul") != NULL;
    double phi = problem->rows[row_of_pestpp].phi * (1.0 + 2e-5); /* as in rows_check */

    for (int i = 0; i < result.rows; i++)
        if (result.row[i].runs <= problem->rows[row_of_pestpp].runs &&
            (regular ? result.row[i].measurement : result.row[i].phi) <= phi)
            return true;
    return false;
}

/* The same as users read it: runs and phi at the end of iterations, in .iobj. */
static void iterations_end_no_later_than_those_of_pestpp(void **state)
{
    (void)state;
    for (size_t i = 0; i < GLM_PROBLEMS; i++)
        for (size_t k = 0; k < SLOT_COUNTS; k++) {
            const struct glm_problem *problem = &glm_problems[i];
            struct glm_rig rig = rig_of(problem, slot_counts[k]);

            rig.output_base = "case";
            glm_rig_run(&rig, &result);
            assert_false(result.failed);
            for (int r = 0; r < problem->row_count; r++)
                if (!is_matched(r, problem))
                    fail_msg("%s with %u slots: no row of .iobj is as good as %d:%g",
                             problem->name, (unsigned)slot_counts[k], problem->rows[r].runs,
                             problem->rows[r].phi);
        }
}

/* 1e-6 of phi, as asked; phi 0 is 1e-20, what PEST++ reaches. */
static void the_minimum_is_that_of_an_independent_minimiser(void **state)
{
    (void)state;
    for (size_t i = 0; i < GLM_PROBLEMS - 1; i++)
        for (size_t k = 0; k < SLOT_COUNTS; k++) {
            const struct glm_problem *problem = &glm_problems[i];
            struct glm_rig rig = rig_of(problem, slot_counts[k]);

            glm_rig_run(&rig, &result);
            assert_false(result.failed);
            if (result.phi > problem->minimum * (1.0 + 1e-6) + 1e-20)
                fail_msg("%s with %u slots ends at %.12g, not at %.12g", problem->name,
                         (unsigned)slot_counts[k], result.phi, problem->minimum);
        }
}

/* PHIMLIM is 6: measurement phi comes to it within 1e-3 of itself (WFTOL is 0.01), and of all
 * parameter sets there the regularisation phi is the least. That is 0.00912941414 with a Lagrange
 * multiplier of 665.36: computed apart from this program, by full Newton steps with exact
 * derivatives inside a bisection on the multiplier. An error of 6e-3 in measurement phi is one of
 * 6e-3 / 665.36 = 9.0e-6 in regularisation phi, 1e-3 of it. */
static void regularisation_meets_the_limit_with_least_regularisation(void **state)
{
    (void)state;
    for (size_t k = 0; k < SLOT_COUNTS; k++) {
        struct glm_rig rig = rig_of(&glm_problems[6], slot_counts[k]);

        glm_rig_run(&rig, &result);
        assert_false(result.failed);
        assert_true(fabs(result.measurement - 6.0) < 6e-3);
        assert_true(fabs(result.regularisation - 0.00912941414) < 1e-3 * 0.00912941414);
    }
}

static void parameters_stay_inside_their_bounds(void **state)
{
    struct glm_rig rig = rig_of(&glm_problems[4], 4);

    (void)state;
    glm_rig_run(&rig, &result);
    assert_true(result.parameters[0] == 8.0); /* a ends at its bound, exactly */
    assert_string_equal(result.error.text, "");
}

/* --- replays ------------------------------------------------------------------------------ */

static void a_replay_asks_for_the_same_waves_to_the_last_bit(void **state)
{
    (void)state;
    for (size_t i = 0; i < GLM_PROBLEMS; i++) {
        struct glm_rig rig = rig_of(&glm_problems[i], 3);

        glm_rig_run(&rig, &result);
        glm_rig_run(&rig, &other);
        assert_true(result.fingerprint == other.fingerprint);
        assert_int_equal(result.runs, other.runs);
        assert_memory_equal(result.parameters, other.parameters, sizeof result.parameters);
    }
}

/* --- failed runs -------------------------------------------------------------------------- */

static bool base_fails(long run, const char *purpose, size_t index)
{
    (void)purpose;
    (void)index;
    return run == 1;
}

static bool third_derivative_fails(long run, const char *purpose, size_t index)
{
    (void)run;
    return strstr(purpose, "Jacobian") && index == 2;
}

static bool all_of_a_column_fails(long run, const char *purpose, size_t index)
{
    return (run == 3 && index == 2) || strstr(purpose, "again");
}

static bool first_trials_fail(long run, const char *purpose, size_t index)
{
    (void)run;
    return strcmp(purpose, "lambda search") == 0 && index == 0 && run < 40;
}

static bool every_fifth_fails(long run, const char *purpose, size_t index)
{
    (void)purpose;
    (void)index;
    return run > 1 && run % 5 == 0;
}

static bool all_trials_fail(long run, const char *purpose, size_t index)
{
    (void)run;
    (void)index;
    return strcmp(purpose, "lambda search") == 0;
}

static void a_failed_base_run_is_the_end_with_a_sentence(void **state)
{
    struct glm_rig rig = rig_of(&glm_problems[1], 4);

    (void)state;
    rig.fails = base_fails;
    glm_rig_run(&rig, &result);
    assert_true(result.failed);
    assert_non_null(strstr(result.error.text, "initial parameter values failed"));
}

static void far_off(const double *values, size_t count, double *observations)
{
    (void)values;
    (void)count;
    observations[0] = observations[1] = 1e300;
}

static void a_phi_beyond_all_numbers_is_the_end_with_a_sentence(void **state)
{
    struct glm_rig rig = rig_of(&glm_problems[0], 4); /* two observations */

    (void)state;
    rig.model = far_off;
    glm_rig_run(&rig, &result);
    assert_true(result.failed);
    assert_non_null(strstr(result.error.text, "phi is too large"));
}

static void failed_runs_are_survived(void **state)
{
    static bool (*const kinds[])(long, const char *, size_t) = {
        third_derivative_fails, all_of_a_column_fails, first_trials_fail, every_fifth_fails};

    (void)state;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (size_t i = 0; i < GLM_PROBLEMS - 1; i++) {
            struct glm_rig rig = rig_of(&glm_problems[i], k + 1);

            rig.fails = kinds[k];
            glm_rig_run(&rig, &result);
            if (result.failed)
                fail_msg("%s: %s", glm_problems[i].name, result.error.text);
            /* With a hole in the Jacobian the end is near the minimum, not at it. */
            if (result.phi > glm_problems[i].minimum * 1.01 + 1e-6)
                fail_msg("%s with failures of kind %zu ends at %.8g (%s)", glm_problems[i].name,
                         k, result.phi, result.reason);
        }
}

static void upgrades_that_all_fail_end_the_estimation(void **state)
{
    struct glm_rig rig = rig_of(&glm_problems[2], 4);

    (void)state;
    rig.fails = all_trials_fail;
    glm_rig_run(&rig, &result);
    assert_false(result.failed);
    assert_true(result.runs < 100);
    assert_non_null(strstr(result.reason, "no upgrade lowers phi"));
}

static void der_forgive_false_ends_at_a_failed_derivative(void **state)
{
    struct glm_rig rig = rig_of(&glm_problems[1], 4);

    (void)state;
    rig.control = with(glm_problems[1].control, "++der_forgive(false)\n");
    rig.fails = third_derivative_fails;
    glm_rig_run(&rig, &result);
    assert_true(result.failed);
    assert_non_null(strstr(result.error.text, "der_forgive"));
}

static void lambda_forgive_false_ends_at_a_failed_upgrade(void **state)
{
    struct glm_rig rig = rig_of(&glm_problems[1], 4);

    (void)state;
    rig.control = with(glm_problems[1].control, "++lambda_forgive(false)\n");
    rig.fails = first_trials_fail;
    glm_rig_run(&rig, &result);
    assert_true(result.failed);
    assert_non_null(strstr(result.error.text, "lambda_forgive"));
}

/* --- NOPTMAX ------------------------------------------------------------------------------ */

static void noptmax_0_is_one_run(void **state)
{
    struct glm_rig rig = rig_of(&glm_problems[0], 4);

    (void)state;
    rig.control = edited(glm_problems[0].control, "30 0.005", "0 0.005");
    glm_rig_run(&rig, &result);
    assert_false(result.failed);
    assert_int_equal(result.runs, 1);
    assert_true(fabs(result.phi - 24.2) < 1e-12);
}

static void noptmax_minus_1_and_2_are_a_jacobian(void **state)
{
    static const char *const texts[] = {"-1 0.005", "-2 0.005"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct glm_rig rig = rig_of(&glm_problems[0], 4);

        rig.control = edited(glm_problems[0].control, "30 0.005", texts[i]);
        glm_rig_run(&rig, &result);
        assert_false(result.failed);
        assert_int_equal(result.runs, 3);
        /* Forward differences of 1 %: d r1 / d x = -20 x - 10 h, h = 0.012; exact in y. 1e-9:
         * differences of numbers of size 10 over h lose 3 digits of 16. */
        assert_true(fabs(result.jacobian[0] - (24.0 - 0.12)) < 1e-9);
        assert_true(fabs(result.jacobian[1] - -1.0) < 1e-9);
        assert_true(fabs(result.jacobian[2] - 10.0) < 1e-9);
        assert_true(fabs(result.jacobian[3]) < 1e-9);
    }
}

static void noptmax_1_is_one_iteration(void **state)
{
    struct glm_rig rig = rig_of(&glm_problems[0], 1);

    (void)state;
    rig.control = edited(glm_problems[0].control, "30 0.005", "1 0.005");
    glm_rig_run(&rig, &result);
    assert_false(result.failed);
    assert_int_equal(result.iterations, 1);
    assert_true(result.phi < 24.2);
    assert_non_null(strstr(result.reason, "NOPTMAX"));
}

/* --- options ------------------------------------------------------------------------------ */

static void super_parameters_reach_the_same_minimum(void **state)
{
    struct glm_rig rig = rig_of(&glm_problems[5], 4);

    (void)state;
    rig.control = with(glm_problems[5].control,
                       "++n_iter_base(1)\n++n_iter_super(3)\n++max_n_super(4)\n");
    glm_rig_run(&rig, &result);
    assert_false(result.failed);
    assert_true(result.phi <= glm_problems[5].minimum * (1.0 + 1e-6));
    rig = rig_of(&glm_problems[4], 2);
    rig.control = with(glm_problems[4].control, "++n_iter_base(1)\n++n_iter_super(2)\n");
    glm_rig_run(&rig, &result);
    assert_false(result.failed);
    assert_true(result.phi <= glm_problems[4].minimum * (1.0 + 1e-4));
}

static void broyden_updates_reach_the_same_minimum(void **state)
{
    (void)state;
    for (size_t i = 0; i < GLM_PROBLEMS - 1; i++) {
        struct glm_rig rig = rig_of(&glm_problems[i], 2);

        rig.control = edited(glm_problems[i].control, "0.3 0.03 10", "0.3 0.03 10 999");
        glm_rig_run(&rig, &result);
        assert_false(result.failed);
        print_message("%-16s with JACUPDATE 999: %ld runs, phi %.8g\n", glm_problems[i].name,
                      result.runs, result.phi);
        assert_true(result.phi <= glm_problems[i].minimum * (1.0 + 1e-5) + 1e-12);
        assert_in_range(result.runs, 1, glm_problems[i].single_runs);
    }
}

static void every_normal_form_reaches_the_minimum(void **state)
{
    static const char *const forms[] = {
        "++glm_normal_form(ident)\n", "++glm_normal_form(prior)\n",
        "++lambdas(0.01,1,100)\n++lambda_scale_fac(0.75,1.0,1.1)\n",
        "++lambdas(0.1)\n++upgrade_augment(false)\n"};

    (void)state;
    for (size_t k = 0; k < sizeof forms / sizeof *forms; k++)
        for (size_t i = 2; i < GLM_PROBLEMS - 1; i++) {
            struct glm_rig rig = rig_of(&glm_problems[i], 3);

            rig.control = with(glm_problems[i].control, forms[k]);
            glm_rig_run(&rig, &result);
            if (result.failed)
                fail_msg("%s: %s", glm_problems[i].name, result.error.text);
            if (result.phi > glm_problems[i].minimum * 1.001)
                fail_msg("%s with %s ends at %.8g after %ld runs: %s", glm_problems[i].name,
                         forms[k], result.phi, result.runs, result.reason);
        }
}

/* With LSQR the model does not learn, and the end is where PEST's criteria say. */
static void lsqr_comes_to_the_minimum(void **state)
{
    static const char lines[] = "* lsqr\n1\n1e-12 1e-12 0 100\n0\n* parameter groups\n";

    (void)state;
    for (size_t i = 2; i < GLM_PROBLEMS - 1; i++) {
        struct glm_rig rig = rig_of(&glm_problems[i], 3);

        rig.control = edited(glm_problems[i].control, "* parameter groups\n", lines);
        glm_rig_run(&rig, &result);
        if (result.failed)
            fail_msg("%s: %s", glm_problems[i].name, result.error.text);
        print_message("%-16s by LSQR: %ld runs, phi %.8g\n", glm_problems[i].name, result.runs,
                      result.phi);
        assert_true(result.phi <= glm_problems[i].minimum * 1.01);
    }
}

/* The sum of two parameters alone is known: of the two singular values one is left out, so that the
 * parameters move together and not at all in the other direction. */
static void sum_of_two(const double *p, size_t count, double *o)
{
    (void)count;
    o[0] = p[0] + p[1];
    o[1] = 2.0 * (p[0] + p[1]) + 1e-5 * p[0];
}

static void singular_values_are_left_out(void **state)
{
    static const char *const sections[] = {"1\n2 1e-6\n0\n", "1\n1 1e-15\n0\n"};
    char control[4096];

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct glm_rig rig = {.control = control, .model = sum_of_two, .slots = 1};

        snprintf(control, sizeof control,
                 "pcf\n* control data\nrestart estimation\n2 2 1 0 1\n"
                 "1 1 double point 1 0 0\n10.0 -3.0 0.3 0.03 10\n10.0 10.0 0.001\n0.1\n"
                 "30 0.005 4 4 0.005 4\n0 0 0\n* singular value decomposition\n%s"
                 "* parameter groups\npg relative 0.01 0.001 always_2 2.0 parabolic\n"
                 "* parameter data\nx none relative 1.0 -100 100 pg 1 0 1\n"
                 "y none relative 3.0 -100 100 pg 1 0 1\n* observation groups\nog\n"
                 "* observation data\na 10 1 og\nb 19 1 og\n* model command line\nm\n"
                 "* model input/output\na.tpl a\nb.ins b\n",
                 sections[i]);
        glm_rig_run(&rig, &result);
        if (result.failed)
            fail_msg("%s", result.error.text);
        /* Minimum of (10 - s)² + (19 - 2 s)²: s = 9.6; x and y gain 2.8 each. 1e-4: 1e-5 of x in
         * the second observation. */
        assert_true(fabs(result.parameters[0] - 3.8) < 1e-4);
        assert_true(fabs(result.parameters[1] - 5.8) < 1e-4);
    }
}

/* Runs that were made before are not made again. */
static void a_jacobian_and_results_from_files_save_their_runs(void **state)
{
    struct glm_rig rig = rig_of(&glm_problems[0], 2);

    (void)state;
    scratch_text("base.mat", "2 3 2\n10 23.88 5\n0 -1 5\n* row names\nr1\nr2\n"
                             "* column names\ny\nx\nz\n");
    scratch_text(
        "base.rei",
        " MODEL OUTPUTS AT THE START\n\n Name Group Measured Modelled Residual Weight\n"
        " r2 og 0.0 2.2 -2.2 1.0\n r1 og 0.0 -4.4 4.4 1.0\n");
    rig.control = with(glm_problems[0].control,
                       "++base_jacobian(base.mat)\n++hotstart_resfile(base.rei)\n");
    glm_rig_run(&rig, &result);
    if (result.failed)
        fail_msg("%s", result.error.text);
    glm_rig_run(&rig, &other);
    assert_true(result.fingerprint == other.fingerprint);
    assert_true(result.phi < 1e-20);
    rig = rig_of(&glm_problems[0], 2);
    glm_rig_run(&rig, &other);
    /* Later iterations may differ by rounding. */
    assert_int_equal(result.iteration_runs[1], other.iteration_runs[1] - 3);
    rig.control = with(glm_problems[1].control, "++base_jacobian(base.mat)\n");
    rig.model = glm_problems[1].model;
    glm_rig_run(&rig, &result);
    assert_true(result.failed);
    assert_non_null(strstr(result.error.text, "has no row for observation \"o1\""));
}

static void phi_thresholds_end_it(void **state)
{
    struct glm_rig rig = rig_of(&glm_problems[0], 1);

    (void)state;
    rig.control =
        edited(glm_problems[0].control, "30 0.005 4 4 0.005 4", "30 0.005 4 4 0.005 4 3.0");
    glm_rig_run(&rig, &result);
    assert_false(result.failed);
    assert_non_null(strstr(result.reason, "PHISTOPTHRESH"));
    rig.control = edited(glm_problems[0].control, "30 0.005 4 4 0.005 4",
                         "30 0.005 4 4 0.005 4 0.0 1 20.0");
    glm_rig_run(&rig, &result);
    assert_false(result.failed);
}

/* --- rough and hard models ---------------------------------------------------------------- */

/* Outputs are rough by 1e-5: phi cannot be trusted below about m (1e-5 |o|)²; the end is where an
 * exact model would end, to what that does to phi. */
static void a_rough_model_does_not_lead_astray(void **state)
{
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct glm_rig rig = rig_of(&glm_problems[4], slot_counts[2 * k]);

        rig.noise = 1e-5;
        glm_rig_run(&rig, &result);
        assert_false(result.failed);
        assert_true(result.phi < glm_problems[4].minimum * 1.002);
        assert_in_range(result.runs, 1, 150);
    }
}

/* Six digits in the templates: increments and upgrades are what is written. */
static void narrow_fields_do_no_harm(void **state)
{
    (void)state;
    for (size_t i = 0; i < GLM_PROBLEMS - 1; i++) {
        struct glm_rig rig = rig_of(&glm_problems[i], 4);

        rig.digits = 6;
        glm_rig_run(&rig, &result);
        assert_false(result.failed);
        /* Half a unit of the sixth digit in every parameter, and its effect on phi. */
        if (result.phi > glm_problems[i].minimum * 1.01 + 1e-4)
            fail_msg("%s ends at %.8g", glm_problems[i].name, result.phi);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_base_run_is_the_end_with_a_sentence),
        cmocka_unit_test(der_forgive_false_ends_at_a_failed_derivative),
        cmocka_unit_test(lambda_forgive_false_ends_at_a_failed_upgrade),
        cmocka_unit_test(upgrades_that_all_fail_end_the_estimation),
        cmocka_unit_test(a_phi_beyond_all_numbers_is_the_end_with_a_sentence),
        cmocka_unit_test(failed_runs_are_survived),
        cmocka_unit_test(no_more_runs_than_pestpp_for_any_number_of_slots),
        cmocka_unit_test(iterations_end_no_later_than_those_of_pestpp),
        cmocka_unit_test(the_minimum_is_that_of_an_independent_minimiser),
        cmocka_unit_test(regularisation_meets_the_limit_with_least_regularisation),
        cmocka_unit_test(parameters_stay_inside_their_bounds),
        cmocka_unit_test(a_replay_asks_for_the_same_waves_to_the_last_bit),
        cmocka_unit_test(noptmax_0_is_one_run),
        cmocka_unit_test(noptmax_minus_1_and_2_are_a_jacobian),
        cmocka_unit_test(noptmax_1_is_one_iteration),
        cmocka_unit_test(super_parameters_reach_the_same_minimum),
        cmocka_unit_test(broyden_updates_reach_the_same_minimum),
        cmocka_unit_test(every_normal_form_reaches_the_minimum),
        cmocka_unit_test(lsqr_comes_to_the_minimum),
        cmocka_unit_test(singular_values_are_left_out),
        cmocka_unit_test(a_jacobian_and_results_from_files_save_their_runs),
        cmocka_unit_test(phi_thresholds_end_it),
        cmocka_unit_test(a_rough_model_does_not_lead_astray),
        cmocka_unit_test(narrow_fields_do_no_harm),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}

/*
 * What happens to the smoother's realisations: bounds, failures, trials, bad phi, conflicts,
 * localisation.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/master/pest/ies_cases.h"
#include "tests/master/pest/ies_rig.h"
#include "tests/scratch.h"

static struct ies_rig_result result;

/* --- bounds, tied and fixed parameters ---------------------------------------------------- */

static void realisations_check(const char *path, double k_most, bool fixed)
{
    struct ensemble ensemble;
    ies_rig_load(path, mixed_names, 5, &ensemble);
    for (size_t i = 0; i < ensemble.realisations; i++) {
        const double *x = ensemble.values + 5 * i;
        assert_true(x[0] >= 0.1 && x[0] <= k_most);
        assert_true(x[1] >= 1 && x[1] <= 5 && x[4] >= 0.5 && x[4] <= 2);
        assert_true(x[2] == 2 * x[0]);
        if (fixed)
            assert_true(x[3] == 7);
    }
    ensemble_fini(&ensemble);
}

static void parameters_keep_to_their_bounds_and_ties(void **state)
{
    struct ies_rig rig = {.control = MIXED("3", "++ies_num_reals(20)\n"), .model = mixed};
    (void)state;
    run(&rig, &result);
    realisations_check("case.0.par.csv", 10, true);
    realisations_check("case.3.par.csv", 10, true);
    rig.control = MIXED("3", "++ies_num_reals(20)\n++enforce_tied_bounds(true)\n");
    run(&rig, &result);
    realisations_check("case.3.par.csv", 6, true); /* t's bound of 12 */
}

static void values_are_what_the_templates_hold(void **state)
{
    const struct ies_rig rig = {
        .control = MIXED("2", "++ies_num_reals(12)\n"), .model = mixed, .digits = 4};
    struct ensemble ensemble;
    char text[64];
    (void)state;
    run(&rig, &result);
    ies_rig_load("case.2.par.csv", mixed_names, 5, &ensemble);
    for (size_t i = 0; i < 5 * ensemble.realisations; i++) {
        snprintf(text, sizeof text, "%.3e", ensemble.values[i]);
        assert_true(strtod(text, NULL) == ensemble.values[i]);
    }
    ensemble_fini(&ensemble);
}

static void an_ensemble_file_rules_over_fixed_parameters(void **state)
{
    static const char file[] =
        "real_name,z,k,s,f\nr1,1,2,3,8\nr2,1.5,0.5,2,9\nr3,0.7,50,2,7.5\n"
        "r4,0.9,1,4,6\nr5,1,1,1,1\n";
    const struct ies_rig rig = {
        .control = MIXED("2", "++ies_par_en(in.csv)\n++ies_include_base(false)\n"),
        .model = mixed};
    static const double fixed[5] = {8, 9, 7.5, 6, 1};
    struct ensemble ensemble;
    (void)state;
    scratch_text("in.csv", file);
    run(&rig, &result);
    realisations_check("case.2.par.csv", 10, false);
    ies_rig_load("case.2.par.csv", mixed_names, 5, &ensemble);
    assert_int_equal(ensemble.realisations, 5);
    assert_string_equal(ensemble.names[2], "r3");
    for (size_t i = 0; i < 5; i++)
        assert_true(ensemble.values[5 * i + 3] == fixed[i]);
    ensemble_fini(&ensemble);
    ies_rig_load("case.0.par.csv", mixed_names, 5, &ensemble);
    assert_true(ensemble.values[5 * 2] == 10 && ensemble.values[5 * 2 + 2] == 20);
    ensemble_fini(&ensemble);
}

/* --- runs that fail ----------------------------------------------------------------------- */

static int calls;

/* The fourth and fifth run of the prior fail, and the first of a remainder. */
static bool failing(const double *values, const char *purpose, double *observations)
{
    calls++;
    if (strcmp(purpose, "prior ensemble") != 0 && calls < 1000)
        calls = 1000;
    if (strcmp(purpose, "remaining realisations") == 0 && calls < 2000)
        calls = 2000;
    linear(values, purpose, observations);
    return calls != 4 && calls != 5 && calls != 2000;
}

static void realisations_whose_runs_fail_are_dropped(void **state)
{
    const struct ies_rig rig = {.control = LINEAR("3", "++ies_num_reals(20)\n"),
                                .model = failing};
    struct ensemble ensemble;
    (void)state;
    calls = 0;
    run(&rig, &result);
    assert_int_equal(result.realisations, 17);
    assert_non_null(strstr(result.said, "2 realisations dropped (the run failed): 3, 4; 18 are "
                                        "left"));
    assert_non_null(strstr(result.said, "1 realisation dropped (the run failed): "));
    ies_rig_load("case.3.par.csv", abc, 3, &ensemble);
    assert_int_equal(ensemble.realisations, 17);
    assert_string_equal(ensemble.names[16], "base");
    ensemble_fini(&ensemble);
    char *phi = scratch_read("case.phi.actual.csv", NULL);
    assert_non_null(strstr(phi, ",0,1,2,3,4,5,6,")); /* the header names all */
    char *last = strstr(phi, "\n3,");
    assert_non_null(last);
    assert_non_null(strstr(last, ",,"));
    free(phi);
}

static bool dying(const double *values, const char *purpose, double *observations)
{
    linear(values, purpose, observations);
    return ++calls <= 2;
}

static void too_few_realisations_end_it_with_a_sentence(void **state)
{
    const struct ies_rig rig = {.control = LINEAR("3", "++ies_num_reals(6)\n"), .model = dying};
    (void)state;
    calls = 0;
    refuse(&rig, "2 realisations are left, and at least 3 are needed");
}

static bool hopeless(const double *values, const char *purpose, double *observations)
{
    linear(values, purpose, observations);
    return strcmp(purpose, "lambda search") != 0;
}

static void trials_that_all_fail_raise_lambda_and_move_nothing(void **state)
{
    const struct ies_rig rig = {
        .control = LINEAR("2", "++ies_num_reals(8)\n++ies_initial_lambda(1)\n"),
        .model = hopeless};
    (void)state;
    run(&rig, &result);
    assert_true(result.lambda == 1e8);
    assert_int_equal(result.realisations, 8);
    same_files("case.0.par.csv", "case.2.par.csv");
}

/* --- trials ------------------------------------------------------------------------------- */

static bool worsening(const double *values, const char *purpose, double *observations)
{
    linear(values, purpose, observations);
    if (strcmp(purpose, "prior ensemble") != 0)
        observations[0] += 1e3;
    return true;
}

static void a_worse_phi_raises_lambda_and_moves_nothing(void **state)
{
    const struct ies_rig rig = {.control =
                                    LINEAR("2", "++ies_num_reals(8)\n++ies_initial_lambda(1)\n"
                                                "++ies_lambda_inc_fac(5)\n"),
                                .model = worsening};
    (void)state;
    run(&rig, &result);
    assert_true(result.lambda == 25);
    assert_int_equal(result.waves, 3); /* prior, and two times trials without a remainder */
    same_files("case.0.par.csv", "case.2.par.csv");
}

/* The remainder is bad, but for its realisations that do not hear of it. */
static bool betraying(const double *values, const char *purpose, double *observations)
{
    linear(values, purpose, observations);
    if (strcmp(purpose, "remaining realisations") == 0)
        observations[0] += 1e3;
    return true;
}

static void where_the_rest_is_worse_only_better_realisations_move(void **state)
{
    const struct ies_rig rig = {.control =
                                    LINEAR("1", "++ies_num_reals(30)\n++ies_initial_lambda(1)\n"
                                                "++ies_subset_how(first)\n"),
                                .model = betraying};
    struct ensemble before, after;
    size_t moved = 0;
    (void)state;
    run(&rig, &result);
    assert_true(result.lambda == 10);
    ies_rig_load("case.0.par.csv", abc, 3, &before);
    ies_rig_load("case.1.par.csv", abc, 3, &after);
    for (size_t i = 0; i < 30; i++) {
        bool same =
            memcmp(before.values + 3 * i, after.values + 3 * i, 3 * sizeof(double)) == 0;
        moved += !same;
        if (i >= 8) /* the subset is 4, or up to 8 to save a round */
            assert_true(same);
    }
    assert_true(moved >= 1);
    ensemble_fini(&before);
    ensemble_fini(&after);
}

static void trials_are_lambdas_times_scales_times_the_subset(void **state)
{
    struct ies_rig rig = {
        .control = LINEAR("1", "++ies_num_reals(50)\n"), .model = linear, .slots = 36};
    (void)state;
    run(&rig, &result);
    assert_int_equal(result.waves, 3);
    assert_int_equal(result.wave_runs[0], 50);
    assert_int_equal(result.wave_runs[1], 36);
    assert_int_equal(result.wave_runs[2], 46);
    assert_string_equal(result.purposes[1], "lambda search");
    assert_string_equal(result.purposes[2], "remaining realisations");
    rig.slots = 35; /* a run more than slots: one realisation less tries */
    run(&rig, &result);
    assert_int_equal(result.wave_runs[1], 27);
    assert_int_equal(result.wave_runs[2], 47);
    rig.control = LINEAR("1", "++ies_num_reals(50)\n++ies_subset_size(-10)\n"
                              "++ies_lambda_mults(1,2)\n++lambda_scale_fac(1)\n");
    rig.slots = 7;
    run(&rig, &result);
    assert_int_equal(result.wave_runs[1], 10); /* 10 percent are 5 */
    rig.control = LINEAR("1", "++ies_num_reals(50)\n++ies_subset_size(0)\n"
                              "++ies_lambda_mults(1)\n++lambda_scale_fac(1)\n");
    run(&rig, &result);
    assert_int_equal(result.waves, 2); /* all of them try: nothing remains */
}

/* Phi of these weights: floor(log10(mean phi / (2 * 5))). */
static void lambda_begins_with_phi(void **state)
{
    struct ies_rig rig = {.control = LINEAR("1", "++ies_num_reals(20)\n++lambda_scale_fac(1)\n"
                                                 "++ies_lambda_mults(1)\n"),
                          .model = linear};
    char expected[64];
    (void)state;
    run(&rig, &result);
    char *table = scratch_read("case.phi.lambda.csv", NULL);
    snprintf(expected, sizeof expected, "\n1,4,%g,", pow(10, floor(log10(result.phi[0] / 10))));
    assert_non_null(strstr(table, expected));
    free(table);
    rig.control = LINEAR("1", "++ies_num_reals(20)\n++lambda_scale_fac(1)\n"
                              "++ies_lambda_mults(1)\n++ies_init_lam(-3)\n");
    run(&rig, &result);
    table = scratch_read("case.phi.lambda.csv", NULL);
    snprintf(expected, sizeof expected, "\n1,4,%g,",
             3 * pow(10, floor(log10(result.phi[0] / 10))));
    assert_non_null(strstr(table, expected));
    free(table);
}

/* --- bad phi, conflicts, inequalities ----------------------------------------------------- */

static void realisations_with_a_bad_phi_are_dropped(void **state)
{
    struct ies_rig rig = {.control = LINEAR("1", "++ies_num_reals(40)\n"), .model = linear};
    (void)state;
    run(&rig, &result);
    assert_int_equal(result.realisations, 40);
    rig.control = LINEAR("1", "++ies_num_reals(40)\n++ies_bad_phi(500)\n");
    run(&rig, &result);
    assert_true(result.realisations < 40 && result.realisations > 3);
    assert_non_null(strstr(result.said, "dropped (bad phi)"));
    size_t absolute = result.realisations;
    rig.control = LINEAR("1", "++ies_num_reals(40)\n++ies_bad_phi_sigma(2)\n");
    run(&rig, &result);
    assert_true(result.realisations < 40 && result.realisations > absolute);
    rig.control = LINEAR("1", "++ies_num_reals(40)\n++ies_bad_phi_sigma(-1.5)\n");
    run(&rig, &result);
    assert_true(result.realisations < 40);
}

static bool far_off(const double *values, const char *purpose, double *observations)
{
    linear(values, purpose, observations);
    observations[1] = 500; /* o2 is -3 */
    return true;
}

static void conflicts_with_the_prior_are_listed_and_left_out(void **state)
{
    struct ies_rig rig = {.control = LINEAR("2", "++ies_num_reals(20)\n"), .model = far_off};
    (void)state;
    run(&rig, &result);
    assert_non_null(strstr(result.said, "1 of 5 observations are in conflict with the prior"));
    char *list = scratch_read("case.pdc.csv", NULL);
    assert_non_null(strstr(list, "name,obs_mean,obs_std,obs_min,obs_max,obs_stat_min,"
                                 "obs_stat_max,sim_mean,sim_std,sim_min,sim_max,sim_stat_min,"
                                 "sim_stat_max,distance\no2,"));
    free(list);
    assert_true(result.phi[1] > 2e5); /* (1 * 503)² stays in phi */
    rig.control = LINEAR("2", "++ies_num_reals(20)\n++ies_drop_conflicts(true)\n");
    run(&rig, &result);
    assert_true(result.phi[1] < 1e4);
}

#define INEQUALITY(group, value)                                                               \
    "pcf\n* control data\nrestart estimation\n1 2 1 0 2\n1 1 single point\n10 2 0.3 0.01 10\n" \
    "5 5 0.001\n0.1\n-1 0.001 40 40 0.001 4\n1 1 1\n"                                          \
    "* parameter groups\ng relative 0.01 0 switch 2 parabolic\n"                               \
    "* parameter data\na none factor 5 4 6 g 1 0 1\n"                                          \
    "* observation groups\n" group "\nregul_x\n* observation data\no1 " value " 1 " group      \
    "\no2 77 1 regul_x\n* model command line\nmodel\n* model input/output\na.tpl a.in\n"       \
    "b.ins b.out\n++ies_num_reals(10)\n"

/* The model says 4 to 6. Regularisation groups have no part: the 77 would show. */
static void inequalities_count_on_their_wrong_side_alone(void **state)
{
    static const struct {
        const char *control;
        bool zero;
    } cases[] = {{INEQUALITY("less_than", "7"), true}, {INEQUALITY("less_than", "3"), false},
                 {INEQUALITY("l_x", "7"), true},       {INEQUALITY("greater_x", "3"), true},
                 {INEQUALITY("g_x", "7"), false},      {INEQUALITY("heads", "7"), false}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct ies_rig rig = {.control = cases[i].control, .model = identity};
        run(&rig, &result);
        assert_true(cases[i].zero ? result.phi[0] == 0 : result.phi[0] > 0);
        assert_true(result.phi[0] < 1000);
    }
}

/* --- localisation ------------------------------------------------------------------------- */

static void a_parameter_without_influence_never_changes(void **state)
{
    static const char file[] = "obs,a,b,c\no1,1,0,1\no2,1,0,1\no3,1,0,1\no4,1,0,1\no5,1,0,1\n";
    struct ies_rig rig = {.control =
                              LINEAR("3", "++ies_num_reals(20)\n++ies_localizer(loc.csv)\n"),
                          .model = linear};
    struct ensemble before, after;
    (void)state;
    scratch_text("loc.csv", file);
    run(&rig, &result);
    ies_rig_load("case.0.par.csv", abc, 3, &before);
    ies_rig_load("case.3.par.csv", abc, 3, &after);
    for (size_t i = 0; i < 20; i++) {
        assert_true(before.values[3 * i + 1] == after.values[3 * i + 1]);
        assert_true(before.values[3 * i] != after.values[3 * i]);
        assert_true(before.values[3 * i + 2] != after.values[3 * i + 2]);
    }
    ensemble_fini(&before);
    ensemble_fini(&after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_keep_to_their_bounds_and_ties),
        cmocka_unit_test(values_are_what_the_templates_hold),
        cmocka_unit_test(an_ensemble_file_rules_over_fixed_parameters),
        cmocka_unit_test(realisations_whose_runs_fail_are_dropped),
        cmocka_unit_test(too_few_realisations_end_it_with_a_sentence),
        cmocka_unit_test(trials_that_all_fail_raise_lambda_and_move_nothing),
        cmocka_unit_test(a_worse_phi_raises_lambda_and_moves_nothing),
        cmocka_unit_test(where_the_rest_is_worse_only_better_realisations_move),
        cmocka_unit_test(trials_are_lambdas_times_scales_times_the_subset),
        cmocka_unit_test(lambda_begins_with_phi),
        cmocka_unit_test(realisations_with_a_bad_phi_are_dropped),
        cmocka_unit_test(conflicts_with_the_prior_are_listed_and_left_out),
        cmocka_unit_test(inequalities_count_on_their_wrong_side_alone),
        cmocka_unit_test(a_parameter_without_influence_never_changes),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}

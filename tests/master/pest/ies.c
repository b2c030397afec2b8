/*
 * The iterative ensemble smoother as a whole, with models in this process: posteriors that are
 * known, restarts, replays, files, and what users may get wrong.
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

#include "tests/master/pest/ies_cases.h"
#include "tests/master/pest/ies_rig.h"
#include "tests/scratch.h"

static struct ies_rig_result result, other;

/* --- mistakes ----------------------------------------------------------------------------- */

static void mistakes_are_told_in_sentences(void **state)
{
    static const struct {
        const char *control, *part;
    } cases[] = {
        {LINEAR("1", "++ies_num_reals(2)\n"), "++ies_num_reals"},
        {LINEAR("1", "++ies_num_reals(many)\n"), "ies_num_reals"},
        {LINEAR("1", "++ies_lambda_mults(1,-1)\n"), "++ies_lambda_mults"},
        {LINEAR("1", "++lambda_scale_fac(0)\n"), "++lambda_scale_fac"},
        {LINEAR("1", "++ies_subset_how(best)\n"), "first, last, random or phi_based"},
        {LINEAR("1", "++ies_subset_size(-101)\n"), "++ies_subset_size"},
        {LINEAR("1", "++ies_lambda_inc_fac(1)\n"), "++ies_lambda_inc_fac"},
        {LINEAR("1", "++ies_lambda_dec_fac(2)\n"), "++ies_lambda_dec_fac"},
        {LINEAR("1", "++ies_accept_phi_fac(0.5)\n"), "++ies_accept_phi_fac"},
        {LINEAR("1", "++ies_reg_factor(-1)\n"), "++ies_reg_factor"},
        {LINEAR("1", "++ies_bad_phi(0)\n"), "++ies_bad_phi"},
        {LINEAR("1", "++rand_seed(-4)\n"), "++rand_seed"},
        {LINEAR("1", "++ies_no_noise(t)\n++ies_obs_en(x.csv)\n"), "contradict"},
        {LINEAR("1", "++ies_restart_par_en(x.csv)\n"), "ies_restart_observation_ensemble"},
        {LINEAR("1", "++ies_par_en(absent.csv)\n"), "absent.csv"},
        {LINEAR("1", "++ies_par_en(short.csv)\n"), "at least 3"},
        {LINEAR("1", "++ies_par_en(lacking.csv)\n"), "lacking.csv"},
        {LINEAR("1", "++ies_obs_en(few.csv)\n++ies_num_reals(10)\n"), "few.csv"},
        {LINEAR("1", "++ies_localizer(absent.csv)\n"), "absent.csv"},
        {LINEAR("1", "++ies_num_reals(5)\n++ies_restart_obs_en(few.csv)\n"), "few.csv"},
        {MIXED("1", "++ies_par_en(negative.csv)\n"), "log-transformed"},
    };
    (void)state;
    scratch_text("short.csv", "real_name,a,b,c\nx,1,2,3\ny,1,2,4\n");
    scratch_text("lacking.csv", "real_name,a,b\nx,1,2\ny,1,2\nz,1,3\n");
    scratch_text("few.csv",
                 "real_name,o1,o2,o3,o4,o5\nx,1,2,3,4,5\ny,1,2,3,4,6\nq,1,1,1,1,1\n");
    scratch_text("negative.csv", "real_name,k,s,z\nx,1,2,1\ny,-1,2,1\nq,1,1,1\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct ies_rig rig = {.control = cases[i].control, .model = linear};
        refuse(&rig, cases[i].part);
    }
}

/* --- a linear model ----------------------------------------------------------------------- */

/* The posterior: C = (Gᵗ W² G + I / 10²)⁻¹, mean = C (Gᵗ W² d + prior / 10²). 3 x 3 by
 * cofactors. */
static void posterior(double mean[3], double c[3][3])
{
    double h[3][3], b[3], determinant = 0;
    for (int i = 0; i < 3; i++) {
        b[i] = centre[i] / 100;
        for (int j = 0; j < 3; j++) {
            h[i][j] = i == j ? 0.01 : 0;
            for (int o = 0; o < 5; o++)
                h[i][j] += design[o][i] * design[o][j] * weights[o] * weights[o];
        }
        for (int o = 0; o < 5; o++)
            b[i] += design[o][i] * measured[o] * weights[o] * weights[o];
    }
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            c[j][i] = h[(i + 1) % 3][(j + 1) % 3] * h[(i + 2) % 3][(j + 2) % 3] -
                      h[(i + 1) % 3][(j + 2) % 3] * h[(i + 2) % 3][(j + 1) % 3];
    for (int i = 0; i < 3; i++)
        determinant += h[0][i] * c[i][0];
    for (int i = 0; i < 3; i++) {
        mean[i] = 0;
        for (int j = 0; j < 3; j++)
            mean[i] += (c[i][j] /= determinant) * b[j];
    }
}

/* Of a sample of n the mean is off by sqrt(C / n), a covariance by sqrt((Cii Cjj + Cij²) / n). Of
 * nine numbers none should be off by more than 4 of those (with these seeds none is). */
static void posterior_near(const char *path)
{
    struct ensemble ensemble;
    double mean[3], c[3][3], got_mean[3] = {0}, got[3][3] = {{0}};
    posterior(mean, c);
    ies_rig_load(path, abc, 3, &ensemble);
    double n = (double)ensemble.realisations;
    for (size_t k = 0; k < ensemble.realisations; k++)
        for (int i = 0; i < 3; i++)
            got_mean[i] += ensemble.values[k * 3 + (size_t)i] / n;
    for (size_t k = 0; k < ensemble.realisations; k++)
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++)
                got[i][j] += (ensemble.values[k * 3 + (size_t)i] - got_mean[i]) *
                             (ensemble.values[k * 3 + (size_t)j] - got_mean[j]) / (n - 1);
    for (int i = 0; i < 3; i++) {
        if (fabs(got_mean[i] - mean[i]) > 4 * sqrt(c[i][i] / n))
            fail_msg("mean of %s: %g, not %g", abc[i], got_mean[i], mean[i]);
        for (int j = 0; j < 3; j++)
            if (fabs(got[i][j] - c[i][j]) >
                4 * sqrt((c[i][i] * c[j][j] + c[i][j] * c[i][j]) / n))
                fail_msg("covariance of %s and %s: %g, not %g", abc[i], abc[j], got[i][j],
                         c[i][j]);
    }
    ensemble_fini(&ensemble);
}

/* Lambda 1e-10 and scale 1: the Kalman update, which for a linear model and normal distributions
 * is exact but for the sample. */
static void one_step_of_a_linear_model_reaches_the_posterior(void **state)
{
    const struct ies_rig rig = {
        .control = LINEAR("1", "++ies_num_reals(3000)\n++ies_initial_lambda(1e-10)\n"
                               "++ies_lambda_mults(1)\n++lambda_scale_fac(1)\n"
                               "++ies_enforce_bounds(false)\n"),
        .model = linear};
    (void)state;
    run(&rig, &result);
    assert_int_equal(result.iterations, 1);
    posterior_near("case.1.par.csv");
}

/* The full solution minimises each realisation's own sum of misfit and distance from its prior: the
 * posterior again, whatever the lambdas on the way. Without the prior's term this would go on to
 * the least misfit. */
static void the_full_solution_stays_at_the_posterior(void **state)
{
    const struct ies_rig rig = {
        .control = LINEAR("12", "++ies_num_reals(3000)\n++ies_use_approx(false)\n"
                                "++ies_use_prior_scaling(true)\n++ies_reg_factor(1)\n"
                                "++ies_enforce_bounds(false)\n"),
        .model = linear};
    (void)state;
    run(&rig, &result);
    posterior_near("case.12.par.csv");
}

static void correlated_priors_and_noise_are_drawn_as_their_files_say(void **state)
{
    static const char cov[] =
        "3 3 1\n4 1.5 0\n1.5 1 0\n0 0 9\n* row and column names\na\nb\nc\n";
    static const char obs[] = "2 2 1\n1 0.8\n0.8 1\n* row and column names\no2\no5\n";
    static const char *const o[2] = {"o2", "o5"};
    const struct ies_rig rig = {
        .control = LINEAR("-1", "++parcov(prior.cov)\n++obscov(noise.cov)\n"
                                "++ies_num_reals(4001)\n++ies_enforce_bounds(false)\n"),
        .model = linear};
    struct ensemble parameters, noise;
    double ab = 0, aa = 0, oo = 0;
    (void)state;
    scratch_text("prior.cov", cov);
    scratch_text("noise.cov", obs);
    run(&rig, &result);
    ies_rig_load("case.0.par.csv", abc, 3, &parameters);
    ies_rig_load("case.obs+noise.csv", o, 2, &noise);
    assert_int_equal(parameters.realisations, 4001);
    assert_string_equal(parameters.names[4000], "base");
    assert_true(parameters.values[4000 * 3] == 1 && parameters.values[4000 * 3 + 2] == -1);
    assert_true(noise.values[4000 * 2] == -3 && noise.values[4000 * 2 + 1] == 2);
    for (size_t k = 0; k < 4000; k++) {
        const double *x = parameters.values + 3 * k, *e = noise.values + 2 * k;
        aa += (x[0] - 1) * (x[0] - 1) / 4000;
        ab += (x[0] - 1) * (x[1] - 2) / 4000;
        oo += (e[0] + 3) * (e[1] - 2) / 4000;
    }
    /* 4 standard deviations of a sample covariance, sqrt((Cii Cjj + Cij²) / n), as above */
    assert_true(fabs(aa - 4) < 4 * sqrt(32.0 / 4000));
    assert_true(fabs(ab - 1.5) < 4 * sqrt(6.25 / 4000));
    assert_true(fabs(oo - 0.8) < 4 * sqrt(1.64 / 4000));
    ensemble_fini(&parameters);
    ensemble_fini(&noise);
}

/* --- replays ------------------------------------------------------------------------------ */

static void a_replay_makes_the_same_waves_and_files(void **state)
{
    struct ies_rig rig = {.control = LINEAR("4", "++ies_num_reals(30)\n"), .model = linear};
    (void)state;
    run(&rig, &result);
    rig.backwards = true;
    rig.output = "again";
    run(&rig, &other);
    assert_true(result.fingerprint == other.fingerprint);
    assert_int_equal(result.runs, other.runs);
    same_files("case.4.par.csv", "again.4.par.csv");
    same_files("case.4.obs.csv", "again.4.obs.csv");
    same_files("case.phi.actual.csv", "again.phi.actual.csv");
    same_files("case.phi.lambda.csv", "again.phi.lambda.csv");
    same_files("case.base.rei", "again.base.rei");
    same_files("case.rec", "again.rec");
}

static void the_seed_is_all_that_chance_hangs_on(void **state)
{
    struct ies_rig rig = {.control = LINEAR("2", "++ies_num_reals(20)\n++rand_seed(7)\n"),
                          .model = linear};
    (void)state;
    run(&rig, &result);
    run(&rig, &other);
    assert_true(result.fingerprint == other.fingerprint);
    rig.control = LINEAR("2", "++ies_num_reals(20)\n++rand_seed(8)\n");
    run(&rig, &other);
    assert_true(result.fingerprint != other.fingerprint);
}

static void one_realisation_more_changes_no_other(void **state)
{
    struct ies_rig rig = {.control =
                              LINEAR("-1", "++ies_num_reals(10)\n++ies_add_base(false)\n"),
                          .model = linear};
    struct ensemble few, many;
    (void)state;
    run(&rig, &result);
    ies_rig_load("case.0.par.csv", abc, 3, &few);
    rig.control = LINEAR("-1", "++ies_num_reals(11)\n++ies_add_base(false)\n");
    run(&rig, &result);
    ies_rig_load("case.0.par.csv", abc, 3, &many);
    assert_memory_equal(few.values, many.values, 30 * sizeof(double));
    ensemble_fini(&few);
    ensemble_fini(&many);
}

static void a_restart_goes_on_as_if_nothing_had_been(void **state)
{
    struct ies_rig rig = {.control = LINEAR("3", "++ies_num_reals(25)\n"), .model = linear};
    (void)state;
    run(&rig, &result);
    rig.control = LINEAR("3", "++ies_parameter_ensemble(case.0.par.csv)\n"
                              "++ies_observation_ensemble(case.obs+noise.csv)\n"
                              "++ies_restart_observation_ensemble(case.0.obs.csv)\n");
    rig.output = "restarted";
    run(&rig, &other);
    assert_int_equal(other.runs, result.runs - 25);
    same_files("case.3.par.csv", "restarted.3.par.csv");
}

/* From the first iteration's ensembles: the prior is still known to the full solution. */
static void a_restart_from_an_iteration_keeps_the_prior(void **state)
{
    struct ies_rig rig = {.control =
                              LINEAR("1", "++ies_num_reals(25)\n++ies_use_approx(false)\n"
                                          "++ies_initial_lambda(3)\n++ies_subset_how(first)\n"),
                          .model = linear};
    (void)state;
    run(&rig, &result);
    rig.control = LINEAR("1", "++ies_parameter_ensemble(case.0.par.csv)\n"
                              "++ies_observation_ensemble(case.obs+noise.csv)\n"
                              "++ies_restart_parameter_ensemble(case.1.par.csv)\n"
                              "++ies_restart_observation_ensemble(case.1.obs.csv)\n"
                              "++ies_use_approx(false)\n++ies_reg_factor(1)\n");
    rig.output = "restarted";
    run(&rig, &other);
    assert_true(other.phi[0] > 0 && other.phi[1] < other.phi[0] * 1.05);
    assert_null(strstr(other.said, "dropped"));
}

/* --- NOPTMAX ------------------------------------------------------------------------------ */

static void noptmax_0_runs_the_control_files_values(void **state)
{
    const struct ies_rig rig = {.control = LINEAR("0", "++ies_num_reals(20)\n"),
                                .model = linear};
    (void)state;
    run(&rig, &result);
    assert_int_equal(result.runs, 1);
    char *par = scratch_read("case.base.par", NULL), *rei = scratch_read("case.base.rei", NULL);
    assert_non_null(strstr(par, "single point"));
    assert_non_null(strstr(rei, "o6"));
    free(par);
    free(rei);
}

static void noptmax_minus_1_runs_the_prior_and_minus_2_its_mean(void **state)
{
    struct ies_rig rig = {.control = LINEAR("-1", "++ies_num_reals(20)\n"), .model = linear};
    (void)state;
    unlink("case.1.par.csv");
    run(&rig, &result);
    assert_int_equal(result.runs, 20);
    assert_int_equal(result.waves, 1);
    assert_int_equal(access("case.0.obs.csv", F_OK), 0);
    assert_int_equal(access("case.1.par.csv", F_OK), -1);
    rig.control = LINEAR("-2", "++ies_num_reals(20)\n");
    run(&rig, &result);
    assert_int_equal(result.runs, 1);
    assert_int_equal(access("case.mean.par", F_OK), 0);
}

/* --- files -------------------------------------------------------------------------------- */

static void tables_have_the_columns_that_scripts_look_for(void **state)
{
    const struct ies_rig rig = {
        .control = LINEAR("1", "++ies_num_reals(5)\n++ies_reg_factor(0.5)\n"
                               "++ies_save_lambda_en(true)\n++ies_initial_lambda(2)\n"
                               "++ies_lambda_mults(1)\n++lambda_scale_fac(1)\n"),
        .model = linear};
    static const struct {
        const char *file, *begin;
    } files[] = {
        {"case.0.par.csv", "real_name,a,b,c\n0,"},
        {"case.1.obs.csv", "real_name,o1,o2,o3,o4,o5,o6\n0,"},
        {"case.obs+noise.csv", "real_name,o1,o2,o3,o4,o5\n0,"},
        {"case.phi.actual.csv",
         "iteration,total_runs,mean,standard_deviation,min,max,0,1,2,3,base\n0,5,"},
        {"case.phi.meas.csv",
         "iteration,total_runs,mean,standard_deviation,min,max,0,1,2,3,base\n0,5,"},
        {"case.phi.composite.csv", "iteration,total_runs,mean,"},
        {"case.phi.regul.csv",
         "iteration,total_runs,mean,standard_deviation,min,max,0,1,2,3,base\n0,5,0,0,0,0,0,"},
        {"case.phi.group.csv",
         "iteration,total_runs,obs_realization,par_realization,obs,g\n0,5,0,0,"},
        {"case.phi.lambda.csv",
         "iteration,num_reals,current_lambda,current_comp_mean_phi,current_comp_std_phi,"
         "lambda_scale_fac,lambda,comp_mean_phi,comp_std_phi\n1,4,2,"},
        {"case.1.2.lambda.1.scale.par.csv", "real_name,a,b,c\n"},
        {"case.1.2.lambda.1.scale.obs.csv", "real_name,o1,o2,o3,o4,o5,o6\n"},
        {"case.1.base.par", "single point"},
        {"case.base.rei", " MODEL OUTPUTS AT END OF OPTIMISATION ITERATION NO. "},
    };
    (void)state;
    run(&rig, &result);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *text = scratch_read(files[i].file, NULL);
        if (strncmp(text, files[i].begin, strlen(files[i].begin)) != 0)
            fail_msg("%s begins: %.200s", files[i].file, text);
        free(text);
    }
}

static void ensembles_can_be_binary(void **state)
{
    struct ies_rig rig = {.control = LINEAR("1", "++ies_num_reals(8)\n"), .model = linear};
    struct ensemble text, binary;
    (void)state;
    run(&rig, &result);
    rig.control = LINEAR("1", "++ies_num_reals(8)\n++ies_save_binary(true)\n");
    run(&rig, &other);
    ies_rig_load("case.1.par.csv", abc, 3, &text);
    ies_rig_load("case.1.par.jcb", abc, 3, &binary);
    assert_int_equal(binary.realisations, 8);
    assert_memory_equal(text.values, binary.values, 24 * sizeof(double));
    ensemble_fini(&text);
    ensemble_fini(&binary);
}

/* --- a model as users have them ----------------------------------------------------------- */

#define CELL(n)                "k" #n " log factor 2.5 0.25 25 k 1 0 1\n"
#define HEAD(n, value, weight) "h" #n " " #value " " #weight " head\n"
#define XSEC(noptmax, options)                                                                 \
    "pcf\n* control data\nrestart estimation\n10 10 1 0 1\n1 1 single point\n10 2 0.3 0.01 "   \
    "10\n"                                                                                     \
    "5 5 0.001\n0.1\n" noptmax " 0.001 40 40 0.001 4\n1 1 1\n"                                 \
    "* parameter groups\nk relative 0.01 0 switch 2 parabolic\n* parameter data\n" CELL(1)     \
        CELL(2) CELL(3) CELL(4) CELL(5) CELL(6) CELL(7) CELL(8) CELL(9)                        \
            CELL(10) "* observation groups\nhead\n* observation data\n" HEAD(1, 1.5, 0)        \
                HEAD(2, 1.7, 0) HEAD(3, 1.9, 0) HEAD(4, 2.4, 10) HEAD(5, 2.3, 0)               \
                    HEAD(6, 3.9, 10) HEAD(7, 2.7, 0) HEAD(8, 2.9, 0) HEAD(9, 4.6, 5)           \
                        HEAD(10, 3.3, 0) "* model command line\nmodel\n* model "               \
                                         "input/output\na.tpl a.in\nb.ins b.out\n" options

/* Ten cells in a row, a head of 1 at the left end, a flow of 1 in at the right one: the head rises
 * by 1 / K from cell to cell. */
static bool cross_section(const double *values, const char *purpose, double *observations)
{
    double head = 1;
    (void)purpose;
    for (int i = 0; i < 10; i++)
        observations[i] = head += 0.5 / values[i];
    return true;
}

static void a_cross_section_is_fitted(void **state)
{
    struct ies_rig rig = {
        .control = XSEC("6", "++ies_num_reals(40)\n"), .model = cross_section, .slots = 10};
    (void)state;
    run(&rig, &result);
    /* Ten parameters fit three observations, noise and all, in the end; in six steps through a
     * model as bent as this one, most of the way. */
    assert_true(result.phi[result.phis - 1] < result.phi[0] / 10);
    rig.control = XSEC("6", "++ies_num_reals(40)\n++ies_use_approx(false)\n"
                            "++ies_subset_how(phi_based)\n");
    run(&rig, &result);
    assert_true(result.phi[result.phis - 1] < result.phi[0] / 10);
}

/* No parameter fits both 9 and 1. */
static void phi_that_stays_ends_it(void **state)
{
    const struct ies_rig rig = {
        .control = "pcf\n* control data\nrestart estimation\n1 2 1 0 1\n1 1 single point\n"
                   "10 2 0.3 0.01 10\n5 5 0.001\n0.1\n30 0.01 3 3 0.001 4\n1 1 1\n"
                   "* parameter groups\ng relative 0.01 0 switch 2 parabolic\n"
                   "* parameter data\na none factor 5 0 10 g 1 0 1\n"
                   "* observation groups\no\n* observation data\no1 9 1 o\no2 1 1 o\n"
                   "* model command line\nm\n* model input/output\na.tpl a.in\nb.ins b.out\n"
                   "++ies_num_reals(20)\n",
        .model = identity};
    (void)state;
    run(&rig, &result);
    assert_true(result.iterations < 30);
    assert_non_null(strstr(result.said, "NPHI"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_told_in_sentences),
        cmocka_unit_test(one_step_of_a_linear_model_reaches_the_posterior),
        cmocka_unit_test(the_full_solution_stays_at_the_posterior),
        cmocka_unit_test(correlated_priors_and_noise_are_drawn_as_their_files_say),
        cmocka_unit_test(a_replay_makes_the_same_waves_and_files),
        cmocka_unit_test(the_seed_is_all_that_chance_hangs_on),
        cmocka_unit_test(one_realisation_more_changes_no_other),
        cmocka_unit_test(a_restart_goes_on_as_if_nothing_had_been),
        cmocka_unit_test(a_restart_from_an_iteration_keeps_the_prior),
        cmocka_unit_test(noptmax_0_runs_the_control_files_values),
        cmocka_unit_test(noptmax_minus_1_runs_the_prior_and_minus_2_its_mean),
        cmocka_unit_test(tables_have_the_columns_that_scripts_look_for),
        cmocka_unit_test(ensembles_can_be_binary),
        cmocka_unit_test(a_cross_section_is_fitted),
        cmocka_unit_test(phi_that_stays_ends_it),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}

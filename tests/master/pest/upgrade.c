#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "master/pest/upgrade.h"
#include "tests/master/pest/linear_problem.h"

static const struct lsqr_limits plain = {1e-14, 1e-14, 0, 0};

static struct upgrade *open_upgrade(struct problem *p, const bool *regularisation)
{
    struct error error = {0};
    struct upgrade *upgrade =
        upgrade_create(&p->view, p->weights, regularisation, &plain, &error);

    assert_non_null(upgrade);
    assert_int_equal(0, upgrade_set_residuals(upgrade, p->residuals, &error));
    return upgrade;
}

static struct upgrade_report solve(struct upgrade *upgrade, const bool *frozen,
                                   const double *moves, double lambda, double *delta)
{
    struct error error = {0};
    struct upgrade_report report;

    assert_int_equal(0,
                     upgrade_solve(upgrade, frozen, moves, &lambda, 1, delta, &report, &error));
    return report;
}

/* The largest component of Jᵗ Q (r - J delta) - lambda delta: zero at the solution. */
static double defect(const struct problem *p, const bool *frozen, const double *delta,
                     double lambda)
{
    double worst = 0;

    for (size_t j = 0; j < p->columns; j++) {
        double sum = -lambda * delta[j];

        if (frozen && frozen[j])
            continue;
        for (size_t i = 0; i < p->rows; i++) {
            double left = p->residuals[i];

            if (p->weights[i] == 0)
                continue;
            for (size_t k = 0; k < p->columns; k++)
                left -= p->values[i + k * p->rows] * delta[k];
            sum += p->values[i + j * p->rows] * p->weights[i] * p->weights[i] * left;
        }
        worst = fmax(worst, fabs(sum));
    }
    return worst;
}

/* PEST++'s first upgrade of Rosenbrock's function with lambda 0.1, to the digits published. */
static void rosenbrock_goes_where_pestpp_goes(void **state)
{
    double h = 0.012, delta[2];
    double values[4] = {10 * (1.44 - (-1.2 + h) * (-1.2 + h)) / h, -1, 10, 0};
    struct problem p = problem_make(2, 2, values);
    struct upgrade *upgrade;

    (void)state;
    p.residuals[0] = 4.4;
    p.residuals[1] = -2.2;
    upgrade = open_upgrade(&p, NULL);
    assert_int_equal(2, solve(upgrade, NULL, NULL, 0.1, delta).parameters);
    assert_true(fabs(-1.2 + delta[0] - 0.18048) < 5e-6);
    assert_true(fabs(1 + delta[1] + 1.85373) < 5e-6);
    upgrade_destroy(upgrade);
    problem_free(&p);
}

/* 1e-10: a condition of about 1e3 in the random matrices, squared, on 1e-16. */
static void the_equations_are_solved(void **state)
{
    static const size_t sizes[][2] = {{1, 1},   {5, 1},     {40, 12},
                                      {12, 40}, {700, 300}, {300, 530}};
    static const double lambdas[] = {0.01, 1, 300};

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct problem p = problem_make(sizes[s][0], sizes[s][1], NULL);
        double *delta = calloc(p.columns, sizeof(double));

        p.weights[0] = 3;
        struct upgrade *upgrade = open_upgrade(&p, NULL);
        for (size_t l = 0; l < 3; l++) {
            struct upgrade_report report = solve(upgrade, NULL, NULL, lambdas[l], delta);

            assert_int_equal(p.columns, report.parameters);
            assert_true(defect(&p, NULL, delta, lambdas[l]) < 1e-10);
        }
        upgrade_destroy(upgrade);
        free(delta);
        problem_free(&p);
    }
}

static void frozen_parameters_move_as_told(void **state)
{
    struct problem p = problem_make(60, 20, NULL);
    bool frozen[20] = {[3] = true, [19] = true};
    double moves[20] = {[3] = 0.25, [5] = 99, [19] = -1}, delta[20];

    (void)state;
    struct upgrade *upgrade = open_upgrade(&p, NULL);
    assert_int_equal(18, solve(upgrade, frozen, moves, 0.5, delta).parameters);
    assert_true(delta[3] == 0.25 && delta[19] == -1);
    assert_true(defect(&p, frozen, delta, 0.5) < 1e-12);
    solve(upgrade, frozen, NULL, 0.5, delta);
    assert_true(delta[3] == 0 && delta[19] == 0);
    assert_true(defect(&p, frozen, delta, 0.5) < 1e-12);
    upgrade_destroy(upgrade);
    problem_free(&p);
}

static void columns_of_zeros_stay(void **state)
{
    struct problem p = problem_make(9, 4, NULL);
    double delta[4];

    (void)state;
    for (size_t i = 0; i < 9; i++)
        p.values[i + 9 * 2] = 0;
    struct upgrade *upgrade = open_upgrade(&p, NULL);
    solve(upgrade, NULL, NULL, 0, delta);
    assert_true(delta[2] == 0);
    assert_true(defect(&p, NULL, delta, 0) < 1e-12);
    upgrade_destroy(upgrade);
    problem_free(&p);
}

static void rows_without_weight_may_hold_anything(void **state)
{
    struct problem p = problem_make(9, 4, NULL);
    double delta[4], without[4];

    (void)state;
    p.weights[4] = 0;
    struct upgrade *upgrade = open_upgrade(&p, NULL);
    solve(upgrade, NULL, NULL, 1, without);
    upgrade_destroy(upgrade);
    for (size_t j = 0; j < 4; j++)
        p.values[4 + 9 * j] = NAN;
    p.residuals[4] = INFINITY;
    upgrade = open_upgrade(&p, NULL);
    solve(upgrade, NULL, NULL, 1, delta);
    assert_memory_equal(without, delta, sizeof delta);
    upgrade_destroy(upgrade);
    problem_free(&p);
}

static void what_is_not_finite_is_refused(void **state)
{
    struct problem p = problem_make(9, 4, NULL);
    struct error error = {0};
    struct upgrade *upgrade;

    (void)state;
    for (int big = 0; big < 2;
         big++) { /* it is met on the way; the square of 1e200 is not finite */
        double lambda = 0, delta[4];

        p.values[3 + 9 * 1] = big ? 1e200 : NAN;
        upgrade = open_upgrade(&p, NULL);
        assert_int_equal(-1,
                         upgrade_solve(upgrade, NULL, NULL, &lambda, 1, delta, NULL, &error));
        assert_non_null(strstr(error.text, "not finite"));
        upgrade_destroy(upgrade);
    }
    p.values[3 + 9 * 1] = 1;
    upgrade = open_upgrade(&p, NULL);
    p.residuals[7] = NAN;
    assert_int_equal(-1, upgrade_set_residuals(upgrade, p.residuals, &error));
    assert_non_null(strstr(error.text, "row 7"));
    upgrade_destroy(upgrade);
    problem_free(&p);
}

static void prior_information_is_rows(void **state)
{
    struct problem p, whole;
    double delta[6], expected[6];

    (void)state;
    problem_make_priors(&p, &whole);
    struct upgrade *upgrade = open_upgrade(&p, NULL), *reference = open_upgrade(&whole, NULL);
    solve(upgrade, NULL, NULL, 0.1, delta);
    solve(reference, NULL, NULL, 0.1, expected);
    for (size_t j = 0; j < 6; j++)
        assert_true(fabs(delta[j] - expected[j]) < 1e-13);
    upgrade_diagonal(upgrade, delta);
    upgrade_diagonal(reference, expected);
    for (size_t j = 0; j < 6; j++)
        assert_true(fabs(delta[j] - expected[j]) < 1e-13 * expected[j]);
    upgrade_destroy(upgrade);
    upgrade_destroy(reference);
    problem_free(&p);
    problem_free(&whole);
}

static void the_factor_weighs_regularisation(void **state)
{
    struct problem p = problem_make(20, 5, NULL), scaled = problem_make(20, 5, NULL);
    bool regularisation[20] = {[2] = true, [17] = true};
    double delta[5], expected[5], meas[2], reg[2];
    struct error error = {0};

    (void)state;
    scaled.weights[2] = scaled.weights[17] = 3;
    double sums[2] = {0, 0};
    struct upgrade *upgrade = open_upgrade(&p, regularisation);
    struct upgrade *reference = open_upgrade(&scaled, NULL);
    upgrade_set_factor(upgrade, 3);
    solve(upgrade, NULL, NULL, 0.1, delta);
    solve(reference, NULL, NULL, 0.1, expected);
    for (size_t j = 0; j < 5; j++)
        assert_true(fabs(delta[j] - expected[j]) < 1e-13);
    assert_int_equal(0, upgrade_predict(upgrade, delta, &meas[0], &reg[0], &error));
    assert_int_equal(0, upgrade_predict(reference, delta, &meas[1], &reg[1], &error));
    for (size_t i = 0; i < 20; i++) {
        double left = p.residuals[i];

        for (size_t j = 0; j < 5; j++)
            left -= p.values[i + 20 * j] * delta[j];
        sums[regularisation[i]] += left * left;
    }
    assert_true(fabs(meas[0] - sums[0]) < 1e-13 && fabs(reg[0] - sums[1]) < 1e-13);
    assert_true(fabs(meas[1] - sums[0] - 9 * sums[1]) < 1e-13 && reg[1] == 0);
    upgrade_destroy(upgrade);
    upgrade_destroy(reference);
    problem_free(&p);
    problem_free(&scaled);
}

/* Threads take pieces in another order each time: the bits must not know. */
static void results_are_the_same_bits_each_time(void **state)
{
    struct problem p = problem_make(3000, 700, NULL);
    const struct lsqr_limits limits = {1e-14, 1e-14, 0, 20};
    double *first = calloc(700, sizeof(double)), *again = calloc(700, sizeof(double));
    struct error error = {0};

    (void)state;
    for (int round = 0; round < 3; round++) {
        struct upgrade *upgrade = upgrade_create(&p.view, p.weights, NULL, &limits, &error);

        assert_non_null(upgrade);
        assert_int_equal(0, upgrade_set_residuals(upgrade, p.residuals, &error));
        solve(upgrade, NULL, NULL, 1, round == 0 ? first : again);
        if (round > 0)
            assert_memory_equal(first, again, 700 * sizeof(double));
        upgrade_destroy(upgrade);
    }
    free(first);
    free(again);
    problem_free(&p);
}

static void no_parameters_need_no_upgrade(void **state)
{
    struct jacobian_view view = {.observations = 2};
    double weights[2] = {1, 1}, residuals[2] = {1, 1}, lambda = 1;
    struct error error = {0};
    struct upgrade_report report;
    struct upgrade *upgrade = upgrade_create(&view, weights, NULL, &plain, &error);

    (void)state;
    assert_non_null(upgrade);
    assert_int_equal(0, upgrade_set_residuals(upgrade, residuals, &error));
    assert_int_equal(
        0, upgrade_solve(upgrade, NULL, NULL, &lambda, 1, residuals, &report, &error));
    assert_int_equal(0, report.parameters);
    upgrade_destroy(upgrade);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_finite_is_refused),
        cmocka_unit_test(rosenbrock_goes_where_pestpp_goes),
        cmocka_unit_test(the_equations_are_solved),
        cmocka_unit_test(frozen_parameters_move_as_told),
        cmocka_unit_test(columns_of_zeros_stay),
        cmocka_unit_test(rows_without_weight_may_hold_anything),
        cmocka_unit_test(prior_information_is_rows),
        cmocka_unit_test(the_factor_weighs_regularisation),
        cmocka_unit_test(results_are_the_same_bits_each_time),
        cmocka_unit_test(no_parameters_need_no_upgrade),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

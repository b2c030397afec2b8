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

/* A Jacobian in one block, and what goes with it. */
struct problem {
    size_t rows, columns;
    double *values, *weights, *residuals;
    const double **pointers;
    struct jacobian_view view;
};

static double noise(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) / 9007199254740992.0 - 0.5;
}

static struct problem problem_make(size_t rows, size_t columns, const double *values)
{
    struct problem p = {rows,
                        columns,
                        calloc(rows * columns, sizeof(double)),
                        calloc(rows, sizeof(double)),
                        calloc(rows, sizeof(double)),
                        calloc(columns, sizeof(double *)),
                        {0}};
    uint64_t state = rows * 1000 + columns;

    for (size_t i = 0; i < rows * columns; i++)
        p.values[i] = values ? values[i] : noise(&state);
    for (size_t i = 0; i < rows; i++) {
        p.weights[i] = 1;
        p.residuals[i] = noise(&state);
    }
    for (size_t i = 0; i < columns; i++)
        p.pointers[i] = p.values + i * rows;
    p.view = (struct jacobian_view){
        .observations = rows, .parameters = columns, .columns = p.pointers};
    return p;
}

static void problem_free(struct problem *p)
{
    free(p->values);
    free(p->weights);
    free(p->residuals);
    free(p->pointers);
}

static const struct upgrade_options plain = {
    UPGRADE_AUTOMATIC, SIZE_MAX, 0, {1e-14, 1e-14, 0, 0}};

static struct upgrade *open_upgrade(struct problem *p, const bool *regularisation,
                                    const struct upgrade_options *options)
{
    struct error error = {0};
    struct upgrade *upgrade =
        upgrade_create(&p->view, p->weights, regularisation, options, &error);

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
    struct upgrade_options options = {UPGRADE_AUTOMATIC, SIZE_MAX, 1e-6, {1e-14, 1e-14, 0, 0}};
    struct upgrade *upgrade;
    struct upgrade_report report;

    (void)state;
    p.residuals[0] = 4.4;
    p.residuals[1] = -2.2;
    upgrade = open_upgrade(&p, NULL, &options);
    report = solve(upgrade, NULL, NULL, 0.1, delta);
    assert_int_equal(2, report.rank);
    assert_true(fabs(-1.2 + delta[0] - 0.18048) < 5e-6);
    assert_true(fabs(1 + delta[1] + 1.85373) < 5e-6);
    upgrade_destroy(upgrade);
    problem_free(&p);
}

/* All methods solve the same equations where nothing is truncated. 1e-10: a condition of about
 * 1e3 in the random matrices, squared, on 1e-16. */
static void methods_agree(void **state)
{
    static const size_t sizes[][2] = {{1, 1},   {5, 1},     {40, 12},
                                      {12, 40}, {700, 300}, {300, 530}};
    static const double lambdas[] = {0.01, 1, 300};

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct problem p = problem_make(sizes[s][0], sizes[s][1], NULL);
        double *delta = calloc(p.columns, sizeof(double));

        p.weights[0] = 3;
        for (int method = UPGRADE_AUTOMATIC; method <= UPGRADE_LSQR; method++) {
            struct upgrade_options options = plain;
            struct upgrade *upgrade;

            options.method = (enum upgrade_method)method;
            upgrade = open_upgrade(&p, NULL, &options);
            for (size_t l = 0; l < 3; l++) {
                struct upgrade_report report = solve(upgrade, NULL, NULL, lambdas[l], delta);

                assert_int_equal(p.columns, report.parameters);
                assert_true(defect(&p, NULL, delta, lambdas[l]) < 1e-10);
            }
            upgrade_destroy(upgrade);
        }
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
    for (int method = UPGRADE_CHOLESKY; method <= UPGRADE_LSQR; method++) {
        struct upgrade_options options = plain;
        struct upgrade *upgrade;

        options.method = (enum upgrade_method)method;
        upgrade = open_upgrade(&p, NULL, &options);
        assert_int_equal(18, solve(upgrade, frozen, moves, 0.5, delta).parameters);
        assert_true(delta[3] == 0.25 && delta[19] == -1);
        assert_true(defect(&p, frozen, delta, 0.5) < 1e-12);
        solve(upgrade, frozen, NULL, 0.5, delta);
        assert_true(delta[3] == 0 && delta[19] == 0);
        assert_true(defect(&p, frozen, delta, 0.5) < 1e-12);
        upgrade_destroy(upgrade);
    }
    problem_free(&p);
}

static void columns_of_zeros_stay(void **state)
{
    struct problem p = problem_make(9, 4, NULL);
    double delta[4];

    (void)state;
    for (size_t i = 0; i < 9; i++)
        p.values[i + 9 * 2] = 0;
    for (int method = UPGRADE_AUTOMATIC; method <= UPGRADE_LSQR; method++) {
        struct upgrade_options options = plain;
        struct upgrade *upgrade;

        options.method = (enum upgrade_method)method;
        upgrade = open_upgrade(&p, NULL, &options);
        solve(upgrade, NULL, NULL, 0, delta);
        assert_true(delta[2] == 0);
        assert_true(defect(&p, NULL, delta, 0) < 1e-12);
        upgrade_destroy(upgrade);
    }
    problem_free(&p);
}

static void rows_without_weight_may_hold_anything(void **state)
{
    struct problem p = problem_make(9, 4, NULL);
    double delta[4], without[4];

    (void)state;
    for (int method = UPGRADE_AUTOMATIC; method <= UPGRADE_LSQR; method++) {
        struct upgrade_options options = plain;
        struct upgrade *upgrade;

        options.method = (enum upgrade_method)method;
        p.weights[4] = 0;
        upgrade = open_upgrade(&p, NULL, &options);
        solve(upgrade, NULL, NULL, 1, without);
        upgrade_destroy(upgrade);
        for (size_t j = 0; j < 4; j++)
            p.values[4 + 9 * j] = NAN;
        p.residuals[4] = INFINITY;
        upgrade = open_upgrade(&p, NULL, &options);
        solve(upgrade, NULL, NULL, 1, delta);
        assert_memory_equal(without, delta, sizeof delta);
        upgrade_destroy(upgrade);
    }
    problem_free(&p);
}

static void what_is_not_finite_is_refused(void **state)
{
    struct problem p = problem_make(9, 4, NULL);
    struct error error = {0};
    struct upgrade *upgrade;

    (void)state;
    p.values[3 + 9 * 1] = NAN;
    assert_null(upgrade_create(&p.view, p.weights, NULL, &plain, &error));
    assert_non_null(strstr(error.text, "column 1"));
    p.values[3 + 9 * 1] = 1e200; /* its square is not finite */
    assert_null(upgrade_create(&p.view, p.weights, NULL, &plain, &error));
    for (int big = 0; big < 2; big++) { /* LSQR meets it on its way */
        struct upgrade_options options = plain;
        double lambda = 0, delta[4];

        options.method = UPGRADE_LSQR;
        p.values[3 + 9 * 1] = big ? 1e200 : NAN;
        upgrade = upgrade_create(&p.view, p.weights, NULL, &options, &error);
        assert_non_null(upgrade);
        assert_int_equal(0, upgrade_set_residuals(upgrade, p.residuals, &error));
        assert_int_equal(-1,
                         upgrade_solve(upgrade, NULL, NULL, &lambda, 1, delta, NULL, &error));
        assert_non_null(strstr(error.text, "not finite"));
        upgrade_destroy(upgrade);
    }
    p.values[3 + 9 * 1] = 1;
    upgrade = open_upgrade(&p, NULL, &plain);
    p.residuals[7] = NAN;
    assert_int_equal(-1, upgrade_set_residuals(upgrade, p.residuals, &error));
    assert_non_null(strstr(error.text, "row 7"));
    upgrade_destroy(upgrade);
    problem_free(&p);
}

/* Two equal columns and lambda 0: N is singular; the truncated solution shares the value. */
static void rank_deficiency_is_truncated(void **state)
{
    double values[6] = {1, 2, 3, 1, 2, 3}, delta[2];
    struct problem p = problem_make(3, 2, values);
    struct upgrade_options options = plain;
    struct upgrade *upgrade;
    struct upgrade_report report;

    (void)state;
    for (int i = 0; i < 3; i++)
        p.residuals[i] = 2 * (i + 1);
    for (int method = UPGRADE_AUTOMATIC; method <= UPGRADE_EIGEN; method++) {
        options.method = (enum upgrade_method)method;
        options.eigthresh = 1e-10;
        upgrade = open_upgrade(&p, NULL, &options);
        report = solve(upgrade, NULL, NULL, 0, delta);
        if (method != UPGRADE_CHOLESKY) /* whose factor may or may not exist, by rounding */
            assert_int_equal(1, report.rank);
        assert_true(fabs(delta[0] + delta[1] - 2) < 1e-12);
        upgrade_destroy(upgrade);
    }
    problem_free(&p);
}

/* A diagonal Jacobian has S = 1 / d: N = I + λ / d², whose order MAXSING cuts. */
static void maxsing_keeps_the_largest(void **state)
{
    double values[9] = {1, 0, 0, 0, 2, 0, 0, 0, 4}, delta[3];
    struct problem p = problem_make(3, 3, values);
    struct upgrade_options options = plain;
    struct upgrade *upgrade;
    struct upgrade_report report;

    (void)state;
    for (int i = 0; i < 3; i++)
        p.residuals[i] = 1;
    options.maxsing = 2;
    upgrade = open_upgrade(&p, NULL, &options);
    report = solve(upgrade, NULL, NULL, 1, delta);
    /* Eigenvalues 2, 1.25, 1.0625: the third parameter's goes. d r / (d² + λ) for the others. */
    assert_int_equal(2, report.rank);
    assert_true(fabs(report.largest - 2) < 1e-15 && fabs(report.smallest - 1.25) < 1e-15);
    assert_true(fabs(delta[0] - 0.5) < 1e-15 && fabs(delta[1] - 0.4) < 1e-15 && delta[2] == 0);
    upgrade_destroy(upgrade);
    options.maxsing = SIZE_MAX;
    options.eigthresh = 0.6; /* 1.25 / 2 is above, 1.0625 / 2 below */
    upgrade = open_upgrade(&p, NULL, &options);
    assert_int_equal(2, solve(upgrade, NULL, NULL, 1, delta).rank);
    upgrade_destroy(upgrade);
    problem_free(&p);
}

/* Large enough for the Cholesky test of the spectrum: it must decide as the eigenvalues do. */
static void eigthresh_is_decided_alike_with_and_without_eigenvalues(void **state)
{
    static const double scales[] = {1, 1e-7};
    enum { N = 200 };

    (void)state;
    for (int s = 0; s < 2; s++) {
        struct problem p = problem_make(400, N, NULL);
        double some[N], all[N];
        struct upgrade_options options = plain;
        struct upgrade *upgrade;
        struct upgrade_report report, eigen;

        for (size_t i = 0; i < 400; i++) /* column 1 is nearly column 0 */
            p.values[i + 400] = p.values[i] + scales[s] * p.values[i + 400];
        options.eigthresh = 1e-6;
        upgrade = open_upgrade(&p, NULL, &options);
        report = solve(upgrade, NULL, NULL, 1e-6, some);
        upgrade_destroy(upgrade);
        options.method = UPGRADE_EIGEN;
        upgrade = open_upgrade(&p, NULL, &options);
        eigen = solve(upgrade, NULL, NULL, 1e-6, all);
        upgrade_destroy(upgrade);
        assert_int_equal(s == 0 ? UPGRADE_CHOLESKY : UPGRADE_EIGEN, report.method);
        assert_int_equal(s == 0 ? N : N - 1, eigen.rank);
        assert_int_equal(eigen.rank, report.rank);
        assert_true(fabs(report.largest - eigen.largest) < 1e-8 * eigen.largest);
        for (size_t i = 0; i < N; i++) /* condition up to 1e6 */
            assert_true(fabs(some[i] - all[i]) < 1e-9);
        problem_free(&p);
    }
}

static void prior_information_is_rows(void **state)
{
    struct problem p = problem_make(30, 6, NULL), whole = problem_make(32, 6, NULL);
    size_t starts[3] = {0, 2, 5}, columns[5] = {0, 4, 2, 5, 2};
    double values[5] = {1, -1, 2, 0.5, 0.25}, weights[32], residuals[32], delta[6], expected[6];

    (void)state;
    for (size_t j = 0; j < 6; j++) {
        memcpy(whole.values + 32 * j, p.values + 30 * j, 30 * sizeof(double));
        whole.values[30 + 32 * j] = j == 0 ? 1 : j == 4 ? -1 : 0;
        whole.values[31 + 32 * j] = j == 2 ? 2.25 : j == 5 ? 0.5 : 0;
    }
    whole.weights[31] = 2;
    memcpy(weights, whole.weights, sizeof weights);
    memcpy(residuals, whole.residuals, sizeof residuals);
    p.view.priors = 2;
    p.view.prior_starts = starts;
    p.view.prior_columns = columns;
    p.view.prior_values = values;
    for (int method = UPGRADE_CHOLESKY; method <= UPGRADE_LSQR; method++) {
        struct upgrade_options options = plain;
        struct problem with = p;
        struct upgrade *upgrade, *reference;

        options.method = (enum upgrade_method)method;
        with.weights = weights;
        with.residuals = residuals;
        upgrade = open_upgrade(&with, NULL, &options);
        reference = open_upgrade(&whole, NULL, &options);
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
    }
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
    for (int method = UPGRADE_CHOLESKY; method <= UPGRADE_LSQR; method++) {
        struct upgrade_options options = plain;
        struct upgrade *upgrade, *reference;
        double sums[2] = {0, 0};

        options.method = (enum upgrade_method)method;
        upgrade = open_upgrade(&p, regularisation, &options);
        reference = open_upgrade(&scaled, NULL, &options);
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
    }
    problem_free(&p);
    problem_free(&scaled);
}

static void eigenvectors_leave_frozen_ones_out(void **state)
{
    double values[9] = {3, 0, 0, 0, 2, 0, 0, 0, 5}, found[3], vectors[9];
    struct problem p = problem_make(3, 3, values);
    bool frozen[3] = {false, true, false};
    struct error error = {0};
    struct upgrade *upgrade = open_upgrade(&p, NULL, &plain);

    (void)state;
    assert_int_equal(2, upgrade_eigen(upgrade, frozen, 3, found, vectors, &error));
    assert_true(fabs(found[0] - 25) < 1e-13 && fabs(found[1] - 9) < 1e-13);
    assert_true(vectors[2] == 1 && vectors[0] == 0 && vectors[1] == 0);
    assert_true(vectors[3] == 1 && vectors[4] == 0 && vectors[5] == 0);
    assert_int_equal(1, upgrade_eigen(upgrade, NULL, 1, found, vectors, &error));
    upgrade_destroy(upgrade);
    problem_free(&p);
}

/* Threads take pieces in another order each time: the bits must not know. */
static void results_are_the_same_bits_each_time(void **state)
{
    struct problem p = problem_make(3000, 700, NULL);
    static const enum upgrade_method methods[] = {UPGRADE_CHOLESKY, UPGRADE_EIGEN,
                                                  UPGRADE_LSQR};
    double *first = calloc(700, sizeof(double)), *again = calloc(700, sizeof(double));

    (void)state;
    for (size_t m = 0; m < 3; m++) {
        struct upgrade_options options = plain;

        options.method = methods[m];
        options.lsqr.itnlim = 20;
        for (int round = 0; round < 3; round++) {
            struct upgrade *upgrade = open_upgrade(&p, NULL, &options);

            solve(upgrade, NULL, NULL, 1, round == 0 ? first : again);
            if (round > 0)
                assert_memory_equal(first, again, 700 * sizeof(double));
            upgrade_destroy(upgrade);
        }
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
        cmocka_unit_test(methods_agree),
        cmocka_unit_test(frozen_parameters_move_as_told),
        cmocka_unit_test(columns_of_zeros_stay),
        cmocka_unit_test(rows_without_weight_may_hold_anything),
        cmocka_unit_test(rank_deficiency_is_truncated),
        cmocka_unit_test(maxsing_keeps_the_largest),
        cmocka_unit_test(eigthresh_is_decided_alike_with_and_without_eigenvalues),
        cmocka_unit_test(prior_information_is_rows),
        cmocka_unit_test(the_factor_weighs_regularisation),
        cmocka_unit_test(eigenvectors_leave_frozen_ones_out),
        cmocka_unit_test(results_are_the_same_bits_each_time),
        cmocka_unit_test(no_parameters_need_no_upgrade),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* JᵗQJ and JᵗQr beside their definition. */
#include "config.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/master/pest/linear_problem.h"

/* Row by row, as normal.h says. */
static double element(const struct problem *problem, const bool *regularisation,
                      enum normal_part part, size_t p, size_t q)
{
    double sum = 0;
    for (size_t i = 0; i < problem->rows; i++) {
        double weight = problem->weights[i];
        if (weight == 0 || (part == NORMAL_MEASUREMENT && regularisation[i]) ||
            (part == NORMAL_REGULARISATION && !regularisation[i]))
            continue;
        sum += weight * weight * problem->values[i + p * problem->rows] *
               (q < problem->columns ? problem->values[i + q * problem->rows]
                                     : problem->residuals[i]);
    }
    return sum;
}

static void check(struct problem *p, const bool *regularisation, enum normal_part part)
{
    size_t n = p->columns;
    double *normal = calloc(n * n, sizeof(double)), *gradient = calloc(n, sizeof(double));
    struct error error = {0};
    assert_int_equal(normal_fill(&p->view, p->weights, regularisation, part, normal, &error),
                     0);
    assert_int_equal(normal_gradient(&p->view, p->weights, regularisation, part, p->residuals,
                                     gradient, &error),
                     0);
    for (size_t q = 0; q < n; q++) {
        for (size_t k = 0; k < n; k++) /* sums of some 700 terms up to 2 */
            assert_true(fabs(normal[k + q * n] - element(p, regularisation, part, k, q)) <
                        1e-11);
        assert_true(fabs(gradient[q] - element(p, regularisation, part, q, n)) < 1e-11);
    }
    free(normal);
    free(gradient);
}

static void sums_are_those_of_the_definition(void **state)
{
    static const size_t sizes[][2] = {{1, 1}, {5, 1}, {40, 12}, {12, 40}, {700, 300}};
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct problem p = problem_make(sizes[s][0], sizes[s][1], NULL);
        bool *regularisation = calloc(p.rows, sizeof(bool));
        for (size_t i = 0; i < p.rows; i++) {
            p.weights[i] = (double)(i % 4) / 1.5;
            regularisation[i] = i % 3 == 1;
        }
        check(&p, regularisation, NORMAL_ALL);
        check(&p, regularisation, NORMAL_MEASUREMENT);
        check(&p, regularisation, NORMAL_REGULARISATION);
        check(&p, NULL, NORMAL_ALL);
        free(regularisation);
        problem_free(&p);
    }
}

static void rows_without_weight_may_hold_anything(void **state)
{
    struct problem p = problem_make(9, 4, NULL);
    (void)state;
    p.weights[4] = 0;
    for (size_t j = 0; j < 4; j++)
        p.values[4 + 9 * j] = NAN;
    p.residuals[4] = INFINITY;
    check(&p, NULL, NORMAL_ALL);
    problem_free(&p);
}

static void what_is_not_finite_is_refused(void **state)
{
    static const double wrong[] = {NAN, INFINITY, 1e200}; /* whose square is not finite */
    struct problem p = problem_make(9, 4, NULL);
    double normal[16];
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct error error = {0};
        p.values[3 + 9 * 1] = wrong[i];
        assert_int_equal(normal_fill(&p.view, p.weights, NULL, NORMAL_ALL, normal, &error), -1);
        assert_non_null(strstr(error.text, "column 1"));
    }
    problem_free(&p);
}

static void prior_information_is_rows(void **state)
{
    struct problem p, whole;
    double normal[36], expected[36];
    struct error error = {0};
    (void)state;
    problem_make_priors(&p, &whole);
    assert_int_equal(normal_fill(&p.view, p.weights, NULL, NORMAL_ALL, normal, &error), 0);
    assert_int_equal(
        normal_fill(&whole.view, whole.weights, NULL, NORMAL_ALL, expected, &error), 0);
    for (size_t i = 0; i < 36; i++)
        assert_true(fabs(normal[i] - expected[i]) < 1e-13);
    problem_free(&p);
    problem_free(&whole);
}

/* Threads take pieces in another order each time: the bits must not know. */
static void sums_are_the_same_bits_each_time(void **state)
{
    enum { N = 700 };
    struct problem p = problem_make(3000, N, NULL);
    double *first = calloc(N * N, sizeof(double)), *again = calloc(N * N, sizeof(double));
    struct error error = {0};
    (void)state;
    for (int round = 0; round < 3; round++) {
        double *normal = round == 0 ? first : again;
        assert_int_equal(normal_fill(&p.view, p.weights, NULL, NORMAL_ALL, normal, &error), 0);
        if (round > 0)
            assert_memory_equal(first, again, N * N * sizeof(double));
    }
    free(first);
    free(again);
    problem_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_finite_is_refused),
        cmocka_unit_test(sums_are_those_of_the_definition),
        cmocka_unit_test(rows_without_weight_may_hold_anything),
        cmocka_unit_test(prior_information_is_rows),
        cmocka_unit_test(sums_are_the_same_bits_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

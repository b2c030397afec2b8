#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "master/pest/lsqr.h"

struct dense {
    size_t rows, columns;
    const double *values; /* values[row + column * rows] */
};

static void dense_apply(void *context, const double *v, double alpha, double *u, double *w)
{
    const struct dense *a = context;

    for (size_t i = 0; i < a->rows; i++) {
        double sum = 0;

        for (size_t j = 0; j < a->columns; j++)
            sum += a->values[i + j * a->rows] * v[j];
        u[i] = sum - alpha * u[i];
    }
    for (size_t j = 0; j < a->columns; j++) {
        w[j] = 0;
        for (size_t i = 0; i < a->rows; i++)
            w[j] += a->values[i + j * a->rows] * u[i];
    }
}

static const struct lsqr_limits tight = {1e-14, 1e-14, 0, 0};

static void solve(struct dense *a, const double *b, const double *lambdas, size_t count,
                  const struct lsqr_limits *limits, double *x, struct lsqr_report *reports)
{
    struct lsqr_operator linear = {a->rows, a->columns, dense_apply, a};
    struct error error = {0};

    assert_int_equal(0, lsqr_solve(&linear, b, lambdas, count, limits, x, reports, &error));
}

/* diag(1, 2, 3) on three rows of four: x_i = d_i b_i / (d_i² + λ). */
static void each_damping_has_its_own_solution(void **state)
{
    double values[12] = {0}, b[4] = {1, 1, 1, 5}, lambdas[3] = {0, 1, 100}, x[9];
    struct dense a = {4, 3, values};
    struct lsqr_report reports[3];

    (void)state;
    for (int j = 0; j < 3; j++)
        values[j + 4 * j] = j + 1;
    solve(&a, b, lambdas, 3, &tight, x, reports);
    for (int k = 0; k < 3; k++) {
        for (int j = 0; j < 3; j++) {
            double d = j + 1, expected = d / (d * d + lambdas[k]);

            /* Three steps end it; each loses a few ulps. */
            assert_true(fabs(x[3 * k + j] - expected) < 1e-13);
        }
        assert_in_range(reports[k].iterations, 1, 4);
    }
}

static void nothing_to_solve_is_zero(void **state)
{
    double values[6] = {1, 2, 3, 4, 5, 6}, zeros[6] = {0}, b[3] = {1, 2, 3}, none[3] = {0};
    double lambda = 0, x[2] = {7, 7};
    struct dense full = {3, 2, values}, empty = {3, 2, zeros};
    struct lsqr_report report;

    (void)state;
    solve(&full, none, &lambda, 1, &tight, x, &report);
    assert_int_equal(LSQR_ZERO, report.reason);
    assert_true(x[0] == 0 && x[1] == 0);
    x[0] = x[1] = 7;
    solve(&empty, b, &lambda, 1, &tight, x, &report);
    assert_int_equal(LSQR_ZERO, report.reason);
    assert_true(x[0] == 0 && x[1] == 0);
}

/* Two equal columns: the solution of least norm shares the value. */
static void dependent_columns_share(void **state)
{
    double values[6] = {1, 2, 3, 1, 2, 3}, b[3] = {2, 4, 6}, lambda = 0, x[2];
    struct dense a = {3, 2, values};
    struct lsqr_report report;

    (void)state;
    solve(&a, b, &lambda, 1, &tight, x, &report);
    assert_int_equal(LSQR_COMPATIBLE, report.reason);
    assert_true(fabs(x[0] - 1) < 1e-14 && fabs(x[1] - 1) < 1e-14);
}

static void limits_end_it_and_say_so(void **state)
{
    enum { N = 12 };
    double values[N * N], b[N], lambda = 0, x[N];
    struct dense a = {N, N, values};
    struct lsqr_limits few = {1e-14, 1e-14, 0, 3}, condition = {1e-14, 1e-14, 100, 0};
    struct lsqr_report report;

    (void)state;
    for (int i = 0; i < N; i++) { /* Hilbert's matrix: condition 1e16 */
        b[i] = 1;
        for (int j = 0; j < N; j++)
            values[i + N * j] = 1.0 / (i + j + 1);
    }
    solve(&a, b, &lambda, 1, &few, x, &report);
    assert_int_equal(LSQR_ITERATIONS, report.reason);
    assert_int_equal(3, report.iterations);
    solve(&a, b, &lambda, 1, &condition, x, &report);
    assert_int_equal(LSQR_CONDITION, report.reason);
    assert_non_null(strstr(lsqr_reason_text(report.reason), "conlim"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_damping_has_its_own_solution),
        cmocka_unit_test(nothing_to_solve_is_zero),
        cmocka_unit_test(dependent_columns_share),
        cmocka_unit_test(limits_end_it_and_say_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Eigenvalues and Cholesky's factors of symmetric matrices. */
#include "config.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "master/pest/eigen.h"
#include "tests/master/pest/linear_problem.h"

#define N 200

static void eigenvalues_fall_and_vectors_point_upwards(void **state)
{
    double matrix[9] = {9, 0, 0, 0, 4, 0, 0, 0, 25}, values[3];
    static const double vectors[9] = {0, 0, 1, 1, 0, 0, 0, 1, 0};
    struct error error = {0};
    (void)state;
    assert_int_equal(eigen_decompose(matrix, 3, values, &error), 0);
    assert_true(fabs(values[0] - 25) < 1e-13 && fabs(values[1] - 9) < 1e-13 &&
                fabs(values[2] - 4) < 1e-13);
    for (int i = 0; i < 9; i++)
        assert_true(matrix[i] == vectors[i]);
}

/* Of 400 rows, column 1 being column 0 and `scale` times noise; scaled to a unit diagonal. */
static void matrix_make(double scale, double *matrix)
{
    struct problem p = problem_make(400, N, NULL);
    struct error error = {0};
    double diagonal[N];
    for (size_t i = 0; i < 400; i++)
        p.values[i + 400] = p.values[i] + scale * p.values[i + 400];
    assert_int_equal(normal_fill(&p.view, p.weights, NULL, NORMAL_ALL, matrix, &error), 0);
    for (size_t i = 0; i < N; i++)
        diagonal[i] = sqrt(matrix[i + i * N]);
    for (size_t q = 0; q < N; q++)
        for (size_t k = 0; k < N; k++)
            matrix[k + q * N] /= diagonal[k] * diagonal[q];
    problem_free(&p);
}

/* max |A v - λ v| over all pairs. */
static double pairs_defect(const double *matrix, const double *values, const double *vectors)
{
    double worst = 0;
    for (size_t k = 0; k < N; k++)
        for (size_t i = 0; i < N; i++) {
            double sum = -values[k] * vectors[i + k * N];
            for (size_t j = 0; j < N; j++)
                sum += matrix[i + j * N] * vectors[j + k * N];
            worst = fmax(worst, fabs(sum));
        }
    return worst;
}

/* Which saves a decomposition: A - θ σ₁ I has a factor exactly where no eigenvalue is below θ
 * σ₁. */
static void a_factor_tells_what_eigenvalues_would(void **state)
{
    static const double scales[] = {1, 1e-7};
    double *matrix = calloc(N * N, sizeof(double)), *vectors = calloc(N * N, sizeof(double));
    double values[N], largest;
    struct error error = {0};
    (void)state;
    for (int s = 0; s < 2; s++) {
        matrix_make(scales[s], matrix);
        memcpy(vectors, matrix, N * N * sizeof(double));
        assert_int_equal(eigen_decompose(vectors, N, values, &error), 0);
        assert_true(pairs_defect(matrix, values, vectors) < 1e-12);
        assert_int_equal(eigen_largest(matrix, N, &largest, &error), 0);
        assert_true(fabs(largest - values[0]) < 1e-8 * values[0]);
        for (size_t i = 0; i < N; i++)
            matrix[i + i * N] -= 1e-6 * largest;
        assert_int_equal(values[N - 1] > 1e-6 * values[0], s == 0);
        assert_true(values[N - 2] > 1e-6 * values[0]);
        assert_int_equal(eigen_cholesky(matrix, N, NULL), s == 0);
    }
    free(matrix);
    free(vectors);
}

static void factors_solve_and_invert(void **state)
{
    double *matrix = calloc(N * N, sizeof(double)), *factor = calloc(N * N, sizeof(double));
    double x[N], left = 0;
    (void)state;
    matrix_make(1, matrix);
    memcpy(factor, matrix, N * N * sizeof(double));
    assert_true(eigen_cholesky(factor, N, NULL));
    for (size_t i = 0; i < N; i++)
        x[i] = i == 7;
    eigen_cholesky_solve(factor, N, x);
    for (size_t i = 0; i < N; i++) {
        double sum = i == 7 ? -1 : 0;
        for (size_t j = 0; j < N; j++)
            sum += matrix[i + j * N] * x[j];
        left = fmax(left, fabs(sum));
    }
    assert_true(left < 1e-11); /* a condition of some 1e3 */
    eigen_cholesky_invert(factor, N);
    for (size_t i = 7; i < N; i++)
        assert_true(fabs(factor[i + 7 * N] - x[i]) < 1e-9);
    free(matrix);
    free(factor);
}

static void the_row_that_depends_on_others_is_told(void **state)
{
    double matrix[9] = {4, 2, 4, 2, 5, 2, 4, 2, 4}; /* whose roots are whole numbers */
    size_t row = 0;
    (void)state;
    assert_false(eigen_cholesky(matrix, 3, &row));
    assert_int_equal(row, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_row_that_depends_on_others_is_told),
        cmocka_unit_test(eigenvalues_fall_and_vectors_point_upwards),
        cmocka_unit_test(a_factor_tells_what_eigenvalues_would),
        cmocka_unit_test(factors_solve_and_invert),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

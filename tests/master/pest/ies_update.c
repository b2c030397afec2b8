/*
 * The smoother's step against the formulas of Chen and Oliver (2013) reckoned in another way: in
 * the space of observations or of parameters, with Gaussian elimination instead of eigenvectors.
 */
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "master/pest/ies_update.h"
#include "master/sweep/random.h"

#define MOST 40 /* of any dimension */

/* Elimination and eigenvectors differ by rounding times the condition of matrices whose eigenvalues
 * go from 1 to some hundreds. */
#define NEAR 1e-10

struct sample {
    struct ies_update_problem problem;
    double parameters[MOST * MOST], offset[MOST * MOST], prior[MOST * MOST];
    double simulated[MOST * MOST], residuals[MOST * MOST], weights[MOST], deviations[MOST];
};

static double draw(uint64_t seed, size_t column, size_t row)
{
    return random_normal_quantile(random_uniform(seed, (uint32_t)column, row));
}

/* Simulated values are linear in the parameters, plus a little of their own. */
static void sample_make(struct sample *sample, size_t columns, size_t rows, size_t count)
{
    *sample = (struct sample){.problem = {.columns = columns,
                                          .rows = rows,
                                          .count = count,
                                          .maxsing = SIZE_MAX,
                                          .eigthresh = 1e-8}};
    for (size_t j = 0; j < count; j++) {
        double *m = sample->parameters + j * columns, *m0 = sample->prior + j * columns;
        for (size_t c = 0; c < columns; c++) {
            m0[c] = (1 + (double)c) * draw(1, c, j);
            m[c] = m0[c] + 0.3 * draw(2, c, j);
            sample->offset[j * columns + c] = m[c] - m0[c];
        }
        for (size_t r = 0; r < rows; r++) {
            double *d = &sample->simulated[j * rows + r];
            *d = 0.1 * draw(3, r, j);
            for (size_t c = 0; c < columns; c++)
                *d += m[c] * cos((double)(r * (c + 1)));
            sample->residuals[j * rows + r] = *d - draw(4, r, j);
        }
    }
    for (size_t r = 0; r < rows; r++)
        sample->weights[r] = 1 + 0.1 * (double)r;
    for (size_t c = 0; c < columns; c++)
        sample->deviations[c] = 1 + (double)c;
    sample->problem.parameters = sample->parameters;
    sample->problem.simulated = sample->simulated;
    sample->problem.residuals = sample->residuals;
    sample->problem.weights = sample->weights;
}

static void full(struct sample *sample)
{
    sample->problem.offset = sample->offset;
    sample->problem.prior = sample->prior;
}

/* x := a⁻¹ x, a [n][n], by elimination with pivots. */
static void eliminate(double *a, double *x, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        size_t pivot = k;
        for (size_t i = k + 1; i < n; i++)
            if (fabs(a[i * n + k]) > fabs(a[pivot * n + k]))
                pivot = i;
        for (size_t j = 0; j < n; j++) {
            double swap = a[k * n + j];
            a[k * n + j] = a[pivot * n + j];
            a[pivot * n + j] = swap;
        }
        double swap = x[k];
        x[k] = x[pivot];
        x[pivot] = swap;
        for (size_t i = k + 1; i < n; i++) {
            double factor = a[i * n + k] / a[k * n + k];
            for (size_t j = k; j < n; j++)
                a[i * n + j] -= factor * a[k * n + j];
            x[i] -= factor * x[k];
        }
    }
    for (size_t k = n; k-- > 0;) {
        for (size_t j = k + 1; j < n; j++)
            x[k] -= a[k * n + j] * x[j];
        x[k] /= a[k * n + k];
    }
}

/* Anomalies of a [count][width] matrix, divided by sqrt(count - 1) and times factor[k]. */
static void anomalies(const double *matrix, size_t width, size_t count, const double *factor,
                      bool divide, double *ret)
{
    for (size_t k = 0; k < width; k++) {
        double mean = 0;
        for (size_t j = 0; j < count; j++)
            mean += matrix[j * width + k] / (double)count;
        for (size_t j = 0; j < count; j++)
            ret[j * width + k] = (matrix[j * width + k] - mean) / sqrt((double)count - 1) *
                                 (!factor  ? 1
                                  : divide ? 1 / factor[k]
                                           : factor[k]);
    }
}

/* dd ddᵗ + (lambda + 1) I, [rows][rows], or the N x N one. */
static void normal(const double *dd, size_t rows, size_t count, double lambda, bool inner,
                   double *ret)
{
    size_t order = inner ? count : rows, other = inner ? rows : count;
    for (size_t a = 0; a < order; a++)
        for (size_t b = 0; b < order; b++) {
            double sum = a == b ? lambda + 1 : 0;
            for (size_t k = 0; k < other; k++)
                sum += inner ? dd[a * rows + k] * dd[b * rows + k]
                             : dd[k * rows + a] * dd[k * rows + b];
            ret[a * order + b] = sum;
        }
}

/* The step of realisation j: step1 = -dm ddᵗ (dd ddᵗ + (lambda + 1) I)⁻¹ r, the same as with U, V
 * and W where nothing is truncated. */
static void step_expect(const struct sample *sample, size_t j, double lambda, double *ret)
{
    const struct ies_update_problem *p = &sample->problem;
    static double dd[MOST * MOST], dm[MOST * MOST], matrix[MOST * MOST], x[MOST];
    anomalies(p->simulated, p->rows, p->count, p->weights, false, dd);
    anomalies(p->parameters, p->columns, p->count, NULL, false, dm);
    normal(dd, p->rows, p->count, lambda, false, matrix);
    for (size_t r = 0; r < p->rows; r++)
        x[r] = p->weights[r] * p->residuals[j * p->rows + r];
    eliminate(matrix, x, p->rows);
    for (size_t c = 0; c < p->columns; c++) {
        ret[c] = 0;
        for (size_t k = 0; k < p->count; k++)
            for (size_t r = 0; r < p->rows; r++)
                ret[c] -= dm[k * p->columns + c] * dd[k * p->rows + r] * x[r];
    }
}

/* step2 is added: -dm ((lambda + 1) I + ddᵗ dd)⁻¹ dmᵗ (d0 d0ᵗ)⁻¹ (m - prior). Fewer parameters than
 * realisations, so that d0 d0ᵗ has an inverse. */
static void prior_expect(const struct sample *sample, size_t j, double lambda, double *ret)
{
    const struct ies_update_problem *p = &sample->problem;
    static double dd[MOST * MOST], dm[MOST * MOST], d0[MOST * MOST], matrix[MOST * MOST];
    double x[MOST], y[MOST];
    anomalies(p->simulated, p->rows, p->count, p->weights, false, dd);
    anomalies(p->parameters, p->columns, p->count, NULL, false, dm);
    anomalies(p->prior, p->columns, p->count, NULL, false, d0);
    normal(d0, p->columns, p->count, -1, false, matrix);
    memcpy(x, p->offset + j * p->columns, p->columns * sizeof *x);
    eliminate(matrix, x, p->columns);
    for (size_t k = 0; k < p->count; k++) {
        y[k] = 0;
        for (size_t c = 0; c < p->columns; c++)
            y[k] += dm[k * p->columns + c] * x[c];
    }
    normal(dd, p->rows, p->count, lambda, true, matrix);
    eliminate(matrix, y, p->count);
    for (size_t c = 0; c < p->columns; c++)
        for (size_t k = 0; k < p->count; k++)
            ret[c] -= dm[k * p->columns + c] * y[k];
}

static void near(const double *got, const double *expected, size_t count)
{
    double size = 0;
    for (size_t i = 0; i < count; i++)
        size = fmax(size, fabs(expected[i]));
    for (size_t i = 0; i < count; i++)
        if (!(fabs(got[i] - expected[i]) <= NEAR * size))
            fail_msg("%zu: %.17g instead of %.17g", i, got[i], expected[i]);
}

static void solve(const struct sample *sample, const double *lambdas, size_t lambda_count,
                  const size_t *realisations, size_t count, double *ret)
{
    struct error error = {0};
    if (ies_update_solve(&sample->problem, lambdas, lambda_count, realisations, count, ret,
                         &error) < 0)
        fail_msg("%s", error.text);
}

static struct sample sample;

static void all_steps_near(bool with_prior)
{
    static const double lambdas[2] = {0.7, 30};
    static double got[2 * MOST * MOST], expected[MOST];
    size_t all[MOST], count = sample.problem.count, columns = sample.problem.columns;
    for (size_t i = 0; i < count; i++)
        all[i] = i;
    solve(&sample, lambdas, 2, all, count, got);
    for (size_t l = 0; l < 2; l++)
        for (size_t j = 0; j < count; j++) {
            step_expect(&sample, j, lambdas[l], expected);
            if (with_prior)
                prior_expect(&sample, j, lambdas[l], expected);
            near(got + (l * count + j) * columns, expected, columns);
        }
}

/* Both ways of decomposing: fewer realisations than observations, and more. */
static void the_approximate_step_is_that_of_the_formula(void **state)
{
    (void)state;
    sample_make(&sample, 5, 20, 12);
    all_steps_near(false);
    sample_make(&sample, 5, 7, 30);
    all_steps_near(false);
    sample_make(&sample, 25, 9, 9);
    all_steps_near(false);
}

static void with_lambda_0_it_is_the_kalman_update_of_the_ensemble(void **state)
{
    /* One parameter, one observation: the gain is cov(m, d) / (var(d) + 1 / w²). */
    static const double parameters[3] = {1, 2, 6}, simulated[3] = {2, 5, 5};
    static const double residuals[3] = {-1, 0.5, 2}, weight = 0.5, lambda = 0;
    static const size_t all[3] = {0, 1, 2};
    const struct ies_update_problem problem = {.columns = 1,
                                               .rows = 1,
                                               .count = 3,
                                               .parameters = parameters,
                                               .simulated = simulated,
                                               .residuals = residuals,
                                               .weights = &weight,
                                               .maxsing = 10};
    double step[3], gain = 3.0 / (3 + 4);
    struct error error;
    (void)state;
    assert_int_equal(ies_update_solve(&problem, &lambda, 1, all, 3, step, &error), 0);
    for (int j = 0; j < 3; j++)
        assert_true(fabs(step[j] + gain * residuals[j]) <
                    1e-14); /* few roundings of numbers near 1 */
}

static void the_full_step_pulls_towards_the_prior(void **state)
{
    (void)state;
    sample_make(&sample, 5, 20, 12);
    full(&sample);
    all_steps_near(true);
}

/* More parameters than realisations: with dm = d0 and m - prior = d0 y, sum(y) = 0, the product
 * dmᵗ A Aᵗ (m - prior) is y. */
static void many_parameters_are_pulled_within_the_ensemble(void **state)
{
    static double d0[MOST * MOST], dd[MOST * MOST], matrix[MOST * MOST];
    static double with[MOST * MOST], without[MOST * MOST];
    size_t all[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    double y[8], lambda = 2, expected[30] = {0}, got[30];
    (void)state;
    sample_make(&sample, 30, 20, 8);
    memcpy(sample.prior, sample.parameters, sizeof sample.prior);
    anomalies(sample.prior, 30, 8, NULL, false, d0);
    for (size_t k = 0; k < 8; k++)
        y[k] = (double)k - 3.5;
    memset(sample.offset, 0, sizeof sample.offset);
    for (size_t c = 0; c < 30; c++)
        for (size_t k = 0; k < 8; k++)
            sample.offset[3 * 30 + c] += d0[k * 30 + c] * y[k]; /* of realisation 3 */
    solve(&sample, &lambda, 1, all, 8, without);
    full(&sample);
    solve(&sample, &lambda, 1, all, 8, with);
    anomalies(sample.simulated, 20, 8, sample.weights, false, dd);
    normal(dd, 20, 8, lambda, true, matrix);
    eliminate(matrix, y, 8);
    for (size_t c = 0; c < 30; c++) {
        got[c] = with[3 * 30 + c] - without[3 * 30 + c];
        for (size_t k = 0; k < 8; k++)
            expected[c] -= d0[k * 30 + c] * y[k];
    }
    near(got, expected, 30);
    near(with, without, 30); /* realisation 0, whose offset is 0 */
}

static void scaling_by_the_prior_changes_no_complete_solution(void **state)
{
    static double plain[MOST * MOST], scaled[MOST * MOST];
    size_t all[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    double lambda = 1;
    (void)state;
    sample_make(&sample, 5, 20, 12);
    full(&sample);
    solve(&sample, &lambda, 1, all, 12, plain);
    sample.problem.deviations = sample.deviations;
    solve(&sample, &lambda, 1, all, 12, scaled);
    near(scaled, plain, 60);
}

static void some_realisations_get_what_they_get_among_all(void **state)
{
    static double all_steps[MOST * MOST], some[2 * 5];
    static const size_t all[6] = {0, 1, 2, 3, 4, 5}, few[2] = {4, 1};
    double lambda = 3;
    (void)state;
    sample_make(&sample, 5, 20, 6);
    solve(&sample, &lambda, 1, all, 6, all_steps);
    solve(&sample, &lambda, 1, few, 2, some);
    near(some, all_steps + 4 * 5, 5);
    near(some + 5, all_steps + 5, 5);
}

/* MAXSING 1 leaves the first singular vector alone: with realisations and observations that differ
 * in one direction only it loses nothing, and it loses something otherwise. */
static void small_singular_values_are_cut_off(void **state)
{
    double whole[5], cut[5], lambda = 0;
    static const size_t first[1] = {0};
    (void)state;
    sample_make(&sample, 5, 20, 6);
    solve(&sample, &lambda, 1, first, 1, whole);
    sample.problem.maxsing = 1;
    solve(&sample, &lambda, 1, first, 1, cut);
    assert_true(fabs(whole[0] - cut[0]) > 1e-3 * fabs(whole[0]));
    sample.problem.maxsing = 100;
    sample.problem.eigthresh = 1; /* "less than the largest" is everything */
    solve(&sample, &lambda, 1, first, 1, cut);
    assert_true(cut[0] == 0);
}

static void an_ensemble_that_says_nothing_moves_nothing(void **state)
{
    double steps[5], lambda = 0;
    static const size_t first[1] = {0};
    (void)state;
    sample_make(&sample, 5, 20, 6);
    for (size_t i = 0; i < 6 * 20; i++)
        sample.simulated[i] = 7;
    solve(&sample, &lambda, 1, first, 1, steps);
    for (int c = 0; c < 5; c++)
        assert_true(steps[c] == 0);
    sample.problem.rows = 0;
    solve(&sample, &lambda, 1, first, 1, steps);
    for (int c = 0; c < 5; c++)
        assert_true(steps[c] == 0);
}

/* --- classes ------------------------------------------------------------------------------ */

static void a_class_knows_only_its_observations(void **state)
{
    static const size_t left[2] = {0, 3}, right[1] = {1}, first[1] = {2};
    double near_factors[20] = {0}, no_factors[20] = {0}, lambda = 1, steps[5], expected[5];
    static double few_simulated[12 * 20], few_residuals[12 * 20];
    (void)state;
    sample_make(&sample, 5, 20, 12);
    for (size_t r = 0; r < 4; r++)
        near_factors[r] = 1;
    const struct ies_class classes[2] = {{left, 2, near_factors}, {right, 1, no_factors}};
    sample.problem.classes = classes;
    sample.problem.class_count = 2;
    solve(&sample, &lambda, 1, first, 1, steps);
    assert_true(steps[1] == 0);                  /* all its factors are 0 */
    assert_true(steps[2] == 0 && steps[4] == 0); /* in no class */
    for (size_t j = 0; j < 12; j++)
        for (size_t r = 0; r < 4; r++) {
            few_simulated[j * 4 + r] = sample.simulated[j * 20 + r];
            few_residuals[j * 4 + r] = sample.residuals[j * 20 + r];
        }
    sample.problem.classes = NULL;
    sample.problem.rows = 4;
    sample.problem.simulated = few_simulated;
    sample.problem.residuals = few_residuals;
    step_expect(&sample, 2, lambda, expected);
    assert_true(fabs(steps[0] - expected[0]) < NEAR);
    assert_true(fabs(steps[3] - expected[3]) < NEAR);
}

/* The factor multiplies the inverse variance: 1/4 is half the weight. */
static void a_factor_makes_observations_less_certain(void **state)
{
    static const size_t all[5] = {0, 1, 2, 3, 4}, first[1] = {0};
    double factors[20], lambda = 0, steps[5], expected[5];
    (void)state;
    sample_make(&sample, 5, 20, 12);
    for (size_t r = 0; r < 20; r++)
        factors[r] = 0.25;
    const struct ies_class class = {all, 5, factors};
    sample.problem.classes = &class;
    sample.problem.class_count = 1;
    solve(&sample, &lambda, 1, first, 1, steps);
    sample.problem.classes = NULL;
    for (size_t r = 0; r < 20; r++)
        sample.weights[r] /= 2;
    step_expect(&sample, 0, lambda, expected);
    near(steps, expected, 5);
}

/* --- processors --------------------------------------------------------------------------- */

#define WIDE 9000 /* parameters: several blocks */

static double *wide_steps(const struct ies_update_problem *problem)
{
    static const size_t list[3] = {0, 4, 5};
    static const double lambdas[2] = {0.1, 10};
    double *steps = malloc(6 * WIDE * sizeof *steps);
    struct error error;
    assert_int_equal(ies_update_solve(problem, lambdas, 2, list, 3, steps, &error), 0);
    return steps;
}

static void the_number_of_processors_does_not_show(void **state)
{
    double *wide = malloc(10 * WIDE * sizeof *wide);
    cpu_set_t before, one;
    (void)state;
    sample_make(&sample, 5, 20, 10);
    for (size_t i = 0; i < 10 * WIDE; i++)
        wide[i] = draw(9, i % WIDE, i / WIDE);
    sample.problem.columns = WIDE;
    sample.problem.parameters = wide;
    double *many = wide_steps(&sample.problem);
    sched_getaffinity(0, sizeof before, &before);
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
    double *single = wide_steps(&sample.problem);
    sched_setaffinity(0, sizeof before, &before);
    assert_memory_equal(many, single, 6 * WIDE * sizeof *many);
    assert_true(many[WIDE - 1] != 0);
    free(many);
    free(single);
    free(wide);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_approximate_step_is_that_of_the_formula),
        cmocka_unit_test(with_lambda_0_it_is_the_kalman_update_of_the_ensemble),
        cmocka_unit_test(the_full_step_pulls_towards_the_prior),
        cmocka_unit_test(many_parameters_are_pulled_within_the_ensemble),
        cmocka_unit_test(scaling_by_the_prior_changes_no_complete_solution),
        cmocka_unit_test(some_realisations_get_what_they_get_among_all),
        cmocka_unit_test(small_singular_values_are_cut_off),
        cmocka_unit_test(an_ensemble_that_says_nothing_moves_nothing),
        cmocka_unit_test(a_class_knows_only_its_observations),
        cmocka_unit_test(a_factor_makes_observations_less_certain),
        cmocka_unit_test(the_number_of_processors_does_not_show),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

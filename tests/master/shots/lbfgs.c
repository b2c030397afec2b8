/*
 * Minima: Moré, Garbow and Hillstrom 1981 (doi:10.1145/355934.355936) and, with bounds, Hock and
 * Schittkowski 1981 (doi:10.1007/978-3-642-48320-2), whose numbers the problems have here.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "master/shots/lbfgs.h"

#define N_MAX 20

typedef double objective(const double *x, double *g);

static double rosenbrock(const double *x, double *g)
{
    double a = x[1] - x[0] * x[0], b = 1 - x[0];
    g[0] = -400 * x[0] * a - 2 * b;
    g[1] = 200 * a;
    return 100 * a * a + b * b;
}

static double wood(const double *x, double *g)
{
    double a = x[1] - x[0] * x[0], b = 1 - x[0], c = x[3] - x[2] * x[2], d = 1 - x[2];
    double e = x[1] + x[3] - 2, f = x[1] - x[3];
    g[0] = -400 * x[0] * a - 2 * b;
    g[1] = 200 * a + 20 * e + 0.2 * f;
    g[2] = -360 * x[2] * c - 2 * d;
    g[3] = 180 * c + 20 * e - 0.2 * f;
    return 100 * a * a + b * b + 90 * c * c + d * d + 10 * e * e + 0.1 * f * f;
}

static double beale(const double *x, double *g)
{
    static const double y[] = {1.5, 2.25, 2.625};
    double f = 0;
    g[0] = g[1] = 0;
    for (int i = 1; i <= 3; i++) {
        double r = y[i - 1] - x[0] * (1 - pow(x[1], i));
        f += r * r;
        g[0] -= 2 * r * (1 - pow(x[1], i));
        g[1] += 2 * r * x[0] * i * pow(x[1], i - 1);
    }
    return f;
}

static double hs4(const double *x, double *g)
{
    g[0] = (x[0] + 1) * (x[0] + 1);
    g[1] = 1;
    return (x[0] + 1) * (x[0] + 1) * (x[0] + 1) / 3 + x[1];
}

static double hs5(const double *x, double *g)
{
    double c = cos(x[0] + x[1]), d = x[0] - x[1];
    g[0] = c + 2 * d - 1.5;
    g[1] = c - 2 * d + 2.5;
    return sin(x[0] + x[1]) + d * d - 1.5 * x[0] + 2.5 * x[1] + 1;
}

struct problem {
    const char *name;
    objective *f;
    size_t n;
    double start[4], lower[4], upper[4], best[4], least;
    unsigned iterations; /* at most */
};

#define INF INFINITY
static const struct problem problems[] = {
    {"Rosenbrock", rosenbrock, 2, {-1.2, 1}, {-INF, -INF}, {INF, INF}, {1, 1}, 0, 60},
    {"Beale", beale, 2, {1, 1}, {-INF, -INF}, {INF, INF}, {3, 0.5}, 0, 40},
    {"Wood",
     wood,
     4,
     {-3, -1, -3, -1},
     {-INF, -INF, -INF, -INF},
     {INF, INF, INF, INF},
     {1, 1, 1, 1},
     0,
     120},
    {"HS1", rosenbrock, 2, {-2, 1}, {-INF, -1.5}, {INF, INF}, {1, 1}, 0, 60},
    {"HS2", /* from its start, descent leads to the local minimum, 4.94 at (-1.22, 1.5) */
     rosenbrock,
     2,
     {2, 2},
     {-INF, 1.5},
     {INF, INF},
     {1.2243707487363527, 1.5},
     0.050426187902414666,
     60},
    {"HS4", hs4, 2, {1.125, 0.125}, {1, 0}, {INF, INF}, {1, 0}, 8.0 / 3, 20},
    {"HS5",
     hs5,
     2,
     {0, 0},
     {-1.5, -3},
     {4, 3},
     {-M_PI / 3 + 0.5, -M_PI / 3 - 0.5},
     -1.9132229549810362, /* -sqrt(3)/2 - pi/3 */
     30},
    {"HS38",
     wood,
     4,
     {-3, -1, -3, -1},
     {-10, -10, -10, -10},
     {10, 10, 10, 10},
     {1, 1, 1, 1},
     0,
     120},
    {"Rosenbrock, one wall in the way",
     rosenbrock,
     2,
     {-1.2, 1},
     {-INF, -INF},
     {0.5, INF},
     {0.5, 0.25},
     0.25,
     60},
};

static struct lbfgs *problem_begin(const struct problem *problem)
{
    const struct lbfgs_options options = {.history = 5,
                                          .trials = 20,
                                          .first_change = 0.1,
                                          .lower = problem->lower,
                                          .upper = problem->upper};
    struct lbfgs *lbfgs = lbfgs_create(problem->n, problem->start, &options, NULL);
    assert_non_null(lbfgs);
    return lbfgs;
}

static enum lbfgs_want answer(struct lbfgs *lbfgs, const struct problem *problem,
                              enum lbfgs_want want)
{
    double g[N_MAX];
    if (want == LBFGS_ITERATED)
        return lbfgs_next(lbfgs);
    for (size_t i = 0; i < problem->n; i++) {
        assert_true(lbfgs_point(lbfgs)[i] >= problem->lower[i]);
        assert_true(lbfgs_point(lbfgs)[i] <= problem->upper[i]);
    }
    double f = problem->f(lbfgs_point(lbfgs), g);
    return lbfgs_tell(lbfgs, f, want == LBFGS_VALUE ? NULL : g);
}

static void published_minima_are_found(void **state)
{
    (void)state;
    for (size_t p = 0; p < sizeof(problems) / sizeof(*problems); p++) {
        const struct problem *problem = &problems[p];
        struct lbfgs *lbfgs = problem_begin(problem);
        enum lbfgs_want want = lbfgs_next(lbfgs);
        double before = INFINITY;
        while (want != LBFGS_STUCK && lbfgs_iterations(lbfgs) < problem->iterations) {
            want = answer(lbfgs, problem, want);
            if (want != LBFGS_ITERATED)
                continue;
            assert_true(lbfgs_value(lbfgs) <= before);
            before = lbfgs_value(lbfgs);
        }
        /* Values near a minimum are known to sqrt(epsilon) in x, epsilon in f. */
        if (!(fabs(lbfgs_value(lbfgs) - problem->least) < 1e-9))
            fail_msg("%s: %.12g after %u iterations, not %.12g", problem->name,
                     lbfgs_value(lbfgs), lbfgs_iterations(lbfgs), problem->least);
        for (size_t i = 0; i < problem->n; i++)
            assert_true(fabs(lbfgs_point(lbfgs)[i] - problem->best[i]) < 1e-4);
        lbfgs_destroy(lbfgs);
    }
}

/* --- against the dense formula --- */

/* H after pairs (s, y), beginning with gamma times the identity, gamma of the newest pair: Nocedal
 * & Wright 2006, 6.17 and 7.20. */
static void dense(size_t n, const double (*s)[N_MAX], const double (*y)[N_MAX], size_t pairs,
                  double h[N_MAX][N_MAX])
{
    double sy = 0, yy = 0;
    for (size_t i = 0; i < n; i++) {
        sy += s[pairs - 1][i] * y[pairs - 1][i];
        yy += y[pairs - 1][i] * y[pairs - 1][i];
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            h[i][j] = i == j ? sy / yy : 0;
    for (size_t k = 0; k < pairs; k++) {
        double rho = 0, v[N_MAX][N_MAX], vh[N_MAX][N_MAX];
        for (size_t i = 0; i < n; i++)
            rho += s[k][i] * y[k][i];
        rho = 1 / rho;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                v[i][j] = (i == j) - rho * s[k][i] * y[k][j];
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) {
                vh[i][j] = 0;
                for (size_t m = 0; m < n; m++)
                    vh[i][j] += v[i][m] * h[m][j];
            }
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) {
                h[i][j] = rho * s[k][i] * s[k][j];
                for (size_t m = 0; m < n; m++)
                    h[i][j] += vh[i][m] * v[j][m];
            }
    }
}

/* A quadratic with eigenvalues 1 to n in a rotated basis. */
static double bowl(const double *x, double *g)
{
    enum { N = 6 };
    double mean = 0, f = 0, t[N];
    for (int i = 0; i < N; i++)
        mean += x[i] / N;
    for (int i = 0; i < N; i++)
        t[i] = x[i] - 2 * mean; /* a reflection */
    for (int i = 0; i < N; i++) {
        f += 0.5 * (i + 1) * (t[i] - 1) * (t[i] - 1);
        t[i] = (i + 1) * (t[i] - 1);
    }
    mean = 0;
    for (int i = 0; i < N; i++)
        mean += t[i] / N;
    for (int i = 0; i < N; i++)
        g[i] = t[i] - 2 * mean;
    return f;
}

static void directions_are_those_of_the_dense_formula(void **state)
{
    (void)state;
    enum { N = 6, M = 3 };
    static const double start[N] = {3, -1, 2, 0.5, -2, 1};
    const struct lbfgs_options options = {.history = M, .trials = 20, .first_change = 0.2};
    struct lbfgs *lbfgs = lbfgs_create(N, start, &options, NULL);
    double s[M][N_MAX], y[M][N_MAX], x[N], g[N], now[N_MAX], h[N_MAX][N_MAX];
    size_t pairs = 0, compared = 0;
    assert_int_equal(lbfgs_next(lbfgs), LBFGS_VALUE_AND_GRADIENT);
    memcpy(x, start, sizeof(x));
    double f = bowl(x, g);
    enum lbfgs_want want = lbfgs_tell(lbfgs, f, g);
    while (compared < 8) {
        f = bowl(lbfgs_point(lbfgs), now);
        bool first = want == LBFGS_VALUE_AND_GRADIENT && pairs;
        if (first) {
            dense(N, (const double(*)[N_MAX])s, (const double(*)[N_MAX])y, pairs, h);
            double size = 0, off = 0;
            for (int i = 0; i < N; i++) {
                double d = 0;
                for (int j = 0; j < N; j++)
                    d -= h[i][j] * g[j];
                size += d * d;
                off += pow(lbfgs_point(lbfgs)[i] - x[i] - d, 2);
            }
            /* Some hundred roundings. */
            assert_true(off <= 1e-20 * size);
            compared++;
        }
        want = lbfgs_tell(lbfgs, f, now);
        if (want != LBFGS_ITERATED)
            continue;
        if (pairs == M) {
            memmove(s, s + 1, (M - 1) * sizeof(*s));
            memmove(y, y + 1, (M - 1) * sizeof(*y));
            pairs--;
        }
        for (int i = 0; i < N; i++) {
            s[pairs][i] = lbfgs_point(lbfgs)[i] - x[i];
            y[pairs][i] = now[i] - g[i];
        }
        pairs++;
        memcpy(x, lbfgs_point(lbfgs), sizeof(x));
        memcpy(g, now, sizeof(g));
        want = lbfgs_next(lbfgs);
    }
    lbfgs_destroy(lbfgs);
}

/* --- odds and ends --- */

/*
 * The iterates of somebody else's program: SciPy 1.10.1, minimize(method="L-BFGS-B", maxcor=3),
 * without bounds (Byrd, Lu, Nocedal and Zhu 1995, doi:10.1137/0916069). Its first step has the
 * length 1, which first_change makes ours; where both searches take the step 1, all of the rest is
 * the formula's. tests/master/shots/lbfgs_peer.py computes the table anew where SciPy is installed.
 */
static double quartic(const double *x, double *g)
{
    static const double c[] = {1, 2, 3, 5}, t[] = {1, -2, 0.5, 3};
    double f = 0, p = x[0] * x[1];
    for (int i = 0; i < 4; i++) {
        double r = x[i] - t[i];
        f += 0.5 * c[i] * r * r + 0.05 * r * r * r * r;
        g[i] = c[i] * r + 0.2 * r * r * r;
    }
    g[0] += 0.01 * p * x[1];
    g[1] += 0.01 * p * x[0];
    return f + 0.005 * p * p;
}

static const double peer[][4] = {
    {0, 0, 0, 0},
    /* peer: begin */
    {0.056487908637082002, -0.26361024030638269, 0.071786717226291707, 0.960294446830394},
    {0.25769582492637938, -1.0099318048969366, 0.29509951987814731, 2.359222384317853},
    {0.4715750262527606, -1.5543708642743779, 0.45286509342236991, 2.9418473950424131},
    {0.65100391641441846, -1.8620130342921106, 0.50444567497947335, 3.0557097116478311},
    {0.81895383125473431, -2.0167771185806469, 0.5063093236421099, 3.0134277892989605},
    {0.92467932172037914, -2.0140237172839877, 0.49954552913233446, 3.0050552946642353},
    {0.96065891275197901, -1.9892111937929997, 0.50702197834314922, 2.9944017428635434},
    {0.96692578889134584, -1.9905336846373218, 0.49866599218517432, 3.0031300651121304},
    {0.96199902181382357, -1.9911117064199049, 0.50010455536154774, 3.0000221587195797},
    {0.96200457983842547, -1.9909001745093664, 0.50003956988063514, 2.9999799174260491},
    {0.96193059117914081, -1.9907825942320216, 0.50002467037501697, 2.9999924280195547},
    {0.96188753616297495, -1.990792051603248, 0.49999150680340765, 2.9999983701021202},
    /* peer: end */
};

#define PEER_COUNT (sizeof(peer) / sizeof(*peer))

static void iterates_are_those_of_another_program(void **state)
{
    (void)state;
    const double start[4] = {0};
    double g[4], most = 0, length = 0;
    quartic(start, g);
    for (int i = 0; i < 4; i++) {
        most = fmax(most, fabs(g[i]));
        length += g[i] * g[i];
    }
    const struct lbfgs_options options = {
        .history = 3, .trials = 10, .first_change = most / sqrt(length)};
    struct lbfgs *lbfgs = lbfgs_create(4, start, &options, NULL);
    enum lbfgs_want want = lbfgs_next(lbfgs);
    for (size_t k = 0; k < PEER_COUNT;) {
        assert_true(want == LBFGS_VALUE_AND_GRADIENT);
        const double *x = lbfgs_point(lbfgs);
        /* Both round in other places, and what a difference of gradients loses grows as they
         * shrink; nine digits are left of sixteen. */
        for (int i = 0; i < 4; i++)
            if (fabs(x[i] - peer[k][i]) > 1e-9)
                fail_msg("iterate %zu: x[%d] is %.17g, not %.17g", k, i, x[i], peer[k][i]);
        want = lbfgs_tell(lbfgs, quartic(x, g), g);
        k++;
        if (want == LBFGS_ITERATED)
            want = lbfgs_next(lbfgs);
    }
    assert_int_equal(lbfgs_iterations(lbfgs), PEER_COUNT - 1);
    lbfgs_destroy(lbfgs);
}

static void it_goes_on_to_the_bit_after_every_answer(void **state)
{
    (void)state;
    const struct problem *problem = &problems[0];
    struct lbfgs *straight = problem_begin(problem), *resumed = problem_begin(problem);
    enum lbfgs_want want = lbfgs_next(straight), again = lbfgs_next(resumed);
    for (int i = 0; i < 60 && want != LBFGS_STUCK; i++) {
        FILE *file = tmpfile();
        assert_int_equal(lbfgs_write(resumed, file, NULL), 0);
        rewind(file);
        lbfgs_destroy(resumed);
        resumed = problem_begin(problem);
        assert_int_equal(lbfgs_read(resumed, file, NULL), 0);
        fclose(file);
        assert_int_equal(want, again);
        assert_memory_equal(lbfgs_point(straight), lbfgs_point(resumed), 2 * sizeof(double));
        want = answer(straight, problem, want);
        again = answer(resumed, problem, again);
    }
    lbfgs_destroy(straight);
    lbfgs_destroy(resumed);
}

static void a_state_that_is_damaged_is_refused(void **state)
{
    (void)state;
    struct lbfgs *lbfgs = problem_begin(&problems[0]), *other = problem_begin(&problems[2]);
    struct error error;
    FILE *file = tmpfile();
    assert_int_equal(lbfgs_write(lbfgs, file, &error), 0);
    rewind(file);
    assert_int_equal(lbfgs_read(other, file, &error), -1);
    rewind(file);
    assert_int_equal(ftruncate(fileno(file), 200), 0);
    fflush(file); /* what was read ahead is not kept */
    assert_int_equal(lbfgs_read(lbfgs, file, &error), -1);
    fclose(file);
    lbfgs_destroy(lbfgs);
    lbfgs_destroy(other);
}

static void a_state_that_cannot_be_written_is_told_with_the_reason(void **state)
{
    (void)state;
    struct lbfgs *lbfgs = problem_begin(&problems[0]);
    struct error error;
    FILE *full = fopen("/dev/full", "w");
    setvbuf(full, NULL, _IONBF, 0);
    assert_int_equal(lbfgs_write(lbfgs, full, &error), -1);
    assert_string_equal(
        error.text, "the state of the inversion cannot be written: No space left on device");
    fclose(full);
    lbfgs_destroy(lbfgs);
}

static double nowhere(const double *x, double *g)
{
    g[0] = -1;
    return x[0] == 0 ? 0 : NAN;
}

static void values_that_are_no_numbers_end_the_search(void **state)
{
    (void)state;
    const double start = 0;
    const struct lbfgs_options options = {.history = 1, .trials = 5, .first_change = 1};
    struct lbfgs *lbfgs = lbfgs_create(1, &start, &options, NULL);
    enum lbfgs_want want = lbfgs_next(lbfgs);
    double g;
    for (int i = 0; i < 6; i++) {
        assert_true(want != LBFGS_STUCK);
        double f = nowhere(lbfgs_point(lbfgs), &g);
        want = lbfgs_tell(lbfgs, f, &g);
    }
    assert_int_equal(want, LBFGS_STUCK);
    assert_true(lbfgs_point(lbfgs)[0] == 0);
    lbfgs_destroy(lbfgs);
}

static void a_changed_function_is_asked_for_anew(void **state)
{
    (void)state;
    const struct problem *problem = &problems[0];
    struct lbfgs *lbfgs = problem_begin(problem);
    enum lbfgs_want want = lbfgs_next(lbfgs);
    while (want != LBFGS_ITERATED)
        want = answer(lbfgs, problem, want);
    double x[2];
    memcpy(x, lbfgs_point(lbfgs), sizeof(x));
    lbfgs_change(lbfgs, 0);
    assert_int_equal(lbfgs_next(lbfgs), LBFGS_VALUE_AND_GRADIENT);
    assert_memory_equal(lbfgs_point(lbfgs), x, sizeof(x));
    lbfgs_destroy(lbfgs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_that_is_damaged_is_refused),
        cmocka_unit_test(a_state_that_cannot_be_written_is_told_with_the_reason),
        cmocka_unit_test(values_that_are_no_numbers_end_the_search),
        cmocka_unit_test(published_minima_are_found),
        cmocka_unit_test(directions_are_those_of_the_dense_formula),
        cmocka_unit_test(iterates_are_those_of_another_program),
        cmocka_unit_test(it_goes_on_to_the_bit_after_every_answer),
        cmocka_unit_test(a_changed_function_is_asked_for_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

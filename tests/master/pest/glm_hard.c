/*
 * The estimator "glm" on functions that are known to be hard for least squares (J. J. More, B. S.
 * Garbow, K. E. Hillstrom, "Testing unconstrained optimization software", ACM TOMS 7 (1981) 17-41,
 * numbers in brackets), from their usual starts, with finite differences of 1 %, and with 1, 2 and
 * 8 slots.
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

#include "tests/master/pest/glm_rig.h"

#define SQUARE(x) ((x) * (x))

static void freudenstein_roth(const double *x, size_t n, double *f)
{
    (void)n;
    f[0] = -13 + x[0] + ((5 - x[1]) * x[1] - 2) * x[1];
    f[1] = -29 + x[0] + ((x[1] + 1) * x[1] - 14) * x[1];
}

static void helical_valley(const double *x, size_t n, double *f)
{
    double theta = atan2(x[1], x[0]) / (2 * M_PI);

    (void)n;
    f[0] = 10 * (x[2] - 10 * theta);
    f[1] = 10 * (sqrt(SQUARE(x[0]) + SQUARE(x[1])) - 1);
    f[2] = x[2];
}

static void bard(const double *x, size_t n, double *f)
{
    static const double y[15] = {0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39,
                                 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39};

    (void)n;
    for (int i = 0; i < 15; i++) {
        double u = i + 1, v = 15 - i, w = fmin(u, v);

        f[i] = y[i] - (x[0] + u / (v * x[1] + w * x[2]));
    }
}

static void powell_singular(const double *x, size_t n, double *f)
{
    (void)n;
    f[0] = x[0] + 10 * x[1];
    f[1] = sqrt(5) * (x[2] - x[3]);
    f[2] = SQUARE(x[1] - 2 * x[2]);
    f[3] = sqrt(10) * SQUARE(x[0] - x[3]);
}

static void wood(const double *x, size_t n, double *f)
{
    (void)n;
    f[0] = 10 * (x[1] - x[0] * x[0]);
    f[1] = 1 - x[0];
    f[2] = sqrt(90) * (x[3] - x[2] * x[2]);
    f[3] = 1 - x[2];
    f[4] = sqrt(10) * (x[1] + x[3] - 2);
    f[5] = (x[1] - x[3]) / sqrt(10);
}

static void kowalik_osborne(const double *x, size_t n, double *f)
{
    static const double y[11] = {0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627,
                                 0.0456, 0.0342, 0.0323, 0.0235, 0.0246};
    static const double u[11] = {4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625};

    (void)n;
    for (int i = 0; i < 11; i++)
        f[i] = y[i] - x[0] * (u[i] * u[i] + u[i] * x[1]) / (u[i] * u[i] + u[i] * x[2] + x[3]);
}

static void box_three(const double *x, size_t n, double *f)
{
    (void)n;
    for (int i = 0; i < 10; i++) {
        double t = 0.1 * (i + 1);

        f[i] = exp(-t * x[0]) - exp(-t * x[1]) - x[2] * (exp(-t) - exp(-10 * t));
    }
}

static void brown_dennis(const double *x, size_t n, double *f)
{
    (void)n;
    for (int i = 0; i < 20; i++) {
        double t = (i + 1) / 5.0;

        f[i] = SQUARE(x[0] + t * x[1] - exp(t)) + SQUARE(x[2] + x[3] * sin(t) - cos(t));
    }
}

static void osborne_one(const double *x, size_t n, double *f)
{
    static const double y[33] = {0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.850, 0.818,
                                 0.784, 0.751, 0.718, 0.685, 0.658, 0.628, 0.603, 0.580, 0.558,
                                 0.538, 0.522, 0.506, 0.490, 0.478, 0.467, 0.457, 0.448, 0.438,
                                 0.431, 0.424, 0.420, 0.414, 0.411, 0.406};

    (void)n;
    for (int i = 0; i < 33; i++) {
        double t = 10.0 * i;

        f[i] = y[i] - (x[0] + x[1] * exp(-t * x[3]) + x[2] * exp(-t * x[4]));
    }
}

static void meyer(const double *x, size_t n, double *f)
{
    static const double y[16] = {34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744,
                                 8261,  7030,  6005,  5147,  4427,  3820,  3307,  2872};

    (void)n;
    for (int i = 0; i < 16; i++)
        f[i] = x[0] * exp(x[1] / (45.0 + 5 * (i + 1) + x[2])) - y[i];
}

static void jennrich_sampson(const double *x, size_t n, double *f)
{
    (void)n;
    for (int i = 1; i <= 10; i++)
        f[i - 1] = 2 + 2 * i - (exp(i * x[0]) + exp(i * x[1]));
}

struct hard {
    const char *name;
    glm_rig_model *model;
    int parameters, residuals;
    double start[5];
    double phi[2];   /* minima, some of them local: either will do */
    double accepted; /* phi that is near enough for phi 0; Brown and Dennis's residuals are so
                      * large that steps are short, and PHIREDSTP ends it */
    int runs; /* at most: somewhat more than was measured, so that it cannot grow unseen */
};

static const struct hard problems[] = {
    {"helical valley [7]", helical_valley, 3, 3, {-1, 0.001, 0.001}, {0}, 1e-12, 200},
    {"Freudenstein-Roth [2]", freudenstein_roth, 2, 2, {0.5, -2}, {0, 48.98425}, 1e-12, 150},
    {"Bard [8]", bard, 3, 15, {1, 1, 1}, {8.21487e-3}, 0, 150},
    {"Powell singular [13]", powell_singular, 4, 4, {3, -1, 0.001, 1}, {0}, 1e-6, 400},
    {"Wood [14]", wood, 4, 6, {-3, -1, -3, -1}, {0}, 1e-12, 400},
    {"Kowalik-Osborne [15]",
     kowalik_osborne,
     4,
     11,
     {0.25, 0.39, 0.415, 0.39},
     {3.07505e-4},
     0,
     150},
    {"Box three [12]", box_three, 3, 10, {0.001, 10, 20}, {0, 0.0755887}, 1e-10, 150},
    {"Brown-Dennis [16]",
     brown_dennis,
     4,
     20,
     {25, 5, -5, -1},
     {85822.2},
     0.002 * 85822.2,
     400},
    {"Osborne 1 [17]", osborne_one, 5, 33, {0.5, 1.5, -1, 0.01, 0.02}, {5.46489e-5}, 0, 300},
    {"Meyer [10]", meyer, 3, 16, {0.02, 4000, 250}, {87.9458}, 0, 350},
    {"Jennrich-Sampson [6]", jennrich_sampson, 2, 10, {0.3, 0.4}, {124.362}, 0, 150},
};

static const char *control_of(const struct hard *problem)
{
    static char text[8192];
    size_t used;

    used = (size_t)snprintf(
        text, sizeof text,
        "pcf\n* control data\nrestart estimation\n%d %d 1 0 1\n1 1 double point 1 0 0\n"
        "10.0 -3.0 0.3 0.03 10\n10.0 10.0 0.001\n0.1\n200 0.0005 4 4 0.0001 4\n0 0 0\n"
        "* parameter groups\npg relative 0.01 1e-6 switch 1.0 parabolic\n* parameter data\n",
        problem->parameters, problem->residuals);
    for (int p = 0; p < problem->parameters; p++)
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "p%d none relative %.10g -1e6 1e6 pg 1 0 1\n", p,
                                 problem->start[p]);
    used += (size_t)snprintf(text + used, sizeof text - used,
                             "* observation groups\nog\n* observation data\n");
    for (int o = 0; o < problem->residuals; o++)
        used += (size_t)snprintf(text + used, sizeof text - used, "o%d 0 1 og\n", o);
    snprintf(text + used, sizeof text - used,
             "* model command line\nm\n* model input/output\na.tpl a\nb.ins b\n");
    return text;
}

static struct glm_rig_result result;

/* 1e-4 of phi: the minima are published with six digits, and PHIREDSTP is 5e-4. */
static bool is_there(const struct hard *problem)
{
    for (int i = 0; i < 2; i++)
        if ((i == 0 || problem->phi[i] > 0.0) &&
            fabs(result.phi - problem->phi[i]) <= 1e-4 * problem->phi[i] + problem->accepted)
            return true;
    return false;
}

static void hard_functions_are_minimised(void **state)
{
    static const uint32_t slots[] = {1, 2, 8};
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++)
        for (int k = 0; k < 3; k++) {
            struct glm_rig rig = {.control = control_of(&problems[i]),
                                  .model = problems[i].model,
                                  .slots = slots[k]};

            glm_rig_run(&rig, &result);
            print_message("%-22s %u slots: %3ld runs, %2d iterations, phi %.7g (%g): %s\n",
                          problems[i].name, (unsigned)slots[k], result.runs, result.iterations,
                          result.phi, problems[i].phi[0],
                          result.failed ? result.error.text : result.reason);
            bad += result.failed || !is_there(&problems[i]) || result.runs > problems[i].runs;
        }
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hard_functions_are_minimised),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The gradient of every misfit, from the model to a number and back: Taylor slopes 1 and 2. In
 * double, with a free surface, receivers off the grid, and recorded samples that lie between time
 * steps.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/worker/seismic/ground.h"
#include "worker/seismic/misfit.h"
#include "worker/seismic/resample.h"

enum { STEPS = 170, SAMPLES = 60 };

static struct ground_case which = {.dims = 2, .order = 8, .absorb = 8, .free_surface = true};

static struct bench bench;
static struct resample record;
static struct misfit misfit;
static float *observed, *weights, *vp;
static wave_real *traces, *rows, *dm, *step, *image;
static double value; /* of the last run */

static int setup(void **state)
{
    which.physics = *state;
    bench_open(&bench, &which, STEPS);
    const struct resample_axis steps = {.count = STEPS, .start = 0, .interval = bench.dt};
    const struct resample_axis samples = {
        .count = SAMPLES, .start = bench.dt / 3, .interval = 2.71 * bench.dt};
    assert_int_equal(resample_init(&record, &steps, &samples, NULL), 0);
    size_t count = bench.receiver_count;
    observed = calloc(count * SAMPLES, sizeof(*observed));
    weights = calloc(count * SAMPLES, sizeof(*weights));
    traces = calloc(count * SAMPLES, sizeof(*traces));
    rows = calloc(count * STEPS, sizeof(*rows));
    dm = calloc(bench.points, sizeof(*dm));
    step = calloc(bench.points, sizeof(*step));
    image = calloc(bench.points, sizeof(*image));
    vp = calloc(bench.points, sizeof(*vp));
    assert_true(observed && weights && traces && rows && dm && step && image && vp);
    /* Observed: data of another model, a tenth louder. The direction of the test is noise and what
     * leads to that model, so that no slope is zero by accident. */
    bench_perturb(&bench, dm);
    memcpy(vp, bench.vp, bench.points * sizeof(*vp));
    for (size_t i = 0; i < bench.points; i++) {
        float share = sinf(0.02f * (float)i);
        bench.vp[i] = vp[i] * (1 + 0.04f * share);
        if (dm[i] != 0)
            dm[i] -= 0.1 * (double)share / ((double)vp[i] * (double)vp[i]);
    }
    bench_renew(&bench);
    operators_forward(&bench.operators, bench.source, rows, NULL);
    resample_rows(&record, count, rows, traces);
    for (size_t i = 0; i < count * SAMPLES; i++)
        observed[i] = 1.1f * (float)traces[i];
    /* Of each trace what comes late, after a slope that is later from one to the next. */
    for (size_t i = 0; i < count * SAMPLES; i++)
        weights[i] =
            fminf(1, fmaxf(0, 0.1f * ((float)(i % SAMPLES) - 20 - 2 * (float)(i / SAMPLES))));
    memcpy(bench.vp, vp, bench.points * sizeof(*vp));
    bench_renew(&bench);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(observed);
    free(weights);
    free(traces);
    free(rows);
    free(dm);
    free(step);
    free(image);
    free(vp);
    resample_fini(&record);
    bench_close(&bench);
    return 0;
}

static int residual(void *context, wave_real *data, struct error *ret_error)
{
    struct misfit_result result;
    (void)context;
    resample_rows(&record, bench.receiver_count, data, traces);
    if (misfit_measure(&misfit, bench.receiver_count, SAMPLES, observed, traces, traces,
                       &result, ret_error) < 0)
        return -1;
    value = result.value;
    resample_back(&record, bench.receiver_count, traces, data);
    return 0;
}

/* The value at m + h dm, and h dm after rounding to the float velocity. */
static double value_at(double h)
{
    struct misfit_result result;
    for (size_t i = 0; i < bench.points; i++) {
        double m = 1 / ((double)vp[i] * (double)vp[i]);
        bench.vp[i] = (float)(1 / sqrt(m + h * (double)dm[i]));
        step[i] = 1 / ((double)bench.vp[i] * (double)bench.vp[i]) - m;
    }
    bench_renew(&bench);
    operators_forward(&bench.operators, bench.source, rows, NULL);
    resample_rows(&record, bench.receiver_count, rows, traces);
    assert_int_equal(misfit_measure(&misfit, bench.receiver_count, SAMPLES, observed, traces,
                                    NULL, &result, NULL),
                     0);
    memcpy(bench.vp, vp, bench.points * sizeof(*vp));
    bench_renew(&bench);
    return result.value;
}

static void taylor(void)
{
    double first[2], second[2];
    memset(image, 0, bench.points * sizeof(*image));
    assert_int_equal(operators_image(&bench.operators, bench.source, residual, NULL, rows,
                                     image, NULL, NULL),
                     0);
    double here = value;
    assert_true(here > 0);
    for (int i = 0; i < 2; i++) {
        double apart = value_at(i ? 0.002 : 0.004) - here;
        first[i] = fabs(apart);
        second[i] = fabs(apart - bench_dot(image, step, bench.points));
    }
    /* Steps of 0.02 % of the squared slowness: third-order terms are far below a tenth, and so is
     * what rounding the velocity to float adds to the direction. */
    assert_true(fabs(log2(first[0] / first[1]) - 1) < 0.1);
    assert_true(fabs(log2(second[0] / second[1]) - 2) < 0.1);
}

static void set(int kind, double max_hz)
{
    misfit = (struct misfit){.interval_s = 2.71 * bench.dt, .max_hz = max_hz};
    misfit.rule.kind = (unsigned)kind;
    misfit.rule.huber_threshold = 100; /* smooth here; the kink is tested in misfit.c */
}

static void muted_and_whole(int kind, double max_hz)
{
    set(kind, max_hz);
    taylor();
    misfit.weights = weights;
    taylor();
}

static void the_gradient_of_l2_has_taylor_slopes_1_and_2(void **state)
{
    (void)state;
    muted_and_whole(SURVEY_L2, INFINITY);
    muted_and_whole(SURVEY_L2, 10);
}

static void the_gradient_of_the_normalised_misfit_has_taylor_slopes_1_and_2(void **state)
{
    (void)state;
    muted_and_whole(SURVEY_NORMALISED, INFINITY);
}

static void the_gradient_of_the_envelope_misfit_has_taylor_slopes_1_and_2(void **state)
{
    (void)state;
    muted_and_whole(SURVEY_ENVELOPE, INFINITY);
}

static void the_gradient_of_hubers_misfit_has_taylor_slopes_1_and_2(void **state)
{
    (void)state;
    muted_and_whole(SURVEY_HUBER, INFINITY);
}

int main(void)
{
#define IN(medium, name)                                                                       \
    {                                                                                          \
        medium ": " #name, name, setup, teardown, (void *)medium                               \
    }
#define ALL(name) IN("acoustic", name), IN("vti", name), IN("tti", name)
    const struct CMUnitTest tests[] = {
        ALL(the_gradient_of_l2_has_taylor_slopes_1_and_2),
        ALL(the_gradient_of_the_normalised_misfit_has_taylor_slopes_1_and_2),
        ALL(the_gradient_of_the_envelope_misfit_has_taylor_slopes_1_and_2),
        ALL(the_gradient_of_hubers_misfit_has_taylor_slopes_1_and_2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Misfits against their definitions where those are simple, and their gradients by Taylor's test:
 * phi(x + h p) - phi(x) falls like h, and what is left without h <gradient, p> like h^2.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "worker/seismic/misfit.h"
#include "worker/seismic/wavelet.h"

enum { TRACES = 3, SAMPLES = 200, ALL = TRACES * SAMPLES };

static float observed[ALL];
static float weights[ALL];
static wave_real synthetic[ALL], direction[ALL], moved[ALL], gradient[ALL];

static double noise(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(*seed >> 11) / (double)(1ull << 52) - 1;
}

static int setup(void **state)
{
    uint64_t seed = 5;
    (void)state;
    for (int t = 0; t < TRACES; t++)
        for (int i = 0; i < SAMPLES; i++) {
            double time = i * 0.004;
            int at = t * SAMPLES + i;
            observed[at] = (float)wavelet_ricker(12, time - 0.3 - 0.05 * t);
            synthetic[at] = (wave_real)(0.8 * wavelet_ricker(11, time - 0.32 - 0.05 * t));
            weights[at] = (float)fmin(1, fmax(0, (time - 0.3) / 0.1)); /* zeros and a slope */
            direction[at] = (wave_real)(wavelet_ricker(9, time - 0.4) * (1 + noise(&seed)));
        }
    return 0;
}

static struct misfit rule(int kind)
{
    struct misfit misfit = {.interval_s = 0.004, .max_hz = INFINITY};
    misfit.rule.kind = (unsigned)kind;
    misfit.rule.huber_threshold = 0.8;
    return misfit;
}

static double value_at(const struct misfit *misfit, double h)
{
    struct misfit_result result;
    for (int i = 0; i < ALL; i++)
        moved[i] = synthetic[i] + (wave_real)h * direction[i];
    assert_int_equal(
        misfit_measure(misfit, TRACES, SAMPLES, observed, moved, NULL, &result, NULL), 0);
    return result.value;
}

static void taylor(const struct misfit *misfit)
{
    struct misfit_result result;
    double slope = 0, first[2], second[2];
    assert_int_equal(
        misfit_measure(misfit, TRACES, SAMPLES, observed, synthetic, gradient, &result, NULL),
        0);
    for (int i = 0; i < ALL; i++)
        slope += (double)gradient[i] * (double)direction[i];
    for (int i = 0; i < 2; i++) {
        double h = i ? 1e-5 : 2e-5, apart = value_at(misfit, h) - result.value;
        first[i] = fabs(apart);
        second[i] = fabs(apart - h * slope);
    }
    /* Slopes of log against log. In double, so that what is left (1e-10 of the value) is no
     * rounding. */
    assert_true(fabs(log2(first[0] / first[1]) - 1) < 0.1);
    assert_true(fabs(log2(second[0] / second[1]) - 2) < 0.1);
}

static void every_gradient_passes_the_taylor_test(void **state)
{
    (void)state;
    for (int kind = SURVEY_L2; kind <= SURVEY_ENVELOPE; kind++) {
        struct misfit misfit = rule(kind);
        taylor(&misfit);
        misfit.min_hz = 4;
        misfit.max_hz = 12;
        taylor(&misfit);
        misfit.weights = weights;
        taylor(&misfit);
        misfit.min_hz = 0;
        misfit.max_hz = INFINITY;
        taylor(&misfit);
    }
}

/* Huber's has kinks in its slope where samples pass the limit: the second order does not hold
 * there, but the slope does. */
static void hubers_gradient_is_its_slope(void **state)
{
    (void)state;
    struct misfit misfit = rule(SURVEY_HUBER);
    for (int weighted = 1; weighted >= 0; weighted--) {
        struct misfit_result result;
        double slope = 0, h = 1e-3;
        misfit.weights = weighted ? weights : NULL;
        misfit_measure(&misfit, TRACES, SAMPLES, observed, synthetic, gradient, &result, NULL);
        for (int i = 0; i < ALL; i++)
            slope += (double)gradient[i] * (double)direction[i];
        double apart = (value_at(&misfit, h) - value_at(&misfit, -h)) / (2 * h);
        assert_true(fabs(apart - slope) < 1e-3 * fabs(slope));
    }
    misfit.rule.huber_threshold = 1e9; /* nothing passes it: L2 */
    struct misfit l2 = rule(SURVEY_L2);
    assert_true(fabs(value_at(&misfit, 0) - value_at(&l2, 0)) < 1e-12);
}

static void what_is_equal_has_no_misfit(void **state)
{
    (void)state;
    for (int kind = SURVEY_L2; kind <= SURVEY_HUBER; kind++) {
        struct misfit misfit = rule(kind);
        struct misfit_result result;
        for (int i = 0; i < ALL; i++)
            moved[i] = observed[i];
        assert_int_equal(
            misfit_measure(&misfit, TRACES, SAMPLES, observed, moved, gradient, &result, NULL),
            0);
        assert_true(result.value < 1e-20);
        assert_true(result.norm > 0);
        for (int i = 0; i < ALL; i++)
            assert_true(fabs((double)gradient[i]) < 1e-7); /* rounding, times some */
    }
}

/* The same as data that are weighted beforehand, in both, and no others. */
static void weights_come_before_everything_else(void **state)
{
    (void)state;
    static float weighted[ALL];
    static wave_real expected[ALL];
    for (int i = 0; i < ALL; i++) {
        weighted[i] = weights[i] * observed[i];
        moved[i] = (wave_real)weights[i] * synthetic[i];
    }
    for (int kind = SURVEY_L2; kind <= SURVEY_HUBER; kind++) {
        struct misfit misfit = rule(kind);
        struct misfit_result result, plain;
        misfit.max_hz = 12;
        misfit_measure(&misfit, TRACES, SAMPLES, weighted, moved, expected, &plain, NULL);
        misfit.weights = weights;
        misfit_measure(&misfit, TRACES, SAMPLES, observed, synthetic, gradient, &result, NULL);
        /* Weighted data have been rounded to floats. */
        assert_true(fabs(result.value - plain.value) < 1e-5 * plain.value);
        assert_true(fabs(result.norm - plain.norm) < 1e-5 * plain.norm);
        double most = 0;
        for (int i = 0; i < ALL; i++)
            most = fmax(most, fabs((double)expected[i]));
        for (int i = 0; i < ALL; i++)
            assert_true(fabs((double)gradient[i] - (double)(weights[i] * expected[i])) <
                        1e-5 * most);
    }
}

static void a_scaled_trace_has_no_normalised_misfit(void **state)
{
    (void)state;
    struct misfit misfit = rule(SURVEY_NORMALISED);
    struct misfit_result result;
    for (int i = 0; i < ALL; i++)
        moved[i] = 7 * (wave_real)observed[i];
    misfit_measure(&misfit, TRACES, SAMPLES, observed, moved, NULL, &result, NULL);
    assert_true(result.value < 1e-12);
}

static void dead_traces_never_give_nan(void **state)
{
    (void)state;
    static float dead[ALL];
    static wave_real still[ALL];
    for (int kind = SURVEY_L2; kind <= SURVEY_HUBER; kind++)
        for (int which = 0; which < 3; which++) {
            struct misfit misfit = rule(kind);
            struct misfit_result result;
            assert_int_equal(
                misfit_measure(&misfit, TRACES, SAMPLES, which == 1 ? observed : dead,
                               which == 2 ? synthetic : still, gradient, &result, NULL),
                0);
            assert_true(isfinite(result.value) && isfinite(result.norm));
            for (int i = 0; i < ALL; i++)
                assert_true(isfinite(gradient[i]));
        }
}

static void a_sample_that_is_not_finite_is_named(void **state)
{
    (void)state;
    struct misfit misfit = rule(SURVEY_L2);
    struct misfit_result result;
    struct error error;
    float kept = observed[SAMPLES + 4];
    observed[SAMPLES + 4] = INFINITY;
    assert_int_equal(
        misfit_measure(&misfit, TRACES, SAMPLES, observed, synthetic, NULL, &result, &error),
        -1);
    assert_string_equal(error.text, "sample 5 of observed trace 2 is inf");
    observed[SAMPLES + 4] = kept;
}

static void the_band_pass_passes_its_band_alone(void **state)
{
    (void)state;
    struct misfit misfit = rule(SURVEY_L2);
    misfit.min_hz = 24;
    misfit.max_hz = 40;
    const double hz[] = {3, 31, 110};
    for (int trace = 0; trace < TRACES; trace++)
        for (int i = 0; i < SAMPLES; i++)
            moved[trace * SAMPLES + i] = (wave_real)(sin(2 * M_PI * hz[trace] * i * 0.004) *
                                                     exp(-0.5 * pow((i - 100) / 20.0, 2)));
    memcpy(gradient, moved, sizeof(moved));
    assert_int_equal(misfit_filter(&misfit, TRACES, SAMPLES, moved, NULL), 0);
    for (int i = 0; i < SAMPLES; i++) {
        assert_true(fabs((double)moved[i]) < 1e-3);
        assert_true(fabs((double)moved[SAMPLES + i] - (double)gradient[SAMPLES + i]) < 0.02);
        assert_true(fabs((double)moved[2 * SAMPLES + i]) < 1e-3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sample_that_is_not_finite_is_named),
        cmocka_unit_test(dead_traces_never_give_nan),
        cmocka_unit_test(what_is_equal_has_no_misfit),
        cmocka_unit_test(a_scaled_trace_has_no_normalised_misfit),
        cmocka_unit_test(weights_come_before_everything_else),
        cmocka_unit_test(every_gradient_passes_the_taylor_test),
        cmocka_unit_test(hubers_gradient_is_its_slope),
        cmocka_unit_test(the_band_pass_passes_its_band_alone),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}

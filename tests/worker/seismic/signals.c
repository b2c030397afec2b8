/*
 * What traces go through: windowed sincs, resampling, wavelets and transforms.
 */
#include <complex.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "worker/seismic/fourier.h"
#include "worker/seismic/kaiser.h"
#include "worker/seismic/resample.h"
#include "worker/seismic/wavelet.h"

/* Deterministic values in [-1, 1). */
static double noise(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(*seed >> 11) / (double)(1ull << 52) - 1;
}

static void a_position_on_a_sample_is_that_sample(void **state)
{
    (void)state;
    long first;
    double weights[2 * KAISER_HALF_MAX];
    assert_int_equal(kaiser_weights(-7.0000001, 4, &first, weights), 1);
    assert_int_equal(first, -7);
    assert_true(weights[0] == 1);
    assert_int_equal(kaiser_weights(2.25, 4, &first, weights), 8);
    assert_int_equal(first, -1);
}

/* Hicks's figure 3: with r = 4 the error stays below 0.1 % (here: of amplitude, over all shifts)
 * up to four samples a wavelength, half of Nyquist's wavenumber. */
static void waves_of_four_samples_are_read_to_a_thousandth(void **state)
{
    (void)state;
    for (double k = 0.05 * M_PI; k <= 0.5 * M_PI; k += 0.05 * M_PI)
        for (double x = 0; x < 1; x += 0.05) {
            long first;
            double weights[2 * KAISER_HALF_MAX];
            size_t count = kaiser_weights(x, 4, &first, weights);
            double complex read = 0;
            for (size_t i = 0; i < count; i++)
                read += weights[i] * cexp(I * k * (double)(first + (long)i));
            assert_true(cabs(read - cexp(I * k * x)) < 2e-3);
        }
}

static void resampling_picks_samples_where_they_lie(void **state)
{
    (void)state;
    const struct resample_axis in = {.count = 41, .start = -0.01, .interval = 0.0005};
    const struct resample_axis out = {.count = 6, .start = 0, .interval = 0.002};
    struct resample resample;
    double from[41], to[6];
    for (int i = 0; i < 41; i++)
        from[i] = i;
    assert_int_equal(resample_init(&resample, &in, &out, NULL), 0);
    resample_trace(&resample, from, to);
    for (int i = 0; i < 6; i++)
        assert_true(to[i] == (i <= 5 ? 20 + 4 * i : 0));
    resample_fini(&resample);
}

static void samples_beyond_all_inputs_are_zero(void **state)
{
    (void)state;
    const struct resample_axis in = {.count = 10, .start = 0, .interval = 1};
    const struct resample_axis out = {.count = 4, .start = -1e300, .interval = 1e299};
    struct resample resample;
    double from[10] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, to[4] = {1, 1, 1, 1};
    assert_int_equal(resample_init(&resample, &in, &out, NULL), 0);
    resample_trace(&resample, from, to);
    for (int i = 0; i < 4; i++)
        assert_true(to[i] == 0);
    resample_fini(&resample);
}

static void a_band_limited_signal_survives_other_intervals(void **state)
{
    (void)state;
    const struct resample_axis in = {.count = 1000, .start = 0, .interval = 0.001};
    const struct resample_axis out = {.count = 200, .start = 0.1003, .interval = 0.0037};
    struct resample resample;
    double from[1000], to[200];
    for (int i = 0; i < 1000; i++)
        from[i] = wavelet_ricker(25, i * 0.001 - 0.4);
    assert_int_equal(resample_init(&resample, &in, &out, NULL), 0);
    resample_trace(&resample, from, to);
    /* A 25 Hz Ricker has nothing above 100 Hz, a fifth of Nyquist's: the window's ripple is left */
    for (int i = 0; i < 200; i++)
        assert_true(fabs(to[i] - wavelet_ricker(25, 0.1003 + i * 0.0037 - 0.4)) < 1e-5);
    resample_fini(&resample);
}

static void rows_and_back_are_transposes(void **state)
{
    (void)state;
    enum { IN = 57, OUT = 31, TRACES = 5 };
    const struct resample_axis in = {.count = IN, .start = 0.003, .interval = 0.0011};
    const struct resample_axis out = {.count = OUT, .start = 0, .interval = 0.002};
    static wave_real rows[IN * TRACES], traces[OUT * TRACES], y[OUT * TRACES],
        back[IN * TRACES];
    struct resample resample;
    uint64_t seed = 1;
    double left = 0, right = 0, size = 0;
    for (int i = 0; i < IN * TRACES; i++)
        rows[i] = (wave_real)noise(&seed);
    for (int i = 0; i < OUT * TRACES; i++)
        y[i] = (wave_real)noise(&seed);
    assert_int_equal(resample_init(&resample, &in, &out, NULL), 0);
    resample_rows(&resample, TRACES, rows, traces);
    resample_back(&resample, TRACES, y, back);
    for (int i = 0; i < OUT * TRACES; i++)
        left += (double)traces[i] * (double)y[i];
    for (int i = 0; i < IN * TRACES; i++) {
        right += (double)rows[i] * (double)back[i];
        size += fabs((double)rows[i] * (double)back[i]);
    }
    assert_true(fabs(left - right) < 1e-6 * size); /* float rounding of stored values */
    resample_fini(&resample);
}

static void transforms_invert_and_agree_with_the_definition(void **state)
{
    (void)state;
    double complex values[32], kept[32];
    uint64_t seed = 2;
    for (int i = 0; i < 32; i++)
        values[i] = kept[i] = noise(&seed) + I * noise(&seed);
    fourier_run(values, 32, false);
    for (int k = 0; k < 32; k++) {
        double complex sum = 0;
        for (int i = 0; i < 32; i++)
            sum += kept[i] * cexp(-2 * M_PI * I * (double)(i * k) / 32);
        assert_true(cabs(sum - values[k]) < 1e-13);
    }
    fourier_run(values, 32, true);
    for (int i = 0; i < 32; i++)
        assert_true(cabs(values[i] - kept[i]) < 1e-14);
    assert_int_equal(fourier_size(1), 1);
    assert_int_equal(fourier_size(33), 64);
}

static void the_hilbert_transform_turns_cosines_and_is_antisymmetric(void **state)
{
    (void)state;
    enum { N = 300 };
    double a[N], b[N], ha[N], hb[N], left = 0, right = 0;
    double complex work[1024];
    uint64_t seed = 3;
    for (int i = 0; i < N; i++)
        a[i] = cos(0.3 * i) * exp(-0.5 * (i - 150) * (i - 150) / 900.0);
    fourier_hilbert(a, ha, N, work);
    /* of a packet: its carrier's phase goes by a quarter (its spectrum is all but one-sided) */
    for (int i = 0; i < N; i++)
        assert_true(fabs(ha[i] - sin(0.3 * i) * exp(-0.5 * (i - 150) * (i - 150) / 900.0)) <
                    1e-3);
    for (int i = 0; i < N; i++) {
        a[i] = noise(&seed);
        b[i] = noise(&seed);
    }
    fourier_hilbert(a, ha, N, work);
    fourier_hilbert(b, hb, N, work);
    for (int i = 0; i < N; i++) {
        left += ha[i] * b[i];
        right -= a[i] * hb[i];
    }
    assert_true(fabs(left - right) < 1e-11);
}

static void wavelets_peak_where_they_should(void **state)
{
    (void)state;
    const struct survey_wavelet ricker = {
        .kind = SURVEY_RICKER, .peak_hz = 10, .delay_s = 0.12, .amplitude = -3};
    const struct resample_axis axis = {.count = 300, .start = 0, .interval = 0.001};
    wave_real values[300];
    assert_int_equal(wavelet_sample(&ricker, &axis, values, NULL), 0);
    assert_true(values[120] == -3);
    assert_true(wavelet_peak_hz(&ricker) == 10);
    float given[300];
    for (int i = 0; i < 300; i++)
        given[i] = (float)wavelet_ricker(10, i * 0.001 - 0.12);
    struct survey_wavelet sampled = {.kind = SURVEY_SAMPLED,
                                     .delay_s = -0.05,
                                     .amplitude = 2,
                                     .values = given,
                                     .count = 300,
                                     .interval_s = 0.001};
    assert_int_equal(wavelet_sample(&sampled, &axis, values, NULL), 0);
    assert_true(values[70] == 2 * given[120]);
    assert_true(values[250] == 0);
    assert_true(fabs(wavelet_peak_hz(&sampled) - 10) < 0.7);
    struct error error;
    given[7] = NAN;
    assert_int_equal(wavelet_sample(&sampled, &axis, values, &error), -1);
    assert_non_null(strstr(error.text, "sample 8"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_position_on_a_sample_is_that_sample),
        cmocka_unit_test(waves_of_four_samples_are_read_to_a_thousandth),
        cmocka_unit_test(samples_beyond_all_inputs_are_zero),
        cmocka_unit_test(resampling_picks_samples_where_they_lie),
        cmocka_unit_test(a_band_limited_signal_survives_other_intervals),
        cmocka_unit_test(rows_and_back_are_transposes),
        cmocka_unit_test(transforms_invert_and_agree_with_the_definition),
        cmocka_unit_test(the_hilbert_transform_turns_cosines_and_is_antisymmetric),
        cmocka_unit_test(wavelets_peak_where_they_should),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "config.h"

#include <complex.h>
#include <math.h>
#include <stdlib.h>

#include "worker/seismic/fourier.h"
#include "worker/seismic/wavelet.h"

double wavelet_ricker(double peak_hz, double t)
{
    double a = M_PI * peak_hz * t;
    a *= a;
    return (1 - 2 * a) * exp(-a);
}

static double *to_double(const struct survey_wavelet *wavelet, struct error *ret_error)
{
    double *values = calloc(wavelet->count, sizeof(*values));
    if (!values) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a wavelet");
        return NULL;
    }
    for (size_t i = 0; i < wavelet->count; i++) {
        values[i] = (double)wavelet->values[i];
        if (!isfinite(values[i])) {
            error_set(ret_error, ERROR_CONFIG, "sample %zu of the wavelet is %g", i + 1,
                      values[i]);
            free(values);
            return NULL;
        }
    }
    return values;
}

static int sample_given(const struct survey_wavelet *wavelet, const struct resample_axis *axis,
                        wave_real *ret_values, struct error *ret_error)
{
    const struct resample_axis given = {
        .count = wavelet->count, .start = wavelet->delay_s, .interval = wavelet->interval_s};
    struct resample resample = {0};
    double *in = to_double(wavelet, ret_error), *out = calloc(axis->count, sizeof(*out));
    int rc = -1;
    if (!in)
        goto out;
    if (!out) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a wavelet");
        goto out;
    }
    if (resample_init(&resample, &given, axis, ret_error) < 0)
        goto out;
    resample_trace(&resample, in, out);
    for (size_t i = 0; i < axis->count; i++)
        ret_values[i] = (wave_real)(wavelet->amplitude * out[i]);
    rc = 0;
out:
    resample_fini(&resample);
    free(in);
    free(out);
    return rc;
}

int wavelet_sample(const struct survey_wavelet *wavelet, const struct resample_axis *axis,
                   wave_real *ret_values, struct error *ret_error)
{
    if (wavelet->kind == SURVEY_SAMPLED)
        return sample_given(wavelet, axis, ret_values, ret_error);
    for (size_t i = 0; i < axis->count; i++) {
        double t = axis->start + (double)i * axis->interval - wavelet->delay_s;
        ret_values[i] = (wave_real)(wavelet->amplitude * wavelet_ricker(wavelet->peak_hz, t));
    }
    return 0;
}

double wavelet_peak_hz(const struct survey_wavelet *wavelet)
{
    if (wavelet->kind == SURVEY_RICKER)
        return wavelet->peak_hz;
    size_t size = fourier_size(4 * wavelet->count), best = 0;
    double complex *spectrum = calloc(size, sizeof(*spectrum));
    if (!spectrum)
        return 0; /* the propagator's own default */
    for (size_t i = 0; i < wavelet->count; i++)
        spectrum[i] = (double)wavelet->values[i];
    fourier_run(spectrum, size, false);
    for (size_t i = 1; i < size / 2; i++)
        if (cabs(spectrum[i]) > cabs(spectrum[best]))
            best = i;
    free(spectrum);
    return (double)best / ((double)size * wavelet->interval_s);
}

#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "worker/seismic/fourier.h"
#include "worker/seismic/spectrum.h"

#define VALUES_MAX 1000000 /* far more than any trace has frequencies */

static int parse_value(const cJSON *pair, double complex *ret_value)
{
    const cJSON *re = cJSON_GetArrayItem(pair, 0), *im = cJSON_GetArrayItem(pair, 1);
    if (!cJSON_IsNumber(re) || !cJSON_IsNumber(im) || !isfinite(re->valuedouble) ||
        !isfinite(im->valuedouble))
        return -1;
    *ret_value = re->valuedouble + I * im->valuedouble;
    return 0;
}

static int parse_values(struct spectrum *spectrum, const cJSON *array, const char *path,
                        struct error *ret_error)
{
    const cJSON *pair;
    size_t i = 0;
    spectrum->count = (size_t)cJSON_GetArraySize(array);
    if (spectrum->count == 0 || spectrum->count > VALUES_MAX)
        return error_set(ret_error, ERROR_CONFIG, "%s.values must have 1 to %d values", path,
                         VALUES_MAX);
    spectrum->values = calloc(spectrum->count, sizeof(*spectrum->values));
    if (!spectrum->values)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a spectrum");
    cJSON_ArrayForEach(pair, array)
    {
        if (parse_value(pair, &spectrum->values[i++]) < 0)
            return error_set(ret_error, ERROR_CONFIG,
                             "%s.values[%zu] must be [real, imaginary]", path, i - 1);
    }
    return 0;
}

int spectrum_parse(const cJSON *object, const char *path, struct spectrum *ret_spectrum,
                   struct error *ret_error)
{
    struct spectrum spectrum = {0};
    const cJSON *values;
    int64_t first;
    if (json_get_real(object, path, "df_hz", 0, &spectrum.df_hz, ret_error) < 0 ||
        json_get_real(object, path, "delay_s", 0, &spectrum.delay_s, ret_error) < 0 ||
        json_get_integer(object, path, "first", 0, &first, ret_error) < 0 ||
        json_get_array(object, path, "values", &values, ret_error) < 0)
        return -1;
    if (!(spectrum.df_hz > 0) || !isfinite(spectrum.df_hz) || !isfinite(spectrum.delay_s) ||
        first < 0)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s must have a \"df_hz\" above 0 and a \"first\" of at least 0",
                         path);
    spectrum.first = (size_t)first;
    if (parse_values(&spectrum, values, path, ret_error) < 0) {
        spectrum_fini(&spectrum);
        return -1;
    }
    *ret_spectrum = spectrum;
    return 0;
}

void spectrum_fini(struct spectrum *spectrum)
{
    free(spectrum->values);
    spectrum->values = NULL;
}

/* The wavelet is not cut off where the estimate ends: of one that begins at time 0, what rings
 * before it would be lost, and what is lost has all frequencies. */
static double complex beyond(const struct spectrum *spectrum, size_t end, double steps)
{
    return spectrum->values[end] *
           cexp(-2 * M_PI * I * steps * spectrum->df_hz * spectrum->delay_s);
}

double complex spectrum_at(const struct spectrum *spectrum, double hz)
{
    double at = hz / spectrum->df_hz - (double)spectrum->first;
    double last = (double)(spectrum->count - 1);
    if (!(at > 0))
        return beyond(spectrum, 0, at);
    if (at >= last)
        return beyond(spectrum, spectrum->count - 1, at - last);
    size_t i = (size_t)at;
    double part = at - (double)i;
    return (1 - part) * spectrum->values[i] + part * spectrum->values[i + 1];
}

int spectrum_apply(const struct spectrum *spectrum, double interval_s, wave_real *samples,
                   size_t count, struct error *ret_error)
{
    size_t size = fourier_size(2 * count);
    double complex *work = calloc(size, sizeof(*work));
    if (!work)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to filter a wavelet");
    for (size_t i = 0; i < count; i++)
        work[i] = (double)samples[i];
    fourier_run(work, size, false);
    double df_hz = 1 / ((double)size * interval_s);
    for (size_t i = 0; i <= size / 2; i++) {
        double complex factor = spectrum_at(spectrum, (double)i * df_hz);
        work[i] *= factor;
        if (i > 0 && i < size / 2)
            work[size - i] *= conj(factor);
    }
    fourier_run(work, size, true);
    for (size_t i = 0; i < count; i++)
        samples[i] = (wave_real)creal(work[i]);
    free(work);
    return 0;
}

int spectrum_sums_init(struct spectrum_sums *sums, size_t samples, double interval_s,
                       double min_hz, double max_hz, struct error *ret_error)
{
    *sums = (struct spectrum_sums){.size = fourier_size(2 * samples)};
    sums->df_hz = 1 / ((double)sums->size * interval_s);
    double last = fmin(max_hz / sums->df_hz, (double)sums->size / 2);
    sums->first = (size_t)fmin(floor(fmax(min_hz, 0) / sums->df_hz), last);
    sums->count = (size_t)last - sums->first + 1;
    sums->cross = calloc(sums->count, sizeof(*sums->cross));
    sums->power = calloc(sums->count, sizeof(*sums->power));
    if (sums->cross && sums->power)
        return 0;
    spectrum_sums_fini(sums);
    return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu frequencies", sums->count);
}

void spectrum_sums_fini(struct spectrum_sums *sums)
{
    free(sums->cross);
    free(sums->power);
    sums->cross = NULL;
    sums->power = NULL;
}

int spectrum_sums_add(struct spectrum_sums *sums, size_t traces, size_t samples,
                      const wave_real *observed, const wave_real *synthetic,
                      struct error *ret_error)
{
    /* Both are real: one transform of d + i u gives both. */
    double complex *work = malloc(sums->size * sizeof(*work));
    if (!work)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the spectra of traces");
    for (size_t trace = 0; trace < traces; trace++) {
        memset(work, 0, sums->size * sizeof(*work));
        for (size_t i = 0; i < samples; i++)
            work[i] = (double)observed[trace * samples + i] +
                      I * (double)synthetic[trace * samples + i];
        fourier_run(work, sums->size, false);
        for (size_t i = 0; i < sums->count; i++) {
            size_t k = sums->first + i;
            double complex mirror = conj(work[(sums->size - k) % sums->size]);
            double complex d = (work[k] + mirror) / 2, u = (work[k] - mirror) / (2 * I);
            sums->cross[i] += d * conj(u);
            sums->power[i] += creal(u * conj(u));
        }
    }
    free(work);
    return 0;
}

void spectrum_sums_put(const struct spectrum_sums *sums, struct buf *buf)
{
    buf_append_text(buf, "\"df_hz\":");
    json_put_real(buf, sums->df_hz);
    buf_printf(buf, ",\"first\":%zu,\"cross\":[", sums->first);
    for (size_t i = 0; i < sums->count; i++) {
        buf_append_text(buf, i ? ",[" : "[");
        json_put_real(buf, creal(sums->cross[i]));
        buf_append_text(buf, ",");
        json_put_real(buf, cimag(sums->cross[i]));
        buf_append_text(buf, "]");
    }
    buf_append_text(buf, "],\"power\":[");
    for (size_t i = 0; i < sums->count; i++) {
        buf_append_text(buf, i ? "," : "");
        json_put_real(buf, sums->power[i]);
    }
    buf_append_text(buf, "]");
}

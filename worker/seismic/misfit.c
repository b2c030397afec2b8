#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/seismic/fourier.h"
#include "worker/seismic/misfit.h"

/* What one trace needs; every thread has its own. */
struct desk {
    const struct misfit *misfit;
    size_t samples, size;      /* size of the padded transforms */
    double *x, *o, *g, *a, *b; /* synthetic, observed, gradient; two to use freely */
    double complex *work;
};

static int desk_open(struct desk *desk, const struct misfit *misfit, size_t samples)
{
    *desk =
        (struct desk){.misfit = misfit, .samples = samples, .size = fourier_size(2 * samples)};
    desk->x = calloc(5 * samples, sizeof(double));
    desk->work = calloc(desk->size, sizeof(*desk->work));
    if (!desk->x || !desk->work)
        return -1;
    desk->o = desk->x + samples;
    desk->g = desk->o + samples;
    desk->a = desk->g + samples;
    desk->b = desk->a + samples;
    return 0;
}

static void desk_close(struct desk *desk)
{
    free(desk->x);
    free(desk->work);
}

/* What passes at a frequency: 1 inside the band, and a cosine over one octave on either side. */
static double pass_of(const struct misfit *misfit, double hz)
{
    double octave = 0;
    if (hz < misfit->min_hz)
        octave = hz > 0 ? log2(misfit->min_hz / hz) : 1;
    else if (hz > misfit->max_hz)
        octave = misfit->max_hz > 0 ? log2(hz / misfit->max_hz) : 1;
    return octave >= 1 ? 0 : 0.5 + 0.5 * cos(M_PI * octave);
}

static void weigh(const struct desk *desk, size_t trace, double *values)
{
    const float *weights = desk->misfit->weights;
    for (size_t i = 0; weights && i < desk->samples; i++)
        values[i] *= (double)weights[trace * desk->samples + i];
}

static bool filters(const struct misfit *misfit)
{
    return misfit->min_hz > 0 || misfit->max_hz < 0.5 / misfit->interval_s;
}

static void filter(const struct desk *desk, double *trace)
{
    if (!filters(desk->misfit))
        return;
    memset(desk->work, 0, desk->size * sizeof(*desk->work));
    for (size_t i = 0; i < desk->samples; i++)
        desk->work[i] = trace[i];
    fourier_run(desk->work, desk->size, false);
    double step = 1 / ((double)desk->size * desk->misfit->interval_s);
    for (size_t i = 0; i < desk->size; i++) {
        size_t bin = i <= desk->size / 2 ? i : desk->size - i;
        desk->work[i] *= pass_of(desk->misfit, (double)bin * step);
    }
    fourier_run(desk->work, desk->size, true);
    for (size_t i = 0; i < desk->samples; i++)
        trace[i] = creal(desk->work[i]);
}

/* What misfits are measured of: weighted, then filtered. */
static void pass(const struct desk *desk, size_t trace, double *values)
{
    weigh(desk, trace, values);
    filter(desk, values);
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static double largest(const double *a, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(a[i]));
    return most;
}

static void measure_l2(struct desk *desk, struct misfit_result *result)
{
    for (size_t i = 0; i < desk->samples; i++)
        desk->g[i] = desk->x[i] - desk->o[i];
    result->value = dot(desk->g, desk->g, desk->samples) / 2;
    result->norm = dot(desk->o, desk->o, desk->samples) / 2;
}

static void measure_normalised(struct desk *desk, struct misfit_result *result)
{
    size_t n = desk->samples;
    double x = sqrt(dot(desk->x, desk->x, n)), o = sqrt(dot(desk->o, desk->o, n));
    memset(desk->g, 0, n * sizeof(double));
    *result = (struct misfit_result){0};
    if (o == 0)
        return;
    result->norm = 0.5;
    result->value = 0.5;
    if (x == 0)
        return;
    /* 1 - cosine; its derivative is (x/|x| cosine - o/|o|) / |x| */
    double cosine = dot(desk->x, desk->o, n) / (x * o), sum = 0;
    for (size_t i = 0; i < n; i++) {
        double apart = desk->x[i] / x - desk->o[i] / o;
        sum += apart * apart;
        desk->g[i] = (desk->x[i] / x * cosine - desk->o[i] / o) / x;
    }
    result->value = sum / 2;
}

static void measure_envelope(struct desk *desk, struct misfit_result *result)
{
    size_t n = desk->samples;
    double *hilbert = desk->a, *observed = desk->b, *back = desk->b;
    double floor = 1e-3 * largest(desk->o, n), value = 0, norm = 0;
    fourier_hilbert(desk->o, observed, n, desk->work);
    for (size_t i = 0; i < n; i++) {
        observed[i] = sqrt(desk->o[i] * desk->o[i] + observed[i] * observed[i] + floor * floor);
        norm += (floor - observed[i]) * (floor - observed[i]);
    }
    fourier_hilbert(desk->x, hilbert, n, desk->work);
    for (size_t i = 0; i < n; i++) {
        double envelope =
            sqrt(desk->x[i] * desk->x[i] + hilbert[i] * hilbert[i] + floor * floor);
        double apart = envelope - observed[i];
        double slope = envelope > 0 ? apart / envelope : 0;
        value += apart * apart;
        desk->g[i] = slope * desk->x[i];
        back[i] = slope * hilbert[i];
    }
    fourier_hilbert(back, back, n, desk->work); /* its transpose is its negative */
    for (size_t i = 0; i < n; i++)
        desk->g[i] -= back[i];
    *result = (struct misfit_result){.value = value / 2, .norm = norm / 2};
}

static double huber(double r, double limit)
{
    double size = fabs(r);
    return size <= limit ? r * r / 2 : limit * (size - limit / 2);
}

static void measure_huber(struct desk *desk, struct misfit_result *result)
{
    size_t n = desk->samples;
    double limit =
        desk->misfit->rule.huber_threshold * sqrt(dot(desk->o, desk->o, n) / (double)n);
    *result = (struct misfit_result){0};
    for (size_t i = 0; i < n; i++) {
        double r = desk->x[i] - desk->o[i];
        result->value += huber(r, limit);
        result->norm += huber(desk->o[i], limit);
        desk->g[i] = fmin(fmax(r, -limit), limit);
    }
}

static void measure(struct desk *desk, size_t trace, struct misfit_result *result)
{
    pass(desk, trace, desk->x);
    pass(desk, trace, desk->o);
    switch (desk->misfit->rule.kind) {
    case SURVEY_L2:
        measure_l2(desk, result);
        break;
    case SURVEY_NORMALISED:
        measure_normalised(desk, result);
        break;
    case SURVEY_ENVELOPE:
        measure_envelope(desk, result);
        break;
    case SURVEY_HUBER:
        measure_huber(desk, result);
        break;
    }
    filter(desk, desk->g); /* the transpose of both: the other way round */
    weigh(desk, trace, desk->g);
}

static int check(const char *kind, size_t trace, const double *values, size_t n,
                 struct error *ret_error)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return error_set(ret_error, ERROR_CONFIG, "sample %zu of %s trace %zu is %g", i + 1,
                             kind, trace + 1, values[i]);
    return 0;
}

int misfit_measure(const struct misfit *misfit, size_t traces, size_t samples,
                   const float *observed, const wave_real *synthetic, wave_real *ret_adjoint,
                   struct misfit_result *ret_result, struct error *ret_error)
{
    struct desk desk;
    struct misfit_result sum = {0};
    int rc = -1;
    if (desk_open(&desk, misfit, samples) < 0) {
        error_set(ret_error, ERROR_SYSTEM, "no memory to compare traces of %zu samples",
                  samples);
        goto out;
    }
    for (size_t trace = 0; trace < traces; trace++) {
        struct misfit_result one = {0};
        for (size_t i = 0; i < samples; i++) {
            desk.x[i] = (double)synthetic[trace * samples + i];
            desk.o[i] = (double)observed[trace * samples + i];
        }
        if (check("synthetic", trace, desk.x, samples, ret_error) < 0 ||
            check("observed", trace, desk.o, samples, ret_error) < 0)
            goto out;
        measure(&desk, trace, &one);
        sum.value += one.value;
        sum.norm += one.norm;
        for (size_t i = 0; ret_adjoint && i < samples; i++)
            ret_adjoint[trace * samples + i] = (wave_real)desk.g[i];
    }
    *ret_result = sum;
    rc = 0;
out:
    desk_close(&desk);
    return rc;
}

int misfit_filter(const struct misfit *misfit, size_t traces, size_t samples, wave_real *values,
                  struct error *ret_error)
{
    struct desk desk;
    if (!filters(misfit) && !misfit->weights)
        return 0;
    if (desk_open(&desk, misfit, samples) < 0) {
        desk_close(&desk);
        return error_set(ret_error, ERROR_SYSTEM, "no memory to filter traces of %zu samples",
                         samples);
    }
    for (size_t trace = 0; trace < traces; trace++) {
        wave_real *at = values + trace * samples;
        for (size_t i = 0; i < samples; i++)
            desk.x[i] = (double)at[i];
        pass(&desk, trace, desk.x);
        for (size_t i = 0; i < samples; i++)
            at[i] = (wave_real)desk.x[i];
    }
    desk_close(&desk);
    return 0;
}

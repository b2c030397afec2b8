#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/seismic/kaiser.h"
#include "worker/seismic/resample.h"

_Static_assert(RESAMPLE_HALF <= KAISER_HALF_MAX, "the window must have a shape");

/* Keep of samples first .. first + count - 1 those that exist. */
static void row_set(struct resample_row *row, long first, size_t count, const double *weights,
                    size_t in)
{
    *row = (struct resample_row){0};
    for (size_t i = 0; i < count; i++) {
        long at = first + (long)i;
        if (at < 0 || (size_t)at >= in)
            continue;
        if (row->count == 0)
            row->first = (size_t)at;
        row->weights[row->count++] = weights[i];
    }
}

int resample_init(struct resample *resample, const struct resample_axis *in,
                  const struct resample_axis *out, struct error *ret_error)
{
    double weights[2 * KAISER_HALF_MAX];
    *resample = (struct resample){.in = in->count, .out = out->count};
    resample->rows = calloc(out->count, sizeof(*resample->rows));
    if (!resample->rows)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to resample %zu samples",
                         out->count);
    for (size_t i = 0; i < out->count; i++) {
        long first;
        double at = (out->start + (double)i * out->interval - in->start) / in->interval;
        if (!(fabs(at) < 1e15)) /* far beyond all inputs */
            continue;
        size_t count = kaiser_weights(at, RESAMPLE_HALF, &first, weights);
        row_set(&resample->rows[i], first, count, weights, in->count);
    }
    return 0;
}

void resample_fini(struct resample *resample)
{
    free(resample->rows);
    resample->rows = NULL;
}

void resample_trace(const struct resample *resample, const double *in, double *ret_out)
{
    for (size_t i = 0; i < resample->out; i++) {
        const struct resample_row *row = &resample->rows[i];
        double sum = 0;
        for (size_t j = 0; j < row->count; j++)
            sum += row->weights[j] * in[row->first + j];
        ret_out[i] = sum;
    }
}

void resample_rows(const struct resample *resample, size_t count, const wave_real *rows,
                   wave_real *ret_traces)
{
    for (size_t i = 0; i < resample->out; i++) {
        const struct resample_row *row = &resample->rows[i];
        for (size_t trace = 0; trace < count; trace++) {
            const wave_real *in = rows + row->first * count + trace;
            double sum = 0;
            for (size_t j = 0; j < row->count; j++)
                sum += row->weights[j] * (double)in[j * count];
            ret_traces[trace * resample->out + i] = (wave_real)sum;
        }
    }
}

void resample_back(const struct resample *resample, size_t count, const wave_real *traces,
                   wave_real *ret_rows)
{
    memset(ret_rows, 0, resample->in * count * sizeof(*ret_rows));
    for (size_t i = 0; i < resample->out; i++) {
        const struct resample_row *row = &resample->rows[i];
        for (size_t j = 0; j < row->count; j++) {
            wave_real *to = ret_rows + (row->first + j) * count;
            for (size_t trace = 0; trace < count; trace++)
                to[trace] +=
                    (wave_real)(row->weights[j] * (double)traces[trace * resample->out + i]);
        }
    }
}

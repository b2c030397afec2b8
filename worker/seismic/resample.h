/*
 * resample.h - from samples at one interval to samples at another, and the exact transpose.
 *
 * The propagator steps at an interval of its own; what is recorded has another one, and so may a
 * sampled wavelet. Output sample i lies at time start + i * interval (seconds on a clock that both
 * share); it is the Kaiser-windowed sinc (kaiser.h, 8 input samples on either side) of the inputs,
 * or an input sample as it is where one lies there. Inputs beyond the ends count as zero. The input
 * must be band-limited to half of its Nyquist frequency, which a propagator's steps are.
 *
 * As a matrix R, samples = R inputs; resample_back applies its transpose, so that an adjoint that
 * passes through it is exact.
 */
#ifndef BEOFARM_WORKER_SEISMIC_RESAMPLE_H
#define BEOFARM_WORKER_SEISMIC_RESAMPLE_H

#include <stddef.h>

#include "common/error.h"
#include "worker/seismic/wave.h"

#define RESAMPLE_HALF 8

struct resample_axis {
    size_t count; /* samples, at least 1 */
    double start; /* seconds */
    double interval;
};

struct resample {
    size_t in, out;
    struct resample_row {
        size_t first; /* of the inputs */
        size_t count; /* 0: the time lies beyond all inputs */
        double weights[2 * RESAMPLE_HALF];
    } * rows; /* [out]; owned */
};

int resample_init(struct resample *resample, const struct resample_axis *in,
                  const struct resample_axis *out, struct error *ret_error);
void resample_fini(struct resample *resample);

/* out[i] = sum of weights times in[]; one trace. */
void resample_trace(const struct resample *resample, const double *in, double *ret_out);

/*
 * Many at once: `rows` is [in][traces] as wave_run samples and injects it, `traces` is
 * [traces][out] as traces are recorded. resample_rows: ret_traces = R rows; resample_back: ret_rows
 * = R^T traces (overwritten).
 */
void resample_rows(const struct resample *resample, size_t count, const wave_real *rows,
                   wave_real *ret_traces);
void resample_back(const struct resample *resample, size_t count, const wave_real *traces,
                   wave_real *ret_rows);

#endif

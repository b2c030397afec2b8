/*
 * spectrum.h - spectra that travel with tasks: a filter of the wavelet, and sums for estimating
 * one.
 *
 * Both forms, and what the driver makes of them, are told in common/seismic/shot_settings.h.
 */
#ifndef BEOFARM_WORKER_SEISMIC_SPECTRUM_H
#define BEOFARM_WORKER_SEISMIC_SPECTRUM_H

#include <complex.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "common/buf.h"
#include "common/error.h"
#include "worker/seismic/wave.h"

/* values[i] belongs to (first + i) * df_hz. */
struct spectrum {
    double df_hz;
    double delay_s; /* how the phase goes on beyond the ends */
    size_t first, count;
    double complex *values; /* owned */
};

/* Read {"df_hz":..,"delay_s":..,"first":..,"values":[[re,im],..]}; `path` is where it stands, for
 * errors. */
int spectrum_parse(const cJSON *object, const char *path, struct spectrum *ret_spectrum,
                   struct error *ret_error);
void spectrum_fini(struct spectrum *spectrum); /* a zeroed one is allowed */

/* Its value at a frequency >= 0: between two by the line through them, outside all the nearest one,
 * turned by the delay. */
double complex spectrum_at(const struct spectrum *spectrum, double hz);

/* Multiply the transform of `count` samples at interval_s by it, padded with as many zeros. */
int spectrum_apply(const struct spectrum *spectrum, double interval_s, wave_real *samples,
                   size_t count, struct error *ret_error);

/* Sums of cross = d conj(u) and power = |u|^2 over traces. */
struct spectrum_sums {
    double df_hz;
    size_t size; /* of the transforms */
    size_t first, count;
    double complex *cross; /* [count], owned */
    double *power;         /* [count], owned */
};

/* For traces of `samples` at interval_s, frequencies from min_hz to max_hz (cut to Nyquist's). */
int spectrum_sums_init(struct spectrum_sums *sums, size_t samples, double interval_s,
                       double min_hz, double max_hz, struct error *ret_error);
void spectrum_sums_fini(struct spectrum_sums *sums);

/* Add traces, [traces][samples]: `observed` d and `synthetic` u. */
int spectrum_sums_add(struct spectrum_sums *sums, size_t traces, size_t samples,
                      const wave_real *observed, const wave_real *synthetic,
                      struct error *ret_error);

/* Append "df_hz":..,"first":..,"cross":[..],"power":[..] (no braces). */
void spectrum_sums_put(const struct spectrum_sums *sums, struct buf *buf);

#endif

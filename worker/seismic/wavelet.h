/*
 * wavelet.h - the source's signature at the times a propagator asks for.
 */
#ifndef BEOFARM_WORKER_SEISMIC_WAVELET_H
#define BEOFARM_WORKER_SEISMIC_WAVELET_H

#include "common/error.h"
#include "common/seismic/survey.h"
#include "worker/seismic/resample.h"
#include "worker/seismic/wave.h"

/* A Ricker wavelet: (1 - 2 a) exp(-a), a = (pi peak_hz t)^2, its peak of 1 at t = 0 (Ricker 1953,
 * Geophysics 18(1), 10-40). */
double wavelet_ricker(double peak_hz, double t);

/* Its values at the times of `axis` (seconds), times wavelet->amplitude, into ret_values
 * (axis->count, the caller's). A sampled one is interpolated by resample.h and is zero outside its
 * samples. 0, or -1 without memory, or with a sentence if a sample is not finite. */
int wavelet_sample(const struct survey_wavelet *wavelet, const struct resample_axis *axis,
                   wave_real *ret_values, struct error *ret_error);

/* The frequency that tunes absorbing layers: a Ricker's peak, or that of the largest amplitude of a
 * sampled one's spectrum. Hz. */
double wavelet_peak_hz(const struct survey_wavelet *wavelet);

#endif

/*
 * misfit.h - how far synthetic traces are from observed ones, and which way is down.
 *
 * With x and o a trace of synthetic and observed samples, both multiplied by the same weights, then
 * passed through the same band-pass:
 *
 *   L2          1/2 |x - o|^2
 *   normalised  1/2 |x/|x| - o/|o||^2, silent traces (o = 0) left out: only shapes count
 *   envelope    1/2 |E(x) - E(o)|^2, E(x) = sqrt(x^2 + H(x)^2 + e^2), H the Hilbert transform and e
 *               a thousandth of the largest |o| (Bozdag et al. 2011, GJI 185(2), 845-870)
 *   Huber       sum of r^2/2 where |r| <= d, else d |r| - d^2/2; r = x - o, d = threshold times
 *               the RMS of o (Guitton & Symes 2003, Geophysics 68(4), 1310-1319)
 *
 * summed over traces, in double, traces in order: the same whatever the number of threads. The
 * gradient with respect to the synthetic samples is exact, weights and band-pass included: the one
 * is a diagonal matrix, the other of zero phase and symmetric. Weights come first, so what they
 * take away (a direct wave, loud) does not reach into the rest through the filter.
 */
#ifndef BEOFARM_WORKER_SEISMIC_MISFIT_H
#define BEOFARM_WORKER_SEISMIC_MISFIT_H

#include <stddef.h>

#include "common/error.h"
#include "common/seismic/survey.h"
#include "worker/seismic/wave.h"

struct misfit {
    struct survey_misfit rule;
    double interval_s;     /* of the samples */
    double min_hz, max_hz; /* what passes; 0 and INFINITY: all. Edges are cosines of one octave
                              above max_hz and below min_hz */
    const float *weights;  /* [traces][samples], borrowed; NULL: all 1 */
};

struct misfit_result {
    double value;
    double norm; /* the value that all-zero synthetic traces have */
};

/*
 * `synthetic` is [traces][samples], `observed` the same. Where ret_adjoint is not NULL, it becomes
 * the derivative of the value with respect to each synthetic sample; it may be `synthetic` itself.
 * 0, or -1: no memory, or a sample that is not finite (the sentence says trace, sample and value).
 */
int misfit_measure(const struct misfit *misfit, size_t traces, size_t samples,
                   const float *observed, const wave_real *synthetic, wave_real *ret_adjoint,
                   struct misfit_result *ret_result, struct error *ret_error);

/* Weights and band-pass alone, in place; [traces][samples]. 0, or -1 without memory. */
int misfit_filter(const struct misfit *misfit, size_t traces, size_t samples, wave_real *values,
                  struct error *ret_error);

#endif

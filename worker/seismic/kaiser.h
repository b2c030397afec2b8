/*
 * kaiser.h - the Kaiser-windowed sinc, which reads band-limited samples between the samples.
 *
 *     w(x) = sinc(pi x) I0(b sqrt(1 - (x / r)^2)) / I0(b)   for |x| <= r, else 0
 *
 * with x in samples, r the half-width and b the window's shape (Hicks 2002, Geophysics 67(1),
 * 156-166, doi:10.1190/1.1451454, eqs. 6 and 7; table 1 has the best b for each r). In a line of
 * samples 2 r of them count; w(0) = 1, and at other whole numbers w is 0, so that samples are read
 * as they are.
 */
#ifndef BEOFARM_WORKER_SEISMIC_KAISER_H
#define BEOFARM_WORKER_SEISMIC_KAISER_H

#include <stddef.h>

#define KAISER_HALF_MAX 10

/* The best b for wavenumbers up to half of Nyquist's (4 samples a wavelength), r from 1 to
 * KAISER_HALF_MAX: errors stay below 0.1 % from r = 4 on (Hicks's table 1, monopoles). */
double kaiser_shape(int half);

/* w(x). 1 <= half <= KAISER_HALF_MAX. */
double kaiser_sinc(double x, int half);

/*
 * The samples that count for position x (in samples) and their weights: samples *ret_first to
 * *ret_first + count - 1; returns count, at most 2 half. A position within 1e-6 of a sample is that
 * sample, alone and with weight 1.
 */
size_t kaiser_weights(double x, int half, long *ret_first,
                      double ret_weights[2 * KAISER_HALF_MAX]);

#endif

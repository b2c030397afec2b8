/*
 * fourier.h - discrete Fourier transforms of power-of-two sizes, and the Hilbert transform.
 */
#ifndef BEOFARM_WORKER_SEISMIC_FOURIER_H
#define BEOFARM_WORKER_SEISMIC_FOURIER_H

#include <complex.h>
#include <stdbool.h>
#include <stddef.h>

/* The least power of two that is at least n (n >= 1). */
size_t fourier_size(size_t n);

/* In place: values[k] becomes the sum over j of values[j] exp(-2 pi i j k / size), or with
 * `inverse` exp(+...) / size. `size` is a power of two. (Cooley & Tukey 1965.) */
void fourier_run(double complex *values, size_t size, bool inverse);

/*
 * The Hilbert transform of a trace of n samples, padded with as many zeros or more. As a matrix it
 * is antisymmetric, so the transpose is its negative: a misfit that uses it has an exact gradient.
 * `work` has fourier_size(2 n) values; in and ret_out may be the same.
 */
void fourier_hilbert(const double *in, double *ret_out, size_t n, double complex *work);

#endif

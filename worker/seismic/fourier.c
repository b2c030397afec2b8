#include "config.h"

#include <math.h>
#include <string.h>

#include "worker/seismic/fourier.h"

size_t fourier_size(size_t n)
{
    size_t size = 1;
    while (size < n)
        size *= 2;
    return size;
}

static void swap_bits(double complex *values, size_t size)
{
    for (size_t i = 1, j = 0; i < size; i++) {
        size_t bit = size / 2;
        for (; j & bit; bit /= 2)
            j ^= bit;
        j |= bit;
        if (i < j) {
            double complex kept = values[i];
            values[i] = values[j];
            values[j] = kept;
        }
    }
}

void fourier_run(double complex *values, size_t size, bool inverse)
{
    swap_bits(values, size);
    for (size_t length = 2; length <= size; length *= 2) {
        for (size_t k = 0; k < length / 2; k++) {
            double angle = (inverse ? 2 : -2) * M_PI * (double)k / (double)length;
            double complex factor = cos(angle) + I * sin(angle);
            for (size_t i = k; i < size; i += length) {
                double complex even = values[i], odd = factor * values[i + length / 2];
                values[i] = even + odd;
                values[i + length / 2] = even - odd;
            }
        }
    }
    for (size_t i = 0; inverse && i < size; i++)
        values[i] /= (double)size;
}

void fourier_hilbert(const double *in, double *ret_out, size_t n, double complex *work)
{
    size_t size = fourier_size(2 * n);
    memset(work, 0, size * sizeof(*work));
    for (size_t i = 0; i < n; i++)
        work[i] = in[i];
    fourier_run(work, size, false);
    /* Multiply by -i sign(frequency); 0 and Nyquist's have no sign. */
    work[0] = 0;
    if (size > 1)
        work[size / 2] = 0;
    for (size_t i = 1; i < size / 2; i++) {
        work[i] *= -I;
        work[size - i] *= I;
    }
    fourier_run(work, size, true);
    for (size_t i = 0; i < n; i++)
        ret_out[i] = creal(work[i]);
}

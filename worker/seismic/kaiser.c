#include "config.h"

#include <math.h>

#include "worker/seismic/kaiser.h"

#define ON_SAMPLE 1e-6 /* far below what a coordinate of a survey means, in samples */

double kaiser_shape(int half)
{
    static const double shapes[KAISER_HALF_MAX + 1] = {0,    1.24,  2.94,  4.53,  6.31, 7.91,
                                                       9.42, 10.95, 12.53, 14.09, 14.18};
    return shapes[half];
}

/* Modified Bessel function of the first kind and order zero: its power series, whose terms are all
 * positive, so that it is exact to rounding (Abramowitz & Stegun 9.6.12). */
static double bessel_i0(double x)
{
    double sum = 1, term = 1, quarter = x * x / 4;
    for (int k = 1; term > sum * 1e-17; k++) {
        term *= quarter / ((double)k * k);
        sum += term;
    }
    return sum;
}

double kaiser_sinc(double x, int half)
{
    double ratio = x / half, shape = kaiser_shape(half);
    if (fabs(ratio) >= 1)
        return 0;
    double sinc = fabs(x) < 1e-9 ? 1 : sin(M_PI * x) / (M_PI * x);
    return sinc * bessel_i0(shape * sqrt(1 - ratio * ratio)) / bessel_i0(shape);
}

size_t kaiser_weights(double x, int half, long *ret_first,
                      double ret_weights[2 * KAISER_HALF_MAX])
{
    double nearest = round(x);
    if (fabs(x - nearest) < ON_SAMPLE) {
        *ret_first = (long)nearest;
        ret_weights[0] = 1;
        return 1;
    }
    long first = (long)floor(x) - half + 1;
    for (int i = 0; i < 2 * half; i++)
        ret_weights[i] = kaiser_sinc(x - (double)(first + i), half);
    *ret_first = first;
    return (size_t)(2 * half);
}

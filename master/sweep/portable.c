/*
 * portable.c - see portable.h.
 *
 * log: x = m 2^e with m in [sqrt(1/2), sqrt(2)); log m = 2 artanh s, s = (m - 1) / (m + 1), by its
 * series (Abramowitz & Stegun 4.1.27). |s| < 0.1716, so s^2 < 0.0295, and 12 terms leave less than
 * 1e-18 of the first. exp: x = k log 2 + r with |r| <= log(2) / 2, e^r by its Taylor series; 15
 * terms leave less than 1e-19. log 2 is split in two (hi has trailing zeros, so k * hi is exact),
 * the values of fdlibm.
 */
#include "config.h"

#include <math.h>

#include "master/sweep/portable.h"

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF /* a fused multiply-add rounds once, and so differently */
#endif

#define LOG2_HI   6.93147180369123816490e-01
#define LOG2_LO   1.90821492927058770002e-10
#define LOG2_INV  1.44269504088896338700
#define SQRT_HALF 0.70710678118654752440

double portable_log(double x)
{
    int e;
    double m = frexp(x, &e), s, s2, sum = 0; /* m in [1/2, 1), exact */

    if (m < SQRT_HALF) {
        m *= 2;
        e--;
    }
    s = (m - 1) / (m + 1);
    s2 = s * s;
    for (int i = 25; i >= 3; i -= 2)
        sum = (sum + 1.0 / i) * s2;
    return e * LOG2_HI + (e * LOG2_LO + 2 * (s + s * sum));
}

double portable_exp(double x)
{
    double k, r, sum = 1;

    if (x > 709.8)
        return INFINITY;
    if (x < -745.2)
        return 0;
    k = floor(x * LOG2_INV + 0.5);
    r = (x - k * LOG2_HI) - k * LOG2_LO;
    for (int i = 15; i >= 1; i--)
        sum = 1 + sum * r / i;
    /* In two steps: 2^k itself may be beyond the range where the product is not. */
    return ldexp(ldexp(sum, (int)k / 2), (int)k - (int)k / 2);
}

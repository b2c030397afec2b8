#include "config.h"

#include <math.h>

#include "master/sweep/portable.h"
#include "master/sweep/random.h"

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF /* see portable.c */
#endif

#define PHILOX_ROUNDS 10

/* Multipliers and key increments of Philox4x32 (Salmon et al., table 2 and section 3.3). */
#define PHILOX_M0 UINT32_C(0xd2511f53)
#define PHILOX_M1 UINT32_C(0xcd9e8d57)
#define PHILOX_W0 UINT32_C(0x9e3779b9)
#define PHILOX_W1 UINT32_C(0xbb67ae85)

void random_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t ret_words[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];

    for (int i = 0; i < PHILOX_ROUNDS; i++) {
        uint64_t p0 = (uint64_t)PHILOX_M0 * c0, p1 = (uint64_t)PHILOX_M1 * c2;

        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
    ret_words[0] = c0;
    ret_words[1] = c1;
    ret_words[2] = c2;
    ret_words[3] = c3;
}

static uint64_t random_bits(uint64_t seed, uint32_t column, uint64_t row)
{
    const uint32_t counter[4] = {(uint32_t)row, (uint32_t)(row >> 32), column, 0};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t words[4];

    random_philox(counter, key, words);
    return (uint64_t)words[1] << 32 | words[0];
}

double random_uniform(uint64_t seed, uint32_t column, uint64_t row)
{
    /* 52 bits and a half: 53 and a half would not fit, and round up to 1 at the end. */
    return ((double)(random_bits(seed, column, row) >> 12) + 0.5) * 0x1p-52;
}

uint64_t random_index(uint64_t seed, uint32_t column, uint64_t row, uint64_t count)
{
    /* The high word of bits * count, by halves (no 128-bit integers in C11). */
    uint64_t bits = random_bits(seed, column, row);
    uint64_t low = (bits & UINT32_MAX) * (count & UINT32_MAX);
    uint64_t middle = (bits >> 32) * (count & UINT32_MAX) + (low >> 32);
    uint64_t other = (bits & UINT32_MAX) * (count >> 32) + (middle & UINT32_MAX);

    return (bits >> 32) * (count >> 32) + (middle >> 32) + (other >> 32);
}

/* a[0] + a[1] x + ... + a[7] x^7 over 1 + b[0] x + ... + b[6] x^7. */
static double rational(const double *a, const double *b, double x)
{
    double over = a[7], under = b[6];

    for (int i = 6; i >= 0; i--)
        over = over * x + a[i];
    for (int i = 5; i >= 0; i--)
        under = under * x + b[i];
    return over / (under * x + 1);
}

/* Algorithm AS 241, PPND16: M. J. Wichura, Applied Statistics 37 (1988) 477-484,
 * doi:10.2307/2347330. Coefficients as printed there. */
double random_normal_quantile(double p)
{
    static const double a[] = {3.3871328727963666080e0,  1.3314166789178437745e+2,
                               1.9715909503065514427e+3, 1.3731693765509461125e+4,
                               4.5921953931549871457e+4, 6.7265770927008700853e+4,
                               3.3430575583588128105e+4, 2.5090809287301226727e+3};
    static const double b[] = {4.2313330701600911252e+1, 6.8718700749205790830e+2,
                               5.3941960214247511077e+3, 2.1213794301586595867e+4,
                               3.9307895800092710610e+4, 2.8729085735721942674e+4,
                               5.2264952788528545610e+3};
    static const double c[] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                               5.76949722146069140550e0,  3.64784832476320460504e0,
                               1.27045825245236838258e0,  2.41780725177450611770e-1,
                               2.27238449892691845833e-2, 7.74545014278341407640e-4};
    static const double d[] = {2.05319162663775882187e0,  1.67638483018380384940e0,
                               6.89767334985100004550e-1, 1.48103976427480074590e-1,
                               1.51986665636164571966e-2, 5.47593808499534494600e-4,
                               1.05075007164441684324e-9};
    static const double e[] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                               1.78482653991729133580e0,  2.96560571828504891230e-1,
                               2.65321895265761230930e-2, 1.24266094738807843860e-3,
                               2.71155556874348757815e-5, 2.01033439929228813265e-7};
    static const double f[] = {5.99832206555887937690e-1, 1.36929880922735805310e-1,
                               1.48753612908506148525e-2, 7.86869131145613259100e-4,
                               1.84631831751005468180e-5, 1.42151175831644588870e-7,
                               2.04426310338993978564e-15};
    double q = p - 0.5, r, x;

    if (fabs(q) <= 0.425)
        return q * rational(a, b, 0.180625 - q * q);
    r = sqrt(-portable_log(q < 0 ? p : 1 - p));
    x = r <= 5 ? rational(c, d, r - 1.6) : rational(e, f, r - 5);
    return q < 0 ? -x : x;
}

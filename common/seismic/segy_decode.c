/*
 * The numbers in SEG-Y files. All are put together from bytes, so nothing depends on this machine's
 * order or on alignment.
 */
#include "config.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "common/seismic/segy_private.h"

uint64_t segy_get_unsigned(const uint8_t *at, unsigned bytes, enum segy_order order)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | at[order == SEGY_LITTLE ? bytes - 1 - i : i];
    return value;
}

int64_t segy_get_signed(const uint8_t *at, unsigned bytes, enum segy_order order)
{
    uint64_t sign = (uint64_t)1 << (8 * bytes - 1);
    uint64_t value = segy_get_unsigned(at, bytes, order);
    return (int64_t)((value ^ sign) - sign);
}

float segy_get_float32(const uint8_t *at, enum segy_order order)
{
    uint32_t bits = (uint32_t)segy_get_unsigned(at, 4, order);
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

double segy_get_float64(const uint8_t *at, enum segy_order order)
{
    uint64_t bits = segy_get_unsigned(at, 8, order);
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* Sign, 7 bits of exponent to the base 16 (plus 64), and 24 bits of fraction. */
double segy_ibm_decode(uint32_t bits)
{
    int exponent = (int)(bits >> 24 & 0x7f) - 64;
    double fraction = (double)(bits & 0xffffff) / (1 << 24);
    double value = ldexp(fraction, 4 * exponent);
    return bits >> 31 ? -value : value;
}

/* A byte that is not used, one of gain and two of fixed point: its value times 2^gain. */
static double fixed_decode(const uint8_t *at, enum segy_order order)
{
    uint32_t bits = (uint32_t)segy_get_unsigned(at, 4, order);
    if (bits >> 24)
        return NAN;
    return ldexp((double)(int16_t)(bits & 0xffff), (int)(bits >> 16 & 0xff));
}

static const struct {
    int code;
    unsigned bytes;
} formats[] = {
    {1, 4},  /* IBM float */
    {2, 4},  /* integer */
    {3, 2},  /* integer */
    {4, 4},  /* fixed point with gain */
    {5, 4},  /* IEEE float */
    {6, 8},  /* IEEE double */
    {7, 3},  /* integer */
    {8, 1},  /* integer */
    {9, 8},  /* integer */
    {10, 4}, /* integers without sign, up to 16 */
    {11, 2}, {12, 8}, {15, 3}, {16, 1},
};

size_t segy_format_bytes(int sample_format)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
        if (formats[i].code == sample_format)
            return formats[i].bytes;
    }
    return 0;
}

static double decode_one(int sample_format, enum segy_order order, const uint8_t *at,
                         unsigned bytes)
{
    switch (sample_format) {
    case 1:
        return segy_ibm_decode((uint32_t)segy_get_unsigned(at, 4, order));
    case 4:
        return fixed_decode(at, order);
    case 5:
        return (double)segy_get_float32(at, order);
    case 6:
        return segy_get_float64(at, order);
    case 10:
    case 11:
    case 12:
    case 15:
    case 16:
        return (double)segy_get_unsigned(at, bytes, order);
    default:
        return (double)segy_get_signed(at, bytes, order);
    }
}

size_t segy_decode(int sample_format, enum segy_order order, const uint8_t *bytes, size_t count,
                   float *samples)
{
    unsigned size = (unsigned)segy_format_bytes(sample_format);
    for (size_t i = 0; i < count; i++) {
        double value = decode_one(sample_format, order, bytes + i * size, size);
        if (!(fabs(value) <= (double)FLT_MAX)) {
            samples[i] = isnan(value) ? NAN : copysignf(INFINITY, value < 0 ? -1.0f : 1.0f);
            return i;
        }
        samples[i] = (float)value;
    }
    return count;
}

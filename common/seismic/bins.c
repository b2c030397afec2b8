/*
 * Eight points at a time, in vectors that the compiler lowers to what the processor has; the widest
 * is chosen when the program runs. Raising a top is rare (once per point and 10 orders of
 * magnitude) and done point by point beforehand, so that the rest has no branches.
 */
#include "config.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "common/seismic/bins.h"

#define LANES 8

typedef int32_t ints __attribute__((vector_size(4 * LANES)));
typedef int64_t longs __attribute__((vector_size(8 * LANES)));
typedef float singles __attribute__((vector_size(4 * LANES)));
typedef double doubles __attribute__((vector_size(8 * LANES)));
typedef uint8_t bytes __attribute__((vector_size(LANES)));

#define INLINE static inline __attribute__((always_inline))

/* The top bin that a float reaches, from its bits; 0 for a zero. */
static unsigned top_of(uint32_t bits)
{
    uint32_t exponent = bits >> 23 & 0xff;
    if ((bits & 0x7fffffff) == 0)
        return 0;
    return (exponent ? exponent - 1 : 0) / 32 + 1;
}

static void raise_top(struct bins *bins, size_t i, unsigned top)
{
    for (; bins->top[i] < top; bins->top[i]++) {
        bins->bin[2][i] = bins->bin[1][i];
        bins->bin[1][i] = bins->bin[0][i];
        bins->bin[0][i] = 0;
    }
}

static void raise_tops(struct bins *bins, size_t first, const float *x)
{
    for (size_t i = 0; i < LANES; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof(bits));
        raise_top(bins, first + i, top_of(bits));
    }
}

INLINE bool any(const ints *mask)
{
    longs wide;
    memcpy(&wide, mask, sizeof(*mask));
    return (wide[0] | wide[1] | wide[2] | wide[3]) != 0;
}

/* What a float is: its digits, from the unit of its lowest bin on, and that bin. */
struct pieces {
    longs low, high; /* signed */
    ints bin;        /* the one of `high` */
    ints there;      /* -1 where it is not zero */
};

INLINE void cut(const float *x, struct pieces *pieces)
{
    ints bits;
    memcpy(&bits, x, sizeof(bits));
    ints exponent = bits >> 23 & 0xff, digits = bits & 0x7fffff;
    ints normal = exponent != 0;
    digits |= normal & 0x800000;
    exponent += normal; /* places that the digits are shifted; those of subnormals are not */
    longs sign = __builtin_convertvector(bits >> 31, longs);
    longs wide = __builtin_convertvector(digits, longs)
                 << __builtin_convertvector(exponent & 31, longs);
    pieces->low = ((wide & 0xffffffff) ^ sign) - sign;
    pieces->high = ((wide >> 32) ^ sign) - sign;
    pieces->bin = (exponent >> 5) + 1;
    pieces->there = digits != 0;
}

INLINE void load_tops(const struct bins *bins, size_t first, ints *tops)
{
    bytes narrow;
    memcpy(&narrow, bins->top + first, sizeof(narrow));
    *tops = __builtin_convertvector(narrow, ints);
}

INLINE void add_to(int64_t *sums, const longs *what)
{
    longs values;
    memcpy(&values, sums, sizeof(values));
    values += *what;
    memcpy(sums, &values, sizeof(values));
}

INLINE void add_lanes(struct bins *bins, size_t first, const float *x)
{
    struct pieces pieces;
    ints tops, above;
    cut(x, &pieces);
    load_tops(bins, first, &tops);
    above = (pieces.bin > tops) & pieces.there;
    if (__builtin_expect(any(&above), 0)) {
        raise_tops(bins, first, x);
        load_tops(bins, first, &tops);
    }
    ints depth = tops - pieces.bin;
    longs is0 = __builtin_convertvector(depth == 0, longs);
    longs is1 = __builtin_convertvector(depth == 1, longs);
    longs is2 = __builtin_convertvector(depth == 2, longs);
    longs to0 = pieces.high & is0;
    longs to1 = (pieces.low & is0) + (pieces.high & is1);
    longs to2 = (pieces.low & is1) + (pieces.high & is2);
    add_to(bins->bin[0] + first, &to0);
    add_to(bins->bin[1] + first, &to1);
    add_to(bins->bin[2] + first, &to2);
}

INLINE void add_body(struct bins *bins, size_t first, const float *x, size_t count)
{
    for (size_t i = 0; i + LANES <= count; i += LANES)
        add_lanes(bins, first + i, x + i);
}

INLINE size_t bad_body(const float *x, size_t count)
{
    size_t i = 0;
    for (ints found = {0}; i + LANES <= count; i += LANES) {
        ints bits;
        memcpy(&bits, x + i, sizeof(bits));
        found = (bits & 0x7f800000) == 0x7f800000;
        if (__builtin_expect(any(&found), 0))
            break;
    }
    return i;
}

INLINE void sum_body(double *sums, const float *x, size_t count)
{
    for (size_t i = 0; i + LANES <= count; i += LANES) {
        singles values;
        doubles sum;
        memcpy(&values, x + i, sizeof(values));
        memcpy(&sum, sums + i, sizeof(sum));
        sum += __builtin_convertvector(values, doubles);
        memcpy(sums + i, &sum, sizeof(sum));
    }
}

/* --- The same for several processors --- */

struct ways {
    void (*add)(struct bins *bins, size_t first, const float *x, size_t count);
    size_t (*bad)(const float *x, size_t count);
    void (*sum)(double *sums, const float *x, size_t count);
};

#define DEFINE_WAY(name, attribute)                                                            \
    attribute static void name##_add(struct bins *bins, size_t first, const float *x,          \
                                     size_t count)                                             \
    {                                                                                          \
        add_body(bins, first, x, count);                                                       \
    }                                                                                          \
    attribute static size_t name##_bad(const float *x, size_t count)                           \
    {                                                                                          \
        return bad_body(x, count);                                                             \
    }                                                                                          \
    attribute static void name##_sum(double *sums, const float *x, size_t count)               \
    {                                                                                          \
        sum_body(sums, x, count);                                                              \
    }                                                                                          \
    static const struct ways name = {name##_add, name##_bad, name##_sum};

DEFINE_WAY(plain, )
#if defined(__x86_64__)
DEFINE_WAY(avx2, __attribute__((target("avx2"))))
DEFINE_WAY(avx512, __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw"))))
#endif

static const struct ways *choose(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw"))
        return &avx512;
    if (__builtin_cpu_supports("avx2"))
        return &avx2;
#endif
    return &plain;
}

/* Fewer than a vector's worth, among zeros, which add nothing. */
static void add_rest(struct bins *bins, size_t first, const float *x, size_t count)
{
    float padded[LANES] = {0};
    size_t begin = first + LANES <= BINS_POINTS ? first : BINS_POINTS - LANES;
    memcpy(padded + (first - begin), x, count * sizeof(*x));
    add_lanes(bins, begin, padded);
}

void bins_add(struct bins *bins, size_t first, const float *x, size_t count)
{
    size_t whole = count / LANES * LANES;
    choose()->add(bins, first, x, whole);
    if (whole < count)
        add_rest(bins, first + whole, x + whole, count - whole);
}

size_t floats_find_bad(const float *x, size_t count)
{
    size_t i = choose()->bad(x, count);
    while (i < count && isfinite(x[i]))
        i++;
    return i;
}

void floats_add(double *sums, const float *x, size_t count)
{
    choose()->sum(sums, x, count);
    for (size_t i = count / LANES * LANES; i < count; i++)
        sums[i] += x[i];
}

void bins_merge(struct bins *bins, const struct bins *from)
{
    for (size_t i = 0; i < BINS_POINTS; i++) {
        raise_top(bins, i, from->top[i]);
        unsigned down = bins->top[i] - from->top[i];
        for (unsigned k = 0; k + down < BINS_KEPT; k++)
            bins->bin[k + down][i] =
                (int64_t)((uint64_t)bins->bin[k + down][i] + (uint64_t)from->bin[k][i]);
    }
}

/* --- Rounding --- */

static int bit_length(unsigned __int128 number)
{
    uint64_t high = (uint64_t)(number >> 64), low = (uint64_t)number;
    return high ? 128 - __builtin_clzll(high) : low ? 64 - __builtin_clzll(low) : 0;
}

/* number * 2^exponent as a float, to nearest, ties to even; exponent >= -149. */
static float round_number(unsigned __int128 number, int exponent)
{
    int shift = bit_length(number) - 24; /* so many digits are too many */
    if (shift <= 0)
        return ldexpf((float)(uint32_t)number, exponent);
    unsigned __int128 kept = number >> shift, half = (unsigned __int128)1 << (shift - 1);
    unsigned __int128 rest = number & ((half << 1) - 1);
    if (rest > half || (rest == half && (kept & 1)))
        kept++;
    return ldexpf((float)(uint32_t)kept, exponent + shift); /* 2^24 at most: exact */
}

static float round_point(const struct bins *bins, size_t i)
{
    int top = bins->top[i];
    unsigned __int128 wrapped = ((unsigned __int128)bins->bin[0][i] << 64) +
                                ((unsigned __int128)bins->bin[1][i] << 32) +
                                (unsigned __int128)bins->bin[2][i];
    __int128 total = (__int128)wrapped;
    if (total == 0)
        return 0;
    /* There is no bin below 0: of a top of 1, nothing is in the third. */
    if (top == 1)
        total /= (__int128)1 << 32;
    int exponent = 32 * (top > 2 ? top - 2 : 0) - 149;
    unsigned __int128 size = total < 0 ? -(unsigned __int128)total : (unsigned __int128)total;
    float rounded = round_number(size, exponent);
    return total < 0 ? -rounded : rounded;
}

void bins_round(const struct bins *bins, float *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] = round_point(bins, i);
}

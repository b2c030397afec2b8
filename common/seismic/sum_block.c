/*
 * Blocks in a file. The bins of neighbouring points are of like size: so many bytes as the largest
 * of a block needs are kept of each. Bins hold 32 digits and what carries pile up on them; so it is
 * usually 5 or 6 of 8 bytes, and none for a bin that nothing fell into.
 */
#include "config.h"

#include <math.h>
#include <string.h>

#include "common/seismic/sum_private.h"

uint64_t sum_shape_points(const struct sum_shape *shape)
{
    return shape->n[GRID_X] * shape->n[GRID_Y] * shape->n[GRID_Z];
}

uint64_t sum_shape_blocks(const struct sum_shape *shape)
{
    return (sum_shape_points(shape) + BINS_POINTS - 1) / BINS_POINTS;
}

size_t sum_block_size(bool exact)
{
    return exact ? sizeof(struct bins) : sizeof(double) * BINS_POINTS;
}

size_t sum_block_points(const struct sum_shape *shape, uint64_t block)
{
    uint64_t left = sum_shape_points(shape) - block * BINS_POINTS;
    return left < BINS_POINTS ? (size_t)left : BINS_POINTS;
}

void sum_block_merge(bool exact, union sum_block *block, const union sum_block *from)
{
    if (exact) {
        bins_merge(&block->bins, &from->bins);
        return;
    }
    for (size_t i = 0; i < BINS_POINTS; i++)
        block->doubles[i] += from->doubles[i];
}

size_t sum_block_round(bool exact, const union sum_block *block, float *values, size_t count)
{
    if (exact)
        bins_round(&block->bins, values, count);
    for (size_t i = 0; !exact && i < count; i++)
        values[i] = (float)block->doubles[i];
    return floats_find_bad(values, count);
}

/* Bytes that every one of them fits into, in two's complement. */
static unsigned width_of(const int64_t *values, size_t count)
{
    uint64_t digits = 0;
    for (size_t i = 0; i < count; i++)
        digits |= (uint64_t)(values[i] ^ values[i] >> 63);
    if (digits == 0) {
        for (size_t i = 0; i < count; i++)
            digits |= (uint64_t)values[i]; /* -1 has no digits either */
        return digits ? 1 : 0;
    }
    return (unsigned)(65 - __builtin_clzll(digits) + 7) / 8;
}

size_t sum_block_encode(bool exact, const union sum_block *block, size_t count, uint8_t *bytes)
{
    uint8_t *to = bytes;
    if (!exact) {
        memcpy(to, block->doubles, count * sizeof(double));
        return count * sizeof(double);
    }
    for (int k = 0; k < BINS_KEPT; k++) {
        const int64_t *values = block->bins.bin[k];
        unsigned width = width_of(values, count);
        *to++ = (uint8_t)width;
        for (size_t i = 0; i < count && width; i++, to += width)
            memcpy(to, &values[i], 8); /* what is too much is written over */
    }
    memcpy(to, block->bins.top, count);
    return (size_t)(to - bytes) + count;
}

static int decode_bins(struct bins *bins, size_t count, const uint8_t *bytes, size_t size)
{
    const uint8_t *next = bytes, *end = bytes + size;
    memset(bins, 0, sizeof(*bins));
    for (int k = 0; k < BINS_KEPT; k++) {
        unsigned width = next < end ? *next++ : 9;
        if (width > 8 || (size_t)(end - next) < width * count)
            return -1;
        for (size_t i = 0; i < count && width; i++, next += width) {
            uint64_t value;
            memcpy(&value, next, 8);
            bins->bin[k][i] = (int64_t)(value << (64 - 8 * width)) >> (64 - 8 * width);
            /* What no sum of BINS_ADDS_MAX floats can have would overflow in the next. */
            if (bins->bin[k][i] > INT64_MAX / 2 || bins->bin[k][i] < -(INT64_MAX / 2))
                return -1;
        }
    }
    if ((size_t)(end - next) != count)
        return -1;
    memcpy(bins->top, next, count);
    for (size_t i = 0; i < count; i++)
        if (bins->top[i] > BINS_TOP_MAX)
            return -1;
    return 0;
}

int sum_block_decode(bool exact, union sum_block *block, size_t count, const uint8_t *bytes,
                     size_t size)
{
    if (exact)
        return decode_bins(&block->bins, count, bytes, size);
    if (size != count * sizeof(double))
        return -1;
    memset(block->doubles, 0, sizeof(block->doubles));
    memcpy(block->doubles, bytes, size);
    for (size_t i = 0; i < count; i++)
        if (!isfinite(block->doubles[i]))
            return -1;
    return 0;
}

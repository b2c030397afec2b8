/*
 * bins.h - sums of 32-bit floats that do not depend on the order, to the bit.
 *
 * A float is a whole number of units of 2^-149, below 2^277. Its digits in binary are cut at fixed
 * places, every 32 bits: bin j holds those from 2^(32 j) to 2^(32 j + 31) units. Each of its at
 * most two pieces, with its sign, is added to a 64-bit integer of that bin; adding integers is
 * exact, so the order and any grouping are all one. (The idea is that of Demmel and Nguyen's
 * indexed sums, doi:10.1109/ARITH.2013.9 and doi:10.1109/TC.2014.2345391, with integers for their
 * floats.)
 *
 * A sum keeps three bins: from the top one down, where the top is the highest that any of its
 * floats reached (the bin above that of the float's lowest digit, whether or not a digit is in it,
 * so that it follows from the exponent alone). What falls into lower ones is dropped. Which pieces
 * those are follows from the set of floats alone: a piece that is dropped early would be dropped
 * later, too, as the top only rises. So the result is the same bits for any order and any tree.
 *
 * What is dropped of a float is less than 2^-55 times the largest at that point, so a sum of n
 * differs from the true one by less than n 2^-55 max|x|; rounding it to a float changes it by half
 * a unit in the last place, correctly (to nearest, ties to even). Below 2^30 floats nothing can
 * overflow. Zeros of either sign are no more than nothing; a sum of zeros is +0.
 */
#ifndef BEOFARM_COMMON_SEISMIC_BINS_H
#define BEOFARM_COMMON_SEISMIC_BINS_H

#include <stddef.h>
#include <stdint.h>

#define BINS_POINTS   4096 /* of one block */
#define BINS_KEPT     3
#define BINS_TOP_MAX  8                   /* of a finite float */
#define BINS_ADDS_MAX (UINT64_C(1) << 30) /* floats that one point may be the sum of */

/* Sums of so many points. All zero is empty. */
struct bins {
    int64_t bin[BINS_KEPT][BINS_POINTS]; /* of bins top, top - 1 and top - 2 */
    uint8_t top[BINS_POINTS];            /* 1 to 8; 0: nothing but zeros yet */
};

/* Add x[i] to point first + i, count of them; all finite. */
void bins_add(struct bins *bins, size_t first, const float *x, size_t count);

/* Add what is in `from`. Together they have at most BINS_ADDS_MAX floats per point. */
void bins_merge(struct bins *bins, const struct bins *from);

/* Round the first `count` points to floats; infinite where the sum is too large for one. */
void bins_round(const struct bins *bins, float *x, size_t count);

/* The place of the first float that is infinite or NaN; `count` if there is none. */
size_t floats_find_bad(const float *x, size_t count);

/* sums[i] += x[i]. */
void floats_add(double *sums, const float *x, size_t count);

#endif

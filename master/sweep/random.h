/*
 * random.h - random numbers by address: what stands in (row, column) of a sample with this seed.
 *
 * A counter-based generator, Philox4x32-10 (J. K. Salmon et al., Parallel random numbers: as easy
 * as 1, 2, 3, SC11, doi:10.1145/2063384.2063405), with the seed as key and (row, column) as
 * counter. So any value can be had at once, without those before it, and it is the same on every
 * machine; one more column or row changes no other.
 */
#ifndef BEOFARM_MASTER_SWEEP_RANDOM_H
#define BEOFARM_MASTER_SWEEP_RANDOM_H

#include <stdint.h>

/* Four words from a counter of four and a key of two. */
void random_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t ret_words[4]);

/* Uniform in (0, 1), never 0 or 1: an odd multiple of 2^-54. */
double random_uniform(uint64_t seed, uint32_t column, uint64_t row);

/* x with P(N(0,1) < x) = p, 0 < p < 1; relative accuracy about 1e-15. */
double random_normal_quantile(double p);

/* 0 to count - 1, all equally likely (to within count / 2^64); count > 0. */
uint64_t random_index(uint64_t seed, uint32_t column, uint64_t row, uint64_t count);

#endif

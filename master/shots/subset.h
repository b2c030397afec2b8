/*
 * subset.h - shots drawn by chance, the same ones wherever they are drawn again.
 */
#ifndef BEOFARM_MASTER_SHOTS_SUBSET_H
#define BEOFARM_MASTER_SHOTS_SUBSET_H

#include <stddef.h>
#include <stdint.h>

/* The next of a row of random numbers (splitmix64: Steele, Lea and Flood 2014,
 * doi:10.1145/2660193.2660195). */
uint64_t subset_random(uint64_t *state);

/* `wanted` of the numbers 0 to all - 1 into `shots`, rising, each subset as likely as any
 * (selection sampling: Knuth, TAOCP 3.4.2, algorithm S). wanted <= all. */
void subset_draw(size_t all, size_t wanted, uint64_t seed, size_t *shots);

#endif

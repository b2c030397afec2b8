/*
 * ies_subset.h - which realisations try the lambdas.
 */
#ifndef BEOFARM_MASTER_PEST_IES_SUBSET_H
#define BEOFARM_MASTER_PEST_IES_SUBSET_H

#include <stddef.h>
#include <stdint.h>

#include "master/pest/ies_options.h"

/* How many: `wanted` (1 to count), but one less, or some more up to twice as many, where that
 * saves a round of runs on `slots` slots: with `tests` trials per realisation,
 * ceil(tests n / slots) + ceil((count - n) / slots) is least. Never less than 2 for that. */
size_t ies_subset_size(size_t wanted, size_t count, size_t tests, size_t slots);

/* Options' size (negative: percent, 0: all) as a number of realisations. */
size_t ies_subset_wanted(long size, size_t count);

/* ret[size], rising: realisations of `count` with these phis. `random` and `phi_based` have the
 * base realisation (-1: none) among them; phi_based takes the others at even distances in the
 * order of phi, from the least to the largest. -1: no memory. */
int ies_subset_choose(enum ies_subset_how how, const double *phi, size_t count, long base,
                      size_t size, uint64_t seed, int iteration, size_t *ret,
                      struct error *ret_error);

#endif

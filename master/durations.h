/*
 * durations.h - how long good results took: quantiles of a stream in 2 KiB.
 *
 * A histogram whose buckets are an eighth of an octave wide, so a quantile is right within 13 %.
 */
#ifndef BEOFARM_MASTER_DURATIONS_H
#define BEOFARM_MASTER_DURATIONS_H

#include <stdint.h>

#define DURATIONS_BUCKETS 496 /* 62 octaves of 8 */

struct durations {
    uint64_t count;
    uint64_t cached_count; /* the count at which the cache was made; 0: none */
    double cached_quantile;
    int64_t cached_ns;
    double sum_ns;
    uint32_t buckets[DURATIONS_BUCKETS];
};

/* Zeroed memory is an empty set. */

/* Add one duration, in ns; negative is taken as 0. */
void durations_add(struct durations *durations, int64_t ns);

/* Their mean, in ns; 0 if there are none. */
int64_t durations_mean(const struct durations *durations);

/* The duration, in ns, that `quantile` (0 to 1) of those added do not exceed, rounded up to its
 * bucket's end; 0 if there are none. Refreshed only once 1/64 more have come. */
int64_t durations_quantile(struct durations *durations, double quantile);

#endif

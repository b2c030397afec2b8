/*
 * ticks.h - round numbers along an axis.
 */
#ifndef BEOFARM_LAUNCH_PLOT_TICKS_H
#define BEOFARM_LAUNCH_PLOT_TICKS_H

#include <stddef.h>

#define TICKS_MAX 24

struct ticks {
    double at[TICKS_MAX]; /* rising */
    size_t count;
    int decimals; /* that their labels need */
};

/* Multiples of 1, 2 or 5 times a power of ten from `low` to `high` (in either order), about
 * `wanted` (1 to 10) of them, but at least 3 where so many are wanted. None where the range is
 * empty or not finite. */
void ticks_choose(struct ticks *ticks, double low, double high, int wanted);

#endif

/*
 * wave_case.h - what benchmarks of waves run on: a homogeneous medium, and places in a row. A
 * failure ends the program with its sentence.
 */
#ifndef BEOFARM_BENCHMARKS_WAVE_CASE_H
#define BEOFARM_BENCHMARKS_WAVE_CASE_H

#include <stddef.h>

#include "worker/seismic/wave.h"

#define WAVE_CASE_PLACES 64 /* the most */

/* A wave of that physics on `grid`, inside of which the layers of options.absorb are. dt is 0.9 of
 * the limit. */
struct wave *wave_case_create(const char *physics, struct grid grid,
                              struct wave_options options);

/* `count` places along x, in the middle of y, at that depth (grid points). */
struct wave_points *wave_case_points(const struct wave *wave, size_t count, int depth);

/* Seconds since some time. */
double wave_case_now_s(void);

/* Sort `count` numbers, and return the median. */
double wave_case_median(double *numbers, size_t count);

#endif

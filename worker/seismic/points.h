/*
 * points.h - the grid points of a struct wave_points, sorted for those who work on them.
 *
 * Whatever is added to a grid point or to a sample is added in the same order, however rows are
 * divided among threads and blocks: points are injected by the thread that owns their row; what a
 * strip of points gives to a sample is one sum, and these sums are added plane by plane by the
 * thread that owns the place.
 */
#ifndef BEOFARM_WORKER_SEISMIC_POINTS_H
#define BEOFARM_WORKER_SEISMIC_POINTS_H

#include "worker/seismic/wave.h"

/* Points that follow each other along a row, on the padded grid, and belong to one place. */
struct point_strip {
    uint32_t y, z; /* the first one */
    uint32_t n;
    uint32_t place;
    size_t weight; /* the first one's, in `weights` */
};

/* A strip, where strips are sorted by their places. */
struct point_turn {
    size_t strip;
    uint32_t place;
};

struct wave_points {
    uint64_t serial; /* no two of a process have the same; never 0 */
    size_t count;    /* places */
    size_t planes;
    size_t *plane; /* strips of ix are [plane[ix]] to below [plane[ix + 1]] in both lists */
    struct point_strip *strips; /* sorted by ix, iy, place, iz */
    struct point_turn *turns;   /* sorted by ix, place, iy, iz */
    wave_real *weights;
};

/* How many strips there are, and how many points in all of them. */
size_t points_strips(const struct wave_points *points);
size_t points_weights(const struct wave_points *points);

/* The first strip of plane ix whose row is at least `from`: its index. */
size_t points_find_row(const struct wave_points *points, size_t ix, size_t from);

#endif

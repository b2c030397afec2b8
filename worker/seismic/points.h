/*
 * points.h - the grid points of a struct wave_points, sorted for those who work on them.
 *
 * Whatever is added to a grid point or to a sample is added in the same order, however rows are
 * divided among threads and blocks: points are injected by the thread that owns their row, samples
 * summed by the thread that owns the place, plane by plane.
 */
#ifndef BEOFARM_WORKER_SEISMIC_POINTS_H
#define BEOFARM_WORKER_SEISMIC_POINTS_H

#include "worker/seismic/wave.h"

struct point_cell {
    uint32_t at[GRID_AXES]; /* on the padded grid */
    uint32_t place;
    wave_real weight;
};

struct wave_points {
    uint64_t serial; /* no two of a process have the same; never 0 */
    size_t count;    /* places */
    size_t planes;
    size_t *plane; /* cells of ix are [plane[ix]] to below [plane[ix + 1]] in both lists */
    struct point_cell *rows;   /* sorted by ix, iy, place, iz */
    struct point_cell *places; /* sorted by ix, place, iy, iz */
};

/* The cells of plane ix whose row or place is at least `from`: the index of the first. */
size_t points_find_row(const struct wave_points *points, size_t ix, size_t from);
size_t points_find_place(const struct wave_points *points, size_t ix, size_t from);

#endif

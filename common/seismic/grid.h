/*
 * grid.h - a regular grid, boxes of it, and points in metres.
 *
 * Axes are x and y (horizontal) and z (down, positive depth), in this order everywhere. Values of a
 * field lie with z fastest, then y, then x: index (ix * n[1] + iy) * n[2] + iz. A 2-D grid is one
 * of x and z: n[1] is 1 and spacing[1] is not looked at.
 */
#ifndef BEOFARM_COMMON_SEISMIC_GRID_H
#define BEOFARM_COMMON_SEISMIC_GRID_H

#include <stdbool.h>
#include <stddef.h>

enum grid_axis { GRID_X, GRID_Y, GRID_Z, GRID_AXES };

struct grid {
    int dims;                  /* 2 or 3 */
    size_t n[GRID_AXES];       /* points, at least 1; n[GRID_Y] is 1 in 2-D */
    double spacing[GRID_AXES]; /* metres, above 0 */
    double origin[GRID_AXES];  /* metres: where point (0, 0, 0) lies */
};

struct point {
    double x, y, z; /* metres; y is 0 in 2-D */
};

/* Points first[a] to first[a] + n[a] - 1 of a grid along each axis. */
struct grid_box {
    size_t first[GRID_AXES];
    size_t n[GRID_AXES];
};

/* How many points; 0 if that is more than SIZE_MAX / 16 says. */
size_t grid_size(const struct grid *grid);

/* Where the last point of an axis lies, metres. */
double grid_end(const struct grid *grid, enum grid_axis axis);

/* Whether `point` lies in the grid (its faces included, and what is outside by less than a
 * thousandth of a spacing, as headers round coordinates: it counts as on the face). In 2-D, y is
 * not looked at. */
bool grid_contains(const struct grid *grid, const struct point *point);

/* Whether `point` lies in the first plane of points, or above it (by a millionth of a
 * spacing below it, too). */
bool grid_is_top(const struct grid *grid, const struct point *point);

/* Whether both have the same points (spacings and origins within a millionth of a spacing). */
bool grid_equal(const struct grid *a, const struct grid *b);

/* The whole grid as a box; the grid that a box of a grid is. */
struct grid_box grid_whole(const struct grid *grid);
struct grid grid_cut(const struct grid *grid, const struct grid_box *box);

#endif

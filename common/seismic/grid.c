#include "config.h"

#include <math.h>
#include <stdint.h>

#include "common/seismic/grid.h"

#define SLACK 1e-6 /* of a spacing: coordinates are rounded to float or less */
/* The same where headers round them: to thousandths of a foot, or to centimetres. */
#define EDGE_SLACK 1e-3

static bool axis_used(const struct grid *grid, int axis)
{
    return axis != GRID_Y || grid->dims == 3;
}

size_t grid_size(const struct grid *grid)
{
    size_t size = 1;
    for (int axis = 0; axis < GRID_AXES; axis++) {
        if (__builtin_mul_overflow(size, grid->n[axis], &size) || size > SIZE_MAX / 16)
            return 0;
    }
    return size;
}

double grid_end(const struct grid *grid, enum grid_axis axis)
{
    if (!axis_used(grid, axis))
        return grid->origin[axis];
    return grid->origin[axis] + (double)(grid->n[axis] - 1) * grid->spacing[axis];
}

bool grid_contains(const struct grid *grid, const struct point *point)
{
    const double at[GRID_AXES] = {point->x, point->y, point->z};
    for (int axis = 0; axis < GRID_AXES; axis++) {
        double slack = EDGE_SLACK * grid->spacing[axis];
        if (axis_used(grid, axis) && !(at[axis] >= grid->origin[axis] - slack &&
                                       at[axis] <= grid_end(grid, axis) + slack))
            return false;
    }
    return true;
}

bool grid_is_top(const struct grid *grid, const struct point *point)
{
    return point->z - grid->origin[GRID_Z] < SLACK * grid->spacing[GRID_Z];
}

bool grid_equal(const struct grid *a, const struct grid *b)
{
    if (a->dims != b->dims)
        return false;
    for (int axis = 0; axis < GRID_AXES; axis++) {
        if (!axis_used(a, axis))
            continue;
        /* A spacing that is a little off moves the last point by n times as much. */
        double slack = SLACK * a->spacing[axis];
        if (a->n[axis] != b->n[axis] || fabs(a->origin[axis] - b->origin[axis]) > slack ||
            fabs(a->spacing[axis] - b->spacing[axis]) > slack)
            return false;
    }
    return true;
}

struct grid_box grid_whole(const struct grid *grid)
{
    return (struct grid_box){.n = {grid->n[GRID_X], grid->n[GRID_Y], grid->n[GRID_Z]}};
}

struct grid grid_cut(const struct grid *grid, const struct grid_box *box)
{
    struct grid cut = *grid;
    for (int axis = 0; axis < GRID_AXES; axis++) {
        cut.n[axis] = box->n[axis];
        if (axis_used(grid, axis))
            cut.origin[axis] += (double)box->first[axis] * grid->spacing[axis];
    }
    return cut;
}

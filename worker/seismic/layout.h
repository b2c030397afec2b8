/*
 * layout.h - how a padded field lies in memory, and memory for fields.
 *
 * A field has rows along z. Point (ix, iy, iz) of the padded grid (absorbing layers included) is at
 * base + ix stride[X] + iy stride[Y] + iz. Rows begin on 64 bytes, have LAYOUT_MARGIN numbers
 * before and at least as many after them, and around all rows lie `radius` more of zeros: a stencil
 * may reach out everywhere. No stride is a multiple of 4096 bytes, so neighbours do not fight for
 * the same cache sets.
 */
#ifndef BEOFARM_WORKER_SEISMIC_LAYOUT_H
#define BEOFARM_WORKER_SEISMIC_LAYOUT_H

#include <stddef.h>

#include "worker/seismic/wave.h"

#define LAYOUT_ALIGN  (64 / sizeof(wave_real)) /* numbers in 64 bytes */
#define LAYOUT_MARGIN 16

struct layout {
    int radius;               /* half the space order, at most 8 */
    int half;                 /* radius of first derivatives */
    int pad[GRID_AXES][2];    /* absorbing points before and after, per axis */
    size_t n[GRID_AXES];      /* points of the padded grid */
    size_t stride[GRID_AXES]; /* numbers from point to point */
    size_t base;              /* where point (0, 0, 0) of the padded grid is */
    size_t size;              /* numbers to allocate */
    size_t row; /* n[Z] in whole vectors: the length of rows of memory variables */
    bool flat;  /* 2-D */
};

/* The layout of a grid with `absorb` points around it, but none above a free surface. */
void layout_init(struct layout *layout, const struct grid *grid, int radius, int absorb,
                 bool free_surface);

static inline size_t layout_at(const struct layout *layout, size_t ix, size_t iy)
{
    return layout->base + ix * layout->stride[GRID_X] + iy * layout->stride[GRID_Y];
}

/* Where row (ix, iy) of the medium's grid begins. */
static inline size_t layout_inner(const struct layout *layout, size_t ix, size_t iy)
{
    return layout_at(layout, ix + (size_t)layout->pad[GRID_X][0],
                     iy + (size_t)layout->pad[GRID_Y][0]) +
           (size_t)layout->pad[GRID_Z][0];
}

/* Of `reach` points beyond the medium's grid on a side, how many there are: a layer may be
 * thinner. */
static inline int layout_reach(const struct layout *layout, int axis, int side, int reach)
{
    int pad = layout->pad[axis][side];
    return pad < reach ? pad : reach;
}

/* COUNT numbers of zero in pages that nobody has touched, huge ones if they are to be had. SKEW
 * sets several fields apart by cache lines. NULL where memory is short. */
wave_real *layout_alloc(size_t count, int skew);
void layout_free(wave_real *memory, size_t count, int skew);

#endif

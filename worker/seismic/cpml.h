/*
 * cpml.h - the coefficients of convolutional PML along one axis (wave.h has the formulas).
 *
 * Side 0 is before the grid, side 1 after it. Each has `width` half points with psi, from half
 * point first_half[side] (half point i lies between the points i and i + 1), and `width` points
 * with zeta, from point first[side]. The divergence of psi, or whatever else reaches out of the
 * slab by the stencil's radius, touches the points from lo[side] to below hi[side].
 */
#ifndef BEOFARM_WORKER_SEISMIC_CPML_H
#define BEOFARM_WORKER_SEISMIC_CPML_H

#include "worker/seismic/layout.h"

/* Along z, rows of coefficients and memory variables are filled up by zeros to whole pieces. */
#define CPML_WIDTH_MAX 240
/* The length of a window along z is a multiple of this. */
#define CPML_PIECE 8

struct cpml {
    int width[2]; /* 0: no layer on that side */
    size_t first_half[2], first[2], lo[2], hi[2];
    wave_real psi_a[2][CPML_WIDTH_MAX], psi_b[2][CPML_WIDTH_MAX];
    wave_real zeta_a[2][CPML_WIDTH_MAX], zeta_b[2][CPML_WIDTH_MAX];
    wave_real damping[2][CPML_WIDTH_MAX]; /* d at the points of zeta, 1/s */
    /* Those of psi and zeta along z as numbers of a row, from start[side] on, `length` of them
     * (cpml_window): zero where there is none. */
    size_t start[2], length[2];
    wave_real end_psi_a[2][CPML_WIDTH_MAX], end_psi_b[2][CPML_WIDTH_MAX];
    wave_real end_zeta_a[2][CPML_WIDTH_MAX], end_zeta_b[2][CPML_WIDTH_MAX];
};

struct cpml_tuning {
    double dt;           /* s */
    double velocity_max; /* of the medium, m/s; the nearest multiple of 250 counts */
    double frequency;    /* Hz */
};

/* How many of `pad` absorbing points have psi and zeta: all but the few next to the grid that what
 * reaches out of the slab touches, so that the grid's own points see the bare equation (which a run
 * backwards in time relies on). */
int cpml_width(int pad, int half);

/* The window along z at either end of a row: so many numbers, whole pieces, which hold what reaches
 * out of the layer, and where they begin: at the row's own end where it is long enough. */
size_t cpml_window(const struct layout *layout, int side, size_t *ret_start);

void cpml_init(struct cpml *cpml, const struct layout *layout, enum grid_axis axis,
               double spacing, const struct cpml_tuning *tuning);

/* On which side's slab acts point (or half point) i: 0, 1, or -1 for none. *ret_j: its place in
 * it. */
static inline int cpml_side(const struct cpml *cpml, const size_t first[2], size_t i,
                            size_t *ret_j)
{
    for (int side = 0; side < 2; side++) {
        if (i >= first[side] && i < first[side] + (size_t)cpml->width[side]) {
            *ret_j = i - first[side];
            return side;
        }
    }
    return -1;
}

#endif

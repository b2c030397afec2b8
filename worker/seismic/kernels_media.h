/*
 * kernels_media.h - jobs of the inner loops of waves with density and with anisotropy; a part of
 * kernels.h. Rows are aligned and weights those of positive distances where nothing else is said.
 */
#ifndef BEOFARM_WORKER_SEISMIC_KERNELS_MEDIA_H
#define BEOFARM_WORKER_SEISMIC_KERNELS_MEDIA_H

#include <stdbool.h>
#include <stddef.h>

#include "worker/seismic/wave.h"

#define KERNELS_RADIUS_MAX 8

/* Rows (in 3-D of as many planes) that kernels take together where they can. */
#define KERNELS_GROUP 4

/*
 * With density: flux = b D+ u of `count` rows at half points, b = 1 / (half_rho + that of the next
 * point); weights [0..radius-1] of the distances 1/2, 3/2, ... `across`: rows side by side along
 * the axis, `stride` apart in u and half_rho, `apart` in flux; `along`: one row, along itself.
 */
struct kernel_flux {
    size_t length, count;
    const wave_real *u, *half_rho, *weights;
    ptrdiff_t stride, apart;
    ptrdiff_t ahead; /* what will be wanted soon is so many numbers on */
    wave_real *flux;
};

/*
 * One row across a slab, whose flux is bare:
 *
 *   flux += more;   after = b before + a flux;   flux += times after
 *
 * more: the sum of weights[j] rows[j], j < 2 radius, over (half_rho + that of the next point),
 * where has_more. Without psi where before is NULL; after is NULL where it is another's.
 */
struct kernel_flux_slab {
    size_t length;
    const wave_real *half_rho;
    ptrdiff_t stride;
    const wave_real *rows[2 * KERNELS_RADIUS_MAX];
    wave_real weights[2 * KERNELS_RADIUS_MAX];
    bool has_more;
    wave_real a, b, times;
    const wave_real *before;
    wave_real *after, *flux;
};

/*
 * out = 2 u - out + v D for `count` rows, D = the sum of D- flux over the axes. out, u, v: rows
 * `deep` apart, which are side by side along x. Fluxes of half points, each at the place of the
 * point before it: along x rows `flux_deep` apart; along y, in 3-D, rows `flux_across` apart, for
 * each of the `count` planes `flux_plane` apart; along z one row for each, `flux_row` apart. next_u
 * and next_rho are rows that will be wanted soon, `deep` apart. D goes to `sums` as well, rows
 * `flux_row` apart, if that is not NULL.
 *
 * With `layers`, row i of an axis' slab has zeta[axis][i], others NULL: zeta = b zeta + a D- flux
 * along the axis, and D has zeta too.
 */
struct kernel_divergence {
    size_t length, count;
    const wave_real *u, *v, *next_u, *next_rho;
    wave_real *out, *sums;
    ptrdiff_t deep, ahead;
    const wave_real *flux[GRID_AXES], *weights[GRID_AXES];
    ptrdiff_t flux_deep, flux_across, flux_plane, flux_row;
    bool layers;
    wave_real *zeta[GRID_Z][KERNELS_GROUP], a[GRID_Z][KERNELS_GROUP], b[GRID_Z][KERNELS_GROUP];
};

/*
 * One end of `rows` rows along z: all is at the window's first point or half point of the first
 * one; to the next one, fields and the medium go on by `step_field`, flux by `step_flux`, memory
 * variables by `step_memory`. Nothing is aligned, `length` a multiple of 8; a and b are numbers
 * along it. What will be wanted soon of memory variables is `ahead` numbers on.
 *
 * Before the divergence, where fluxes are bare, and (zeta) after it:
 *
 *   flux              psi = b psi + a flux;   flux += psi
 *   zeta              zeta = b zeta + a D- flux;   out += v zeta
 *   flux_transposed   zeta = b zeta + u;   flux += D+ (a zeta) / rho;   psi = b psi - flux;
 *                     flux -= a psi
 *
 * with a and b of psi at half points and of zeta at points.
 */
struct kernel_density_end {
    size_t length, rows;
    ptrdiff_t step_field, step_flux, step_memory, ahead;
    const wave_real *u, *half_rho, *v, *weights;
    const wave_real *psi_a, *psi_b, *zeta_a, *zeta_b;
    wave_real *flux, *psi, *zeta, *out;
};

struct kernels_density {
    void (*across)(const struct kernel_flux *job);
    void (*along)(const struct kernel_flux *job);
    void (*slab)(const struct kernel_flux_slab *job);
    void (*divergence)(const struct kernel_divergence *job);
    void (*end_flux)(const struct kernel_density_end *job);
    void (*end_flux_transposed)(const struct kernel_density_end *job);
    void (*end_zeta)(const struct kernel_density_end *job);
};

/*
 * Of anisotropic waves (anisotropic.h): one row of each of `planes` planes, `deep` apart in what is
 * read; `across`: to the next row of a plane, 0 in 2-D, where planes are rows. Weights [1..radius]
 * by axes, that of y in 3-D alone; D: centred first differences. All aligned. Results are the same
 * bits however many planes go together.
 *
 * out[f] = the sum of axis[i] D_i u[f] over axes, out's planes as u's.
 */
struct kernel_tilt {
    size_t length, planes;
    ptrdiff_t deep, across;
    const wave_real *u[2], *axis[GRID_AXES], *weights[GRID_AXES];
    wave_real *out[2];
};

/* out[0] = the sum of D_i axis[i] slope[0]; out[1] = the second differences of p less the sum of
 * D_i axis[i] slope[1]; out's planes `apart`. */
struct kernel_spread {
    size_t length, planes;
    ptrdiff_t deep, across, apart;
    const wave_real *slope[2], *p, *axis[GRID_AXES], *first[GRID_AXES], *second[GRID_AXES];
    wave_real centre;
    wave_real *out[2];
};

/* out[0] = the second difference of q along z, out[1] = those of p across; each its centre's
 * weight. */
struct kernel_upright {
    size_t length, planes;
    ptrdiff_t deep, across, apart;
    const wave_real *q, *p, *weights[GRID_AXES];
    wave_real along_centre, across_centre;
    wave_real *out[2];
};

/* out = D a b of one row, whose neighbours are `stride` apart; nothing is aligned. */
struct kernel_products {
    size_t length;
    ptrdiff_t stride;
    const wave_real *a, *b, *weights;
    wave_real *out;
};

/* out [+]= [times] the difference of u by 2 radius + 1 weights, of numbers `stride` apart; nothing
 * is aligned. */
struct kernel_difference {
    size_t length;
    ptrdiff_t stride;
    const wave_real *u, *weights, *times; /* times: NULL for none */
    bool add;
    wave_real *out;
};

/* The same of rows that lie anywhere: out [+]= [times] sum of weights[j] rows[j]. */
struct kernel_rows {
    size_t length;
    const wave_real *times;
    const wave_real *rows[2 * KERNELS_RADIUS_MAX + 1];
    wave_real weights[2 * KERNELS_RADIUS_MAX + 1];
    bool add;
    wave_real *out;
};

/* memory = b memory + a t, a and b numbers `along` the row or one for all of it; then, where out is
 * not NULL, out += [times] memory. Nothing is aligned, and nothing beyond `length` written. What
 * will be wanted soon of memory is `ahead` numbers on, if that is not 0. */
struct kernel_recur {
    size_t length, ahead;
    bool along;
    const wave_real *a, *b, *t, *times;
    wave_real *memory, *out;
};

/* out = second differences of u over axes, rows `across` apart (0 in 2-D) and planes `deep`;
 * weights [1..radius] by axes, that of y in 3-D alone. Nothing is aligned. */
struct kernel_laplace {
    size_t length;
    ptrdiff_t deep, across;
    const wave_real *u, *weights[GRID_AXES];
    wave_real centre, *out;
};

/*
 * What tilted layers do about the slow wave (anisotropic_layers.c), in `length` numbers of a row; g
 * and eta there are the larger of `stiff` and stiff_along[], `ease` and ease_along[]. s = cross /
 * v; nothing is aligned, and nothing beyond `length` written.
 *
 *   make   f = g (d + lag (d - d_old))        d = p - s q
 *   ease   old_p += 2 eta (d - d_old)
 *   give   old_p += (own - s cross) g y
 */
struct kernel_slow {
    size_t length;
    const wave_real *q, *p, *old_q, *v, *cross, *own, *y, *stiff_along, *ease_along;
    wave_real *old_p, *f, stiff, ease, lag;
};

/* out[i] = 2 u[i] - out[i] + (M y)[i], M = ((m[0], m[1]), (m[1], m[2])); and, where image is not
 * NULL, image += image_scale m[0] (y[0] other[0] + y[1] other[1]). All aligned but image. */
struct kernel_pair {
    size_t length;
    wave_real *out[2];
    const wave_real *u[2], *y[2], *m[3];
    wave_real *image;
    const wave_real *other[2];
    wave_real image_scale;
};

struct kernels_pair {
    void (*tilt)(const struct kernel_tilt *job);
    void (*spread)(const struct kernel_spread *job);
    void (*upright)(const struct kernel_upright *job);
    void (*products)(const struct kernel_products *job);
    void (*difference)(const struct kernel_difference *job);
    void (*rows)(const struct kernel_rows *job);
    void (*laplace)(const struct kernel_laplace *job);
    void (*recur)(const struct kernel_recur *job);
    void (*slow_make)(const struct kernel_slow *job);
    void (*slow_ease)(const struct kernel_slow *job);
    void (*slow_give)(const struct kernel_slow *job);
    void (*step)(const struct kernel_pair *job);
};

#endif

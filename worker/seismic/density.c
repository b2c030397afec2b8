/*
 * density.c - one time step of some rows with variable density: fluxes b (D+ u + psi), then their
 * divergence, without leaving the cache.
 *
 * Forward, on each axis, in one stage (psi here is b times that of wave.h):
 *   flux = b D+ u;   psi = bh psi + ah flux;   flux += psi
 *   zeta = bi zeta + ai D- flux;   out += V (D- flux + zeta)
 * Transposed (acoustic_stage.c has the names):
 *   stage 0   z = bi z + w
 *   stage 1   flux = b D+ (w + ai z);   y = bh y - flux;   flux -= ah y;   out += V D- flux
 * Along z all of that happens in the last stage, within the row. Fluxes beyond the padded grid are
 * zero, above a free surface those below, mirrored: they are even where u is odd.
 *
 * The last stage goes through a tile of rows plane by plane, KERNELS_GROUP planes at once. Fluxes
 * along x are kept in a window of planes that moves along; those along y are made for the tile and
 * what its divergence reaches of the tiles beside it; those along z for one row of each plane.
 * Fluxes at the borders of tiles, and of what threads work on, are made by both sides, to the same
 * bits, of the old psi: the new one is written beside it, by whoever has the point before. Runs on
 * the medium's grid alone have no layers, and of each row what the medium has.
 */
#include "config.h"

#include <string.h>

#include "worker/seismic/acoustic_private.h"

/* Planes by which the window of fluxes along x is longer than what a group of planes needs. */
#define SLACK ((size_t)(5 * KERNELS_GROUP))

/* Rows of a tile: of more, what is kept falls out of cache; of fewer, more fluxes along y are made
 * twice. */
#define TILE 32

/* A thread's fluxes. */
struct march {
    struct acoustic *a;
    enum wave_mode mode;
    size_t x0, x1;
    size_t y0, y1;     /* the tile */
    size_t first, end; /* half points along x that are in the window: [first, end) + base */
    ptrdiff_t base;    /* the half point of the window's first plane; may be before the grid */
    size_t row, plane; /* of fluxes: numbers from row to row, and along x from plane to plane */
    size_t plane_y;    /* of fluxes along y */
    wave_real *x, *y, *z, *sums;
};

static size_t tile_of(const struct layout *layout)
{
    return layout->flat ? 1 : layout->n[GRID_Y] < TILE ? layout->n[GRID_Y] : TILE;
}

static size_t window_of(const struct layout *layout)
{
    return 2 * (size_t)layout->radius - 1 + SLACK;
}

/* Numbers of planes of fluxes, no multiples of a page. */
static size_t plane_of(const struct layout *layout, size_t rows)
{
    size_t plane = rows * layout->stride[GRID_Y];
    return plane * sizeof(wave_real) % 4096 ? plane : plane + LAYOUT_ALIGN;
}

static size_t rows_y(const struct layout *layout)
{
    return layout->flat ? 0 : tile_of(layout) + 2 * (size_t)layout->radius - 1;
}

/* Numbers of one thread's scratch. */
static size_t scratch_of(const struct layout *layout)
{
    size_t x = window_of(layout) * plane_of(layout, tile_of(layout));
    size_t y = KERNELS_GROUP * plane_of(layout, rows_y(layout));
    return x + y + 2 * KERNELS_GROUP * layout->stride[GRID_Y];
}

size_t density_scratch(const struct acoustic *a)
{
    return (size_t)a->wave.options.threads * scratch_of(&a->layout);
}

static struct march march_begin(struct acoustic *a, enum wave_mode mode)
{
    const struct layout *l = &a->layout;
    struct march m = {.a = a, .mode = mode, .row = l->stride[GRID_Y]};
    m.plane = plane_of(l, tile_of(l));
    m.plane_y = plane_of(l, rows_y(l));
    m.x = a->scratch + (size_t)a->id * scratch_of(l);
    m.y = m.x + window_of(l) * m.plane;
    m.z = m.y + KERNELS_GROUP * m.plane_y + LAYOUT_MARGIN;
    m.sums = m.z - LAYOUT_MARGIN + KERNELS_GROUP * m.row;
    return m;
}

static const wave_real *weights_of(const struct acoustic *a, enum grid_axis axis)
{
    return a->halves[axis] + a->layout.half;
}

/* What the layer of an axis has to do with the flux row at a place along it. */
static void slab_flux(const struct march *m, const struct place *p, wave_real *flux)
{
    struct acoustic *a = m->a;
    struct cpml *cpml = &a->cpml[p->axis];
    size_t j = 0, i = place_along(p);
    int radius = a->layout.radius, side = cpml_side(cpml, cpml->first_half, i, &j);
    bool near = cpml->width[0] && (i < cpml->first[0] + (size_t)(cpml->width[0] + radius) ||
                                   i + (size_t)radius >= cpml->first[1]);
    bool transposed = m->mode == WAVE_TRANSPOSED,
         own = p->ix >= m->x0 && p->ix < m->x1 && p->iy >= m->y0 && p->iy < m->y1;
    struct kernel_flux_slab job; /* large: what is not read is not set */
    if (side < 0 && !(transposed && near))
        return;
    job.length = a->layout.row;
    job.flux = flux;
    job.has_more = transposed;
    if (transposed) {
        job.half_rho = a->half_rho + layout_at(&a->layout, p->ix, p->iy);
        job.stride = (ptrdiff_t)a->layout.stride[p->axis];
        slab_rows(a, a->zeta[p->axis], cpml->first, cpml->zeta_a, p, (ptrdiff_t)i - radius + 1,
                  2 * radius, a->halves[p->axis], job.rows, job.weights);
    }
    job.before = job.after = NULL;
    if (side >= 0) {
        job.before = slab_row(a, acoustic_psi(a, p->axis, a->newest), p, side, j);
        if (own)
            job.after = slab_row(a, acoustic_psi(a, p->axis, !a->newest), p, side, j);
        job.a = transposed ? -1 : cpml->psi_a[side][j];
        job.b = cpml->psi_b[side][j];
        job.times = transposed ? -cpml->psi_a[side][j] : 1;
    }
    a->kernels.density.slab(&job);
}

/* `count` flux rows along `axis` from half point `from` on (in the row or plane of p), `apart`
 * apart; zeros outside the grid. */
static void flux_rows(const struct march *m, struct place p, ptrdiff_t from, size_t count,
                      wave_real *flux, size_t apart)
{
    struct acoustic *a = m->a;
    const struct layout *l = &a->layout;
    size_t stride = l->stride[p.axis], bytes = l->row * sizeof *flux;
    for (; count > 0 && from < 0; count--, from++, flux += apart)
        memset(flux, 0, bytes);
    size_t i = (size_t)from, n = l->n[p.axis] - 1; /* half points between points */
    size_t good = i >= n ? 0 : n - i < count ? n - i : count;
    for (size_t k = good; k < count; k++)
        memset(flux + k * apart, 0, bytes);
    *(p.axis == GRID_X ? &p.ix : &p.iy) = i;
    size_t at = layout_at(l, p.ix, p.iy) + a->z0;
    a->kernels.density.across(&(struct kernel_flux){
        .length = a->z1 - a->z0,
        .count = good,
        .u = a->field[a->newest] + at,
        .half_rho = a->half_rho + at,
        .weights = weights_of(a, p.axis),
        .stride = (ptrdiff_t)stride,
        .flux = flux + a->z0,
        .apart = (ptrdiff_t)apart,
        .ahead = (ptrdiff_t)l->stride[GRID_Y],
    });
    for (size_t k = 0; k < good && !acoustic_inner_only(m->mode); k++, flux += apart) {
        *(p.axis == GRID_X ? &p.ix : &p.iy) = i + k;
        slab_flux(m, &p, flux);
    }
}

/* The row of flux along x at half point i, which is in the window. */
static wave_real *row_x(const struct march *m, ptrdiff_t i, size_t iy)
{
    return m->x + (size_t)(i - m->base) * m->plane + (iy - m->y0) * m->row;
}

/* Have fluxes along x of the half points up to below `end`; those before `begin` are done with. */
static void window_extend(struct march *m, ptrdiff_t begin, ptrdiff_t end)
{
    size_t window = window_of(&m->a->layout);
    ptrdiff_t made = m->base + (ptrdiff_t)m->end;
    if ((size_t)(end - m->base) > window) {
        memmove(m->x, m->x + (size_t)(begin - m->base) * m->plane,
                (size_t)(made - begin) * m->plane * sizeof *m->x);
        m->base = begin;
        m->end = (size_t)(made - begin);
    }
    while (made < end) {
        size_t count = end - made < KERNELS_GROUP ? (size_t)(end - made) : KERNELS_GROUP;
        for (size_t iy = m->y0; iy < m->y1; iy++)
            flux_rows(m, (struct place){GRID_X, 0, iy}, made, count, row_x(m, made, iy),
                      m->plane);
        made += (ptrdiff_t)count;
    }
    m->end = (size_t)(made - m->base);
}

/* What one end of `count` rows side by side along x has, their fluxes along z being at `flux`. */
static struct kernel_density_end end_of(const struct march *m, int side, size_t ix,
                                        size_t count, size_t iy)
{
    struct acoustic *a = m->a;
    const struct layout *l = &a->layout;
    struct cpml *cpml = &a->cpml[GRID_Z];
    size_t at = layout_at(l, ix, iy) + cpml->start[side], windows = slab_windows(a);
    return (struct kernel_density_end){
        .length = cpml->length[side],
        .rows = count,
        .step_field = (ptrdiff_t)l->stride[GRID_X],
        .step_flux = (ptrdiff_t)m->row,
        .step_memory = (ptrdiff_t)(windows * l->n[GRID_Y]),
        .ahead = (ptrdiff_t)windows,
        .u = a->field[a->newest] + at,
        .half_rho = a->half_rho + at,
        .v = a->v + at,
        .weights = weights_of(a, GRID_Z),
        .psi_a = cpml->end_psi_a[side],
        .psi_b = cpml->end_psi_b[side],
        .zeta_a = cpml->end_zeta_a[side],
        .zeta_b = cpml->end_zeta_b[side],
        .flux = m->z + cpml->start[side],
        .psi = slab_window(a, a->psi[GRID_Z], side, ix, iy),
        .zeta = slab_window(a, a->zeta[GRID_Z], side, ix, iy),
        .out = a->field[!a->newest] + at,
    };
}

/* `work` at the ends of rows that have a layer. */
static void ends_run(const struct march *m, size_t ix, size_t count, size_t iy,
                     void (*work)(const struct kernel_density_end *job))
{
    for (int side = 0; side < 2; side++) {
        struct kernel_density_end job;
        if (m->a->cpml[GRID_Z].width[side] == 0)
            continue;
        job = end_of(m, side, ix, count, iy);
        work(&job);
    }
}

/* The bare flux along one row. */
static void flux_bare(const struct march *m, size_t at, wave_real *flux)
{
    struct acoustic *a = m->a;
    size_t first = a->z0 > 0 ? a->z0 - LAYOUT_ALIGN : 0;
    size_t end = a->z1 < a->layout.row ? a->z1 + LAYOUT_ALIGN : a->layout.row;
    a->kernels.density.along(&(struct kernel_flux){
        .length = end - first,
        .u = a->field[a->newest] + at + first,
        .half_rho = a->half_rho + at + first,
        .weights = weights_of(a, GRID_Z),
        .flux = flux + first,
    });
}

/* What the divergence reaches around the fluxes along one row. */
static void flux_close(const struct march *m, wave_real *flux)
{
    size_t n = m->a->layout.n[GRID_Z];
    for (size_t i = n - 1; i < n + LAYOUT_MARGIN - 1; i++)
        flux[i] = 0;
    for (int k = 0; k < m->a->layout.radius; k++)
        flux[-1 - k] = m->a->wave.options.free_surface ? flux[k] : 0;
}

/* Fluxes along row iy of `count` planes. */
static void flux_along(const struct march *m, size_t ix, size_t count, size_t iy)
{
    const struct kernels_density *kernels = &m->a->kernels.density;
    for (size_t i = 0; i < count; i++)
        flux_bare(m, layout_at(&m->a->layout, ix + i, iy), m->z + i * m->row);
    if (!acoustic_inner_only(m->mode))
        ends_run(m, ix, count, iy,
                 m->mode == WAVE_TRANSPOSED ? kernels->end_flux_transposed : kernels->end_flux);
    for (size_t i = 0; i < count; i++)
        flux_close(m, m->z + i * m->row);
}

/* What row iy of each of `count` planes, the first being plane ix, has to do with slabs. */
static void slabs_zeta(const struct march *m, size_t ix, size_t count, size_t iy,
                       struct kernel_divergence *job)
{
    struct acoustic *a = m->a;
    job->layers = false;
    for (int axis = GRID_X; axis < GRID_Z && m->mode == WAVE_FORWARD; axis++) {
        struct cpml *cpml = &a->cpml[axis];
        for (size_t i = 0; i < count; i++) {
            struct place p = {(enum grid_axis)axis, ix + i, iy};
            size_t j = 0;
            int side = cpml_side(cpml, cpml->first, place_along(&p), &j);
            job->zeta[axis][i] = side < 0 ? NULL : slab_row(a, a->zeta[axis], &p, side, j);
            job->a[axis][i] = side < 0 ? 0 : cpml->zeta_a[side][j];
            job->b[axis][i] = side < 0 ? 0 : cpml->zeta_b[side][j];
            job->layers = job->layers || side >= 0;
        }
    }
}

/* What of row iy of some planes the medium's grid has is a part of the snapshot: layers add nothing
 * there. */
static void rows_keep(const struct march *m, size_t ix, size_t count, size_t iy)
{
    const struct acoustic *a = m->a;
    const struct layout *l = &a->layout;
    const size_t *n = a->wave.grid.n;
    size_t y = iy - (size_t)l->pad[GRID_Y][0], first = (size_t)l->pad[GRID_Z][0];
    for (size_t i = 0; i < count && y < n[GRID_Y]; i++) {
        size_t x = ix + i - (size_t)l->pad[GRID_X][0];
        if (x < n[GRID_X]) /* before the grid, it has wrapped around */
            acoustic_keep_row(a, a->keep + (x * n[GRID_Y] + y) * n[GRID_Z],
                              a->v + layout_inner(l, x, y), m->sums + i * m->row + first);
    }
}

/* Row iy of `count` planes, all fluxes but those along z being there. */
static void row_step(const struct march *m, size_t ix, size_t count, size_t iy)
{
    struct acoustic *a = m->a;
    const struct layout *l = &a->layout;
    size_t at = layout_at(l, ix, iy) + a->z0;
    flux_along(m, ix, count, iy);
    size_t next = ix + KERNELS_GROUP + (size_t)l->radius;
    bool more = next + KERNELS_GROUP <= l->n[GRID_X];
    size_t soon = more ? layout_at(l, next, iy) + a->z0 : at;
    struct kernel_divergence job = {
        .next_u = a->field[a->newest] + soon +
                  (more ? (size_t)(l->radius - 1) * l->stride[GRID_X] : 0),
        .next_rho = a->half_rho + soon,
        .length = a->z1 - a->z0,
        .count = count,
        .u = a->field[a->newest] + at,
        .v = a->v + at,
        .out = a->field[!a->newest] + at,
        .sums = a->keep ? m->sums + a->z0 : NULL,
        .deep = (ptrdiff_t)l->stride[GRID_X],
        .flux = {row_x(m, (ptrdiff_t)ix, iy) + a->z0, NULL, m->z + a->z0},
        .weights = {weights_of(a, GRID_X), weights_of(a, GRID_Y), weights_of(a, GRID_Z)},
        .flux_deep = (ptrdiff_t)m->plane,
        .flux_across = (ptrdiff_t)m->row,
        .flux_plane = (ptrdiff_t)m->plane_y,
        .flux_row = (ptrdiff_t)m->row,
        .ahead = (ptrdiff_t)l->stride[GRID_Y],
    };
    if (!l->flat)
        job.flux[GRID_Y] = m->y + (iy - m->y0 + (size_t)l->radius) * m->row + a->z0;
    slabs_zeta(m, ix, count, iy, &job);
    a->kernels.density.divergence(&job);
    if (a->keep)
        rows_keep(m, ix, count, iy);
    if (m->mode == WAVE_FORWARD)
        ends_run(m, ix, count, iy, a->kernels.density.end_zeta);
}

static void group_step(struct march *m, size_t ix, size_t count)
{
    ptrdiff_t radius = m->a->layout.radius, x = (ptrdiff_t)ix;
    window_extend(m, x - radius, x + (ptrdiff_t)count + radius - 1);
    for (size_t i = 0; i < count && !m->a->layout.flat; i++)
        flux_rows(m, (struct place){GRID_Y, ix + i, 0}, (ptrdiff_t)m->y0 - radius,
                  m->y1 - m->y0 + 2 * (size_t)radius - 1, m->y + i * m->plane_y, m->row);
    for (size_t iy = m->y0; iy < m->y1; iy++)
        row_step(m, ix, count, iy);
}

static void field_stage(struct acoustic *a, enum wave_mode mode, const struct rows *rows)
{
    struct march m = march_begin(a, mode);
    m.x0 = rows->x0;
    m.x1 = rows->x1;
    size_t n = rows->y1 - rows->y0, most = tile_of(&a->layout), tiles = (n + most - 1) / most;
    size_t tile = tiles ? (n + tiles - 1) / tiles : 1;
    for (m.y0 = rows->y0; m.y0 < rows->y1; m.y0 = m.y1) {
        m.y1 = rows->y1 - m.y0 < tile ? rows->y1 : m.y0 + tile;
        m.base = (ptrdiff_t)rows->x0 - a->layout.radius;
        m.end = 0;
        for (size_t ix = rows->x0; ix < rows->x1; ix += KERNELS_GROUP)
            group_step(&m, ix, rows->x1 - ix < KERNELS_GROUP ? rows->x1 - ix : KERNELS_GROUP);
    }
}

void density_stage_run(struct acoustic *a, enum wave_mode mode, int stage,
                       const struct rows *rows)
{
    if (stage == acoustic_stages(a, mode) - 1) {
        field_stage(a, mode, rows);
        return;
    }
    if (a->wave.options.absorb == 0)
        return;
    for (size_t ix = rows->x0; ix < rows->x1; ix++) {
        for (size_t iy = rows->y0; iy < rows->y1; iy++) {
            slab_zeta(a, &(struct place){GRID_X, ix, iy});
            if (!a->layout.flat)
                slab_zeta(a, &(struct place){GRID_Y, ix, iy});
        }
    }
}

/*
 * density.c - one time step of some rows with variable density: fluxes b (D+ u + psi) first, for rows
 * all around, then their divergence.
 *
 * Forward, on each axis:
 *   stage 0   psi  = bh psi + ah D+ u;   flux = b (D+ u + psi)
 *   stage 1   zeta = bi zeta + ai D- flux;   out += V (D- flux + zeta)
 * Transposed (acoustic_stage.c has the names):
 *   stage 0   z = bi z + w
 *   stage 1   e = b D+ (w + ai z);   y = bh y - e;   flux = e - ah y
 *   stage 2   out += V D- flux
 * Along z all of that happens in the last stage, within the row, in scratch. Fluxes beyond the padded
 * grid are zero, above a free surface those below, mirrored: they are even where u is odd.
 */
#include "config.h"

#include <string.h>

#include "worker/seismic/acoustic_private.h"

static void flux_across(struct acoustic *a, enum wave_mode mode, const struct place *p)
{
    struct cpml *cpml = &a->cpml[p->axis];
    bool transposed = mode == WAVE_TRANSPOSED, layers = mode != WAVE_BACKWARD;
    size_t j, i = place_along(p), at = layout_at(&a->layout, p->ix, p->iy);
    int radius = a->layout.radius;
    struct kernel_flux job = {
        .length = a->layout.row,
        .u = a->field[a->newest] + at,
        .stride = (ptrdiff_t)a->layout.stride[p->axis],
        .weights = a->halves[p->axis],
        .transposed = transposed,
        .half_rho = a->half_rho + at,
        .half_rho_next = a->half_rho + at + a->layout.stride[p->axis],
        .flux = a->flux[p->axis] + at,
    };
    int side = cpml_side(cpml, cpml->first_half, i, &j);
    if (side >= 0 && layers) {
        job.psi = slab_row(a, a->psi, p, side, j);
        job.a = &cpml->psi_a[side][j];
        job.b = &cpml->psi_b[side][j];
    }
    if (transposed && cpml->width[0] &&
        (i < cpml->first[0] + (size_t)(cpml->width[0] + radius) ||
         i + (size_t)radius >= cpml->first[1])) {
        job.has_b = true;
        slab_rows(a, a->zeta, cpml->first, cpml->zeta_a, p, (ptrdiff_t)i - radius + 1,
                  2 * radius, a->halves[p->axis], job.row_b, job.weight_b);
    }
    a->kernels.flux(&job);
}

/* Windows and stencils reach less than this beyond the last point of a row. */
#define AROUND 32

size_t density_scratch(const struct layout *layout)
{
    return layout->stride[GRID_Y] + AROUND;
}

/* The fluxes of one end along z, with psi and, transposed, z. Windows are whole vectors; what is beyond
 * the end's own fluxes is dropped, for it may be the other end's. */
static void flux_window(struct acoustic *a, struct kernel_flux job, int side, size_t ix,
                        size_t iy)
{
    struct cpml *cpml = &a->cpml[GRID_Z];
    size_t lo = cpml->lo[side];
    wave_real near[AROUND + CPML_WIDTH_MAX + AROUND], made[CPML_WIDTH_MAX];
    int radius = a->layout.radius;
    if (job.transposed) {
        wave_real *zeta = slab_window(a, a->zeta[GRID_Z], side, ix, iy);
        memset(near, 0, sizeof near);
        for (size_t i = 0; i < a->window; i++) {
            zeta[i] = cpml->window_b[side][i] * zeta[i] + job.u[lo + i];
            near[AROUND + i] = cpml->window_a[side][i] * zeta[i];
        }
        job.has_b = true;
        for (int m = 0; m < 2 * radius; m++) {
            job.row_b[m] = near + AROUND + m - radius + 1;
            job.weight_b[m] = a->halves[GRID_Z][m];
        }
    }
    wave_real *flux = job.flux + lo;
    job.length = a->window;
    job.along = true;
    job.u += lo;
    job.half_rho += lo;
    job.half_rho_next += lo;
    job.flux = made;
    job.a = cpml->half_a[side];
    job.b = cpml->half_b[side];
    job.psi = slab_window(a, a->psi[GRID_Z], side, ix, iy);
    a->kernels.flux(&job);
    memcpy(flux, made, (cpml->hi[side] - lo - 1) * sizeof *made);
}

/* The fluxes along one row, in this thread's scratch. */
static wave_real *flux_along(struct acoustic *a, enum wave_mode mode, size_t ix, size_t iy)
{
    size_t at = layout_at(&a->layout, ix, iy), n = a->layout.n[GRID_Z];
    wave_real *flux = a->scratch + (size_t)a->id * density_scratch(&a->layout) + LAYOUT_MARGIN;
    struct kernel_flux job = {
        .length = a->layout.row,
        .u = a->field[a->newest] + at,
        .stride = 1,
        .weights = a->halves[GRID_Z],
        .transposed = mode == WAVE_TRANSPOSED,
        .half_rho = a->half_rho + at,
        .half_rho_next = a->half_rho + at + 1,
        .flux = flux,
    };
    a->kernels.flux(&job);
    for (int side = 0; side < 2 && mode != WAVE_BACKWARD; side++)
        if (a->cpml[GRID_Z].width[side])
            flux_window(a, job, side, ix, iy);
    for (size_t i = n - 1; i < n + AROUND; i++)
        flux[i] = 0;
    for (int k = 0; k < a->layout.radius; k++)
        flux[-1 - k] = a->wave.options.free_surface ? flux[k] : 0;
    return flux;
}

/* zeta of one row across an axis: out += V zeta. */
static void zeta_across(struct acoustic *a, struct kernel_divergence job, const struct place *p)
{
    struct cpml *cpml = &a->cpml[p->axis];
    size_t j;
    int side = cpml_side(cpml, cpml->first, place_along(p), &j);
    if (side < 0)
        return;
    job.axes = 1;
    job.flux[0] = a->flux[p->axis] + layout_at(&a->layout, p->ix, p->iy);
    job.stride[0] = (ptrdiff_t)a->layout.stride[p->axis];
    job.weights[0] = a->halves[p->axis];
    job.memory = slab_row(a, a->zeta, p, side, j);
    job.a = &cpml->zeta_a[side][j];
    job.b = &cpml->zeta_b[side][j];
    a->kernels.divergence(&job);
}

static void zeta_along(struct acoustic *a, struct kernel_divergence job, const wave_real *flux,
                       int side, const struct place *p)
{
    struct cpml *cpml = &a->cpml[GRID_Z];
    size_t lo = cpml->lo[side];
    job.length = a->window;
    job.axes = 1;
    job.flux[0] = flux + lo;
    job.stride[0] = 1;
    job.weights[0] = a->halves[GRID_Z];
    job.v += lo;
    job.out += lo;
    job.along = true;
    job.memory = slab_window(a, a->zeta[GRID_Z], side, p->ix, p->iy);
    job.a = cpml->window_a[side];
    job.b = cpml->window_b[side];
    a->kernels.divergence(&job);
}

static void field_row(struct acoustic *a, enum wave_mode mode, size_t ix, size_t iy)
{
    size_t at = layout_at(&a->layout, ix, iy);
    const wave_real *along = flux_along(a, mode, ix, iy);
    struct kernel_divergence job = {
        .length = a->layout.row,
        .out = a->field[!a->newest] + at,
        .u = a->field[a->newest] + at,
        .v = a->v + at,
        .flux = {along},
        .stride = {1},
        .weights = {a->halves[GRID_Z]},
        .axes = 1,
    };
    for (int axis = GRID_X; axis <= (a->layout.flat ? GRID_X : GRID_Y); axis++) {
        job.flux[job.axes] = a->flux[axis] + at;
        job.stride[job.axes] = (ptrdiff_t)a->layout.stride[axis];
        job.weights[job.axes++] = a->halves[axis];
    }
    a->kernels.divergence(&job);
    if (mode != WAVE_FORWARD)
        return;
    for (int axis = GRID_X; axis <= GRID_Y; axis++)
        zeta_across(a, job, &(struct place){(enum grid_axis)axis, ix, iy});
    for (int side = 0; side < 2; side++)
        if (a->cpml[GRID_Z].width[side])
            zeta_along(a, job, along, side, &(struct place){GRID_Z, ix, iy});
}

void density_stage_run(struct acoustic *a, enum wave_mode mode, int stage,
                       const struct rows *rows)
{
    bool transposed = mode == WAVE_TRANSPOSED;
    bool last = stage == (transposed ? STAGES_TRANSPOSED : STAGES_FORWARD) - 1;
    for (size_t ix = rows->x0; ix < rows->x1; ix++) {
        for (size_t iy = rows->y0; iy < rows->y1; iy++) {
            if (last)
                field_row(a, mode, ix, iy);
            for (int axis = GRID_X; !last && axis <= (a->layout.flat ? GRID_X : GRID_Y);
                 axis++) {
                struct place p = {(enum grid_axis)axis, ix, iy};
                if (transposed && stage == 0)
                    slab_zeta(a, &p);
                else
                    flux_across(a, mode, &p);
            }
        }
    }
}

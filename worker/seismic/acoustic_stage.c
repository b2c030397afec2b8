/*
 * acoustic_stage.c - one time step of some rows: the bare kernel everywhere, then, in the slabs
 * where they act, the layers' terms added to the same rows while they are in cache.
 *
 * Forward (wave.h), on each axis:
 *   stage 0   psi  = bh psi + ah D+ u
 *   stage 1   zeta = bi zeta + ai (D2 u + D- psi);   out += V (D- psi + zeta)
 * Transposed, with D+^T = -D- and D2^T = D2, in the scaled field w (z, y: new zeta, psi):
 *   stage 0   z = bi z + w
 *   stage 1   y = bh y - D+ (w + ai z)
 *   stage 2   out += V (D2 (ai z) - D- (ah y))
 * Along z all of that happens in stage 1 or 2, within the row. Rows are taken in batches of those
 * whose coefficients are the same.
 */
#include "config.h"

#include <string.h>

#include "worker/seismic/acoustic_private.h"

#define FEW 4 /* planes that are taken together */

static wave_real *memory_x(const struct acoustic *a, wave_real *memory, int side, size_t j,
                           size_t iy)
{
    size_t width = (size_t)a->cpml[GRID_X].width[0];
    return memory + (((size_t)side * width + j) * a->layout.n[GRID_Y] + iy) * a->layout.row;
}

static wave_real *memory_y(const struct acoustic *a, wave_real *memory, int side, size_t j,
                           size_t ix)
{
    size_t width = (size_t)a->cpml[GRID_Y].width[0];
    return memory + ((ix * 2 + (size_t)side) * width + j) * a->layout.row;
}

size_t slab_windows(const struct acoustic *a)
{
    return (a->cpml[GRID_Z].width[0] > 0 ? 2 : 1) * a->window;
}

wave_real *slab_window(const struct acoustic *a, wave_real *memory, int side, size_t ix,
                       size_t iy)
{
    bool both = a->cpml[GRID_Z].width[0] > 0;
    size_t row = ix * a->layout.n[GRID_Y] + iy;
    return memory + row * slab_windows(a) + (both ? (size_t)side * a->window : 0);
}

wave_real *slab_row(const struct acoustic *a, wave_real *memory, const struct place *p,
                    int side, size_t j)
{
    return p->axis == GRID_X ? memory_x(a, memory, side, j, p->iy)
                             : memory_y(a, memory, side, j, p->ix);
}

void slab_rows(const struct acoustic *a, wave_real *memory, const size_t first[2],
               wave_real (*scale)[CPML_WIDTH_MAX], const struct place *p, ptrdiff_t from,
               int count, const wave_real *weights, const wave_real **ret_rows,
               wave_real *ret_weights)
{
    const struct cpml *cpml = &a->cpml[p->axis];
    for (int m = 0; m < count; m++) {
        size_t j;
        ptrdiff_t i = from + m;
        int side = i < 0 ? -1 : cpml_side(cpml, first, (size_t)i, &j);
        wave_real weight = weights ? weights[m] : 1;
        ret_rows[m] = side < 0 ? a->zeros : slab_row(a, memory, p, side, j);
        ret_weights[m] = side < 0 ? 0 : scale ? weight * scale[side][j] : weight;
    }
}

/* Some rows of a step, side by side across `across` from the place on: strides from one to the
 * next, in fields and in the memory variables of the place's axis. */
struct batch {
    struct place place;
    size_t rows;
    ptrdiff_t field, memory;
};

/* Rows of x's slab are side by side in y, rows of y's in x. */
static struct batch batch_of(const struct acoustic *a, enum grid_axis axis, size_t ix,
                             size_t iy, size_t rows)
{
    const struct layout *l = &a->layout;
    size_t width = (size_t)a->cpml[GRID_Y].width[0];
    return (struct batch){
        .place = {axis, ix, iy},
        .rows = rows,
        .field = (ptrdiff_t)l->stride[axis == GRID_X ? GRID_Y : GRID_X],
        .memory = (ptrdiff_t)(axis == GRID_X ? l->row : 2 * width * l->row),
    };
}

/* As slab_rows, but what has no weight is some row that a batch may go on from. */
static void rows_of_slab(const struct acoustic *a, wave_real *memory, const size_t first[2],
                         wave_real (*scale)[CPML_WIDTH_MAX], const struct place *p,
                         ptrdiff_t from, int count, const wave_real *weights,
                         const wave_real **ret_rows, wave_real *ret_weights)
{
    slab_rows(a, memory, first, scale, p, from, count, weights, ret_rows, ret_weights);
    for (int m = 0; m < count; m++)
        if (ret_rows[m] == a->zeros)
            ret_rows[m] = slab_row(a, memory, p, 0, 0);
}

/* How many batches from `batch` on along its axis, below `end`, have psi: KERNELS_PLACES where so
 * many have, else 1 or 0. */
static size_t psi_places(const struct acoustic *a, const struct batch *batch, size_t end)
{
    const struct cpml *cpml = &a->cpml[batch->place.axis];
    size_t j, i = place_along(&batch->place);
    int side = cpml_side(cpml, cpml->first_half, i, &j);
    if (side < 0)
        return 0;
    size_t last = i + KERNELS_PLACES - 1;
    return last < end && cpml_side(cpml, cpml->first_half, last, &j) == side ? KERNELS_PLACES
                                                                             : 1;
}

/* psi of `places` batches, forward or transposed. */
static void psi_rows(struct acoustic *a, bool transposed, const struct batch *batch,
                     size_t places)
{
    struct place p = batch->place;
    struct cpml *cpml = &a->cpml[p.axis];
    size_t i = place_along(&p), j = 0;
    int half = a->layout.half;
    struct kernel_memory job; /* large: what is not read is not set */
    job.length = a->layout.row;
    job.rows = batch->rows;
    job.places = places;
    job.u = acoustic_source(a, p.axis) + layout_at(&a->layout, p.ix, p.iy);
    job.halves = a->halves[p.axis];
    job.stride = (ptrdiff_t)a->layout.stride[p.axis];
    job.step_memory = batch->memory;
    job.step_field = batch->field;
    job.has_z = transposed;
    for (size_t k = 0; k < places; k++) {
        int side = cpml_side(cpml, cpml->first_half, i + k, &j);
        job.memory[k] = slab_row(a, a->psi[p.axis], &p, side, j);
        job.a[k] = transposed ? -1 : cpml->psi_a[side][j];
        job.b[k] = cpml->psi_b[side][j];
        if (transposed)
            rows_of_slab(a, a->zeta[p.axis], cpml->first, cpml->zeta_a, &p,
                         (ptrdiff_t)(i + k) - half + 1, 2 * half, a->halves[p.axis], job.z + k,
                         job.z_weights[k]);
    }
    a->kernels.memory(&job);
}

/* z of some rows, transposed. */
static void zeta_rows(struct acoustic *a, const struct batch *batch)
{
    const struct place *p = &batch->place;
    struct cpml *cpml = &a->cpml[p->axis];
    size_t j;
    int side = cpml_side(cpml, cpml->first, place_along(p), &j);
    if (side < 0)
        return;
    a->kernels.decay(&(struct kernel_decay){
        .length = a->layout.row,
        .rows = batch->rows,
        .u = acoustic_source(a, p->axis) + layout_at(&a->layout, p->ix, p->iy),
        .b = cpml->zeta_b[side][j],
        .memory = slab_row(a, a->zeta[p->axis], p, side, j),
        .step_memory = batch->memory,
        .step_field = batch->field,
    });
}

void slab_zeta(struct acoustic *a, const struct place *p)
{
    struct batch one = batch_of(a, p->axis, p->ix, p->iy, 1);
    zeta_rows(a, &one);
}

/* Whether slabs, or what reaches out of them, are among [from, end). */
static bool slabs_near(const struct cpml *cpml, size_t from, size_t end, int reach)
{
    size_t r = (size_t)reach;
    return (cpml->width[0] && from < cpml->first[0] + (size_t)cpml->width[0] + r) ||
           (cpml->width[1] && end - 1 + r >= cpml->first[1]);
}

bool slab_touched(const struct cpml *cpml, size_t i, int reach)
{
    return slabs_near(cpml, i, i + 1, reach);
}

/* The layers' terms along z of `rows` rows from (ix, iy) on: of a plane, or in 2-D of as many
 * planes. */
static void ends_add(struct acoustic *a, bool transposed, int side, size_t ix, size_t iy,
                     size_t rows)
{
    struct cpml *cpml = &a->cpml[GRID_Z];
    size_t start = cpml->start[side], at = layout_at(&a->layout, ix, iy);
    struct sink sink = acoustic_sink(a, GRID_Z, at);
    a->kernels.end(&(struct kernel_end){
        .length = cpml->length[side],
        .rows = rows,
        .transposed = transposed,
        .u = a->field[a->newest] + at + start,
        .v = sink.v + start,
        .out = sink.out + start,
        .psi = slab_window(a, a->psi[GRID_Z], side, ix, iy),
        .zeta = slab_window(a, a->zeta[GRID_Z], side, ix, iy),
        .step_memory = (ptrdiff_t)slab_windows(a),
        .step_field = (ptrdiff_t)a->layout.stride[a->layout.flat ? GRID_X : GRID_Y],
        .psi_a = cpml->end_psi_a[side],
        .psi_b = cpml->end_psi_b[side],
        .zeta_a = cpml->end_zeta_a[side],
        .zeta_b = cpml->end_zeta_b[side],
        .halves = a->halves[GRID_Z],
        .taps = a->taps[GRID_Z],
    });
}

/* out += V (D- psi + zeta) of `places` batches, from `batch` on along its axis: 1 or
 * KERNELS_PLACES. */
static void add_forward(struct acoustic *a, const struct batch *batch, size_t places)
{
    const struct place *p = &batch->place;
    struct cpml *cpml = &a->cpml[p->axis];
    size_t at = layout_at(&a->layout, p->ix, p->iy), first = place_along(p), j;
    struct sink sink = acoustic_sink(a, p->axis, at);
    int half = a->layout.half;
    struct kernel_slabs job; /* large: what is not read is not set */
    job.length = a->layout.row;
    job.rows = batch->rows;
    job.places = places;
    job.u = acoustic_source(a, p->axis) + at;
    job.v = sink.v;
    job.out = sink.out;
    job.taps = a->taps[p->axis];
    job.stride = (ptrdiff_t)a->layout.stride[p->axis];
    job.step_memory = batch->memory;
    job.step_field = batch->field;
    for (size_t i = 0; i < places; i++) {
        rows_of_slab(a, a->psi[p->axis], cpml->first_half, NULL, p,
                     (ptrdiff_t)(first + i) - half, 2 * half, a->halves[p->axis], job.psi + i,
                     job.weights[i]);
        int side = cpml_side(cpml, cpml->first, first + i, &j);
        job.zeta[i] = side < 0 ? NULL : slab_row(a, a->zeta[p->axis], p, side, j);
        job.a[i] = side < 0 ? 0 : cpml->zeta_a[side][j];
        job.b[i] = side < 0 ? 0 : cpml->zeta_b[side][j];
    }
    a->kernels.add(&job);
}

/* out += V (D2 (ai z) - D- (ah y)) of `places` batches, from `batch` on along its axis: 1 or
 * KERNELS_PLACES. */
static void add_back(struct acoustic *a, const struct batch *batch, size_t places)
{
    const struct place *p = &batch->place;
    struct cpml *cpml = &a->cpml[p->axis];
    size_t at = layout_at(&a->layout, p->ix, p->iy);
    struct sink sink = acoustic_sink(a, p->axis, at);
    int radius = a->layout.radius, half = a->layout.half, count = (int)places;
    ptrdiff_t i = (ptrdiff_t)place_along(p);
    struct kernel_slabs_back job; /* large: what is not read is not set */
    job.length = a->layout.row;
    job.rows = batch->rows;
    job.places = places;
    job.v = sink.v;
    job.out = sink.out;
    job.halves = a->halves[p->axis];
    job.taps = a->taps[p->axis];
    job.stride = (ptrdiff_t)a->layout.stride[p->axis];
    job.step_memory = batch->memory;
    job.step_field = batch->field;
    rows_of_slab(a, a->psi[p->axis], cpml->first_half, cpml->psi_a, p, i - half,
                 count + 2 * half - 1, NULL, job.y, job.y_a);
    rows_of_slab(a, a->zeta[p->axis], cpml->first, cpml->zeta_a, p, i - radius,
                 count + 2 * radius, NULL, job.z, job.z_a);
    a->kernels.add_back(&job);
}

/* How many places from i on, before `end`, are taken together: KERNELS_PLACES where layers touch
 * all of them, 1 where they touch this one, else 0. */
static size_t places_touched(const struct acoustic *a, bool transposed, const struct cpml *cpml,
                             size_t i, size_t end)
{
    int reach = transposed ? a->layout.radius : a->layout.half;
    if (!slab_touched(cpml, i, reach))
        return 0;
    if (a->pair || i + KERNELS_PLACES > end)
        return 1;
    for (size_t k = 1; k < KERNELS_PLACES; k++)
        if (!slab_touched(cpml, i + k, reach))
            return 1;
    return KERNELS_PLACES;
}

/* The terms of the layers across an axis, x or y, of some rows. */
static void axis_add(struct acoustic *a, bool transposed, enum grid_axis axis,
                     const struct rows *rows)
{
    const struct cpml *cpml = &a->cpml[axis];
    bool x = axis == GRID_X;
    size_t from = x ? rows->x0 : rows->y0, end = x ? rows->x1 : rows->y1;
    size_t together = x ? rows->y1 - rows->y0 : rows->x1 - rows->x0;
    if (!slabs_near(cpml, from, end, a->layout.radius))
        return;
    for (size_t i = from, places; i < end; i += places ? places : 1) {
        struct batch batch = batch_of(a, axis, x ? i : rows->x0, x ? rows->y0 : i, together);
        places = places_touched(a, transposed, cpml, i, end);
        if (places > 0 && transposed)
            add_back(a, &batch, places);
        else if (places > 0)
            add_forward(a, &batch, places);
    }
}

/* The layers' terms of some rows, after the bare step: across x, across y, then along z. */
static void layers_add(struct acoustic *a, bool transposed, const struct rows *rows)
{
    axis_add(a, transposed, GRID_X, rows);
    axis_add(a, transposed, GRID_Y, rows);
    size_t planes = a->layout.flat ? 1 : rows->x1 - rows->x0;
    for (size_t i = 0; i < planes; i++)
        for (int side = 0; side < 2; side++)
            if (a->cpml[GRID_Z].width[side] > 0)
                ends_add(a, transposed, side, rows->x0 + i, rows->y0,
                         a->layout.flat ? rows->x1 - rows->x0 : rows->y1 - rows->y0);
}

void slabs_add(struct acoustic *a, bool transposed, size_t ix, size_t y0, size_t y1)
{
    layers_add(a, transposed, &(struct rows){ix, ix + 1, y0, y1});
}

/* What of the first wavefront's planes, fields one after another, is asked for with those at
 * `at`. */
static void soon_find(const struct acoustic *a, size_t at, struct kernel_step *job)
{
    const struct soon *soon = &a->soon;
    const wave_real *fields[] = {a->field[!soon->newest], a->v,
                                 a->field[soon->newest] +
                                     (size_t)a->layout.radius * a->layout.stride[GRID_X]};
    for (int k = 0; k < KERNELS_SOON && soon->offset; k++) {
        int i = soon->first + k;
        if (i < 3 * FEW)
            job->soon[k] = fields[i / FEW] + (ptrdiff_t)at + soon->offset +
                           i % FEW * (ptrdiff_t)a->layout.stride[GRID_X];
    }
}

/* What of a snapshot the next planes of a 2-D wave will be imaged with. */
static void due_find(const struct acoustic *a, size_t ix, size_t planes,
                     struct kernel_step *job)
{
    size_t first = (size_t)a->layout.pad[GRID_X][0], nx = a->wave.grid.n[GRID_X];
    size_t nz = a->wave.grid.n[GRID_Z];
    ix += planes;
    if (!a->due || !a->layout.flat || ix < first || ix + planes > first + nx)
        return;
    job->ask = a->due + (ix - first) * nz;
    job->ask_across = (ptrdiff_t)nz;
}

/* What of the image these planes, all of the medium's grid, add to. */
static void image_find(const struct acoustic *a, size_t ix, size_t iy, struct kernel_step *job)
{
    job->image = acoustic_image_row(a, ix);
    job->other = a->imaged[PAIR_Q] + layout_at(&a->layout, ix, iy) + a->z0;
    job->image_across = (ptrdiff_t)a->wave.image_row;
    job->image_scale = acoustic_image_scale(a);
}

static void step_rows(struct acoustic *a, size_t ix, size_t y0, size_t y1, size_t planes)
{
    size_t at = layout_at(&a->layout, ix, y0) + a->z0;
    bool flat = a->layout.flat;
    struct kernel_step job = {
        .out = a->field[!a->newest] + at,
        .u = a->field[a->newest] + at,
        .v = a->v + at,
        .across = (ptrdiff_t)a->layout.stride[flat ? GRID_X : GRID_Y],
        .deep = (ptrdiff_t)a->layout.stride[GRID_X],
        .rows = flat ? planes : y1 - y0,
        .planes = planes,
        .length = a->z1 - a->z0,
        .centre = a->centre,
        .down = a->second[GRID_Z],
        .aside = a->second[flat ? GRID_X : GRID_Y],
        .deepwards = a->second[GRID_X],
    };
    if (a->image)
        image_find(a, ix, y0, &job);
    else if (a->keep) {
        job.sums = acoustic_aside_at(a, 0, 0) + a->z0;
        job.sums_across = acoustic_aside_at(a, flat, !flat) - acoustic_aside_at(a, 0, 0);
        job.sums_deep = acoustic_aside_at(a, 1, 0) - acoustic_aside_at(a, 0, 0);
    }
    soon_find(a, at, &job);
    due_find(a, ix, planes, &job);
    a->kernels.step(&job);
}

void acoustic_mirror(const struct acoustic *a, wave_real *field, const struct rows *rows)
{
    if (!a->wave.options.free_surface)
        return;
    for (size_t ix = rows->x0; ix < rows->x1; ix++) {
        for (size_t iy = rows->y0; iy < rows->y1; iy++) {
            wave_real *row = field + layout_at(&a->layout, ix, iy);
            for (int k = 1; k <= a->layout.radius; k++)
                row[-k] = -row[k];
        }
    }
}

/* How far ahead of a step's own planes and rows memory variables are advanced: forward, psi by its
 * first differences, transposed z by second ones. */
static size_t phase_shift(const struct acoustic *a, enum wave_mode mode, int phase)
{
    return (size_t)(mode == WAVE_TRANSPOSED && phase == 0 ? a->layout.radius : a->layout.half);
}

/* [from, to) of n, moved on by `shift`, but for the ends. */
static void range_shift(size_t *from, size_t *to, size_t n, size_t shift)
{
    if (*from == *to)
        return;
    *from = *from == 0 ? 0 : *from + shift < n ? *from + shift : n;
    *to = *to + shift < n ? *to + shift : n;
}

static void memory_axis(struct acoustic *a, bool zeta, bool transposed, enum grid_axis axis,
                        const struct rows *rows)
{
    size_t nx = rows->x1 - rows->x0, ny = rows->y1 - rows->y0;
    bool x = axis == GRID_X;
    size_t from = x ? rows->x0 : rows->y0, end = x ? rows->x1 : rows->y1;
    if (nx == 0 || ny == 0 || !slabs_near(&a->cpml[axis], from, end, 1))
        return;
    for (size_t i = from, places; i < end; i += places ? places : 1) {
        struct batch batch = batch_of(a, axis, x ? i : rows->x0, x ? rows->y0 : i, x ? ny : nx);
        places = zeta ? 1 : psi_places(a, &batch, end);
        if (zeta)
            zeta_rows(a, &batch);
        else if (places > 0)
            psi_rows(a, transposed, &batch, places);
    }
}

void acoustic_memory_run(struct acoustic *a, enum wave_mode mode, int phase,
                         const struct rows *rows)
{
    bool transposed = mode == WAVE_TRANSPOSED, zeta = transposed && phase == 0;
    size_t shift = phase_shift(a, mode, phase);
    struct rows along_x = *rows, along_y = *rows;
    range_shift(&along_x.x0, &along_x.x1, a->layout.n[GRID_X], shift);
    range_shift(&along_y.y0, &along_y.y1, a->layout.n[GRID_Y], shift);
    if (a->cpml[GRID_X].width[0])
        memory_axis(a, zeta, transposed, GRID_X, &along_x);
    if (a->cpml[GRID_Y].width[0])
        memory_axis(a, zeta, transposed, GRID_Y, &along_y);
}

bool acoustic_memory_cut(const struct acoustic *a, enum wave_mode mode, enum grid_axis axis,
                         size_t border)
{
    const struct cpml *cpml = &a->cpml[axis];
    size_t n = a->layout.n[axis], reach = 2 * (size_t)a->layout.radius;
    if (acoustic_inner_only(mode) || cpml->width[0] + cpml->width[1] == 0 || border == 0 ||
        border >= n)
        return false;
    return border < (size_t)cpml->width[0] + reach ||
           border + reach + (size_t)cpml->width[1] > n;
}

/* Planes are taken a few at a time, so that their slabs are added while they are near; in 3-D, some
 * rows of them: where all planes follow, so many that those of the planes around stay near until
 * they are needed again, else few, so that a row stays near until its layers are added. */
#define FEW_ROWS 8

void acoustic_few_run(struct acoustic *a, enum wave_mode mode, const struct rows *rows,
                      bool ready)
{
    bool slabs = a->wave.options.absorb > 0 && !acoustic_inner_only(mode);
    for (int phase = 0; slabs && !ready && phase < acoustic_phases(mode); phase++)
        acoustic_memory_run(a, mode, phase, rows);
    if (a->pair) {
        pair_stage_run(a, mode, mode == WAVE_TRANSPOSED ? 2 : 1, rows);
        return;
    }
    step_rows(a, rows->x0, rows->y0, rows->y1, rows->x1 - rows->x0);
    if (slabs)
        layers_add(a, mode == WAVE_TRANSPOSED, rows);
}

static size_t few_planes(const struct acoustic *a)
{
    return a->layout.flat ? acoustic_few_flat(a) : FEW;
}

bool acoustic_few_next(const struct acoustic *a, const struct rows *rows, struct rows *few)
{
    size_t tile = rows->x1 - rows->x0 > 2 * FEW ? a->tile : FEW_ROWS;
    size_t planes = few_planes(a);
    if (a->pair) /* has tiles of its own */
        tile = rows->y1 - rows->y0, planes = rows->x1 - rows->x0;
    if (few->x1 < rows->x1) {
        few->x0 = few->x1;
    } else {
        few->x0 = rows->x0;
        few->y0 = few->y1;
    }
    few->x1 = rows->x1 - few->x0 < planes ? rows->x1 : few->x0 + planes;
    few->y1 = rows->y1 - few->y0 < tile ? rows->y1 : few->y0 + tile;
    return few->y0 < few->y1 && few->x0 < few->x1;
}

size_t acoustic_aside_rows(const struct acoustic *a)
{
    size_t tile = acoustic_tile(a);
    return a->layout.flat ? 1 : tile > FEW_ROWS ? tile : FEW_ROWS;
}

size_t acoustic_aside_size(const struct acoustic *a)
{
    size_t rows = few_planes(a) * acoustic_aside_rows(a);
    return a->kind == KIND_ACOUSTIC ? rows * a->layout.stride[GRID_Y] : 0;
}

void acoustic_stage_run(struct acoustic *a, enum wave_mode mode, int stage,
                        const struct rows *rows)
{
    if (a->half_rho)
        density_stage_run(a, mode, stage, rows);
    else
        pair_stage_run(a, mode, stage, rows);
}

/*
 * acoustic_stage.c - one time step of some rows: the bare kernel everywhere, then, in the slabs where
 * they act, the layers' terms added to the same rows while they are in cache.
 *
 * Forward (wave.h), on each axis:
 *   stage 0   psi  = bh psi + ah D+ u
 *   stage 1   zeta = bi zeta + ai (D2 u + D- psi);   out += V (D- psi + zeta)
 * Transposed, with D+^T = -D- and D2^T = D2, in the scaled field w (z, y: new zeta, psi):
 *   stage 0   z = bi z + w
 *   stage 1   y = bh y - D+ (w + ai z)
 *   stage 2   out += V (D2 (ai z) - D- (ah y))
 * Along z all of that happens in stage 1 or 2, within the row.
 */
#include "config.h"

#include <string.h>

#include "worker/seismic/acoustic_private.h"

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

wave_real *slab_window(const struct acoustic *a, wave_real *memory, int side, size_t ix,
                       size_t iy)
{
    bool both = a->cpml[GRID_Z].width[0] > 0;
    size_t row = ix * a->layout.n[GRID_Y] + iy;
    return memory + (both ? row * 2 + (size_t)side : row) * a->window;
}

wave_real *slab_row(const struct acoustic *a, wave_real *const memory[GRID_AXES],
                    const struct place *p, int side, size_t j)
{
    return p->axis == GRID_X ? memory_x(a, memory[GRID_X], side, j, p->iy)
                             : memory_y(a, memory[GRID_Y], side, j, p->ix);
}

void slab_rows(const struct acoustic *a, wave_real *const memory[GRID_AXES],
               const size_t first[2], wave_real (*scale)[CPML_WIDTH_MAX], const struct place *p,
               ptrdiff_t from, int count, const wave_real *weights, const wave_real **ret_rows,
               wave_real *ret_weights)
{
    const struct cpml *cpml = &a->cpml[p->axis];
    for (int m = 0; m < count; m++) {
        size_t j;
        ptrdiff_t i = from + m;
        int side = i < 0 ? -1 : cpml_side(cpml, first, (size_t)i, &j);
        ret_rows[m] = side < 0 ? a->zeros : slab_row(a, memory, p, side, j);
        ret_weights[m] = side < 0 ? 0 : scale ? weights[m] * scale[side][j] : weights[m];
    }
}

static void rows_of_field(const struct acoustic *a, const wave_real *field,
                          const struct place *p, ptrdiff_t from, int count,
                          const wave_real *weights, const wave_real **ret_rows,
                          wave_real *ret_weights)
{
    const wave_real *here = field + layout_at(&a->layout, p->ix, p->iy);
    ptrdiff_t stride = (ptrdiff_t)a->layout.stride[p->axis];
    for (int m = 0; m < count; m++) {
        ret_rows[m] = here + (from + m - (ptrdiff_t)place_along(p)) * stride;
        ret_weights[m] = weights[m];
    }
}

/* psi of one row, forward or transposed. */
static void psi_row(struct acoustic *a, bool transposed, const struct place *p)
{
    static const wave_real minus_one = -1;
    struct cpml *cpml = &a->cpml[p->axis];
    size_t j, i = place_along(p);
    int side = cpml_side(cpml, cpml->first_half, i, &j), half = a->layout.half;
    if (side < 0)
        return;
    struct kernel_slab job; /* large: what is not read is not set */
    job.length = a->layout.row;
    job.memory = slab_row(a, a->psi, p, side, j);
    job.a = transposed ? &minus_one : &cpml->psi_a[side][j];
    job.b = &cpml->psi_b[side][j];
    job.has_b = transposed;
    job.along = false;
    ptrdiff_t from = (ptrdiff_t)i - half + 1;
    rows_of_field(a, acoustic_source(a, p->axis), p, from, 2 * half, a->halves[p->axis],
                  job.row_a, job.weight_a);
    if (transposed)
        slab_rows(a, a->zeta, cpml->first, cpml->zeta_a, p, from, 2 * half, a->halves[p->axis],
                  job.row_b, job.weight_b);
    a->kernels.memory(&job);
}

void slab_zeta(struct acoustic *a, const struct place *p)
{
    struct cpml *cpml = &a->cpml[p->axis];
    size_t j;
    int side = cpml_side(cpml, cpml->first, place_along(p), &j);
    if (side < 0)
        return;
    wave_real *zeta = slab_row(a, a->zeta, p, side, j), b = cpml->zeta_b[side][j];
    const wave_real *w = acoustic_source(a, p->axis) + layout_at(&a->layout, p->ix, p->iy);
    for (size_t iz = 0; iz < a->layout.row; iz++)
        zeta[iz] = b * zeta[iz] + w[iz];
}

bool slab_touched(const struct cpml *cpml, size_t i, int reach)
{
    size_t r = (size_t)reach;
    return (cpml->width[0] && i < cpml->first[0] + (size_t)cpml->width[0] + r) ||
           (cpml->width[1] && i + r >= cpml->first[1]);
}

static void add_begin(const struct acoustic *a, const struct place *p, struct kernel_slab *job)
{
    struct sink sink = acoustic_sink(a, p->axis, layout_at(&a->layout, p->ix, p->iy));
    job->length = a->layout.row;
    job->out = sink.out;
    job->v = sink.v;
    job->memory = NULL;
    job->u = NULL;
    job->has_b = job->along = false;
}

/* out += V (D- psi + zeta) of one row. */
static void add_forward(struct acoustic *a, const struct place *p)
{
    struct cpml *cpml = &a->cpml[p->axis];
    size_t j, i = place_along(p);
    int half = a->layout.half;
    struct kernel_slab job;
    add_begin(a, p, &job);
    slab_rows(a, a->psi, cpml->first_half, NULL, p, (ptrdiff_t)i - half, 2 * half,
              a->halves[p->axis], job.row_a, job.weight_a);
    int side = cpml_side(cpml, cpml->first, i, &j);
    if (side >= 0) {
        job.memory = slab_row(a, a->zeta, p, side, j);
        job.a = &cpml->zeta_a[side][j];
        job.b = &cpml->zeta_b[side][j];
        job.u = acoustic_source(a, p->axis) + layout_at(&a->layout, p->ix, p->iy);
        job.stride = (ptrdiff_t)a->layout.stride[p->axis];
        job.taps = a->taps[p->axis];
    }
    a->kernels.add(&job);
}

/* out += V (D2 (ai z) - D- (ah y)) of one row. */
static void add_transposed(struct acoustic *a, const struct place *p)
{
    struct cpml *cpml = &a->cpml[p->axis];
    ptrdiff_t i = (ptrdiff_t)place_along(p);
    int radius = a->layout.radius, half = a->layout.half;
    struct kernel_slab job;
    add_begin(a, p, &job);
    job.has_b = true;
    slab_rows(a, a->psi, cpml->first_half, cpml->psi_a, p, i - half, 2 * half,
              a->halves[p->axis], job.row_a, job.weight_a);
    for (int m = 0; m < 2 * half; m++)
        job.weight_a[m] = -job.weight_a[m];
    slab_rows(a, a->zeta, cpml->first, cpml->zeta_a, p, i - radius, 2 * radius + 1,
              a->taps[p->axis], job.row_b, job.weight_b);
    a->kernels.add(&job);
}

/* What lies along z in a row's slabs: memory variables with zeros around them. */
#define AROUND 32
struct along {
    wave_real psi[AROUND + CPML_WIDTH_MAX + AROUND];
    wave_real zeta[AROUND + CPML_WIDTH_MAX + AROUND];
};

static void along_rows(const wave_real *base, int count, const wave_real *weights,
                       const wave_real **ret_rows, wave_real *ret_weights)
{
    for (int m = 0; m < count; m++) {
        ret_rows[m] = base + m;
        ret_weights[m] = weights[m];
    }
}

static void along_forward(struct acoustic *a, struct along *s, int side, size_t ix, size_t iy)
{
    struct cpml *cpml = &a->cpml[GRID_Z];
    size_t lo = cpml->lo[side], at = layout_at(&a->layout, ix, iy);
    struct sink sink = acoustic_sink(a, GRID_Z, at);
    a->kernels.end(&(struct kernel_end){
        .length = a->window,
        .shift = (ptrdiff_t)(cpml->first_half[side] - lo),
        .u = a->field[a->newest] + at + lo,
        .v = sink.v + lo,
        .out = sink.out + lo,
        .psi = slab_window(a, a->psi[GRID_Z], side, ix, iy),
        .zeta = slab_window(a, a->zeta[GRID_Z], side, ix, iy),
        .scratch = s->psi + AROUND,
        .psi_a = cpml->psi_a[side],
        .psi_b = cpml->psi_b[side],
        .zeta_a = cpml->window_a[side],
        .zeta_b = cpml->window_b[side],
        .halves = a->halves[GRID_Z],
        .taps = a->taps[GRID_Z],
    });
}

static void along_transposed(struct acoustic *a, struct along *s, int side, size_t ix,
                             size_t iy)
{
    static const wave_real minus_one[CPML_WIDTH_MAX] = {[0 ... CPML_WIDTH_MAX - 1] = -1};
    struct cpml *cpml = &a->cpml[GRID_Z];
    size_t at = layout_at(&a->layout, ix, iy), lo = cpml->lo[side],
           start = cpml->first_half[side];
    const wave_real *w = a->field[a->newest] + at;
    int radius = a->layout.radius, half = a->layout.half, width = cpml->width[side];
    wave_real *psi = slab_window(a, a->psi[GRID_Z], side, ix, iy);
    a->kernels.decay(&(struct kernel_decay){
        .length = a->window,
        .along = true,
        .u = w + lo,
        .a = cpml->window_a[side],
        .b = cpml->window_b[side],
        .memory = slab_window(a, a->zeta[GRID_Z], side, ix, iy),
        .scaled = s->zeta + AROUND,
    });
    struct kernel_slab job = {.length = a->window,
                              .along = true,
                              .has_b = true,
                              .a = minus_one,
                              .b = cpml->psi_b[side],
                              .memory = psi};
    along_rows(w + start - half + 1, 2 * half, a->halves[GRID_Z], job.row_a, job.weight_a);
    along_rows(s->zeta + AROUND + start - lo - (size_t)half + 1, 2 * half, a->halves[GRID_Z],
               job.row_b, job.weight_b);
    a->kernels.memory(&job);
    for (int i = 0; i < width; i++)
        s->psi[AROUND + i] = -cpml->psi_a[side][i] * psi[i];
    along_rows(s->psi + AROUND + lo - start - (size_t)half, 2 * half, a->halves[GRID_Z],
               job.row_a, job.weight_a);
    along_rows(s->zeta + AROUND - radius, 2 * radius + 1, a->taps[GRID_Z], job.row_b,
               job.weight_b);
    job.memory = NULL;
    struct sink sink = acoustic_sink(a, GRID_Z, at);
    job.out = sink.out + lo;
    job.v = sink.v + lo;
    a->kernels.add(&job);
}

void slabs_add(struct acoustic *a, bool transposed, size_t ix, size_t y0, size_t y1)
{
    struct along s = {0};
    int reach = transposed ? a->layout.radius : a->layout.half;
    bool in_x = slab_touched(&a->cpml[GRID_X], ix, reach);
    for (size_t iy = y0; iy < y1; iy++) {
        for (int axis = GRID_X; axis <= GRID_Y; axis++) {
            struct place p = {(enum grid_axis)axis, ix, iy};
            if (axis == GRID_X ? !in_x : !slab_touched(&a->cpml[GRID_Y], iy, reach))
                continue;
            transposed ? add_transposed(a, &p) : add_forward(a, &p);
        }
        for (int side = 0; side < 2; side++) {
            if (a->cpml[GRID_Z].width[side] == 0)
                continue;
            transposed ? along_transposed(a, &s, side, ix, iy)
                       : along_forward(a, &s, side, ix, iy);
        }
    }
}

static void step_rows(struct acoustic *a, size_t ix, size_t y0, size_t y1, size_t planes)
{
    size_t at = layout_at(&a->layout, ix, y0);
    bool flat = a->layout.flat;
    struct kernel_step job = {
        .out = a->field[!a->newest] + at,
        .u = a->field[a->newest] + at,
        .v = a->v + at,
        .across = (ptrdiff_t)a->layout.stride[flat ? GRID_X : GRID_Y],
        .deep = (ptrdiff_t)a->layout.stride[GRID_X],
        .rows = flat ? planes : y1 - y0,
        .planes = planes,
        .length = a->layout.row,
        .centre = a->centre,
        .down = a->second[GRID_Z],
        .aside = a->second[flat ? GRID_X : GRID_Y],
        .deepwards = a->second[GRID_X],
    };
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

/* How far ahead of a step's own planes and rows memory variables are advanced: forward, psi by its first
 * differences, transposed z by second ones. */
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
    const struct cpml *cpml = &a->cpml[axis];
    const size_t *first = zeta ? cpml->first : cpml->first_half;
    size_t j;
    for (size_t ix = rows->x0; ix < rows->x1; ix++) {
        if (axis == GRID_X && cpml_side(cpml, first, ix, &j) < 0)
            continue;
        for (size_t iy = rows->y0; iy < rows->y1; iy++) {
            struct place p = {axis, ix, iy};
            zeta ? slab_zeta(a, &p) : psi_row(a, transposed, &p);
        }
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
    if (mode == WAVE_BACKWARD || cpml->width[0] + cpml->width[1] == 0 || border == 0 ||
        border >= n)
        return false;
    return border < (size_t)cpml->width[0] + reach ||
           border + reach + (size_t)cpml->width[1] > n;
}

/* Planes are taken a few at a time, so that their slabs are added while they are near; in 3-D, some rows
 * of them: where all planes follow, so many that those of the planes around stay near until they are
 * needed again, else few, so that a row stays near until its layers are added. */
#define FEW      4
#define FEW_ROWS 8

static void few_run(struct acoustic *a, enum wave_mode mode, const struct rows *rows,
                    bool ready)
{
    bool slabs = a->wave.options.absorb > 0 && mode != WAVE_BACKWARD;
    for (int phase = 0; slabs && !ready && phase < acoustic_phases(mode); phase++)
        acoustic_memory_run(a, mode, phase, rows);
    step_rows(a, rows->x0, rows->y0, rows->y1, rows->x1 - rows->x0);
    for (size_t ix = rows->x0; slabs && ix < rows->x1; ix++)
        slabs_add(a, mode == WAVE_TRANSPOSED, ix, rows->y0, rows->y1);
}

void acoustic_field_run(struct acoustic *a, enum wave_mode mode, const struct rows *rows,
                        bool ready)
{
    if (a->pair) {
        for (int phase = 0; !ready && phase < acoustic_phases(mode); phase++)
            acoustic_memory_run(a, mode, phase, rows);
        pair_stage_run(a, mode, mode == WAVE_TRANSPOSED ? 2 : 1, rows);
        return;
    }
    size_t tile = rows->x1 - rows->x0 > 2 * FEW ? a->tile : FEW_ROWS;
    struct rows few = *rows;
    for (few.y0 = rows->y0; few.y0 < rows->y1; few.y0 = few.y1) {
        few.y1 = rows->y1 - few.y0 < tile ? rows->y1 : few.y0 + tile;
        for (few.x0 = rows->x0; few.x0 < rows->x1; few.x0 = few.x1) {
            few.x1 = rows->x1 - few.x0 < FEW ? rows->x1 : few.x0 + FEW;
            few_run(a, mode, &few, ready);
        }
    }
}

void acoustic_stage_run(struct acoustic *a, enum wave_mode mode, int stage,
                        const struct rows *rows)
{
    if (a->half_rho)
        density_stage_run(a, mode, stage, rows);
    else
        pair_stage_run(a, mode, stage, rows);
}

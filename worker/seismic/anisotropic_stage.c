/*
 * anisotropic_stage.c - one time step of some rows of an anisotropic wave: y = (Z q, H p) of one
 * row of each of a few planes into scratch (a vector that is loaded for one plane serves those
 * around it), the layers' terms with it, then M y into both fields. With a tilt G is stored between
 * the stages, and n G made of it where it is read: storing n G takes three times as much.
 *
 * VTI: the layers' stages are those of acoustic_stage.c, on p across and on q along z, their terms
 * going to y. TTI (anisotropic.h; all sums over the axes i, f = q and p; D = -D^T, D2 = D2^T, K =
 * K^T as every run's memory variables follow its own order of steps; in slabs only, what has a K):
 *
 *   forward     stage 1   psi_i = K D_i f;   G = n_i (D_i f + psi_i)
 *               stage 2   y_q = D_i n_i G + K D_i n_i G
 *                         y_p = D2_i p + t_i + K (D2_i p + t_i),   t_i = D_i psi_i - D_i n_i G
 *   transposed  stage 0   z_i = K w
 *               stage 1   G = n_i D_i (w + z_i)
 *                         h_i = K n_i G (of q), K (D_i (w + z_i) - n_i G) (of p)
 *               stage 2   y_q = D_i n_i G + D_i h_i
 *                         y_p = D2_i (p + z_i) - D_i n_i G + D_i h_i
 *
 * Before, in layers, stage 0 makes f = g (p - s q + ...) of both fields. Its y is that of p without
 * G, and what M makes of it goes to p alone. Forwards without layers there is no stage 0.
 *
 * psi and z are in a->psi, K D_i n_i G and h in a->zeta, each for q, then for p, then for f.
 */
#include "config.h"

#include <string.h>

#include "worker/seismic/acoustic_private.h"

#define AROUND 32
#define NEAR   (AROUND + CPML_WIDTH_MAX + AROUND)

static const wave_real *newest(const struct acoustic *a, int f)
{
    if (f == PAIR_SLOW)
        return a->pair->slow;
    return f == PAIR_Q ? a->field[a->newest] : a->pair->p[a->newest];
}

/* K t, and what of it goes elsewhere (kernels_media.h). */
static void recur(const struct acoustic *a, struct kernel_recur *job, const wave_real *t)
{
    job->t = t;
    a->kernels.pair.recur(job);
}

static void row_add(wave_real *out, const wave_real *a, size_t n)
{
    EACH_NUMBER
    for (size_t i = 0; i < n; i++)
        out[i] += a[i];
}

static void row_take(wave_real *out, const wave_real *a, size_t n)
{
    EACH_NUMBER
    for (size_t i = 0; i < n; i++)
        out[i] -= a[i];
}

/* A piece of a row in which one axis' layer has something to do: `slab` numbers in the slab, from
 * `start` on, with what drives their memory variables; `reach` numbers from `lo` on that
 * differences of these variables reach. Across, both are the row, slab or not. */
struct piece {
    enum grid_axis axis;
    size_t ix, iy, at; /* of the row */
    int side;          /* -1: outside the slab */
    size_t j, start, slab, lo, reach;
    bool along;
};

static bool piece_across(const struct acoustic *a, enum grid_axis axis, size_t ix, size_t iy,
                         struct piece *ret_piece)
{
    const struct cpml *cpml = &a->cpml[axis];
    size_t i = axis == GRID_X ? ix : iy, row = a->layout.row;
    struct piece piece = {.axis = axis, .ix = ix, .iy = iy, .reach = row};
    if (!slab_touched(cpml, i, a->layout.radius))
        return false;
    piece.at = layout_at(&a->layout, ix, iy);
    piece.side = cpml_side(cpml, cpml->first, i, &piece.j);
    piece.slab = piece.side < 0 ? 0 : row;
    *ret_piece = piece;
    return true;
}

static bool piece_along(const struct acoustic *a, int side, size_t ix, size_t iy,
                        struct piece *ret_piece)
{
    const struct cpml *cpml = &a->cpml[GRID_Z];
    if (cpml->width[side] == 0)
        return false;
    *ret_piece = (struct piece){
        .axis = GRID_Z,
        .ix = ix,
        .iy = iy,
        .at = layout_at(&a->layout, ix, iy),
        .side = side,
        .start = cpml->first[side],
        .slab = (size_t)cpml->width[side],
        .lo = cpml->lo[side],
        .reach = cpml->hi[side] - cpml->lo[side],
        .along = true,
    };
    return true;
}

/* Call DO for each piece of row (ix, iy). */
typedef void (*piece_do)(struct acoustic *a, const struct piece *piece);

static void pieces_each(struct acoustic *a, size_t ix, size_t iy, piece_do act)
{
    struct piece piece;
    for (int axis = GRID_X; axis <= (a->layout.flat ? GRID_X : GRID_Y); axis++)
        if (piece_across(a, (enum grid_axis)axis, ix, iy, &piece))
            act(a, &piece);
    for (int side = 0; side < 2; side++)
        if (piece_along(a, side, ix, iy, &piece))
            act(a, &piece);
}

/* From a piece's memory variables to those of the row that is done after it: they are many streams,
 * of which the processor does not see where they go. */
static size_t memory_ahead(const struct acoustic *a, const struct piece *piece)
{
    return piece->along ? slab_windows(a) : a->layout.row;
}

/* One field's memory variables along an axis. */
static wave_real *memories(const struct acoustic *a, wave_real *const all[GRID_AXES],
                           enum grid_axis axis, int f)
{
    return all[axis] + (size_t)f * (a->memory_size[axis] / PAIR_PARTS);
}

/* K of one field in a piece's slab. */
static struct kernel_recur recursion(const struct acoustic *a, const struct piece *piece,
                                     wave_real *const all[GRID_AXES], int f)
{
    const struct cpml *cpml = &a->cpml[piece->axis];
    wave_real *own = memories(a, all, piece->axis, f);
    struct place place = {piece->axis, piece->ix, piece->iy};
    return (struct kernel_recur){
        .memory = piece->along ? slab_window(a, own, piece->side, piece->ix, piece->iy)
                               : slab_row(a, own, &place, piece->side, piece->j),
        .a = &cpml->zeta_a[piece->side][piece->j],
        .b = &cpml->zeta_b[piece->side][piece->j],
        .length = piece->slab,
        .ahead = memory_ahead(a, piece),
        .along = piece->along,
    };
}

/* out [+]= a difference, by its taps, of a field along the piece's axis, in its slab. */
static void difference_field(const struct acoustic *a, const struct piece *piece,
                             const wave_real *field, const wave_real *taps, bool add,
                             wave_real *out)
{
    a->kernels.pair.difference(&(struct kernel_difference){
        .length = piece->slab,
        .stride = (ptrdiff_t)a->layout.stride[piece->axis],
        .u = field + piece->at + piece->start,
        .weights = taps,
        .add = add,
        .out = out,
    });
}

/* out = D n G along the piece's axis, in its slab. */
static void difference_flux(const struct acoustic *a, const struct piece *piece, int f,
                            wave_real *out)
{
    size_t at = piece->at + piece->start;
    struct kernel_products job = {
        .length = piece->slab,
        .stride = (ptrdiff_t)a->layout.stride[piece->axis],
        .a = a->pair->axis[piece->axis] + at,
        .b = a->pair->slope[f] + at,
        .weights = a->pair->first[piece->axis] + a->layout.radius,
        .out = out,
    };
    a->kernels.pair.products(&job);
}

/* A memory variable's numbers along z, and zeros where vectors of what it reaches go beyond
 * them. */
static void near_fill(wave_real *near, const wave_real *memory, size_t count)
{
    memset(near + AROUND / 2, 0, AROUND / 2 * sizeof *near);
    memcpy(near + AROUND, memory, count * sizeof *near);
    memset(near + AROUND + count, 0, AROUND * sizeof *near);
}

/* Where a difference of a memory variable goes, from `lo` on: out [+]= [times] it. */
struct reach {
    wave_real *out;
    bool add;
    const wave_real *times;
};

static void difference_along(const struct acoustic *a, const struct piece *piece,
                             wave_real *memory, const wave_real *taps, const struct reach *to)
{
    wave_real near[NEAR];
    near_fill(near, slab_window(a, memory, piece->side, piece->ix, piece->iy), piece->slab);
    a->kernels.pair.difference(&(struct kernel_difference){
        .length = piece->reach,
        .stride = 1,
        .u = near + AROUND + piece->lo - piece->start,
        .weights = taps,
        .times = to->times,
        .add = to->add,
        .out = to->out,
    });
}

static void difference_memory(const struct acoustic *a, const struct piece *piece,
                              wave_real *const all[GRID_AXES], int f, const wave_real *taps,
                              const struct reach *to)
{
    wave_real *own = memories(a, all, piece->axis, f);
    if (piece->along) {
        difference_along(a, piece, own, taps, to);
        return;
    }
    int radius = a->layout.radius;
    struct place place = {piece->axis, piece->ix, piece->iy};
    struct kernel_rows job; /* large: what is not read is not set */
    job.length = piece->reach;
    job.times = to->times;
    job.add = to->add;
    job.out = to->out;
    slab_rows(a, own, a->cpml[piece->axis].first, NULL, &place,
              (ptrdiff_t)place_along(&place) - radius, 2 * radius + 1, taps, job.rows,
              job.weights);
    a->kernels.pair.rows(&job);
}

/* Forward, stage 1: psi, and what of G it is. */
static void slope_forward(struct acoustic *a, const struct piece *piece)
{
    size_t from = piece->at + piece->start;
    wave_real *t = pair_row(a, PAIR_SUM);
    for (int f = PAIR_Q; f < PAIR_PARTS && piece->side >= 0; f++) {
        struct kernel_recur psi = recursion(a, piece, a->psi, f);
        if (f != PAIR_SLOW) {
            psi.out = a->pair->slope[f] + from;
            psi.times = a->pair->axis[piece->axis] + from;
        }
        difference_field(a, piece, newest(a, f), a->pair->first[piece->axis], false, t);
        recur(a, &psi, t);
    }
}

/* Transposed, stage 0: z across. */
static void drive_across(struct acoustic *a, const struct piece *piece)
{
    for (int f = PAIR_Q; f < PAIR_PARTS && piece->side >= 0 && !piece->along; f++) {
        struct kernel_recur z = recursion(a, piece, a->psi, f);
        recur(a, &z, newest(a, f) + piece->at);
    }
}

/* Transposed, stage 1: z along, and what of G z is. */
static void slope_transposed(struct acoustic *a, const struct piece *piece)
{
    size_t from = piece->at + piece->lo;
    for (int f = PAIR_Q; f < PAIR_PARTS; f++) {
        if (piece->along) {
            struct kernel_recur z = recursion(a, piece, a->psi, f);
            recur(a, &z, newest(a, f) + piece->at + piece->start);
        }
        if (f == PAIR_SLOW)
            break;
        const struct reach to = {a->pair->slope[f] + from, true,
                                 a->pair->axis[piece->axis] + from};
        difference_memory(a, piece, a->psi, f, a->pair->first[piece->axis], &to);
    }
}

/* Transposed, stage 1, once G is there: h. */
static void bend_transposed(struct acoustic *a, const struct piece *piece)
{
    const wave_real *taps = a->pair->first[piece->axis];
    size_t from = piece->at + piece->start;
    const wave_real *axis = a->pair->axis[piece->axis] + from;
    wave_real *t = pair_row(a, PAIR_SUM);
    for (int f = PAIR_Q; f < PAIR_PARTS && piece->side >= 0; f++) {
        struct kernel_recur h = recursion(a, piece, a->zeta, f);
        const wave_real *slope = f == PAIR_SLOW ? NULL : a->pair->slope[f] + from;
        wave_real *inside = f == PAIR_Q ? t : t + (piece->start - piece->lo);
        if (f != PAIR_Q) {
            difference_memory(a, piece, a->psi, f, taps, &(struct reach){.out = t});
            difference_field(a, piece, newest(a, f), taps, true, inside);
        }
        EACH_NUMBER
        for (size_t i = 0; i < (slope ? piece->slab : 0); i++)
            inside[i] = f == PAIR_Q ? axis[i] * slope[i] : inside[i] - axis[i] * slope[i];
        recur(a, &h, inside);
    }
}

/* Forward, the last stage: what second differences, less n G, give to y of p or f. */
static void second_forward(struct acoustic *a, const struct piece *piece, int f)
{
    wave_real *t = pair_row(a, PAIR_SUM), *more = pair_row(a, PAIR_MORE), *y = pair_y(a, f);
    difference_memory(a, piece, a->psi, f, a->pair->first[piece->axis],
                      &(struct reach){.out = t});
    row_add(y + piece->lo, t, piece->reach);
    if (piece->side < 0)
        return;
    struct kernel_recur of_f = recursion(a, piece, a->zeta, f);
    wave_real *inside = t + (piece->start - piece->lo);
    difference_field(a, piece, newest(a, f), a->taps[piece->axis], true, inside);
    if (f == PAIR_P) {
        difference_flux(a, piece, PAIR_P, more);
        row_take(inside, more, piece->slab);
    }
    of_f.out = y + piece->start;
    recur(a, &of_f, inside);
}

static void field_forward(struct acoustic *a, const struct piece *piece)
{
    wave_real *t = pair_row(a, PAIR_SUM);
    second_forward(a, piece, PAIR_P);
    second_forward(a, piece, PAIR_SLOW);
    if (piece->side < 0)
        return;
    struct kernel_recur of_q = recursion(a, piece, a->zeta, PAIR_Q);
    difference_flux(a, piece, PAIR_Q, t);
    of_q.out = pair_y(a, PAIR_Q) + piece->start;
    recur(a, &of_q, t);
}

/* Transposed, the last stage. */
static void field_transposed(struct acoustic *a, const struct piece *piece)
{
    const wave_real *taps = a->pair->first[piece->axis];
    for (int f = PAIR_Q; f < PAIR_PARTS; f++) {
        const struct reach to = {.out = pair_y(a, f) + piece->lo, .add = true};
        difference_memory(a, piece, a->zeta, f, taps, &to);
        if (f != PAIR_Q)
            difference_memory(a, piece, a->psi, f, a->taps[piece->axis], &to);
    }
}

/* Rows (ix, iy) of `count` planes, that go together. */
struct group {
    size_t ix, iy, count, at;
};

/* G of them. */
static void slope_rows(struct acoustic *a, const struct group *group)
{
    const struct pair *pair = a->pair;
    size_t at = group->at + a->z0;
    struct kernel_tilt job = {
        .length = a->z1 - a->z0,
        .planes = group->count,
        .deep = (ptrdiff_t)a->layout.stride[GRID_X],
        .across = a->layout.flat ? 0 : (ptrdiff_t)a->layout.stride[GRID_Y],
    };
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        if (!pair->axis[axis])
            continue;
        job.axis[axis] = pair->axis[axis] + at;
        job.weights[axis] = pair->first[axis] + a->layout.radius;
    }
    for (int f = PAIR_Q; f < PAIR_FIELDS; f++) {
        job.u[f] = newest(a, f) + at;
        job.out[f] = pair->slope[f] + at;
    }
    a->kernels.pair.tilt(&job);
}

/* Above a free surface n_z G is what it is below; the others are not needed there. */
static void slope_mirror(const struct acoustic *a, size_t at)
{
    for (int f = PAIR_Q; f < PAIR_FIELDS && a->wave.options.free_surface; f++) {
        wave_real *slope = a->pair->slope[f] + at;
        for (size_t k = 1; k <= (size_t)a->layout.radius; k++)
            *(slope - k) = slope[k];
    }
}

static void tilt_rows(struct acoustic *a, enum wave_mode mode, const struct group *group)
{
    slope_rows(a, group);
    for (size_t ix = group->ix; ix < group->ix + group->count; ix++) {
        if (mode == WAVE_FORWARD)
            pieces_each(a, ix, group->iy, slope_forward);
        else if (mode == WAVE_TRANSPOSED)
            pieces_each(a, ix, group->iy, slope_transposed);
        slope_mirror(a, layout_at(&a->layout, ix, group->iy));
        if (mode == WAVE_TRANSPOSED)
            pieces_each(a, ix, group->iy, bend_transposed);
    }
}

/* y of the rows. */
static void upright_rows(struct acoustic *a, const struct group *group)
{
    int middle = a->layout.radius;
    size_t at = group->at + a->z0;
    struct kernel_upright job = {
        .length = a->z1 - a->z0,
        .planes = group->count,
        .deep = (ptrdiff_t)a->layout.stride[GRID_X],
        .across = a->layout.flat ? 0 : (ptrdiff_t)a->layout.stride[GRID_Y],
        .apart = PAIR_FIELDS * (ptrdiff_t)a->layout.stride[GRID_Y],
        .q = newest(a, PAIR_Q) + at,
        .p = newest(a, PAIR_P) + at,
        .weights = {a->second[GRID_X], a->second[GRID_Y], a->second[GRID_Z]},
        .along_centre = a->taps[GRID_Z][middle],
        .across_centre = a->taps[GRID_X][middle] + a->taps[GRID_Y][middle],
        .out = {pair_row(a, PAIR_Q) + a->z0, pair_row(a, PAIR_P) + a->z0},
    };
    a->kernels.pair.upright(&job);
}

static void spread_rows(struct acoustic *a, const struct group *group)
{
    const struct pair *pair = a->pair;
    size_t at = group->at + a->z0;
    struct kernel_spread job = {
        .length = a->z1 - a->z0,
        .planes = group->count,
        .deep = (ptrdiff_t)a->layout.stride[GRID_X],
        .across = a->layout.flat ? 0 : (ptrdiff_t)a->layout.stride[GRID_Y],
        .apart = PAIR_FIELDS * (ptrdiff_t)a->layout.stride[GRID_Y],
        .p = newest(a, PAIR_P) + at,
        .centre = a->centre,
        .slope = {pair->slope[PAIR_Q] + at, pair->slope[PAIR_P] + at},
        .out = {pair_row(a, PAIR_Q) + a->z0, pair_row(a, PAIR_P) + a->z0},
    };
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        if (!pair->axis[axis])
            continue;
        job.axis[axis] = pair->axis[axis] + at;
        job.first[axis] = pair->first[axis] + a->layout.radius;
        job.second[axis] = a->second[axis];
    }
    a->kernels.pair.spread(&job);
}

/* Other runs compute the medium's grid alone. */
static bool has_layers(const struct acoustic *a, enum wave_mode mode)
{
    return a->wave.options.absorb > 0 && (mode == WAVE_FORWARD || mode == WAVE_TRANSPOSED);
}

/* What the layers give to y of a row. */
static void layers_give(struct acoustic *a, enum wave_mode mode, size_t ix, size_t iy)
{
    if (!a->pair->tilted)
        slabs_add(a, mode == WAVE_TRANSPOSED, ix, iy, iy + 1);
    else
        pieces_each(a, ix, iy, mode == WAVE_TRANSPOSED ? field_transposed : field_forward);
}

/* Keep y of one row, if it is of the medium's grid. */
static void keep_row(const struct acoustic *a, size_t ix, size_t iy)
{
    const size_t *n = a->wave.grid.n;
    size_t x = ix - (size_t)a->layout.pad[GRID_X][0], y = iy - (size_t)a->layout.pad[GRID_Y][0];
    if (x >= n[GRID_X] || y >= n[GRID_Y])
        return;
    for (int f = PAIR_Q; f < PAIR_FIELDS; f++)
        acoustic_keep_row(
            a, a->keep + (size_t)f * a->wave.points + (x * n[GRID_Y] + y) * n[GRID_Z],
            a->pair->ones, pair_y(a, f) + a->layout.pad[GRID_Z][0]);
}

/* What of the image this row, one of the medium's grid in 2-D, adds to. */
static void image_find(const struct acoustic *a, size_t ix, size_t at, struct kernel_pair *job)
{
    job->image = acoustic_image_row(a, ix);
    job->image_scale = acoustic_image_scale(a);
    for (int f = PAIR_Q; f < PAIR_FIELDS; f++)
        job->other[f] = a->imaged[f] + at;
}

static void field_row(struct acoustic *a, enum wave_mode mode, size_t ix, size_t iy)
{
    struct pair *pair = a->pair;
    size_t at = layout_at(&a->layout, ix, iy) + a->z0;
    bool slow = pair->tilted && has_layers(a, mode);
    if (slow)
        pair_slow_begin(a, ix, iy);
    if (has_layers(a, mode))
        layers_give(a, mode, ix, iy);
    if (a->keep && !a->image)
        keep_row(a, ix, iy);
    struct kernel_pair job = {
        .length = a->z1 - a->z0,
        .out = {a->field[!a->newest] + at, pair->p[!a->newest] + at},
        .u = {newest(a, PAIR_Q) + at, newest(a, PAIR_P) + at},
        .y = {pair_y(a, PAIR_Q) + a->z0, pair_y(a, PAIR_P) + a->z0},
        .m = {a->v + at, pair->cross + at, pair->vp + at},
    };
    if (a->image)
        image_find(a, ix, at, &job);
    a->kernels.pair.step(&job);
    if (slow)
        pair_slow_end(a, ix, iy);
}

static void field_rows(struct acoustic *a, enum wave_mode mode, const struct group *group)
{
    a->pair->tilted ? spread_rows(a, group) : upright_rows(a, group);
    for (a->plane = 0; (size_t)a->plane < group->count; a->plane++)
        field_row(a, mode, group->ix + (size_t)a->plane, group->iy);
}

/* The first of three stages, of one row: f, and, transposed, z across. */
static void ready_row(struct acoustic *a, enum wave_mode mode, size_t ix, size_t iy)
{
    if (a->pair->tilted && has_layers(a, mode))
        pair_slow_make(a, ix, iy);
    if (mode == WAVE_TRANSPOSED)
        pieces_each(a, ix, iy, drive_across);
}

static void group_run(struct acoustic *a, enum wave_mode mode, int stage,
                      const struct group *group)
{
    int stages = acoustic_stages(a, mode);
    if (stage == stages - 1)
        field_rows(a, mode, group);
    else if (stage == 0 && stages > 2)
        for (size_t i = 0; i < group->count; i++)
            ready_row(a, mode, group->ix + i, group->iy);
    else
        tilt_rows(a, mode, group);
}

/* Of the planes that go together, those from ix on. */
static size_t planes_of(const struct rows *rows, size_t ix)
{
    return rows->x1 - ix < KERNELS_GROUP ? rows->x1 - ix : KERNELS_GROUP;
}

void pair_stage_run(struct acoustic *a, enum wave_mode mode, int stage, const struct rows *rows)
{
    size_t tile = a->layout.flat ? 1 : a->tile;
    for (size_t y0 = rows->y0; y0 < rows->y1; y0 += tile) {
        size_t y1 = rows->y1 - y0 < tile ? rows->y1 : y0 + tile;
        for (size_t ix = rows->x0; ix < rows->x1; ix += KERNELS_GROUP) {
            for (size_t iy = y0; iy < y1; iy++) {
                struct group group = {ix, iy, planes_of(rows, ix),
                                      layout_at(&a->layout, ix, iy)};
                group_run(a, mode, stage, &group);
            }
        }
    }
}

/* acoustic_shell.c - the points around the medium's grid that its stencils reach: what a run
 * backwards in time cannot compute, and is told instead. */
#include "config.h"

#include <string.h>

#include "worker/seismic/acoustic_private.h"

/* A box of rows, in points of the padded grid. */
struct box {
    size_t first[GRID_AXES], n[GRID_AXES];
};

#define BOXES 6

/* Numbers of a shell that are asked for before they are wanted: of a face, rows are read a few at a
 * time, with a step between. */
#define AHEAD (256 / sizeof(wave_real))

/* The points of one axis that a step of the medium's grid reads beyond it. */
static size_t reach_of(const struct acoustic *a, int axis, int side)
{
    return (size_t)layout_reach(&a->layout, axis, side, a->reach);
}

/* The faces' boxes, which share no point; empty where there is no layer. */
static void boxes_find(const struct acoustic *a, struct box boxes[BOXES])
{
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        for (int side = 0; side < 2; side++) {
            struct box *box = &boxes[2 * axis + side];
            for (int other = GRID_X; other < GRID_AXES; other++) {
                box->first[other] = (size_t)a->layout.pad[other][0];
                box->n[other] = a->wave.grid.n[other];
            }
            size_t reach = reach_of(a, axis, side);
            box->first[axis] += side ? a->wave.grid.n[axis] : 0 - reach;
            box->n[axis] = reach;
        }
    }
}

static size_t box_size(const struct box *box)
{
    return box->n[GRID_X] * box->n[GRID_Y] * box->n[GRID_Z];
}

/* Which of them a step of the medium's grid reads of a field: without a tilt q is differenced along
 * z alone, p across alone. */
static bool box_read(const struct acoustic *a, int f, int box)
{
    return a->kind != KIND_VTI || (box / 2 == GRID_Z) == (f == PAIR_Q);
}

/* A shell is of the fields, one after another, and with a tilt of their slopes: with these a step
 * reads no field further than a difference reaches, nor any at edges, which is less than fields
 * two differences deep. */
static int fields_all(const struct acoustic *a)
{
    return (int)acoustic_parts(a->kind);
}

static int parts_all(const struct acoustic *a)
{
    return fields_all(a) + (a->kind == KIND_TTI ? PAIR_FIELDS : 0);
}

size_t acoustic_shell_size(const struct acoustic *a)
{
    struct box boxes[BOXES];
    boxes_find(a, boxes);
    size_t size = 0;
    for (int f = 0; f < parts_all(a); f++)
        for (int i = 0; i < BOXES; i++)
            size += box_read(a, f, i) ? box_size(&boxes[i]) : 0;
    return size;
}

/* Above a free surface a row that was told is mirrored; tilted stencils read it there. */
static void row_mirror(const struct acoustic *a, const struct box *box, wave_real *row)
{
    if (!a->wave.options.free_surface || box->first[GRID_Z] > 0)
        return;
    for (int k = 1; k <= a->layout.radius && (size_t)k < box->n[GRID_Z]; k++)
        *(row - k) = -row[k];
}

/* One row of a box; most have as many numbers as a stencil's reach, of which a call costs more. */
static inline void row_copy(wave_real *to, const wave_real *from, size_t n)
{
    if (n == 4) /* order 8 */
        memcpy(to, from, 4 * sizeof *to);
    else if (n > KERNELS_RADIUS_MAX)
        memcpy(to, from, n * sizeof *to);
    else
        for (size_t i = 0; i < n; i++)
            to[i] = from[i];
}

static size_t later(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t earlier(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* What is copied of one box: out of a field to `to`, or into it; then a free surface may mirror
 * it. */
struct part {
    wave_real *field, *to;
    const wave_real *from;
    bool mirrored;
};

/* What of a box lies in some rows. */
static void box_copy(const struct acoustic *a, const struct part *part, const struct box *box,
                     const struct rows *rows)
{
    wave_real *to = part->to;
    const wave_real *from = part->from;
    size_t x0 = later(rows->x0, box->first[GRID_X]), y0 = later(rows->y0, box->first[GRID_Y]);
    size_t x1 = earlier(rows->x1, box->first[GRID_X] + box->n[GRID_X]);
    size_t y1 = earlier(rows->y1, box->first[GRID_Y] + box->n[GRID_Y]);
    size_t n = box->n[GRID_Z];
    for (size_t ix = x0; n && ix < x1; ix++) {
        for (size_t iy = y0; iy < y1; iy++) {
            wave_real *row = part->field + layout_at(&a->layout, ix, iy) + box->first[GRID_Z];
            size_t at = (ix - box->first[GRID_X]) * box->n[GRID_Y] + iy - box->first[GRID_Y];
            if (to) {
                row_copy(to + at * n, row, n);
                continue;
            }
            __builtin_prefetch(from + at * n + AHEAD, 0, 3);
            row_copy(row, from + at * n, n);
            if (part->mirrored)
                row_mirror(a, box, row);
        }
    }
}

/* Parts [first, end) of a shell. */
static void shell_copy(const struct acoustic *a, wave_real *to, const wave_real *from,
                       const struct rows *rows, int first, int end)
{
    struct box boxes[BOXES];
    size_t at = 0;
    boxes_find(a, boxes);
    for (int f = 0; f < end; f++) {
        bool slope = f >= fields_all(a);
        struct part part = {.field = slope ? a->pair->slope[f - fields_all(a)]
                                           : acoustic_level(a, 2 * f),
                            .mirrored = !slope};
        for (int i = 0; i < BOXES; i++) {
            if (!box_read(a, f, i))
                continue;
            part.to = to ? to + at : NULL;
            part.from = from ? from + at : NULL;
            if (f >= first)
                box_copy(a, &part, &boxes[i], rows);
            at += box_size(&boxes[i]);
        }
    }
}

void acoustic_shell_save(const struct acoustic *a, wave_real *shell, const struct rows *rows)
{
    shell_copy(a, shell, NULL, rows, 0, fields_all(a));
}

void acoustic_slopes_save(const struct acoustic *a, wave_real *shell, const struct rows *rows)
{
    if (a->kind == KIND_TTI)
        shell_copy(a, shell, NULL, rows, fields_all(a), parts_all(a));
}

void acoustic_slopes_load(const struct acoustic *a, const wave_real *shell,
                          const struct rows *rows)
{
    if (a->kind == KIND_TTI)
        shell_copy(a, NULL, shell, rows, fields_all(a), parts_all(a));
}

/* The rows beyond an end of the medium's grid that those of [from, to) are differenced with, if
 * any: a stencil may reach further than the layer is thick. */
static bool rows_beyond(const struct acoustic *a, enum grid_axis axis, int side, size_t *from,
                        size_t *to)
{
    size_t first = (size_t)a->layout.pad[axis][0], end = first + a->wave.grid.n[axis];
    size_t reach = (size_t)a->reach, there = reach_of(a, axis, side);
    bool near = *from < *to && (side ? *to + reach > end : *from < first + reach);
    *from = side ? end : first - there;
    *to = *from + there;
    return near;
}

void acoustic_shell_load(const struct acoustic *a, const wave_real *shell,
                         const struct rows *rows, bool around)
{
    shell_copy(a, NULL, shell, rows, 0, fields_all(a));
    for (int side = 0; side < 2 && around; side++) {
        struct rows x = *rows, y = *rows;
        if (rows_beyond(a, GRID_X, side, &x.x0, &x.x1))
            shell_copy(a, NULL, shell, &x, 0, fields_all(a));
        if (!a->layout.flat && rows_beyond(a, GRID_Y, side, &y.y0, &y.y1))
            shell_copy(a, NULL, shell, &y, 0, fields_all(a));
    }
}

/* A plane of the medium's grid of the newest fields, and of the older ones. */
static void plane_copy(const struct acoustic *a, size_t ix, char *to, const char *from)
{
    const size_t *n = a->wave.grid.n, bytes = n[GRID_Z] * sizeof(wave_real);
    size_t levels = 2 * acoustic_parts(a->kind), done = levels * ix * n[GRID_Y] * bytes;
    for (int i = 0; i < (int)levels; i++) {
        wave_real *field = acoustic_level(a, i);
        for (size_t iy = 0; iy < n[GRID_Y]; iy++, done += bytes) {
            wave_real *row = field + layout_inner(&a->layout, ix, iy);
            if (to)
                memcpy(to + done, row, bytes);
            else
                memcpy(row, from + done, bytes);
        }
    }
}

/* Planes are divided as in steps of 2-D, where they are copied often. */
static void inner_copy(const struct acoustic *a, char *to, const char *from)
{
    size_t planes = a->wave.grid.n[GRID_X];
#ifdef _OPENMP
#pragma omp parallel for num_threads(a->wave.options.threads) schedule(static)
#endif
    for (size_t ix = 0; ix < planes; ix++)
        plane_copy(a, ix, to, from);
}

void acoustic_inner_save(const struct wave *wave, void *state)
{
    inner_copy((const struct acoustic *)wave, state, NULL);
}

void acoustic_inner_load(struct wave *wave, const void *state)
{
    struct acoustic *a = (struct acoustic *)wave;
    struct rows rows = acoustic_rows_all(a);
    inner_copy(a, NULL, state);
    acoustic_rows_clip(a, &rows, 0);
    for (int i = 0; i < 2 * (int)acoustic_parts(a->kind); i++)
        acoustic_mirror(a, acoustic_level(a, i), &rows);
}

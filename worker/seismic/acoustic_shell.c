/* acoustic_shell.c - the points around the medium's grid that its stencils reach: what a run backwards
 * in time cannot compute, and is told instead. */
#include "config.h"

#include <string.h>

#include "worker/seismic/acoustic_private.h"

/* A box of rows, in points of the padded grid. */
struct box {
    size_t first[GRID_AXES], n[GRID_AXES];
};

#define BOXES 6

/* The points of one axis that a step of the medium's grid reads beyond it. */
static size_t reach_of(const struct acoustic *a, int axis, int side)
{
    int pad = a->layout.pad[axis][side];
    return (size_t)(pad < a->reach ? pad : a->reach);
}

/* The faces' boxes, which share no point; empty where there is no layer. With a tilt, stencils reach
 * edges and corners as well: those of x have them all, those of y what is left. */
static void boxes_find(const struct acoustic *a, struct box boxes[BOXES])
{
    bool tilted = a->kind == KIND_TTI;
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        for (int side = 0; side < 2; side++) {
            struct box *box = &boxes[2 * axis + side];
            for (int other = GRID_X; other < GRID_AXES; other++) {
                bool wide = tilted && other > axis;
                size_t before = wide ? reach_of(a, other, 0) : 0;
                box->first[other] = (size_t)a->layout.pad[other][0] - before;
                box->n[other] =
                    a->wave.grid.n[other] + before + (wide ? reach_of(a, other, 1) : 0);
            }
            size_t reach = reach_of(a, axis, side);
            box->first[axis] = (size_t)a->layout.pad[axis][0];
            box->first[axis] += side ? a->wave.grid.n[axis] : 0 - reach;
            box->n[axis] = reach;
        }
    }
}

static size_t box_size(const struct box *box)
{
    return box->n[GRID_X] * box->n[GRID_Y] * box->n[GRID_Z];
}

size_t acoustic_shell_size(const struct acoustic *a)
{
    struct box boxes[BOXES];
    boxes_find(a, boxes);
    size_t size = 0;
    for (int i = 0; i < BOXES; i++)
        size += box_size(&boxes[i]);
    return acoustic_parts(a->kind) * size;
}

/* Above a free surface a row that was told is mirrored; tilted stencils read it there. */
static void row_mirror(const struct acoustic *a, const struct box *box, wave_real *row)
{
    if (!a->wave.options.free_surface || box->first[GRID_Z] > 0)
        return;
    for (int k = 1; k <= a->layout.radius && (size_t)k < box->n[GRID_Z]; k++)
        *(row - k) = -row[k];
}

/* Copy the thread's share of a box's rows, out of or into a field. */
static void box_copy(const struct acoustic *a, wave_real *field, const struct box *box,
                     wave_real *to, const wave_real *from, int id, int threads)
{
    size_t rows = box->n[GRID_X] * box->n[GRID_Y], n = box->n[GRID_Z];
    size_t end = rows * ((size_t)id + 1) / (size_t)threads;
    for (size_t i = rows * (size_t)id / (size_t)threads; n && i < end; i++) {
        wave_real *row = field +
                         layout_at(&a->layout, box->first[GRID_X] + i / box->n[GRID_Y],
                                   box->first[GRID_Y] + i % box->n[GRID_Y]) +
                         box->first[GRID_Z];
        if (to) {
            memcpy(to + i * n, row, n * sizeof *row);
            continue;
        }
        memcpy(row, from + i * n, n * sizeof *row);
        row_mirror(a, box, row);
    }
}

/* The newest fields, one after another. */
static void shell_copy(const struct acoustic *a, wave_real *to, const wave_real *from, int id,
                       int threads)
{
    struct box boxes[BOXES];
    boxes_find(a, boxes);
    for (int f = 0; f < (int)acoustic_parts(a->kind); f++) {
        wave_real *field = f ? a->pair->p[a->newest] : a->field[a->newest];
        for (int i = 0; i < BOXES; i++) {
            box_copy(a, field, &boxes[i], to, from, id, threads);
            if (to)
                to += box_size(&boxes[i]);
            else
                from += box_size(&boxes[i]);
        }
    }
}

void acoustic_shell_save(const struct acoustic *a, wave_real *shell, int id, int threads)
{
    shell_copy(a, shell, NULL, id, threads);
}

void acoustic_shell_load(const struct acoustic *a, const wave_real *shell, int id, int threads)
{
    shell_copy(a, NULL, shell, id, threads);
}

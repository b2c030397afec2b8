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

/* The faces' boxes; empty where there is no layer. */
static void boxes_find(const struct acoustic *a, struct box boxes[BOXES])
{
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        for (int side = 0; side < 2; side++) {
            struct box *box = &boxes[2 * axis + side];
            int pad = a->layout.pad[axis][side];
            for (int other = GRID_X; other < GRID_AXES; other++) {
                box->first[other] = (size_t)a->layout.pad[other][0];
                box->n[other] = a->wave.grid.n[other];
            }
            box->n[axis] = (size_t)(pad < a->layout.radius ? pad : a->layout.radius);
            if (side)
                box->first[axis] += a->wave.grid.n[axis];
            else
                box->first[axis] -= box->n[axis];
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
    return size;
}

/* Copy the thread's share of a box's rows, out of or into the newest field. */
static void box_copy(const struct acoustic *a, const struct box *box, wave_real *to,
                     const wave_real *from, int id, int threads)
{
    size_t rows = box->n[GRID_X] * box->n[GRID_Y], n = box->n[GRID_Z];
    size_t end = rows * ((size_t)id + 1) / (size_t)threads;
    for (size_t i = rows * (size_t)id / (size_t)threads; n && i < end; i++) {
        wave_real *row = a->field[a->newest] +
                         layout_at(&a->layout, box->first[GRID_X] + i / box->n[GRID_Y],
                                   box->first[GRID_Y] + i % box->n[GRID_Y]) +
                         box->first[GRID_Z];
        if (to)
            memcpy(to + i * n, row, n * sizeof *row);
        else
            memcpy(row, from + i * n, n * sizeof *row);
    }
}

void acoustic_shell_save(const struct acoustic *a, wave_real *shell, int id, int threads)
{
    struct box boxes[BOXES];
    boxes_find(a, boxes);
    for (int i = 0; i < BOXES; shell += box_size(&boxes[i]), i++)
        box_copy(a, &boxes[i], shell, NULL, id, threads);
}

void acoustic_shell_load(const struct acoustic *a, const wave_real *shell, int id, int threads)
{
    struct box boxes[BOXES];
    boxes_find(a, boxes);
    for (int i = 0; i < BOXES; shell += box_size(&boxes[i]), i++)
        box_copy(a, &boxes[i], NULL, shell, id, threads);
}

#include "config.h"

#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/types.h>

#include "worker/seismic/layout.h"
#include "worker/seismic/points.h"

/* A weight of a place, on its way into a strip. */
struct point_cell {
    uint32_t at[GRID_AXES]; /* on the padded grid */
    uint32_t place;
    wave_real weight;
};

static int compare(size_t a, size_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_cells(const void *a, const void *b)
{
    const struct point_cell *p = a, *q = b;
    int order = compare(p->at[GRID_X], q->at[GRID_X]);
    if (!order)
        order = compare(p->at[GRID_Y], q->at[GRID_Y]);
    if (!order)
        order = compare(p->place, q->place);
    return order ? order : compare(p->at[GRID_Z], q->at[GRID_Z]);
}

static int compare_turns(const void *a, const void *b)
{
    const struct point_turn *p = a, *q = b;
    int order = compare(p->place, q->place);
    return order ? order : compare(p->strip, q->strip);
}

/* The cell of a weight on the padded grid; false where the wave is zero. */
static bool cell_find(const struct layout *layout, const struct wave *wave,
                      const struct wave_weight *weight, struct point_cell *ret_cell)
{
    double value = weight->weight;
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        int64_t at = weight->at[axis];
        if (axis == GRID_Z && wave->options.free_surface) {
            if (at == 0)
                return false;
            value = at < 0 ? -value : value;
            at = at < 0 ? -at : at;
        }
        at += layout->pad[axis][0];
        if (at < 0 || (uint64_t)at >= layout->n[axis])
            return false;
        ret_cell->at[axis] = (uint32_t)at;
    }
    ret_cell->weight = (wave_real)value;
    return value != 0;
}

/* Whether a cell is of the same row and place as the one before. */
static bool cell_follows(const struct point_cell *cell)
{
    const struct point_cell *before = cell - 1;
    return cell->at[GRID_X] == before->at[GRID_X] && cell->at[GRID_Y] == before->at[GRID_Y] &&
           cell->place == before->place;
}

/* Make strips of sorted cells. What the free surface mirrors onto another cell of the same place
 * is added to that one. */
static void strips_fill(struct wave_points *points, const struct point_cell *cells,
                        size_t count)
{
    struct point_strip *next = points->strips;
    wave_real *weight = points->weights;
    for (size_t i = 0; i < count; i++) {
        const struct point_cell *cell = &cells[i];
        uint32_t z = cell->at[GRID_Z];
        uint32_t after = i > 0 && cell_follows(cell) ? next[-1].z + next[-1].n : UINT32_MAX;
        if (z + 1 == after) {
            weight[-1] += cell->weight;
            continue;
        }
        if (z != after) {
            *next++ = (struct point_strip){cell->at[GRID_Y], z, 0, cell->place,
                                           (size_t)(weight - points->weights)};
            points->plane[cell->at[GRID_X] + 1]++;
        }
        next[-1].n++;
        *weight++ = cell->weight;
    }
    for (size_t x = 0; x < points->planes; x++)
        points->plane[x + 1] += points->plane[x];
}

static void turns_fill(struct wave_points *points)
{
    for (size_t i = 0; i < points_strips(points); i++)
        points->turns[i] = (struct point_turn){i, points->strips[i].place};
    for (size_t x = 0; x < points->planes; x++)
        qsort(points->turns + points->plane[x], points->plane[x + 1] - points->plane[x],
              sizeof *points->turns, compare_turns);
}

/* Cells of all places' weights: how many, or -1. */
static ssize_t cells_fill(struct point_cell *cells, const struct layout *layout,
                          const struct wave *wave, size_t places, const size_t *first,
                          const struct wave_weight *weights, struct error *ret_error)
{
    size_t count = 0;
    for (size_t place = 0; place < places; place++) {
        for (size_t i = first[place]; i < first[place + 1]; i++) {
            if (!isfinite(weights[i].weight))
                return error_set(ret_error, ERROR_BUG,
                                 "weight %zu of place %zu is not a finite number",
                                 i - first[place], place);
            if (cell_find(layout, wave, &weights[i], &cells[count]))
                cells[count++].place = (uint32_t)place;
        }
    }
    qsort(cells, count, sizeof *cells, compare_cells);
    return (ssize_t)count;
}

struct wave_points *wave_points_create(const struct wave *wave, size_t count,
                                       const size_t *first, const struct wave_weight *weights,
                                       struct error *ret_error)
{
    static atomic_uint_least64_t serials;
    struct layout layout;
    layout_init(&layout, &wave->grid, wave->options.order / 2, wave->options.absorb,
                wave->options.free_surface);
    size_t most = (count ? first[count] - first[0] : 0) + 1;
    struct wave_points *points = calloc(1, sizeof *points);
    struct point_cell *cells = malloc(most * sizeof *cells);
    if (!points || !cells)
        goto memory;
    points->serial = atomic_fetch_add(&serials, 1) + 1;
    points->count = count;
    points->planes = layout.n[GRID_X];
    points->plane = calloc(points->planes + 1, sizeof *points->plane);
    points->strips = calloc(most, sizeof *points->strips);
    points->turns = calloc(most, sizeof *points->turns);
    points->weights = calloc(most, sizeof *points->weights);
    if (!points->plane || !points->strips || !points->turns || !points->weights)
        goto memory;
    ssize_t found = cells_fill(cells, &layout, wave, count, first, weights, ret_error);
    if (found < 0)
        goto failed;
    strips_fill(points, cells, (size_t)found);
    turns_fill(points);
    free(cells);
    return points;
memory:
    error_set(ret_error, ERROR_SYSTEM, "no memory for %zu places of %zu weights", count,
              most - 1);
failed:
    free(cells);
    wave_points_destroy(points);
    return NULL;
}

void wave_points_destroy(struct wave_points *points)
{
    if (!points)
        return;
    free(points->plane);
    free(points->strips);
    free(points->turns);
    free(points->weights);
    free(points);
}

size_t wave_points_count(const struct wave_points *points)
{
    return points->count;
}

size_t points_strips(const struct wave_points *points)
{
    return points->plane[points->planes];
}

size_t points_weights(const struct wave_points *points)
{
    size_t strips = points_strips(points);
    if (strips == 0)
        return 0;
    return points->strips[strips - 1].weight + points->strips[strips - 1].n;
}

size_t points_find_row(const struct wave_points *points, size_t ix, size_t from)
{
    const struct point_strip *strips = points->strips;
    size_t lo = points->plane[ix], hi = points->plane[ix + 1];
    if (lo == hi || strips[lo].y >= from) /* all of them, or none, in 2-D */
        return lo;
    if (strips[hi - 1].y < from)
        return hi;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (strips[middle].y < from)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

#include "config.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "worker/seismic/layout.h"
#include "worker/seismic/points.h"

static int compare(uint32_t a, uint32_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_rows(const void *a, const void *b)
{
    const struct point_cell *p = a, *q = b;
    int order = compare(p->at[GRID_X], q->at[GRID_X]);
    if (!order)
        order = compare(p->at[GRID_Y], q->at[GRID_Y]);
    if (!order)
        order = compare(p->place, q->place);
    return order ? order : compare(p->at[GRID_Z], q->at[GRID_Z]);
}

static int compare_places(const void *a, const void *b)
{
    const struct point_cell *p = a, *q = b;
    int order = compare(p->at[GRID_X], q->at[GRID_X]);
    if (!order)
        order = compare(p->place, q->place);
    return order ? order : compare_rows(a, b);
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

static void planes_count(struct wave_points *points, size_t cells)
{
    for (size_t i = 0; i < cells; i++)
        points->plane[points->rows[i].at[GRID_X] + 1]++;
    for (size_t x = 0; x < points->planes; x++)
        points->plane[x + 1] += points->plane[x];
}

static int cells_fill(struct wave_points *points, const struct layout *layout,
                      const struct wave *wave, const size_t *first,
                      const struct wave_weight *weights, struct error *ret_error)
{
    size_t cells = 0;
    for (size_t place = 0; place < points->count; place++) {
        for (size_t i = first[place]; i < first[place + 1]; i++) {
            struct point_cell cell = {.place = (uint32_t)place};
            if (!isfinite(weights[i].weight))
                return error_set(ret_error, ERROR_BUG,
                                 "weight %zu of place %zu is not a finite number",
                                 i - first[place], place);
            if (!cell_find(layout, wave, &weights[i], &cell))
                continue;
            points->places[cells] = cell;
            points->rows[cells++] = cell;
        }
    }
    qsort(points->rows, cells, sizeof *points->rows, compare_rows);
    qsort(points->places, cells, sizeof *points->places, compare_places);
    planes_count(points, cells);
    return 0;
}

struct wave_points *wave_points_create(const struct wave *wave, size_t count,
                                       const size_t *first, const struct wave_weight *weights,
                                       struct error *ret_error)
{
    static atomic_uint_least64_t serials;
    struct layout layout;
    layout_init(&layout, &wave->grid, wave->options.order / 2, wave->options.absorb,
                wave->options.free_surface);
    size_t cells = count ? first[count] - first[0] : 0;
    struct wave_points *points = calloc(1, sizeof *points);
    if (!points)
        goto memory;
    points->serial = atomic_fetch_add(&serials, 1) + 1;
    points->count = count;
    points->planes = layout.n[GRID_X];
    points->plane = calloc(points->planes + 1, sizeof *points->plane);
    points->rows = calloc(cells + 1, sizeof *points->rows);
    points->places = calloc(cells + 1, sizeof *points->places);
    if (!points->plane || !points->rows || !points->places)
        goto memory;
    if (cells_fill(points, &layout, wave, first, weights, ret_error) < 0) {
        wave_points_destroy(points);
        return NULL;
    }
    return points;
memory:
    wave_points_destroy(points);
    error_set(ret_error, ERROR_SYSTEM, "no memory for %zu places of %zu weights", count, cells);
    return NULL;
}

void wave_points_destroy(struct wave_points *points)
{
    if (!points)
        return;
    free(points->plane);
    free(points->rows);
    free(points->places);
    free(points);
}

size_t wave_points_count(const struct wave_points *points)
{
    return points->count;
}

/* The first of cells [lo, hi), sorted by key, whose key is at least `from`. */
static size_t find(const struct point_cell *cells, size_t lo, size_t hi, size_t from,
                   uint32_t (*key)(const struct point_cell *))
{
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (key(&cells[middle]) < from)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

static uint32_t key_row(const struct point_cell *cell)
{
    return cell->at[GRID_Y];
}

static uint32_t key_place(const struct point_cell *cell)
{
    return cell->place;
}

size_t points_find_row(const struct wave_points *points, size_t ix, size_t from)
{
    return find(points->rows, points->plane[ix], points->plane[ix + 1], from, key_row);
}

size_t points_find_place(const struct wave_points *points, size_t ix, size_t from)
{
    return find(points->places, points->plane[ix], points->plane[ix + 1], from, key_place);
}

#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "worker/seismic/kaiser.h"
#include "worker/seismic/places.h"

/* Weighted grid points under construction. */
struct list {
    struct wave_weight *weights;
    size_t *first;
    size_t count, capacity;
};

/* Along one axis. */
struct line {
    long first;
    size_t count;
    double weights[2 * KAISER_HALF_MAX];
};

static int list_reserve(struct list *list, size_t more)
{
    if (list->capacity - list->count >= more)
        return 0;
    size_t capacity = list->capacity * 2 + more;
    struct wave_weight *grown = realloc(list->weights, capacity * sizeof(*grown));
    if (!grown)
        return -1;
    list->weights = grown;
    list->capacity = capacity;
    return 0;
}

static void line_set(struct line *line, const struct grid *grid, int axis, double at)
{
    if (axis == GRID_Y && grid->dims == 2) {
        *line = (struct line){.count = 1, .weights = {1}};
        return;
    }
    /* What grid_contains lets pass beyond a face is on it. */
    double last = (double)(grid->n[axis] - 1);
    double x = fmin(fmax((at - grid->origin[axis]) / grid->spacing[axis], 0), last);
    line->count = kaiser_weights(x, PLACES_HALF, &line->first, line->weights);
}

/* Append the points of one place, times `weight`. */
static int list_put(struct list *list, const struct grid *grid, const struct point *point,
                    double weight)
{
    const double at[GRID_AXES] = {point->x, point->y, point->z};
    struct line lines[GRID_AXES];
    for (int axis = 0; axis < GRID_AXES; axis++)
        line_set(&lines[axis], grid, axis, at[axis]);
    if (list_reserve(list, lines[0].count * lines[1].count * lines[2].count) < 0)
        return -1;
    for (size_t x = 0; x < lines[GRID_X].count; x++)
        for (size_t y = 0; y < lines[GRID_Y].count; y++)
            for (size_t z = 0; z < lines[GRID_Z].count; z++)
                list->weights[list->count++] = (struct wave_weight){
                    .at = {(int32_t)(lines[GRID_X].first + (long)x),
                           (int32_t)(lines[GRID_Y].first + (long)y),
                           (int32_t)(lines[GRID_Z].first + (long)z)},
                    .weight = weight * lines[GRID_X].weights[x] * lines[GRID_Y].weights[y] *
                              lines[GRID_Z].weights[z],
                };
    return 0;
}

static int check_place(const struct wave *wave, const char *kind, const char *shot, size_t i,
                       const struct point *point, struct error *ret_error)
{
    const struct grid *grid = &wave->grid;
    if (!isfinite(point->x) || !isfinite(point->y) || !isfinite(point->z) ||
        !grid_contains(grid, point))
        return error_set(ret_error, ERROR_CONFIG,
                         "shot %s: %s %zu at (%g, %g, %g) m lies outside the model, which goes "
                         "from (%g, %g, %g) to (%g, %g, %g) m",
                         shot, kind, i + 1, point->x, point->y, point->z, grid->origin[GRID_X],
                         grid->origin[GRID_Y], grid->origin[GRID_Z], grid_end(grid, GRID_X),
                         grid_end(grid, GRID_Y), grid_end(grid, GRID_Z));
    if (wave->options.free_surface && grid_is_top(grid, point))
        return error_set(
            ret_error, ERROR_CONFIG,
            "shot %s: %s %zu at (%g, %g, %g) m lies on the free surface, where "
            "the pressure is zero: put it deeper, or set \"free_surface\" to false",
            shot, kind, i + 1, point->x, point->y, point->z);
    return 0;
}

/* With `together`, all are one place. */
static struct wave_points *create(const struct wave *wave, const char *kind, const char *shot,
                                  const struct point *points, const double *weights,
                                  size_t count, double scale, bool together,
                                  struct error *ret_error)
{
    struct wave_points *made = NULL;
    struct list list = {.first = calloc(count + 1, sizeof(*list.first))};
    if (!list.first)
        goto no_memory;
    for (size_t i = 0; i < count; i++) {
        if (check_place(wave, kind, shot, i, &points[i], ret_error) < 0)
            goto out;
        if (list_put(&list, &wave->grid, &points[i], scale * (weights ? weights[i] : 1)) < 0)
            goto no_memory;
        list.first[together ? 1 : i + 1] = list.count;
    }
    made = wave_points_create(wave, together ? 1 : count, list.first, list.weights, ret_error);
    goto out;
no_memory:
    error_set(ret_error, ERROR_SYSTEM, "no memory for the %ss of shot %s", kind, shot);
out:
    free(list.first);
    free(list.weights);
    return made;
}

struct wave_points *places_of_receivers(const struct wave *wave, const char *shot,
                                        const struct point *points, size_t count,
                                        struct error *ret_error)
{
    return create(wave, "receiver", shot, points, NULL, count, 1, false, ret_error);
}

struct wave_points *places_of_sources(const struct wave *wave, const char *shot,
                                      const struct point *points, const double *weights,
                                      size_t count, struct error *ret_error)
{
    double cell = wave->grid.spacing[GRID_X] * wave->grid.spacing[GRID_Z];
    if (wave->grid.dims == 3)
        cell *= wave->grid.spacing[GRID_Y];
    return create(wave, "source", shot, points, weights, count, 1 / cell, true, ret_error);
}

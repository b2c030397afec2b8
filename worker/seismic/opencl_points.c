/* opencl_points.c - lists of points, sorted for the work items that add to them, on the device. */
#include "config.h"

#include <stdlib.h>

#include "worker/seismic/opencl_private.h"
#include "worker/seismic/points.h"

/* Arrays of one list on their way to the device. */
struct lists {
    cl_int *first, *place;
    cl_int4 *where;
    wave_real *weight;
};

/* A weight of a place at a point of the padded grid. */
struct cell {
    uint32_t at[GRID_AXES], place;
    wave_real weight;
};

static int compare_at(const struct cell *a, const struct cell *b)
{
    for (int axis = GRID_X; axis < GRID_AXES; axis++)
        if (a->at[axis] != b->at[axis])
            return a->at[axis] < b->at[axis] ? -1 : 1;
    return 0;
}

static int compare_place(const struct cell *a, const struct cell *b)
{
    return a->place == b->place ? 0 : a->place < b->place ? -1 : 1;
}

static int compare_inject(const void *a, const void *b)
{
    int order = compare_at(a, b);
    return order ? order : compare_place(a, b);
}

static int compare_sample(const void *a, const void *b)
{
    int order = compare_place(a, b);
    return order ? order : compare_at(a, b);
}

static cl_int4 where_of(const struct cell *cell)
{
    return (cl_int4){
        {(cl_int)cell->at[GRID_X], (cl_int)cell->at[GRID_Y], (cl_int)cell->at[GRID_Z], 0}};
}

static void cells_release(struct opencl_device *device, struct opencl_cells *cells)
{
    opencl_buffer_release(device, cells->first, (cells->count + 1) * sizeof(cl_int));
    opencl_buffer_release(device, cells->where, cells->cells * sizeof(cl_int4));
    opencl_buffer_release(device, cells->place, cells->cells * sizeof(cl_int));
    opencl_buffer_release(device, cells->weight, cells->cells * sizeof(wave_real));
    *cells = (struct opencl_cells){0};
}

static cl_mem upload(struct opencl_device *device, const void *from, size_t bytes)
{
    cl_mem buffer = opencl_buffer_create(device, bytes);
    if (buffer && bytes > 0 &&
        !opencl_good(device,
                     device->cl->EnqueueWriteBuffer(device->queue, buffer, CL_TRUE, 0, bytes,
                                                    from, 0, NULL, NULL),
                     "taking lists of points")) {
        opencl_buffer_release(device, buffer, bytes);
        return NULL;
    }
    return buffer;
}

static bool cells_upload(struct opencl_device *device, struct opencl_cells *cells,
                         const struct lists *lists)
{
    cells->first = upload(device, lists->first, (cells->count + 1) * sizeof(cl_int));
    cells->where = upload(device, lists->where, cells->cells * sizeof(cl_int4));
    cells->place = upload(device, lists->place, cells->cells * sizeof(cl_int));
    cells->weight = upload(device, lists->weight, cells->cells * sizeof(wave_real));
    return cells->first && cells->where && cells->place && cells->weight;
}

/* An item for every grid point, in their order. Returns how many. */
static size_t list_inject(const struct cell *sorted, size_t cells, struct lists *lists)
{
    size_t count = 0;
    for (size_t i = 0; i < cells; i++) {
        if (i == 0 || compare_at(&sorted[i - 1], &sorted[i]) != 0) {
            lists->where[count] = where_of(&sorted[i]);
            lists->first[count++] = (cl_int)i;
        }
        lists->place[i] = (cl_int)sorted[i].place;
        lists->weight[i] = sorted[i].weight;
    }
    lists->first[count] = (cl_int)cells;
    return count;
}

static size_t list_sample(const struct cell *sorted, size_t cells, size_t places,
                          struct lists *lists)
{
    size_t i = 0;
    for (size_t place = 0; place <= places; place++) {
        lists->first[place] = (cl_int)i;
        for (; i < cells && sorted[i].place == place; i++) {
            lists->where[i] = where_of(&sorted[i]);
            lists->weight[i] = sorted[i].weight;
        }
    }
    return places;
}

/* Each point of each strip. */
static void cells_list(const struct wave_points *points, struct cell *cells)
{
    size_t count = 0;
    for (size_t ix = 0; ix < points->planes; ix++)
        for (size_t i = points->plane[ix]; i < points->plane[ix + 1]; i++) {
            const struct point_strip *strip = &points->strips[i];
            for (uint32_t j = 0; j < strip->n; j++)
                cells[count++] = (struct cell){{(uint32_t)ix, strip->y, strip->z + j},
                                               strip->place,
                                               points->weights[strip->weight + j]};
        }
}

static bool cells_make(struct opencl_device *device, const struct wave_points *points,
                       bool inject, struct opencl_cells *cells)
{
    size_t n = points_weights(points);
    size_t items = n > points->count ? n : points->count;
    struct cell *sorted = malloc((n + 1) * sizeof(*sorted));
    struct lists lists = {
        .first = calloc(items + 1, sizeof(*lists.first)),
        .place = calloc(n + 1, sizeof(*lists.place)),
        .where = calloc(n + 1, sizeof(*lists.where)),
        .weight = calloc(n + 1, sizeof(*lists.weight)),
    };
    bool good = sorted && lists.first && lists.place && lists.where && lists.weight;
    if (good) {
        cells_list(points, sorted);
        qsort(sorted, n, sizeof(*sorted), inject ? compare_inject : compare_sample);
        cells->cells = n;
        cells->count = inject ? list_inject(sorted, n, &lists)
                              : list_sample(sorted, n, points->count, &lists);
        good = cells_upload(device, cells, &lists);
    }
    free(sorted);
    free(lists.first);
    free(lists.place);
    free(lists.where);
    free(lists.weight);
    return good;
}

static void points_release(struct opencl_device *device, struct opencl_points *points)
{
    if (points->serial == 0)
        return;
    cells_release(device, &points->inject);
    cells_release(device, &points->sample);
    points->serial = 0;
}

const struct opencl_points *opencl_points_find(struct opencl_wave *wave,
                                               const struct wave_points *points)
{
    for (size_t i = 0; i < OPENCL_POINTS; i++)
        if (wave->points[i].serial == points->serial)
            return &wave->points[i];
    struct opencl_points *made = &wave->points[wave->points_next];
    points_release(wave->device, made);
    made->serial = points->serial;
    if (!cells_make(wave->device, points, true, &made->inject) ||
        !cells_make(wave->device, points, false, &made->sample)) {
        points_release(wave->device, made);
        return NULL;
    }
    wave->points_next = (wave->points_next + 1) % OPENCL_POINTS;
    return made;
}

void opencl_points_clear(struct opencl_wave *wave)
{
    for (size_t i = 0; i < OPENCL_POINTS; i++)
        points_release(wave->device, &wave->points[i]);
}

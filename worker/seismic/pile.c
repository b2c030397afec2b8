#include "config.h"

#include <endian.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/whole.h"
#include "worker/seismic/pile.h"

static size_t box_size(const struct grid_box *box)
{
    return box->n[GRID_X] * box->n[GRID_Y] * box->n[GRID_Z];
}

struct grid_box pile_join(const struct grid_box *a, const struct grid_box *b)
{
    struct grid_box joined = *b;
    if (box_size(a) == 0)
        return joined;
    for (int axis = 0; axis < GRID_AXES; axis++) {
        size_t first = a->first[axis] < b->first[axis] ? a->first[axis] : b->first[axis];
        size_t end_a = a->first[axis] + a->n[axis], end_b = b->first[axis] + b->n[axis];
        joined.first[axis] = first;
        joined.n[axis] = (end_a > end_b ? end_a : end_b) - first;
    }
    return joined;
}

int pile_init(struct pile *pile, const struct grid_box *window, struct error *ret_error)
{
    *pile = (struct pile){.window = *window};
    for (int array = 0; array < PILE_ARRAYS; array++) {
        pile->arrays[array] = calloc(box_size(window) + 1, sizeof(double));
        if (!pile->arrays[array]) {
            pile_fini(pile);
            return error_set(ret_error, ERROR_SYSTEM, "no memory for an image of %zu points",
                             box_size(window));
        }
    }
    return 0;
}

void pile_fini(struct pile *pile)
{
    for (int array = 0; array < PILE_ARRAYS; array++) {
        free(pile->arrays[array]);
        pile->arrays[array] = NULL;
    }
}

void pile_add(struct pile *pile, enum pile_array array, const struct grid_box *box,
              const wave_real *values, double scale)
{
    const struct grid_box *window = &pile->window;
    for (size_t x = 0; x < box->n[GRID_X]; x++)
        for (size_t y = 0; y < box->n[GRID_Y]; y++) {
            size_t column =
                (box->first[GRID_X] + x - window->first[GRID_X]) * window->n[GRID_Y] +
                box->first[GRID_Y] + y - window->first[GRID_Y];
            double *to = pile->arrays[array] + column * window->n[GRID_Z] + box->first[GRID_Z] -
                         window->first[GRID_Z];
            const wave_real *from = values + (x * box->n[GRID_Y] + y) * box->n[GRID_Z];
            for (size_t z = 0; z < box->n[GRID_Z]; z++)
                to[z] += scale * (double)from[z];
        }
}

/* One column of a file's grid; NULL: all zero. */
static int write_column(FILE *stream, const double *values, const struct grid_box *part,
                        size_t count, struct error *ret_error)
{
    for (size_t z = 0; z < count; z++) {
        bool inside =
            values && z >= part->first[GRID_Z] && z < part->first[GRID_Z] + part->n[GRID_Z];
        float value = inside ? (float)values[z - part->first[GRID_Z]] : 0;
        uint32_t bits;
        if (!isfinite(value))
            return error_set(ret_error, ERROR_CONFIG,
                             "an image became %g: the run is not stable, or data or model hold "
                             "values that are far too large",
                             (double)value);
        memcpy(&bits, &value, sizeof(bits));
        bits = htole32(bits);
        fwrite(&bits, sizeof(bits), 1, stream);
    }
    return 0;
}

static int write_all(const struct pile *pile, enum pile_array array, const struct grid *grid,
                     FILE *stream, struct error *ret_error)
{
    struct grid_box part = pile->window;
    size_t n[GRID_AXES];
    for (int axis = 0; axis < GRID_AXES; axis++) {
        n[axis] = grid ? grid->n[axis] : part.n[axis];
        part.first[axis] = grid ? part.first[axis] : 0;
    }
    for (size_t x = 0; x < n[GRID_X]; x++)
        for (size_t y = 0; y < n[GRID_Y]; y++) {
            /* Left of the window these wrap to huge numbers, which are outside, too. */
            size_t i = x - part.first[GRID_X], j = y - part.first[GRID_Y];
            const double *values = NULL;
            if (i < part.n[GRID_X] && j < part.n[GRID_Y])
                values = pile->arrays[array] + (i * part.n[GRID_Y] + j) * part.n[GRID_Z];
            if (write_column(stream, values, &part, n[GRID_Z], ret_error) < 0)
                return -1;
        }
    return 0;
}

int pile_write(const struct pile *pile, enum pile_array array, const struct grid *grid,
               const char *path, struct error *ret_error)
{
    struct whole whole;
    if (whole_open(&whole, path, ret_error) < 0)
        return -1;
    if (write_all(pile, array, grid, whole.stream, ret_error) < 0) {
        whole_abandon(&whole);
        return -1;
    }
    return whole_commit(&whole, ret_error);
}

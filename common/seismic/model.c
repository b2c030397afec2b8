/*
 * Raw and RSF files are the same behind their headers: numbers along three axes in some order. They
 * are read along the file's fastest axis, in pieces as long as the box allows, and put where the
 * box has them.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/seismic/model_private.h"

#define PIECE 65536 /* numbers read at once */

enum model_format model_format_of(const char *path)
{
    static const struct {
        const char *ending;
        enum model_format format;
    } endings[] = {
        {".segy", MODEL_SEGY}, {".sgy", MODEL_SEGY}, {".json", MODEL_RAW}, {".rsf", MODEL_RSF}};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof(endings) / sizeof(*endings); i++) {
        if (strcasecmp(dot, endings[i].ending) == 0)
            return endings[i].format;
    }
    return MODEL_AUTO;
}

char *model_beside(const struct model *model, const char *name)
{
    const char *slash = strrchr(model->path, '/');
    char *path = NULL;
    if (*name == '/' || !slash)
        return strdup(name);
    if (asprintf(&path, "%.*s/%s", (int)(slash - model->path), model->path, name) < 0)
        return NULL;
    return path;
}

int model_grid_check(const struct model *model, struct error *ret_error)
{
    static const char names[] = "xyz";
    const struct grid *grid = &model->grid;
    for (int axis = 0; axis < GRID_AXES; axis++) {
        if (axis == GRID_Y && grid->dims == 2)
            continue;
        if (grid->n[axis] < 2)
            return error_set(ret_error, ERROR_CONFIG,
                             "%s: has %zu points along %c; a model needs 2 at least",
                             model->path, grid->n[axis], names[axis]);
        if (!(grid->spacing[axis] > 0) || !isfinite(grid->spacing[axis]) ||
            !isfinite(grid->origin[axis]))
            return error_set(ret_error, ERROR_CONFIG,
                             "%s: its spacing along %c is %g m, its origin %g m", model->path,
                             names[axis], grid->spacing[axis], grid->origin[axis]);
    }
    if (!grid_size(grid))
        return error_set(ret_error, ERROR_CONFIG, "%s: %zu x %zu x %zu points are too many",
                         model->path, grid->n[GRID_X], grid->n[GRID_Y], grid->n[GRID_Z]);
    return 0;
}

int model_bad_value(const struct model *model, size_t ix, size_t iy, size_t iz, double value,
                    struct error *ret_error)
{
    return error_set(ret_error, ERROR_CONFIG,
                     "%s: the value at index x %zu, y %zu, z %zu (from 0) is %g: not a number, "
                     "infinite or too large for a float",
                     model->path, ix, iy, iz, value);
}

int model_array_open(struct model *model, const char *path, struct error *ret_error)
{
    struct model_array *array = &model->array;
    struct stat status;
    uint64_t size = grid_size(&model->grid) * segy_format_bytes(array->code);
    array->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would wait */
    if (array->fd < 0 || fstat(array->fd, &status) < 0)
        return error_errno(ret_error, errno, "%s: its values in %s cannot be read", model->path,
                           path);
    if (!S_ISREG(status.st_mode))
        return error_set(ret_error, ERROR_CONFIG, "%s: %s is not a regular file", model->path,
                         path);
    if (array->offset > (uint64_t)status.st_size ||
        (uint64_t)status.st_size - array->offset != size)
        return error_set(
            ret_error, ERROR_CONFIG,
            "%s: %zu x %zu x %zu values need %llu bytes from byte %llu on, but %s has "
            "%lld bytes",
            model->path, model->grid.n[GRID_X], model->grid.n[GRID_Y], model->grid.n[GRID_Z],
            (unsigned long long)size, (unsigned long long)array->offset, path,
            (long long)status.st_size);
    return 0;
}

/* pread to the last byte. */
static int pieces_read(int fd, uint8_t *bytes, size_t size, uint64_t offset)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(fd, bytes + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -1;
        done += (size_t)got;
    }
    return 0;
}

/* A box seen in the file's order: extents from slowest to fastest. */
struct walk {
    size_t first[GRID_AXES], n[GRID_AXES]; /* of the box */
    size_t all[GRID_AXES];                 /* of the grid */
    size_t step[GRID_AXES];                /* in the box's own order */
};

static void walk_init(struct walk *walk, const struct model *model, const struct grid_box *box)
{
    const size_t step[GRID_AXES] = {box->n[GRID_Y] * box->n[GRID_Z], box->n[GRID_Z], 1};
    for (int i = 0; i < GRID_AXES; i++) {
        enum grid_axis axis = model->array.axes[i];
        walk->first[i] = box->first[axis];
        walk->n[i] = box->n[axis];
        walk->all[i] = model->grid.n[axis];
        walk->step[i] = step[axis];
    }
}

/* Number `count` values from row (i, j) of the walk on, and column k of it, to their places. */
static void scatter(const struct walk *walk, size_t i, size_t j, size_t k, const float *from,
                    size_t count, float *values)
{
    for (size_t c = 0; c < count; c++) {
        values[i * walk->step[0] + j * walk->step[1] + k * walk->step[2]] = from[c];
        if (++k == walk->n[2]) {
            k = 0;
            j++;
        }
    }
}

static int bad_at(const struct model *model, const struct walk *walk, size_t i, size_t at,
                  double value, struct error *ret_error)
{
    size_t index[GRID_AXES];
    index[model->array.axes[0]] = walk->first[0] + i;
    index[model->array.axes[1]] = walk->first[1] + at / walk->n[2];
    index[model->array.axes[2]] = walk->first[2] + at % walk->n[2];
    return model_bad_value(model, index[GRID_X], index[GRID_Y], index[GRID_Z], value,
                           ret_error);
}

/* `count` numbers at place `at` of the file, as floats. Returns how many were good. */
static int numbers_read(const struct model *model, size_t at, size_t count, uint8_t *bytes,
                        float *numbers, size_t *ret_good, struct error *ret_error)
{
    const struct model_array *array = &model->array;
    size_t size = segy_format_bytes(array->code);
    if (array->text) {
        memcpy(numbers, array->text + at, count * sizeof(*numbers));
        *ret_good = count;
        return 0;
    }
    if (pieces_read(array->fd, bytes, count * size, array->offset + at * size) < 0)
        return error_set(ret_error, ERROR_SYSTEM,
                         "%s: its values cannot be read; was the file cut short?", model->path);
    *ret_good = segy_decode(array->code, array->order, bytes, count, numbers);
    return 0;
}

/* Read columns of the box from place (i, 0) of the walk on: `run` numbers that lie together. */
static int array_read(const struct model *model, const struct walk *walk, uint8_t *bytes,
                      float *numbers, float *values, struct error *ret_error)
{
    bool whole = walk->n[2] == walk->all[2];
    size_t per_slow = walk->n[1] * walk->n[2], run = whole ? per_slow : walk->n[2];
    for (size_t i = 0; i < walk->n[0]; i++) {
        for (size_t at = 0; at < per_slow;) {
            size_t in_run = run - at % run, now = in_run < PIECE ? in_run : PIECE, good = 0;
            size_t j = at / walk->n[2], k = at % walk->n[2];
            size_t place =
                ((walk->first[0] + i) * walk->all[1] + walk->first[1] + j) * walk->all[2] +
                walk->first[2] + k;
            if (numbers_read(model, place, now, bytes, numbers, &good, ret_error) < 0)
                return -1;
            if (good < now)
                return bad_at(model, walk, i, at + good, (double)numbers[good], ret_error);
            scatter(walk, i, j, k, numbers, now, values);
            at += now;
        }
    }
    return 0;
}

int model_read(struct model *model, const struct grid_box *box, float *values,
               struct error *ret_error)
{
    for (int axis = 0; axis < GRID_AXES; axis++) {
        if (!box->n[axis] || box->first[axis] > model->grid.n[axis] ||
            box->n[axis] > model->grid.n[axis] - box->first[axis])
            return error_set(ret_error, ERROR_BUG, "%s: a box outside its grid", model->path);
    }
    if (model->segy)
        return model_read_segy(model, box, values, ret_error);
    struct walk walk;
    walk_init(&walk, model, box);
    uint8_t *bytes = malloc((size_t)PIECE * 8);
    float *numbers = malloc((size_t)PIECE * sizeof(*numbers));
    int status = bytes && numbers
                     ? array_read(model, &walk, bytes, numbers, values, ret_error)
                     : error_set(ret_error, ERROR_SYSTEM, "no memory to read %s", model->path);
    free(numbers);
    free(bytes);
    return status;
}

/* What the user says in place of the file. */
static int options_apply(struct model *model, const struct model_options *options,
                         struct error *ret_error)
{
    struct grid *grid = &model->grid;
    if (options->dims && options->dims != grid->dims)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: is a %d-D model, but spacing_m or origin_m is told for %d-D",
                         model->path, grid->dims, options->dims);
    if (options->has_spacing)
        memcpy(grid->spacing, options->spacing, sizeof(grid->spacing));
    if (options->has_origin)
        memcpy(grid->origin, options->origin, sizeof(grid->origin));
    return model_grid_check(model, ret_error);
}

static int open_any(struct model *model, enum model_format format,
                    const struct model_options *options, struct error *ret_error)
{
    switch (format) {
    case MODEL_SEGY:
        return model_open_segy(model, options, ret_error);
    case MODEL_RAW:
        return model_open_raw(model, ret_error);
    case MODEL_RSF:
        return model_open_rsf(model, ret_error);
    default:
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: its ending says no format (.segy, .sgy, .json or .rsf); give "
                         "\"format\"",
                         model->path);
    }
}

struct model *model_open(const char *path, const struct model_options *options,
                         struct error *ret_error)
{
    struct model *model = calloc(1, sizeof(*model));
    char *copy = strdup(path);
    if (!model || !copy) {
        free(model);
        free(copy);
        error_set(ret_error, ERROR_SYSTEM, "no memory to read %s", path);
        return NULL;
    }
    model->path = copy;
    model->array.fd = -1;
    enum model_format format = options->format ? options->format : model_format_of(path);
    if (open_any(model, format, options, ret_error) < 0 ||
        options_apply(model, options, ret_error) < 0) {
        model_close(model);
        return NULL;
    }
    return model;
}

void model_close(struct model *model)
{
    if (!model)
        return;
    if (model->array.fd >= 0)
        close(model->array.fd);
    free(model->array.text);
    segy_close(model->segy);
    free(model->columns);
    free(model->data_path);
    free(model->units);
    free(model->path);
    free(model);
}

const struct grid *model_grid(const struct model *model)
{
    return &model->grid;
}

const char *model_units(const struct model *model)
{
    return model->units;
}

const char *model_data_path(const struct model *model)
{
    return model->data_path;
}

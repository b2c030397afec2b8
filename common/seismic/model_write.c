#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/json.h"
#include "common/seismic/model_private.h"
#include "common/values.h"
#include "common/whole.h"

static bool machine_is_little(void)
{
    const uint16_t one = 1;
    return *(const uint8_t *)&one == 1;
}

static int text_write(const char *path, struct buf *text, struct error *ret_error)
{
    int status = buf_failed(text)
                     ? error_set(ret_error, ERROR_SYSTEM, "no memory to write %s", path)
                     : whole_write(path, text->data, text->size, ret_error);
    buf_fini(text);
    return status;
}

/* x, z or x, y, z. */
static void triple_put(struct buf *text, const char *key, const struct grid *grid,
                       const double values[GRID_AXES])
{
    buf_printf(text, "  \"%s\": [", key);
    for (int axis = 0; axis < GRID_AXES; axis++) {
        if (axis == GRID_Y && grid->dims == 2)
            continue;
        if (axis)
            buf_append_text(text, ", ");
        json_put_real(text, values[axis]);
    }
    buf_append_text(text, "],\n");
}

static void text_put(struct buf *text, const char *key, const char *value)
{
    if (!value)
        return;
    buf_printf(text, "  \"%s\": ", key);
    json_put_text(text, value, strlen(value));
    buf_append_text(text, ",\n");
}

/* The data file's name beside the header. */
static char *data_name(const char *path, enum model_format format)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    char *data = NULL;
    int size = dot ? (int)(dot - name) : (int)strlen(name);
    int made = format == MODEL_RSF ? asprintf(&data, "%s@", name)
                                   : asprintf(&data, "%.*s.bin", size, name);
    return made < 0 ? NULL : data;
}

static void raw_put(struct buf *text, const struct grid *grid, const char *data,
                    const char *name, const char *units)
{
    const double points[GRID_AXES] = {(double)grid->n[GRID_X], (double)grid->n[GRID_Y],
                                      (double)grid->n[GRID_Z]};
    buf_append_text(text, "{\n");
    text_put(text, "name", name);
    text_put(text, "data", data);
    triple_put(text, "points", grid, points);
    triple_put(text, "spacing_m", grid, grid->spacing);
    triple_put(text, "origin_m", grid, grid->origin);
    text_put(text, "order", grid->dims == 2 ? "xz" : "xyz");
    text_put(text, "units", units);
    text_put(text, "dtype", "float32");
    buf_printf(text, "  \"byte_order\": \"%s\"\n}\n", machine_is_little() ? "little" : "big");
}

static void rsf_put(struct buf *text, const struct grid *grid, const char *data,
                    const char *name, const char *units)
{
    static const enum grid_axis order[] = {GRID_Z, GRID_X, GRID_Y}; /* Madagascar's */
    static const char *const labels[] = {"X", "Y", "Depth"};
    char spacing[VALUE_NUMBER_MAX], origin[VALUE_NUMBER_MAX];
    for (int i = 0; i < grid->dims; i++) {
        enum grid_axis axis = order[i];
        value_format_real(grid->spacing[axis], spacing);
        value_format_real(grid->origin[axis], origin);
        buf_printf(text, "n%d=%zu o%d=%s d%d=%s label%d=\"%s\" unit%d=\"m\"\n", i + 1,
                   grid->n[axis], i + 1, origin, i + 1, spacing, i + 1, labels[axis], i + 1);
    }
    if (name)
        buf_printf(text, "label=\"%s\"\n", name);
    if (units)
        buf_printf(text, "unit=\"%s\"\n", units);
    buf_printf(text, "esize=4 data_format=\"native_float\" in=\"%s\"\n", data);
}

/* RSF has y slowest; ours has x slowest. NULL if that is the same, or without memory
 * (*ret_failed). */
static float *turned(const struct grid *grid, const float *values, bool *ret_failed)
{
    size_t nx = grid->n[GRID_X], ny = grid->n[GRID_Y], nz = grid->n[GRID_Z];
    *ret_failed = false;
    if (grid->dims == 2)
        return NULL;
    float *made = malloc(grid_size(grid) * sizeof(*made));
    *ret_failed = !made;
    for (size_t ix = 0; made && ix < nx; ix++) {
        for (size_t iy = 0; iy < ny; iy++)
            memcpy(made + (iy * nx + ix) * nz, values + (ix * ny + iy) * nz,
                   nz * sizeof(*made));
    }
    return made;
}

static int values_write(const char *path, enum model_format format, const struct grid *grid,
                        const float *values, const char *data, struct error *ret_error)
{
    const char *slash = strrchr(path, '/');
    char *beside = NULL;
    bool failed = false;
    if (asprintf(&beside, "%.*s%s", slash ? (int)(slash - path) + 1 : 0, path, data) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to write %s", path);
    float *other = format == MODEL_RSF ? turned(grid, values, &failed) : NULL;
    int status = failed ? error_set(ret_error, ERROR_SYSTEM, "no memory to write %s", path)
                        : whole_write(beside, other ? other : values,
                                      grid_size(grid) * sizeof(*values), ret_error);
    free(other);
    free(beside);
    return status;
}

int model_write(const char *path, enum model_format format, const struct grid *grid,
                const float *values, const char *name, const char *units,
                struct error *ret_error)
{
    if (format == MODEL_SEGY)
        return model_write_segy(path, grid, values, name, ret_error);
    char *data = data_name(path, format);
    if (!data)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to write %s", path);
    struct buf text;
    buf_init(&text, 1 << 16);
    int status = values_write(path, format, grid, values, data, ret_error);
    if (status == 0) {
        if (format == MODEL_RSF)
            rsf_put(&text, grid, data, name, units);
        else
            raw_put(&text, grid, data, name, units);
        status = text_write(path, &text, ret_error);
    }
    buf_fini(&text);
    free(data);
    return status;
}

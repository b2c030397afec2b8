/*
 * params_grid.c - {"grid": {NAME: [values] or {"from", "to", "count", "scale"}, …}}: every
 * combination; the first name varies slowest, the last fastest.
 *
 * A row number is read as a number in mixed radix, a digit per axis, so nothing is kept per row.
 */
#include "config.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "master/sweep/params.h"
#include "master/sweep/portable.h"

/* Significant digits of the points between a range's ends. An exponential multiplies the relative
 * error by its argument, some tens, so a logarithmic range has two less. */
#define LINEAR_DIGITS 15
#define LOG_DIGITS    13

struct axis {
    uint64_t count;
    struct value *list; /* NULL: a range */
    double from, to;
    bool log, whole; /* whole: all points are whole numbers */
};

struct grid_params {
    struct params base;
    const char **names;
    struct axis *axes;
};

static void grid_close(struct params *params)
{
    struct grid_params *grid = (struct grid_params *)params;

    for (size_t i = 0; i < grid->base.columns; i++)
        free(grid->axes[i].list);
    free(grid->axes);
    free(grid->names);
    free(grid);
}

static int list_open(struct axis *axis, const cJSON *spec, const char *where,
                     struct error *ret_error)
{
    const cJSON *item;
    size_t i = 0;

    axis->count = (uint64_t)cJSON_GetArraySize(spec);
    if (axis->count == 0)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: an empty list makes a grid without tasks", where);
    axis->list = calloc(axis->count, sizeof *axis->list);
    if (!axis->list)
        return error_set(ret_error, ERROR_SYSTEM, "%s: no memory for the list", where);
    cJSON_ArrayForEach(item, spec)
    {
        char place[JSON_PATH_TEXT_MAX + 32];

        snprintf(place, sizeof place, "%s[%zu]", where, i);
        if (params_scalar(item, place, &axis->list[i++], ret_error) < 0)
            return -1;
    }
    return 0;
}

static int range_open(struct axis *axis, const cJSON *spec, const char *where,
                      struct error *ret_error)
{
    const char *scale;
    int64_t count;

    if (!json_need(spec, where, "from", ret_error) ||
        !json_need(spec, where, "to", ret_error) ||
        !json_need(spec, where, "count", ret_error) ||
        json_get_real(spec, where, "from", 0, &axis->from, ret_error) < 0 ||
        json_get_real(spec, where, "to", 0, &axis->to, ret_error) < 0 ||
        json_get_integer(spec, where, "count", 0, &count, ret_error) < 0 ||
        json_get_text(spec, where, "scale", "linear", &scale, ret_error) < 0)
        return -1;
    axis->log = strcmp(scale, "log") == 0;
    if (!axis->log && strcmp(scale, "linear") != 0)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s.scale: expected \"linear\" or \"log\", found \"%s\"", where,
                         scale);
    if (count < 1)
        return error_set(ret_error, ERROR_CONFIG, "%s.count: expected 1 or more", where);
    if (!isfinite(axis->from) || !isfinite(axis->to) || !isfinite(axis->to - axis->from))
        return error_set(ret_error, ERROR_CONFIG, "%s: the range is too large", where);
    if (axis->log && (axis->from <= 0 || axis->to <= 0))
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: a logarithmic range needs \"from\" and \"to\" above 0", where);
    if (count == 1 && axis->from != axis->to)
        return error_set(
            ret_error, ERROR_CONFIG,
            "%s.count: one point cannot be both \"from\" and \"to\"; take 2 or more, "
            "or a list of one value",
            where);
    axis->count = (uint64_t)count;
    axis->whole = !axis->log && json_is_integer(json_member(spec, "from")) &&
                  json_is_integer(json_member(spec, "to")) &&
                  (count == 1 || fmod(axis->to - axis->from, (double)(count - 1)) == 0);
    return 0;
}

static int axis_open(struct axis *axis, const cJSON *spec, struct error *ret_error)
{
    char where[JSON_PATH_TEXT_MAX];
    struct buf path;
    int rc;

    buf_init(&path, sizeof where - 16);
    buf_append_text(&path, "$.work.params.grid");
    json_path_put_key(&path, spec->string);
    snprintf(where, sizeof where, "%s",
             buf_text(&path) ? buf_text(&path) : "$.work.params.grid");
    buf_fini(&path);
    if (cJSON_IsArray(spec))
        rc = list_open(axis, spec, where, ret_error);
    else if (cJSON_IsObject(spec))
        rc = range_open(axis, spec, where, ret_error);
    else
        rc = error_set(
            ret_error, ERROR_CONFIG,
            "%s: expected a list of values or {\"from\", \"to\", \"count\"}, found %s", where,
            json_type_name(spec));
    return rc;
}

static struct params *grid_open(const cJSON *spec, const char *folder, struct error *ret_error)
{
    size_t columns = cJSON_IsObject(spec) ? (size_t)cJSON_GetArraySize(spec) : 0, i = 0;
    struct grid_params *grid = calloc(1, sizeof *grid);
    const cJSON *item;

    (void)folder;
    if (!grid || !(grid->names = calloc(columns + 1, sizeof *grid->names)) ||
        !(grid->axes = calloc(columns + 1, sizeof *grid->axes))) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a grid of parameters");
        goto fail;
    }
    grid->base.columns = columns;
    grid->base.names = grid->names;
    grid->base.rows = 1;
    if (columns == 0) {
        error_set(ret_error, ERROR_CONFIG, "$.work.params.grid: names no parameter");
        goto fail;
    }
    cJSON_ArrayForEach(item, spec)
    {
        grid->names[i] = item->string;
        if (axis_open(&grid->axes[i], item, ret_error) < 0)
            goto fail;
        if (grid->axes[i].count > (uint64_t)(PARAMS_ROWS_MAX / grid->base.rows)) {
            error_set(ret_error, ERROR_CONFIG,
                      "$.work.params.grid: has more than 2^53 combinations");
            goto fail;
        }
        grid->base.rows *= (int64_t)grid->axes[i++].count;
    }
    return &grid->base;
fail:
    if (grid && grid->axes)
        grid_close(&grid->base);
    else if (grid) {
        free(grid->names);
        free(grid);
    }
    return NULL;
}

static struct value axis_value(const struct axis *axis, uint64_t i)
{
    double share, real;

    if (axis->list)
        return axis->list[i];
    share = axis->count > 1 ? (double)i / (double)(axis->count - 1) : 0;
    if (i == 0)
        real = axis->from;
    else if (i == axis->count - 1)
        real = axis->to;
    else if (axis->log)
        real = params_round(portable_exp(portable_log(axis->from) * (1 - share) +
                                         portable_log(axis->to) * share),
                            LOG_DIGITS);
    else
        real = params_round(axis->from * (1 - share) + axis->to * share, LINEAR_DIGITS);
    if (axis->whole) /* from + i * step, in whole numbers: exact */
        return (struct value){
            .kind = VALUE_INTEGER,
            .integer = (int64_t)axis->from +
                       (axis->count > 1 ? (int64_t)i * (int64_t)((axis->to - axis->from) /
                                                                 (double)(axis->count - 1))
                                        : 0)};
    return (struct value){.kind = VALUE_REAL, .real = real};
}

static int grid_read(struct params *params, uint64_t row, struct value *values,
                     struct error *ret_error)
{
    const struct grid_params *grid = (const struct grid_params *)params;

    (void)ret_error;
    for (size_t i = params->columns; i-- > 0; row /= grid->axes[i].count)
        values[i] = axis_value(&grid->axes[i], row % grid->axes[i].count);
    return 0;
}

const struct params_ops params_grid = {
    .kind = "grid",
    .open = grid_open,
    .close = grid_close,
    .read = grid_read,
};

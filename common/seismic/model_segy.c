/*
 * A model in SEG-Y: one pass over the headers tells where each column stands, and the columns must
 * make a grid. Then columns are read as they are wanted.
 */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/seismic/model_private.h"
#include "common/seismic/segy_write.h"

#define REGULAR 0.01 /* of a spacing: how far a column may be from its place */
#define APART_M 1e-3 /* coordinates nearer than that are the same */

typedef unsigned long long ull;

struct column {
    uint64_t offset, number;
    double x, y;
    double inline_number, crossline;
};

struct columns {
    struct column *all;
    size_t count, capacity;
    uint32_t samples;
    double interval; /* microseconds, or millimetres */
    double delay;    /* seconds, or kilometres: of the first samples */
};

/* Pairs of words in which columns may say where they are. */
static const enum segy_word place_words[][2] = {{SEGY_CDP_X, SEGY_CDP_Y},
                                                {SEGY_SOURCE_X, SEGY_SOURCE_Y},
                                                {SEGY_RECEIVER_X, SEGY_RECEIVER_Y}};
#define PLACES (sizeof(place_words) / sizeof(*place_words))

/* The first pair of words that differ between this trace and zero. */
static int place_get(const struct segy *segy, const struct segy_trace *trace,
                     struct column *column, size_t *words, struct error *ret_error)
{
    for (;;) {
        if (segy_length(segy, trace, place_words[*words][0], &column->x, ret_error) < 0 ||
            segy_length(segy, trace, place_words[*words][1], &column->y, ret_error) < 0)
            return -1;
        /* Only the first traces may decide: column 0 may stand at (0, 0). */
        if (column->x != 0 || column->y != 0 || trace->number != 1 || *words + 1 == PLACES)
            return 0;
        ++*words;
    }
}

static int column_add(struct columns *columns, const struct column *column,
                      struct error *ret_error)
{
    if (columns->count == columns->capacity) {
        size_t capacity = columns->capacity ? 2 * columns->capacity : 1024;
        void *grown = reallocarray(columns->all, capacity, sizeof(*columns->all));
        if (!grown)
            return error_set(ret_error, ERROR_SYSTEM, "no memory for the columns of a model");
        columns->all = grown;
        columns->capacity = capacity;
    }
    columns->all[columns->count++] = *column;
    return 0;
}

/* All columns begin at one depth, in the word where traces in time say when. */
static int top_check(const struct segy *segy, const struct segy_trace *trace,
                     struct columns *columns, struct error *ret_error)
{
    double delay;
    if (segy_delay(segy, trace, &delay, ret_error) < 0)
        return -1;
    if (!columns->count)
        columns->delay = delay;
    if (delay == columns->delay)
        return 0;
    return error_set(
        ret_error, ERROR_CONFIG,
        "%s: trace %llu (header at byte %llu) begins at %g where trace 1 begins at "
        "%g (delay recording time, byte 109); columns of a model have one top: say "
        "it with \"headers\": {\"delay\": ...}",
        segy_path(segy), (ull)trace->number + 1, (ull)trace->offset, delay * 1e3,
        columns->delay * 1e3);
}

static int columns_scan(struct segy *segy, struct columns *columns, size_t *words,
                        struct error *ret_error)
{
    struct segy_trace trace;
    int got;
    segy_rewind(segy);
    columns->count = 0;
    while ((got = segy_next(segy, &trace, ret_error)) > 0) {
        struct column column = {.offset = trace.offset,
                                .number = trace.number,
                                .inline_number = segy_word(segy, &trace, SEGY_INLINE),
                                .crossline = segy_word(segy, &trace, SEGY_CROSSLINE)};
        if (!columns->count) {
            columns->samples = trace.samples;
            columns->interval = trace.interval;
        }
        if (trace.samples != columns->samples)
            return error_set(
                ret_error, ERROR_CONFIG,
                "%s: trace %llu (header at byte %llu) has %u samples where trace 1 has "
                "%u; columns of a model have one length",
                segy_path(segy), (ull)trace.number + 1, (ull)trace.offset, trace.samples,
                columns->samples);
        if (place_get(segy, &trace, &column, words, ret_error) < 0 ||
            top_check(segy, &trace, columns, ret_error) < 0 ||
            column_add(columns, &column, ret_error) < 0)
            return -1;
    }
    return got;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Different values among x or y of all columns, sorted. Returns how many (0 without memory). */
static size_t distinct(const struct columns *columns, bool y, double **ret_values)
{
    double *values = malloc(columns->count * sizeof(*values));
    size_t kept = 0;
    for (size_t i = 0; values && i < columns->count; i++)
        values[i] = y ? columns->all[i].y : columns->all[i].x;
    if (values)
        qsort(values, columns->count, sizeof(*values), compare);
    for (size_t i = 0; values && i < columns->count; i++) {
        if (!kept || values[i] - values[kept - 1] > APART_M)
            values[kept++] = values[i];
    }
    *ret_values = values;
    return kept;
}

/* Origin and spacing of sorted values. */
static int axis_fit(const struct model *model, const double *values, size_t count, char name,
                    double *origin, double *spacing, struct error *ret_error)
{
    *origin = values[0];
    *spacing = (values[count - 1] - values[0]) / (double)(count - 1);
    for (size_t i = 0; i < count; i++) {
        double place = values[0] + (double)i * *spacing;
        if (fabs(values[i] - place) > REGULAR * *spacing)
            return error_set(
                ret_error, ERROR_CONFIG,
                "%s: its columns are not regular along %c: one is at %g m, where "
                "%g m was expected (spacing %g m); give \"spacing_m\" if traces are in "
                "order",
                model->path, name, values[i], place, *spacing);
    }
    return 0;
}

/* From coordinates: a grid along X and Y, or a line along one of them. */
static int grid_of_places(struct model *model, struct columns *columns, const double *x,
                          size_t nx, const double *y, size_t ny, struct error *ret_error)
{
    struct grid *grid = &model->grid;
    bool along_y = nx == 1 && ny > 1;
    if (nx == 1 && ny == 1)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: its headers do not say where its columns are; give \"spacing_m\"",
                         model->path);
    if (nx > columns->count / ny || nx * ny != columns->count)
        return error_set(
            ret_error, ERROR_CONFIG,
            "%s: its %zu columns stand at %zu different x and %zu different y: not a "
            "grid along X and Y; give \"spacing_m\" (and \"origin_m\") if they are one "
            "in other directions",
            model->path, columns->count, nx, ny);
    grid->dims = nx > 1 && ny > 1 ? 3 : 2;
    grid->n[GRID_X] = along_y ? ny : nx;
    grid->n[GRID_Y] = grid->dims == 3 ? ny : 1;
    if (axis_fit(model, along_y ? y : x, grid->n[GRID_X], 'x', &grid->origin[GRID_X],
                 &grid->spacing[GRID_X], ret_error) < 0)
        return -1;
    if (grid->dims == 3 && axis_fit(model, y, ny, 'y', &grid->origin[GRID_Y],
                                    &grid->spacing[GRID_Y], ret_error) < 0)
        return -1;
    for (size_t i = 0; i < columns->count; i++) {
        struct column *column = &columns->all[i];
        double along = along_y ? column->y : column->x;
        column->x = rint((along - grid->origin[GRID_X]) / grid->spacing[GRID_X]);
        column->y = grid->dims == 2
                        ? 0
                        : rint((column->y - grid->origin[GRID_Y]) / grid->spacing[GRID_Y]);
    }
    return 0;
}

static int grid_by_places(struct model *model, struct columns *columns, struct error *ret_error)
{
    double *x, *y;
    size_t nx = distinct(columns, false, &x), ny = distinct(columns, true, &y);
    int status = nx && ny
                     ? grid_of_places(model, columns, x, nx, y, ny, ret_error)
                     : error_set(ret_error, ERROR_SYSTEM, "no memory to read %s", model->path);
    free(x);
    free(y);
    return status;
}

/* With a spacing told: in order, or by crossline and inline. */
static int grid_by_order(struct model *model, struct columns *columns, int dims,
                         struct error *ret_error)
{
    struct grid *grid = &model->grid;
    double least_in = INFINITY, most_in = -INFINITY, least_cross = INFINITY,
           most_cross = -INFINITY;
    grid->dims = dims;
    grid->n[GRID_X] = columns->count;
    grid->n[GRID_Y] = 1;
    for (size_t i = 0; i < columns->count; i++) {
        struct column *column = &columns->all[i];
        least_in = fmin(least_in, column->inline_number);
        most_in = fmax(most_in, column->inline_number);
        least_cross = fmin(least_cross, column->crossline);
        most_cross = fmax(most_cross, column->crossline);
        column->x = (double)i;
        column->y = 0;
    }
    if (dims == 2)
        return 0;
    double nx = most_cross - least_cross + 1, ny = most_in - least_in + 1;
    if (!(nx * ny == (double)columns->count))
        return error_set(
            ret_error, ERROR_CONFIG,
            "%s: crosslines %g to %g and inlines %g to %g are not as many as its %zu "
            "columns; say where they are with \"headers\"",
            model->path, least_cross, most_cross, least_in, most_in, columns->count);
    grid->n[GRID_X] = (size_t)nx;
    grid->n[GRID_Y] = (size_t)ny;
    for (size_t i = 0; i < columns->count; i++) {
        columns->all[i].x = columns->all[i].crossline - least_cross;
        columns->all[i].y = columns->all[i].inline_number - least_in;
    }
    return 0;
}

/* Each place of the grid gets its column. */
static int columns_place(struct model *model, const struct columns *columns,
                         struct error *ret_error)
{
    const struct grid *grid = &model->grid;
    model->columns = calloc(columns->count, 2 * sizeof(*model->columns));
    if (!model->columns)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to read %s", model->path);
    for (size_t i = 0; i < columns->count; i++) {
        const struct column *column = &columns->all[i];
        if (!(column->x >= 0 && column->x < (double)grid->n[GRID_X] && column->y >= 0 &&
              column->y < (double)grid->n[GRID_Y]))
            return error_set(ret_error, ERROR_CONFIG, "%s: trace %llu has no place in the grid",
                             model->path, (ull)column->number + 1);
        uint64_t *at =
            &model->columns[2 * ((size_t)column->x * grid->n[GRID_Y] + (size_t)column->y)];
        if (at[0])
            return error_set(ret_error, ERROR_CONFIG,
                             "%s: traces %llu and %llu stand at the same place", model->path,
                             (ull)at[1] + 1, (ull)column->number + 1);
        at[0] = column->offset;
        at[1] = column->number;
    }
    return 0;
}

static int columns_take(struct model *model, const struct model_options *options,
                        struct columns *columns, struct error *ret_error)
{
    struct grid *grid = &model->grid;
    size_t words = 0;
    if (columns_scan(model->segy, columns, &words, ret_error) < 0)
        return -1;
    /* Trace 2 has shown that the places are in other words: trace 1 was read for nothing. */
    if (words && columns_scan(model->segy, columns, &words, ret_error) < 0)
        return -1;
    if (!columns->count)
        return error_set(ret_error, ERROR_CONFIG, "%s: there are no traces in it", model->path);
    int status = options->has_spacing ? grid_by_order(model, columns, options->dims, ret_error)
                                      : grid_by_places(model, columns, ret_error);
    grid->n[GRID_Z] = columns->samples;
    double unit = segy_describe(model->segy)->feet ? SEGY_FOOT_M : 1;
    grid->spacing[GRID_Z] = columns->interval * 1e-3 * unit;
    if (!options->has_spacing)
        grid->origin[GRID_Z] = columns->delay * 1e3 * unit;
    return status < 0 ? -1 : columns_place(model, columns, ret_error);
}

/* What need not be read where the spacing is told, and may be rubbish then. */
static void word_replace(struct segy_options *options, enum segy_word word, double constant)
{
    if (options->words[word].kind == SEGY_STANDARD)
        options->words[word] = (struct segy_place){.kind = SEGY_CONSTANT, .constant = constant};
}

int model_open_segy(struct model *model, const struct model_options *options,
                    struct error *ret_error)
{
    struct columns columns = {0};
    struct segy_options segy = options->segy;
    if (options->has_spacing) {
        word_replace(&segy, SEGY_INTERVAL, options->spacing[GRID_Z] * 1e3);
        word_replace(&segy, SEGY_DELAY, 0);
    }
    model->segy = segy_open(model->path, &segy, ret_error);
    if (!model->segy)
        return -1;
    int status = columns_take(model, options, &columns, ret_error);
    free(columns.all);
    return status;
}

int model_read_segy(struct model *model, const struct grid_box *box, float *values,
                    struct error *ret_error)
{
    for (size_t i = 0; i < box->n[GRID_X]; i++) {
        for (size_t j = 0; j < box->n[GRID_Y]; j++) {
            size_t ix = box->first[GRID_X] + i, iy = box->first[GRID_Y] + j;
            const uint64_t *at = &model->columns[2 * (ix * model->grid.n[GRID_Y] + iy)];
            struct segy_trace trace;
            if (segy_trace_read(model->segy, at[0], at[1], &trace, ret_error) < 0 ||
                segy_samples_read(
                    model->segy, &trace, (uint32_t)box->first[GRID_Z], (uint32_t)box->n[GRID_Z],
                    values + (i * box->n[GRID_Y] + j) * box->n[GRID_Z], ret_error) < 0)
                return -1;
        }
    }
    return 0;
}

/* A depth as finely as the delay's 16 bits and the scalar of times can say it. */
static double top_round(double z)
{
    for (int divisor = 10000; divisor >= 1; divisor /= 10)
        if (fabs(z * divisor) <= INT16_MAX)
            return rint(z * divisor) / divisor;
    return 0;
}

int model_write_segy(const char *path, const struct grid *grid, const float *values,
                     const char *name, struct error *ret_error)
{
    double interval = grid->spacing[GRID_Z] * 1e3;
    bool whole = fabs(interval - rint(interval)) < 1e-6 && interval <= 65535;
    struct segy_write_format format = {.revision = whole && grid->n[GRID_Z] <= 65535 ? 1 : 2,
                                       .samples = (uint32_t)grid->n[GRID_Z],
                                       .interval_us = whole ? rint(interval) : interval,
                                       .delay_s = top_round(grid->origin[GRID_Z]) * 1e-3,
                                       .depth = true,
                                       .traces = (uint64_t)grid->n[GRID_X] * grid->n[GRID_Y],
                                       .title = name};
    if (grid->n[GRID_Z] > SEGY_SAMPLES_MAX)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: columns of %zu points are too long for SEG-Y", path,
                         grid->n[GRID_Z]);
    struct segy_writer *writer = segy_write_open(path, &format, ret_error);
    if (!writer)
        return -1;
    for (size_t i = 0; i < format.traces; i++) {
        size_t ix = i / grid->n[GRID_Y], iy = i % grid->n[GRID_Y];
        double y =
            grid->dims == 3 ? grid->origin[GRID_Y] + (double)iy * grid->spacing[GRID_Y] : 0;
        struct segy_write_trace trace = {
            .cdp = {grid->origin[GRID_X] + (double)ix * grid->spacing[GRID_X], y, 0},
            .inline_number = (int32_t)iy + 1,
            .crossline_number = (int32_t)ix + 1};
        if (segy_write_next(writer, &trace, values + i * grid->n[GRID_Z], ret_error) < 0) {
            segy_write_abandon(writer);
            return -1;
        }
    }
    return segy_write_commit(writer, ret_error);
}

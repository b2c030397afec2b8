/*
 * Everything is looked at before anything is farmed: the model's values, the time step, and where
 * each source and receiver stands. Shots cost a few microseconds a thousand receivers.
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/seismic/mute.h"
#include "common/seismic/survey_private.h"

/* A step so short that it never gets anywhere: no more steps than record has samples. */
#define STEPS_MOST 1e9

static int steps_check(const struct survey *survey, double dt, struct error *ret_error)
{
    const struct survey_record *record = &survey->record;
    double first =
        fmin(0, survey->wavelet.kind == SURVEY_SAMPLED ? survey->wavelet.delay_s : 0);
    double length = record->start_s + (double)record->samples * record->interval_s - first;
    if (length / dt <= STEPS_MOST)
        return 0;
    return error_set(
        ret_error, ERROR_CONFIG,
        "$.numerics.dt_ms: %g ms makes %.3g time steps of %g s, which are too many; "
        "leave it out to have it chosen",
        dt * 1e3, length / dt, length);
}

static int dt_check(const struct survey *survey, struct error *ret_error)
{
    double limit = survey_dt_limit(survey), dt = survey->numerics.dt_s;
    if (!(dt > limit))
        return dt > 0 ? steps_check(survey, dt, ret_error) : 0;
    const struct grid *grid = &survey->grid;
    return error_set(ret_error, ERROR_CONFIG,
                     "$.numerics.dt_ms: %g ms is above the stability limit of %.6g ms (CFL: "
                     "velocities to %g m/s, "
                     "spacing %g%s%g m, order %d); leave it out to have it chosen",
                     dt * 1e3, limit * 1e3, survey->velocity_max_m_s, grid->spacing[GRID_X],
                     grid->dims == 3 ? " and " : " x ",
                     grid->dims == 3 ? fmin(grid->spacing[GRID_Y], grid->spacing[GRID_Z])
                                     : grid->spacing[GRID_Z],
                     survey->numerics.space_order);
}

/* The box that holds all sources and receivers seen so far. */
struct extent {
    struct point least, most;
};

static void extent_init(struct extent *extent)
{
    extent->least = (struct point){INFINITY, INFINITY, INFINITY};
    extent->most = (struct point){-INFINITY, -INFINITY, -INFINITY};
}

static void extent_add(struct extent *extent, const struct point *points, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        extent->least.x = fmin(extent->least.x, points[i].x);
        extent->least.y = fmin(extent->least.y, points[i].y);
        extent->least.z = fmin(extent->least.z, points[i].z);
        extent->most.x = fmax(extent->most.x, points[i].x);
        extent->most.y = fmax(extent->most.y, points[i].y);
        extent->most.z = fmax(extent->most.z, points[i].z);
    }
}

static bool apart(double least, double most, double first, double last, double spacing)
{
    return most < first - spacing || least > last + spacing; /* who is near is told exactly */
}

/* Survey and model that have nothing in common: one sentence instead of the first receiver's. */
static int overlap_check(const struct survey *survey, const struct extent *extent,
                         struct error *ret_error)
{
    const struct grid *grid = &survey->grid;
    double x = grid->origin[GRID_X], y = grid->origin[GRID_Y], z = grid->origin[GRID_Z];
    double end_x = grid_end(grid, GRID_X), end_y = grid_end(grid, GRID_Y),
           end_z = grid_end(grid, GRID_Z);
    bool across = grid->dims == 3 &&
                  apart(extent->least.y, extent->most.y, y, end_y, grid->spacing[GRID_Y]);
    if (!apart(extent->least.x, extent->most.x, x, end_x, grid->spacing[GRID_X]) && !across &&
        !apart(extent->least.z, extent->most.z, z, end_z, grid->spacing[GRID_Z]))
        return 0;
    return error_set(ret_error, ERROR_CONFIG,
                     "survey and model do not overlap: sources and receivers have x from %g to "
                     "%g, y from %g to "
                     "%g, z from %g to %g m, the model x from %g to %g, y from %g to %g, z "
                     "from %g to %g m; say "
                     "\"project\", \"elevations\" or the model's \"origin_m\"",
                     extent->least.x, extent->most.x, extent->least.y, extent->most.y,
                     extent->least.z, extent->most.z, x, end_x, y, end_y, z, end_z);
}

/* A source or receiver in words, and where headers say it: the trace of that row of the shot. */
static void place_print(const struct survey *survey, const struct shot *shot, const char *what,
                        size_t number, size_t row, char *text, size_t size)
{
    const struct survey_segy *segy = survey_geometry_segy(survey);
    snprintf(text, size, "%s %zu", what, number);
    if (!segy)
        return;
    const struct survey_segy_shot *at = &segy->shots[shot->index];
    const struct segy_index_trace *traces = survey_segy_traces(segy, shot->index, NULL);
    if (traces)
        snprintf(text, size, "%s %zu (trace %llu of %s)", what, number,
                 (unsigned long long)traces[row].number + 1, segy->paths[at->file]);
}

static int misplaced(const struct survey *survey, const struct shot *shot, const char *what,
                     const struct point *point, struct error *ret_error)
{
    const struct grid *grid = &survey->grid;
    if (grid_contains(grid, point))
        return error_set(
            ret_error, ERROR_CONFIG,
            "shot %s: %s at x %.10g, y %.10g, z %.10g m lies on the free surface, where the "
            "pressure is zero: put it deeper, or set \"free_surface\" to false",
            shot->name, what, point->x, point->y, point->z);
    return error_set(
        ret_error, ERROR_CONFIG,
        "shot %s: %s at x %.10g, y %.10g, z %.10g m is outside the model, which goes from "
        "x %g, y %g, z %g to x %g, y %g, z %g m",
        shot->name, what, point->x, point->y, point->z, grid->origin[GRID_X],
        grid->origin[GRID_Y], grid->origin[GRID_Z], grid_end(grid, GRID_X),
        grid_end(grid, GRID_Y), grid_end(grid, GRID_Z));
}

/* Where there is nothing to fire into or to record: the pressure of the free surface is zero. */
static bool is_on_surface(const struct survey *survey, const struct point *point)
{
    return survey->numerics.free_surface && grid_is_top(&survey->grid, point);
}

static bool is_good(const struct survey *survey, const struct point *point)
{
    return grid_contains(&survey->grid, point) && !is_on_surface(survey, point);
}

static int shot_check(const struct survey *survey, const struct shot *shot,
                      struct error *ret_error)
{
    char what[600];
    for (size_t i = 0; i < shot->source_count; i++) {
        if (is_good(survey, &shot->sources[i]))
            continue;
        place_print(survey, shot, "source", i + 1, 0, what, sizeof(what));
        return misplaced(survey, shot, what, &shot->sources[i], ret_error);
    }
    for (size_t i = 0; i < shot->receiver_count; i++) {
        if (is_good(survey, &shot->receivers[i]))
            continue;
        place_print(survey, shot, "receiver", shot->rows[i] + 1, shot->rows[i], what,
                    sizeof(what));
        return misplaced(survey, shot, what, &shot->receivers[i], ret_error);
    }
    return 0;
}

/* In 2-D the distance across the line is dropped; that must be meant. */
static int line_check(const struct survey *survey, struct error *ret_error)
{
    const struct survey_segy *segy = survey_geometry_segy(survey);
    struct extent extent;
    extent_init(&extent);
    if (!segy || segy->projected || survey->grid.dims == 3)
        return 0;
    for (size_t i = 0; i < segy->shot_count; i++) {
        const struct survey_segy_shot *at = &segy->shots[i];
        const struct segy_index_trace *traces = survey_segy_traces(segy, i, ret_error);
        if (!traces)
            return -1;
        extent_add(&extent, &at->shot->source, 1);
        for (uint64_t k = 0; k < at->shot->count; k++) {
            extent_add(&extent, &traces[k].receiver, 1);
            if (extent.most.y - extent.least.y <= survey->grid.spacing[GRID_X])
                continue;
            return error_set(ret_error, ERROR_CONFIG,
                             "%s: up to shot %lld, trace %llu, y goes from %g to %g m, but the "
                             "model is 2-D; say along which azimuth the line goes with "
                             "\"project\"",
                             segy->paths[at->file], (long long)at->shot->number,
                             (unsigned long long)traces[k].number + 1, extent.least.y,
                             extent.most.y);
        }
    }
    return 0;
}

/* Encoded shots are recorded by the same receivers. */
static int encoding_check(const struct survey *survey, const struct shot *first,
                          const struct shot *shot, struct error *ret_error)
{
    if (survey->batch.encoded <= 1)
        return 0;
    bool same = first->receiver_count == shot->receiver_count;
    size_t i = 0;
    for (; same && i < shot->receiver_count; i++)
        same = first->receivers[i].x == shot->receivers[i].x &&
               first->receivers[i].y == shot->receivers[i].y &&
               first->receivers[i].z == shot->receivers[i].z;
    if (same)
        return 0;
    return error_set(
        ret_error, ERROR_CONFIG,
        "$.batch.encoded: shots %s and %s have other receivers; only shots that are "
        "recorded by the same can be fired at once",
        first->name, shot->name);
}

static int shots_extent(const struct survey *survey, struct extent *extent,
                        struct error *ret_error)
{
    struct shot first = {0}, shot;
    int status = 0;
    for (size_t i = 0; status == 0 && i < survey->shot_count; i++) {
        struct point corners[2];
        if (survey->batch.encoded <= 1 &&
            survey_shot_extent(survey, i, &corners[0], &corners[1])) {
            extent_add(extent, corners, 2);
            continue;
        }
        if (survey_shot_open(survey, i, &shot, ret_error) < 0) {
            status = -1;
            break;
        }
        extent_add(extent, shot.sources, shot.source_count);
        extent_add(extent, shot.receivers, shot.receiver_count);
        if (i == 0) {
            first = shot;
            continue;
        }
        status = encoding_check(survey, &first, &shot, ret_error);
        survey_shot_close(&shot);
    }
    survey_shot_close(&first);
    return status;
}

/* Have each shot looked at, until one is not right. */
static int each_shot_check(const struct survey *survey,
                           int (*check)(const struct survey *survey, const struct shot *shot,
                                        struct error *ret_error),
                           struct error *ret_error)
{
    int status = 0;
    for (size_t i = 0; status == 0 && i < survey->shot_count; i++) {
        struct shot shot;
        if (survey_shot_open(survey, i, &shot, ret_error) < 0)
            return -1;
        status = check(survey, &shot, ret_error);
        survey_shot_close(&shot);
    }
    return status;
}

/* No shot needs a second look where all of them together lie in the model. */
static int shots_check(const struct survey *survey, struct error *ret_error)
{
    struct extent extent;
    extent_init(&extent);
    if (shots_extent(survey, &extent, ret_error) < 0 ||
        overlap_check(survey, &extent, ret_error) < 0)
        return -1;
    if (is_good(survey, &extent.least) && grid_contains(&survey->grid, &extent.most))
        return 0;
    return each_shot_check(survey, shot_check, ret_error);
}

/* A mute that leaves nothing, of a shot or of all, is not meant. */
static int mutes_check(const struct survey *survey, struct error *ret_error)
{
    const struct survey_record *record = &survey->record;
    double length = (double)(record->samples - 1) * record->interval_s;
    if (survey->mute.keep == SURVEY_KEEP_ALL)
        return 0;
    if (survey->mute.taper_s > length)
        return error_set(ret_error, ERROR_CONFIG,
                         "$.mute.taper_s: %g s is longer than the record, which has %g s",
                         survey->mute.taper_s, length);
    return each_shot_check(survey, mute_check, ret_error);
}

/* Of what is above half the sampling rate the data have nothing, and misfits would be rounding. */
int survey_band_check(const struct survey *survey, const char *path, double min_hz,
                      struct error *ret_error)
{
    double most = 0.5 / survey->record.interval_s;
    if (min_hz < most)
        return 0;
    return error_set(
        ret_error, ERROR_CONFIG,
        "%s: %g Hz and more is not in data that are sampled every %g ms, which hold "
        "up to %g Hz",
        path, min_hz, survey->record.interval_s * 1e3, most);
}

static int bands_check(const struct survey *survey, struct error *ret_error)
{
    const struct survey_inversion *inversion = &survey->inversion;
    for (size_t i = 0; survey->operation == SURVEY_FWI && i < inversion->band_count; i++) {
        char path[64];
        snprintf(path, sizeof(path), "$.inversion.bands[%zu].min_hz", i);
        if (survey_band_check(survey, path, inversion->bands[i].min_hz, ret_error) < 0)
            return -1;
    }
    return 0;
}

/* Whether the mask lets pass anything in a plane of x, from depth `first` (an index) on. */
static bool is_open(const struct grid *grid, const float *mask, size_t first)
{
    for (size_t row = 0; row < grid->n[GRID_Y]; row++)
        for (size_t z = first; z < grid->n[GRID_Z]; z++)
            if (mask[row * grid->n[GRID_Z] + z] > 0)
                return true;
    return false;
}

static int mask_check(const struct survey *survey, size_t first, struct error *ret_error)
{
    const struct grid *grid = &survey->grid;
    struct grid_box box = grid_whole(grid);
    float *mask = malloc(grid->n[GRID_Y] * grid->n[GRID_Z] * sizeof(*mask));
    int status = mask ? 0 : error_set(ret_error, ERROR_SYSTEM, "no memory to look at the mask");
    bool open = false;
    box.n[GRID_X] = 1;
    for (; status == 0 && !open && box.first[GRID_X] < grid->n[GRID_X]; box.first[GRID_X]++) {
        status = survey_field_read(survey, SURVEY_MASK, &box, mask, ret_error);
        open = status == 0 && is_open(grid, mask, first);
    }
    free(mask);
    if (status < 0 || open)
        return status;
    return error_set(ret_error, ERROR_CONFIG,
                     "$.inversion.mask: is zero at each point%s: everything is frozen, and "
                     "there is nothing to invert for",
                     first ? " below frozen_depth_m" : "");
}

/* Something must be left that an inversion may change. */
static int frozen_check(const struct survey *survey, struct error *ret_error)
{
    const struct grid *grid = &survey->grid;
    double depth = survey->inversion.frozen_depth_m, end = grid_end(grid, GRID_Z);
    size_t first = 0;
    if (survey->operation != SURVEY_FWI)
        return 0;
    if (depth > end)
        return error_set(ret_error, ERROR_CONFIG,
                         "$.inversion.frozen_depth_m: is %g, but the model ends at z %g m: "
                         "everything is frozen, and there is nothing to invert for",
                         depth, end);
    while (grid->origin[GRID_Z] + (double)first * grid->spacing[GRID_Z] < depth)
        first++;
    return survey->has[SURVEY_MASK] ? mask_check(survey, first, ret_error) : 0;
}

/* Where axes of symmetry leave the model's plane, so do waves. */
static int azimuth_check(const struct survey *survey, struct error *ret_error)
{
    if (!survey->has[SURVEY_PHI] || survey->grid.dims != 2 || survey->program)
        return 0;
    return error_set(
        ret_error, ERROR_CONFIG,
        "$.model.phi: turns the symmetry axis out of a model of 2 dimensions: leave "
        "it out");
}

static int doubles_compare(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;
    return (one > other) - (one < other);
}

/* A frequency that is said twice counts twice. */
static int twice_check(const struct survey_memory *memory, struct error *ret_error)
{
    size_t count = memory->frequency_count;
    double *sorted = calloc(count + 1, sizeof(*sorted));
    if (!sorted)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for frequencies");
    if (count)
        memcpy(sorted, memory->frequencies_hz, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), doubles_compare);
    int rc = 0;
    for (size_t i = 1; rc == 0 && i < count; i++)
        if (!(sorted[i] > sorted[i - 1]))
            rc = error_set(ret_error, ERROR_CONFIG,
                           "$.memory.frequencies_hz: has %g Hz twice, which would count twice",
                           sorted[i]);
    free(sorted);
    return rc;
}

/* Sums at frequencies that time steps (those that are imaged) do not resolve are those of
 * others. */
static int frequencies_check(const struct survey *survey, struct error *ret_error)
{
    const struct survey_memory *memory = &survey->memory;
    double dt_s = survey_dt(survey), step = dt_s * survey_subsampling(survey, dt_s);
    for (size_t i = 0; i < memory->frequency_count; i++)
        if (memory->frequencies_hz[i] > 0.5 / step)
            return error_set(
                ret_error, ERROR_CONFIG,
                "$.memory.frequencies_hz: %g Hz cannot be told from lower frequencies "
                "at steps of %.4g ms, which go up to %.4g Hz",
                memory->frequencies_hz[i], step * 1e3, 0.5 / step);
    return twice_check(memory, ret_error);
}

int survey_look(struct survey *survey, struct error *ret_error)
{
    if (survey_traces_check(survey, ret_error) < 0 || bands_check(survey, ret_error) < 0 ||
        frozen_check(survey, ret_error) < 0 || line_check(survey, ret_error) < 0 ||
        shots_check(survey, ret_error) < 0 || mutes_check(survey, ret_error) < 0 ||
        azimuth_check(survey, ret_error) < 0 || survey_scan(survey, ret_error) < 0)
        return -1;
    return dt_check(survey, ret_error) < 0 ? -1 : frequencies_check(survey, ret_error);
}

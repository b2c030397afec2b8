/*
 * Where shots are: in places that the survey says, or in the index of SEG-Y files. Data that come
 * with a geometry of its own must have its shots and traces in the same order.
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/seismic/survey_private.h"

#define INTERVAL_SAME 1e-9 /* seconds: headers say microseconds, at best fractions of them */

const struct survey_segy *survey_geometry_segy(const struct survey *survey)
{
    const struct survey_state *state = survey->state;
    return state->has_places ? NULL : state->geometry ? state->geometry : state->data;
}

/* Shots of places: each place a shot, or each group. */
static size_t places_shots(const struct places *sources)
{
    return sources->first ? sources->group_count : sources->count;
}

static int groups_check(const struct survey_state *state, struct error *ret_error)
{
    const struct places *sources = &state->sources, *receivers = &state->receivers;
    size_t shots = places_shots(sources);
    if (receivers->first && receivers->group_count != shots)
        return error_set(ret_error, ERROR_CONFIG,
                         "$.geometry.receivers: are those of %zu shots, but there are %zu",
                         receivers->group_count, shots);
    for (size_t i = 0; receivers->names && sources->names && i < shots; i++) {
        if (receivers->names[i] != sources->names[i])
            return error_set(
                ret_error, ERROR_CONFIG,
                "$.geometry.receivers: those of shot %g come where the sources have "
                "shot %g; keep the order of shots, and their rows together",
                receivers->names[i], sources->names[i]);
    }
    return 0;
}

static int table_add(struct survey *survey, const cJSON *places, struct error *ret_error)
{
    const cJSON *table = json_member(places, "csv");
    return table ? survey_file_add(survey, table->valuestring, false, ret_error) : 0;
}

static int places_open(struct survey *survey, const cJSON *geometry, struct error *ret_error)
{
    struct survey_state *state = survey->state;
    const cJSON *sources = json_member(geometry, "sources");
    const cJSON *receivers = json_member(geometry, "receivers");
    state->has_places = true;
    if (places_read(sources, "$.geometry.sources", survey->grid.dims, state->folder,
                    &state->sources, ret_error) < 0 ||
        places_read(receivers, "$.geometry.receivers", survey->grid.dims, state->folder,
                    &state->receivers, ret_error) < 0 ||
        table_add(survey, sources, ret_error) < 0 ||
        table_add(survey, receivers, ret_error) < 0)
        return -1;
    survey->shot_count = places_shots(&state->sources);
    return groups_check(state, ret_error);
}

/* Receivers of a shot, before any are left out. */
static size_t receivers_of(const struct survey *survey, size_t index)
{
    const struct survey_state *state = survey->state;
    const struct survey_segy *segy = survey_geometry_segy(survey);
    if (segy)
        return (size_t)segy->shots[index].shot->count;
    const struct places *places = &state->receivers;
    return places->first ? places->first[index + 1] - places->first[index] : places->count;
}

/* What headers or a table call the shot. False: nothing that is a number. */
static bool number_find(const struct survey *survey, size_t index, long long *ret_number,
                        bool *ret_unique)
{
    const struct survey_segy *segy = survey_geometry_segy(survey);
    const struct survey_state *state = survey->state;
    const struct places *places = state->sources.numbered ? &state->sources : &state->receivers;
    if (!segy && !places->numbered)
        return false;
    *ret_number =
        segy ? (long long)segy->shots[index].shot->number : (long long)places->names[index];
    *ret_unique = segy ? segy->unique : places->unique;
    return true;
}

static void name_make(const struct survey *survey, size_t index, char *name, size_t size)
{
    long long number = 0;
    bool unique = false;
    int length = -1;
    if (number_find(survey, index, &number, &unique))
        length = unique ? snprintf(name, size, "%lld", number)
                        : snprintf(name, size, "%lld@%zu", number, index + 1);
    if (length < 0 || (size_t)length >= size) /* a cut name might be another's */
        snprintf(name, size, "%zu", index + 1);
}

/* Data and geometry must have the same shots, as far as that can be told. */
static int data_match(const struct survey *survey, struct error *ret_error)
{
    const struct survey_segy *data = survey->state->data;
    if (!data || data == survey_geometry_segy(survey))
        return 0;
    if (data->shot_count != survey->shot_count)
        return error_set(ret_error, ERROR_CONFIG,
                         "$.data: has %zu shots, but the geometry has %zu", data->shot_count,
                         survey->shot_count);
    for (size_t i = 0; i < survey->shot_count; i++) {
        uint64_t traces = data->shots[i].shot->count;
        if (traces != receivers_of(survey, i))
            return error_set(
                ret_error, ERROR_CONFIG,
                "$.data: shot %zu (number %lld in %s) has %llu traces, but its geometry "
                "has %zu receivers",
                i + 1, (long long)data->shots[i].shot->number, data->paths[data->shots[i].file],
                (unsigned long long)traces, receivers_of(survey, i));
    }
    return 0;
}

/* How traces that are wanted are sampled: alike, but for how many samples they have. */
struct sampling {
    double interval_s, delay_s;
    uint32_t samples_min, samples_max;
};

static void samples_count(struct sampling *all, uint32_t least, uint32_t most)
{
    all->samples_min = least < all->samples_min ? least : all->samples_min;
    all->samples_max = most > all->samples_max ? most : all->samples_max;
}

/* Of all files that have a shot which is wanted, as their indices sum them up. */
static int sampling_find(const struct survey_segy *segy, struct sampling *all,
                         struct error *ret_error)
{
    const uint32_t reference = segy->shots[0].file;
    const struct segy_index_summary *first = segy_index_describe(segy->indices[reference]);
    *all = (struct sampling){
        .interval_s = first->interval_s, .delay_s = first->delay_s, .samples_min = UINT32_MAX};
    for (size_t i = 0; i < segy->shot_count; i++) {
        const uint32_t file = segy->shots[i].file;
        const struct segy_index_summary *one = segy_index_describe(segy->indices[file]);
        if (fabs(one->interval_s - all->interval_s) > INTERVAL_SAME ||
            fabs(one->delay_s - all->delay_s) > INTERVAL_SAME)
            return error_set(
                ret_error, ERROR_CONFIG,
                "%s: is sampled every %g ms from %g ms on, but %s every %g ms from %g ms "
                "on",
                segy->paths[file], one->interval_s * 1e3, one->delay_s * 1e3,
                segy->paths[reference], all->interval_s * 1e3, all->delay_s * 1e3);
        samples_count(all, one->samples_min, one->samples_max);
    }
    return 0;
}

/* A file's longest trace may be one of a shot that is not wanted: the traces of those that are. */
static int samples_measure(const struct survey_segy *segy, struct sampling *all,
                           struct error *ret_error)
{
    all->samples_min = UINT32_MAX;
    all->samples_max = 0;
    for (size_t i = 0; i < segy->shot_count; i++) {
        const struct survey_segy_shot *at = &segy->shots[i];
        const struct segy_index_summary *one = segy_index_describe(segy->indices[at->file]);
        if (one->samples_min == one->samples_max) {
            samples_count(all, one->samples_min, one->samples_max);
            continue;
        }
        const struct segy_index_trace *traces = survey_segy_traces(segy, i, ret_error);
        if (!traces)
            return -1;
        for (uint64_t k = 0; k < at->shot->count; k++)
            samples_count(all, traces[k].samples, traces[k].samples);
    }
    return 0;
}

/* The first trace that has fewer samples than are wanted, in words. */
static int samples_mistake(const struct survey_segy *segy, uint32_t wanted,
                           struct error *ret_error)
{
    for (size_t i = 0; i < segy->shot_count; i++) {
        const struct survey_segy_shot *at = &segy->shots[i];
        const struct segy_index_trace *traces = survey_segy_traces(segy, i, ret_error);
        if (!traces)
            return -1;
        for (uint64_t k = 0; k < at->shot->count; k++) {
            if (traces[k].samples < wanted)
                return error_set(
                    ret_error, ERROR_CONFIG,
                    "%s: shot %lld, trace %llu (header at byte %llu) has %u samples "
                    "where %u are wanted; say a shorter \"record\" (length_s) to read "
                    "all traces up to it",
                    segy->paths[at->file], (long long)at->shot->number,
                    (unsigned long long)traces[k].number + 1,
                    (unsigned long long)traces[k].offset, traces[k].samples, wanted);
        }
    }
    return 0; /* the short ones are in shots that are not wanted */
}

static int record_from_data(struct survey *survey, const struct survey_segy *segy,
                            double length_s, double interval_ms, struct error *ret_error)
{
    struct sampling all;
    if (sampling_find(segy, &all, ret_error) < 0)
        return -1;
    if (!(length_s > 0) && segy->picked && all.samples_min < all.samples_max &&
        samples_measure(segy, &all, ret_error) < 0)
        return -1;
    struct survey_record *record = &survey->record;
    if (interval_ms > 0 && fabs(interval_ms * 1e-3 - all.interval_s) > INTERVAL_SAME &&
        survey->observed)
        return error_set(ret_error, ERROR_CONFIG,
                         "$.record.interval_ms: is %g, but the data are sampled every %g ms",
                         interval_ms, all.interval_s * 1e3);
    record->interval_s = interval_ms > 0 ? interval_ms * 1e-3 : all.interval_s;
    record->start_s = all.delay_s;
    record->samples = length_s > 0 ? (size_t)floor(length_s / record->interval_s + 1e-6) + 1
                                   : all.samples_max;
    if (survey->observed && record->samples > all.samples_min)
        return samples_mistake(segy, (uint32_t)fmin((double)record->samples, UINT32_MAX),
                               ret_error);
    return 0;
}

static int record_read(struct survey *survey, struct error *ret_error)
{
    const cJSON *object = json_member(survey->root, "record");
    const struct survey_segy *segy =
        survey->state->data ? survey->state->data : survey->state->geometry;
    double length_s, interval_ms;
    if (json_get_real(object, "$.record", "length_s", 0, &length_s, ret_error) < 0 ||
        json_get_real(object, "$.record", "interval_ms", 0, &interval_ms, ret_error) < 0)
        return -1;
    if (segy)
        return record_from_data(survey, segy, length_s, interval_ms, ret_error);
    survey->record.interval_s = (interval_ms > 0 ? interval_ms : 4) * 1e-3;
    double samples = floor(length_s / survey->record.interval_s + 1e-6) + 1;
    if (samples > 1e9)
        return error_set(ret_error, ERROR_CONFIG, "$.record: %g samples are too many", samples);
    survey->record.samples = (size_t)samples;
    return 0;
}

static void stretch(double value, double *least, double *most)
{
    *least = fmin(*least, value);
    *most = fmax(*most, value);
}

static void points_stretch(const struct point *point, struct point *least, struct point *most)
{
    stretch(point->x, &least->x, &most->x);
    stretch(point->y, &least->y, &most->y);
    stretch(point->z, &least->z, &most->z);
}

/* Millions of shots with hundreds of receivers each are not to be gone through point by point,
 * where all of them have the same. */
static void spread_measure(struct survey *survey)
{
    static const struct point zero;
    struct survey_state *state = survey->state;
    const struct places *receivers = &state->receivers;
    state->spread_least = (struct point){INFINITY, INFINITY, INFINITY};
    state->spread_most = (struct point){-INFINITY, -INFINITY, -INFINITY};
    state->spread_shared = state->has_places && !receivers->first && receivers->count > 0 &&
                           !(survey->aperture.max_offset_m > 0) &&
                           !(survey->aperture.min_offset_m > 0);
    for (size_t i = 0; state->spread_shared && i < receivers->count; i++) {
        const struct point point = places_get(receivers, i, &zero);
        points_stretch(&point, &state->spread_least, &state->spread_most);
    }
}

/* The sources of a shot of places: *ret_count from *ret_first on. */
static void sources_of(const struct places *sources, size_t index, size_t *ret_first,
                       size_t *ret_count)
{
    *ret_first = sources->first ? sources->first[index] : index;
    *ret_count = sources->first ? sources->first[index + 1] - *ret_first : 1;
}

bool survey_shot_extent(const struct survey *survey, size_t index, struct point *ret_least,
                        struct point *ret_most)
{
    const struct survey_state *state = survey->state;
    size_t first, count;
    if (!state->spread_shared)
        return false;
    sources_of(&state->sources, index, &first, &count);
    *ret_least = state->spread_least;
    *ret_most = state->spread_most;
    for (size_t i = 0; i < count; i++) {
        const struct point source = places_get(&state->sources, first + i, NULL);
        if (i == 0 && state->receivers.kind == PLACES_STREAMER) {
            ret_least->x += source.x; /* rounding keeps the order: the box around all sums */
            ret_least->y += source.y;
            ret_most->x += source.x;
            ret_most->y += source.y;
        }
        points_stretch(&source, ret_least, ret_most);
    }
    return true;
}

int survey_geometry_open(struct survey *survey, struct error *ret_error)
{
    struct survey_state *state = survey->state;
    const cJSON *data = json_member(survey->root, "data");
    const cJSON *geometry = json_member(survey->root, "geometry");
    const cJSON *segy = json_member(geometry, "segy");
    if (data && survey_segy_open(survey, data, "$.data", &state->data, ret_error) < 0)
        return -1;
    survey->observed = data != NULL;
    if (segy &&
        survey_segy_open(survey, segy, "$.geometry.segy", &state->geometry, ret_error) < 0)
        return -1;
    if (geometry && !segy && places_open(survey, geometry, ret_error) < 0)
        return -1;
    const struct survey_segy *places = survey_geometry_segy(survey);
    if (places)
        survey->shot_count = places->shot_count;
    for (size_t i = 0; i < survey->shot_count; i++) {
        size_t receivers = receivers_of(survey, i), first, sources = 1;
        if (!places)
            sources_of(&state->sources, i, &first, &sources);
        if (receivers > survey->receivers_max)
            survey->receivers_max = receivers;
        if (sources > survey->sources_max)
            survey->sources_max = sources;
    }
    spread_measure(survey);
    if (data_match(survey, ret_error) < 0)
        return -1;
    return record_read(survey, ret_error);
}

static int shot_alloc(struct shot *shot, size_t sources, size_t receivers,
                      struct error *ret_error)
{
    shot->sources = calloc(sources, sizeof(*shot->sources));
    shot->source_weights = calloc(sources, sizeof(*shot->source_weights));
    shot->receivers = calloc(receivers, sizeof(*shot->receivers));
    shot->rows = calloc(receivers, sizeof(*shot->rows));
    if (!shot->sources || !shot->source_weights || !shot->receivers || !shot->rows)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for shot %s", shot->name);
    shot->source_count = sources;
    shot->receiver_count = receivers;
    for (size_t i = 0; i < sources; i++)
        shot->source_weights[i] = 1;
    for (size_t i = 0; i < receivers; i++)
        shot->rows[i] = i;
    return 0;
}

static int shot_from_places(const struct survey *survey, struct shot *shot,
                            struct error *ret_error)
{
    const struct places *sources = &survey->state->sources;
    const struct places *receivers = &survey->state->receivers;
    size_t first, count;
    sources_of(sources, shot->index, &first, &count);
    size_t first_receiver = receivers->first ? receivers->first[shot->index] : 0;
    if (shot_alloc(shot, count, receivers_of(survey, shot->index), ret_error) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        shot->sources[i] = places_get(sources, first + i, NULL);
    for (size_t i = 0; i < shot->receiver_count; i++)
        shot->receivers[i] = places_get(receivers, first_receiver + i, &shot->sources[0]);
    return 0;
}

static int shot_from_segy(const struct survey *survey, const struct survey_segy *segy,
                          struct shot *shot, struct error *ret_error)
{
    const struct survey_segy_shot *at = &segy->shots[shot->index];
    const struct segy_index_trace *traces = survey_segy_traces(segy, shot->index, ret_error);
    if (!traces || shot_alloc(shot, 1, (size_t)at->shot->count, ret_error) < 0)
        return -1;
    shot->sources[0] = at->shot->source;
    for (size_t i = 0; i < shot->receiver_count; i++)
        shot->receivers[i] = traces[i].receiver;
    if (survey->grid.dims == 3)
        return 0;
    shot->sources[0].y = 0;
    for (size_t i = 0; i < shot->receiver_count; i++)
        shot->receivers[i].y = 0;
    return 0;
}

/* How far a receiver is, horizontally, from the source that is nearest. */
static double offset_of(const struct shot *shot, size_t receiver)
{
    const struct point *point = &shot->receivers[receiver];
    double offset = INFINITY;
    for (size_t i = 0; i < shot->source_count; i++)
        offset =
            fmin(offset, hypot(point->x - shot->sources[i].x, point->y - shot->sources[i].y));
    return offset;
}

/* Leave out receivers that are far from all sources, or near to one. */
static int offsets_apply(const struct survey *survey, struct shot *shot,
                         struct error *ret_error)
{
    double least = survey->aperture.min_offset_m, most = survey->aperture.max_offset_m;
    size_t kept = 0;
    if (!(least > 0) && !(most > 0))
        return 0;
    for (size_t i = 0; i < shot->receiver_count; i++) {
        double offset = offset_of(shot, i);
        if (offset < least || (most > 0 && offset > most))
            continue;
        shot->receivers[kept] = shot->receivers[i];
        shot->rows[kept++] = shot->rows[i];
    }
    shot->receiver_count = kept;
    if (kept)
        return 0;
    if (most > 0)
        return error_set(ret_error, ERROR_CONFIG,
                         "$.aperture.max_offset_m: shot %s has no receiver within %g m%s",
                         shot->name, most,
                         least > 0 ? " that is not nearer than min_offset_m" : "");
    return error_set(ret_error, ERROR_CONFIG,
                     "$.aperture.min_offset_m: shot %s has no receiver beyond %g m", shot->name,
                     least);
}

int survey_shot_open(const struct survey *survey, size_t index, struct shot *ret_shot,
                     struct error *ret_error)
{
    struct shot shot = {.index = index};
    const struct survey_segy *segy = survey_geometry_segy(survey);
    if (index >= survey->shot_count)
        return error_set(ret_error, ERROR_CONFIG, "%s: there is no shot %zu; it has %zu",
                         survey->path, index + 1, survey->shot_count);
    name_make(survey, index, shot.name, sizeof(shot.name));
    int status = segy ? shot_from_segy(survey, segy, &shot, ret_error)
                      : shot_from_places(survey, &shot, ret_error);
    if (status == 0)
        status = offsets_apply(survey, &shot, ret_error);
    if (status < 0)
        survey_shot_close(&shot);
    else
        *ret_shot = shot;
    return status;
}

void survey_shot_close(struct shot *shot)
{
    free(shot->sources);
    free(shot->source_weights);
    free(shot->receivers);
    free(shot->rows);
    *shot = (struct shot){0};
}

/* Points of an axis from at or before `least` to at or behind `most`, two at least. */
static void axis_cut(const struct grid *grid, enum grid_axis axis, double least, double most,
                     struct grid_box *box)
{
    double h = grid->spacing[axis], last = (double)(grid->n[axis] - 1);
    double first = floor((least - grid->origin[axis]) / h);
    double end = ceil((most - grid->origin[axis]) / h);
    first = fmin(fmax(first, 0), last - 1);
    end = fmin(fmax(end, first + 1), last);
    box->first[axis] = (size_t)first;
    box->n[axis] = (size_t)(end - first) + 1;
}

static struct grid_box box_around(const struct survey *survey, const struct point *least,
                                  const struct point *most)
{
    struct grid_box box = grid_whole(&survey->grid);
    double buffer = survey->aperture.buffer_m;
    if (!survey->aperture.limit)
        return box;
    axis_cut(&survey->grid, GRID_X, least->x - buffer, most->x + buffer, &box);
    if (survey->grid.dims == 3)
        axis_cut(&survey->grid, GRID_Y, least->y - buffer, most->y + buffer, &box);
    return box;
}

struct grid_box survey_shot_box(const struct survey *survey, const struct shot *shot)
{
    struct point least = {INFINITY, INFINITY, INFINITY},
                 most = {-INFINITY, -INFINITY, -INFINITY};
    for (size_t i = 0; i < shot->source_count; i++)
        points_stretch(&shot->sources[i], &least, &most);
    for (size_t i = 0; i < shot->receiver_count; i++)
        points_stretch(&shot->receivers[i], &least, &most);
    return box_around(survey, &least, &most);
}

static void source_add(struct survey_shot_size *size, const struct point *source, double share)
{
    size->source.x += share * source->x;
    size->source.y += share * source->y;
    size->source.z += share * source->z;
}

/* The same, where no receiver need be looked at. */
static struct survey_shot_size size_by_extent(const struct survey *survey, size_t index,
                                              const struct point *least,
                                              const struct point *most)
{
    const struct places *sources = &survey->state->sources;
    struct survey_shot_size size = {.receivers = receivers_of(survey, index),
                                    .box = box_around(survey, least, most)};
    size_t first, count;
    sources_of(sources, index, &first, &count);
    for (size_t i = 0; i < count; i++) {
        const struct point source = places_get(sources, first + i, NULL);
        source_add(&size, &source, 1.0 / (double)count);
    }
    return size;
}

int survey_shot_measure(const struct survey *survey, size_t index,
                        struct survey_shot_size *ret_size, struct error *ret_error)
{
    struct shot shot;
    struct point least, most;
    if (index < survey->shot_count && survey_shot_extent(survey, index, &least, &most)) {
        *ret_size = size_by_extent(survey, index, &least, &most);
        return 0;
    }
    if (survey_shot_open(survey, index, &shot, ret_error) < 0)
        return -1;
    struct survey_shot_size size = {.receivers = shot.receiver_count,
                                    .box = survey_shot_box(survey, &shot)};
    for (size_t i = 0; i < shot.source_count; i++)
        source_add(&size, &shot.sources[i], 1.0 / (double)shot.source_count);
    survey_shot_close(&shot);
    *ret_size = size;
    return 0;
}

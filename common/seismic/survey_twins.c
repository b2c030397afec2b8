/*
 * Traces of a shot that stand there twice: the same receiver, and the same samples. What has one
 * number and one source is a shot here, whichever of the files its parts are in (elsewhere each
 * part is one). Those whose receivers go one way are not looked at; those of others are put in
 * order by their places.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/seismic/survey_private.h"

/* How far they are looked for: traces put in order, and pairs at one place whose samples are read.
 * Receivers with several components have many such pairs. */
#define TWINS_SORTED ((size_t)4 << 20)
#define TWINS_READ   1000

/* A trace, and where it is. */
struct twin {
    struct segy_index_trace trace;
    struct segy *segy;
    uint32_t file;
};

/* What one file has of a shot. */
struct part {
    const struct survey_segy_shot *shot;
    size_t index;      /* its own among the survey's shots */
    struct segy *segy; /* while it is looked at; NULL: it is not */
};

struct twins {
    const struct survey *survey;
    size_t sorted, read;    /* traces sorted, pairs whose samples were read: so far */
    size_t count;           /* of traces that stood there before */
    struct twin one, other; /* the first of them; their `segy` may be gone */
    int64_t number;         /* of their shot */
};

static int place_compare(const struct point *a, const struct point *b, bool y_first)
{
    double left[] = {y_first ? a->y : a->x, y_first ? a->x : a->y, a->z};
    double right[] = {y_first ? b->y : b->x, y_first ? b->x : b->y, b->z};
    for (int i = 0; i < 3; i++)
        if (left[i] != right[i])
            return left[i] < right[i] ? -1 : 1;
    return 0;
}

static int trace_compare(const void *a, const void *b)
{
    const struct twin *left = a, *right = b;
    int order = place_compare(&left->trace.receiver, &right->trace.receiver, false);
    if (order)
        return order;
    if (left->file != right->file)
        return left->file < right->file ? -1 : 1;
    return (left->trace.number > right->trace.number) -
           (left->trace.number < right->trace.number);
}

/* Lines and regular grids go one way only, so that no place comes back. */
static bool goes_one_way(const struct segy_index_trace *traces, size_t count)
{
    bool up[2] = {true, true}, down[2] = {true, true};
    for (size_t i = 1; i < count && (up[0] || up[1] || down[0] || down[1]); i++)
        for (int way = 0; way < 2; way++) {
            int order = place_compare(&traces[i - 1].receiver, &traces[i].receiver, way == 1);
            up[way] = up[way] && order < 0;
            down[way] = down[way] && order > 0;
        }
    return up[0] || up[1] || down[0] || down[1];
}

static bool samples_get(const struct survey *survey, const struct twin *twin, float *samples)
{
    const struct segy_index_trace *indexed = &twin->trace;
    struct segy_trace trace;
    struct error ignored;
    return indexed->samples >= survey->record.samples &&
           segy_trace_read(twin->segy, indexed->offset, indexed->number, &trace, &ignored) ==
               0 &&
           trace.samples == indexed->samples &&
           segy_samples_read(twin->segy, &trace, 0, (uint32_t)survey->record.samples, samples,
                             &ignored) == 0;
}

/* Dead traces do not count, nor twice. */
static bool same_samples(struct twins *twins, const struct twin *one, const struct twin *other)
{
    size_t count = twins->survey->record.samples;
    float *samples = calloc(2 * count, sizeof(*samples));
    bool same = samples && samples_get(twins->survey, one, samples) &&
                samples_get(twins->survey, other, samples + count) &&
                memcmp(samples, samples + count, count * sizeof(*samples)) == 0 &&
                !survey_trace_is_dead(samples, count);
    twins->read++;
    free(samples);
    return same;
}

/* Of a shot's traces, sorted. */
static void twins_count(struct twins *twins, int64_t number, const struct twin *traces,
                        size_t count)
{
    size_t first = 0;
    for (size_t i = 1; i < count; i++) {
        if (place_compare(&traces[first].trace.receiver, &traces[i].trace.receiver, false) != 0)
            first = i;
        size_t k = first;
        while (k < i && twins->read < TWINS_READ &&
               !same_samples(twins, &traces[k], &traces[i]))
            k++;
        if (k == i || twins->read >= TWINS_READ || twins->count++)
            continue;
        twins->number = number;
        twins->one = traces[k];
        twins->other = traces[i];
    }
}

static int part_compare(const void *a, const void *b)
{
    const struct part *left = a, *right = b;
    int64_t one = left->shot->shot->number, other = right->shot->shot->number;
    if (one != other)
        return one < other ? -1 : 1;
    int order = place_compare(&left->shot->shot->source, &right->shot->shot->source, false);
    return order ? order : (left->index > right->index) - (left->index < right->index);
}

static bool is_one_shot(const struct part *a, const struct part *b)
{
    return a->shot->shot->number == b->shot->shot->number &&
           place_compare(&a->shot->shot->source, &b->shot->shot->source, false) == 0;
}

/* The traces of a part. How many: none where they cannot be had, or need not be looked at. */
static size_t part_take(const struct survey_segy *segy, struct part *part, bool alone,
                        struct twin *ret_traces)
{
    struct error ignored;
    size_t count = (size_t)part->shot->shot->count;
    const struct segy_index_trace *traces = survey_segy_traces(segy, part->index, &ignored);
    if (!traces || (alone && goes_one_way(traces, count)))
        return 0;
    part->segy = segy_open(segy->paths[part->shot->file], &segy->geometry.segy, &ignored);
    for (size_t i = 0; part->segy && i < count; i++)
        ret_traces[i] = (struct twin){traces[i], part->segy, part->shot->file};
    return part->segy ? count : 0;
}

/* Of a shot in so many parts. */
static void twins_of_shot(struct twins *twins, const struct survey_segy *segy,
                          struct part *parts, size_t count)
{
    size_t all = 0, taken = 0;
    for (size_t i = 0; i < count; i++)
        all += (size_t)parts[i].shot->shot->count;
    struct twin *traces = calloc(all, sizeof(*traces));
    for (size_t i = 0; traces && i < count; i++)
        taken += part_take(segy, &parts[i], count == 1, traces + taken);
    if (taken) {
        qsort(traces, taken, sizeof(*traces), trace_compare);
        twins_count(twins, parts[0].shot->shot->number, traces, taken);
    }
    twins->sorted += taken;
    for (size_t i = 0; i < count; i++)
        segy_close(parts[i].segy);
    free(traces);
}

/* Of all of them, or as many as are looked at. */
static void twins_find(struct twins *twins, const struct survey_segy *segy)
{
    struct part *parts = calloc(segy->shot_count, sizeof(*parts));
    for (size_t i = 0; parts && i < segy->shot_count; i++)
        parts[i] = (struct part){.shot = &segy->shots[i], .index = i};
    if (parts && !segy->unique)
        qsort(parts, segy->shot_count, sizeof(*parts), part_compare);
    for (size_t i = 0, end; parts && i < segy->shot_count && twins->sorted < TWINS_SORTED &&
                            twins->read < TWINS_READ;
         i = end) {
        end = i + 1;
        while (end < segy->shot_count && is_one_shot(&parts[i], &parts[end]))
            end++;
        twins_of_shot(twins, segy, parts + i, end - i);
    }
    free(parts);
}

void survey_twins_remark(const struct survey *survey,
                         void (*say)(void *context, const char *sentence), void *context)
{
    const struct survey_segy *segy = survey->state->data;
    struct twins twins = {.survey = survey};
    struct error text;
    if (segy)
        twins_find(&twins, segy);
    if (twins.count == 0)
        return;
    bool apart = twins.one.file != twins.other.file;
    error_set(
        &text, ERROR_NONE,
        "$.data: %s%zu trace%s the receiver and all samples of another one of the same "
        "shot, and count%s twice: in %s, shot %lld, trace %llu those of trace %llu%s%s, at "
        "(%g, %g, %g) m; leave out one of them",
        twins.read >= TWINS_READ ? "at least " : "", twins.count,
        twins.count == 1 ? " has" : "s have", twins.count == 1 ? "s" : "",
        segy->names[twins.other.file], (long long)twins.number,
        (unsigned long long)twins.other.trace.number + 1,
        (unsigned long long)twins.one.trace.number + 1, apart ? " of " : "",
        apart ? segy->names[twins.one.file] : "", twins.other.trace.receiver.x,
        twins.other.trace.receiver.y, twins.other.trace.receiver.z);
    say(context, text.text);
}

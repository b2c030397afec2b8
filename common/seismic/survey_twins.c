/*
 * Traces of a shot that stand there twice: the same receiver, and the same samples. Those of a shot
 * whose receivers go one way are not looked at; those of others are put in order by their places.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/seismic/survey_private.h"

/* How far they are looked for: traces put in order, and pairs at one place whose samples are read.
 * Receivers with several components have many such pairs. */
#define TWINS_SORTED ((size_t)4 << 20)
#define TWINS_READ   1000

struct twins {
    const struct survey *survey;
    size_t sorted, read; /* traces sorted, pairs whose samples were read: so far */
    size_t count;        /* of traces that stood there before */
    size_t shot;         /* the first of them: its shot, and both */
    struct segy_index_trace one, other;
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
    const struct segy_index_trace *left = a, *right = b;
    int order = place_compare(&left->receiver, &right->receiver, false);
    return order ? order : (left->number > right->number) - (left->number < right->number);
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

static bool samples_get(const struct survey *survey, struct segy *segy,
                        const struct segy_index_trace *indexed, float *samples)
{
    struct segy_trace trace;
    struct error ignored;
    return indexed->samples >= survey->record.samples &&
           segy_trace_read(segy, indexed->offset, indexed->number, &trace, &ignored) == 0 &&
           trace.samples == indexed->samples &&
           segy_samples_read(segy, &trace, 0, (uint32_t)survey->record.samples, samples,
                             &ignored) == 0;
}

static bool same_samples(struct twins *twins, struct segy *segy,
                         const struct segy_index_trace *one,
                         const struct segy_index_trace *other)
{
    size_t count = twins->survey->record.samples;
    float *samples = calloc(2 * count, sizeof(*samples));
    bool same = samples && samples_get(twins->survey, segy, one, samples) &&
                samples_get(twins->survey, segy, other, samples + count) &&
                memcmp(samples, samples + count, count * sizeof(*samples)) == 0;
    twins->read++;
    free(samples);
    return same;
}

/* Of a shot's traces, sorted. */
static void twins_count(struct twins *twins, size_t shot, struct segy *segy,
                        const struct segy_index_trace *traces, size_t count)
{
    size_t first = 0;
    for (size_t i = 1; i < count; i++) {
        if (place_compare(&traces[first].receiver, &traces[i].receiver, false) != 0)
            first = i;
        size_t k = first;
        while (k < i && twins->read < TWINS_READ &&
               !same_samples(twins, segy, &traces[k], &traces[i]))
            k++;
        if (k == i || twins->read >= TWINS_READ || twins->count++)
            continue;
        twins->shot = shot;
        twins->one = traces[k];
        twins->other = traces[i];
    }
}

static void twins_of_shot(struct twins *twins, const struct survey_segy *segy, size_t shot)
{
    struct error ignored;
    size_t count = (size_t)segy->shots[shot].shot->count;
    const struct segy_index_trace *traces = survey_segy_traces(segy, shot, &ignored);
    if (!traces || goes_one_way(traces, count))
        return;
    twins->sorted += count;
    struct segy_index_trace *sorted = malloc(count * sizeof(*sorted));
    struct segy *file =
        segy_open(segy->paths[segy->shots[shot].file], &segy->geometry.segy, &ignored);
    if (sorted && file) {
        memcpy(sorted, traces, count * sizeof(*sorted));
        qsort(sorted, count, sizeof(*sorted), trace_compare);
        twins_count(twins, shot, file, sorted, count);
    }
    segy_close(file);
    free(sorted);
}

void survey_twins_remark(const struct survey *survey,
                         void (*say)(void *context, const char *sentence), void *context)
{
    const struct survey_segy *segy = survey->state->data;
    struct twins twins = {.survey = survey};
    struct error text;
    for (size_t i = 0;
         segy && i < segy->shot_count && twins.sorted < TWINS_SORTED && twins.read < TWINS_READ;
         i++)
        twins_of_shot(&twins, segy, i);
    if (twins.count == 0)
        return;
    const struct survey_segy_shot *shot = &segy->shots[twins.shot];
    error_set(&text, ERROR_NONE,
              "$.data: %s%zu trace%s the receiver and all samples of another one of the same "
              "shot, and count%s twice: in %s, shot %lld, trace %llu those of trace %llu, at "
              "(%g, %g, %g) m; leave out one of them",
              twins.read >= TWINS_READ ? "at least " : "", twins.count,
              twins.count == 1 ? " has" : "s have", twins.count == 1 ? "s" : "",
              segy->names[shot->file], (long long)shot->shot->number,
              (unsigned long long)twins.other.number + 1,
              (unsigned long long)twins.one.number + 1, twins.other.receiver.x,
              twins.other.receiver.y, twins.other.receiver.z);
    say(context, text.text);
}

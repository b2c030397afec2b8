/*
 * One pass over the headers finds the shot's traces; then their samples are read.
 */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/seismic/segy.h"
#include "launch/plot/source_private.h"

struct seen {
    uint64_t offset, number;
    uint32_t samples;
    double x; /* of the receiver, metres; NaN: it does not say */
};

struct gather {
    struct segy *segy;
    struct seen *traces;
    size_t count, capacity;
    double shot, source_x, source_y; /* header words of its first trace */
    double interval_s, delay_s;
    uint32_t samples; /* the most */
};

static bool belongs(const struct gather *gather, const struct segy_trace *trace,
                    const struct source_options *options)
{
    double shot = segy_word(gather->segy, trace, SEGY_SHOT);
    if (options->has_shot)
        return shot == (double)options->shot;
    return gather->count == 0 ||
           (shot == gather->shot &&
            segy_word(gather->segy, trace, SEGY_SOURCE_X) == gather->source_x &&
            segy_word(gather->segy, trace, SEGY_SOURCE_Y) == gather->source_y);
}

static int trace_note(struct gather *gather, const struct segy_trace *trace,
                      struct error *ret_error)
{
    struct error unknown;
    if (gather->count == 0) {
        gather->shot = segy_word(gather->segy, trace, SEGY_SHOT);
        gather->source_x = segy_word(gather->segy, trace, SEGY_SOURCE_X);
        gather->source_y = segy_word(gather->segy, trace, SEGY_SOURCE_Y);
        gather->interval_s = trace->interval * 1e-6;
        if (segy_delay(gather->segy, trace, &gather->delay_s, ret_error) < 0)
            return -1;
    }
    if (gather->count == gather->capacity) {
        size_t wanted = gather->capacity * 2 + 256;
        void *grown = realloc(gather->traces, wanted * sizeof *gather->traces);
        if (!grown)
            return error_set(ret_error, ERROR_SYSTEM, "no memory for the traces of a shot");
        gather->traces = grown;
        gather->capacity = wanted;
    }
    struct seen *seen = &gather->traces[gather->count++];
    *seen = (struct seen){trace->offset, trace->number, trace->samples, NAN};
    if (segy_length(gather->segy, trace, SEGY_RECEIVER_X, &seen->x, &unknown) < 0)
        seen->x = NAN;
    gather->samples = trace->samples > gather->samples ? trace->samples : gather->samples;
    return 0;
}

static int traces_find(struct gather *gather, const struct source_options *options,
                       struct error *ret_error)
{
    struct segy_trace trace;
    int more;
    while ((more = segy_next(gather->segy, &trace, ret_error)) > 0)
        if (belongs(gather, &trace, options) && trace_note(gather, &trace, ret_error) < 0)
            return -1;
    if (more == 0 && gather->count == 0)
        return options->has_shot
                   ? error_set(ret_error, ERROR_USAGE,
                               "%s: no trace belongs to shot %" PRId64 " (bytes 9 to 12)",
                               segy_path(gather->segy), options->shot)
                   : error_set(ret_error, ERROR_CONFIG, "%s: there is no trace in it",
                               segy_path(gather->segy));
    return more;
}

static int samples_read(struct gather *gather, const struct thinning *thinning,
                        struct picture_panel *panel, float *counts, float *column,
                        struct error *ret_error)
{
    for (size_t i = 0; i < gather->count; i++) {
        struct segy_trace trace;
        const struct seen *seen = &gather->traces[i];
        if (segy_trace_read(gather->segy, seen->offset, seen->number, &trace, ret_error) < 0 ||
            segy_samples_read(gather->segy, &trace, 0, seen->samples, column, ret_error) < 0)
            return -1;
        thinning_add(panel, thinning, i, column, seen->samples, counts);
    }
    return 0;
}

/* Receivers at regular places along x have their place on the axis; others their number. */
static struct picture_axis receivers_axis(const struct gather *gather)
{
    size_t count = gather->count;
    double first = gather->traces[0].x, last = gather->traces[count - 1].x;
    double step = count > 1 ? (last - first) / (double)(count - 1) : NAN;
    bool regular = isfinite(step) && step != 0;
    for (size_t i = 0; regular && i < count; i++)
        regular = fabs(gather->traces[i].x - first - step * (double)i) < fabs(step) / 2;
    return regular ? (struct picture_axis){"receiver x (m)", first, step, false}
                   : (struct picture_axis){"trace", 1, 1, true};
}

static int gather_show(struct gather *gather, struct picture *picture, struct error *ret_error)
{
    struct thinning thinning = thinning_of(gather->count, gather->samples);
    struct picture_panel *panel = &picture->panels[0];
    float *counts, *column = malloc(gather->samples * sizeof *column);
    if (!column)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a trace");
    if (thinning_begin(panel, &thinning, gather->count, gather->samples, &counts, ret_error) <
        0) {
        free(column);
        return -1;
    }
    int rc = samples_read(gather, &thinning, panel, counts, column, ret_error);
    thinning_end(panel, counts);
    free(column);
    picture->count = 1;
    panel->x = receivers_axis(gather);
    panel->x.first += panel->x.step * ((double)thinning.across - 1) / 2;
    panel->x.step *= (double)thinning.across;
    panel->y = (struct picture_axis){
        "time (s)", gather->delay_s + gather->interval_s * ((double)thinning.down - 1) / 2,
        gather->interval_s * (double)thinning.down, false};
    return rc;
}

int source_gather_read(const char *path, const struct source_options *options,
                       struct picture *picture, struct error *ret_error)
{
    const struct segy_options plain = {0};
    struct gather gather = {.segy = segy_open(path, &plain, ret_error)};
    if (!gather.segy)
        return -1;
    int rc = traces_find(&gather, options, ret_error);
    if (rc == 0)
        rc = gather_show(&gather, picture, ret_error);
    const char *slash = strrchr(path, '/');
    snprintf(picture->title, sizeof picture->title, "%.160s, shot %.0f: %zu %s",
             slash ? slash + 1 : path, gather.shot, gather.count,
             gather.count == 1 ? "trace" : "traces");
    segy_close(gather.segy);
    free(gather.traces);
    if (rc < 0)
        picture_fini(picture);
    return rc;
}

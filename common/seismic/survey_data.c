/*
 * Observed traces of one shot, and files of traces written.
 */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/seismic/mute.h"
#include "common/seismic/segy_write.h"
#include "common/seismic/shot_task.h"
#include "common/seismic/survey_private.h"

/* Whether the header is still that of which the index was made. */
static int trace_check(const struct segy *segy, const struct survey_segy *data,
                       const struct segy_trace *trace, const struct segy_index_trace *indexed,
                       struct error *ret_error)
{
    struct point receiver;
    if (segy_receiver_place(segy, trace, &data->geometry, &receiver, ret_error) < 0)
        return -1;
    if (trace->samples == indexed->samples && receiver.x == indexed->receiver.x &&
        receiver.y == indexed->receiver.y && receiver.z == indexed->receiver.z)
        return 0;
    return error_set(
        ret_error, ERROR_CONFIG,
        "%s: trace %llu (header at byte %llu) has changed since the file was indexed "
        "(%u samples at (%g, %g, %g), then %u at (%g, %g, %g)); remove the .index file "
        "beside it",
        segy_path(segy), (unsigned long long)trace->number + 1,
        (unsigned long long)trace->offset, trace->samples, receiver.x, receiver.y, receiver.z,
        indexed->samples, indexed->receiver.x, indexed->receiver.y, indexed->receiver.z);
}

/* The file that a shot's traces are in, and what is known of these. */
struct gather {
    struct segy *segy;
    const struct segy_index_trace *indexed;
};

/* `segy` is to be closed either way. */
static int gather_open(const struct survey_segy *data, size_t shot, struct gather *ret_gather,
                       struct error *ret_error)
{
    const char *path = data->paths[data->shots[shot].file];
    *ret_gather = (struct gather){.segy = segy_open(path, &data->geometry.segy, ret_error)};
    if (ret_gather->segy)
        ret_gather->indexed = survey_segy_traces(data, shot, ret_error);
    return ret_gather->indexed ? 0 : -1;
}

/* Of the shot's receiver `i`. */
static int trace_read(const struct survey *survey, const struct shot *shot, size_t i,
                      const struct gather *gather, float *samples, struct error *ret_error)
{
    const struct survey_segy *data = survey->state->data;
    const struct segy_index_trace *one = &gather->indexed[shot->rows[i]];
    struct segy *segy = gather->segy;
    size_t wanted = survey->record.samples;
    struct segy_trace trace;
    if (shot->rows[i] >= data->shots[shot->index].shot->count || wanted > one->samples)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: shot %s, trace %llu has %u samples where %zu are wanted",
                         segy_path(segy), shot->name, (unsigned long long)one->number + 1,
                         one->samples, wanted);
    if (segy_trace_read(segy, one->offset, one->number, &trace, ret_error) < 0 ||
        trace_check(segy, data, &trace, one, ret_error) < 0)
        return -1;
    return segy_samples_read(segy, &trace, 0, (uint32_t)wanted, samples, ret_error);
}

static int traces_read(const struct survey *survey, const struct shot *shot, float *samples,
                       struct error *ret_error)
{
    struct gather gather;
    int status = gather_open(survey->state->data, shot->index, &gather, ret_error);
    for (size_t i = 0; status == 0 && i < shot->receiver_count; i++)
        status = trace_read(survey, shot, i, &gather, samples + i * survey->record.samples,
                            ret_error);
    segy_close(gather.segy);
    return status;
}

/* The file as the survey says it: where it lies for the time of a task is soon gone. */
static void file_name(struct error *error, const char *path, const char *name)
{
    const char *rest = error ? error_after(error, path) : NULL;
    if (!rest)
        return;
    struct error said;
    error_set(&said, error->code, "%s%s", name, rest);
    *error = said;
}

bool survey_trace_is_dead(const float *samples, size_t count)
{
    size_t i = 0;
    while (i < count && samples[i] == 0)
        i++;
    return i == count;
}

int survey_data_read(const struct survey *survey, const struct shot *shot, float *traces,
                     struct error *ret_error)
{
    const struct survey_segy *data = survey->state->data;
    if (!data)
        return error_set(ret_error, ERROR_CONFIG, "%s: has no observed data ($.data)",
                         survey->path);
    size_t file = data->shots[shot->index].file;
    const char *path = data->paths[file];
    if (traces_read(survey, shot, traces, ret_error) == 0)
        return 0;
    file_name(ret_error, path, data->names[file]);
    return shot_error_name(ret_error, "shot %s", shot->name);
}

/* Whether a trace has a sample that is not zero, and that the mute lets through. */
static bool trace_counts(const struct survey *survey, const struct shot *shot, size_t receiver,
                         const float *samples)
{
    const struct survey_record *record = &survey->record;
    double line = mute_line(&survey->mute, shot, receiver);
    for (size_t i = 0; i < record->samples; i++)
        if (samples[i] != 0 &&
            mute_weight(&survey->mute, line, record->start_s + (double)i * record->interval_s) >
                0)
            return true;
    return false;
}

/* The same of a shot; `samples` is room for a trace. What cannot be read may count. */
static bool shot_counts(const struct survey *survey, size_t index, float *samples,
                        uint64_t *left)
{
    struct error ignored;
    struct gather gather;
    struct shot shot;
    if (survey_shot_open(survey, index, &shot, &ignored) < 0)
        return true;
    bool counts = gather_open(survey->state->data, index, &gather, &ignored) < 0;
    for (size_t i = 0; !counts && i < shot.receiver_count; i++) {
        counts = *left < survey->record.samples ||
                 trace_read(survey, &shot, i, &gather, samples, &ignored) < 0 ||
                 trace_counts(survey, &shot, i, samples);
        *left -= counts ? 0 : survey->record.samples;
    }
    segy_close(gather.segy);
    survey_shot_close(&shot);
    return counts;
}

bool survey_data_are_zero(const struct survey *survey, uint64_t most)
{
    float *samples = calloc(survey->record.samples + 1, sizeof(*samples));
    bool counts = !samples || !survey->observed;
    for (size_t i = 0; !counts && i < survey->shot_count; i++)
        counts = shot_counts(survey, i, samples, &most);
    free(samples);
    return !counts;
}

/* The number in a shot's name. */
static int64_t shot_number(const struct shot *shot)
{
    return strtoll(shot->name, NULL, 10);
}

static struct segy_write_format traces_format(const struct survey *survey)
{
    const struct survey_record *record = &survey->record;
    double interval = record->interval_s * 1e6;
    bool whole = fabs(interval - rint(interval)) < 1e-6; /* rounding of seconds */
    return (struct segy_write_format){.revision = survey->output.traces == SURVEY_SEGY2 ? 2 : 1,
                                      .samples = (uint32_t)record->samples,
                                      .interval_us = whole ? rint(interval) : interval,
                                      .delay_s = record->start_s};
}

bool survey_makes_traces(const struct survey *survey)
{
    return survey->operation == SURVEY_MODEL || survey->operation == SURVEY_BORN;
}

int survey_traces_check(const struct survey *survey, struct error *ret_error)
{
    struct segy_write_format format = traces_format(survey);
    return survey_makes_traces(survey) && !survey->program
               ? segy_write_check(&format, "$.output.traces", ret_error)
               : 0;
}

int survey_traces_write(const struct survey *survey, const struct shot *shot,
                        const float *traces, const char *path, struct error *ret_error)
{
    struct segy_write_format format = traces_format(survey);
    struct error ignored;
    format.traces = format.ensemble = shot->receiver_count;
    format.title = "shot gathers"; /* the headers say which: files of shots become one */
    /* Observed traces on their way to a task: for us alone, so in whichever revision can say
     * them. */
    if (!survey_makes_traces(survey) && segy_write_check(&format, path, &ignored) < 0)
        format.revision = 2;
    struct segy_write_trace trace = {.shot = shot_number(shot), .source = shot->sources[0]};
    struct segy_writer *writer = segy_write_open(path, &format, ret_error);
    if (!writer)
        return -1;
    for (size_t i = 0; i < shot->receiver_count; i++) {
        trace.channel = (int64_t)(shot->rows ? shot->rows[i] : i) + 1;
        trace.receiver = shot->receivers[i];
        if (segy_write_next(writer, &trace, traces + i * survey->record.samples, ret_error) <
            0) {
            segy_write_abandon(writer);
            return -1;
        }
    }
    return segy_write_commit(writer, ret_error);
}

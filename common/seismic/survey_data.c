/*
 * Observed traces of one shot, and files of traces written.
 */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

static int traces_read(const struct survey *survey, const struct shot *shot, struct segy *segy,
                       const struct survey_segy *data, float *samples, struct error *ret_error)
{
    const struct survey_segy_shot *at = &data->shots[shot->index];
    const struct segy_index_trace *indexed = survey_segy_traces(data, shot->index, ret_error);
    size_t wanted = survey->record.samples;
    if (!indexed)
        return -1;
    for (size_t i = 0; i < shot->receiver_count; i++) {
        const struct segy_index_trace *one = &indexed[shot->rows[i]];
        struct segy_trace trace;
        if (shot->rows[i] >= at->shot->count || wanted > one->samples)
            return error_set(ret_error, ERROR_CONFIG,
                             "%s: shot %s, trace %llu has %u samples where %zu are wanted",
                             segy_path(segy), shot->name, (unsigned long long)one->number + 1,
                             one->samples, wanted);
        if (segy_trace_read(segy, one->offset, one->number, &trace, ret_error) < 0 ||
            trace_check(segy, data, &trace, one, ret_error) < 0 ||
            segy_samples_read(segy, &trace, 0, (uint32_t)wanted, samples + i * wanted,
                              ret_error) < 0)
            return -1;
    }
    return 0;
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
    struct segy *segy = segy_open(path, &data->geometry.segy, ret_error);
    int status = segy ? traces_read(survey, shot, segy, data, traces, ret_error) : -1;
    segy_close(segy);
    if (status < 0)
        file_name(ret_error, path, data->names[file]);
    return status < 0 ? shot_error_name(ret_error, "shot %s", shot->name) : 0;
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

#include "config.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/seismic/mute.h"
#include "worker/seismic/observed.h"

static int traces_read(struct observed *observed, const struct survey *survey, size_t size,
                       const struct shot *members, const double *factors, size_t count,
                       struct error *ret_error)
{
    float *one = malloc(size * sizeof(*one));
    observed->traces = calloc(size, sizeof(*observed->traces));
    int rc = one && observed->traces
                 ? 0
                 : error_set(ret_error, ERROR_SYSTEM, "no memory for observed data");
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = survey_data_read(survey, &members[i], one, ret_error);
        for (size_t j = 0; rc == 0 && j < size; j++)
            observed->traces[j] += (float)factors[i] * one[j];
    }
    free(one);
    return rc;
}

static bool is_dead(const struct observed *observed, size_t trace, size_t samples)
{
    return survey_trace_is_dead(observed->traces + trace * samples, samples);
}

static int weights_make(struct observed *observed, const struct survey *survey,
                        const struct shot *shot, struct error *ret_error)
{
    size_t traces = shot->receiver_count, samples = survey->record.samples;
    for (size_t i = 0; i < traces; i++)
        observed->dead += is_dead(observed, i, samples);
    if (!observed->dead && survey->mute.keep == SURVEY_KEEP_ALL)
        return 0;
    observed->weights = malloc(traces * samples * sizeof(*observed->weights));
    if (!observed->weights)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the weights of traces");
    mute_weights(survey, shot, observed->weights);
    for (size_t i = 0; observed->dead && i < traces; i++)
        if (is_dead(observed, i, samples))
            memset(observed->weights + i * samples, 0, samples * sizeof(float));
    return 0;
}

int observed_read(struct observed *observed, const struct survey *survey,
                  const struct shot *shot, const struct shot *members, const double *factors,
                  size_t count, struct error *ret_error)
{
    size_t size = shot->receiver_count * survey->record.samples;
    if (mute_check(survey, shot, ret_error) < 0 ||
        traces_read(observed, survey, size, members, factors, count, ret_error) < 0)
        return -1;
    return weights_make(observed, survey, shot, ret_error);
}

void observed_fini(struct observed *observed)
{
    free(observed->traces);
    free(observed->weights);
    *observed = (struct observed){0};
}

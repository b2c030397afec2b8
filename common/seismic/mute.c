#include "config.h"

#include <math.h>
#include <stdbool.h>

#include "common/seismic/mute.h"

static double distance(const struct point *a, const struct point *b)
{
    return hypot(hypot(a->x - b->x, a->y - b->y), a->z - b->z);
}

double mute_line(const struct survey_mute *mute, const struct shot *shot, size_t receiver)
{
    bool latest = mute->keep == SURVEY_KEEP_REFLECTIONS;
    double offset = latest ? 0 : INFINITY;
    for (size_t i = 0; i < shot->source_count; i++) {
        double one = distance(&shot->sources[i], &shot->receivers[receiver]);
        offset = latest ? fmax(offset, one) : fmin(offset, one);
    }
    return offset / mute->velocity_m_s + mute->delay_s;
}

double mute_weight(const struct survey_mute *mute, double line_s, double time_s)
{
    double beyond = mute->keep == SURVEY_KEEP_REFLECTIONS ? line_s - time_s : time_s - line_s;
    if (mute->keep == SURVEY_KEEP_ALL || beyond <= 0)
        return 1;
    return beyond < mute->taper_s ? 0.5 + 0.5 * cos(M_PI * beyond / mute->taper_s) : 0;
}

void mute_weights(const struct survey *survey, const struct shot *shot, float *weights)
{
    const struct survey_record *record = &survey->record;
    for (size_t i = 0; i < shot->receiver_count; i++) {
        double line = mute_line(&survey->mute, shot, i);
        for (size_t j = 0; j < record->samples; j++)
            weights[i * record->samples + j] = (float)mute_weight(
                &survey->mute, line, record->start_s + (double)j * record->interval_s);
    }
}

/* Weights rise or fall with time, so one end of the record has the largest. */
int mute_check(const struct survey *survey, const struct shot *shot, struct error *ret_error)
{
    const struct survey_mute *mute = &survey->mute;
    const struct survey_record *record = &survey->record;
    bool late = mute->keep == SURVEY_KEEP_REFLECTIONS;
    double first = record->start_s;
    double last = first + (double)(record->samples - 1) * record->interval_s;
    double line = late ? INFINITY : -INFINITY; /* of the receiver that is left most */
    for (size_t i = 0; i < shot->receiver_count; i++) {
        double one = mute_line(mute, shot, i);
        line = late ? fmin(line, one) : fmax(line, one);
    }
    if (mute_weight(mute, line, late ? last : first) > 0) /* 1 where there is no mute */
        return 0;
    return error_set(ret_error, ERROR_CONFIG,
                     "$.mute: leaves nothing of shot %s: its %s line comes at %g s, and the "
                     "record goes from %g to %g s",
                     shot->name, late ? "first" : "last", line, first, last);
}

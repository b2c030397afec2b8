/*
 * mute.h - which part of each trace counts.
 *
 * A line in time parts each trace: it comes at offset / velocity_m_s + delay_s, with the offset the
 * distance from the source to the receiver, depths and all. What lies on the side that is kept has
 * the weight 1; on the other side weights fall to 0 over taper_s:
 *
 *   reflections  w(t) = 1 where t >= line, c((line - t) / taper_s) before
 *   turning      w(t) = 1 where t <= line, c((t - line) / taper_s) behind
 *   c(x) = (1 + cos(pi x)) / 2 up to x = 1, and 0 from there on
 *
 * JUDI's judiDataMute does so with vp, t0 and taperwidth (samples). Weights multiply observed and
 * modelled traces alike, before anything is done to them: as a matrix they are diagonal, and their
 * own transpose.
 *
 * Where a shot has several sources each has a line, and the least of the weights counts: of
 * reflections what is behind all direct waves, of turning waves what comes before each line.
 */
#ifndef BEOFARM_COMMON_SEISMIC_MUTE_H
#define BEOFARM_COMMON_SEISMIC_MUTE_H

#include <stddef.h>

#include "common/error.h"
#include "common/seismic/survey.h"

/* When the line comes at a receiver of the shot: of several, the one that counts. Seconds. */
double mute_line(const struct survey_mute *mute, const struct shot *shot, size_t receiver);

/* The weight, 0 to 1, at a time of a trace with that line. */
double mute_weight(const struct survey_mute *mute, double line_s, double time_s);

/* Weights of the survey's mute for all samples of a shot, [receiver_count][record.samples], into
 * `weights` (the caller's). */
void mute_weights(const struct survey *survey, const struct shot *shot, float *weights);

/* Whether the survey's mute leaves anything of a shot: 0, or -1 with a sentence. */
int mute_check(const struct survey *survey, const struct shot *shot, struct error *ret_error);

#endif

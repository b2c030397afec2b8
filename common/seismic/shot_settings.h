/*
 * shot_settings.h - what the driver tells the shot program beyond the columns of a task: the
 * "settings" of its line (shot_task.h), and the "extra" of its answer.
 *
 * The survey of a task. Where "files" of the line has "survey.json", that is the survey to open
 * (it lies in the task's directory, as all files of the task do), in place of "survey": in later
 * iterations of an inversion, for instance, its model.velocity is "velocity.json", another file of
 * the task. The driver writes it with all defaults filled in. "band_hz" of the line, not the
 * survey, says which frequencies count.
 *
 * "settings", all members optional:
 *
 *   {"extract": true,          the survey of the task has the task's shots alone, in their order:
 *                              the i-th of "shots" is its shot i (data and geometry are its own
 *                              SEG-Y file)
 *    "source_filter": {…},     a spectrum (below) by which the wavelet's is multiplied
 *    "iteration": 3}           of an inversion; for people
 *
 * "extra" of a task "source" (an estimate of the source): sums over all traces of its shots,
 * observed d and synthetic u (both tapered and scaled as for the misfit), per frequency,
 *
 *   {"df_hz": 0.5, "first": 4, "cross": [[re,im],…], "power": [p,…]}
 *
 * cross = Σ d conj(u), power = Σ |u|². The driver adds those of all shots, in order, and takes
 * cross / max(power, 1e-6 max power): the filter that fits best in the least-squares sense (Pratt
 * 1999, doi:10.1190/1.1444597, eq. 17, with a water level), without the ends that are below that
 * level. A spectrum, of "source_filter":
 *
 *   {"df_hz": 0.5, "delay_s": 0.02, "first": 4, "values": [[re,im],…]}
 *
 * value i belongs to the frequency (first + i) * df_hz; between them it is interpolated. Outside it
 * is that of the nearest end, times exp(-2 π i Δf delay_s), Δf from there: these frequencies do not
 * count, but a wavelet that is cut off at the end of a band would ring before time 0, where there
 * is no wavelet, and without that it is not what was estimated.
 */
#ifndef BEOFARM_COMMON_SEISMIC_SHOT_SETTINGS_H
#define BEOFARM_COMMON_SEISMIC_SHOT_SETTINGS_H

#define SHOT_SURVEY_FILE       "survey.json"
#define SHOT_SETTING_EXTRACT   "extract"
#define SHOT_SETTING_FILTER    "source_filter"
#define SHOT_SETTING_ITERATION "iteration"

/* Fields of the task's own model, where it has one: files of this name and any ending. */
#define SHOT_FIELD_VELOCITY     "velocity"
#define SHOT_FIELD_PERTURBATION "perturbation"

/* The arrays of gradients and images. */
#define SHOT_ARRAY_GRADIENT     "gradient"     /* of the misfit by the velocity, per m/s */
#define SHOT_ARRAY_IMAGE        "image"        /* J' d: by the squared slowness */
#define SHOT_ARRAY_ILLUMINATION "illumination" /* Σ u² dt of the source wavefield */

/* Images are divided by the illumination plus this share of its mean. */
#define SHOT_WATER_LEVEL 0.01

#endif

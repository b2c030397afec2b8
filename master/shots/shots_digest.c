/*
 * When a wave is through: which shots are in the sums that came home, what that comes to, and what
 * is next. Done in a thread beside the loop, which touches neither the roll nor the inversion
 * meanwhile. Everything here can be done again by a later master, and comes out the same.
 */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "common/seismic/shot_settings.h"
#include "common/whole.h"
#include "master/shots/shots_private.h"

void shots_wave_fini(struct roll_wave *wave)
{
    free(wave->purpose);
    free(wave->shots);
    free(wave->files);
    free(wave->settings);
    *wave = (struct roll_wave){0};
}

static bool has_missing(const struct driver *driver, const size_t *holders)
{
    const struct roll_wave *wave = roll_wave(&driver->roll);
    bool encoded = driver->survey.batch.encoded > 1;
    for (size_t i = 0; i < wave->shot_count; i++)
        if (holders[i] == SIZE_MAX && roll_wants_again(&driver->roll, wave->shots[i], encoded))
            return true;
    return false;
}

/* --- single operations --- */

static size_t left_out(const struct driver *driver, const size_t *holders)
{
    size_t count = 0;
    for (size_t i = 0; i < roll_wave(&driver->roll)->shot_count; i++)
        count += holders[i] == SIZE_MAX;
    return count;
}

/* Of all shots that are in; each task's is shared by its shots. *ret_misfits (shot_count) may be
 * NULL. */
static double misfit_of(const struct driver *driver, const size_t *holders, double *ret_misfits)
{
    const struct roll_wave *wave = roll_wave(&driver->roll);
    double sum = 0;
    for (size_t i = 0; i < wave->shot_count; i++) {
        double misfit = NAN;
        if (holders[i] != SIZE_MAX) {
            const struct roll_task *task = &driver->roll.tasks[holders[i]];
            misfit = task->misfit / (double)task->shot_count;
        }
        sum += isnan(misfit) ? 0 : misfit;
        if (ret_misfits)
            ret_misfits[i] = misfit;
    }
    return sum;
}

/* An image of all zero data is zero, and they have no misfit that a model would lessen. Of some
 * shots that an iteration has drawn, nothing follows for the others. Programs that tell no norm are
 * believed. */
static int data_check(const struct driver *driver, const size_t *holders,
                      struct error *ret_error)
{
    const struct roll_wave *wave = roll_wave(&driver->roll);
    size_t zero = 0, in = 0, first = 0;
    if (shot_makes_traces(wave->operation)) /* whatever norm a program tells */
        return 0;
    for (size_t i = wave->shot_count; i-- > 0;) {
        if (holders[i] == SIZE_MAX)
            continue;
        first = wave->shots[i];
        in++;
        zero += driver->roll.tasks[holders[i]].norm == 0;
    }
    if (!in || zero < in || wave->shot_count < driver->survey.shot_count)
        return 0;
    return shots_zero_say(driver, first, in, ERROR_TASKS, ret_error);
}

/* Sums are divided, not shots, so that shots count by what they saw (Claerbout 1971,
 * doi:10.1190/1.1440185, with a water level). */
static void image_divide(float *image, const float *illumination, size_t points)
{
    double sum = 0;
    for (size_t i = 0; i < points; i++)
        sum += illumination[i];
    float level = (float)(SHOT_WATER_LEVEL * sum / (double)points);
    for (size_t i = 0; level > 0 && i < points; i++)
        image[i] /= illumination[i] + level;
}

static int arrays_write(const struct driver *driver, const struct shots_sums *sums,
                        const struct roll_wave *wave, struct error *ret_error)
{
    char arrays[SHOT_ARRAYS_MAX][SHOT_NAME_MAX + 1];
    size_t count = shots_arrays(driver, wave, arrays);
    float *light = NULL;
    int rc = 0;
    for (size_t i = count; rc == 0 && i-- > 0;) { /* the illumination is the last */
        float *values = shots_sums_read(driver, sums, arrays[i], ret_error);
        if (values && light && wave->operation == SHOT_RTM)
            image_divide(values, light, grid_size(&driver->survey.grid));
        rc = values ? shots_array_write(driver, arrays[i], NULL, values, ret_error) : -1;
        free(light);
        light = values;
    }
    free(light);
    return rc;
}

static int finish_single(struct driver *driver, const struct shots_sums *sums,
                         const size_t *holders, struct error *ret_error)
{
    struct shots_digest *digest = &driver->digest;
    const struct roll_wave *wave = roll_wave(&driver->roll);
    size_t gone = left_out(driver, holders);
    if (gone == wave->shot_count)
        return error_set(ret_error, ERROR_TASKS,
                         "none of %zu shot%s succeeded; results.csv says why; begin a new run "
                         "when that is mended, as with --resume they stay failed",
                         gone, gone == 1 ? "" : "s");
    bool traces = shot_makes_traces(wave->operation);
    if (data_check(driver, holders, ret_error) < 0 ||
        (traces ? shots_gathers_write(driver, ret_error)
                : arrays_write(driver, sums, wave, ret_error)) < 0 ||
        shots_list_write(driver, holders, ret_error) < 0)
        return -1;
    size_t in = wave->shot_count - gone;
    int size = snprintf(digest->text, sizeof(digest->text), "%s of %zu shot%s", wave->purpose,
                        in, in == 1 ? "" : "s");
    if (wave->operation == SHOT_GRADIENT)
        size += snprintf(digest->text + size, sizeof(digest->text) - (size_t)size,
                         ", misfit %.6g", misfit_of(driver, holders, NULL));
    if (gone)
        snprintf(digest->text + size, sizeof(digest->text) - (size_t)size,
                 "; %zu %s left out, which %s.shots.json names", gone, gone == 1 ? "is" : "are",
                 strrchr(driver->output_base, '/') + 1);
    digest->amiss = gone > 0;
    digest->verdict = SHOTS_OVER;
    return 0;
}

/* --- the inversion --- */

static size_t bands_of(const struct driver *driver)
{
    return driver->survey.inversion.band_count;
}

/* States are kept in the farm's store, where a master on another machine finds them; here they are
 * written and read. */
static char *state_path(const struct driver *driver)
{
    char *path = NULL;
    return asprintf(&path, "%s/state", driver->scratch) < 0 ? NULL : path;
}

static int state_put(struct driver *driver, struct roll_wave *wave, struct error *ret_error)
{
    char *path = state_path(driver);
    int rc = path ? fwi_save(driver->fwi, path, ret_error)
                  : error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    if (rc == 0)
        rc = driver->context.put_file(driver->context.wake_context, path, true, wave->state,
                                      ret_error);
    wave->has_state = rc == 0;
    if (path)
        unlink(path);
    free(path);
    return rc;
}

static int state_get(struct driver *driver, const struct roll_wave *wave,
                     struct error *ret_error)
{
    char *path = state_path(driver);
    int rc = path ? driver->context.get_file(driver->context.wake_context, wave->state, path,
                                             ret_error)
                  : error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    if (rc == 0)
        rc = fwi_load(driver->fwi, path, ret_error);
    if (path)
        unlink(path);
    free(path);
    return rc;
}

static int field_read(const struct driver *driver, enum survey_field field, float **ret_values,
                      struct error *ret_error)
{
    size_t points = grid_size(&driver->survey.grid);
    const struct grid_box box = grid_whole(&driver->survey.grid);
    *ret_values = calloc(points + 1, sizeof(float));
    if (!*ret_values)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a model of %zu points",
                         points);
    return survey_field_read(&driver->survey, field, &box, *ret_values, ret_error);
}

/* Of a survey that was changed since: no frequencies are known of a band that is gone. */
static int band_check(const struct driver *driver, struct error *ret_error)
{
    size_t bands = bands_of(driver), band = fwi_band(driver->fwi);
    if (band < (bands ? bands : 1))
        return 0;
    return error_set(
        ret_error, ERROR_CHANGED,
        "this run is in band %zu of its inversion, and the survey has %zu now: put "
        "the others back and resume with --accept-changes, or begin a new run",
        band + 1, bands);
}

/* As of the present wave, or new. */
static int fwi_begin(struct driver *driver, struct error *ret_error)
{
    float *velocity = NULL, *mask = NULL;
    if (driver->fwi)
        return 0;
    if (field_read(driver, SURVEY_VELOCITY, &velocity, ret_error) == 0 &&
        field_read(driver, SURVEY_MASK, &mask, ret_error) == 0)
        driver->fwi = fwi_create(&driver->survey, velocity, mask, ret_error);
    free(velocity);
    free(mask);
    if (!driver->fwi)
        return -1;
    const struct roll_wave *wave = roll_wave(&driver->roll);
    if (!wave)
        return 0;
    return state_get(driver, wave, ret_error) < 0 ? -1 : band_check(driver, ret_error);
}

static char *settings_print(const struct fwi_request *request, bool extract)
{
    struct buf text;
    buf_init(&text, JSON_SIZE_MAX);
    buf_printf(&text, "{\"" SHOT_SETTING_ITERATION "\":%d", request->iteration);
    if (extract)
        buf_append_text(&text, ",\"" SHOT_SETTING_EXTRACT "\":true");
    if (request->filter)
        buf_printf(&text, ",\"" SHOT_SETTING_FILTER "\":%s", request->filter);
    buf_append_text(&text, "}");
    char *copy = buf_failed(&text) ? NULL : strdup(buf_text(&text));
    buf_fini(&text);
    return copy;
}

static int model_hand_on(struct driver *driver, const double *velocity, struct roll_wave *wave,
                         struct error *ret_error)
{
    size_t points = grid_size(&driver->survey.grid);
    float *values = calloc(points + 1, sizeof(*values));
    if (!values)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a model of %zu points",
                         points);
    for (size_t i = 0; i < points; i++)
        values[i] = (float)velocity[i];
    int rc = shots_survey_make(driver, values, NULL, wave, ret_error);
    free(values);
    return rc;
}

/* The wave that a request asks for. The state is saved first: whoever sees the wave noted finds
 * it. */
static int request_take(struct driver *driver, const struct fwi_request *request,
                        struct error *ret_error)
{
    struct roll_wave *wave = &driver->digest.next;
    *wave = (struct roll_wave){.operation = request->operation,
                               .purpose = strdup(request->purpose),
                               .iteration = request->iteration,
                               .min_hz = request->min_hz,
                               .max_hz = request->max_hz,
                               .shots = calloc(request->shot_count + 1, sizeof(size_t)),
                               .shot_count = request->shot_count,
                               .illumination = request->illumination,
                               .settings = settings_print(request, driver->extract)};
    int rc = wave->purpose && wave->shots && wave->settings
                 ? state_put(driver, wave, ret_error)
                 : error_set(ret_error, ERROR_SYSTEM, "no memory for the next model");
    if (rc == 0) {
        memcpy(wave->shots, request->shots, request->shot_count * sizeof(size_t));
        rc = model_hand_on(driver, request->velocity, wave, ret_error);
    }
    driver->digest.verdict = SHOTS_NEXT_WAVE;
    return rc;
}

static int model_write(const struct driver *driver, const char *what, struct error *ret_error)
{
    size_t points = grid_size(&driver->survey.grid);
    float *values = calloc(points + 1, sizeof(*values));
    if (!values)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a model of %zu points",
                         points);
    const double *velocity = fwi_velocity(driver->fwi);
    for (size_t i = 0; i < points; i++)
        values[i] = (float)velocity[i];
    int rc = shots_array_write(driver, what, "m/s", values, ret_error);
    free(values);
    return rc;
}

static double share_of_first(const struct fwi *fwi)
{
    return fwi_misfit_first(fwi) > 0 ? 100 * fwi_misfit(fwi) / fwi_misfit_first(fwi) : 100;
}

static int iteration_report(struct driver *driver, struct error *ret_error)
{
    struct shots_digest *digest = &driver->digest;
    const struct fwi *fwi = driver->fwi;
    char what[64];
    digest->told = true;
    digest->estimate.iteration = fwi_iteration(fwi);
    digest->estimate.phi = fwi_misfit(fwi);
    digest->estimate.lambda = fwi_step_length(fwi);
    if (!fwi_iterated(fwi))
        return 0;
    snprintf(digest->notice, sizeof(digest->notice),
             "iteration %d: misfit %.6g, %.2f %% of the %sfirst", fwi_iteration(fwi),
             fwi_misfit(fwi), share_of_first(fwi), bands_of(driver) > 1 ? "band's " : "");
    snprintf(what, sizeof(what), "velocity-%03d", fwi_iteration(fwi));
    return model_write(driver, what, ret_error);
}

/* The extras of all good tasks, in their order. Borrowed texts; caller frees the list. */
static const char **extras_of(const struct driver *driver, size_t *ret_count)
{
    const struct roll *roll = &driver->roll;
    size_t first = roll_wave(roll)->first;
    const char **extras = calloc(roll->task_count - first + 1, sizeof(*extras));
    *ret_count = 0;
    for (size_t t = first; extras && t < roll->task_count; t++)
        if (!roll->tasks[t].holder && roll->tasks[t].status == RESULT_OK)
            extras[(*ret_count)++] = roll->tasks[t].extra;
    return extras;
}

static int fwi_answer_and_step(struct driver *driver, const struct shots_sums *sums,
                               const size_t *holders, struct fwi_request *ret_request,
                               struct error *ret_error)
{
    const struct roll_wave *wave = roll_wave(&driver->roll);
    double *misfits = calloc(wave->shot_count + 1, sizeof(*misfits));
    size_t extras;
    const char **texts = extras_of(driver, &extras);
    float *gradient = NULL, *light = NULL;
    int rc = misfits && texts ? 0 : error_set(ret_error, ERROR_SYSTEM, "no memory for misfits");
    if (rc == 0 && wave->operation == SHOT_GRADIENT && sums->count) {
        gradient = shots_sums_read(driver, sums, SHOT_ARRAY_GRADIENT, ret_error);
        rc = gradient ? 0 : -1;
    }
    if (rc == 0 && wave->illumination && sums->count) {
        light = shots_sums_read(driver, sums, SHOT_ARRAY_ILLUMINATION, ret_error);
        rc = light ? 0 : -1;
    }
    if (rc == 0) {
        misfit_of(driver, holders, misfits);
        const struct fwi_answer answer = {.misfits = misfits,
                                          .gradient = gradient,
                                          .illumination = light,
                                          .extras = texts,
                                          .extra_count = extras};
        rc = fwi_step(driver->fwi, &answer, ret_request, ret_error);
    }
    free(misfits);
    free(texts);
    free(gradient);
    free(light);
    return rc;
}

/* --- an inversion's wave --- */

static void inversion_conclude(struct driver *driver)
{
    const struct fwi *fwi = driver->fwi;
    int iterations = fwi_iteration(fwi);
    size_t lacking = shots_lacking(driver);
    char share[64] = "", without[64] = ""; /* of nothing there is none */
    if (fwi_misfit_first(fwi) > 0)
        snprintf(share, sizeof(share), ", %.2f %% of the %sfirst", share_of_first(fwi),
                 bands_of(driver) > 1 ? "last band's " : "");
    if (lacking)
        snprintf(without, sizeof(without), "; %zu of %zu evaluations lack shots that failed",
                 lacking, driver->roll.wave_count);
    snprintf(driver->digest.text, sizeof(driver->digest.text),
             "inversion: %d iteration%s, misfit %.6g%s: %s%s", iterations,
             iterations == 1 ? "" : "s", fwi_misfit(fwi), share, fwi_sentence(fwi), without);
}

static int finish_inversion(struct driver *driver, const struct shots_sums *sums,
                            const size_t *holders, struct error *ret_error)
{
    struct fwi_request request;
    if (fwi_begin(driver, ret_error) < 0 || data_check(driver, holders, ret_error) < 0)
        return -1;
    int rc = fwi_answer_and_step(driver, sums, holders, &request, ret_error);
    if (rc < 0 || iteration_report(driver, ret_error) < 0 ||
        shots_history_write(driver, ret_error) < 0)
        return -1;
    if (driver->roll.wave_count > 1)
        shots_models_drop(driver, driver->roll.wave_count - 2);
    if (rc > 0)
        return request_take(driver, &request, ret_error);
    inversion_conclude(driver);
    driver->digest.failed = fwi_failed(driver->fwi);
    driver->digest.verdict = SHOTS_OVER;
    return model_write(driver, "velocity", ret_error);
}

/* --- what was asked for --- */

static int answer_make(struct driver *driver, const struct shots_sums *sums,
                       const size_t *holders, struct error *ret_error)
{
    const struct roll_wave *wave = roll_wave(&driver->roll);
    bool any = left_out(driver, holders) < wave->shot_count;
    bool traces = shot_makes_traces(wave->operation);
    double *misfits = calloc(wave->shot_count + 1, sizeof(*misfits));
    int rc = misfits ? 0 : error_set(ret_error, ERROR_SYSTEM, "no memory for misfits");
    if (rc == 0) {
        misfit_of(driver, holders, misfits);
        if (any && traces)
            rc = shots_gathers_write(driver, ret_error);
        else if (any)
            rc = arrays_write(driver, sums, wave, ret_error);
    }
    if (rc == 0)
        rc = asked_finish(driver, holders, misfits, ret_error);
    free(misfits);
    return rc;
}

static int finish_asked(struct driver *driver, const struct shots_sums *sums,
                        const size_t *holders, struct error *ret_error)
{
    struct error zero;
    int rc = 0;
    if (data_check(driver, holders, &zero) < 0)
        asked_refuse(driver, RESULT_NO_VALUE, &zero);
    else
        rc = answer_make(driver, sums, holders, ret_error);
    if (rc == 0 && driver->roll.wave_count > 1)
        shots_models_drop(driver, driver->roll.wave_count - 2);
    return rc;
}

/* --- all together --- */

static int digest_make(struct driver *driver, struct error *ret_error)
{
    struct shots_sums sums = {0};
    size_t *holders = NULL;
    bool summed = shots_sums(driver);
    int rc = summed ? shots_sums_find(driver, &sums, ret_error) : 0;
    if (rc == 0 && summed)
        rc = shots_sums_compare(driver, &sums, ret_error);
    if (rc == 0 && !(holders = roll_holders(&driver->roll, summed)))
        rc = error_set(ret_error, ERROR_SYSTEM, "no memory for the list of shots");
    if (rc == 0 && has_missing(driver, holders))
        driver->digest.verdict = SHOTS_MISSING;
    else if (rc == 0)
        rc = driver->asked.served ? finish_asked(driver, &sums, holders, ret_error)
             : driver->operation == SURVEY_FWI
                 ? finish_inversion(driver, &sums, holders, ret_error)
                 : finish_single(driver, &sums, holders, ret_error);
    /* Until the next wave is noted, or the end, they may be wanted once more. */
    free(holders);
    shots_sums_fini(&sums);
    return rc;
}

void shots_restore_work(void *context)
{
    struct driver *driver = context;
    const struct roll_wave *wave = roll_wave(&driver->roll);
    struct error *error = &driver->digest.error;
    int rc = wave->has_state ? fwi_begin(driver, error) : 0;
    for (size_t i = 0; rc == 0 && i < wave->file_count; i++)
        rc = driver->context.get_file(driver->context.wake_context, wave->files[i].hash, NULL,
                                      error);
    driver->restored = rc < 0 ? SHOTS_UNRESTORED : SHOTS_RESTORED;
}

/* --- the first wave --- */

static int single_wave(struct driver *driver, struct roll_wave *wave, struct error *ret_error)
{
    static const enum shot_operation operations[] = {[SURVEY_MODEL] = SHOT_MODEL,
                                                     [SURVEY_BORN] = SHOT_BORN,
                                                     [SURVEY_RTM] = SHOT_RTM,
                                                     [SURVEY_GRADIENT] = SHOT_GRADIENT};
    static const char *const purposes[] = {"data", "linearised data", "image", "gradient"};
    size_t count = driver->survey.shot_count;
    *wave = (struct roll_wave){.operation = operations[driver->operation],
                               .purpose = strdup(purposes[driver->operation]),
                               .max_hz = INFINITY,
                               .shots = calloc(count + 1, sizeof(size_t)),
                               .shot_count = count};
    for (size_t i = 0; wave->shots && i < count; i++)
        wave->shots[i] = i;
    if (driver->extract)
        wave->settings = strdup("{\"" SHOT_SETTING_EXTRACT "\":true}");
    if (!wave->purpose || !wave->shots || (driver->extract && !wave->settings))
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the list of shots");
    return driver->extract ? shots_files_carry(driver, (struct shots_own){0}, wave, ret_error)
                           : 0;
}

static void bounds_tell(struct driver *driver)
{
    struct shots_digest *digest = &driver->digest;
    size_t moved = fwi_moved(driver->fwi);
    digest->told = digest->amiss = moved > 0;
    if (moved)
        snprintf(digest->notice, sizeof(digest->notice),
                 "%zu of %zu points of the starting model are outside min_velocity_m_s and "
                 "max_velocity_m_s: they begin at the bound",
                 moved, grid_size(&driver->survey.grid));
}

/* The wave that the work begins with. */
static int first_wave(struct driver *driver, struct error *ret_error)
{
    struct fwi_request request;
    driver->digest.verdict = SHOTS_NEXT_WAVE;
    if (driver->operation != SURVEY_FWI)
        return single_wave(driver, &driver->digest.next, ret_error);
    if (fwi_begin(driver, ret_error) < 0)
        return -1;
    bounds_tell(driver);
    return fwi_step(driver->fwi, NULL, &request, ret_error) < 0
               ? -1
               : request_take(driver, &request, ret_error);
}

void shots_digest_work(void *context)
{
    struct driver *driver = context;
    struct shots_digest *digest = &driver->digest;
    digest->error = (struct error){0};
    digest->told = false;
    digest->notice[0] = '\0';
    digest->amiss = false;
    if ((roll_wave(&driver->roll) ? digest_make(driver, &digest->error)
                                  : first_wave(driver, &digest->error)) < 0)
        digest->verdict = SHOTS_BROKEN;
}

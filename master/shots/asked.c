/*
 * An operation that is asked for goes through what an inversion's does: a wave is made of it in the
 * driver's thread (its model is read, checked, and put into the store), noted, and worked off. When
 * it is through, what it came to is told; until then whoever is killed, the wave is in the journal.
 * What makes no wave (a model with NaN) is told at once.
 */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/nearest.h"
#include "common/seismic/shot_settings.h"
#include "master/shots/shots_private.h"

static const struct {
    const char *name, *purpose;
    enum shot_operation operation;
    bool observes, sums; /* it needs data; it adds up arrays */
} operations[] = {{"model", "data", SHOT_MODEL, false, false},
                  {"born", "linearised data", SHOT_BORN, false, false},
                  {"rtm", "image", SHOT_RTM, true, true},
                  {"gradient", "gradient", SHOT_GRADIENT, true, true},
                  {"misfit", "misfit", SHOT_MISFIT, true, false}};

#define OPERATIONS (sizeof(operations) / sizeof(*operations))

static size_t operation_find(const cJSON *asked)
{
    const char *name = cJSON_GetStringValue(json_member(asked, "operation"));
    size_t i = 0;
    while (i < OPERATIONS && !(name && strcmp(operations[i].name, name) == 0))
        i++;
    return i;
}

/* --- what is asked, checked --- */

static const char *const keys[] = {"operation", "velocity", "perturbation",
                                   "shots",     "band_hz",  "illumination"};

#define KEYS (sizeof(keys) / sizeof(*keys))

static int keys_check(const cJSON *asked, struct error *ret_error)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, asked)
    {
        size_t i = 0;
        while (i < KEYS && strcmp(keys[i], item->string) != 0)
            i++;
        if (i < KEYS)
            continue;
        const char *near = nearest_find(item->string, keys, KEYS);
        return error_set(ret_error, ERROR_CONFIG, "params: there is no \"%.100s\"%s",
                         item->string, nearest_hint(near).text);
    }
    return 0;
}

static int operation_check(const struct driver *driver, const cJSON *asked,
                           struct error *ret_error)
{
    size_t op = operation_find(asked);
    char quoted[100];
    const cJSON *said = json_member(asked, "operation");
    if (op == OPERATIONS)
        return error_set(ret_error, ERROR_CONFIG,
                         "params.operation must be \"model\", \"born\", \"rtm\", \"gradient\" "
                         "or \"misfit\", not %s",
                         said ? json_excerpt(said, quoted, sizeof(quoted)) : "missing");
    if (operations[op].observes && !driver->survey.observed)
        return error_set(ret_error, ERROR_CONFIG,
                         "params.operation: \"%s\" needs observed data, which the survey's "
                         "$.data would name",
                         operations[op].name);
    bool born = operations[op].operation == SHOT_BORN;
    bool perturbed = json_member(asked, "perturbation");
    if (born && !perturbed && !driver->survey.has[SURVEY_PERTURBATION])
        return error_set(ret_error, ERROR_CONFIG,
                         "params.perturbation is missing; \"born\" needs what it linearises");
    if (!born && perturbed)
        return error_set(ret_error, ERROR_CONFIG,
                         "params.perturbation has no effect but for \"born\"");
    if (!operations[op].sums && json_member(asked, "illumination"))
        return error_set(ret_error, ERROR_CONFIG,
                         "params.illumination has no effect but for \"rtm\" and \"gradient\"");
    return 0;
}

/* Paths are the client's: what they are relative to is not known here. */
static int field_check(const cJSON *asked, const char *key, struct error *ret_error)
{
    const cJSON *item = json_member(asked, key);
    const cJSON *path = cJSON_IsObject(item) ? json_member(item, "path") : item;
    if (!item || cJSON_IsNumber(item) || (cJSON_IsString(path) && path->valuestring[0] == '/'))
        return 0;
    return error_set(
        ret_error, ERROR_CONFIG,
        "params.%s must be the absolute path of a file on the master's machine, "
        "an object with such a \"path\" (and \"units\", \"format\" …), or a number",
        key);
}

static int band_check(const struct driver *driver, const cJSON *asked, struct error *ret_error)
{
    const cJSON *band = json_member(asked, "band_hz");
    const cJSON *low = cJSON_GetArrayItem(band, 0), *high = cJSON_GetArrayItem(band, 1);
    if (!band)
        return 0;
    bool open = cJSON_IsNull(high);
    if (!cJSON_IsArray(band) || cJSON_GetArraySize(band) != 2 || !cJSON_IsNumber(low) ||
        low->valuedouble < 0 ||
        !(open || (cJSON_IsNumber(high) && high->valuedouble > low->valuedouble)))
        return error_set(ret_error, ERROR_CONFIG,
                         "params.band_hz must be two frequencies, the least (from 0) and the "
                         "greatest (null: none)");
    return survey_band_check(&driver->survey, "params.band_hz", low->valuedouble, ret_error);
}

static int shots_check(const struct driver *driver, const cJSON *asked, struct error *ret_error)
{
    const cJSON *list = json_member(asked, "shots"), *item;
    double last = -1;
    if (!list)
        return 0;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) == 0)
        return error_set(ret_error, ERROR_CONFIG, "params.shots must be a list of shots");
    cJSON_ArrayForEach(item, list)
    {
        if (!json_is_integer(item) || item->valuedouble <= last ||
            item->valuedouble >= (double)driver->survey.shot_count)
            return error_set(ret_error, ERROR_CONFIG,
                             "params.shots must have indices from 0 to %zu, rising, each once",
                             driver->survey.shot_count - 1);
        last = item->valuedouble;
    }
    return 0;
}

int asked_check(const struct driver *driver, const cJSON *asked, struct buf *ret_canonical,
                struct error *ret_error)
{
    const cJSON *light = json_member(asked, "illumination");
    const char *comma = "{";
    if (!cJSON_IsObject(asked))
        return error_set(ret_error, ERROR_CONFIG,
                         "\"params\" must be an object with the \"operation\", not %s",
                         asked ? json_type_name(asked) : "missing");
    if (keys_check(asked, ret_error) < 0 || operation_check(driver, asked, ret_error) < 0 ||
        field_check(asked, "velocity", ret_error) < 0 ||
        field_check(asked, "perturbation", ret_error) < 0 ||
        band_check(driver, asked, ret_error) < 0 || shots_check(driver, asked, ret_error) < 0)
        return -1;
    if (light && !cJSON_IsBool(light))
        return error_set(ret_error, ERROR_CONFIG, "params.illumination must be true or false");
    for (size_t i = 0; i < KEYS; i++) {
        const cJSON *item = json_member(asked, keys[i]);
        if (!item)
            continue;
        buf_printf(ret_canonical, "%s\"%s\":", comma, keys[i]);
        json_put(ret_canonical, item, 0);
        comma = ",";
    }
    buf_append_text(ret_canonical, "}");
    return buf_failed(ret_canonical) ? error_set(ret_error, ERROR_SYSTEM, "no memory") : 0;
}

/* --- a wave of it --- */

static int shots_take(const struct driver *driver, const cJSON *asked, struct roll_wave *wave)
{
    const cJSON *list = json_member(asked, "shots"), *item;
    size_t count = list ? (size_t)cJSON_GetArraySize(list) : driver->survey.shot_count;
    wave->shots = calloc(count + 1, sizeof(*wave->shots));
    for (size_t i = 0; wave->shots && !list && i < count; i++)
        wave->shots[wave->shot_count++] = i;
    if (wave->shots)
        cJSON_ArrayForEach(item, list) wave->shots[wave->shot_count++] =
            (size_t)item->valuedouble;
    return wave->shots ? 0 : -1;
}

static int wave_make(struct driver *driver, struct roll_wave *wave, struct error *ret_error)
{
    const cJSON *asked = driver->asked.said, *band = json_member(asked, "band_hz");
    const cJSON *high = cJSON_GetArrayItem(band, 1),
                *light = json_member(asked, "illumination");
    size_t op = operation_find(asked);
    *wave = (struct roll_wave){
        .operation = operations[op].operation,
        .purpose = strdup(operations[op].purpose),
        .min_hz = band ? cJSON_GetArrayItem(band, 0)->valuedouble : 0,
        .max_hz = cJSON_IsNumber(high) ? high->valuedouble : INFINITY,
        .illumination = operations[op].sums &&
                        (light ? cJSON_IsTrue(light) : driver->survey.imaging.illumination),
        .asked = driver->asked.number,
        .settings = driver->extract ? strdup("{\"" SHOT_SETTING_EXTRACT "\":true}") : NULL};
    if (shots_take(driver, asked, wave) == 0 && wave->purpose &&
        (wave->settings || !driver->extract))
        return 0;
    return error_set(ret_error, ERROR_SYSTEM, "no memory for what was asked");
}

void asked_refuse(struct driver *driver, enum result_status status, const struct error *error)
{
    struct shots_digest *digest = &driver->digest;
    shots_wave_fini(&digest->next);
    buf_clear(&digest->answer.members);
    digest->answer.status = status;
    snprintf(digest->answer.sentence, sizeof(digest->answer.sentence), "%s", error->text);
    digest->verdict = SHOTS_TOLD;
}

void asked_make_work(void *context)
{
    struct driver *driver = context;
    struct roll_wave *wave = &driver->digest.next;
    struct error *error = &driver->digest.error;
    float *velocity = NULL, *perturbation = NULL;
    *error = (struct error){0};
    driver->digest.told = false;
    driver->digest.verdict = SHOTS_NEXT_WAVE;
    int rc = shots_outside_check(driver, error);
    if (rc == 0 && operations[operation_find(driver->asked.said)].observes)
        rc = shots_zero_check(driver, error);
    if (rc == 0)
        rc = wave_make(driver, wave, error);
    if (rc == 0)
        rc = asked_model_read(driver, driver->asked.said, &velocity, &perturbation, error);
    if (rc < 0)
        asked_refuse(driver, RESULT_NO_START, error);
    else if (shots_survey_make(driver, velocity, perturbation, wave, error) < 0)
        driver->digest.verdict = SHOTS_BROKEN;
    free(velocity);
    free(perturbation);
}

/* --- one after the other --- */

void asked_serve(struct driver *driver, const struct asker *asker)
{
    driver->asked.from = asker;
}

bool asked_is_under_way(const struct driver *driver)
{
    const struct roll_wave *wave = roll_wave(&driver->roll);
    const struct asker *from = driver->asked.from;
    return wave && wave->asked && wave->asked != driver->asked.done &&
           from->wanted(from->context, wave->asked);
}

static void made(void *context)
{
    struct driver *driver = context;
    driver->context.wake(driver->context.wake_context);
}

bool asked_begin(struct driver *driver)
{
    const struct asker *from = driver->asked.from;
    cJSON *said = NULL;
    int rc = from->next(from->context, &driver->asked.number, &said);
    if (rc <= 0) {
        driver->asked.number = 0;
        return false;
    }
    cJSON_Delete(driver->asked.said);
    driver->asked.said = said;
    driver->digest.done = true; /* when the errand is not busy any more */
    errand_start(driver->digest.errand, asked_make_work, made, driver);
    return !errand_is_busy(driver->digest.errand);
}

void asked_cancel(struct driver *driver, uint64_t number)
{
    const struct roll_wave *wave = roll_wave(&driver->roll);
    if (!wave || wave->asked != number)
        return; /* it is being made: conclude() sees that it is not wanted */
    for (size_t t = driver->roll.round; t < driver->roll.task_count; t++)
        if (!driver->roll.tasks[t].ended)
            driver->context.cancel(driver->context.wake_context, t + 1);
    driver->context.wake(driver->context.wake_context);
}

void asked_tell(struct driver *driver)
{
    const struct asker *from = driver->asked.from;
    struct shots_digest *digest = &driver->digest;
    const struct roll_wave *wave = roll_wave(&driver->roll);
    bool begun = digest->answer.status != RESULT_NO_START;
    uint64_t number = begun ? wave->asked : driver->asked.number;
    driver->asked.done = number;
    driver->asked.number = 0;
    from->told(from->context, number, digest->answer.status, digest->answer.sentence,
               digest->answer.members.size ? buf_text(&digest->answer.members) : "");
    if (begun) /* the results have them */
        shots_sums_remove(driver, driver->roll.wave_count - 1);
}

/* --- what it came to --- */

static void put_shots(const struct driver *driver, const double *misfits, struct buf *members)
{
    const struct roll_wave *wave = roll_wave(&driver->roll);
    const char *comma = "";
    double sum = 0;
    for (size_t i = 0; i < wave->shot_count; i++)
        sum += isnan(misfits[i]) ? 0 : misfits[i];
    buf_append_text(members, ",\"values\":{\"misfit\":");
    json_put_real(members, sum);
    buf_append_text(members, "},\"shots\":[");
    for (size_t i = 0; i < wave->shot_count; i++) {
        if (isnan(misfits[i]))
            continue;
        buf_printf(members, "%s{\"shot\":%zu,\"misfit\":", comma, wave->shots[i]);
        json_put_real(members, misfits[i]);
        buf_append_text(members, "}");
        comma = ",";
    }
    buf_append_text(members, "]");
}

/* How many, and the first reason. */
static size_t put_left_out(const struct driver *driver, const size_t *holders,
                           struct buf *members, const char **ret_why)
{
    const struct roll_wave *wave = roll_wave(&driver->roll);
    size_t count = 0;
    *ret_why = "";
    for (size_t i = 0; i < wave->shot_count; i++) {
        struct shot named = {0};
        struct error ignored;
        if (holders[i] != SIZE_MAX)
            continue;
        const char *why = shots_reason(driver, wave->shots[i]);
        *ret_why = count ? *ret_why : why;
        if (survey_shot_open(&driver->survey, wave->shots[i], &named, &ignored) < 0)
            snprintf(named.name, sizeof(named.name), "%zu", wave->shots[i] + 1);
        buf_printf(members, "%s{\"shot\":%zu,\"name\":", count++ ? "," : ",\"left_out\":[",
                   wave->shots[i]);
        json_put_text(members, named.name, strlen(named.name));
        buf_append_text(members, ",\"why\":");
        json_put_text(members, why, strlen(why));
        buf_append_text(members, "}");
        survey_shot_close(&named);
    }
    buf_append_text(members, count ? "]" : "");
    return count;
}

static int put_files(const struct driver *driver, struct buf *members, struct error *ret_error)
{
    char arrays[SHOT_ARRAYS_MAX][SHOT_NAME_MAX + 1], *base = shots_base(driver), *whole;
    const struct roll_wave *wave = roll_wave(&driver->roll);
    size_t count = shots_arrays(driver, wave, arrays);
    bool traces = shot_makes_traces(wave->operation);
    if (!base)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    if (traces)
        snprintf(arrays[count++], sizeof(arrays[0]), "data");
    for (size_t i = 0; i < count; i++) {
        char *path = NULL;
        if (asprintf(&path, "%s.%s.%s", base, arrays[i], traces ? "segy" : "json") < 0)
            path = NULL;
        whole = path ? realpath(path, NULL) : NULL;
        buf_printf(members, "%s\"%s\":", i ? "," : ",\"files\":{", arrays[i]);
        json_put_text(members, whole ? whole : "", whole ? strlen(whole) : 0);
        free(whole);
        free(path);
    }
    buf_append_text(members, count ? "}" : "");
    free(base);
    return 0;
}

int asked_finish(struct driver *driver, const size_t *holders, const double *misfits,
                 struct error *ret_error)
{
    struct shots_digest *digest = &driver->digest;
    const struct roll_wave *wave = roll_wave(&driver->roll);
    struct buf *members = &digest->answer.members;
    const char *why;
    size_t all = wave->shot_count;
    buf_clear(members);
    digest->answer.sentence[0] = '\0';
    if (wave->operation == SHOT_GRADIENT || wave->operation == SHOT_MISFIT)
        put_shots(driver, misfits, members);
    size_t gone = put_left_out(driver, holders, members, &why);
    if (gone < all && put_files(driver, members, ret_error) < 0)
        return -1;
    bool bad = gone == all || (double)gone > driver->skip_ratio * (double)all;
    digest->answer.status = bad ? RESULT_NO_VALUE : RESULT_OK;
    if (bad)
        snprintf(digest->answer.sentence, sizeof(digest->answer.sentence),
                 "%zu of %zu shots failed for good: %s", gone, all, why);
    digest->verdict = SHOTS_TOLD;
    return buf_failed(members)
               ? error_set(ret_error, ERROR_SYSTEM, "no memory for what shots came to")
               : 0;
}

/* --- what clients may know --- */

static void triple_put(struct buf *out, const char *key, const double *values, int dims)
{
    buf_printf(out, "\"%s\":[", key);
    for (int axis = 0; axis < GRID_AXES; axis++) {
        if (dims == 2 && axis == GRID_Y)
            continue;
        buf_append_text(out, axis ? "," : "");
        json_put_real(out, values[axis]);
    }
    buf_append_text(out, "]");
}

static void description_put(const struct driver *driver, struct buf *out)
{
    const struct survey *survey = &driver->survey;
    const struct grid *grid = &survey->grid;
    const double points[GRID_AXES] = {(double)grid->n[GRID_X], (double)grid->n[GRID_Y],
                                      (double)grid->n[GRID_Z]};
    buf_append_text(out, ",\"grid\":{");
    triple_put(out, "points", points, grid->dims);
    buf_append_text(out, ",");
    triple_put(out, "spacing_m", grid->spacing, grid->dims);
    buf_append_text(out, ",");
    triple_put(out, "origin_m", grid->origin, grid->dims);
    buf_append_text(out, "},\"velocity\":{\"least\":");
    json_put_real(out, survey->velocity_min_m_s);
    buf_append_text(out, ",\"most\":");
    json_put_real(out, survey->velocity_max_m_s);
    buf_printf(out, "},\"observed\":%s,\"shots\":[", survey->observed ? "true" : "false");
    for (size_t i = 0; i < survey->shot_count; i++) {
        struct shot shot;
        struct error ignored;
        buf_append_text(out, i ? "," : "");
        if (survey_shot_open(survey, i, &shot, &ignored) == 0) {
            json_put_text(out, shot.name, strlen(shot.name));
            survey_shot_close(&shot);
        } else {
            buf_printf(out, "\"%zu\"", i + 1);
        }
    }
    buf_append_text(out, "]");
}

/* Kept, as the survey is the thread's later on. */
struct driver *asked_open(const struct driver_context *context, struct error *ret_error)
{
    struct driver *driver = shots_create(context, true, ret_error);
    if (driver && !context->plan_only)
        description_put(driver, &driver->asked.description);
    return driver;
}

void asked_describe(const struct driver *driver, struct buf *out)
{
    const struct buf *text = &driver->asked.description;
    buf_append(out, text->data, text->size);
}

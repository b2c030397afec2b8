/*
 * Settings out of a document that is valid and has its defaults: reading them can fail for want of
 * memory alone, and the checked getters are used all the same.
 */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/seismic/survey_private.h"

/* The place of a member's text in a list of names; 0 where it is missing. */
static int choice(const cJSON *object, const char *key, const char *const *names)
{
    const cJSON *item = json_member(object, key);
    for (int i = 0; cJSON_IsString(item) && names[i]; i++) {
        if (!strcmp(item->valuestring, names[i]))
            return i;
    }
    return 0;
}

static double real(const cJSON *object, const char *key, double fallback)
{
    const cJSON *item = json_member(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : fallback;
}

static uint64_t whole(const cJSON *object, const char *key, uint64_t fallback)
{
    return (uint64_t)real(object, key, (double)fallback);
}

static bool flag(const cJSON *object, const char *key)
{
    return cJSON_IsTrue(json_member(object, key));
}

static enum survey_device device_read(const cJSON *numerics)
{
    static const char *const names[] = {[SURVEY_CPU] = "cpu",
                                        [SURVEY_GPU] = "gpu",
                                        [SURVEY_AUTO] = "auto",
                                        [SURVEY_OPENCL] = "opencl",
                                        NULL};
    return (enum survey_device)choice(numerics, "device", names);
}

static void numerics_read(struct survey *survey)
{
    const cJSON *object = json_member(survey->root, "numerics");
    survey->numerics = (struct survey_numerics){
        .space_order = (int)whole(object, "space_order", 8),
        .absorbing_points = (unsigned)whole(object, "absorbing_points", 20),
        .free_surface = flag(object, "free_surface"),
        .dt_s = real(object, "dt_ms", 0) * 1e-3,
        .cfl = real(object, "cfl", 0.9),
        .device = device_read(object)};
}

static void aperture_read(struct survey *survey)
{
    const cJSON *object = json_member(survey->root, "aperture");
    survey->aperture =
        (struct survey_aperture){.limit = flag(object, "limit_m"),
                                 .buffer_m = real(object, "buffer_m", 1000),
                                 .max_offset_m = real(object, "max_offset_m", 0),
                                 .min_offset_m = real(object, "min_offset_m", 0)};
}

static void mute_read(struct survey *survey)
{
    static const char *const names[] = {[SURVEY_KEEP_ALL] = "",
                                        [SURVEY_KEEP_REFLECTIONS] = "reflections",
                                        [SURVEY_KEEP_TURNING] = "turning",
                                        NULL};
    const cJSON *object = json_member(survey->root, "mute");
    survey->mute.keep = choice(object, "keep", names);
    survey->mute.velocity_m_s = real(object, "velocity_m_s", INFINITY);
    survey->mute.delay_s = real(object, "delay_s", 0);
    survey->mute.taper_s = real(object, "taper_s", 0);
}

static void misfit_read(struct survey *survey)
{
    static const char *const names[] = {"l2", "normalised", "envelope", "huber", NULL};
    const cJSON *object = json_member(survey->root, "misfit");
    survey->misfit.kind = choice(object, "kind", names);
    survey->misfit.huber_threshold = real(object, "huber_threshold", 1);
    survey->imaging.illumination = flag(json_member(survey->root, "imaging"), "illumination");
}

static int memory_read(struct survey *survey, struct error *ret_error)
{
    static const char *const names[] = {"auto",     "full",    "checkpoints",
                                        "boundary", "fourier", NULL};
    const cJSON *object = json_member(survey->root, "memory");
    const cJSON *list = json_member(object, "frequencies_hz");
    struct survey_memory *memory = &survey->memory;
    memory->method = choice(object, "method", names);
    memory->budget_bytes = (uint64_t)(real(object, "budget_gib", 0) * 1073741824.0);
    bool chosen = cJSON_IsString(json_member(object, "subsampling")); /* "auto" */
    memory->subsampling = chosen ? 0 : (unsigned)whole(object, "subsampling", 1);
    memory->spill = flag(object, "spill");
    memory->compress = flag(object, "compress");
    size_t count = list ? (size_t)cJSON_GetArraySize(list) : 0;
    if (!count)
        return 0;
    survey->state->frequencies = calloc(count, sizeof(double));
    if (!survey->state->frequencies)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for frequencies");
    for (const cJSON *item = list->child; item; item = item->next)
        survey->state->frequencies[memory->frequency_count++] = item->valuedouble;
    memory->frequencies_hz = survey->state->frequencies;
    return 0;
}

static void sums_read(struct survey *survey)
{
    static const char *const modes[] = {"double", "exact", NULL};
    const cJSON *batch = json_member(survey->root, "batch");
    survey->batch = (struct survey_batch){.shots = (size_t)whole(batch, "shots", 0),
                                          .encoded = (size_t)whole(batch, "encoded", 1),
                                          .seed = whole(batch, "seed", 1)};
    survey->sum.exact = choice(survey->root, "sum", modes) == 1;
    survey->sum.skip_ratio = real(survey->root, "skip_ratio", 0);
}

static int bands_read(struct survey *survey, const cJSON *list, struct error *ret_error)
{
    struct survey_inversion *inversion = &survey->inversion;
    size_t count = list ? (size_t)cJSON_GetArraySize(list) : 1;
    struct survey_band *bands = calloc(count, sizeof(*bands));
    if (!bands)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for frequency bands");
    survey->state->bands = inversion->bands = bands;
    inversion->band_count = count;
    const cJSON *item = list ? list->child : NULL;
    for (size_t i = 0; i < count; i++) {
        bands[i] = (struct survey_band){
            .min_hz = real(item, "min_hz", 0),
            .max_hz = real(item, "max_hz", INFINITY),
            .iterations = (unsigned)whole(item, "iterations", inversion->iterations)};
        item = item ? item->next : NULL;
    }
    return 0;
}

/* Another program is not asked for an illumination unless that is told: it need not have one. */
static enum survey_precondition precondition_read(const cJSON *root)
{
    static const char *const names[] = {
        [SURVEY_BY_NOTHING] = "none",
        [SURVEY_BY_ILLUMINATION] = "illumination",
        [SURVEY_BY_DEPTH] = "depth",
        "auto",
        NULL,
    };
    int said = choice(json_member(root, "inversion"), "precondition", names);
    if (said <= SURVEY_BY_DEPTH)
        return (enum survey_precondition)said;
    return json_member(root, "program") ? SURVEY_BY_NOTHING : SURVEY_BY_ILLUMINATION;
}

static int inversion_read(struct survey *survey, struct error *ret_error)
{
    const cJSON *object = json_member(survey->root, "inversion");
    survey->inversion = (struct survey_inversion){
        .iterations = (unsigned)whole(object, "iterations", 10),
        .min_m_s = real(object, "min_velocity_m_s", 0),
        .max_m_s = real(object, "max_velocity_m_s", INFINITY),
        .shots_per_iteration = (size_t)whole(object, "shots_per_iteration", 0),
        .seed = whole(object, "seed", 1),
        .source_estimation = flag(object, "source_estimation"),
        .history = (unsigned)whole(object, "history", 10),
        .line_search = (unsigned)whole(object, "line_search", 10),
        .smooth_m = real(object, "smooth_m", 0),
        .precondition = precondition_read(survey->root),
        .frozen_depth_m = real(object, "frozen_depth_m", -INFINITY),
        .stop_misfit = real(object, "stop_misfit", 0)};
    return bands_read(survey, json_member(object, "bands"), ret_error);
}

static int program_read(struct survey *survey, struct error *ret_error)
{
    const cJSON *list = json_member(survey->root, "program");
    if (!list)
        return 0;
    size_t count = 0;
    survey->state->program = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(char *));
    if (!survey->state->program)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the program's words");
    for (const cJSON *item = list->child; item; item = item->next)
        survey->state->program[count++] = item->valuestring;
    survey->program = survey->state->program;
    return 0;
}

/* What the fields ask for, where the survey does not say. */
static enum survey_physics physics_read(const cJSON *root)
{
    static const char *const names[] = {"acoustic", "density", "vti", "tti", NULL};
    const cJSON *model = json_member(root, "model");
    const cJSON *said = json_member(root, "physics");
    if (cJSON_IsString(said) && strcmp(said->valuestring, "auto") != 0)
        return (enum survey_physics)choice(root, "physics", names);
    if (json_member(model, "theta") || json_member(model, "phi"))
        return SURVEY_TTI;
    if (json_member(model, "epsilon") || json_member(model, "delta"))
        return SURVEY_VTI;
    return json_member(model, "density") ? SURVEY_DENSITY : SURVEY_ACOUSTIC;
}

int survey_settings_read(struct survey *survey, struct error *ret_error)
{
    static const char *const operations[] = {"model", "born", "rtm", "gradient", "fwi", NULL};
    static const char *const traces[] = {"segy1", "segy2", NULL};
    static const char *const models[] = {"segy", "rsf", NULL};
    const cJSON *output = json_member(survey->root, "output");
    survey->operation = (enum survey_operation)choice(survey->root, "operation", operations);
    survey->physics = physics_read(survey->root);
    survey->output.traces = choice(output, "traces", traces);
    survey->output.models = choice(output, "models", models);
    numerics_read(survey);
    aperture_read(survey);
    mute_read(survey);
    misfit_read(survey);
    sums_read(survey);
    if (memory_read(survey, ret_error) < 0 || inversion_read(survey, ret_error) < 0)
        return -1;
    return program_read(survey, ret_error);
}

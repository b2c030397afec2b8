#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/seismic/places.h"
#include "worker/seismic/scene.h"
#include "worker/seismic/wavelet.h"

static const char *physics_name(enum survey_physics physics)
{
    static const char *const names[] = {
        [SURVEY_ACOUSTIC] = "acoustic",
        [SURVEY_DENSITY] = "density",
        [SURVEY_VTI] = "vti",
        [SURVEY_TTI] = "tti",
    };
    return names[physics];
}

static enum survey_operation cost_operation(enum shot_operation operation)
{
    switch (operation) {
    case SHOT_BORN:
        return SURVEY_BORN;
    case SHOT_RTM:
        return SURVEY_RTM;
    case SHOT_GRADIENT:
        return SURVEY_GRADIENT;
    default:
        return SURVEY_MODEL;
    }
}

/* Which of wave.h's fields a field of the survey is; 0: none. */
static unsigned wave_bit(enum survey_field field)
{
    static const unsigned bits[SURVEY_FIELDS] = {
        [SURVEY_VELOCITY] = WAVE_VP,     [SURVEY_RHO] = WAVE_RHO,
        [SURVEY_EPSILON] = WAVE_EPSILON, [SURVEY_DELTA] = WAVE_DELTA,
        [SURVEY_THETA] = WAVE_THETA,     [SURVEY_PHI] = WAVE_PHI,
    };
    return bits[field];
}

static bool needs_field(const struct scene *scene, const struct wave_physics *physics,
                        enum survey_field field, enum shot_operation operation)
{
    unsigned bit = wave_bit(field);
    if (field == SURVEY_PERTURBATION)
        return operation == SHOT_BORN;
    if (bit & physics->needs)
        return true;
    return (bit & physics->may_have) && scene->survey->has[field];
}

static int read_ground(struct scene *scene, const struct wave_physics *physics,
                       enum shot_operation operation, struct error *ret_error)
{
    const struct grid_box *box = &scene->ground.box;
    size_t points = grid_size(&scene->grid);
    for (int field = 0; field < SURVEY_FIELDS; field++) {
        if (!needs_field(scene, physics, (enum survey_field)field, operation))
            continue;
        float *values = scene->ground.values[field] = malloc(points * sizeof(*values) + 1);
        if (!values)
            return error_set(ret_error, ERROR_SYSTEM, "no memory for a model of %zu points",
                             points);
        if (survey_field_read(scene->survey, (enum survey_field)field, box, values, ret_error) <
            0)
            return -1;
    }
    return 0;
}

static void set_axes(struct scene *scene)
{
    const struct survey *survey = scene->survey;
    double first = 0;
    if (survey->wavelet.kind == SURVEY_SAMPLED && survey->wavelet.delay_s < 0)
        first = survey->wavelet.delay_s;
    scene->steps = (struct resample_axis){.count = (size_t)shot_steps(survey, scene->dt_s),
                                          .start = first,
                                          .interval = scene->dt_s};
    scene->samples = (struct resample_axis){.count = survey->record.samples,
                                            .start = survey->record.start_s,
                                            .interval = survey->record.interval_s};
}

static int make_source(struct scene *scene, const struct spectrum *filter,
                       struct error *ret_error)
{
    struct resample_axis axis = scene->steps;
    axis.start -= axis.interval;
    scene->source = calloc(axis.count, sizeof(*scene->source));
    if (!scene->source)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a wavelet");
    if (wavelet_sample(&scene->survey->wavelet, &axis, scene->source, ret_error) < 0)
        return -1;
    return filter ? spectrum_apply(filter, axis.interval, scene->source, axis.count, ret_error)
                  : 0;
}

static int choose_memory(struct scene *scene, const struct scene_options *options,
                         struct error *ret_error)
{
    uint64_t limit = options->limit_bytes;
    if (scene->device.opencl) /* where the wave and its history are */
        limit = opencl_memory_left(scene->device.opencl) / 16 * 15;
    struct shot_wish wish = shot_wish_of(scene->survey, limit);
    scene->shape = shot_shape_of(scene->survey, &scene->ground.box, scene->shot->receiver_count,
                                 scene->shot->source_count, scene->dt_s);
    return shot_cost_make(&scene->cost, &scene->shape, cost_operation(options->operation),
                          &wish, ret_error);
}

static int make_waves(struct scene *scene, const struct wave_physics *physics,
                      const struct scene_options *options, struct error *ret_error)
{
    const struct survey *survey = scene->survey;
    float *const *values = scene->ground.values;
    const struct wave_medium medium = {
        .grid = scene->grid,
        .vp = values[SURVEY_VELOCITY],
        .rho = values[SURVEY_RHO],
        .epsilon = values[SURVEY_EPSILON],
        .delta = values[SURVEY_DELTA],
        .theta = values[SURVEY_THETA],
        .phi = values[SURVEY_PHI],
    };
    const struct wave_options wave_options = {
        .order = survey->numerics.space_order,
        .dt = scene->dt_s,
        .absorb = (int)survey->numerics.absorbing_points,
        .free_surface = survey->numerics.free_surface,
        .frequency = wavelet_peak_hz(&survey->wavelet),
        .threads = options->threads,
        .device = scene->device.opencl,
    };
    bool two = cost_operation(options->operation) != SURVEY_MODEL;
    scene->wave = wave_create(physics, &medium, &wave_options, ret_error);
    if (scene->wave && two)
        scene->second = wave_create(physics, &medium, &wave_options, ret_error);
    return scene->wave && (scene->second || !two) ? 0 : -1;
}

/* On the device that was chosen, or, where it is too small and the survey lets, on the
 * processors. */
static int make_waves_somewhere(struct scene *scene, const struct wave_physics *physics,
                                const struct scene_options *options, struct error *ret_error)
{
    struct error why = {0};
    for (;;) {
        if (choose_memory(scene, options, &why) == 0 &&
            make_waves(scene, physics, options, &why) == 0)
            return 0;
        wave_destroy(scene->wave);
        wave_destroy(scene->second);
        scene->wave = scene->second = NULL;
        struct shot_device tried = scene->device;
        if (shot_device_fall_back(&scene->device, scene->survey->numerics.device, &why)) {
            shot_device_end(&tried);
            continue;
        }
        if (ret_error)
            *ret_error = why;
        return -1;
    }
}

static int make_places(struct scene *scene, struct error *ret_error)
{
    const struct shot *shot = scene->shot;
    scene->sources = places_of_sources(scene->wave, shot->name, shot->sources,
                                       shot->source_weights, shot->source_count, ret_error);
    if (!scene->sources)
        return -1;
    scene->receivers = places_of_receivers(scene->wave, shot->name, shot->receivers,
                                           shot->receiver_count, ret_error);
    return scene->receivers ? 0 : -1;
}

static void set_operators(struct scene *scene, const struct scene_options *options)
{
    const struct survey_memory *memory = &scene->survey->memory;
    scene->operators = (struct operators){
        .wave = scene->wave,
        .second = scene->second,
        .sources = scene->sources,
        .receivers = scene->receivers,
        .steps = scene->steps.count,
        .history =
            {
                .method = scene->cost.method,
                .plan = scene->cost.plan,
                .every = (size_t)scene->shape.subsampling,
                .memory_bytes = scene->cost.history_bytes,
                .spill_dir = memory->spill ? options->spill_dir : NULL,
                .pack = memory->compress,
                .frequencies_hz = memory->frequencies_hz,
                .frequency_count = memory->frequency_count,
            },
    };
}

static int make(struct scene *scene, const struct scene_options *options,
                struct error *ret_error)
{
    const struct wave_physics *physics =
        wave_physics_find(physics_name(scene->survey->physics));
    if (!physics)
        return error_set(ret_error, ERROR_CONFIG,
                         "physics \"%s\" is not in this build of beofarm-shot",
                         physics_name(scene->survey->physics));
    if (options->device)
        scene->device = *options->device;
    else if (shot_device_choose(&scene->device, scene->survey->numerics.device, physics,
                                ret_error) < 0)
        return -1;
    if (read_ground(scene, physics, options->operation, ret_error) < 0 ||
        make_waves_somewhere(scene, physics, options, ret_error) < 0 ||
        make_places(scene, ret_error) < 0 ||
        resample_init(&scene->record, &scene->steps, &scene->samples, ret_error) < 0 ||
        make_source(scene, options->filter, ret_error) < 0)
        return -1;
    set_operators(scene, options);
    return 0;
}

int scene_open(struct scene *scene, const struct survey *survey, const struct shot *shot,
               const struct scene_options *options, struct error *ret_error)
{
    *scene = (struct scene){.survey = survey, .shot = shot, .dt_s = survey_dt(survey)};
    scene->ground.box = survey_shot_box(survey, shot);
    scene->grid = grid_cut(&survey->grid, &scene->ground.box);
    set_axes(scene);
    if (make(scene, options, ret_error) == 0)
        return 0;
    scene_close(scene);
    return shot_error_name(ret_error, "shot %s", shot->name);
}

void scene_close(struct scene *scene)
{
    for (int field = 0; field < SURVEY_FIELDS; field++)
        free(scene->ground.values[field]);
    wave_points_destroy(scene->sources);
    wave_points_destroy(scene->receivers);
    wave_destroy(scene->wave);
    wave_destroy(scene->second);
    shot_device_end(&scene->device);
    resample_fini(&scene->record);
    free(scene->source);
    *scene = (struct scene){0};
}

bool scene_device_failed(const struct scene *scene, struct error *ret_error)
{
    if (!scene->device.opencl || !scene->wave)
        return false;
    return operators_check(&scene->operators, ret_error) < 0;
}

static bool same_receivers(const struct shot *a, const struct shot *b)
{
    if (a->receiver_count != b->receiver_count)
        return false;
    for (size_t i = 0; i < a->receiver_count; i++)
        if (a->receivers[i].x != b->receivers[i].x || a->receivers[i].y != b->receivers[i].y ||
            a->receivers[i].z != b->receivers[i].z)
            return false;
    return true;
}

int scene_encode(const struct shot *shots, const double *weights, size_t count,
                 struct shot *ret_shot, struct error *ret_error)
{
    struct shot made = {.index = shots[0].index, .receiver_count = shots[0].receiver_count};
    size_t sources = 0, at = 0;
    memcpy(made.name, shots[0].name, sizeof(made.name));
    for (size_t i = 0; i < count; i++) {
        sources += shots[i].source_count;
        if (!same_receivers(&shots[0], &shots[i]))
            return error_set(ret_error, ERROR_CONFIG,
                             "shots %s and %s cannot be fired as one: their receivers are not "
                             "the same",
                             shots[0].name, shots[i].name);
    }
    made.sources = calloc(sources, sizeof(*made.sources));
    made.source_weights = calloc(sources, sizeof(*made.source_weights));
    made.receivers = calloc(made.receiver_count, sizeof(*made.receivers));
    if (!made.sources || !made.source_weights || !made.receivers) {
        survey_shot_close(&made);
        return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu sources", sources);
    }
    memcpy(made.receivers, shots[0].receivers, made.receiver_count * sizeof(*made.receivers));
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < shots[i].source_count; j++, at++) {
            made.sources[at] = shots[i].sources[j];
            made.source_weights[at] = weights[i] * shots[i].source_weights[j];
        }
    made.source_count = sources;
    *ret_shot = made;
    return 0;
}

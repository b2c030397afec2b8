/*
 * One shot after the other, each with all threads of the slot: a shot that has the shared cache for
 * itself is faster than several beside each other (measured 1.4 times, two shots on two cores).
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "worker/seismic/misfit.h"
#include "worker/seismic/observed.h"
#include "worker/seismic/peak.h"
#include "worker/seismic/scene.h"
#include "worker/seismic/shot_compute.h"
#include "worker/seismic/vault.h"

#define EXTRA_MAX   (4 << 20)
#define OUTPUTS_MAX (64 << 20)
/* The share of a float's range that is left to what an image multiplies residuals by: 1 / dt^2, the
 * source's wavefield, the number of steps. */
#define RESIDUAL_MOST 1e25

/* What the shots of a task share. */
struct task {
    const struct survey *survey;
    const struct shot_request *request;
    struct shot_answer *answer;
    struct misfit misfit;
    size_t dead_traces;        /* that are zero throughout, and do not count */
    struct spectrum_sums sums; /* SHOT_SOURCE */
    char memory[200];          /* how the first shot used it, in words */
    struct shot_device device; /* what computed it; where one was not what was wanted, that */
    double dt_s;
    size_t steps;
};

/* One shot at work. */
struct work {
    struct task *task;
    struct scene *scene;
    const struct shot *members; /* the shots that are fired as one; or the shot itself */
    const double *weights;
    size_t member_count;
    size_t receivers, samples;
    wave_real *rows;          /* [steps][receivers] */
    wave_real *traces;        /* [receivers][samples] */
    struct observed observed; /* the same; zeroed where not needed */
    struct misfit misfit;     /* the task's, with the weights of these */
};

static bool needs_observed(enum shot_operation operation)
{
    return !shot_makes_traces(operation);
}

static bool makes_arrays(enum shot_operation operation)
{
    return operation == SHOT_RTM || operation == SHOT_GRADIENT;
}

static int read_observed(struct work *work, struct error *ret_error)
{
    const struct survey *survey = work->task->survey;
    if (!survey->observed)
        return error_set(ret_error, ERROR_CONFIG,
                         "the survey has no observed data, which \"%s\" needs",
                         shot_operation_name(work->task->request->operation));
    if (observed_read(&work->observed, survey, work->scene->shot, work->members, work->weights,
                      work->member_count, ret_error) < 0)
        return -1;
    work->misfit.weights = work->observed.weights;
    return 0;
}

static int work_open(struct work *work, struct error *ret_error)
{
    struct scene *scene = work->scene;
    enum shot_operation operation = work->task->request->operation;
    if (operation == SHOT_BORN && !work->task->survey->has[SURVEY_PERTURBATION])
        return error_set(ret_error, ERROR_CONFIG,
                         "the survey has no model.perturbation, which \"born\" needs");
    work->receivers = scene->shot->receiver_count;
    work->samples = scene->samples.count;
    work->rows = malloc(scene->steps.count * work->receivers * sizeof(*work->rows));
    work->traces = malloc(work->samples * work->receivers * sizeof(*work->traces));
    if (!work->rows || !work->traces)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu traces", work->receivers);
    return needs_observed(operation) ? read_observed(work, ret_error) : 0;
}

static void work_close(struct work *work)
{
    free(work->rows);
    free(work->traces);
    observed_fini(&work->observed);
}

/* Synthetic rows become traces as recorded; those that are not finite are told apart here. */
static int record(struct work *work, struct error *ret_error)
{
    size_t size = work->receivers * work->samples;
    resample_rows(&work->scene->record, work->receivers, work->rows, work->traces);
    for (size_t i = 0; i < size; i++)
        if (!isfinite(work->traces[i]))
            return error_set(ret_error, ERROR_CONFIG,
                             "trace %zu became %g at sample %zu: the run is not stable",
                             i / work->samples + 1, (double)work->traces[i],
                             i % work->samples + 1);
    return 0;
}

static int write_traces(struct work *work, struct error *ret_error)
{
    struct task *task = work->task;
    const struct shot_request *request = task->request;
    struct buf *outputs = &task->answer->outputs;
    char name[64], *path = NULL;
    if (record(work, ret_error) < 0 ||
        misfit_filter(&work->misfit, work->receivers, work->samples, work->traces, ret_error) <
            0)
        return -1;
    snprintf(name, sizeof(name), "shot-%s.sgy", work->scene->shot->name);
    if (!request->traces_path && asprintf(&path, "%s/%s", request->traces_dir, name) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    int rc = survey_traces_write(task->survey, work->scene->shot, work->traces,
                                 request->traces_path ? request->traces_path : path, ret_error);
    free(path);
    if (rc == 0 && !request->traces_path && buf_append(outputs, name, strlen(name) + 1) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for names of files");
    return rc;
}

static int forward(struct work *work, struct error *ret_error)
{
    const struct operators *operators = &work->scene->operators;
    operators_forward(operators, work->scene->source, work->rows, NULL);
    return operators_check(operators, ret_error);
}

static int run_model(struct work *work, struct error *ret_error)
{
    return forward(work, ret_error) < 0 ? -1 : write_traces(work, ret_error);
}

static int run_born(struct work *work, struct error *ret_error)
{
    const struct scene *scene = work->scene;
    if (operators_born(&scene->operators, scene->source,
                       scene->ground.values[SURVEY_PERTURBATION], work->rows, NULL,
                       ret_error) < 0)
        return -1;
    return write_traces(work, ret_error);
}

/* Half the sum of their squares, as of a misfit: whether there is anything to migrate. */
static double norm_of(const struct work *work)
{
    size_t size = work->receivers * work->samples;
    double sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += (double)work->traces[i] * (double)work->traces[i];
    return sum / 2;
}

static int add_misfit(struct work *work, bool adjoint, struct error *ret_error)
{
    struct shot_answer *answer = work->task->answer;
    struct misfit_result result;
    if (record(work, ret_error) < 0 ||
        misfit_measure(&work->misfit, work->receivers, work->samples, work->observed.traces,
                       work->traces, adjoint ? work->traces : NULL, &result, ret_error) < 0)
        return -1;
    answer->misfit += result.value;
    answer->norm += result.norm;
    return 0;
}

static int run_misfit(struct work *work, struct error *ret_error)
{
    return forward(work, ret_error) < 0 ? -1 : add_misfit(work, false, ret_error);
}

static int run_source(struct work *work, struct error *ret_error)
{
    struct task *task = work->task;
    size_t size = work->receivers * work->samples;
    if (forward(work, ret_error) < 0 || record(work, ret_error) < 0)
        return -1;
    wave_real *observed = malloc(size * sizeof(*observed));
    if (!observed)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for observed data");
    for (size_t i = 0; i < size; i++)
        observed[i] = work->observed.traces[i];
    int rc = misfit_filter(&work->misfit, work->receivers, work->samples, observed, ret_error);
    if (rc == 0)
        rc = misfit_filter(&work->misfit, work->receivers, work->samples, work->traces,
                           ret_error);
    if (rc == 0)
        rc = spectrum_sums_add(&task->sums, work->receivers, work->samples, observed,
                               work->traces, ret_error);
    free(observed);
    return rc;
}

/* One sample of 1e38 is a float, but no image of it is. */
static int check_residual(const struct work *work, struct error *ret_error)
{
    size_t size = work->receivers * work->samples, worst = 0, bad = 0;
    while (bad < size && fabs((double)work->traces[bad]) <= RESIDUAL_MOST)
        bad++;
    if (bad == size)
        return 0;
    size_t trace = bad / work->samples, first = trace * work->samples;
    const float *observed = work->observed.traces + first;
    const size_t *rows = work->scene->shot->rows; /* none where several are fired as one */
    size_t number = (rows ? rows[trace] : trace) + 1;
    for (size_t i = 1; i < work->samples; i++)
        worst = fabsf(observed[i]) > fabsf(observed[worst]) ? i : worst;
    /* Filters and differences make no more than a few times as much of it. */
    if (fabs((double)observed[worst]) > RESIDUAL_MOST / 8)
        return error_set(ret_error, ERROR_CONFIG,
                         "trace %zu: sample %zu of the observed data is %g; what is beyond %g "
                         "overflows single precision in an image",
                         number, worst + 1, (double)observed[worst], RESIDUAL_MOST);
    return error_set(
        ret_error, ERROR_CONFIG,
        "trace %zu: the misfit's derivative is %g at sample %zu; what is beyond %g overflows "
        "single precision in an image: are the wavelet's amplitude and the data's units what "
        "they should be?",
        number, (double)work->traces[bad], bad - first + 1, RESIDUAL_MOST);
}

/* operators_residual: the adjoint source of a gradient. */
static int residual_of_misfit(void *context, wave_real *data, struct error *ret_error)
{
    struct work *work = context;
    if (add_misfit(work, true, ret_error) < 0 || check_residual(work, ret_error) < 0)
        return -1;
    resample_back(&work->scene->record, work->receivers, work->traces, data);
    return 0;
}

/* operators_residual: the data themselves, for migration. */
static int residual_of_data(void *context, wave_real *data, struct error *ret_error)
{
    struct work *work = context;
    size_t size = work->receivers * work->samples;
    for (size_t i = 0; i < size; i++)
        work->traces[i] = work->observed.traces[i];
    if (misfit_filter(&work->misfit, work->receivers, work->samples, work->traces, ret_error) <
            0 ||
        check_residual(work, ret_error) < 0)
        return -1;
    work->task->answer->norm += norm_of(work);
    resample_back(&work->scene->record, work->receivers, work->traces, data);
    return 0;
}

/* By the velocity v rather than by 1 / v^2: d(1 / v^2) / dv = -2 / v^3. */
static void by_velocity(const struct scene *scene, wave_real *gradient)
{
    const float *velocity = scene->ground.values[SURVEY_VELOCITY];
    for (size_t i = 0; i < scene->wave->points; i++) {
        double v = (double)velocity[i];
        gradient[i] = (wave_real)(-2 / (v * v * v) * (double)gradient[i]);
    }
}

static int run_image(struct work *work, struct error *ret_error)
{
    const struct scene *scene = work->scene;
    struct pile *pile = &work->task->answer->pile;
    bool gradient = work->task->request->operation == SHOT_GRADIENT;
    size_t points = scene->wave->points;
    wave_real *image = calloc(2 * points, sizeof(*image)), *light = image + points;
    if (!image)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for an image");
    int rc = operators_image(&scene->operators, scene->source,
                             gradient ? residual_of_misfit : residual_of_data, work, work->rows,
                             image, light, ret_error);
    if (rc == 0 && gradient)
        by_velocity(scene, image);
    if (rc == 0) {
        pile_add(pile, PILE_IMAGE, &scene->ground.box, image, 1);
        pile_add(pile, PILE_ILLUMINATION, &scene->ground.box, light,
                 scene->dt_s * (double)scene->shape.subsampling);
    }
    free(image);
    return rc;
}

static int run_operation(struct work *work, struct error *ret_error)
{
    switch (work->task->request->operation) {
    case SHOT_MODEL:
        return run_model(work, ret_error);
    case SHOT_BORN:
        return run_born(work, ret_error);
    case SHOT_RTM:
    case SHOT_GRADIENT:
        return run_image(work, ret_error);
    case SHOT_MISFIT:
        return run_misfit(work, ret_error);
    case SHOT_SOURCE:
        return run_source(work, ret_error);
    default:
        return error_set(ret_error, ERROR_BUG, "this operation has no shots");
    }
}

/* A shot is through. */
static void note(struct task *task, const struct scene *scene)
{
    bool first = !*task->memory;
    if (first) {
        shot_cost_print(&scene->cost, &scene->shape, task->memory, sizeof(task->memory));
        task->dt_s = scene->dt_s;
        task->steps = scene->steps.count;
    }
    if (first || (*scene->device.why && !*task->device.why))
        task->device = scene->device;
    task->answer->points += scene->cost.updates;
}

/* The shots that are fired as one; or the shot itself. */
struct party {
    const struct shot *members;
    const double *weights;
    size_t count;
};

/* Compute a shot on `device` (NULL: as the survey wants). If the device fails, and the survey lets
 * others take its place, 1 is returned, the answer is as before, and *ret_device what is to compute
 * instead. */
static int try_shot(struct task *task, const struct shot *shot, const struct party *party,
                    const struct shot_device *device, struct shot_device *ret_device,
                    struct error *ret_error)
{
    const struct shot_request *request = task->request;
    const struct scene_options options = {
        .device = device,
        .operation = request->operation,
        .threads = request->threads,
        .limit_bytes = request->memory_bytes,
        .spill_dir = request->spill_dir,
        .filter = request->filter,
    };
    struct scene scene;
    struct shot_answer *answer = task->answer;
    double misfit = answer->misfit, norm = answer->norm;
    struct error failure = {0};
    struct work work = {.task = task,
                        .scene = &scene,
                        .members = party->members,
                        .weights = party->weights,
                        .member_count = party->count,
                        .misfit = task->misfit};
    if (scene_open(&scene, task->survey, shot, &options, ret_error) < 0)
        return -1;
    int rc = work_open(&work, ret_error);
    if (rc == 0)
        rc = run_operation(&work, ret_error);
    if (rc == 0) {
        note(task, &scene);
        task->dead_traces += work.observed.dead;
    } else if (scene_device_failed(&scene, &failure)) {
        answer->misfit = misfit;
        answer->norm = norm;
        *ret_error = failure;
        *ret_device = scene.device;
        if (shot_device_fall_back(ret_device, task->survey->numerics.device, &failure))
            rc = 1;
    }
    if (rc < 0)
        shot_error_name(ret_error, "shot %s", shot->name);
    work_close(&work);
    scene_close(&scene);
    return rc;
}

/* What a device leaves undone the processors do from the start, where the survey lets. */
static int run_shot(struct task *task, const struct shot *shot, const struct party *party,
                    struct error *ret_error)
{
    struct error why = {0};
    struct shot_device device;
    int rc = try_shot(task, shot, party, NULL, &device, &why);
    if (rc > 0)
        rc = try_shot(task, shot, party, &device, &device, &why);
    if (rc < 0 && ret_error)
        *ret_error = why;
    return rc;
}

static int run_encoded(struct task *task, const struct shot *shots, const double *weights,
                       size_t count, struct error *ret_error)
{
    struct shot encoded = {0};
    if (scene_encode(shots, weights, count, &encoded, ret_error) < 0)
        return -1;
    const struct party party = {shots, weights, count};
    int rc = run_shot(task, &encoded, &party, ret_error);
    survey_shot_close(&encoded);
    return rc;
}

static int run_shots(struct task *task, const struct shot *shots, const double *weights,
                     size_t count, struct error *ret_error)
{
    static const double one = 1;
    struct grid_box window = {0};
    for (size_t i = 0; i < count; i++) {
        struct grid_box box = survey_shot_box(task->survey, &shots[i]);
        window = pile_join(&window, &box);
    }
    if (makes_arrays(task->request->operation)) {
        if (pile_init(&task->answer->pile, &window, ret_error) < 0)
            return -1;
        task->answer->has_pile = true;
    }
    if (task->request->encoded)
        return run_encoded(task, shots, weights, count, ret_error);
    for (size_t i = 0; i < count; i++) {
        const struct party party = {&shots[i], &one, 1};
        if (run_shot(task, &shots[i], &party, ret_error) < 0)
            return -1;
    }
    return 0;
}

/* Open all shots of the task, and run them. */
static int run_task(struct task *task, struct error *ret_error)
{
    const struct shot_request *request = task->request;
    size_t count = request->shot_count;
    struct shot *shots = calloc(count, sizeof(*shots));
    double *weights = calloc(count, sizeof(*weights));
    int rc = shots && weights
                 ? 0
                 : error_set(ret_error, ERROR_SYSTEM, "no memory for %zu shots", count);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        weights[i] = request->shots[i].weight;
        if (request->shots[i].index >= task->survey->shot_count)
            rc = error_set(ret_error, ERROR_CONFIG, "there is no shot %llu (from 0) among %zu",
                           (unsigned long long)request->shots[i].index,
                           task->survey->shot_count);
        else
            rc = survey_shot_open(task->survey, (size_t)request->shots[i].index, &shots[i],
                                  ret_error);
    }
    if (rc == 0)
        rc = run_shots(task, shots, weights, count, ret_error);
    for (size_t i = 0; shots && i < count; i++)
        survey_shot_close(&shots[i]);
    free(shots);
    free(weights);
    return rc;
}

static void put_extra(const struct task *task, struct buf *extra)
{
    buf_append_text(extra, "{\"memory\":");
    json_put_text(extra, task->memory, strlen(task->memory));
    buf_append_text(extra, ",\"device\":");
    json_put_text(extra, task->device.text, strlen(task->device.text));
    if (*task->device.why) {
        buf_append_text(extra, ",\"device_why\":");
        json_put_text(extra, task->device.why, strlen(task->device.why));
    }
    buf_append_text(extra, ",\"dt_s\":");
    json_put_real(extra, task->dt_s);
    buf_printf(extra, ",\"steps\":%zu", task->steps);
    if (task->dead_traces)
        buf_printf(extra, ",\"dead_traces\":%zu", task->dead_traces);
    if (task->sums.count) {
        buf_append_text(extra, ",");
        spectrum_sums_put(&task->sums, extra);
    }
    buf_append_text(extra, "}");
}

/* Frequencies that estimates of a source are made for: those that pass, and are in the wavelet. */
static int begin_sums(struct task *task, struct error *ret_error)
{
    const struct survey *survey = task->survey;
    const struct misfit *misfit = &task->misfit;
    if (task->request->operation != SHOT_SOURCE)
        return 0;
    return spectrum_sums_init(&task->sums, survey->record.samples, survey->record.interval_s,
                              misfit->min_hz / 2, misfit->max_hz * 2, ret_error);
}

int shot_compute(const struct survey *survey, const struct shot_request *request,
                 struct shot_answer *ret_answer, struct error *ret_error)
{
    bool measures = request->operation == SHOT_GRADIENT || request->operation == SHOT_MISFIT;
    bool compares = measures || request->operation == SHOT_RTM;
    struct shot_answer answer = {.misfit = measures ? 0 : NAN, .norm = compares ? 0 : NAN};
    struct task task = {.survey = survey, .request = request, .answer = &answer};
    int64_t begin = clock_monotonic_ns();
    task.misfit = (struct misfit){.rule = survey->misfit,
                                  .interval_s = survey->record.interval_s,
                                  .min_hz = request->min_hz,
                                  .max_hz = request->max_hz};
    buf_init(&answer.extra, EXTRA_MAX);
    buf_init(&answer.outputs, OUTPUTS_MAX);
    if (!makes_arrays(request->operation))
        vault_forget();
    peak_reset();
    int rc = begin_sums(&task, ret_error);
    if (rc == 0)
        rc = run_task(&task, ret_error);
    if (rc == 0)
        put_extra(&task, &answer.extra);
    spectrum_sums_fini(&task.sums);
    answer.seconds = (double)(clock_monotonic_ns() - begin) * 1e-9;
    answer.peak_bytes = peak_bytes();
    if (rc == 0 && buf_failed(&answer.extra))
        rc = error_set(ret_error, ERROR_SYSTEM, "no memory for the spectra of a shot");
    if (rc == 0)
        *ret_answer = answer;
    else
        shot_answer_fini(&answer);
    return rc;
}

void shot_answer_fini(struct shot_answer *answer)
{
    pile_fini(&answer->pile);
    buf_fini(&answer->extra);
    buf_fini(&answer->outputs);
}

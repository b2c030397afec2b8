/*
 * Two waves take turns: the one that runs, and the one that the estimator fills while it digests
 * the other. `first` is the task of run 0 of the one that runs.
 *
 * A new wave is begun as late as can be: when the farm asks for a task (`pest_next`), or, in a
 * replay, when a result of the next wave shows up (`pest_ended`). It needs to know the slots: from
 * the note of an earlier master, or else from the farm, and then it waits until a worker has
 * joined.
 *
 * What is costly is done beside the loop (step.h): the estimator's step, and all that makes its
 * wave one that can run (`compute`). The rest, notes above all, is done by the loop's thread
 * (`conclude`). Meanwhile both waves and the estimator are the step's; nobody misses them, since
 * every run of the wave before has ended. Steps that an earlier master has done, and noted, are
 * done at once: before workers are let in, so that their tasks are known when they say what they
 * still run.
 */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/tree.h"
#include "common/values.h"
#include "master/pest/estimator.h"
#include "master/pest/files.h"
#include "master/pest/gang.h"
#include "master/pest/history.h"
#include "master/pest/job.h"
#include "master/pest/overdue.h"
#include "master/pest/pest.h"
#include "master/pest/problem.h"
#include "master/pest/remarks.h"
#include "master/pest/run_record.h"
#include "master/pest/step.h"
#include "master/scheduler.h"

#define NOTE_MAX 1024

enum phase { PEST_ESTIMATES, PEST_FINISHED, PEST_FAILED };

struct driver {
    struct driver_context context;
    struct problem *problem;
    const struct estimator_ops *ops;
    struct estimator *estimator;
    char *output_base;

    struct wave waves[2];
    struct wave *wave;   /* the one that runs: waves[0] or waves[1] */
    uint64_t number;     /* of that wave; 0 before the first */
    uint64_t first;      /* task of its first run */
    uint64_t handed_out; /* tasks that `next` has given */
    struct history history;
    bool replayed;                   /* the estimator was told */
    char last_said[ERROR_TEXT_MAX];  /* in the replay; told once, at its end */
    int64_t count;                   /* the estimator's, or -1 */
    struct driver_estimate estimate; /* where it stands */
    double *row;                     /* observations of a run that nobody keeps */
    struct run_record *record;       /* .rmr; NULL in plan_only */
    char node[256];                  /* who made the run that ends now, and in how many tries */
    uint32_t attempts;

    struct step *step;
    struct { /* what a step is told, and what comes of it */
        struct wave *wanted;
        uint32_t slots;
        uint64_t fingerprint; /* of the wave */
        uint64_t runs_before; /* of the wave before */
        enum estimator_next verdict;
        struct error error;
    } next;

    enum phase phase;
    struct error error; /* of PEST_FAILED */
};

static void fail(struct driver *driver, const struct error *error)
{
    if (driver->phase == PEST_FAILED)
        return;
    driver->phase = PEST_FAILED;
    driver->error = *error;
}

/* --- what the estimator may call ---------------------------------------------------------- */

static double written(void *context, size_t parameter, double value)
{
    const struct driver *driver = context;
    return problem_written(driver->problem, parameter, value);
}

/* While an earlier master's waves are gone through again, nothing is news. */
static bool is_replay(const struct driver *driver)
{
    return driver->number < driver->history.count && !driver->replayed;
}

static void say(void *context, const char *sentence)
{
    struct driver *driver = context;
    if (is_replay(driver))
        snprintf(driver->last_said, sizeof driver->last_said, "%s", sentence);
    else if (driver->context.news)
        driver->context.news(driver->context.wake_context, sentence);
}

static void remark(void *context, const char *sentence)
{
    struct driver *driver = context;
    if (driver->context.say)
        driver->context.say(driver->context.wake_context, sentence);
}

static void tell_estimate(const struct driver *driver)
{
    if (!is_replay(driver) && driver->context.estimate)
        driver->context.estimate(driver->context.wake_context, &driver->estimate);
}

static void stand(void *context, const struct estimator_stand *stand)
{
    struct driver *driver = context;
    driver->estimate.iteration = stand->iteration;
    driver->estimate.phi = stand->phi;
    driver->estimate.lambda = stand->lambda;
    tell_estimate(driver);
}

/* The same for what may be said by a step. */
static void say_from_step(void *context, const char *sentence)
{
    step_say(((struct driver *)context)->step, sentence);
}

static void stand_from_step(void *context, const struct estimator_stand *stand)
{
    step_stand(((struct driver *)context)->step, stand);
}

/* --- waves -------------------------------------------------------------------------------- */

/* The replay is over: what follows is new. */
static void end_replay(struct driver *driver)
{
    bool was = driver->history.count > 0;
    driver->replayed = true;
    if (driver->ops->replayed)
        driver->ops->replayed(driver->estimator);
    if (was && driver->last_said[0])
        say(driver, driver->last_said);
}

static int note(struct driver *driver, const struct history_wave *wave, struct error *ret_error)
{
    struct buf text;
    buf_init(&text, NOTE_MAX);
    history_print(wave, &text);
    int rc = 0;
    if (driver->context.note &&
        (buf_failed(&text) ||
         driver->context.note(driver->context.wake_context, text.data, text.size) == 0))
        rc = error_set(ret_error, ERROR_SYSTEM, "no memory to note a wave of runs");
    buf_fini(&text);
    return rc;
}

/* The wave that the estimator wants is made one that can run. */
static int wave_prepare(struct driver *driver, struct wave *wanted, struct error *ret_error)
{
    if (wanted->run_count == 0)
        return error_set(ret_error, ERROR_BUG, "the %s estimator wants a wave without runs",
                         driver->ops->mode);
    for (size_t run = 0; run < wanted->run_count; run++)
        if (problem_round(driver->problem, wanted->parameters + run * wanted->parameter_count,
                          ret_error) < 0)
            return error_prefix(ret_error, "wave %" PRIu64 ", run %zu", driver->number + 1,
                                run + 1);
    driver->next.runs_before = driver->wave->run_count;
    wave_clear(driver->wave); /* before there is a second matrix of results */
    driver->next.fingerprint = wave_fingerprint(wanted);
    return wave_begin(wanted, ret_error);
}

/* Perhaps in a thread. */
static void compute(void *context)
{
    struct driver *driver = context;
    driver->next.verdict = ESTIMATOR_FAILED;
    if (gang_fit(&driver->next.error) < 0)
        return;
    driver->next.verdict =
        driver->ops->step(driver->estimator, driver->wave, driver->next.wanted,
                          driver->next.slots, &driver->next.error);
    if (driver->next.verdict == ESTIMATOR_WAVE &&
        wave_prepare(driver, driver->next.wanted, &driver->next.error) < 0)
        driver->next.verdict = ESTIMATOR_FAILED;
}

/* That wave becomes the one that runs. */
static int wave_take_over(struct driver *driver, struct wave *wanted, struct error *ret_error)
{
    const struct history_wave *noted = history_find(&driver->history, driver->number + 1);
    const struct history_wave now = {.number = driver->number + 1,
                                     .task = driver->first + driver->next.runs_before,
                                     .runs = wanted->run_count,
                                     .slots = driver->next.slots,
                                     .fingerprint = driver->next.fingerprint};
    if (noted ? history_compare(noted, &now, ret_error) < 0 : note(driver, &now, ret_error) < 0)
        return -1;
    driver->wave = wanted;
    driver->number = now.number;
    driver->first = now.task;
    driver->estimate.wave = now.number;
    driver->estimate.first = now.task;
    driver->estimate.runs = now.runs;
    driver->estimate.purpose = wanted->purpose;
    run_record_wave(driver->record, now.number, wanted->purpose, now.task, now.runs, now.slots);
    tell_estimate(driver);
    return 0;
}

/* What comes of a step. */
static void conclude(struct driver *driver)
{
    driver->count = driver->ops->count(driver->estimator);
    if (driver->next.verdict == ESTIMATOR_WAVE
            ? wave_take_over(driver, driver->next.wanted, &driver->next.error) < 0
            : driver->next.verdict != ESTIMATOR_FINISHED ||
                  run_record_finish(driver->record, &driver->next.error) < 0)
        fail(driver, &driver->next.error);
    else if (driver->next.verdict == ESTIMATOR_FINISHED)
        driver->phase = PEST_FINISHED;
}

static void step_done(void *context)
{
    struct driver *driver = context;
    conclude(driver);
    if (driver->context.wake)
        driver->context.wake(driver->context.wake_context);
}

/* How wide a wave is planned changes what is found on the way. So workers that are yet to come (at
 * the start, after a restart of the master) and those that are lost count, too: the same farm
 * gives the same results, whoever joined first. */
static uint32_t slots_planned(const struct driver *driver, uint32_t slots)
{
    uint32_t expected = driver->context.slots_expected
                            ? driver->context.slots_expected(driver->context.wake_context)
                            : 0;
    return expected > slots ? expected : slots;
}

/* Ask for the next wave. False: it is not there yet, because nobody could run it, or because it is
 * being computed. */
static bool step(struct driver *driver, uint32_t slots)
{
    const struct history_wave *noted = history_find(&driver->history, driver->number + 1);
    if (noted)
        slots = noted->slots;
    if (slots == 0)
        return false;
    if (!noted)
        slots = slots_planned(driver, slots);
    if (!noted && !driver->replayed)
        end_replay(driver);
    driver->next.wanted = &driver->waves[driver->wave == &driver->waves[0]];
    driver->next.slots = slots;
    driver->next.error = (struct error){0};
    wave_clear(driver->next.wanted);
    if (noted)
        compute(driver);
    else if (!step_start(driver->step, compute))
        return false;
    conclude(driver);
    return true;
}

static enum driver_next pest_next(struct driver *driver, uint32_t slots)
{
    if (step_is_busy(driver->step))
        return DRIVER_WAIT;
    if (driver->phase == PEST_FAILED)
        return DRIVER_FINISHED;
    while (driver->handed_out + 1 >= driver->first + driver->wave->run_count) {
        if (driver->phase != PEST_ESTIMATES)
            return DRIVER_FINISHED;
        if (!wave_is_over(driver->wave) || !step(driver, slots))
            return DRIVER_WAIT;
    }
    driver->handed_out++;
    return DRIVER_TASK;
}

/* The run of the present wave that is this task; SIZE_MAX if it is of none. While a step is under
 * way, all of its runs have ended. */
static size_t run_of(const struct driver *driver, uint64_t task)
{
    return !step_is_busy(driver->step) && task >= driver->first &&
                   task - driver->first < driver->wave->run_count
               ? (size_t)(task - driver->first)
               : SIZE_MAX;
}

static int pest_payload(struct driver *driver, uint64_t task, struct buf *payload)
{
    size_t run = run_of(driver, task);
    if (run == SIZE_MAX || !driver->wave->parameters)
        return -1;
    const double *values = driver->wave->parameters + run * driver->wave->parameter_count;
    return problem_payload(driver->problem, values, payload);
}

/* --- results ------------------------------------------------------------------------------ */

static int pest_noted(struct driver *driver, const void *bytes, size_t size,
                      struct error *ret_error)
{
    return history_take(&driver->history, bytes, size, ret_error);
}

/* In a replay: go on to the wave of this task. */
static void catch_up(struct driver *driver, uint64_t task)
{
    struct error error;
    while (driver->phase == PEST_ESTIMATES && task >= driver->first + driver->wave->run_count) {
        if (!wave_is_over(driver->wave)) {
            error_set(&error, ERROR_SYSTEM,
                      "the journal has a result of task %" PRIu64
                      ", but not of all runs before it; start a new run",
                      task);
            fail(driver, &error);
        } else if (!step(driver, 0)) {
            error_set(&error, ERROR_SYSTEM,
                      "the journal has a result of task %" PRIu64
                      ", but no note of its wave; start a new run",
                      task);
            fail(driver, &error);
        }
    }
}

static void run_failed(struct driver *driver, size_t run, const char *text, size_t size)
{
    char sentence[ERROR_TEXT_MAX];
    snprintf(sentence, sizeof sentence, "%.*s", (int)(size < 900 ? size : 900),
             size ? text : "");
    if (wave_fail(driver->wave, run) && driver->ops->run_ended)
        driver->ops->run_ended(driver->estimator, run, NULL, sentence);
}

static void run_done(struct driver *driver, size_t run, const struct result *result)
{
    struct wave *wave = driver->wave;
    double *row = wave_row(wave, run);
    struct error error;
    if (wave->ended[run])
        return;
    if (!row)
        row = driver->row;
    if (values_decode_reals(result->values, result->values_size, row, wave->observation_count,
                            &error) < 0) {
        run_failed(driver, run, error.text, strlen(error.text));
        return;
    }
    wave_take(wave, run);
    if (driver->ops->run_ended)
        driver->ops->run_ended(driver->estimator, run, row, NULL);
}

static void pest_ran(struct driver *driver, uint64_t task, const char *worker,
                     uint32_t attempts)
{
    (void)task; /* `ended` follows */
    snprintf(driver->node, sizeof driver->node, "%s", worker);
    driver->attempts = attempts;
}

static void pest_ended(struct driver *driver, const struct result *result, bool resumed)
{
    if (resumed)
        catch_up(driver, result->id.task);
    size_t run = run_of(driver, result->id.task);
    if (run == SIZE_MAX || driver->phase != PEST_ESTIMATES)
        return;
    run_record_run(driver->record, result, driver->node, driver->attempts);
    if (result->status == RESULT_OK)
        run_done(driver, run, result);
    else
        run_failed(driver, run, result->error, result->error_size);
}

static int pest_outcome(const struct driver *driver, struct error *ret_error)
{
    if (driver->phase == PEST_FINISHED)
        return 0;
    if (driver->phase == PEST_FAILED) {
        *ret_error = driver->error;
        return -1;
    }
    return error_set(ret_error, ERROR_TASKS,
                     "the estimation is not finished: $.limits.tasks allows %" PRIu64 " runs",
                     driver->handed_out);
}

/* --- job, files and limits ---------------------------------------------------------------- */

static int pest_job(const struct driver *driver, cJSON *job, struct error *ret_error)
{
    return job_fill(driver->problem, driver->context.work, job, ret_error);
}

static bool pest_brief(const struct driver *driver)
{
    return job_is_wide(driver->problem->control);
}

static int pest_files(const struct driver *driver,
                      int (*add)(void *context, const char *path, bool common, bool copy),
                      void *context, struct error *ret_error)
{
    return files_list(driver->problem, driver->context.folder, driver->context.farm, add,
                      context, ret_error);
}

static int pest_except(const struct driver *driver,
                       int (*each)(void *context, const char *pattern), void *context,
                       struct error *ret_error)
{
    return files_except(driver->problem, driver->context.folder, each, context, ret_error);
}

static const char *pest_home(const struct driver *driver)
{
    return driver->problem->subfolder;
}

static int pest_policy(const struct driver *driver, struct scheduler_policy *policy,
                       struct error *ret_error)
{
    return overdue_apply(driver->problem->control, driver->problem->mode, policy, ret_error);
}

static int64_t pest_count(const struct driver *driver)
{
    return driver->count; /* the estimator may be in a step */
}

/* --- opening ------------------------------------------------------------------------------ */

static int output_base_make(struct driver *driver, struct error *ret_error)
{
    const char *run_dir = driver->context.run_dir ? driver->context.run_dir : ".";
    if (asprintf(&driver->output_base, "%s/out/master/%s", run_dir, driver->problem->name) <
        0) {
        driver->output_base = NULL;
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    }
    char *slash = strrchr(driver->output_base, '/');
    *slash = '\0';
    int rc = tree_make(driver->output_base, ret_error);
    *slash = '/';
    return rc;
}

static int record_open(struct driver *driver, struct error *ret_error)
{
    char *path = NULL;
    if (asprintf(&path, "%s.rmr", driver->output_base) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    driver->record = run_record_open(path, driver->problem->name, ret_error);
    free(path);
    return driver->record ? 0 : -1;
}

static int estimator_open(struct driver *driver, struct error *ret_error)
{
    const struct driver_context *context = &driver->context;
    struct problem *problem = driver->problem;
    driver->ops = estimator_find(problem->mode);
    if (!driver->ops)
        return error_set(ret_error, ERROR_CONFIG, "$.work.mode: there is no estimator \"%s\"",
                         problem->mode);
    if (!context->plan_only &&
        (output_base_make(driver, ret_error) < 0 || record_open(driver, ret_error) < 0))
        return -1;
    const struct estimator_context estimator = {.control = problem->control,
                                                .folder = problem->control->folder,
                                                .output_base = driver->output_base,
                                                .plan_only = context->plan_only,
                                                .written = written,
                                                .written_context = driver,
                                                .say = say_from_step,
                                                .stand = stand_from_step,
                                                .say_context = driver};
    driver->estimator = driver->ops->open(&estimator, ret_error);
    if (!driver->estimator)
        return -1;
    driver->count = driver->ops->count(driver->estimator);
    return 0;
}

static void pest_close(struct driver *driver)
{
    if (!driver || !step_destroy(driver->step))
        return; /* a step that takes longer has all this until the process ends */
    if (driver->ops)
        driver->ops->close(driver->estimator);
    wave_fini(&driver->waves[0]);
    wave_fini(&driver->waves[1]);
    history_fini(&driver->history);
    problem_close(driver->problem);
    run_record_close(driver->record);
    free(driver->output_base);
    free(driver->row);
    free(driver);
}

static int pest_fill(struct driver *driver, struct error *ret_error)
{
    const struct driver_context *context = &driver->context;
    driver->problem =
        problem_open(context->work, context->folder, context->plan_only, ret_error);
    if (!driver->problem)
        return -1;
    const struct pest_control *control = driver->problem->control;
    for (int i = 0; i < 2; i++)
        wave_init(&driver->waves[i], control->parameter_count, control->observation_count);
    driver->row = calloc(control->observation_count + 1, sizeof *driver->row);
    if (!driver->row)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the observations");
    const struct step_events events = {.say = say, .stand = stand, .done = step_done};
    driver->step =
        step_create(context->plan_only ? NULL : context->loop, &events, driver, ret_error);
    if (!driver->step || estimator_open(driver, ret_error) < 0)
        return -1;
    /* Options that are wrong are told at once, and those of use are no remark. */
    struct scheduler_policy policy = scheduler_policy_default(1);
    if (pest_policy(driver, &policy, ret_error) < 0)
        return -1;
    if (!context->plan_only)
        remarks_tell(control, remark, driver);
    return 0;
}

static struct driver *pest_open(const struct driver_context *context, struct error *ret_error)
{
    struct driver *driver = calloc(1, sizeof *driver);
    if (!driver) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the estimation");
        return NULL;
    }
    driver->context = *context;
    driver->wave = &driver->waves[0];
    driver->first = 1;
    driver->estimate = (struct driver_estimate){
        .first = 1, .purpose = driver->wave->purpose, .phi = NAN, .lambda = NAN};
    if (pest_fill(driver, ret_error) == 0)
        return driver;
    pest_close(driver);
    return NULL;
}

const struct driver_ops driver_pest = {
    .kind = "pest",
    .judges = true,
    .open = pest_open,
    .close = pest_close,
    .count = pest_count,
    .files = pest_files,
    .except = pest_except,
    .home = pest_home,
    .policy = pest_policy,
    .job = pest_job,
    .brief = pest_brief,
    .next = pest_next,
    .payload = pest_payload,
    .noted = pest_noted,
    .ran = pest_ran,
    .ended = pest_ended,
    .outcome = pest_outcome,
};

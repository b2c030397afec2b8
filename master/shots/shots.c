/*
 * The roll knows which tasks there are and what came of them; `next` hands out those that it has,
 * and where all have ended goes on (shots_wave.c). In a replay notes come first, then results: the
 * roll is whole before `next` is asked for the first time, and nothing is decided until then.
 */
#include "config.h"

#include <libgen.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/seismic/shot_cost.h"
#include "common/tree.h"
#include "master/scheduler.h"
#include "master/shots/room.h"
#include "master/shots/shots.h"
#include "master/shots/shots_private.h"

static void shots_close(struct driver *driver);

void shots_fail(struct driver *driver, const struct error *error)
{
    if (driver->phase == SHOTS_FAILED)
        return;
    driver->phase = SHOTS_FAILED;
    driver->error = *error;
}

void shots_say(struct driver *driver, const char *format, ...)
{
    char text[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (driver->context.say)
        driver->context.say(driver->context.wake_context, text);
}

int shots_note(struct driver *driver, struct buf *note)
{
    struct error error;
    int rc = 0;
    if (buf_failed(note) || !(driver->noted = driver->context.note(driver->context.wake_context,
                                                                   note->data, note->size)))
        rc = error_set(&error, ERROR_SYSTEM, "no memory to note what comes next");
    if (rc == 0)
        rc = roll_take(&driver->roll, note->data, note->size, &error);
    if (rc < 0)
        shots_fail(driver, &error);
    return rc;
}

/* --- tasks and results --- */

static void restored(void *context)
{
    struct driver *driver = context;
    driver->context.wake(driver->context.wake_context);
}

/* Of a resumed master: its wave may be of another machine. False: not yet. */
static bool restore(struct driver *driver)
{
    bool nothing = !roll_wave(&driver->roll) || driver->roll.finished ||
                   (driver->asked.served && !asked_is_under_way(driver));
    if (!driver->running && !driver->roll.finished &&
        (shots_terms_begin(driver) < 0 || shots_outside_begin(driver) < 0)) {
        driver->running = true;
        return true;
    }
    if (driver->restored == SHOTS_UNKNOWN && !driver->running && !nothing &&
        roll_wave(&driver->roll)->file_count)
        errand_start(driver->digest.errand, shots_restore_work, restored, driver);
    driver->running = true;
    if (driver->restored == SHOTS_UNRESTORED) {
        error_prefix(&driver->digest.error, "what the work was at cannot be had again");
        shots_fail(driver, &driver->digest.error);
    }
    return !errand_is_busy(driver->digest.errand);
}

static enum driver_next shots_next(struct driver *driver, uint32_t slots)
{
    if (!restore(driver))
        return DRIVER_WAIT;
    for (;;) {
        if (driver->phase != SHOTS_WORK)
            return DRIVER_FINISHED;
        if (errand_is_busy(driver->digest.errand))
            return DRIVER_WAIT;
        const struct roll_task *task = roll_task(&driver->roll, driver->handed_out + 1);
        if (task) {
            if (task->holder && !task->ended && !shots_holders_ready(driver))
                return DRIVER_WAIT;
            /* An earlier master was killed as somebody cancelled this. */
            if (!task->ended && driver->asked.served && !asked_is_under_way(driver))
                driver->context.cancel(driver->context.wake_context, driver->handed_out + 1);
            driver->handed_out++;
            return DRIVER_TASK;
        }
        if (roll_open(&driver->roll) || !shots_advance(driver, slots))
            return DRIVER_WAIT;
    }
}

static uint64_t shots_bound(const struct driver *driver, uint64_t task)
{
    const struct roll_task *found = roll_task(&driver->roll, task);
    return found ? found->holder : 0;
}

/* A misfit costs about a third of its gradient: what is learned, and looked up, are gradients. */
static double cost_factor(const struct roll_wave *wave)
{
    return wave->operation == SHOT_MISFIT || wave->operation == SHOT_SOURCE ? 3 : 1;
}

static void learn(struct driver *driver, const struct roll_task *task)
{
    if (!task->holder && task->status == RESULT_OK && driver->survey.batch.encoded <= 1)
        order_learn(&driver->costs, task->shots, task->shot_count,
                    task->seconds * cost_factor(&driver->roll.waves[task->wave]));
}

/* Once: that it works otherwise is no trouble. */
static void tell_untaken(struct driver *driver, const struct roll_task *task)
{
    if (task->kind != ROLL_TAKE || !task->error || driver->untaken_told)
        return;
    driver->untaken_told = true;
    shots_say(
        driver,
        "a worker could not get the sum of another one, at %s, port %d, which therefore comes "
        "to the master itself: %s",
        task->giver.host, task->giver.port, task->error);
}

static void shots_ended(struct driver *driver, const struct result *result, bool resumed)
{
    uint64_t sequence = resumed ? 0 : driver->context.sequence(driver->context.wake_context);
    if (!roll_end(&driver->roll, result, sequence))
        return;
    const struct roll_task *task = roll_task(&driver->roll, result->id.task);
    char sentence[ERROR_TEXT_MAX];
    learn(driver, task);
    if (resumed)
        return;
    if (devices_look(&driver->devices, result->id.task, task->extra, sentence,
                     sizeof(sentence)))
        shots_say(driver, "%s", sentence);
    tell_untaken(driver, task);
    shots_look_at_skips(driver);
}

static int shots_noted(struct driver *driver, const void *bytes, size_t size,
                       struct error *ret_error)
{
    return roll_take(&driver->roll, bytes, size, ret_error);
}

static void shots_durable(struct driver *driver, uint64_t sequence)
{
    driver->durable = sequence;
    shots_lay(driver);
    /* What is in the results need not be kept beside them. */
    size_t waves = driver->roll.wave_count;
    bool over = driver->phase == SHOTS_FINISHED && driver->noted && sequence >= driver->noted;
    for (size_t back = 1; over && back <= 2 && back <= waves; back++)
        shots_sums_remove(driver, waves - back);
}

static void timer_expired(void *context)
{
    struct driver *driver = context;
    if (!errand_is_busy(driver->digest.errand))
        shots_look_at_skips(driver);
    driver->context.wake(driver->context.wake_context);
}

static int64_t shots_count(const struct driver *driver)
{
    if (driver->operation == SURVEY_FWI)
        return -1;
    return (int64_t)(driver->roll.task_count ? driver->roll.task_count
                                             : driver->survey.shot_count);
}

static void shots_contents(const struct driver *driver, char *text, size_t size)
{
    size_t count = driver->survey.shot_count;
    const char *plural = count == 1 ? "" : "s";
    if (driver->operation == SURVEY_FWI)
        snprintf(text, size, "an inversion of %zu shot%s", count, plural);
    else
        snprintf(text, size, "%zu shot%s%s", count, plural,
                 count == 1 ? "" : " in tasks of one or more");
}

/* Shots that came to nothing, in a work that ended all the same. */
static size_t bad_shots(const struct driver *driver)
{
    const struct roll *roll = &driver->roll;
    size_t *good = roll_wave(roll) ? roll_holders(roll, false) : NULL, bad = 0;
    for (size_t i = 0; good && i < roll_wave(roll)->shot_count; i++)
        bad += good[i] == SIZE_MAX;
    free(good);
    return bad;
}

static int shots_outcome(const struct driver *driver, struct error *ret_error)
{
    if (driver->phase == SHOTS_FAILED) {
        *ret_error = driver->error;
        return -1;
    }
    if (driver->asked.served)
        return 0; /* those who asked were told */
    if (driver->phase != SHOTS_FINISHED)
        return error_set(ret_error, ERROR_TASKS,
                         "the work is not finished: $.limits.tasks allows %llu tasks",
                         (unsigned long long)driver->handed_out);
    if (driver->roll.failed)
        return error_set(ret_error, ERROR_TASKS, "%s", driver->roll.finished);
    size_t bad = bad_shots(driver);
    if (driver->operation == SURVEY_FWI ||
        (double)bad <= driver->skip_ratio * (double)driver->survey.shot_count)
        return 0;
    return error_set(ret_error, ERROR_TASKS,
                     "%zu of %zu shots failed for good; the results are without them, and "
                     "results.csv says why; to have them, begin a new run, as with --resume "
                     "they stay failed",
                     bad, driver->survey.shot_count);
}

/* --- the job --- */

/* What a shot costs, from which workers choose threads per slot (worker/shot_threads.h). */
static void put_load(const struct driver *driver, cJSON *work)
{
    const cJSON *workers = json_member(json_member(driver->context.farm, "backend"), "workers");
    double shared_by =
        cJSON_IsNumber(workers) && workers->valuedouble > 1 ? workers->valuedouble : 1;
    uint64_t most = 0;
    if (driver->working_bytes == 0)
        return;
    for (size_t i = 0; i < driver->survey.shot_count; i++)
        most = most < driver->bytes[i] ? driver->bytes[i] : most;
    cJSON *shot = cJSON_AddObjectToObject(work, "shot");
    cJSON_AddNumberToObject(shot, "working_bytes", (double)driver->working_bytes);
    cJSON_AddNumberToObject(shot, "memory_bytes", (double)most);
    cJSON_AddNumberToObject(shot, "per_worker", (double)driver->survey.shot_count / shared_by);
}

static cJSON *runner_work(const struct driver *driver)
{
    static const char *const handed_on[] = {"env", "stall_s"};
    cJSON *work = cJSON_CreateObject();
    cJSON_AddStringToObject(work, "survey", driver->survey_file);
    if (driver->survey.program) {
        cJSON *command = cJSON_AddArrayToObject(work, "command");
        for (size_t i = 0; driver->survey.program[i]; i++)
            cJSON_AddItemToArray(command, cJSON_CreateString(driver->survey.program[i]));
    }
    for (size_t i = 0; i < sizeof(handed_on) / sizeof(*handed_on); i++) {
        const cJSON *item = json_member(driver->context.work, handed_on[i]);
        if (item)
            cJSON_AddItemToObject(work, handed_on[i], cJSON_Duplicate(item, true));
    }
    put_load(driver, work);
    return work;
}

/* Shots that GPUs compute want one slot for each, unless the farm file says otherwise. */
static int put_gpus(const struct driver *driver, cJSON *job)
{
    cJSON *worker = cJSON_GetObjectItemCaseSensitive(job, "worker");
    enum survey_device device = driver->survey.numerics.device;
    if (!worker || driver->survey.program || (device != SURVEY_GPU && device != SURVEY_AUTO) ||
        json_member(worker, "gpus"))
        return 0;
    return cJSON_AddStringToObject(worker, "gpus", "each") ? 0 : -1;
}

static int shots_job(const struct driver *driver, cJSON *job, struct error *ret_error)
{
    if (put_gpus(driver, job) < 0 || !cJSON_AddStringToObject(job, "runner", "shots") ||
        !cJSON_AddTrueToObject(job, "prefetch") ||
        !cJSON_AddItemToObject(job, "work", runner_work(driver)))
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the job");
    return shot_task_put_columns(job, ret_error);
}

static const char *shots_home(const struct driver *driver)
{
    return driver->home;
}

static const char *shots_device(const struct driver *driver)
{
    enum survey_device device =
        driver->survey.program ? SURVEY_CPU : driver->survey.numerics.device;
    return device == SURVEY_GPU ? "gpu" : device == SURVEY_OPENCL ? "opencl" : NULL;
}

/* --- opening --- */

static int paths_make(struct driver *driver, struct error *ret_error)
{
    const struct driver_context *context = &driver->context;
    const char *run_dir = context->run_dir ? context->run_dir : ".", *survey, *slash, *dot;
    if (json_get_text(context->work, "$.work", "survey", "", &survey, ret_error) < 0)
        return -1;
    if (survey[0] == '/')
        return error_set(ret_error, ERROR_CONFIG,
                         "$.work.survey: \"%s\" must lie in the farm file's folder or below",
                         survey);
    slash = strrchr(survey, '/');
    const char *name = slash ? slash + 1 : survey;
    dot = strrchr(name, '.');
    int size = dot && dot > name ? (int)(dot - name) : (int)strlen(name);
    driver->survey_file = strdup(survey);
    driver->home = slash ? strndup(survey, (size_t)(slash - survey)) : strdup(".");
    if (asprintf(&driver->survey_path, "%s/%s", context->folder, survey) < 0)
        driver->survey_path = NULL;
    if (asprintf(&driver->output_base, "%s/out/master/%.*s", run_dir, size, name) < 0)
        driver->output_base = NULL;
    if (asprintf(&driver->scratch, "%s/shots", run_dir) < 0)
        driver->scratch = NULL;
    if (!driver->scratch || asprintf(&driver->laying_path, "%s/traces", driver->scratch) < 0)
        driver->laying_path = NULL;
    return driver->survey_file && driver->home && driver->survey_path && driver->output_base &&
                   driver->laying_path
               ? 0
               : error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
}

static int folders_make(const struct driver *driver, struct error *ret_error)
{
    char *folder = strdup(driver->output_base);
    int rc = folder ? tree_make(dirname(folder), ret_error)
                    : error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    free(folder);
    unlink(driver->laying_path); /* of a master that was killed */
    return rc < 0 ? -1 : tree_make(driver->scratch, ret_error);
}

static int operation_read(struct driver *driver, struct error *ret_error)
{
    static const char *const names[] = {"model", "born", "rtm", "gradient", "fwi"};
    const cJSON *work = driver->context.work;
    const struct survey *survey = &driver->survey;
    const char *said, *sum, *gathers;
    driver->operation = survey->operation;
    if (driver->asked.served) /* what it costs at most; what it is, a wave says */
        driver->operation = survey->observed ? SURVEY_GRADIENT : SURVEY_MODEL;
    if (json_get_text(work, "$.work", "operation", names[driver->operation], &said, ret_error) <
            0 ||
        json_get_text(work, "$.work", "sum", survey->sum.exact ? "exact" : "double", &sum,
                      ret_error) < 0 ||
        json_get_text(work, "$.work", "gathers", "one", &gathers, ret_error) < 0 ||
        json_get_real(work, "$.work", "skip_ratio", survey->sum.skip_ratio, &driver->skip_ratio,
                      ret_error) < 0)
        return -1;
    for (int i = 0; i < (int)(sizeof(names) / sizeof(*names)); i++)
        if (strcmp(said, names[i]) == 0)
            driver->operation = (enum survey_operation)i;
    driver->operation_name = driver->asked.served ? "asked for" : names[driver->operation];
    if (!driver->asked.served) /* the farm file goes before the survey, whose checks ask */
        driver->survey.operation = driver->operation;
    driver->exact = strcmp(sum, "exact") == 0;
    driver->one_file = strcmp(gathers, "one") == 0;
    bool observes = driver->operation >= SURVEY_RTM; /* the others make traces */
    if (!observes && !driver->asked.served && survey->mute.keep != SURVEY_KEEP_ALL)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: $.mute: has no effect on what \"%s\" makes; leave it out",
                         driver->survey_path, said);
    if (observes && !survey->observed)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: $.data: \"%s\" needs observed data; name their SEG-Y files",
                         driver->survey_path, said);
    if (driver->operation == SURVEY_BORN && !survey->has[SURVEY_PERTURBATION])
        return error_set(ret_error, ERROR_CONFIG, "%s: $.model.perturbation: \"born\" needs it",
                         driver->survey_path);
    return 0;
}

/* A step that the first model allows, but not the fastest that an inversion may come to. */
static int step_check(const struct driver *driver, struct error *ret_error)
{
    const struct survey *survey = &driver->survey;
    double most = survey->inversion.max_m_s, limit = survey_dt_limit(survey);
    if (driver->operation != SURVEY_FWI || !(most > survey->velocity_max_m_s) || isinf(most))
        return 0;
    limit *= survey->velocity_max_m_s / most;
    /* Tasks are told the step in milliseconds: rounding. */
    if (!(survey->numerics.dt_s > limit * (1 + 1e-9)))
        return 0;
    return error_set(ret_error, ERROR_CONFIG,
                     "%s: $.numerics.dt_ms: %g ms is above the stability limit of %.6g ms at "
                     "$.inversion.max_velocity_m_s, %g m/s; leave it out to have it chosen",
                     driver->survey_path, survey->numerics.dt_s * 1e3, limit * 1e3, most);
}

static int cost_read(struct driver *driver, size_t shot, double dt_s, struct error *ret_error)
{
    struct survey *survey = &driver->survey;
    struct survey_shot_size size;
    struct shot_cost cost, less;
    if (survey_shot_measure(survey, shot, &size, ret_error) < 0)
        return -1;
    const struct shot_shape shape = shot_shape_of(survey, &size.box, size.receivers, 1, dt_s);
    const struct shot_wish wish = shot_wish_of(survey, 0);
    if (shot_cost_make(&cost, &shape, driver->operation, &wish, ret_error) < 0 ||
        shot_cost_make(&less, &shape, SURVEY_MODEL, &wish, ret_error) < 0)
        return error_prefix(ret_error, "shot %zu", shot + 1);
    /* Two levels of the wavefield and the medium; more of them with other physics, but threads are
     * chosen from the order of magnitude. */
    uint64_t working = 3 * sizeof(float) * shot_padded_points(&shape);
    if (driver->working_bytes < working)
        driver->working_bytes = working;
    driver->bytes[shot] = cost.bytes;
    driver->bytes_less[shot] = less.bytes;
    driver->costs.updates[shot] = cost.updates > 0 ? cost.updates : 1;
    return 0;
}

/* Whether the largest shot finds room, where the nodes are this machine. */
static int largest_check(const struct driver *driver, double dt_s, struct error *ret_error)
{
    const cJSON *kind = json_member(json_member(driver->context.farm, "backend"), "kind");
    bool local = !cJSON_IsString(kind) || strcmp(kind->valuestring, "local") == 0;
    size_t largest = 0;
    for (size_t shot = 0; shot < driver->survey.shot_count; shot++)
        if (driver->bytes[shot] > driver->bytes[largest])
            largest = shot;
    if (!local || room_check(&driver->survey, largest, driver->bytes[largest], dt_s,
                             room_here(), ret_error) == 0)
        return 0;
    return error_prefix(ret_error, "%s", driver->survey_path);
}

static int costs_read(struct driver *driver, struct error *ret_error)
{
    size_t count = driver->survey.shot_count;
    double dt_s = shots_step(driver) > 0 ? shots_step(driver) : survey_dt(&driver->survey);
    driver->bytes = calloc(count + 1, sizeof(*driver->bytes));
    driver->bytes_less = calloc(count + 1, sizeof(*driver->bytes_less));
    if (!driver->bytes || !driver->bytes_less || order_costs_init(&driver->costs, count) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu shots", count);
    /* Another program takes what it takes. */
    for (size_t shot = 0; !driver->survey.program && shot < count; shot++)
        if (cost_read(driver, shot, dt_s, ret_error) < 0)
            return -1;
    return largest_check(driver, dt_s, ret_error);
}

static void shots_remarks(const struct driver *driver,
                          void (*say)(void *context, const char *sentence), void *context)
{
    survey_remarks(&driver->survey, say, context);
}

static void remark(void *context, const char *sentence)
{
    shots_say(context, "%s", sentence);
}

/* Before their headers are looked at: what changes meanwhile is seen to have. */
static int outside_read(struct driver *driver, struct error *ret_error)
{
    size_t count;
    const struct survey_file *files = survey_files(&driver->survey, &count);
    /* The first is the survey itself. */
    return driver->context.plan_only
               ? 0
               : outside_look(files + 1, count - 1, &driver->outside, ret_error);
}

static int shots_fill(struct driver *driver, struct error *ret_error)
{
    const struct driver_context *context = &driver->context;
    if (paths_make(driver, ret_error) < 0 ||
        survey_open(driver->survey_path, SURVEY_CHECK_LATER, NULL, &driver->survey, ret_error) <
            0 ||
        outside_read(driver, ret_error) < 0 || operation_read(driver, ret_error) < 0 ||
        survey_check(&driver->survey, ret_error) < 0 || step_check(driver, ret_error) < 0 ||
        shots_extract_choose(driver, ret_error) < 0 ||
        shots_names_check(driver, ret_error) < 0 ||
        shots_overwrites_check(driver, ret_error) < 0 || costs_read(driver, ret_error) < 0)
        return -1;
    roll_init(&driver->roll, driver->survey.shot_count);
    driver->roll.terms = shots_terms(driver);
    driver->digest.estimate =
        (struct driver_estimate){.phi = NAN, .called = "misfit", .lambda = NAN};
    if (context->plan_only)
        return 0;
    survey_remarks(&driver->survey, remark, driver);
    driver->timer = loop_timer_add(context->loop, timer_expired, driver);
    driver->digest.errand = errand_create(context->loop, ret_error);
    driver->laying.errand = errand_create(context->loop, ret_error);
    if (!driver->timer || !driver->digest.errand || !driver->laying.errand)
        return driver->timer ? -1 : error_set(ret_error, ERROR_SYSTEM, "no memory for shots");
    return folders_make(driver, ret_error);
}

struct driver *shots_create(const struct driver_context *context, bool served,
                            struct error *ret_error)
{
    struct driver *driver = calloc(1, sizeof(*driver));
    if (!driver) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the survey");
        return NULL;
    }
    driver->context = *context;
    driver->asked.served = served;
    buf_init(&driver->digest.answer.members, JSON_SIZE_MAX / 2);
    buf_init(&driver->asked.description, JSON_SIZE_MAX / 2);
    driver->skip_due_ns = INT64_MAX;
    driver->opened_ns = clock_monotonic_ns();
    if (shots_fill(driver, ret_error) == 0)
        return driver;
    shots_close(driver);
    return NULL;
}

static struct driver *shots_open(const struct driver_context *context, struct error *ret_error)
{
    return shots_create(context, false, ret_error);
}

/* False: it was abandoned. */
static bool errand_leave(struct errand *errand)
{
    if (!errand || !errand_is_busy(errand) || errand_wait(errand, CLOCK_SECOND_NS))
        return true;
    errand_abandon(errand);
    return false;
}

static void shots_close(struct driver *driver)
{
    if (!driver)
        return;
    if (!errand_leave(driver->digest.errand))
        return; /* it has all this until the process ends */
    errand_destroy(driver->digest.errand);
    shots_laying_fini(&driver->laying);
    loop_timer_remove(driver->timer);
    shots_wave_fini(&driver->digest.next);
    fwi_destroy(driver->fwi);
    cJSON_Delete(driver->asked.said);
    buf_fini(&driver->digest.answer.members);
    buf_fini(&driver->asked.description);
    shots_extracts_fini(driver);
    roll_fini(&driver->roll);
    order_costs_fini(&driver->costs);
    devices_fini(&driver->devices);
    survey_close(&driver->survey);
    outside_fini(&driver->outside);
    free(driver->bytes);
    free(driver->bytes_less);
    free(driver->survey_file);
    free(driver->survey_path);
    free(driver->home);
    free(driver->output_base);
    free(driver->scratch);
    free(driver->laying_path);
    free(driver);
}

const struct driver_ops driver_shots = {
    .kind = "shots",
    .judges = true,
    .open = shots_open,
    .close = shots_close,
    .count = shots_count,
    .contents = shots_contents,
    .files = shots_files,
    .device = shots_device,
    .remarks = shots_remarks,
    .home = shots_home,
    .job = shots_job,
    .next = shots_next,
    .bound = shots_bound,
    .fetch = shots_fetch,
    .stopped = shots_stopped,
    .payload = shots_payload,
    .noted = shots_noted,
    .durable = shots_durable,
    .ended = shots_ended,
    .outcome = shots_outcome,
};

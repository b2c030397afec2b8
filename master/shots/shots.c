/*
 * The roll knows which tasks there are and what came of them; `next` hands out those that it has,
 * and where all have ended goes on (shots_wave.c). In a replay notes come first, then results: the
 * roll is whole before `next` is asked for the first time, and nothing is decided until then.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/json.h"
#include "master/shots/shots.h"
#include "master/shots/shots_private.h"

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

void shots_news(struct driver *driver, const char *sentence)
{
    if (driver->context.news)
        driver->context.news(driver->context.wake_context, sentence);
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
    buf_fini(note);
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

static void shots_remarks(const struct driver *driver,
                          void (*say)(void *context, const char *sentence), void *context)
{
    survey_remarks(&driver->survey, say, context);
}

static struct driver *shots_open(const struct driver_context *context, struct error *ret_error)
{
    return shots_create(context, false, ret_error);
}

const struct driver_ops driver_shots = {
    .kind = "shots",
    .judges = true,
    .open = shots_open,
    .close = shots_close,
    .count = shots_count,
    .contents = shots_contents,
    .takes = shots_takes,
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

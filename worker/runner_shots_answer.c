/* What becomes of tasks: the program's answer, its arrays, the result; and partial sums
 * delivered. */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/values.h"
#include "worker/instance.h"
#include "worker/runner_shots_private.h"

/* --- Telling the owner --- */

static void tell_failure(struct job *job, enum result_status status, int32_t code,
                         const struct error *error, const struct result *inner)
{
    struct runner *runner = job->runner;
    struct result result = {.id = job->id,
                            .slot = runner->context.slot_number,
                            .status = status,
                            .code = code,
                            .started_ns = clock_wall_ns(),
                            .error = error->text,
                            .error_size = strlen(error->text)};
    if (inner) {
        result.started_ns = inner->started_ns;
        result.elapsed_s = inner->elapsed_s;
        result.stderr_tail = inner->stderr_tail;
        result.stderr_size = inner->stderr_size;
        result.stderr_before = inner->stderr_before;
    }
    buf_clear(&runner->values);
    values_encode(&runner->values, NULL, 0);
    result.values = runner->values.data;
    result.values_size = runner->values.size;
    runner->context.owner.done(runner->context.owner.context, runner, &result, NULL);
}

/* The owner may look at the runner from `done`, so the job is gone before. */
static struct job detach(struct job *job)
{
    struct job kept = *job;
    job->workdir = NULL;
    job->said = (struct shot_result){0};
    job_destroy(job);
    return kept;
}

void job_fail(struct job *job, enum result_status status, int32_t code,
              const struct error *error)
{
    struct job kept = detach(job);
    workdir_destroy(kept.workdir);
    shot_result_fini(&kept.said);
    tell_failure(&kept, status, code, error, NULL);
}

void job_drop(struct job *job, const struct error *error)
{
    job->dropped = true;
    tell_failure(job, RESULT_SIGNAL, 0, error, NULL);
}

/* The result is good. */
static void job_succeed(struct job *job)
{
    struct error error;
    struct runner *runner = job->runner;
    buf_clear(&runner->values);
    if (shot_result_encode(&job->said, &runner->values, &error) < 0) {
        job_fail(job, RESULT_NO_VALUE, 0, &error);
        return;
    }
    struct job kept = detach(job);
    kept.result.values = runner->values.data;
    kept.result.values_size = runner->values.size;
    kept.result.output_files = kept.workdir ? (uint32_t)workdir_output_count(kept.workdir) : 0;
    if (kept.result.output_files == 0) {
        workdir_destroy(kept.workdir);
        kept.workdir = NULL;
    }
    shot_result_fini(&kept.said);
    runner->context.owner.done(runner->context.owner.context, runner, &kept.result,
                               kept.workdir);
}

/* --- The program's answer --- */

/* "shot of index 12", "shots of index 12 and 3 more" */
static void name_shots(const struct job *job, struct error *error)
{
    unsigned long long index = job->task.shot_count ? job->task.shots[0].index : 0;
    if (job->task.shot_count == 1)
        shot_error_name(error, "shot of index %llu", index);
    else if (job->task.shot_count > 1)
        shot_error_name(error, "shots of index %llu and %zu more", index,
                        job->task.shot_count - 1);
}

static void fail_inside(struct job *job, const struct result *result)
{
    struct error error = {0};
    int size = result->error_size < ERROR_TEXT_MAX ? (int)result->error_size : ERROR_TEXT_MAX;
    error_set(&error, ERROR_TASKS, "%.*s", size, result->error ? result->error : "");
    name_shots(job, &error);
    struct job kept = detach(job);
    tell_failure(&kept, result->status, result->code, &error, result);
}

static bool is_object(const char *text)
{
    struct error ignored;
    cJSON *root = NULL;
    bool is = text && json_parse(text, strlen(text), "", JSON_STRICT, &root, &ignored) == 0 &&
              cJSON_IsObject(root);
    cJSON_Delete(root);
    return is;
}

/* What the program said, and whether it is what the task asked for. */
static int take_words(struct job *job, const struct result *result, struct error *ret_error)
{
    struct shot_result *said = &job->said;
    const struct shot_task *task = &job->task;
    if (shot_result_decode(result->values, result->values_size, said, ret_error) < 0)
        return -1;
    if (!task->array_count)
        said->has_window = false; /* it is of arrays */
    for (int axis = 0; said->has_window && axis < GRID_AXES; axis++)
        if (said->window.n[axis] > task->n[axis] ||
            said->window.first[axis] > task->n[axis] - said->window.n[axis])
            return error_set(ret_error, ERROR_TASKS,
                             "the window that the program named is not in the model");
    bool misfit = task->operation == SHOT_GRADIENT || task->operation == SHOT_MISFIT;
    if (misfit && !isfinite(said->misfit))
        return error_set(ret_error, ERROR_TASKS,
                         "the program gave no misfit (\"misfit\" of its values), or one that "
                         "is not finite");
    if (task->operation == SHOT_SOURCE && !is_object(said->extra))
        return error_set(
            ret_error, ERROR_TASKS,
            "the program gave no estimate of the source (\"extra\" of its values), "
            "or one that is no JSON object");
    if (isnan(said->seconds))
        said->seconds = result->elapsed_s;
    memset(said->holder, 0, sizeof(said->holder));
    said->counted = 0;
    return 0;
}

/* A program that wrote into a file of its task has harmed all tasks that share it. */
static int check_files(const struct job *job, struct error *ret_error)
{
    struct cache *cache = workplace_cache(job->runner->context.workplace);
    for (size_t i = 0; i < job->task.file_count; i++)
        if (cache_check_spoiled(cache, job->task.files[i].hash, 0444))
            return error_set(ret_error, ERROR_TASKS,
                             "the program wrote into its input file \"%s\", which tasks share",
                             job->task.files[i].name);
    return 0;
}

static int open_arrays(const struct job *job, struct shot_parcel *parcel,
                       struct error *ret_error)
{
    for (size_t i = 0; i < job->task.array_count; i++) {
        char name[SHOT_NAME_MAX + sizeof(SHOT_ARRAY_ENDING)];
        snprintf(name, sizeof(name), "%s%s", job->task.arrays[i], SHOT_ARRAY_ENDING);
        parcel->files[i] = workdir_open_file(job->workdir, name, ret_error);
        if (parcel->files[i] < 0)
            return error_prefix(ret_error, "the program left no %s in the task's directory",
                                name);
    }
    parcel->has_window = job->said.has_window;
    parcel->window = job->said.window;
    return 0;
}

/* The ledger's answer. */
static void checked(void *context, const struct error *error)
{
    struct job *job = context;
    if (job->dropped) {
        shot_ledger_discard(job->runner->ledger, job->id);
        job_destroy(job);
        return;
    }
    if (error) {
        job_fail(job, RESULT_NO_VALUE, 0, error);
        return;
    }
    snprintf(job->said.holder, sizeof(job->said.holder), "%s", instance_text());
    job->said.counted = job->task.shot_count;
    job_succeed(job);
}

static void check_arrays(struct job *job)
{
    struct error error;
    struct shot_parcel *parcel = shot_parcel_create(job->id, &job->task);
    if (!parcel)
        error_set(&error, ERROR_SYSTEM, "no memory for the arrays of a shot");
    if (!parcel || open_arrays(job, parcel, &error) < 0) {
        shot_parcel_destroy(parcel);
        name_shots(job, &error);
        job_fail(job, RESULT_NO_VALUE, 0, &error);
        return;
    }
    job->state = JOB_CHECKING;
    shot_ledger_check(job->runner->ledger, parcel, checked, job);
}

void job_answered(void *context, struct runner *inner, const struct result *result,
                  struct workdir *workdir)
{
    struct runner *runner = context;
    struct error error;
    struct job *job = job_find(runner, result->id);
    (void)inner;
    if (!job) {
        workdir_destroy(workdir);
        return;
    }
    shot_room_release(shot_ledger_room(runner->ledger), &job->claim);
    if (result->status != RESULT_OK) {
        shot_folder_forget(&runner->folder); /* it may have written there */
        workdir_destroy(workdir);
        fail_inside(job, result);
        return;
    }
    job->workdir = workdir;
    job->result = *result;
    if (take_words(job, result, &error) < 0 || check_files(job, &error) < 0) {
        shot_folder_forget(&runner->folder);
        name_shots(job, &error);
        job_fail(job, RESULT_NO_VALUE, 0, &error);
    } else if (job->task.array_count) {
        check_arrays(job);
    } else {
        job_succeed(job);
    }
}

/* --- Collect tasks --- */

/* {"missing":3,"why":"…"}: for people; the master sees in the file itself what is missing. */
static char *tell_missing(uint64_t missing, const char *why)
{
    struct buf buf;
    char *text = NULL;
    buf_init(&buf, 16 * ERROR_TEXT_MAX);
    buf_printf(&buf, "{\"missing\":%llu", (unsigned long long)missing);
    if (why) {
        buf_append_text(&buf, ",\"why\":");
        json_put_text(&buf, why, strlen(why));
    }
    buf_append_text(&buf, "}");
    if (!buf_failed(&buf) && buf_text(&buf))
        text = strdup(buf_text(&buf));
    buf_fini(&buf);
    return text;
}

/* {"why":"…"} */
static char *tell_why(const struct error *error)
{
    struct buf buf;
    char *text = NULL;
    buf_init(&buf, 16 * ERROR_TEXT_MAX);
    buf_append_text(&buf, "{\"why\":");
    json_put_text(&buf, error->text, strlen(error->text));
    buf_append_text(&buf, "}");
    if (!buf_failed(&buf) && buf_text(&buf))
        text = strdup(buf_text(&buf));
    buf_fini(&buf);
    return text;
}

/* What a task without shots says: `counted` of them, and `extra`, which is taken. */
static void say(struct job *job, uint64_t counted, char *extra)
{
    job->result.elapsed_s = 1e-9 * (double)(clock_monotonic_ns() - job->since_ns);
    job->said = (struct shot_result){.counted = counted,
                                     .misfit = NAN,
                                     .norm = NAN,
                                     .points = NAN,
                                     .seconds = job->result.elapsed_s,
                                     .extra = extra};
    snprintf(job->said.holder, sizeof(job->said.holder), "%s", instance_text());
}

static void collected(void *context, const struct shot_collected *result)
{
    struct job *job = context;
    struct error error;
    uint64_t missing = job->task.attempt_count - result->attempts;
    if (job->dropped) {
        job_destroy(job);
        return;
    }
    if (result->error) {
        job_fail(job, RESULT_NO_VALUE, 0, result->error);
        return;
    }
    if (workdir_collect_path(job->workdir, SHOT_SUM_FILE, &error) < 0) {
        job_fail(job, RESULT_NO_VALUE, 0, &error);
        return;
    }
    say(job, result->shots, missing ? tell_missing(missing, result->trouble) : NULL);
    job_succeed(job);
}

/* That nothing could be taken is no failure: what was wanted is where it was. */
static void taken(void *context, const struct shot_collected *result)
{
    struct job *job = context;
    if (job->dropped) {
        shot_ledger_discard(job->runner->ledger, job->id);
        job_destroy(job);
        return;
    }
    if (result->error)
        say(job, 0, tell_why(result->error));
    else
        say(job, result->shots, NULL);
    job_succeed(job);
}

static void result_begin(struct job *job)
{
    job->result = (struct result){
        .id = job->id, .slot = job->runner->context.slot_number, .started_ns = clock_wall_ns()};
}

void job_collect(struct job *job)
{
    struct runner *runner = job->runner;
    struct error error;
    char path[MESSAGE_PATH_MAX];
    const struct shot_payload payload = {job->payload, job->payload_size};
    job->state = JOB_COLLECTING;
    result_begin(job);
    job->workdir =
        workdir_create(runner->context.workplace, runner->context.slot_number, job->id, &error);
    if (!job->workdir) {
        runner_unprepared(&runner->context, &error);
        job_fail(job, RESULT_NO_START, 0, &error);
        return;
    }
    snprintf(path, sizeof(path), "%s/%s", workdir_path(job->workdir), SHOT_SUM_FILE);
    if (job->task.operation == SHOT_TAKE)
        shot_ledger_take(runner->ledger, job->id, &job->task, &payload, path, taken, job);
    else
        shot_ledger_collect(runner->ledger, job->id, &job->task, path, collected, job);
}

void job_listen(struct job *job)
{
    struct error error;
    char host[SHOT_HOST_MAX + 1], *extra = NULL;
    int port;
    result_begin(job);
    if (shot_ledger_listen(job->runner->ledger, host, &port, &error) < 0)
        extra = tell_why(&error);
    else if (asprintf(&extra, "{\"host\":\"%s\",\"port\":%d}", host, port) < 0)
        extra = NULL;
    say(job, 0, extra);
    job_succeed(job);
}

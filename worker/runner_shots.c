/*
 * A persistent runner does the work; here is what comes before (memory, files, the line it sends)
 * and after (runner_shots_answer.c). So a job is in one place at a time, and an attempt that is
 * cancelled is taken back from there.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "worker/runner_shots.h"
#include "worker/runner_shots_private.h"
#include "worker/shot_threads.h"
#include "worker/slot.h"

#define AHEAD_MAX 2 /* tasks that may be checked while the program is at the next */

static void shots_close(struct runner *runner);

/* --- Jobs --- */

struct job *job_find(struct runner *runner, struct attempt_id id)
{
    struct job *job = runner->jobs;
    while (job && (job->id.task != id.task || job->id.attempt != id.attempt || job->dropped))
        job = job->next;
    return job;
}

void job_destroy(struct job *job)
{
    struct job **link = &job->runner->jobs;
    while (*link != job)
        link = &(*link)->next;
    *link = job->next;
    shot_room_release(shot_ledger_room(job->runner->ledger), &job->claim);
    cache_request_cancel(job->request);
    shot_folder_unref(job->folder);
    workdir_destroy(job->workdir);
    shot_task_fini(&job->task);
    shot_result_fini(&job->said);
    free(job->payload);
    free(job);
}

static struct job *job_create(struct runner *runner, struct attempt_id id, const void *payload,
                              size_t size)
{
    struct job *job = calloc(1, sizeof(*job));
    void *copy = malloc(size ? size : 1);
    if (!job || !copy) {
        free(job);
        free(copy);
        return NULL;
    }
    memcpy(copy, payload, size);
    job->runner = runner;
    job->id = id;
    job->payload = copy;
    job->payload_size = size;
    job->since_ns = clock_monotonic_ns();
    job->next = runner->jobs;
    runner->jobs = job;
    return job;
}

/* --- A task goes to the program --- */

static void files_here(void *context, const struct error *error)
{
    struct job *job = context;
    struct runner *runner = job->runner;
    job->request = NULL;
    if (error) {
        runner_unprepared(&runner->context, error);
        job_fail(job, RESULT_NO_START, 0, error);
        return;
    }
    job->state = JOB_INSIDE;
    /* It may be over, and freed, when this returns. */
    runner_persistent.start(runner->inner, job->id, job->payload, job->payload_size);
    runner_persistent.flush(runner->inner);
}

static void granted(void *context, const struct error *error)
{
    struct job *job = context;
    uint8_t hashes[SHOT_FILES_MAX][MESSAGE_HASH_SIZE];
    if (error) {
        job_fail(job, RESULT_NO_START, 0, error);
        return;
    }
    shot_models_note(shot_ledger_models(job->runner->ledger), &job->task,
                     workplace_cache(job->runner->context.workplace));
    for (size_t i = 0; i < job->task.file_count; i++)
        memcpy(hashes[i], job->task.files[i].hash, MESSAGE_HASH_SIZE);
    job->state = JOB_FETCHING;
    struct cache_request *request = cache_request(
        workplace_cache(job->runner->context.workplace),
        (const uint8_t(*)[MESSAGE_HASH_SIZE])hashes, job->task.file_count, files_here, job);
    if (request) /* otherwise it went on already, and may be gone */
        job->request = request;
}

static void begin(struct job *job)
{
    struct runner *runner = job->runner;
    job->state = JOB_WAITING;
    job->claim = (struct shot_claim){.slot = runner->context.slot_number,
                                     .bytes = job->task.memory_bytes,
                                     .granted = granted,
                                     .context = job};
    shot_room_claim(shot_ledger_room(runner->ledger), &job->claim);
}

/* persistent_hooks.put_line */
static int put_line(void *context, struct attempt_id id, struct workdir *workdir,
                    struct buf *line, struct error *ret_error)
{
    struct runner *runner = context;
    struct job *job = job_find(runner, id);
    const struct slot *slot = runner->context.slot;
    char survey[PATH_MAX];
    if (!job)
        return error_set(ret_error, ERROR_BUG, "a line for a task that is gone");
    job->folder = shot_folder_ref(&runner->folder, runner->context.workplace,
                                  runner->context.slot_number, &job->task, ret_error);
    if (!job->folder)
        return -1;
    const char *folder = shot_folder_path(job->folder);
    const struct shot_line words = {.id = id,
                                    .dir = workdir_path(workdir),
                                    .folder = folder,
                                    .survey = survey,
                                    .threads = slot ? slot->threads : 1};
    bool absolute = runner->survey[0] == '/';
    int size = snprintf(survey, sizeof(survey), "%s%s%s", absolute ? "" : folder,
                        absolute ? "" : "/", runner->survey);
    if (size >= (int)sizeof(survey))
        return error_set(ret_error, ERROR_SYSTEM, "the survey's path is too long");
    return shot_task_put_line(&job->task, &words, line, ret_error);
}

/* --- The runner --- */

/* FOLDER/beofarm-shot, the folder being that of this program. */
static int find_program(char path[PATH_MAX], struct error *ret_error)
{
    ssize_t size = readlink("/proc/self/exe", path, PATH_MAX - sizeof(SHOT_PROGRAM) - 1);
    char *slash = size > 0 ? memrchr(path, '/', (size_t)size) : NULL;
    if (!slash)
        return error_errno(ret_error, errno, "this program does not find its own folder");
    memcpy(slash + 1, SHOT_PROGRAM, sizeof(SHOT_PROGRAM));
    if (access(path, X_OK) == 0)
        return 0;
    return error_errno(ret_error, errno,
                       "the program of shots, \"%s\", cannot be executed; install it beside "
                       "beofarm-worker, or name another one (\"program\" of the survey)",
                       path);
}

static int set_command(cJSON *work, struct error *ret_error)
{
    char path[PATH_MAX];
    if (json_member(work, "command"))
        return 0;
    if (find_program(path, ret_error) < 0)
        return -1;
    cJSON *command = cJSON_AddArrayToObject(work, "command");
    return cJSON_AddItemToArray(command, cJSON_CreateString(path)) &&
                   cJSON_AddItemToArray(command, cJSON_CreateString(SHOT_PROGRAM_OPTION))
               ? 0
               : error_set(ret_error, ERROR_SYSTEM, "no memory for the program's command");
}

/* The job as the persistent runner is to see it. */
static int make_inner_job(struct runner *runner, struct error *ret_error)
{
    const cJSON *work = json_member(runner->context.job, "work");
    if (json_get_text(work, "$.work", "survey", NULL, &runner->survey, ret_error) < 0)
        return -1;
    if (!runner->survey || !*runner->survey)
        return error_set(ret_error, ERROR_CONFIG, "the job names no survey ($.work.survey)");
    runner->inner_job = cJSON_Duplicate(runner->context.job, true);
    if (!runner->inner_job)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the job");
    if (shot_task_put_columns(runner->inner_job, ret_error) < 0)
        return -1;
    return set_command(cJSON_GetObjectItemCaseSensitive(runner->inner_job, "work"), ret_error);
}

static void tell_broken(void *context, const struct error *error)
{
    const struct runner *runner = context;
    runner->context.owner.broken(runner->context.owner.context, error);
}

static int open_inner(struct runner *runner, struct error *ret_error)
{
    struct runner_context inner = runner->context;
    inner.job = runner->inner_job;
    inner.owner.done = job_answered;
    inner.owner.context = runner;
    inner.owner.broken = tell_broken;
    runner->hooks = (struct persistent_hooks){.put_line = put_line, .context = runner};
    runner->inner = runner_persistent_open(&inner, &runner->hooks, ret_error);
    return runner->inner ? 0 : -1;
}

static struct runner *shots_open(const struct runner_context *context, struct error *ret_error)
{
    struct runner *runner = calloc(1, sizeof(*runner));
    if (!runner) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a runner");
        return NULL;
    }
    runner->context = *context;
    buf_init(&runner->values, MESSAGE_MAX / 2);
    runner->ledger =
        shot_ledger_ref(context->loop, context->workplace, context->job, ret_error);
    if (runner->ledger && make_inner_job(runner, ret_error) == 0 &&
        open_inner(runner, ret_error) == 0)
        return runner;
    shots_close(runner);
    return NULL;
}

static void shots_close(struct runner *runner)
{
    if (!runner)
        return;
    if (runner->inner)
        runner_persistent.close(runner->inner);
    while (runner->jobs) {
        struct job *job = runner->jobs;
        shot_ledger_forget(runner->ledger, job);
        job_destroy(job);
    }
    shot_folder_forget(&runner->folder);
    shot_ledger_unref(runner->ledger);
    cJSON_Delete(runner->inner_job);
    buf_fini(&runner->values);
    free(runner);
}

static unsigned shots_depth(const struct runner *runner)
{
    unsigned ahead = 0;
    for (const struct job *job = runner->jobs; job; job = job->next)
        ahead += job->state >= JOB_CHECKING && !job->dropped;
    return runner_persistent.depth(runner->inner) + (ahead < AHEAD_MAX ? ahead : AHEAD_MAX);
}

static void fail_early(struct runner *runner, struct attempt_id id)
{
    static const char sentence[] = "no memory for a task";
    const struct result result = {.id = id,
                                  .slot = runner->context.slot_number,
                                  .status = RESULT_NO_START,
                                  .started_ns = clock_wall_ns(),
                                  .error = sentence,
                                  .error_size = sizeof(sentence) - 1};
    runner->context.owner.done(runner->context.owner.context, runner, &result, NULL);
}

static void shots_start(struct runner *runner, struct attempt_id id, const void *payload,
                        size_t size)
{
    struct error error;
    struct job *job = job_create(runner, id, payload, size);
    if (!job) {
        fail_early(runner, id);
        return;
    }
    if (shot_task_decode(payload, size, &job->task, &error) < 0) {
        job_fail(job, RESULT_NO_START, 0, &error);
        return;
    }
    shot_ledger_keep_from(runner->ledger, job->task.keep_from);
    shot_models_drop(shot_ledger_models(runner->ledger), job->task.keep_from,
                     workplace_cache(runner->context.workplace));
    if (job->task.operation == SHOT_LISTEN)
        job_listen(job);
    else if (job->task.operation >= SHOT_COLLECT)
        job_collect(job);
    else
        begin(job);
}

static void shots_flush(struct runner *runner)
{
    runner_persistent.flush(runner->inner);
}

static void shots_cancel(struct runner *runner, struct attempt_id id, enum runner_cancel how)
{
    struct error error;
    struct job *job = job_find(runner, id);
    error_set(&error, ERROR_TASKS, "the attempt was cancelled");
    if (!job)
        return;
    if (job->state == JOB_INSIDE)
        runner_persistent.cancel(runner->inner, id, how);
    else if (job->state >= JOB_CHECKING)
        job_drop(job, &error);
    else
        job_fail(job, RESULT_SIGNAL, 0, &error);
}

static void shots_settled(struct runner *runner, struct attempt_id id, bool counts)
{
    shot_ledger_settle(runner->ledger, id, counts);
}

static void shots_leave(struct runner *runner)
{
    shot_ledger_leave(runner->ledger);
}

static bool shots_holds(const struct runner *runner)
{
    return shot_ledger_holds(runner->ledger);
}

static bool shots_owes(const struct runner *runner, const void *payload, size_t size)
{
    struct shot_task task;
    struct error ignored;
    (void)runner;
    if (shot_task_decode(payload, size, &task, &ignored) < 0)
        return false;
    bool owes = task.operation >= SHOT_COLLECT;
    shot_task_fini(&task);
    return owes;
}

const struct runner_ops runner_shots = {
    .name = "shots",
    .stays = true,
    .request = shot_threads_request,
    .open = shots_open,
    .depth = shots_depth,
    .start = shots_start,
    .flush = shots_flush,
    .cancel = shots_cancel,
    .settled = shots_settled,
    .leave = shots_leave,
    .holds = shots_holds,
    .owes = shots_owes,
    .close = shots_close,
};

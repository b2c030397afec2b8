/*
 * A task goes through these steps; what is in brackets is left out where there is nothing to do,
 * and may also be done in the errand's thread, where it would hold up the loop:
 *
 *     prepare  [fetch the farm's files, lay the folder, read templates and instructions]
 *     write    remove the old outputs, write the inputs
 *     launch   each command line, one after the other
 *     conclude [a link was written into: mend it, and go back to prepare if inputs were harmed]
 *     settle   read the outputs
 *     finish   tell the owner once, and be idle
 *
 * An attempt that is cancelled while the errand is under way is over at once, and the errand
 * abandoned: it runs to its end for nobody, and a task that is started meanwhile waits for that.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/loop.h"
#include "common/values.h"
#include "worker/runner_pest.h"
#include "worker/runner_pest_private.h"

static void pest_close(struct runner *runner);

/* --- Opening --- */

/* "{" and "}" stand for themselves in a variable of the job if they are doubled. */
static void put_plain(struct buf *buf, const char *text)
{
    for (; *text; text++) {
        buf_append(buf, text, 1);
        if (*text == '{' || *text == '}')
            buf_append(buf, text, 1);
    }
}

/* The job's variables, and PATH with the model folder at its end. */
static cJSON *make_variables(const struct runner *runner, const cJSON *env)
{
    struct buf path;
    const char *inherited = getenv("PATH");
    cJSON *variables = env ? cJSON_Duplicate(env, true) : cJSON_CreateObject();
    const cJSON *given = json_member(variables, "PATH");
    buf_init(&path, 1 << 20);
    if (cJSON_IsString(given))
        buf_append_text(&path, given->valuestring);
    else
        put_plain(&path, inherited && *inherited ? inherited : "/usr/local/bin:/usr/bin:/bin");
    buf_append_text(&path, ":");
    put_plain(&path, model_folder_path(runner->folder));
    cJSON_DeleteItemFromObjectCaseSensitive(variables, "PATH");
    const char *text = buf_failed(&path) ? NULL : buf_text(&path);
    if (!text || !cJSON_AddStringToObject(variables, "PATH", text)) {
        cJSON_Delete(variables);
        variables = NULL;
    }
    buf_fini(&path);
    return variables;
}

static int read_environment(struct runner *runner, const cJSON *work, struct error *ret_error)
{
    const cJSON *env;
    const struct params none = {0}; /* thousands of parameters would not fit */
    const struct runner_context *context = &runner->context;
    if (json_get_object(work, "$.work", "env", &env, ret_error) < 0)
        return -1;
    cJSON *variables = make_variables(runner, env);
    if (!variables)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for an environment");
    runner->environment =
        environment_create(context->slot, context->slot_number, variables, &none, ret_error);
    cJSON_Delete(variables);
    return runner->environment ? 0 : -1;
}

static int read_commands(struct runner *runner, const cJSON *work, struct error *ret_error)
{
    const cJSON *list, *item;
    if (json_get_array(work, "$.work", "commands", &list, ret_error) < 0)
        return -1;
    if (!cJSON_GetArraySize(list))
        return error_set(ret_error, ERROR_CONFIG, "$.work.commands has no model command line");
    runner->lines = calloc((size_t)cJSON_GetArraySize(list), sizeof(struct model_line *));
    if (!runner->lines)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the command lines");
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item))
            return error_set(ret_error, ERROR_CONFIG, "$.work.commands[%zu] is not a text",
                             runner->line_count);
        struct model_line *line =
            model_line_create(item->valuestring, runner->model, ret_error);
        if (!line)
            return error_prefix(ret_error, "$.work.commands[%zu]", runner->line_count);
        runner->lines[runner->line_count++] = line;
    }
    return 0;
}

static int read_settings(struct runner *runner, struct error *ret_error)
{
    const cJSON *job = runner->context.job, *work;
    struct workplace *place = runner->context.workplace;
    if (json_get_object(job, "job", "work", &work, ret_error) < 0 ||
        json_get_real(job, "job", "timeout_s", 0, &runner->timeout_s, ret_error) < 0 ||
        json_get_bool(work, "$.work", "ignore_exit", false, &runner->ignore_exit, ret_error) <
            0 ||
        json_get_bool(work, "$.work", "fresh", false, &runner->fresh, ret_error) < 0)
        return -1;
    if (!(runner->model = model_case_ref(job, workplace_manifest(place), ret_error)) ||
        !(runner->folder = model_folder_create(place, runner->context.slot_number,
                                               runner->model, ret_error)) ||
        read_commands(runner, work, ret_error) < 0 ||
        read_environment(runner, work, ret_error) < 0)
        return -1;
    runner->parameters = calloc(model_case_parameters(runner->model) + 1, sizeof(double));
    runner->observations = calloc(model_case_observations(runner->model) + 1, sizeof(double));
    if (!runner->parameters || !runner->observations)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a run's numbers");
    return 0;
}

static void timeout_passed(void *context)
{
    struct runner *runner = context;
    runner->timed_out = true;
    if (runner->child)
        child_kill(runner->child, CHILD_KILL_GENTLY);
}

static struct runner *pest_open(const struct runner_context *context, struct error *ret_error)
{
    struct runner *runner = calloc(1, sizeof(*runner));
    if (!runner) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a runner");
        return NULL;
    }
    runner->context = *context;
    runner->out.fd = -1;
    runner->no_core.resource = RLIMIT_CORE;
    getrlimit(RLIMIT_CORE, &runner->no_core.limit);
    runner->no_core.limit.rlim_cur = 0;
    tail_init(&runner->tail, MESSAGE_STDERR_MAX);
    buf_init(&runner->payload, MESSAGE_MAX);
    buf_init(&runner->values, MESSAGE_MAX / 2);
    runner->timer = loop_timer_add(context->loop, timeout_passed, runner);
    if (!runner->timer)
        error_set(ret_error, ERROR_SYSTEM, "no memory for a runner");
    if (!runner->timer || !(runner->errand = errand_create(context->loop, ret_error)) ||
        read_settings(runner, ret_error) < 0) {
        pest_close(runner);
        return NULL;
    }
    return runner;
}

static void pest_close(struct runner *runner)
{
    if (!runner)
        return;
    cache_request_cancel(runner->request);
    child_abandon(runner->child);
    stream_close(&runner->out);
    loop_timer_remove(runner->timer);
    errand_destroy(runner->errand);
    for (size_t i = 0; i < runner->line_count; i++)
        model_line_destroy(runner->lines[i]);
    free(runner->lines);
    model_folder_destroy(runner->folder);
    model_case_unref(runner->model);
    environment_destroy(runner->environment);
    tail_fini(&runner->tail);
    buf_fini(&runner->payload);
    buf_fini(&runner->values);
    free(runner->parameters);
    free(runner->observations);
    free(runner);
}

static unsigned pest_depth(const struct runner *runner)
{
    (void)runner;
    return 1;
}

/* --- Ending --- */

void pest_run_finish(struct runner *runner)
{
    struct result result = runner->result;
    stream_close(&runner->out);
    loop_timer_disarm(runner->timer);
    result.id = runner->id;
    result.slot = runner->context.slot_number;
    result.started_ns = runner->started_wall_ns;
    result.elapsed_s = 1e-9 * (double)(clock_monotonic_ns() - runner->started_ns);
    if (result.status != RESULT_OK) {
        buf_clear(&runner->values);
        values_encode(&runner->values, NULL, 0);
        result.error = runner->sentence.text;
        result.error_size = strlen(runner->sentence.text);
        result.stderr_tail = tail_get(&runner->tail, &result.stderr_size);
    }
    result.values = runner->values.data;
    result.values_size = runner->values.size;
    runner->busy = false;
    runner->context.owner.done(runner->context.owner.context, runner, &result, NULL);
}

void pest_run_finish_unstarted(struct runner *runner, const struct error *error)
{
    runner->result.status = RESULT_NO_START;
    runner->sentence = *error;
    pest_run_finish(runner);
}

void pest_run_finish_unprepared(struct runner *runner, const struct error *error)
{
    struct error kept = *error;
    runner_unprepared(&runner->context, &kept);
    pest_run_finish_unstarted(runner, &kept);
}

/* --- Errands --- */

void pest_run_send(struct runner *runner, void (*work)(void *context),
                   void (*done)(void *context))
{
    runner->errand_rc = runner->errand_errno = 0;
    errand_start(runner->errand, work, done, runner);
}

bool pest_run_is_abandoned(struct runner *runner)
{
    if (!runner->abandoned)
        return false;
    runner->abandoned = false;
    if (runner->waiting) {
        runner->waiting = false;
        pest_run_prepare(runner);
    }
    return true;
}

/* --- Tasks --- */

static void pest_start(struct runner *runner, struct attempt_id id, const void *payload,
                       size_t size)
{
    struct error error = {0};
    runner->busy = true;
    runner->canceled = runner->timed_out = runner->relaid = runner->harmed = false;
    runner->fetches = 0;
    runner->id = id;
    runner->result = (struct result){.status = RESULT_OK};
    runner->started_ns = clock_monotonic_ns();
    runner->started_wall_ns = clock_wall_ns();
    tail_clear(&runner->tail);
    buf_clear(&runner->payload);
    if (buf_append(&runner->payload, payload, size) < 0) {
        error_set(&error, ERROR_SYSTEM, "no memory for a task's parameters");
        pest_run_finish_unprepared(runner, &error);
    } else if (errand_is_busy(runner->errand)) {
        runner->waiting = true;
    } else {
        pest_run_prepare(runner);
    }
}

static void pest_cancel(struct runner *runner, struct attempt_id id, enum runner_cancel how)
{
    if (!runner->busy || runner->id.task != id.task || runner->id.attempt != id.attempt)
        return;
    runner->canceled = true;
    if (runner->child) {
        child_kill(runner->child,
                   how == RUNNER_CANCEL_NOW ? CHILD_KILL_NOW : CHILD_KILL_GENTLY);
        return;
    }
    cache_request_cancel(runner->request);
    runner->request = NULL;
    runner->waiting = false;
    runner->abandoned = errand_is_busy(runner->errand);
    pest_run_finish_killed(runner);
}

const struct runner_ops runner_pest = {
    .name = "pest",
    .open = pest_open,
    .depth = pest_depth,
    .start = pest_start,
    .cancel = pest_cancel,
    .close = pest_close,
};

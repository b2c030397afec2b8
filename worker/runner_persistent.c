/*
 * Tasks wait in one list, oldest first, from start to reply. Their lines are kept until then, so a
 * fresh process can be sent everything that the old one did not answer. The process works in the
 * order of the lines; so the oldest task that was sent is the one it is on (the head), whose
 * time starts with the reply before it. When the process dies, stalls or talks nonsense with one
 * task in hand, that one is charged. With several it cannot be told which it was on, as its last
 * replies may have been in its buffer: nobody is charged, and those tasks are sent again one by
 * one ("careful"), so that the culprit is caught alone.
 *
 *     DOWN --start--> HOMING --files laid--> UP --killed--> ENDING --ended--> DOWN (or HOMING)
 *
 * HOMING: the process gets a directory with the common files, where it runs; after that the
 * directory stays for its life. How many tasks are sent ahead follows from the time between
 * replies, so that what waits in the pipe is AHEAD_NS of work: enough to hide every delay, not
 * enough to unbalance the farm.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/loop.h"
#include "worker/persistent_private.h"
#include "worker/runner_persistent.h"

#define AHEAD_NS (10 * CLOCK_MS_NS)

static void persistent_close(struct runner *runner);

static int read_settings(struct runner *runner, struct error *ret_error)
{
    const cJSON *job = runner->context.job, *work, *env, *results;
    const struct runner_context *context = &runner->context;
    if (json_get_object(job, "job", "work", &work, ret_error) < 0 ||
        json_get_real(job, "job", "timeout_s", 0, &runner->timeout_s, ret_error) < 0 ||
        json_get_array(job, "job", "results", &results, ret_error) < 0 ||
        json_get_real(work, "$.work", "stall_s", 0, &runner->stall_s, ret_error) < 0 ||
        json_get_object(work, "$.work", "env", &env, ret_error) < 0)
        return -1;
    if (!(runner->command = command_create(work, &runner->params, ret_error)) ||
        !(runner->environment = environment_create(context->slot, context->slot_number, env,
                                                   &runner->params, ret_error)) ||
        !(runner->reader = reply_reader_create(results, ret_error)) ||
        !(runner->recipe =
              recipe_create(job, &runner->params, context->workplace, ret_error)) ||
        !(runner->home_recipe =
              recipe_create(NULL, &runner->params, context->workplace, ret_error)))
        return -1;
    runner->per_task = runner->hooks || recipe_is_per_task(runner->recipe);
    if (command_has_places(runner->command))
        return error_set(
            ret_error, ERROR_CONFIG,
            "$.work.command has a {NAME} place, but a persistent runner is started "
            "before it gets a task; it finds the parameters in each task");
    return environment_fill_idle(runner->environment, "", 0, ret_error) ? 0 : -1;
}

struct runner *runner_persistent_open(const struct runner_context *context,
                                      const struct persistent_hooks *hooks,
                                      struct error *ret_error)
{
    struct runner *runner = calloc(1, sizeof(*runner));
    if (!runner) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a runner");
        return NULL;
    }
    runner->context = *context;
    runner->hooks = hooks;
    runner->out.fd = runner->err.fd = runner->in_fd = -1;
    runner->last = &runner->first;
    tail_init(&runner->err_tail, MESSAGE_STDERR_MAX);
    buf_init(&runner->outgoing, (size_t)MESSAGE_MAX * 4);
    buf_init(&runner->incoming, PERSISTENT_LINE_MAX);
    buf_init(&runner->values, PERSISTENT_LINE_MAX);
    runner->timer = loop_timer_add(context->loop, persistent_timer_passed, runner);
    runner->deaf = loop_timer_add(context->loop, persistent_deaf_passed, runner);
    if (!runner->timer || !runner->deaf)
        error_set(ret_error, ERROR_SYSTEM, "no memory for a runner");
    if (!runner->timer || !runner->deaf ||
        params_init(&runner->params, context->job, ret_error) < 0 ||
        read_settings(runner, ret_error) < 0) {
        persistent_close(runner);
        return NULL;
    }
    return runner;
}

static struct runner *persistent_open(const struct runner_context *context,
                                      struct error *ret_error)
{
    return runner_persistent_open(context, NULL, ret_error);
}

static void persistent_close(struct runner *runner)
{
    if (!runner)
        return;
    recipe_cancel(runner->home_preparation);
    child_abandon(runner->child);
    persistent_close_pipes(runner);
    for (struct task *next; runner->first; runner->first = next) {
        next = runner->first->next;
        queue_free_task(runner->first);
    }
    for (struct task *next; runner->free_tasks; runner->free_tasks = next) {
        next = runner->free_tasks->next;
        queue_free_task(runner->free_tasks);
    }
    loop_timer_remove(runner->timer);
    loop_timer_remove(runner->deaf);
    workdir_destroy(runner->home);
    recipe_destroy(runner->recipe);
    recipe_destroy(runner->home_recipe);
    environment_destroy(runner->environment);
    command_destroy(runner->command);
    reply_reader_destroy(runner->reader);
    params_fini(&runner->params);
    tail_fini(&runner->err_tail);
    buf_fini(&runner->outgoing);
    buf_fini(&runner->incoming);
    buf_fini(&runner->values);
    free(runner);
}

static unsigned persistent_depth(const struct runner *runner)
{
    if (!runner->mean_ns)
        return 1;
    int64_t depth = 1 + AHEAD_NS / runner->mean_ns;
    return depth < PERSISTENT_DEPTH_MAX ? (unsigned)depth : PERSISTENT_DEPTH_MAX;
}

/* --- Starting tasks --- */

static int put_line(struct runner *runner, struct task *task, const struct params *params,
                    struct error *ret_error)
{
    const struct persistent_hooks *hooks = runner->hooks;
    if (hooks)
        return hooks->put_line(hooks->context, task->id, task->workdir, &task->line, ret_error);
    if (reply_put_task(&task->line, task->id, params,
                       task->workdir ? workdir_path(task->workdir) : NULL) == 0)
        return 0;
    return error_set(ret_error, ERROR_SYSTEM, "no memory for the line of a task");
}

static void make_ready(struct runner *runner, struct task *task, const struct params *params)
{
    struct error error;
    if (put_line(runner, task, params, &error) < 0) {
        queue_fail(runner, task, RESULT_NO_START, 0, &error);
        return;
    }
    task->ready = true;
    if (runner->state == DOWN)
        persistent_bring_up(runner);
}

static void task_prepared(void *context, struct workdir *workdir, const struct error *error)
{
    struct task *task = context;
    struct runner *runner = task->runner;
    bool was_waiting = task->preparation != NULL;
    struct params *params = task->params;
    task->preparation = NULL;
    task->params = NULL;
    task->workdir = workdir;
    if (workdir) {
        make_ready(runner, task, params);
    } else {
        runner_unprepared(&runner->context, error);
        queue_fail(runner, task, RESULT_NO_START, 0, error);
    }
    params_fini(params);
    free(params);
    if (was_waiting) /* nobody else will flush */
        persistent_flush(runner);
}

/* With a directory of its own the task needs its own parameters, as others may start while it
 * waits for files. */
static void prepare_task(struct runner *runner, struct task *task, const void *payload,
                         size_t size)
{
    struct error error = {0};
    task->params = calloc(1, sizeof(*task->params));
    if (!task->params) {
        error_set(&error, ERROR_SYSTEM, "no memory for a task");
        queue_fail(runner, task, RESULT_NO_START, 0, &error);
        return;
    }
    if (params_init(task->params, runner->context.job, &error) < 0 ||
        params_take(task->params, payload, size, &error) < 0) {
        queue_fail(runner, task, RESULT_NO_START, 0, &error); /* frees the parameters */
        return;
    }
    struct preparation *preparation =
        recipe_prepare(runner->recipe, runner->context.slot_number, task->id, task->params,
                       task_prepared, task);
    if (preparation)
        task->preparation = preparation;
}

static void persistent_start(struct runner *runner, struct attempt_id id, const void *payload,
                             size_t size)
{
    struct error error = {0};
    struct task *task = queue_add(runner, id);
    if (!task) {
        struct result result = {.status = RESULT_NO_START,
                                .id = id,
                                .slot = runner->context.slot_number,
                                .error = "no memory for a task",
                                .error_size = 20};
        runner->context.owner.done(runner->context.owner.context, runner, &result, NULL);
        return;
    }
    if (runner->per_task) {
        prepare_task(runner, task, payload, size);
        return;
    }
    if (params_take(&runner->params, payload, size, &error) < 0)
        queue_fail(runner, task, RESULT_NO_START, 0, &error);
    else
        make_ready(runner, task, &runner->params);
}

static void persistent_cancel(struct runner *runner, struct attempt_id id,
                              enum runner_cancel how)
{
    struct error error;
    struct task *task = runner->first;
    while (task &&
           (task->id.task != id.task || task->id.attempt != id.attempt || task->dropped))
        task = task->next;
    if (!task)
        return;
    error_set(&error, ERROR_TASKS, "the attempt was cancelled");
    if (task == queue_head(runner) && runner->state == UP) {
        runner->canceled = true;
        persistent_condemn(runner, RESULT_SIGNAL,
                           how == RUNNER_CANCEL_NOW ? CHILD_KILL_NOW : CHILD_KILL_GENTLY,
                           &error);
        return;
    }
    if (!task->sent || runner->state != UP) {
        queue_fail(runner, task, RESULT_SIGNAL, 0, &error);
        return;
    }
    /* The process may have read its line already: its reply is ignored when it comes. */
    struct result result = {.status = RESULT_SIGNAL,
                            .id = id,
                            .slot = runner->context.slot_number,
                            .started_ns = clock_wall_ns(),
                            .error = error.text,
                            .error_size = strlen(error.text)};
    task->dropped = true;
    runner->context.owner.done(runner->context.owner.context, runner, &result, NULL);
}

const struct runner_ops runner_persistent = {
    .name = "persistent",
    .open = persistent_open,
    .depth = persistent_depth,
    .start = persistent_start,
    .flush = persistent_flush,
    .cancel = persistent_cancel,
    .close = persistent_close,
};

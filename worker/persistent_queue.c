/* Task objects with their buffers are used again, as a hundred thousand may pass in a second. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "worker/persistent_private.h"

#define FREE_MAX (PERSISTENT_DEPTH_MAX + 8)

void queue_free_task(struct task *task)
{
    recipe_cancel(task->preparation);
    workdir_destroy(task->workdir);
    if (task->params)
        params_fini(task->params);
    free(task->params);
    buf_fini(&task->line);
    free(task);
}

struct task *queue_add(struct runner *runner, struct attempt_id id)
{
    struct task *task = runner->free_tasks;
    if (task) {
        runner->free_tasks = task->next;
        runner->free_count--;
    } else if ((task = calloc(1, sizeof(*task)))) {
        buf_init(&task->line, (size_t)MESSAGE_MAX * 2);
    } else {
        return NULL;
    }
    task->runner = runner;
    task->id = id;
    task->ready = task->sent = task->dropped = false;
    task->next = NULL;
    buf_clear(&task->line);
    *runner->last = task;
    runner->last = &task->next;
    runner->count++;
    return task;
}

void queue_remove(struct runner *runner, struct task *task)
{
    struct task **link = &runner->first;
    while (*link != task)
        link = &(*link)->next;
    *link = task->next;
    if (runner->last == &task->next)
        runner->last = link;
    runner->count--;
    if (runner->charged == task)
        runner->charged = NULL;
    workdir_destroy(task->workdir);
    task->workdir = NULL;
    if (runner->free_count < FREE_MAX && !task->params && task->line.capacity <= 4096) {
        task->next = runner->free_tasks;
        runner->free_tasks = task;
        runner->free_count++;
    } else {
        queue_free_task(task);
    }
}

struct task *queue_head(const struct runner *runner)
{
    struct task *task = runner->first;
    while (task && !task->sent)
        task = task->next;
    return task;
}

void queue_finish(struct runner *runner, struct task *task, struct result *result,
                  const char *sentence, size_t sentence_size)
{
    struct workdir *workdir = NULL;
    bool tell = !task->dropped;
    if (result->status == RESULT_OK && task->workdir) {
        result->output_files = (uint32_t)workdir_output_count(task->workdir);
        if (result->output_files || runner->hooks) {
            workdir = task->workdir;
            task->workdir = NULL;
        }
    }
    if (result->status != RESULT_OK) {
        buf_clear(&runner->values);
        values_encode(&runner->values, NULL, 0);
        result->error = sentence;
        result->error_size = sentence_size;
        result->stderr_tail = tail_get(&runner->err_tail, &result->stderr_size);
        result->stderr_before =
            task->sent ? tail_before(&runner->err_tail, runner->err_told) : result->stderr_size;
    }
    if (task->sent)
        runner->err_told = runner->err_tail.total;
    result->id = task->id;
    result->slot = runner->context.slot_number;
    result->values = runner->values.data;
    result->values_size = runner->values.size;
    queue_remove(runner, task);
    if (tell)
        runner->context.owner.done(runner->context.owner.context, runner, result, workdir);
    else
        workdir_destroy(workdir);
}

void queue_fail(struct runner *runner, struct task *task, enum result_status status, int code,
                const struct error *error)
{
    struct result result = {.status = status, .code = code};
    result.started_ns = task->sent ? runner->head_since_wall_ns : clock_wall_ns();
    if (task->sent)
        result.elapsed_s = 1e-9 * (double)(clock_monotonic_ns() - runner->head_since_ns);
    queue_finish(runner, task, &result, error->text, strlen(error->text));
}

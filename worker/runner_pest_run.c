/* One command after the other, each until nothing of its process tree is left. */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/loop.h"
#include "worker/model_failure.h"
#include "worker/runner_pest_private.h"

static void launch(struct runner *runner);

static void output_came(void *context, const char *bytes, size_t size)
{
    struct runner *runner = context;
    tail_add(&runner->tail, bytes, size);
}

/* "the model", or which of its commands, for the beginning of a sentence. */
static void name_command(const struct runner *runner, char *name, size_t size)
{
    if (runner->line_count == 1)
        snprintf(name, size, "the model");
    else
        snprintf(name, size, "the model's command %zu of %zu (%.200s)", runner->line + 1,
                 runner->line_count, model_line_text(runner->lines[runner->line]));
}

/* How a command ended. */
static void judge(struct runner *runner, const struct child_end *end)
{
    char name[300];
    struct result *result = &runner->result;
    if (!end->signaled && !end->code)
        return;
    name_command(runner, name, sizeof(name));
    result->code = end->code;
    result->status = end->signaled ? RESULT_SIGNAL : RESULT_EXIT;
    if (!end->signaled)
        error_set(&runner->sentence, ERROR_TASKS, "%s ended with exit status %d", name,
                  end->code);
    else
        error_set(&runner->sentence, ERROR_TASKS, "%s was ended by signal %d (%s)%s", name,
                  end->code, strsignal(end->code),
                  end->code == SIGKILL ? "; the node may have run out of memory" : "");
}

void pest_run_finish_killed(struct runner *runner)
{
    runner->discard = true; /* it may have been in the middle of a file */
    runner->result.code = 0;
    if (runner->canceled) {
        runner->result.status = RESULT_SIGNAL;
        error_set(&runner->sentence, ERROR_TASKS, "the attempt was cancelled");
        pest_run_finish(runner);
        return;
    }
    char name[300];
    name_command(runner, name, sizeof(name));
    runner->result.status = RESULT_TIMEOUT;
    error_set(&runner->sentence, ERROR_TASKS,
              "%s was killed after %g s, limits.task_timeout_s of the farm file", name,
              runner->timeout_s);
    model_failure_explain(&runner->sentence, &runner->tail, runner->folder);
    pest_run_finish(runner);
}

static void child_ended(void *context, const struct child_end *end)
{
    struct runner *runner = context;
    struct result *result = &runner->result;
    runner->child = NULL;
    stream_drain(&runner->out);
    result->cpu_s += end->cpu_s;
    if (end->max_rss_bytes > result->max_rss_bytes)
        result->max_rss_bytes = end->max_rss_bytes;
    if (runner->canceled || runner->timed_out) {
        pest_run_finish_killed(runner);
        return;
    }
    judge(runner, end);
    runner->discard |= end->signaled;
    if ((result->status == RESULT_OK || runner->ignore_exit) &&
        ++runner->line < runner->line_count)
        launch(runner);
    else
        pest_run_conclude(runner);
}

static int start_command(struct runner *runner, int out_fd, struct error *ret_error)
{
    char key[96];
    struct children *children = runner->context.children;
    struct model_line *line = runner->lines[runner->line];
    snprintf(key, sizeof(key), "%s:%llu.%u", children_key(children),
             (unsigned long long)runner->id.task, runner->id.attempt);
    struct child_spec spec = {
        .key = key,
        .dir_fd = model_folder_fd(runner->folder),
        .stdin_fd = -1,
        .stdout_fd = out_fd,
        .stderr_fd = out_fd,
        .slot = runner->context.slot,
        .limits = &runner->no_core,
        .limit_count = 1,
        .ended = child_ended,
        .context = runner,
    };
    const struct params none = {0};
    spec.environment = environment_fill(runner->environment, runner->id, &none, key, ret_error);
    if (!spec.environment ||
        model_line_fill(line, spec.environment, spec.dir_fd, &spec, ret_error) < 0)
        return -1;
    runner->child = child_start(children, &spec, ret_error);
    if (!runner->child)
        model_line_forget(line);
    return runner->child ? 0 : -1;
}

static void launch(struct runner *runner)
{
    int out_fd = -1;
    struct error error = {0};
    int rc =
        stream_open(&runner->out, runner->context.loop, output_came, runner, &out_fd, &error);
    if (rc == 0)
        rc = start_command(runner, out_fd, &error);
    if (out_fd >= 0)
        close(out_fd);
    if (rc < 0)
        pest_run_finish_unstarted(runner, &error);
}

void pest_run_begin(struct runner *runner)
{
    runner->line = 0;
    runner->result = (struct result){.status = RESULT_OK};
    tail_clear(&runner->tail);
    runner->started_ns = clock_monotonic_ns();
    runner->started_wall_ns = clock_wall_ns();
    if (runner->timeout_s > 0)
        loop_timer_arm(runner->timer, runner->started_ns + (int64_t)(runner->timeout_s * 1e9));
    launch(runner);
}

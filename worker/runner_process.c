/*
 * A task goes through prepare (files; may wait for the cache), launch, and end. The steps that can
 * fail all lead to `finish`, which tells the owner once and makes the runner idle again. Where the
 * worker has other nodes, the directory is laid there before launch, and gathered from there after
 * the end.
 *
 * What a model prints is looked at only when it has run for WATCH_AFTER_NS: to watch a pipe, to be
 * woken for its bytes and its end, and to forget it costs more than the rest of a short task, and
 * until then a pipe holds it all, or makes the model wait for a moment.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/json.h"
#include "common/loop.h"
#include "worker/child.h"
#include "worker/command.h"
#include "worker/environment.h"
#include "worker/mates.h"
#include "worker/params.h"
#include "worker/pick.h"
#include "worker/recipe.h"
#include "worker/runner_process.h"
#include "worker/stream.h"
#include "worker/tail.h"
#include "worker/inside.h"
#include "worker/topology.h"

#define STDOUT_TAIL    (8 << 10) /* shown where a model that fails writes nothing to stderr */
#define WATCH_AFTER_NS (2 * CLOCK_MS_NS)

struct runner {
    struct runner_context context;
    struct params params;
    struct recipe *recipe;
    struct environment *environment;
    struct command *command;
    struct pick *pick;
    char stdin_path[PATH_MAX]; /* "" for /dev/null */
    bool keeps_stdout;         /* "stdout.txt" is an output */
    double timeout_s;          /* 0: none */
    struct loop_timer *timer;
    struct loop_timer *watch_timer;

    /* The task. */
    bool busy, canceled, timed_out;
    struct attempt_id id;
    struct preparation *preparation;
    struct workdir *workdir;
    bool on_mates; /* between mates_lay and mates_clear */
    struct child *child;
    struct child_end end; /* while what mates have is gathered */
    struct stream out, err;
    struct tail out_tail, err_tail;
    int stdout_fd; /* stdout.txt, -1 */
    int stdout_errno;
    int64_t started_ns, started_wall_ns;
    struct buf values;
};

static void timeout_passed(void *context);
static void watch_streams(void *context);

/* --- Opening --- */

/* A task of several nodes has all of its worker. */
static void process_request(const cJSON *job, const struct topology *topology,
                            struct topology_request *request)
{
    (void)topology;
    if (json_member(json_member(job, "work"), "nodes"))
        request->slots = 1;
}

static int read_settings(struct runner *runner, struct error *ret_error)
{
    const cJSON *job = runner->context.job, *work, *env, *rules, *results;
    const char *path;
    if (json_get_object(job, "job", "work", &work, ret_error) < 0 ||
        json_get_real(job, "job", "timeout_s", 0, &runner->timeout_s, ret_error) < 0 ||
        json_get_array(job, "job", "results", &results, ret_error) < 0 ||
        json_get_object(work, "$.work", "env", &env, ret_error) < 0 ||
        json_get_array(work, "$.work", "values", &rules, ret_error) < 0 ||
        json_get_text(work, "$.work", "stdin", "", &path, ret_error) < 0)
        return -1;
    if (*path &&
        inside_clean_path(path, runner->stdin_path, sizeof(runner->stdin_path), ret_error) < 0)
        return error_prefix(ret_error, "$.work.stdin");
    const struct runner_context *context = &runner->context;
    if (!(runner->command = command_create(work, &runner->params, ret_error)) ||
        !(runner->environment = environment_create(context->slot, context->slot_number, env,
                                                   &runner->params, ret_error)) ||
        !(runner->pick = pick_create(rules, results, ret_error)) ||
        !(runner->recipe = recipe_create(job, &runner->params, context->workplace, ret_error)))
        return -1;
    runner->keeps_stdout = recipe_has_output(runner->recipe, "stdout.txt");
    return 0;
}

static void process_close(struct runner *runner);

static struct runner *process_open(const struct runner_context *context,
                                   struct error *ret_error)
{
    struct runner *runner = calloc(1, sizeof(*runner));
    if (!runner) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a runner");
        return NULL;
    }
    runner->context = *context;
    runner->out.fd = runner->err.fd = runner->stdout_fd = -1;
    tail_init(&runner->out_tail, STDOUT_TAIL);
    tail_init(&runner->err_tail, MESSAGE_STDERR_MAX);
    buf_init(&runner->values, MESSAGE_MAX / 2);
    runner->timer = loop_timer_add(context->loop, timeout_passed, runner);
    runner->watch_timer = loop_timer_add(context->loop, watch_streams, runner);
    if (!runner->timer || !runner->watch_timer)
        error_set(ret_error, ERROR_SYSTEM, "no memory for a runner");
    if (!runner->timer || !runner->watch_timer ||
        params_init(&runner->params, context->job, ret_error) < 0 ||
        read_settings(runner, ret_error) < 0) {
        process_close(runner);
        return NULL;
    }
    return runner;
}

static void close_files(struct runner *runner)
{
    stream_close(&runner->out);
    stream_close(&runner->err);
    if (runner->stdout_fd >= 0)
        close(runner->stdout_fd);
    runner->stdout_fd = -1;
}

static void leave_mates(struct runner *runner)
{
    if (runner->on_mates)
        mates_clear(runner->context.mates);
    runner->on_mates = false;
}

static void process_close(struct runner *runner)
{
    if (!runner)
        return;
    recipe_cancel(runner->preparation);
    child_abandon(runner->child);
    leave_mates(runner);
    close_files(runner);
    loop_timer_remove(runner->timer);
    loop_timer_remove(runner->watch_timer);
    workdir_destroy(runner->workdir);
    recipe_destroy(runner->recipe);
    environment_destroy(runner->environment);
    command_destroy(runner->command);
    pick_destroy(runner->pick);
    params_fini(&runner->params);
    tail_fini(&runner->out_tail);
    tail_fini(&runner->err_tail);
    buf_fini(&runner->values);
    free(runner);
}

static unsigned process_depth(const struct runner *runner)
{
    (void)runner;
    return 1;
}

/* --- Ending --- */

/* Tell the owner, and be idle. `result` has status, code and what the child used. */
static void finish(struct runner *runner, struct result *result, const struct error *error)
{
    struct workdir *workdir = runner->workdir;
    bool ok = result->status == RESULT_OK;
    leave_mates(runner);
    close_files(runner);
    loop_timer_disarm(runner->timer);
    loop_timer_disarm(runner->watch_timer);
    result->id = runner->id;
    result->slot = runner->context.slot_number;
    result->started_ns = runner->started_wall_ns;
    result->elapsed_s = 1e-9 * (double)(clock_monotonic_ns() - runner->started_ns);
    if (!ok) {
        buf_clear(&runner->values);
        values_encode(&runner->values, NULL, 0);
        result->error = error->text;
        result->error_size = strlen(error->text);
        result->stderr_tail = tail_get(&runner->err_tail, &result->stderr_size);
        if (!result->stderr_tail)
            result->stderr_tail = tail_get(&runner->out_tail, &result->stderr_size);
    }
    result->values = runner->values.data;
    result->values_size = runner->values.size;
    if (ok && workdir)
        result->output_files = (uint32_t)workdir_output_count(workdir);
    if (workdir && !result->output_files) {
        workdir_destroy(workdir);
        workdir = NULL;
    }
    runner->workdir = NULL;
    runner->busy = false;
    runner->context.owner.done(runner->context.owner.context, runner, result, workdir);
}

static void finish_unstarted(struct runner *runner, const struct error *error)
{
    struct result result = {.status = RESULT_NO_START};
    finish(runner, &result, error);
}

/* How the process itself ended. */
static enum result_status judge_end(const struct runner *runner, const struct child_end *end,
                                    struct error *error)
{
    const char *hint = "";
    if (runner->canceled) {
        error_set(error, ERROR_TASKS, "the attempt was cancelled");
        return RESULT_SIGNAL;
    }
    if (runner->timed_out) {
        error_set(error, ERROR_TASKS,
                  "the model was killed after %g s, limits.task_timeout_s of the farm file",
                  runner->timeout_s);
        return RESULT_TIMEOUT;
    }
    if (end->signaled) {
        if (end->code == SIGKILL)
            hint = "; the node may have run out of memory";
        else if (end->code == SIGXCPU || end->code == SIGXFSZ)
            hint = "; a limit of \"rlimits\" was reached";
        error_set(error, ERROR_TASKS, "the model was ended by signal %d (%s)%s", end->code,
                  strsignal(end->code), hint);
        return RESULT_SIGNAL;
    }
    if (end->code) {
        error_set(error, ERROR_TASKS, "the model ended with exit status %d", end->code);
        return RESULT_EXIT;
    }
    return RESULT_OK;
}

/* What the task was to give: its values and outputs. */
static int gather(struct runner *runner, struct error *ret_error)
{
    if (runner->stdout_errno)
        return error_errno(ret_error, runner->stdout_errno, "cannot write \"stdout.txt\"");
    buf_clear(&runner->values);
    if (pick_finish(runner->pick, runner->workdir, &runner->values, ret_error) < 0)
        return -1;
    return recipe_collect(runner->recipe, runner->workdir, ret_error);
}

/* `lost` is why what other nodes have could not be gathered, or NULL. */
static void conclude(struct runner *runner, const struct error *lost)
{
    const struct child_end *end = &runner->end;
    struct error error = {0}, spoiled = {0};
    struct result result = {.cpu_s = end->cpu_s, .max_rss_bytes = end->max_rss_bytes};
    result.status = judge_end(runner, end, &error);
    if (result.status == RESULT_OK && lost) {
        result.status = RESULT_NO_VALUE;
        error = *lost;
    }
    if (result.status == RESULT_EXIT || result.status == RESULT_SIGNAL)
        result.code = end->code;
    int inputs = workdir_check_inputs(runner->workdir, &spoiled);
    if (result.status == RESULT_OK && inputs < 0) {
        result.status = RESULT_NO_VALUE;
        error = spoiled;
    }
    if (result.status == RESULT_OK && gather(runner, &error) < 0)
        result.status = RESULT_NO_VALUE;
    finish(runner, &result, &error);
}

static void mates_gathered(void *context, const struct error *error)
{
    conclude(context, error);
}

static void child_ended(void *context, const struct child_end *end)
{
    struct runner *runner = context;
    struct error error;
    runner->child = NULL;
    runner->end = *end;
    stream_drain(&runner->out);
    stream_drain(&runner->err);
    loop_timer_disarm(runner->timer);
    if (runner->on_mates && judge_end(runner, end, &error) == RESULT_OK)
        mates_gather(runner->context.mates, mates_gathered, runner);
    else
        conclude(runner, NULL);
}

static void timeout_passed(void *context)
{
    struct runner *runner = context;
    runner->timed_out = true;
    if (runner->child)
        child_kill(runner->child, CHILD_KILL_GENTLY);
}

/* --- Output --- */

static void stdout_came(void *context, const char *bytes, size_t size)
{
    struct runner *runner = context;
    tail_add(&runner->out_tail, bytes, size);
    pick_feed_stdout(runner->pick, bytes, size);
    if (runner->stdout_fd >= 0 && !runner->stdout_errno &&
        fd_write(runner->stdout_fd, bytes, size) < 0)
        runner->stdout_errno = errno;
}

static void stderr_came(void *context, const char *bytes, size_t size)
{
    struct runner *runner = context;
    tail_add(&runner->err_tail, bytes, size);
}

static void watch_streams(void *context)
{
    struct runner *runner = context;
    struct loop *loop = runner->context.loop;
    struct error error;
    if (stream_watch(&runner->out, loop, &error) == 0 &&
        stream_watch(&runner->err, loop, &error) == 0)
        return;
    /* The kernel is short of memory: look ourselves, from time to time. */
    stream_read(&runner->out);
    stream_read(&runner->err);
    loop_timer_arm(runner->watch_timer, clock_monotonic_ns() + WATCH_AFTER_NS);
}

/* --- Starting --- */

struct ends {
    int in, out, err; /* what the child gets; -1 */
};

static int open_ends(struct runner *runner, struct ends *ends, struct error *ret_error)
{
    struct stat stat;
    int dir_fd = workdir_fd(runner->workdir);
    if (*runner->stdin_path) {
        ends->in = inside_open_file(dir_fd, runner->stdin_path, &stat);
        if (ends->in < 0)
            return error_errno(ret_error, errno, "cannot open \"%s\" (\"stdin\")",
                               runner->stdin_path);
        fcntl(ends->in, F_SETFL, 0); /* inside_open_file opens without waiting */
    }
    if (runner->keeps_stdout) {
        runner->stdout_fd =
            openat(dir_fd, "stdout.txt", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (runner->stdout_fd < 0)
            return error_errno(ret_error, errno, "cannot write \"stdout.txt\"");
    }
    if (stream_open_unwatched(&runner->out, stdout_came, runner, &ends->out, ret_error) < 0 ||
        stream_open_unwatched(&runner->err, stderr_came, runner, &ends->err, ret_error) < 0)
        return -1;
    loop_timer_arm(runner->watch_timer, runner->started_ns + WATCH_AFTER_NS);
    return 0;
}

static void close_ends(const struct ends *ends)
{
    const int fds[] = {ends->in, ends->out, ends->err};
    for (size_t i = 0; i < 3; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static void format_key(const struct runner *runner, char key[96])
{
    snprintf(key, 96, "%s:%llu.%u", children_key(runner->context.children),
             (unsigned long long)runner->id.task, runner->id.attempt);
}

static int launch(struct runner *runner, const struct ends *ends, struct error *ret_error)
{
    char key[96];
    struct children *children = runner->context.children;
    format_key(runner, key);
    struct child_spec spec = {
        .key = key,
        .dir_fd = workdir_fd(runner->workdir),
        .stdin_fd = ends->in,
        .stdout_fd = ends->out,
        .stderr_fd = ends->err,
        .slot = runner->context.slot,
        .ended = child_ended,
        .context = runner,
    };
    char *const *environment =
        environment_fill(runner->environment, runner->id, &runner->params, key, ret_error);
    if (!environment ||
        command_fill(runner->command, &runner->params, environment, &spec, ret_error) < 0)
        return -1;
    runner->child = child_start(children, &spec, ret_error);
    return runner->child ? 0 : -1;
}

/* Everything is there. */
static void begin(struct runner *runner)
{
    struct ends ends = {-1, -1, -1};
    struct error failure = {0};
    /* Before it is started: a short model may have ended when we run again. */
    runner->started_ns = clock_monotonic_ns();
    runner->started_wall_ns = clock_wall_ns();
    int rc = open_ends(runner, &ends, &failure);
    if (rc == 0)
        rc = launch(runner, &ends, &failure);
    close_ends(&ends);
    if (rc < 0) {
        finish_unstarted(runner, &failure);
        return;
    }
    if (runner->timeout_s > 0)
        loop_timer_arm(runner->timer, runner->started_ns + (int64_t)(runner->timeout_s * 1e9));
}

static void mates_laid(void *context, const struct error *error)
{
    struct runner *runner = context;
    if (error)
        finish_unstarted(runner, error);
    else
        begin(runner);
}

static void lay_on_mates(struct runner *runner)
{
    char key[96];
    struct error failure = {0};
    format_key(runner, key);
    char *const *environment =
        environment_fill(runner->environment, runner->id, &runner->params, key, &failure);
    if (!environment) {
        finish_unstarted(runner, &failure);
        return;
    }
    runner->on_mates = true;
    mates_lay(runner->context.mates, workdir_path(runner->workdir), workdir_fd(runner->workdir),
              environment, mates_laid, runner);
}

static void prepared(void *context, struct workdir *workdir, const struct error *error)
{
    struct runner *runner = context;
    runner->preparation = NULL;
    runner->workdir = workdir;
    if (!workdir) {
        runner_unprepared(&runner->context, error);
        finish_unstarted(runner, error);
    } else if (runner->context.mates) {
        lay_on_mates(runner);
    } else {
        begin(runner);
    }
}

static void process_start(struct runner *runner, struct attempt_id id, const void *payload,
                          size_t size)
{
    struct error error = {0};
    runner->busy = true;
    runner->canceled = runner->timed_out = false;
    runner->id = id;
    runner->stdout_errno = 0;
    runner->started_ns = clock_monotonic_ns();
    runner->started_wall_ns = clock_wall_ns();
    tail_clear(&runner->out_tail);
    tail_clear(&runner->err_tail);
    pick_begin(runner->pick);
    if (params_take(&runner->params, payload, size, &error) < 0) {
        finish_unstarted(runner, &error);
        return;
    }
    struct preparation *preparation = recipe_prepare(
        runner->recipe, runner->context.slot_number, id, &runner->params, prepared, runner);
    if (preparation)
        runner->preparation = preparation;
}

static void process_cancel(struct runner *runner, struct attempt_id id, enum runner_cancel how)
{
    struct child_end end = {0};
    struct error error;
    if (!runner->busy || runner->id.task != id.task || runner->id.attempt != id.attempt)
        return;
    runner->canceled = true;
    if (runner->child) {
        child_kill(runner->child,
                   how == RUNNER_CANCEL_NOW ? CHILD_KILL_NOW : CHILD_KILL_GENTLY);
        return;
    }
    recipe_cancel(runner->preparation);
    runner->preparation = NULL;
    struct result result = {.status = judge_end(runner, &end, &error)};
    finish(runner, &result, &error);
}

const struct runner_ops runner_process = {
    .name = "process",
    .request = process_request,
    .open = process_open,
    .depth = process_depth,
    .start = process_start,
    .cancel = process_cancel,
    .close = process_close,
};

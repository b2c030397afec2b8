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
#include "worker/child.h"
#include "worker/command.h"
#include "worker/environment.h"
#include "worker/recipe.h"
#include "worker/reply.h"
#include "worker/runner_persistent.h"
#include "worker/stream.h"
#include "worker/tail.h"

#define AHEAD_NS       (10 * CLOCK_MS_NS)
#define DEPTH_MAX      1000
#define LINE_MAX_BYTES (MESSAGE_MAX / 2) /* of a reply */
#define FREE_MAX       (DEPTH_MAX + 8)   /* task objects kept for reuse */

enum state { DOWN, HOMING, UP, ENDING };

struct task {
    struct runner *runner;
    struct attempt_id id;
    struct buf line;       /* what the process is sent */
    bool ready, sent;      /* the line is complete; it was sent to the present process */
    bool dropped;          /* cancelled: the owner was told, its reply is ignored */
    struct params *params; /* while it is being prepared */
    struct preparation *preparation;
    struct workdir *workdir;
    struct task *next;
};

struct runner {
    struct runner_context context;
    struct params params;
    struct recipe *recipe;      /* of tasks; has directories if per_task */
    struct recipe *home_recipe; /* the common files alone */
    bool per_task;
    struct environment *environment;
    struct command *command;
    struct reply_reader *reader;
    double timeout_s, stall_s;
    struct loop_timer *timer;

    enum state state;
    uint32_t starts; /* of the process */
    struct preparation *home_preparation;
    struct workdir *home;
    struct child *child;
    struct stream out, err;
    int in_fd;
    struct loop_watch *in_watch;
    struct buf outgoing; /* lines not written yet */
    struct buf incoming; /* an unfinished reply */
    struct tail err_tail;

    struct task *first, **last; /* oldest first */
    size_t count;
    struct task *free_tasks;
    size_t free_count;
    int64_t head_since_ns; /* when the process turned to the head */
    int64_t head_since_wall_ns;
    int64_t mean_ns;  /* between replies; 0: not known */
    uint64_t answers; /* of this process */
    struct buf values;

    /* Why the process is being killed: the head's result. */
    enum result_status verdict; /* RESULT_OK: it was not */
    struct error verdict_error;
    bool canceled;        /* it was for the charged task's cancellation */
    size_t careful;       /* so many tasks are to be sent one by one */
    struct task *charged; /* whose result it will be; NULL if that has ended otherwise */
};

static void timer_passed(void *context);
static void bring_up(struct runner *runner);
static void persistent_flush(struct runner *runner);
static void persistent_close(struct runner *runner);

/* --- Opening --- */

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
    runner->per_task = recipe_is_per_task(runner->recipe);
    if (command_has_places(runner->command))
        return error_set(
            ret_error, ERROR_CONFIG,
            "$.work.command has a {NAME} place, but a persistent runner is started "
            "before it gets a task; it finds the parameters in each task");
    return environment_fill_idle(runner->environment, "", ret_error) ? 0 : -1;
}

static struct runner *persistent_open(const struct runner_context *context,
                                      struct error *ret_error)
{
    struct runner *runner = calloc(1, sizeof(*runner));
    if (!runner) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a runner");
        return NULL;
    }
    runner->context = *context;
    runner->out.fd = runner->err.fd = runner->in_fd = -1;
    runner->last = &runner->first;
    tail_init(&runner->err_tail, MESSAGE_STDERR_MAX);
    buf_init(&runner->outgoing, (size_t)MESSAGE_MAX * 4);
    buf_init(&runner->incoming, LINE_MAX_BYTES);
    buf_init(&runner->values, LINE_MAX_BYTES);
    runner->timer = loop_timer_add(context->loop, timer_passed, runner);
    if (!runner->timer)
        error_set(ret_error, ERROR_SYSTEM, "no memory for a runner");
    if (!runner->timer || params_init(&runner->params, context->job, ret_error) < 0 ||
        read_settings(runner, ret_error) < 0) {
        persistent_close(runner);
        return NULL;
    }
    return runner;
}

static void task_free(struct task *task)
{
    recipe_cancel(task->preparation);
    workdir_destroy(task->workdir);
    if (task->params)
        params_fini(task->params);
    free(task->params);
    buf_fini(&task->line);
    free(task);
}

/* Take the process's pipes down. */
static void close_pipes(struct runner *runner)
{
    stream_close(&runner->out);
    stream_close(&runner->err);
    loop_watch_remove(runner->in_watch);
    runner->in_watch = NULL;
    if (runner->in_fd >= 0)
        close(runner->in_fd);
    runner->in_fd = -1;
    buf_clear(&runner->outgoing);
    buf_clear(&runner->incoming);
}

static void persistent_close(struct runner *runner)
{
    if (!runner)
        return;
    recipe_cancel(runner->home_preparation);
    child_abandon(runner->child);
    close_pipes(runner);
    for (struct task *next; runner->first; runner->first = next) {
        next = runner->first->next;
        task_free(runner->first);
    }
    for (struct task *next; runner->free_tasks; runner->free_tasks = next) {
        next = runner->free_tasks->next;
        task_free(runner->free_tasks);
    }
    loop_timer_remove(runner->timer);
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
    return depth < DEPTH_MAX ? (unsigned)depth : DEPTH_MAX;
}

/* --- The list of tasks --- */

static struct task *task_add(struct runner *runner, struct attempt_id id)
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

static void task_remove(struct runner *runner, struct task *task)
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
        task_free(task);
    }
}

/* The task that the process is on, NULL if it has none. */
static struct task *find_head(const struct runner *runner)
{
    struct task *task = runner->first;
    while (task && !task->sent)
        task = task->next;
    return task;
}

static void arm_timer(struct runner *runner)
{
    double limit_s = runner->timeout_s;
    if (runner->stall_s > 0 && (limit_s <= 0 || runner->stall_s < limit_s))
        limit_s = runner->stall_s;
    if (limit_s <= 0)
        return;
    if (runner->state == UP && find_head(runner))
        loop_timer_arm(runner->timer, runner->head_since_ns + (int64_t)(limit_s * 1e9));
    else
        loop_timer_disarm(runner->timer);
}

/* The process turns to the next task now. */
static void begin_head(struct runner *runner, int64_t now_ns)
{
    runner->head_since_wall_ns += now_ns - runner->head_since_ns;
    runner->head_since_ns = now_ns;
}

/* --- Results --- */

/* Tell the owner and forget the task. `result` has the status, and values where it is ok. */
static void finish(struct runner *runner, struct task *task, struct result *result,
                   const char *sentence, size_t sentence_size)
{
    struct workdir *workdir = NULL;
    bool tell = !task->dropped;
    if (result->status == RESULT_OK && task->workdir &&
        (result->output_files = (uint32_t)workdir_output_count(task->workdir))) {
        workdir = task->workdir;
        task->workdir = NULL;
    }
    if (result->status != RESULT_OK) {
        buf_clear(&runner->values);
        values_encode(&runner->values, NULL, 0);
        result->error = sentence;
        result->error_size = sentence_size;
        result->stderr_tail = tail_get(&runner->err_tail, &result->stderr_size);
    }
    result->id = task->id;
    result->slot = runner->context.slot_number;
    result->values = runner->values.data;
    result->values_size = runner->values.size;
    task_remove(runner, task);
    if (tell)
        runner->context.owner.done(runner->context.owner.context, runner, result, workdir);
    else
        workdir_destroy(workdir);
}

static void fail(struct runner *runner, struct task *task, enum result_status status, int code,
                 const struct error *error)
{
    struct result result = {.status = status, .code = code};
    result.started_ns = task->sent ? runner->head_since_wall_ns : clock_wall_ns();
    if (task->sent)
        result.elapsed_s = 1e-9 * (double)(clock_monotonic_ns() - runner->head_since_ns);
    finish(runner, task, &result, error->text, strlen(error->text));
}

/* Does the reply have every column? Then encode them. */
static int take_values(struct runner *runner, const struct reply *reply,
                       struct error *ret_error)
{
    for (size_t i = 0; i < reply->value_count; i++)
        if (!reply->given[i])
            return error_set(ret_error, ERROR_TASKS,
                             "the runner's reply lacks the value \"%s\"",
                             reply_reader_name(runner->reader, i));
    buf_clear(&runner->values);
    if (values_encode(&runner->values, reply->values, reply->value_count) < 0)
        return error_set(ret_error, ERROR_TASKS, "the reply's values are too large");
    return 0;
}

static int take_outputs(struct runner *runner, struct task *task, const struct reply *reply,
                        struct error *ret_error)
{
    if (!task->workdir && reply->output_count)
        return error_set(
            ret_error, ERROR_TASKS,
            "the runner's reply has \"outputs\", but $.work.outputs of the farm file "
            "names none, so the task has no directory");
    if (!task->workdir)
        return 0;
    if (workdir_check_inputs(task->workdir, ret_error) < 0)
        return -1;
    for (size_t i = 0; i < reply->output_count; i++) {
        char path[MESSAGE_PATH_MAX + 1];
        if (reply->outputs[i].size > MESSAGE_PATH_MAX)
            return error_set(ret_error, ERROR_TASKS, "the path of an output is too long");
        memcpy(path, reply->outputs[i].text, reply->outputs[i].size);
        path[reply->outputs[i].size] = 0;
        if (workdir_collect_path(task->workdir, path, ret_error) < 0)
            return -1;
    }
    return recipe_collect(runner->recipe, task->workdir, ret_error);
}

static void settle(struct runner *runner, struct task *task, const struct reply *reply,
                   int64_t now_ns)
{
    struct error error = {0};
    struct result result = {.status = RESULT_OK,
                            .started_ns = runner->head_since_wall_ns,
                            .elapsed_s = 1e-9 * (double)(now_ns - runner->head_since_ns)};
    if (!reply->ok) {
        result.status = RESULT_EXIT;
        result.code = 1;
        const char *text = reply->error.size ? reply->error.text : "the runner gave no reason";
        finish(runner, task, &result, text,
               reply->error.size ? reply->error.size : strlen(text));
        return;
    }
    if (take_values(runner, reply, &error) < 0 || take_outputs(runner, task, reply, &error) < 0)
        result.status = RESULT_NO_VALUE;
    finish(runner, task, &result, error.text, strlen(error.text));
}

/* --- The process goes down --- */

/* Kill it; the head's result will be this. */
static void condemn(struct runner *runner, enum result_status status, enum child_kill how,
                    const struct error *error)
{
    if (runner->state != UP)
        return;
    runner->state = ENDING;
    runner->verdict = status;
    runner->verdict_error = *error;
    runner->charged = find_head(runner);
    loop_timer_disarm(runner->timer);
    if (runner->child)
        child_kill(runner->child, how);
}

static void timer_passed(void *context)
{
    struct runner *runner = context;
    struct error error;
    bool stalled =
        runner->stall_s > 0 && (runner->timeout_s <= 0 || runner->stall_s < runner->timeout_s);
    error_set(&error, ERROR_TASKS,
              stalled
                  ? "the runner was killed because it answered nothing for %g s "
                    "($.work.stall_s)"
                  : "the runner was killed after %g s, limits.task_timeout_s of the farm file",
              stalled ? runner->stall_s : runner->timeout_s);
    condemn(runner, RESULT_TIMEOUT, CHILD_KILL_GENTLY, &error);
}

/* What becomes of the head when the process died by itself. */
static enum result_status judge_end(const struct child_end *end, struct error *error)
{
    if (end->signaled) {
        error_set(error, ERROR_TASKS,
                  "the runner was ended by signal %d (%s) while it computed", end->code,
                  strsignal(end->code));
        return RESULT_SIGNAL;
    }
    error_set(error, ERROR_TASKS, "the runner ended with exit status %d before it answered",
              end->code);
    return end->code ? RESULT_EXIT : RESULT_NO_VALUE;
}

/* Everything unanswered will be sent to a fresh process. Returns how much that is. */
static size_t forget_sent(struct runner *runner)
{
    size_t count = 0;
    struct task *next;
    for (struct task *task = runner->first; task; task = next) {
        next = task->next;
        count += task->sent && !task->dropped;
        task->sent = false;
        if (task->dropped)
            task_remove(runner, task);
    }
    return count;
}

static size_t count_sent(const struct runner *runner)
{
    size_t count = 0;
    for (const struct task *task = runner->first; task; task = task->next)
        count += task->sent;
    return count;
}

/* The process is gone: the result of the task that it is charged to, if it is. */
static void charge(struct runner *runner, const struct child_end *end)
{
    struct error error;
    bool condemned = runner->verdict != RESULT_OK;
    struct task *charged = condemned ? runner->charged : find_head(runner);
    enum result_status status = condemned ? runner->verdict : judge_end(end, &error);
    bool has_code = status == RESULT_EXIT || status == RESULT_SIGNAL;
    if (condemned)
        error = runner->verdict_error;
    /* It may end of its own will, such as after a thousand tasks, as long as it gets on. */
    bool retired = !condemned && !end->signaled && end->code == 0 && runner->answers > 0;
    if (charged && !retired && (runner->canceled || count_sent(runner) == 1))
        fail(runner, charged, status, has_code ? end->code : 0, &error);
    size_t again = forget_sent(runner);
    if (again && !runner->canceled)
        runner->careful = again;
    runner->verdict = RESULT_OK;
    runner->canceled = false;
    runner->charged = NULL;
}

static void child_ended(void *context, const struct child_end *end)
{
    struct runner *runner = context;
    runner->child = NULL;
    stream_drain(&runner->err);
    if (runner->state == UP)
        stream_drain(&runner->out); /* it may have answered before it died */
    close_pipes(runner);
    workdir_check_inputs(runner->home, NULL); /* for the next: this one's tasks had their own */
    workdir_destroy(runner->home);
    runner->home = NULL;
    runner->state = DOWN;
    loop_timer_disarm(runner->timer);
    charge(runner, end);
    if (runner->first)
        bring_up(runner);
}

/* --- Replies --- */

static void learn_pace(struct runner *runner, int64_t elapsed_ns)
{
    /* The first answer includes the process's own start. */
    if (++runner->answers < 2)
        return;
    int64_t mean_ns = runner->mean_ns ? (runner->mean_ns * 7 + elapsed_ns) / 8 : elapsed_ns;
    runner->mean_ns = mean_ns > 0 ? mean_ns : 1;
}

static void take_line(struct runner *runner, const char *line, size_t size, int64_t now_ns)
{
    struct error error;
    struct reply reply;
    if (reply_read(runner->reader, line, size, &reply, &error) < 0) {
        condemn(runner, RESULT_NO_VALUE, CHILD_KILL_NOW, &error);
        return;
    }
    struct task *task = runner->first;
    while (task && !(task->sent && task->id.task == reply.task))
        task = task->next;
    if (!task) {
        error_set(&error, ERROR_TASKS, "the runner answered task %llu, which it does not have",
                  (unsigned long long)reply.task);
        condemn(runner, RESULT_NO_VALUE, CHILD_KILL_NOW, &error);
        return;
    }
    learn_pace(runner, now_ns - runner->head_since_ns);
    if (runner->careful)
        runner->careful--;
    settle(runner, task, &reply, now_ns);
    begin_head(runner, now_ns);
}

static size_t count_lines(const char *bytes, size_t size)
{
    size_t lines = 0;
    for (const char *c = bytes, *end = bytes + size; (c = memchr(c, '\n', (size_t)(end - c)));
         c++)
        lines++;
    return lines;
}

/* Complete lines in bytes; returns how many bytes they are. The time since the last reply is
 * shared out among the lines that came together. */
static size_t take_lines(struct runner *runner, const char *bytes, size_t size)
{
    size_t done = 0, lines = count_lines(bytes, size);
    int64_t before_ns = runner->head_since_ns, now_ns = clock_monotonic_ns();
    for (size_t i = 1; i <= lines; i++) {
        const char *line = bytes + done;
        size_t length = (size_t)((const char *)memchr(line, '\n', size - done) - line);
        bool is_blank = length == 0 || (length == 1 && line[0] == '\r');
        if (runner->verdict == RESULT_OK && !is_blank)
            take_line(runner, line, length,
                      before_ns + (now_ns - before_ns) * (int64_t)i / (int64_t)lines);
        done += length + 1;
    }
    return done;
}

static void stdout_came(void *context, const char *bytes, size_t size)
{
    struct runner *runner = context;
    struct error error;
    if (runner->incoming.size) {
        const char *end = memchr(bytes, '\n', size);
        size_t length = end ? (size_t)(end - bytes) + 1 : size;
        buf_append(&runner->incoming, bytes, length);
        bytes += length;
        size -= length;
        if (end && !buf_failed(&runner->incoming)) {
            take_lines(runner, (const char *)runner->incoming.data, runner->incoming.size);
            buf_clear(&runner->incoming);
        }
    }
    size_t done = take_lines(runner, bytes, size);
    buf_append(&runner->incoming, bytes + done, size - done);
    if (buf_failed(&runner->incoming)) {
        error_set(&error, ERROR_TASKS, "the runner wrote a line longer than %d bytes",
                  LINE_MAX_BYTES);
        buf_clear(&runner->incoming);
        condemn(runner, RESULT_NO_VALUE, CHILD_KILL_NOW, &error);
    }
    arm_timer(runner);
    if (runner->first && !find_head(runner)) /* they were held back */
        persistent_flush(runner);
}

static void stderr_came(void *context, const char *bytes, size_t size)
{
    struct runner *runner = context;
    tail_add(&runner->err_tail, bytes, size);
}

/* --- Sending --- */

static void write_lines(struct runner *runner)
{
    while (runner->outgoing.size) {
        ssize_t put = write(runner->in_fd, runner->outgoing.data, runner->outgoing.size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && errno == EAGAIN)
            break;
        if (put < 0) { /* it closed its input; its end will say why */
            buf_clear(&runner->outgoing);
            break;
        }
        buf_consume(&runner->outgoing, (size_t)put);
    }
    loop_watch_set(runner->in_watch, runner->outgoing.size ? LOOP_WRITE : 0);
}

static void input_ready(unsigned events, void *context)
{
    struct runner *runner = context;
    if (events & LOOP_WRITE)
        write_lines(runner);
    else
        loop_watch_set(runner->in_watch, 0);
}

/* Queue every line that is ready; writing waits for flush. */
static void send_ready(struct runner *runner)
{
    bool idle = !find_head(runner);
    if (runner->state != UP)
        return;
    for (struct task *task = runner->first; task; task = task->next) {
        if (task->sent && runner->careful)
            break;
        if (!task->ready || task->sent)
            continue;
        if (buf_append(&runner->outgoing, task->line.data, task->line.size) < 0)
            break; /* far more than depth was started: the rest goes when these are answered */
        task->sent = true;
        if (runner->careful)
            break;
    }
    if (buf_failed(&runner->outgoing))
        runner->outgoing.failed = false;
    if (idle && find_head(runner)) {
        runner->head_since_ns = clock_monotonic_ns();
        runner->head_since_wall_ns = clock_wall_ns();
        arm_timer(runner);
    }
}

static void persistent_flush(struct runner *runner)
{
    if (runner->state != UP)
        return;
    send_ready(runner);
    if (runner->outgoing.size)
        write_lines(runner);
}

/* --- The process comes up --- */

static int open_input(struct runner *runner, int *ret_read_fd, struct error *ret_error)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_errno(ret_error, errno, "cannot make a pipe");
    *ret_read_fd = ends[0];
    runner->in_fd = ends[1];
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    runner->in_watch =
        loop_watch_add(runner->context.loop, ends[1], 0, input_ready, runner, ret_error);
    return runner->in_watch ? 0 : -1;
}

static int launch(struct runner *runner, struct error *ret_error)
{
    char key[96];
    int in = -1, out = -1, err = -1, rc = -1;
    struct loop *loop = runner->context.loop;
    struct children *children = runner->context.children;
    snprintf(key, sizeof(key), "%s:slot-%u.%u", children_key(children),
             runner->context.slot_number, runner->starts);
    struct child_spec spec = {.key = key,
                              .dir_fd = workdir_fd(runner->home),
                              .slot = runner->context.slot,
                              .ended = child_ended,
                              .context = runner};
    char *const *environment = environment_fill_idle(runner->environment, key, ret_error);
    if (environment &&
        command_fill(runner->command, NULL, environment, &spec, ret_error) == 0 &&
        open_input(runner, &in, ret_error) == 0 &&
        stream_open(&runner->out, loop, stdout_came, runner, &out, ret_error) == 0 &&
        stream_open(&runner->err, loop, stderr_came, runner, &err, ret_error) == 0) {
        spec.stdin_fd = in;
        spec.stdout_fd = out;
        spec.stderr_fd = err;
        runner->child = child_start(children, &spec, ret_error);
        rc = runner->child ? 0 : -1;
    }
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    if (err >= 0)
        close(err);
    return rc;
}

/* The process cannot be started: every task that waits for it learns why. */
static void fail_all(struct runner *runner, const struct error *error)
{
    close_pipes(runner);
    workdir_destroy(runner->home);
    runner->home = NULL;
    runner->state = DOWN;
    size_t count = runner->count;
    while (count-- && runner->first)
        fail(runner, runner->first, RESULT_NO_START, 0, error);
}

static void home_ready(void *context, struct workdir *home, const struct error *error)
{
    struct runner *runner = context;
    struct error failure = {0};
    runner->home_preparation = NULL;
    runner->home = home;
    if (!home) {
        fail_all(runner, error);
        return;
    }
    tail_clear(&runner->err_tail);
    runner->answers = 0;
    if (launch(runner, &failure) < 0) {
        fail_all(runner, &failure);
        return;
    }
    runner->state = UP;
    persistent_flush(runner);
}

static void bring_up(struct runner *runner)
{
    runner->state = HOMING;
    struct attempt_id id = {.task = 0, .attempt = ++runner->starts};
    struct preparation *preparation =
        recipe_prepare(runner->home_recipe, runner->context.slot_number, id, &runner->params,
                       home_ready, runner);
    if (preparation)
        runner->home_preparation = preparation;
}

/* --- Starting tasks --- */

static void make_ready(struct runner *runner, struct task *task, const struct params *params)
{
    struct error error;
    if (reply_put_task(&task->line, task->id, params,
                       task->workdir ? workdir_path(task->workdir) : NULL) < 0) {
        error_set(&error, ERROR_SYSTEM, "no memory for the line of a task");
        fail(runner, task, RESULT_NO_START, 0, &error);
        return;
    }
    task->ready = true;
    if (runner->state == DOWN)
        bring_up(runner);
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
    if (workdir)
        make_ready(runner, task, params);
    else
        fail(runner, task, RESULT_NO_START, 0, error);
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
        fail(runner, task, RESULT_NO_START, 0, &error);
        return;
    }
    if (params_init(task->params, runner->context.job, &error) < 0 ||
        params_take(task->params, payload, size, &error) < 0) {
        fail(runner, task, RESULT_NO_START, 0, &error); /* frees the parameters */
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
    struct task *task = task_add(runner, id);
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
        fail(runner, task, RESULT_NO_START, 0, &error);
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
    if (task == find_head(runner) && runner->state == UP) {
        runner->canceled = true;
        condemn(runner, RESULT_SIGNAL,
                how == RUNNER_CANCEL_NOW ? CHILD_KILL_NOW : CHILD_KILL_GENTLY, &error);
        return;
    }
    if (!task->sent || runner->state != UP) {
        fail(runner, task, RESULT_SIGNAL, 0, &error);
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

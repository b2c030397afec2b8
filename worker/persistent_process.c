/* The life of the process: up, sent tasks, condemned, down; see runner_persistent.c. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "worker/persistent_private.h"

#define ENDS_TOLD 10 /* of a slot's programs */

void persistent_arm_timer(struct runner *runner)
{
    double limit_s = runner->timeout_s;
    if (runner->stall_s > 0 && (limit_s <= 0 || runner->stall_s < limit_s))
        limit_s = runner->stall_s;
    if (limit_s <= 0)
        return;
    if (runner->state == UP && queue_head(runner))
        loop_timer_arm(runner->timer, runner->head_since_ns + (int64_t)(limit_s * 1e9));
    else
        loop_timer_disarm(runner->timer);
}

/* Take the process's pipes down. */
void persistent_close_pipes(struct runner *runner)
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

/* --- It goes down --- */

/* Kill it; the head's result will be this. */
void persistent_condemn(struct runner *runner, enum result_status status, enum child_kill how,
                        const struct error *error)
{
    if (runner->state != UP)
        return;
    runner->state = ENDING;
    runner->verdict = status;
    runner->verdict_error = *error;
    runner->charged = queue_head(runner);
    loop_timer_disarm(runner->timer);
    if (runner->child)
        child_kill(runner->child, how);
}

void persistent_timer_passed(void *context)
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
    persistent_condemn(runner, RESULT_TIMEOUT, CHILD_KILL_GENTLY, &error);
}

/* Without both pipes it is of no use. Mostly it is just ending, and its end will say more. */
static void hung_up(struct runner *runner, const char *pipe)
{
    if (runner->state != UP)
        return;
    runner->deaf_pipe = pipe;
    loop_timer_arm(runner->deaf, clock_monotonic_ns() + CLOCK_SECOND_NS);
}

static void stdout_ended(void *context)
{
    hung_up(context, "output");
}

void persistent_deaf_passed(void *context)
{
    struct runner *runner = context;
    struct error error;
    error_set(&error, ERROR_TASKS,
              "the runner closed its standard %s but did not end; it reads tasks from the one "
              "and answers on the other as long as it runs",
              runner->deaf_pipe);
    persistent_condemn(runner, RESULT_NO_VALUE, CHILD_KILL_GENTLY, &error);
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
            queue_remove(runner, task);
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

/* No result will tell of it. A program that the kernel kills for want of memory, when others are in
 * need, is mostly one that waits. */
static void tell_uncharged(struct runner *runner, const struct child_end *end)
{
    size_t sent = count_sent(runner);
    char what[64] = "";
    if (runner->verdict != RESULT_OK || sent == 1 || (!end->signaled && end->code == 0) ||
        runner->ends_told++ >= ENDS_TOLD)
        return;
    if (sent > 1)
        snprintf(what, sizeof(what), ", with %zu tasks in hand, which are sent again", sent);
    else
        snprintf(what, sizeof(what), " with nothing to do");
    if (end->signaled)
        log_warn("the program of slot %u was ended by signal %d (%s)%s",
                 runner->context.slot_number, end->code, strsignal(end->code), what);
    else
        log_warn("the program of slot %u ended with exit status %d%s",
                 runner->context.slot_number, end->code, what);
}

/* The process is gone: the result of the task that it is charged to, if it is. */
static void charge(struct runner *runner, const struct child_end *end)
{
    struct error error;
    bool condemned = runner->verdict != RESULT_OK;
    struct task *charged = condemned ? runner->charged : queue_head(runner);
    enum result_status status = condemned ? runner->verdict : judge_end(end, &error);
    bool has_code = status == RESULT_EXIT || status == RESULT_SIGNAL;
    if (condemned)
        error = runner->verdict_error;
    /* It may end of its own will, such as after a thousand tasks, as long as it gets on. */
    bool retired = !condemned && !end->signaled && end->code == 0 && runner->answers > 0;
    if (charged && !retired && !runner->canceled)
        runner->deaths = (runner->answers ? 0 : runner->deaths) + 1;
    if (charged && !retired && (runner->canceled || count_sent(runner) == 1))
        queue_fail(runner, charged, status, has_code ? end->code : 0, &error);
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
    persistent_close_pipes(runner);
    workdir_check_inputs(runner->home, NULL); /* for the next: this one's tasks had their own */
    workdir_destroy(runner->home);
    runner->home = NULL;
    runner->state = DOWN;
    loop_timer_disarm(runner->timer);
    loop_timer_disarm(runner->deaf);
    tell_uncharged(runner, end);
    charge(runner, end);
    if (runner->first)
        persistent_bring_up(runner);
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
        if (put < 0) {
            buf_clear(&runner->outgoing);
            hung_up(runner, "input");
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
    bool idle = !queue_head(runner);
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
    if (idle && queue_head(runner)) {
        runner->head_since_ns = clock_monotonic_ns();
        runner->head_since_wall_ns = clock_wall_ns();
        persistent_arm_timer(runner);
    }
}

void persistent_flush(struct runner *runner)
{
    if (runner->state != UP)
        return;
    send_ready(runner);
    if (runner->outgoing.size)
        write_lines(runner);
}

/* --- It comes up --- */

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
    char *const *environment =
        environment_fill_idle(runner->environment, key, runner->deaths, ret_error);
    if (environment &&
        command_fill(runner->command, NULL, environment, &spec, ret_error) == 0 &&
        open_input(runner, &in, ret_error) == 0 &&
        stream_open(&runner->out, loop, persistent_stdout_came, runner, &out, ret_error) == 0 &&
        stream_open(&runner->err, loop, stderr_came, runner, &err, ret_error) == 0) {
        runner->out.ended = stdout_ended;
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
    persistent_close_pipes(runner);
    workdir_destroy(runner->home);
    runner->home = NULL;
    runner->state = DOWN;
    size_t count = runner->count;
    while (count-- && runner->first)
        queue_fail(runner, runner->first, RESULT_NO_START, 0, error);
}

static void home_ready(void *context, struct workdir *home, const struct error *error)
{
    struct runner *runner = context;
    struct error failure = {0};
    runner->home_preparation = NULL;
    runner->home = home;
    if (!home) {
        runner_unprepared(&runner->context, error);
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

void persistent_bring_up(struct runner *runner)
{
    runner->state = HOMING;
    struct attempt_id id = {.task = 0, .attempt = ++runner->starts};
    struct preparation *preparation =
        recipe_prepare(runner->home_recipe, runner->context.slot_number, id, &runner->params,
                       home_ready, runner);
    if (preparation)
        runner->home_preparation = preparation;
}

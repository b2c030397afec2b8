/* What the process says: whole lines, whose time is shared out where they came together. */
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

/* Does the reply have every column? Then encode them. */
static int take_values(struct runner *runner, const struct reply *reply,
                       struct error *ret_error)
{
    for (size_t i = 0; i < reply->value_count && !runner->hooks; i++)
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
        queue_finish(runner, task, &result, text,
                     reply->error.size ? reply->error.size : strlen(text));
        return;
    }
    if (take_values(runner, reply, &error) < 0 || take_outputs(runner, task, reply, &error) < 0)
        result.status = RESULT_NO_VALUE;
    queue_finish(runner, task, &result, error.text, strlen(error.text));
}

/* The process turns to the next task now. */
static void begin_head(struct runner *runner, int64_t now_ns)
{
    runner->head_since_wall_ns += now_ns - runner->head_since_ns;
    runner->head_since_ns = now_ns;
}

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
        persistent_condemn(runner, RESULT_NO_VALUE, CHILD_KILL_NOW, &error);
        return;
    }
    struct task *task = runner->first;
    while (task && !(task->sent && task->id.task == reply.task))
        task = task->next;
    if (!task) {
        error_set(&error, ERROR_TASKS, "the runner answered task %llu, which it does not have",
                  (unsigned long long)reply.task);
        persistent_condemn(runner, RESULT_NO_VALUE, CHILD_KILL_NOW, &error);
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

void persistent_stdout_came(void *context, const char *bytes, size_t size)
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
                  PERSISTENT_LINE_MAX);
        buf_clear(&runner->incoming);
        persistent_condemn(runner, RESULT_NO_VALUE, CHILD_KILL_NOW, &error);
    }
    persistent_arm_timer(runner);
    if (runner->first && !queue_head(runner)) /* they were held back */
        persistent_flush(runner);
}

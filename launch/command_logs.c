/*
 * beofarm logs: what the farm's programs said on stderr, and what became of one of its tasks.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/csv.h"
#include "common/tree.h"
#include "launch/command.h"
#include "launch/disk.h"
#include "launch/interrupt.h"
#include "launch/program.h"
#include "launch/results.h"
#include "launch/screen.h"
#include "launch/view.h"

#define LINES_OF_ALL     20 /* of each program, where none is named */
#define READ_MAX         ((size_t)256 << 10)
#define FILES_SHOWN      50
#define ATTEMPTS_LIMIT_S 600

struct logs_options {
    bool follow, out;
    int64_t lines;
};

static const struct command_option options[] = {
    {"follow", 'f', NULL, "print what comes, until that program ends", OPTION_FLAG,
     offsetof(struct logs_options, follow), 0},
    {"lines", 'n', "N", "print the last N lines only", OPTION_COUNT,
     offsetof(struct logs_options, lines), 1},
    {"stdout", 0, NULL, "print stdout instead of stderr", OPTION_FLAG,
     offsetof(struct logs_options, out), 0},
};

/* What the command line names. */
struct target {
    const char *run;     /* NULL: the newest */
    const char *program; /* "master", "worker-3", "worker-3-2"; NULL: none */
    uint64_t task;       /* 0: none */
};

static int target_parse(char **arguments, size_t count, struct target *target,
                        struct error *ret_error)
{
    int number, generation;
    memset(target, 0, sizeof *target);
    for (size_t i = 0; i < count; i++) {
        char *end;
        if (strcmp(arguments[i], "task") == 0) {
            errno = 0;
            target->task = i + 1 < count ? strtoull(arguments[i + 1], &end, 10) : 0;
            if (target->task == 0 || errno || *end || arguments[i + 1][0] == '-')
                return error_set(ret_error, ERROR_USAGE,
                                 "which task? Its number comes after `task`");
            i++;
        } else if (roster_id_parse(arguments[i], &number, &generation) == 0 &&
                   !target->program) {
            target->program = arguments[i];
        } else if (!target->run) {
            target->run = arguments[i];
        } else {
            return error_set(ret_error, ERROR_USAGE,
                             "\"%s\" is neither `master`, `worker-N` nor `task N`",
                             arguments[i]);
        }
    }
    if (target->program && target->task)
        return error_set(ret_error, ERROR_USAGE, "name a program or a task, not both");
    return 0;
}

/* A name without a generation means the newest. */
static const struct roster_task *program_choose(const struct view *view, const char *name,
                                                struct error *ret_error)
{
    int number, generation;
    const struct roster_task *task = NULL;
    for (size_t i = 0; i < view->roster.count; i++)
        if (strcmp(view->roster.tasks[i].id, name) == 0)
            task = &view->roster.tasks[i];
    if (roster_id_parse(name, &number, &generation) == 0 && generation == 1) {
        const struct roster_task *newest =
            number ? roster_worker(&view->roster, number) : roster_master(&view->roster);
        task = newest ? newest : task;
    }
    if (!task)
        error_set(ret_error, ERROR_USAGE,
                  "this farm has no %s (its logs may have been cleaned)", name);
    return task;
}

/* Print what a program said from *offset on. 1 if there was anything. */
static int rest_print(struct view *view, const char *id, const char *file, uint64_t *offset,
                      struct error *ret_error)
{
    struct buf bytes;
    int64_t count;
    int any = 0;
    buf_init(&bytes, READ_MAX);
    while ((count = view->backend->ops->task_read(view->backend, id, file, *offset, READ_MAX,
                                                  &bytes, ret_error)) > 0 &&
           fwrite(bytes.data, 1, bytes.size, stdout) == bytes.size) {
        *offset += (uint64_t)count;
        any = 1;
        buf_clear(&bytes);
    }
    buf_fini(&bytes);
    fflush(stdout);
    return count < 0 ? -1 : any;
}

static int program_follow(struct view *view, const char *id, const char *file, uint64_t offset,
                          struct error *ret_error)
{
    struct backend_status status;
    int64_t started_ns = clock_monotonic_ns();
    interrupt_open();
    for (;;) {
        if (view->backend->ops->task_status(view->backend, id, &status, ret_error) != 0 ||
            rest_print(view, id, file, &offset, ret_error) < 0)
            return -1;
        if (status.state == BACKEND_ENDED || interrupt_count() > 0 || ferror(stdout))
            return 0;
        interrupt_sleep(backend_poll_ns(view->backend, clock_monotonic_ns() - started_ns));
    }
}

static int tail_print(struct view *view, const char *id, const char *file, int lines,
                      struct error *ret_error)
{
    struct buf tail;
    buf_init(&tail, 128 << 10);
    int rc = backend_tail(view->backend, id, file, lines, &tail, ret_error);
    if (rc == 0 && tail.size > 0) {
        fwrite(tail.data, 1, tail.size, stdout);
        if (tail.data[tail.size - 1] != '\n')
            fputc('\n', stdout);
    }
    buf_fini(&tail);
    return rc;
}

static int program_print(struct view *view, const struct roster_task *task,
                         const struct logs_options *given, struct error *ret_error)
{
    const char *file = given->out ? "stdout.txt" : "stderr.txt";
    uint64_t offset = 0;
    if (given->lines != OPTION_NOT_GIVEN) {
        int lines = given->lines < 100000 ? (int)given->lines : 100000;
        if (view->backend->ops->task_file_size(view->backend, task->id, file, &offset,
                                               ret_error) != 0 ||
            tail_print(view, task->id, file, lines, ret_error) != 0)
            return -1;
        fflush(stdout);
        return given->follow ? program_follow(view, task->id, file, offset, ret_error) : 0;
    }
    if (given->follow)
        return program_follow(view, task->id, file, 0, ret_error);
    return rest_print(view, task->id, file, &offset, ret_error) < 0 ? -1 : 0;
}

static int all_print(struct view *view, const struct logs_options *given,
                     struct error *ret_error)
{
    int lines = given->lines == OPTION_NOT_GIVEN ? LINES_OF_ALL
                : given->lines < 100000          ? (int)given->lines
                                                 : 100000;
    const char *file = given->out ? "stdout.txt" : "stderr.txt";
    if (view->roster.count == 0)
        return error_set(ret_error, ERROR_USAGE,
                         "this farm has no logs (they may have been cleaned)");
    for (size_t i = 0; i < view->roster.count; i++) {
        char how[BACKEND_HOW_SIZE];
        const struct roster_task *task = &view->roster.tasks[i];
        backend_status_describe(&task->status, how, sizeof how);
        printf("%s==> %s (%s) <==\n", i ? "\n" : "", task->id, how);
        if (tail_print(view, task->id, file, lines, ret_error) != 0)
            return -1;
    }
    return 0;
}

static void record_print(const struct csv_table *table, const struct csv_record *record)
{
    for (size_t i = 0; i < record->count; i++) {
        if (record->fields[i].size == 0)
            continue;
        printf("%-12s ", csv_table_names(table)[i]);
        screen_put_text(stdout, record->fields[i].text);
        printf("\n");
    }
}

/* results.csv is in the order of tasks once the farm has ended, and nearly so before. */
static int task_row_print(struct csv_table *table, uint64_t task, struct error *ret_error)
{
    uint64_t rows = csv_table_rows(table);
    for (uint64_t i = 0; i < rows; i++) {
        struct csv_record record;
        uint64_t row = (i + (task - 1)) % rows; /* its place if none is missing comes first */
        if (csv_table_read(table, row, &record, ret_error) != 0)
            return -1;
        if (strtoull(record.fields[0].text, NULL, 10) != task)
            continue;
        record_print(table, &record);
        return 0;
    }
    return error_set(ret_error, ERROR_USAGE, "task %llu has not ended",
                     (unsigned long long)task);
}

static void task_files_print(const struct view *view, uint64_t task)
{
    char name[64];
    snprintf(name, sizeof name, "out/%llu", (unsigned long long)task);
    char *folder = rundir_path(&view->rundir, name, NULL);
    DIR *stream = folder ? opendir(folder) : NULL;
    struct dirent *entry;
    int shown = 0;
    while (stream && (entry = readdir(stream)) && shown < FILES_SHOWN) {
        if (tree_is_dots(entry->d_name))
            continue;
        printf("%-12s ", shown++ ? "" : "files");
        screen_put_text(stdout, folder);
        putchar('/');
        screen_put_text(stdout, entry->d_name);
        printf("\n");
    }
    if (stream)
        closedir(stream);
    free(folder);
}

/* How its attempts failed, from the journal, which the master alone can read. */
static int task_attempts_print(const struct view *view, uint64_t task, struct error *ret_error)
{
    char number[32];
    struct program_answer answer;
    const char *const args[] = {"--attempts", view->rundir.path, "--task", number, NULL};
    snprintf(number, sizeof number, "%llu", (unsigned long long)task);
    int rc = program_ask("beofarm-master", args, ATTEMPTS_LIMIT_S, &answer, ret_error);
    if (rc == 0 && answer.exit_code != 0)
        rc = program_answer_refuse("beofarm-master", &answer, ret_error);
    if (rc == 0 && answer.output.size > 0) {
        printf("\n");
        screen_put_lines(stdout, (const char *)answer.output.data, answer.output.size);
    }
    program_answer_fini(&answer);
    return rc;
}

static int task_print(struct view *view, uint64_t task, struct error *ret_error)
{
    char *path = results_prepare(view, ret_error);
    struct csv_table *table = path ? csv_table_open(path, ret_error) : NULL;
    int rc = table ? task_row_print(table, task, ret_error) : -1;
    if (rc == 0)
        task_files_print(view, task);
    if (rc == 0)
        rc = task_attempts_print(view, task, ret_error);
    csv_table_close(table);
    free(path);
    return rc;
}

static int logs_do(const void *values, char **arguments, size_t count, struct error *ret_error)
{
    const struct logs_options *given = values;
    struct target target;
    struct view view = {0};
    const struct roster_task *task = NULL;
    if (target_parse(arguments, count, &target, ret_error) != 0)
        return -1;
    if (given->follow && !target.program)
        target.program = "master";
    int code = view_open(target.run, &view, ret_error);
    if (code == 0 && target.program)
        code = (task = program_choose(&view, target.program, ret_error)) ? 0 : -1;
    if (code == 0 && target.task)
        code = task_print(&view, target.task, ret_error);
    else if (code == 0 && task)
        code = program_print(&view, task, given, ret_error);
    else if (code == 0)
        code = all_print(&view, given, ret_error);
    if (view.rundir.path)
        view_close(&view);
    return code;
}

const struct command command_logs = {
    .name = "logs",
    .arguments = "[RUN | FARM.json] [master | worker-N | task N]",
    .summary = "Print what the farm's programs said, or what became of a task",
    .details =
        "Without a name: the last lines of all of them. RUN is a run directory; without it,\n"
        "the newest in ./runs is meant.\n",
    COMMAND_OPTIONS(options),
    .options_size = sizeof(struct logs_options),
    .arguments_max = 4,
    .run = logs_do,
};

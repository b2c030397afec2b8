/*
 * beofarm status and watch: how far a farm is, once or until its end.
 */
#include "config.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/plain.h"
#include "launch/command.h"
#include "launch/interrupt.h"
#include "launch/screen.h"
#include "launch/view.h"

#define WATCH_POLL_NS (200 * CLOCK_MS_NS) /* while a run is just being made */
#define WATCH_START_S 30                  /* for a master of a run that is just being made */
#define WORKERS_SHOWN 20

struct status_options {
    bool json;
};

static const struct command_option options[] = {
    {"json", 0, NULL, "print JSON", OPTION_FLAG, offsetof(struct status_options, json), 0},
};

static cJSON *tasks_describe(const struct view *view)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < view->roster.count; i++) {
        const struct roster_task *task = &view->roster.tasks[i];
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "id", task->id);
        cJSON_AddStringToObject(object, "state", backend_state_name(task->status.state));
        if (task->status.pid)
            cJSON_AddNumberToObject(object, "pid", (double)task->status.pid);
        if (task->status.state == BACKEND_ENDED) {
            cJSON_AddNumberToObject(object, "exit_code", task->status.exit_code);
            cJSON_AddNumberToObject(object, "signal", task->status.signal);
            cJSON_AddBoolToObject(object, "lost", task->status.lost);
        }
        cJSON_AddItemToArray(list, object);
    }
    return list;
}

static bool known(const struct view *view)
{
    return view->has_master || view->cleaned;
}

static int status_print_json(const struct view *view, struct error *ret_error)
{
    cJSON *root = known(view) ? progress_print(&view->follow.progress) : cJSON_CreateObject();
    cJSON_AddStringToObject(root, "farm", view->name);
    cJSON_AddStringToObject(root, "run", view->rundir.path);
    cJSON_AddStringToObject(root, "state", view_state(view));
    cJSON_AddItemToObject(root, "tasks", tasks_describe(view));
    char *text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    if (!text)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to print the status");
    puts(text);
    free(text);
    return 0;
}

static void workers_print(const struct progress *progress)
{
    size_t shown = 0;
    for (size_t i = 0; i < progress->worker_count && shown < WORKERS_SHOWN; i++) {
        const struct progress_worker *worker = &progress->workers[i];
        printf("  worker %-4lld %-10s %-4s %4lld slot%-2s ", (long long)worker->id,
               worker->state ? worker->state : "?", worker->transport ? worker->transport : "?",
               (long long)worker->slots, worker->slots == 1 ? "" : "s");
        screen_put_text(stdout, worker->host ? worker->host : "?");
        printf("\n");
        shown++;
    }
    if (progress->worker_count > shown)
        printf("  and %zu more; --json has them all\n", progress->worker_count - shown);
}

static void failures_print(const struct progress *progress)
{
    for (size_t i = 0; i < progress->failure_count; i++) {
        printf("  task %lld failed: ", (long long)progress->failures[i].task);
        screen_put_text(stdout, progress->failures[i].sentence);
        printf("\n");
    }
}

static void usage_show(void *context, const char *sentence)
{
    (void)context;
    printf("  used       ");
    screen_put_text(stdout, sentence);
    printf("\n");
}

static void usage_print(struct view *view)
{
    struct error error;
    struct backend_listener listener = {.say = usage_show};
    if (view->backend->ops->usage_say &&
        view->backend->ops->usage_say(view->backend, &listener, &error) != 0)
        usage_show(NULL, error.text);
}

static void status_print(struct view *view)
{
    char text[2 * ERROR_TEXT_MAX];
    const struct progress *progress = &view->follow.progress;
    printf("%s: %s (%s)\n", view->name, view_state(view),
           plain_text(text, sizeof text, view->rundir.path));
    if (!known(view))
        return;
    if (view->cleaned)
        printf("  cleaned    its logs and work directories are removed\n");
    if (progress->host[0])
        printf("  master     on %s%s%s, port %d\n", progress->host,
               progress->address ? ", " : "", progress->address ? progress->address : "",
               progress->port);
    if (progress->counted)
        printf("  progress   %s\n", screen_format_progress(progress, text, sizeof text));
    if (view_running(view) || progress->ended)
        workers_print(progress);
    failures_print(progress);
    usage_print(view);
    if (view->has_master && !view_running(view) &&
        follow_outcome(&view->follow, text, sizeof text) != ERROR_NONE && text[0]) {
        printf("  outcome    ");
        screen_put_text(stdout, text);
        printf("\n");
    }
}

static int status_do(const void *values, char **arguments, size_t count,
                     struct error *ret_error)
{
    const struct status_options *given = values;
    struct view view = {0};
    int code = view_open(count > 0 ? arguments[0] : NULL, &view, ret_error);
    if (code == 0 && given->json)
        code = status_print_json(&view, ret_error);
    else if (code == 0)
        status_print(&view);
    if (view.rundir.path)
        view_close(&view);
    return code;
}

static void watch_event(void *context, const char *text, const cJSON *event)
{
    screen_event(context, text, event);
}

static void watch_say(void *context, const char *sentence)
{
    screen_notice(context, "%s", sentence);
}

/* Whoever watches also looks after the nodes, if nobody leads the farm. */
static int watch_step(struct view *view, struct screen *screen,
                      const struct backend_listener *listener, struct error *ret_error)
{
    if (follow_step(&view->follow, watch_event, screen, ret_error) < 0)
        return -1;
    if (!view->backend->ops->look_after || !view_running(view))
        return 0;
    return view->backend->ops->look_after(view->backend, false, listener, ret_error);
}

/* A run whose master is not there yet is only just beginning, if some `beofarm` leads it. */
static int master_await(const char *argument, struct view *view, struct error *ret_error)
{
    int64_t limit = clock_monotonic_ns() + WATCH_START_S * CLOCK_SECOND_NS;
    struct error ignored;
    int code = view_open(argument, view, ret_error);
    if (code == 0 && view->cleaned)
        return error_set(ret_error, ERROR_USAGE,
                         "this farm was cleaned up; `beofarm status` says how it ended");
    while (code == 0 && !view->has_master) {
        bool led = rundir_lead(&view->rundir, &ignored) != 0;
        view_close(view);
        if (!led || clock_monotonic_ns() > limit)
            return error_set(ret_error, ERROR_BACKEND, "this farm was never started");
        interrupt_sleep(WATCH_POLL_NS);
        code = view_open(argument, view, ret_error);
    }
    return code;
}

static int watch_do(const void *values, char **arguments, size_t count, struct error *ret_error)
{
    const struct status_options *given = values;
    const char *argument = count > 0 ? arguments[0] : NULL;
    char text[2 * ERROR_TEXT_MAX];
    struct view view = {0};
    struct screen screen;
    interrupt_open();
    screen_init(&screen, given->json, false);
    int code = master_await(argument, &view, ret_error);
    int64_t started_ns = clock_monotonic_ns();
    struct backend_listener listener = {.say = watch_say, .context = &screen};
    while (code == 0 && view_running(&view) && interrupt_count() == 0) {
        screen_progress(&screen, &view.follow.progress);
        backend_await(view.backend, view.follow.id, clock_monotonic_ns() - started_ns);
        code = watch_step(&view, &screen, &listener, ret_error);
    }
    screen_finish(&screen);
    if (code == 0 && interrupt_count() == 0)
        code = view_settle(&view, &listener, ret_error);
    if (code == 0 && view_running(&view)) {
        screen_notice(&screen, "the farm goes on without being watched");
        code = ERROR_INTERRUPTED;
    } else if (code == 0) {
        code = follow_outcome(&view.follow, text, sizeof text);
        struct screen_summary summary = {.name = view.name,
                                         .run_dir = view.rundir.path,
                                         .outcome = text[0] ? text : NULL,
                                         .resumable = code != ERROR_NONE && code != ERROR_TASKS,
                                         .exit_code = code};
        screen_summarize(&screen, &view.follow.progress, &summary);
    }
    if (view.rundir.path)
        view_close(&view);
    return code;
}

const struct command command_status = {
    .name = "status",
    .arguments = "[RUN | FARM.json]",
    .summary = "Print how far a farm is",
    .details = "RUN is a run directory; without it, the newest in ./runs is meant.\n",
    COMMAND_OPTIONS(options),
    .options_size = sizeof(struct status_options),
    .arguments_max = 1,
    .run = status_do,
};

const struct command command_watch = {
    .name = "watch",
    .arguments = "[RUN | FARM.json]",
    .summary = "Follow a farm until it ends",
    .details =
        "RUN is a run directory; without it, the newest in ./runs is meant. Ctrl-C ends the\n"
        "watching, not the farm. The exit code is the farm's.\n",
    COMMAND_OPTIONS(options),
    .options_size = sizeof(struct status_options),
    .arguments_max = 1,
    .run = watch_do,
};

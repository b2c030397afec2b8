/*
 * beofarm cancel and clean: end a farm, and remove what is left of it.
 */
#include "config.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/plain.h"
#include "launch/command.h"
#include "launch/disk.h"
#include "launch/interrupt.h"
#include "launch/results.h"
#include "launch/screen.h"
#include "launch/view.h"

#define CANCEL_POLL_NS   (50 * CLOCK_MS_NS)
#define CANCEL_LIMIT_S   70 /* the backend's own grace is shorter */
#define WORKERS_LIMIT_NS (5 * CLOCK_SECOND_NS)

struct cancel_options {
    bool now;
};

static const struct command_option cancel_options[] = {
    {"now", 0, NULL, "kill everything at once", OPTION_FLAG,
     offsetof(struct cancel_options, now), 0},
};

/* Until the master has ended; the second Ctrl-C, or --now, does not wait for it. */
static int master_stop(struct view *view, bool now, struct error *ret_error)
{
    int64_t limit = clock_monotonic_ns() + CANCEL_LIMIT_S * CLOCK_SECOND_NS;
    struct backend *backend = view->backend;
    if (now || !view_running(view))
        return 0;
    int rc = backend->ops->task_terminate(backend, view->follow.id, false, ret_error);
    while (rc == 0 && view_running(view) && clock_monotonic_ns() < limit &&
           interrupt_count() == 0) {
        interrupt_sleep(CANCEL_POLL_NS > view->backend->ops->poll_shortest_ns
                            ? CANCEL_POLL_NS
                            : view->backend->ops->poll_shortest_ns);
        rc = follow_step(&view->follow, NULL, NULL, ret_error) < 0 ? -1 : 0;
    }
    return rc;
}

/* The master has told the workers; give them a moment before they are killed. */
static int workers_await(struct view *view, struct error *ret_error)
{
    int64_t limit = clock_monotonic_ns() + WORKERS_LIMIT_NS;
    while (view_workers_running(view) > 0 && clock_monotonic_ns() < limit &&
           interrupt_count() == 0) {
        interrupt_sleep(CANCEL_POLL_NS > view->backend->ops->poll_shortest_ns
                            ? CANCEL_POLL_NS
                            : view->backend->ops->poll_shortest_ns);
        roster_close(&view->roster);
        if (roster_read(view->backend, &view->roster, ret_error) != 0)
            return -1;
    }
    return 0;
}

static void sentence_print(void *context, const char *sentence)
{
    (void)context;
    printf("  ");
    screen_put_text(stdout, sentence);
    printf("\n");
}

/* Whichever of the two fails, the other is done. */
static int rest_end(struct backend *backend, struct error *ret_error)
{
    struct backend_listener listener = {.say = sentence_print};
    int rc = backend->ops->job_terminate(backend, ret_error);
    if (backend->ops->detach &&
        backend->ops->pool_delete(backend, &listener, rc == 0 ? ret_error : NULL) != 0)
        rc = -1;
    return rc == 0 ? 0 : -1;
}

static int farm_end(struct view *view, bool now, struct error *ret_error)
{
    struct backend *backend = view->backend;
    if (master_stop(view, now, ret_error) != 0 || (!now && workers_await(view, ret_error) != 0))
        return -1;
    return rest_end(backend, ret_error);
}

/* Of a farm without a running master, what may still cost: one whose `beofarm` was killed early has
 * a pool, or workers that look for a master. */
static int remains_end(struct view *view, struct error *ret_error)
{
    bool may_be = view->backend->ops->detach;
    if (may_be && rest_end(view->backend, ret_error) != 0)
        return -1;
    printf("%s does not run (%s): nothing %sto cancel\n", view->name, view_state(view),
           may_be ? "else " : "");
    return 0;
}

static void lost_print(int64_t shots)
{
    printf("%lld shot%s summed by workers that have not handed the sums over: to be computed "
           "again\n",
           (long long)shots, shots == 1 ? " was" : "s were");
}

static void unwritten_print(int64_t results)
{
    printf("%lld result%s could not be journaled: to be computed again\n", (long long)results,
           results == 1 ? "" : "s");
}

static int cancel_do(const void *values, char **arguments, size_t count,
                     struct error *ret_error)
{
    const struct cancel_options *given = values;
    char path[4096];
    struct view view = {0};
    int code = view_open(count > 0 ? arguments[0] : NULL, &view, ret_error);
    if (code == 0 && !view_running(&view) && view_workers_running(&view) == 0) {
        code = remains_end(&view, ret_error);
    } else if (code == 0) {
        interrupt_open();
        code = farm_end(&view, given->now, ret_error);
        if (code == 0 && view.follow.progress.lost)
            lost_print(view.follow.progress.lost);
        if (code == 0 && view.follow.progress.unwritten)
            unwritten_print(view.follow.progress.unwritten);
        if (code == 0)
            printf("%s is stopped; to go on with it:\n  beofarm run --resume %s\n", view.name,
                   plain_argument(path, sizeof path, view.rundir.path));
    }
    if (view.rundir.path)
        view_close(&view);
    return code;
}

struct clean_options {
    bool yes, all;
};

static const struct command_option clean_options[] = {
    {"yes", 'y', NULL, "do not ask", OPTION_FLAG, offsetof(struct clean_options, yes), 0},
    {"all", 0, NULL, "remove the whole run directory, results too", OPTION_FLAG,
     offsetof(struct clean_options, all), 0},
};

static void removal_list(const struct view *view, const char *name, const char *what)
{
    uint64_t files, bytes;
    char size[32], shown[ERROR_TEXT_MAX];
    char *path = name ? rundir_path(&view->rundir, name, NULL) : strdup(view->rundir.path);
    if (path && disk_exists(path)) {
        disk_measure(path, &files, &bytes);
        printf("  %s: %s, %llu files, %s\n", plain_text(shown, sizeof shown, path), what,
               (unsigned long long)files, disk_format_size(bytes, size, sizeof size));
    }
    free(path);
}

static int clean_confirm(const struct view *view, const struct clean_options *given,
                         struct error *ret_error)
{
    int running = view_running(view) + view_workers_running(view);
    printf("%s (%s):\n", view->name, view_state(view));
    struct backend_listener listener = {.say = sentence_print};
    if (running > 0)
        printf("  %d running tasks are killed\n", running);
    if (view->backend->ops->belongings_say &&
        view->backend->ops->belongings_say(view->backend, &listener, ret_error) != 0)
        return -1;
    if (given->all) {
        removal_list(view, NULL, "the whole run, with its results");
    } else {
        removal_list(view, "backend", "logs and work directories");
        removal_list(view, "store", "copies of the farm's files");
    }
    if (given->yes)
        return 0;
    if (!isatty(STDIN_FILENO))
        return error_set(ret_error, ERROR_USAGE, "nothing was removed; --yes removes it");
    char answer[16] = "";
    printf("Remove this? [y/N] ");
    fflush(stdout);
    if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return 0;
    return error_set(ret_error, ERROR_USAGE, "nothing was removed");
}

/* And what a master that was killed had no time to remove. */
static int store_remove(const struct view *view, struct error *ret_error)
{
    char *path = rundir_path(&view->rundir, "store", ret_error);
    int rc = path ? disk_remove(path, ret_error) : -1;
    free(path);
    return rc == 0 ? rundir_near_remove(&view->rundir, ret_error) : -1;
}

/* What the farm has done, as its journal has it, before that goes. */
static int results_save(struct view *view, struct error *ret_error)
{
    if (!view->backend->ops->results_bring)
        return 0;
    if (view->has_master && !view->cleaned &&
        follow_step(&view->follow, NULL, NULL, ret_error) < 0)
        return -1;
    if (results_revive(view, ret_error) != 0)
        return -1;
    return view->backend->ops->results_bring(view->backend, NULL, ret_error);
}

static int clean_do(const void *values, char **arguments, size_t count, struct error *ret_error)
{
    const struct clean_options *given = values;
    struct view view = {0};
    int code = view_open(count > 0 ? arguments[0] : NULL, &view, ret_error);
    if (code == 0)
        code = clean_confirm(&view, given, ret_error);
    if (code == 0 && view_running(&view))
        code = farm_end(&view, false, ret_error);
    if (code == 0)
        code = given->all ? 0 : view_remember(&view, ret_error);
    if (code == 0 && !given->all)
        code = results_save(&view, ret_error);
    if (code == 0)
        code = view.backend->ops->clean(view.backend, ret_error);
    if (code == 0)
        code = given->all ? disk_remove(view.rundir.path, ret_error)
                          : store_remove(&view, ret_error);
    if (code == 0)
        printf("removed\n");
    if (view.rundir.path)
        view_close(&view);
    return code;
}

const struct command command_cancel = {
    .name = "cancel",
    .arguments = "[RUN | FARM.json]",
    .summary = "Stop a farm so that it can be resumed",
    .details = "RUN is a run directory; without it, the newest in ./runs is meant.\n",
    COMMAND_OPTIONS(cancel_options),
    .options_size = sizeof(struct cancel_options),
    .arguments_max = 1,
    .run = cancel_do,
};

const struct command command_clean = {
    .name = "clean",
    .arguments = "[RUN | FARM.json]",
    .summary = "Stop a farm and remove what it no longer needs",
    .details =
        "Removes the tasks' logs and work directories and the copies of the farm's files;\n"
        "the journal, results.csv and out/ stay. RUN is a run directory; without it, the\n"
        "newest in ./runs is meant.\n",
    COMMAND_OPTIONS(clean_options),
    .options_size = sizeof(struct clean_options),
    .arguments_max = 1,
    .run = clean_do,
};

/*
 * beofarm run: a new farm, or --resume of one.
 */
#include "config.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/limits.h"
#include "launch/adopt.h"
#include "launch/away.h"
#include "launch/command.h"
#include "launch/disk.h"
#include "launch/dry_run.h"
#include "launch/homecoming.h"
#include "launch/interrupt.h"
#include "launch/lead.h"
#include "launch/prepare.h"
#include "launch/program.h"
#include "launch/request.h"
#include "launch/session.h"

#define FARM_FILE      "farm.json"
#define FORGET_LIMIT_S 600

struct run_options {
    int64_t workers, limit, slots;
    const char *run_dir, *driver_socket;
    bool resume, accept_changes, retry_failed, take_over, dry_run, detach, json, quiet;
    bool transient; /* the farm file goes once it has been read */
    struct lead_watcher *watcher;
};

static const struct command_option options[] = {
    {"workers", 'w', "N", "start N workers, whatever the farm file says", OPTION_COUNT,
     offsetof(struct run_options, workers), 0},
    {"slots", 's', "N", "run N tasks at a time on each worker, whatever the farm file says",
     OPTION_COUNT, offsetof(struct run_options, slots), 1},
    {"limit", 'n', "N", "run the first N tasks only", OPTION_COUNT,
     offsetof(struct run_options, limit), 1},
    {"dry-run", 0, NULL, "print what would be submitted, and submit nothing", OPTION_FLAG,
     offsetof(struct run_options, dry_run), 0},
    {"detach", 'd', NULL, "leave once the workers are submitted; the farm goes on", OPTION_FLAG,
     offsetof(struct run_options, detach), 0},
    {"resume", 'r', NULL, "go on with a run: the one named, or the newest in ./runs",
     OPTION_FLAG, offsetof(struct run_options, resume), 0},
    {"accept-changes", 0, NULL, "resume although the farm file or its files have changed",
     OPTION_FLAG, offsetof(struct run_options, accept_changes), 0},
    {"retry-failed", 0, NULL, "resume, and run tasks that failed once more", OPTION_FLAG,
     offsetof(struct run_options, retry_failed), 0},
    {"take-over", 0, NULL, "resume although another beofarm leads the farm, in its place",
     OPTION_FLAG, offsetof(struct run_options, take_over), 0},
    {"run-dir", 0, "DIR", "use this run directory instead of runs/NAME-001", OPTION_TEXT,
     offsetof(struct run_options, run_dir), 0},
    {"driver-socket", 0, "PATH",
     "take parameter sets for a PEST case, or operations on a survey, at this Unix socket",
     OPTION_TEXT, offsetof(struct run_options, driver_socket), 0},
    {"json", 0, NULL, "print events as lines of JSON", OPTION_FLAG,
     offsetof(struct run_options, json), 0},
    {"quiet", 'q', NULL, "print the summary only", OPTION_FLAG,
     offsetof(struct run_options, quiet), 0},
};

/* A path as people want to see it: relative to where they are, if it is below. */
static const char *path_shorten(const char *path)
{
    char *here = getcwd(NULL, 0);
    size_t size = here ? strlen(here) : 0;
    bool below = size > 1 && strncmp(path, here, size) == 0 && path[size] == '/';
    free(here);
    return below ? path + size + 1 : path;
}

static bool outputs_exist(const struct rundir *rundir)
{
    char *path = rundir_path(rundir, "out", NULL);
    bool exist = path && disk_exists(path);
    free(path);
    return exist;
}

/* The folder to which something was copied, NULL if none was. */
static const char *home_shorten(const struct homecoming *homecoming)
{
    if (!homecoming->brought)
        return NULL;
    char *here = getcwd(NULL, 0);
    bool is_here = here && strcmp(here, homecoming->to) == 0;
    free(here);
    return is_here ? "." : path_shorten(homecoming->to);
}

static void sentence_show(void *context, const char *sentence)
{
    screen_notice(context, "%s", sentence);
}

/* Before anything of the run is changed: no other machine's beofarm leads it. */
static int place_take(struct backend *backend, bool take_over, struct screen *screen,
                      struct error *ret_error)
{
    struct backend_listener listener = {.say = sentence_show, .context = screen};
    return backend->ops->lead ? backend->ops->lead(backend, take_over, &listener, ret_error)
                              : 0;
}

/* Lead the farm that lies ready in the run directory. `plan`: NULL if it is not known. */
static int farm_lead(struct backend *backend, const struct rundir *rundir,
                     const struct request *request, const struct plan *plan,
                     const struct run_options *given, struct screen *screen,
                     struct error *ret_error)
{
    struct session_result result;
    struct progress progress;
    struct session_context context = {.backend = backend,
                                      .rundir = rundir,
                                      .request = request,
                                      .screen = screen,
                                      .told = plan ? plan->warnings : NULL,
                                      .detach = given->detach,
                                      .watcher = given->watcher};
    const char *home = plan ? plan->home : NULL;
    interrupt_open();
    int code = homecoming_open(&context.homecoming, rundir, request->folder, home, ret_error);
    progress_init(&progress);
    if (code == 0)
        code = place_take(backend, false, screen, ret_error);
    if (code == 0)
        code = session_run(&context, &result, &progress, ret_error);
    if (code == 0 && result.detached) {
        screen_notice(screen, "%s goes on by itself; `beofarm watch %s` follows it",
                      request->farm.name, path_shorten(rundir->path));
    } else if (code == 0) {
        struct screen_summary summary = {.name = request->farm.name,
                                         .run_dir = path_shorten(rundir->path),
                                         .outcome = result.outcome[0] ? result.outcome : NULL,
                                         .resumable = result.resumable,
                                         .exit_code = result.exit_code,
                                         .has_outputs = outputs_exist(rundir),
                                         .home = home_shorten(&context.homecoming)};
        screen_summarize(screen, &progress, &summary);
        code = result.exit_code;
    }
    homecoming_close(&context.homecoming);
    progress_fini(&progress);
    return code;
}

static struct backend *backend_for(const struct rundir *rundir, const struct request *request,
                                   struct error *ret_error)
{
    struct backend_context context = {.run_dir = rundir->path,
                                      .settings = request->farm.backend,
                                      .farm = request->farm.name,
                                      .folder = request->folder};
    return backend_open(&context, ret_error);
}

static void warning_show(const struct preparation *preparation, struct screen *screen)
{
    char text[ERROR_TEXT_MAX];
    if (inputs_warn(&preparation->inputs, text, sizeof text))
        screen_notice(screen, "warning: %s", text);
}

static void beginning_show(const struct preparation *preparation, const struct rundir *rundir,
                           struct screen *screen)
{
    char size[32], contents[256];
    size_t file_count = preparation->inputs.count;
    int workers = preparation->request.workers;
    screen_notice(screen, "%s: %s, %zu file%s (%s), %d worker%s, in %s",
                  preparation->request.farm.name,
                  prepare_describe(preparation, contents, sizeof contents), file_count,
                  file_count == 1 ? "" : "s",
                  disk_format_size(preparation->inputs.bytes, size, sizeof size), workers,
                  workers == 1 ? "" : "s", path_shorten(rundir->path));
    const cJSON *said;
    cJSON_ArrayForEach(said, preparation->plan.warnings) if (cJSON_IsString(said))
    {
        screen_notice(screen, "warning: %s", said->valuestring);
    }
}

/* Nothing is rented, and nothing sent, that the backend is known to refuse. */
static int rent_check(struct backend *backend, int workers, struct screen *screen,
                      struct error *ret_error)
{
    struct backend_listener listener = {.say = sentence_show, .context = screen};
    return backend->ops->check ? backend->ops->check(backend, workers, &listener, ret_error)
                               : 0;
}

static int farm_check_argument(const char *farm_file, struct error *ret_error)
{
    struct stat status;
    if (stat(farm_file, &status) == 0 && S_ISDIR(status.st_mode) && rundir_is(farm_file))
        return error_set(ret_error, ERROR_USAGE,
                         "\"%s\" is a run directory; `beofarm run --resume %s` goes on with it",
                         farm_file, farm_file);
    if (stat(farm_file, &status) == 0 && S_ISDIR(status.st_mode))
        return error_set(ret_error, ERROR_USAGE, "\"%s\" is a folder; name the farm file in it",
                         farm_file);
    if (!disk_exists(farm_file) && strcmp(farm_file, FARM_FILE) == 0)
        return error_set(ret_error, ERROR_USAGE,
                         "there is no " FARM_FILE " here; name a farm file, or write one with "
                         "`beofarm init`");
    return 0;
}

static int run_new(const char *farm_file, const struct run_options *given,
                   const struct request_overrides *overrides, struct screen *screen,
                   char **ret_run_dir, struct error *ret_error)
{
    struct preparation preparation = {0};
    struct rundir rundir = {.lock = -1};
    struct backend *backend = NULL;
    int code = farm_check_argument(farm_file, ret_error);
    if (code == 0)
        code = prepare_read(farm_file, overrides, &preparation, ret_error);
    if (code == 0)
        warning_show(&preparation, screen);
    if (code == 0 && given->dry_run) {
        code = dry_run_print(&preparation, given->run_dir, given->json, ret_error);
        goto out;
    }
    if (code == 0)
        code = rundir_create(given->run_dir, preparation.request.farm.name,
                             preparation.request.path, overrides, &rundir, ret_error);
    if (given->transient)
        unlink(farm_file);
    if (code == 0 && ret_run_dir && !(*ret_run_dir = strdup(rundir.path)))
        code = error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    if (code == 0)
        code = (backend = backend_for(&rundir, &preparation.request, ret_error)) ? 0 : -1;
    if (code == 0) {
        beginning_show(&preparation, &rundir, screen);
        code = rent_check(backend, preparation.request.workers * preparation.request.nodes,
                          screen, ret_error);
    }
    if (code == 0) {
        code = prepare_lay(&preparation, &rundir, backend, NULL, screen, ret_error);
    }
    if (code == 0)
        code = farm_lead(backend, &rundir, &preparation.request, &preparation.plan, given,
                         screen, ret_error);
out:
    backend_close(backend);
    rundir_close(&rundir);
    prepare_close(&preparation);
    return code;
}

static const struct request_overrides nothing_overridden = {
    .workers = REQUEST_NOT_GIVEN, .tasks = REQUEST_NOT_GIVEN, .slots = REQUEST_NOT_GIVEN};

int lead_run(const char *farm_file, const char *run_dir, struct lead_watcher *watcher,
             struct screen *screen, char **ret_run_dir, struct error *ret_error)
{
    const struct run_options given = {
        .run_dir = run_dir, .transient = true, .watcher = watcher};
    *ret_run_dir = NULL;
    return run_new(farm_file, &given, &nothing_overridden, screen, ret_run_dir, ret_error);
}

int lead_show(const char *farm_file, const char *run_dir, struct error *ret_error)
{
    struct screen screen;
    const struct run_options given = {.run_dir = run_dir, .dry_run = true};
    screen_init(&screen, false, false);
    return run_new(farm_file, &given, &nothing_overridden, &screen, NULL, ret_error);
}

/* What the command line says now, else what it said then. */
static struct request_overrides overrides_merge(const struct request_overrides *now,
                                                const struct request_overrides *then)
{
    struct request_overrides merged = {
        .workers = now->workers != REQUEST_NOT_GIVEN ? now->workers : then->workers,
        .tasks = now->tasks != REQUEST_NOT_GIVEN ? now->tasks : then->tasks,
        .slots = now->slots != REQUEST_NOT_GIVEN ? now->slots : then->slots,
    };
    memcpy(merged.socket, now->socket[0] ? now->socket : then->socket, sizeof merged.socket);
    return merged;
}

static int master_lives(struct backend *backend, bool *ret_lives, struct error *ret_error)
{
    struct roster roster = {0};
    int rc = roster_read(backend, &roster, ret_error);
    const struct roster_task *master = rc == 0 ? roster_master(&roster) : NULL;
    *ret_lives = master && master->status.state != BACKEND_ENDED;
    roster_close(&roster);
    return rc;
}

/* Refuse what changed, or take it over. */
static int changes_settle(struct preparation *preparation, struct rundir *rundir,
                          struct backend *backend, const struct run_options *given,
                          const struct request_overrides *overrides, struct screen *screen,
                          struct error *ret_error)
{
    char names[700];
    bool lives;
    bool *known = calloc(preparation->inputs.count + 1, sizeof *known);
    if (!known)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to compare the farm's files");
    long changes =
        prepare_compare(preparation, rundir, overrides, known, names, sizeof names, ret_error);
    int rc = changes < 0 ? -1 : master_lives(backend, &lives, ret_error);
    if (rc == 0 && changes > 0 && lives)
        rc = error_set(
            ret_error, ERROR_CHANGED,
            "the farm still runs, but since it began these changed: %s; `beofarm cancel` "
            "it first",
            names);
    else if (rc == 0 && changes > 0 && !given->accept_changes)
        rc = error_set(ret_error, ERROR_CHANGED,
                       "since this run began these changed: %s; put them back, or resume with "
                       "--accept-changes",
                       names);
    else if (rc == 0 && changes > 0)
        screen_notice(screen, "going on with what changed: %s", names);
    if (rc == 0 && !lives)
        rc = prepare_lay(preparation, rundir, backend, known, screen, ret_error);
    free(known);
    return rc;
}

/* Go on with what the run directory holds, because the farm file it came from is gone. */
static int resume_alone(struct rundir *rundir, const struct request_overrides *overrides,
                        const struct run_options *given, struct screen *screen,
                        struct error *ret_error)
{
    struct request request = {0};
    struct backend *backend = NULL;
    char *path = rundir_path(rundir, "farm.json", ret_error);
    int code = path ? request_open(path, overrides, &request, ret_error) : -1;
    screen_notice(screen, "%s is gone: going on with the copy in the run directory",
                  rundir->farm_file);
    if (code == 0)
        code = disk_write(path, request.text, strlen(request.text), 0644, true, ret_error);
    if (code == 0)
        code = (backend = backend_for(rundir, &request, ret_error)) ? 0 : -1;
    if (code == 0)
        code = place_take(backend, given->take_over, screen, ret_error);
    if (code == 0)
        code = farm_lead(backend, rundir, &request, NULL, given, screen, ret_error);
    backend_close(backend);
    request_close(&request);
    free(path);
    return code;
}

/* What came home from this run lies beside the farm file, but is no file of the farm's. */
static int returned_forget(struct preparation *preparation, const struct rundir *rundir,
                           struct error *ret_error)
{
    struct homecoming homecoming;
    if (homecoming_open(&homecoming, rundir, preparation->request.folder,
                        preparation->plan.home, ret_error) != 0)
        return -1;
    int rc = homecoming_forget(&homecoming, &preparation->inputs, ret_error);
    homecoming_close(&homecoming);
    return rc;
}

static int resume_compared(struct rundir *rundir, const struct run_options *given,
                           const struct request_overrides *now,
                           const struct request_overrides *overrides, struct screen *screen,
                           struct error *ret_error)
{
    struct preparation preparation = {0};
    struct backend *backend = NULL;
    int code = prepare_read(rundir->farm_file, overrides, &preparation, ret_error);
    if (code == 0)
        warning_show(&preparation, screen);
    if (code == 0)
        code = (backend = backend_for(rundir, &preparation.request, ret_error)) ? 0 : -1;
    if (code == 0)
        code = place_take(backend, given->take_over, screen, ret_error);
    if (code == 0)
        code = returned_forget(&preparation, rundir, ret_error);
    if (code == 0)
        code = changes_settle(&preparation, rundir, backend, given, now, screen, ret_error);
    if (code == 0)
        beginning_show(&preparation, rundir, screen);
    if (code == 0)
        code = farm_lead(backend, rundir, &preparation.request, &preparation.plan, given,
                         screen, ret_error);
    backend_close(backend);
    prepare_close(&preparation);
    return code;
}

static int forget_ask(struct backend *backend, const struct rundir *rundir,
                      struct screen *screen, struct error *ret_error)
{
    struct program_answer answer;
    const char *const args[] = {"--forget-failed", rundir->path, NULL};
    int rc = away_ask(backend, rundir, args, FORGET_LIMIT_S, &answer, ret_error);
    const char *count = rc == 0 ? buf_text(&answer.output) : NULL;
    if (count)
        screen_notice(screen, "%.*s failed task%s will be run again", (int)strcspn(count, "\n"),
                      count, strcmp(count, "1\n") == 0 ? "" : "s");
    program_answer_fini(&answer);
    return rc;
}

/* Have the journal forget those that failed; the master then finds them missing. */
static int failed_forget(const struct rundir *rundir, bool take_over, struct screen *screen,
                         struct error *ret_error)
{
    struct request request = {0};
    struct backend *backend = NULL;
    char *copy = rundir_path(rundir, "farm.json", ret_error);
    const char *path = copy && disk_exists(rundir->farm_file) ? rundir->farm_file : copy;
    int rc = path ? request_open(path, NULL, &request, ret_error) : -1;
    if (rc == 0)
        rc = (backend = backend_for(rundir, &request, ret_error)) ? 0 : -1;
    if (rc == 0)
        rc = place_take(backend, take_over, screen, ret_error);
    if (rc == 0)
        rc = forget_ask(backend, rundir, screen, ret_error);
    backend_close(backend);
    request_close(&request);
    free(copy);
    return rc;
}

static int run_resume(const char *argument, const struct run_options *given,
                      const struct request_overrides *now, struct screen *screen,
                      struct error *ret_error)
{
    struct rundir rundir = {.lock = -1};
    if (given->run_dir && argument)
        return error_set(ret_error, ERROR_USAGE, "two run directories are named");
    if (given->dry_run)
        return error_set(ret_error, ERROR_USAGE,
                         "--dry-run shows a new run, not a resumed one");
    const char *name = argument ? argument : given->run_dir;
    int code = adopt_wanted(name) ? adopt_open(name, &rundir, ret_error)
                                  : rundir_open(name, &rundir, ret_error);
    if (code == 0 && rundir.lock < 0)
        code = rundir_lead(&rundir, ret_error);
    if (code == 0 && given->retry_failed)
        code = failed_forget(&rundir, given->take_over, screen, ret_error);
    if (code == 0) {
        struct request_overrides overrides = overrides_merge(now, &rundir.overrides);
        code = rundir_touch(&rundir, &overrides, ret_error);
        if (code == 0 && disk_exists(rundir.farm_file))
            code = resume_compared(&rundir, given, now, &overrides, screen, ret_error);
        else if (code == 0)
            code = resume_alone(&rundir, now, given, screen, ret_error);
    }
    rundir_close(&rundir);
    return code;
}

static int run_do(const void *values, char **arguments, size_t count, struct error *ret_error)
{
    const struct run_options *given = values;
    const char *argument = count > 0 ? arguments[0] : NULL;
    struct request_overrides now = {
        .workers = given->workers, .tasks = given->limit, .slots = given->slots};
    struct screen screen;
    screen_init(&screen, given->json, given->quiet);
    if (limits_check_files(LIMITS_FILES, ret_error) < 0)
        return -1; /* what is started here may have no more than we */
    if (given->driver_socket &&
        request_override_socket(&now, given->driver_socket, ret_error) < 0)
        return -1;
    if (given->accept_changes && !given->resume)
        return error_set(ret_error, ERROR_USAGE, "--accept-changes belongs to --resume");
    if (given->retry_failed && !given->resume)
        return error_set(ret_error, ERROR_USAGE, "--retry-failed belongs to --resume");
    if (given->take_over && !given->resume)
        return error_set(ret_error, ERROR_USAGE, "--take-over belongs to --resume");
    if (given->resume)
        return run_resume(argument, given, &now, &screen, ret_error);
    char *farm_file = request_find(argument ? argument : FARM_FILE, ret_error);
    int code = farm_file ? run_new(farm_file, given, &now, &screen, NULL, ret_error) : -1;
    free(farm_file);
    return code;
}

const struct command command_run = {
    .name = "run",
    .arguments = "[FARM.json | CASE.pst | RUN]",
    .summary = "Run a farm, or go on with one, and follow it to its end",
    .details =
        "Without a farm file, ./farm.json is run. A PEST control file is run with all "
        "defaults:\n"
        "one worker with a slot for each core of this machine. The first Ctrl-C ends the farm "
        "so that it\n"
        "can be resumed, the second ends it at once. If this command itself is killed, the\n"
        "farm goes on, and --resume follows it again.\n",
    COMMAND_OPTIONS(options),
    .options_size = sizeof(struct run_options),
    .arguments_max = 1,
    .run = run_do,
};

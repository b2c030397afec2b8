/*
 * beofarm mpirun: one MPI program on some nodes, as if these were here.
 *
 * Standard output is the program's: what the farm has to say goes to standard error.
 */
#include "config.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/plain.h"
#include "launch/command.h"
#include "launch/disk.h"
#include "launch/lead.h"
#include "launch/mpirun_farm.h"
#include "launch/mpirun_home.h"
#include "launch/mpirun_live.h"
#include "launch/screen.h"

#define WORDS_MAX    4096
#define NOT_FOUND    127 /* a shell's word for it */
#define NO_EXIT_CODE (-2)

struct mpirun_options {
    int64_t ranks, nodes, timeout_s;
    const char *backend, *run_dir;
    bool dry_run, quiet;
};

static const struct command_option options[] = {
    {"ranks", 'n', "N", "start N ranks; without it, one for each core of the nodes",
     OPTION_COUNT, offsetof(struct mpirun_options, ranks), 1},
    {"nodes", 'N', "K", "on K nodes, over which ranks are spread evenly; without it, on one",
     OPTION_COUNT, offsetof(struct mpirun_options, nodes), 1},
    {"backend", 'b', "FILE", "on the backend of this farm file; without it, on this machine",
     OPTION_TEXT, offsetof(struct mpirun_options, backend), 0},
    {"timeout", 't', "S", "end the program after S seconds", OPTION_COUNT,
     offsetof(struct mpirun_options, timeout_s), 1},
    {"run-dir", 0, "DIR", "use this run directory instead of runs/PROGRAM-001", OPTION_TEXT,
     offsetof(struct mpirun_options, run_dir), 0},
    {"dry-run", 0, NULL, "print what would be submitted, and submit nothing", OPTION_FLAG,
     offsetof(struct mpirun_options, dry_run), 0},
    {"quiet", 'q', NULL, "print the summary only", OPTION_FLAG,
     offsetof(struct mpirun_options, quiet), 0},
};

/* Write the farm file beside the program, under a name that nobody uses. */
static int farm_write(const struct mpirun_order *order, char path[64], struct error *ret_error)
{
    struct buf text;
    buf_init(&text, 16 << 20);
    snprintf(path, 64, ".beofarm-mpirun-%d.json", (int)getpid());
    int rc = mpirun_farm_put(&text, order, ret_error);
    if (rc == 0)
        rc = disk_write(path, text.data, text.size, 0600, false, ret_error);
    buf_fini(&text);
    return rc;
}

/* Standard output means standard error, until stdout_restore with what this returns. */
static int stdout_divert(void)
{
    fflush(stdout);
    int kept = dup(STDOUT_FILENO);
    if (kept >= 0)
        dup2(STDERR_FILENO, STDOUT_FILENO);
    return kept;
}

static void stdout_restore(int kept)
{
    fflush(stdout);
    if (kept >= 0) {
        dup2(kept, STDOUT_FILENO);
        close(kept);
    }
}

static int exit_code_read(const char *folder, struct error *ret_error)
{
    struct buf text;
    char *end = NULL, *path = disk_join(folder, MPIRUN_EXIT, ret_error);
    long code = NO_EXIT_CODE;
    buf_init(&text, 256 << 10);
    if (path && disk_exists(path) && disk_read(path, 4096, &text, ret_error) == 0) {
        const char *digits = buf_text(&text);
        long read = digits ? strtol(digits, &end, 10) : 0;
        if (digits && end != digits && read >= 0 && read <= 255)
            code = read;
    }
    buf_fini(&text);
    free(path);
    return (int)code;
}

static void kept_tell(const struct mpirun_home *brought, const char *run_dir)
{
    char name[ERROR_TEXT_MAX], run[ERROR_TEXT_MAX];
    fprintf(stderr,
            "beofarm: %zu file%s changed here meanwhile, such as %s; what the program made of "
            "them is in %s/out/1\n",
            brought->kept, brought->kept == 1 ? "" : "s",
            plain_text(name, sizeof name, brought->kept_name),
            plain_text(run, sizeof run, run_dir));
}

/* What it printed, and its files. Its exit code; NO_EXIT_CODE if it has none. */
static int outcome_bring(const char *run_dir, const char *home, const struct timespec *began,
                         struct mpirun_live *live, struct screen *screen,
                         struct error *ret_error)
{
    struct mpirun_home brought;
    char *folder = disk_join(run_dir, "out/1", ret_error);
    if (!folder)
        return -1;
    int code = exit_code_read(folder, ret_error);
    int rc = 0;
    if (code >= 0)
        rc = mpirun_live_finish(live, folder, ret_error);
    if (rc == 0)
        rc = mpirun_home_bring(folder, home, began, &brought, ret_error);
    free(folder);
    if (rc != 0)
        return -1;
    if (screen->mode != SCREEN_QUIET && brought.brought)
        fprintf(stderr, "beofarm: %zu file%s came home\n", brought.brought,
                brought.brought == 1 ? "" : "s");
    if (brought.kept)
        kept_tell(&brought, run_dir);
    if (code == NOT_FOUND)
        fprintf(stderr, "beofarm: is there an mpirun on the nodes, and the program for it?\n");
    return code;
}

static int order_run(const struct mpirun_options *given, const struct mpirun_order *order,
                     struct error *ret_error)
{
    char farm_file[64], *run_dir = NULL;
    struct timespec began;
    struct screen screen;
    struct mpirun_live live;
    if (farm_write(order, farm_file, ret_error) != 0)
        return -1;
    if (given->dry_run) {
        int code = lead_show(farm_file, given->run_dir, ret_error);
        unlink(farm_file);
        return code;
    }
    clock_gettime(CLOCK_REALTIME, &began);
    int kept = stdout_divert();
    screen_init(&screen, false, given->quiet);
    mpirun_live_init(&live, kept);
    int code = lead_run(farm_file, given->run_dir, &live.watcher, &screen, &run_dir, ret_error);
    unlink(farm_file);
    stdout_restore(kept);
    live.out = STDOUT_FILENO;
    if (code >= 0 && run_dir) {
        int own = outcome_bring(run_dir, order->folder, &began, &live, &screen, ret_error);
        code = own == NO_EXIT_CODE ? (code ? code : ERROR_TASKS) : own;
    }
    free(run_dir);
    return code;
}

static int mpirun_do(const void *values, char **arguments, size_t count,
                     struct error *ret_error)
{
    const struct mpirun_options *given = values;
    if (count == 0)
        return error_set(ret_error, ERROR_USAGE,
                         "name the program: beofarm mpirun -n 4 -- ./program ARGUMENTS");
    char *folder = getcwd(NULL, 0);
    if (!folder)
        return error_set(ret_error, ERROR_SYSTEM, "the working directory is gone");
    struct mpirun_order order = {
        .ranks = given->ranks == OPTION_NOT_GIVEN ? 0 : given->ranks,
        .nodes = given->nodes == OPTION_NOT_GIVEN ? 1 : given->nodes,
        .timeout_s = given->timeout_s == OPTION_NOT_GIVEN ? 0 : given->timeout_s,
        .backend = given->backend,
        .folder = folder,
        .words = arguments,
        .count = count};
    int code = order_run(given, &order, ret_error);
    free(folder);
    return code;
}

const struct command command_mpirun = {
    .name = "mpirun",
    .arguments = "-- PROGRAM [ARGUMENT...]",
    .summary = "Run one MPI program on some nodes, and bring home what it leaves",
    .details = "The working directory travels to the nodes (less what .farmignore says); "
               "mpirun starts the\n"
               "program there; what it prints is shown as it comes. Files that are new or have "
               "changed come\n"
               "back, and its exit code is ours. What was rented is given back.\n",
    COMMAND_OPTIONS(options),
    .options_size = sizeof(struct mpirun_options),
    .arguments_max = WORDS_MAX,
    .run = mpirun_do,
};

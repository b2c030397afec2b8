#include "config.h"

#include "launch/results.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "launch/away.h"
#include "launch/disk.h"
#include "launch/program.h"

#define REBUILD_LIMIT_S 3600

/* Is the file `name` of the run newer than results.csv? */
static bool file_newer(const struct view *view, const char *name, const struct stat *results)
{
    struct stat status;
    char *path = rundir_path(&view->rundir, name, NULL);
    bool newer = path && stat(path, &status) == 0 &&
                 (status.st_mtim.tv_sec > results->st_mtim.tv_sec ||
                  (status.st_mtim.tv_sec == results->st_mtim.tv_sec &&
                   status.st_mtim.tv_nsec > results->st_mtim.tv_nsec));
    free(path);
    return newer;
}

static bool results_stale(const struct view *view, const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return true;
    if (view_running(view) || (view->has_master && view->follow.progress.ended))
        return false;
    return file_newer(view, "journal.db", &status) ||
           file_newer(view, "journal.db-wal", &status);
}

static int results_rebuild(const struct view *view, struct error *ret_error)
{
    struct program_answer answer;
    const char *const args[] = {"--results", view->rundir.path, NULL};
    int rc =
        program_ask_patiently("beofarm-master", args, REBUILD_LIMIT_S,
                              "writing results.csv again from the journal", &answer, ret_error);
    if (rc == 0 && answer.exit_code != 0)
        rc = program_answer_refuse("beofarm-master", &answer, ret_error);
    program_answer_fini(&answer);
    return rc;
}

int results_revive(const struct view *view, struct error *ret_error)
{
    struct program_answer answer;
    const char *const args[] = {"--results", view->rundir.path, NULL};
    if (!view->backend->ops->journal_put || !view->has_master || view->cleaned ||
        view_running(view) || view->follow.progress.ended)
        return 0;
    int rc = away_ask(view->backend, &view->rundir, args, REBUILD_LIMIT_S, &answer, ret_error);
    program_answer_fini(&answer);
    return rc;
}

/* Whether the file begins as master/results.c begins it. One that is empty has only just been
 * made. */
static bool is_ours(const char *path)
{
    static const char first[] = "task,", last[] = ",error\n";
    char *line = NULL;
    size_t room = 0;
    FILE *file = fopen(path, "re");
    ssize_t size = file ? getline(&line, &room, file) : 0;
    bool ours = size <= 0 || ((size_t)size >= sizeof last - 1 &&
                              strncmp(line, first, sizeof first - 1) == 0 &&
                              strcmp(line + size - (sizeof last - 1), last) == 0);
    free(line);
    if (file)
        fclose(file);
    return ours;
}

static int results_check(const char *path, bool have_journal, struct error *ret_error)
{
    if (is_ours(path))
        return 0;
    return error_set(
        ret_error, ERROR_CONFIG,
        "\"%s\" is not what beofarm wrote: its first line does not name the columns "
        "\"task\" to \"error\"; %s",
        path,
        have_journal ? "move it away, and it is written again from the journal"
                     : "and there is no journal from which to write it again");
}

char *results_prepare(const struct view *view, struct error *ret_error)
{
    int rc = -1;
    char *path = rundir_path(&view->rundir, "results.csv", ret_error);
    char *journal = rundir_path(&view->rundir, "journal.db", ret_error);
    if (path && journal) {
        bool stale = results_stale(view, path), have_journal = disk_exists(journal);
        if (stale && have_journal && !view_running(view))
            rc = results_rebuild(view, ret_error);
        else if (disk_exists(path))
            rc = results_check(path, have_journal, ret_error);
        else
            error_set(ret_error, ERROR_USAGE, "no task of \"%s\" has ended yet",
                      view->rundir.path);
    }
    free(journal);
    if (rc == 0)
        return path;
    free(path);
    return NULL;
}

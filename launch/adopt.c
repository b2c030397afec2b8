#include "config.h"

#include "launch/adopt.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "launch/backend.h"
#include "launch/disk.h"

#define RUN_MAX 256 /* bytes of a run's name */

bool adopt_wanted(const char *argument)
{
    struct stat status;
    return argument && stat(argument, &status) == 0 && S_ISREG(status.st_mode);
}

static struct backend *backend_on(const char *run_dir, const struct request *request,
                                  struct error *ret_error)
{
    struct backend_context context = {.run_dir = run_dir,
                                      .settings = request->farm.backend,
                                      .farm = request->farm.name,
                                      .folder = request->folder};
    return backend_open(&context, ret_error);
}

/* The name of the run that lies in this run directory, into name; "" if none does. */
static void run_name(const char *path, const struct request *request, char name[RUN_MAX])
{
    struct error ignored;
    struct buf text;
    struct backend *backend = backend_on(path, request, &ignored);
    name[0] = '\0';
    buf_init(&text, RUN_MAX - 1);
    if (backend && backend->ops->run_put(backend, &text, &ignored) == 0 && buf_text(&text))
        snprintf(name, RUN_MAX, "%s", buf_text(&text));
    buf_fini(&text);
    backend_close(backend);
}

/* A run directory in ./runs that has the run `name`: 1 if there is one, and it is open. */
static int here_find(const char *name, const struct request *request, struct rundir *ret_rundir,
                     struct error *ret_error)
{
    DIR *stream = opendir("runs");
    struct dirent *entry;
    int rc = 0;
    while (stream && rc == 0 && (entry = readdir(stream))) {
        char path[300], found[RUN_MAX];
        snprintf(path, sizeof path, "runs/%s", entry->d_name);
        if (entry->d_name[0] == '.' || !rundir_is(path))
            continue;
        run_name(path, request, found);
        if (strcmp(found, name) == 0)
            rc = rundir_open(path, ret_rundir, ret_error) == 0 ? 1 : -1;
    }
    if (stream)
        closedir(stream);
    return rc;
}

static int newest_ask(const struct request *request, char name[RUN_MAX],
                      struct error *ret_error)
{
    struct buf text;
    struct backend *backend = backend_on("", request, ret_error);
    int rc = backend ? 0 : -1;
    buf_init(&text, RUN_MAX - 1);
    if (rc == 0 && !backend->ops->newest_put)
        rc = error_set(ret_error, ERROR_USAGE,
                       "\"%s\" is a farm file, and its backend \"%s\" keeps runs in run "
                       "directories alone: name one",
                       request->path, backend->ops->kind);
    else if (rc == 0)
        rc = backend->ops->newest_put(backend, &text, ret_error);
    if (rc == 0 && text.size == 0)
        rc = error_set(ret_error, ERROR_USAGE,
                       "no run of the farm \"%s\" is known to its backend", request->farm.name);
    if (rc == 0)
        snprintf(name, RUN_MAX, "%s", buf_text(&text) ? buf_text(&text) : "");
    buf_fini(&text);
    backend_close(backend);
    return rc;
}

/* A new run directory for the newest run. */
static int here_make(const struct request *request, struct rundir *ret_rundir,
                     struct error *ret_error)
{
    const struct request_overrides none = {
        .workers = REQUEST_NOT_GIVEN, .tasks = REQUEST_NOT_GIVEN, .slots = REQUEST_NOT_GIVEN};
    struct rundir rundir = {.lock = -1};
    if (rundir_create(NULL, request->farm.name, request->path, &none, &rundir, ret_error) != 0)
        return -1;
    char *path = rundir_path(&rundir, "farm.json", ret_error);
    struct backend *backend = NULL;
    int rc = path
                 ? disk_write(path, request->text, strlen(request->text), 0644, true, ret_error)
                 : -1;
    if (rc == 0)
        rc = (backend = backend_on(rundir.path, request, ret_error)) ? 0 : -1;
    if (rc == 0)
        rc = backend->ops->adopt(backend, ret_error);
    backend_close(backend);
    free(path);
    if (rc == 0) {
        *ret_rundir = rundir;
        return 0;
    }
    disk_remove(rundir.path, NULL);
    rundir_close(&rundir);
    return -1;
}

int adopt_open(const char *farm_file, struct rundir *ret_rundir, struct error *ret_error)
{
    struct request request = {0};
    char name[RUN_MAX];
    int rc = request_open(farm_file, NULL, &request, ret_error);
    if (rc == 0)
        rc = newest_ask(&request, name, ret_error);
    int found = rc == 0 ? here_find(name, &request, ret_rundir, ret_error) : -1;
    if (found == 0)
        rc = here_make(&request, ret_rundir, ret_error);
    request_close(&request);
    return found < 0 ? -1 : rc;
}

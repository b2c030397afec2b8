#include "config.h"

#include "launch/view.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "launch/adopt.h"
#include "launch/disk.h"

#define SAID_FILE  "said.txt" /* the master's stdout.txt, once its task is removed */
#define SAID_MAX   ((size_t)1 << 30)
#define SAID_PIECE ((size_t)1 << 20)

static int farm_read(struct view *view, struct error *ret_error)
{
    char *path = rundir_path(&view->rundir, "farm.json", ret_error);
    int rc = path ? 0 : -1;
    if (path && disk_exists(path))
        rc = json_read_file(path, JSON_STRICT, &view->farm, ret_error);
    free(path);
    const char *name = cJSON_GetStringValue(json_member(view->farm, "name"));
    view->name = name ? name : "?";
    return rc;
}

/* What view_remember kept, if anything. */
static int memory_read(struct view *view, struct error *ret_error)
{
    struct buf said;
    char *path = rundir_path(&view->rundir, SAID_FILE, ret_error);
    int rc = path ? 0 : -1;
    buf_init(&said, SAID_MAX);
    view->cleaned = path && disk_exists(path);
    if (view->cleaned) {
        follow_init(&view->follow, view->backend, "");
        rc = disk_read(path, SAID_MAX, &said, ret_error);
    }
    if (rc == 0 && view->cleaned)
        rc = progress_feed(&view->follow.progress, said.data, said.size, NULL, NULL, ret_error);
    buf_fini(&said);
    free(path);
    return rc;
}

int view_remember(const struct view *view, struct error *ret_error)
{
    struct buf said;
    char *path;
    int64_t count = 1;
    if (!view->has_master)
        return 0;
    path = rundir_path(&view->rundir, SAID_FILE, ret_error);
    int rc = path ? 0 : -1;
    buf_init(&said, SAID_MAX);
    while (rc == 0 && count > 0) {
        count = view->backend->ops->task_read(view->backend, view->follow.id, "stdout.txt",
                                              said.size, SAID_PIECE, &said, ret_error);
        rc = count < 0 ? -1 : 0;
    }
    if (rc == 0)
        rc = disk_write(path, said.data, said.size, 0644, true, ret_error);
    buf_fini(&said);
    free(path);
    return rc;
}

static int folder_set(struct view *view, struct error *ret_error)
{
    view->folder = strdup(view->rundir.farm_file);
    if (!view->folder)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    char *slash = strrchr(view->folder, '/');
    if (slash)
        *slash = '\0';
    return 0;
}

int view_open(const char *argument, struct view *ret_view, struct error *ret_error)
{
    struct view view = {.rundir = {.lock = -1}};
    int rc = adopt_wanted(argument) ? adopt_open(argument, &view.rundir, ret_error)
                                    : rundir_open(argument, &view.rundir, ret_error);
    if (rc == 0)
        rc = farm_read(&view, ret_error);
    if (rc == 0)
        rc = folder_set(&view, ret_error);
    if (rc == 0) {
        struct backend_context context = {.run_dir = view.rundir.path,
                                          .settings = json_member(view.farm, "backend"),
                                          .farm = view.name,
                                          .folder = view.folder};
        view.backend = backend_open(&context, ret_error);
        rc = view.backend ? roster_read(view.backend, &view.roster, ret_error) : -1;
    }
    const struct roster_task *master = rc == 0 ? roster_master(&view.roster) : NULL;
    if (master) {
        view.has_master = true;
        follow_init(&view.follow, view.backend, master->id);
        rc = follow_step(&view.follow, NULL, NULL, ret_error) < 0 ? -1 : 0;
    } else if (rc == 0) {
        rc = memory_read(&view, ret_error);
    }
    if (rc == 0)
        *ret_view = view;
    else
        view_close(&view);
    return rc;
}

void view_close(struct view *view)
{
    if (view->has_master || view->cleaned)
        follow_fini(&view->follow);
    roster_close(&view->roster);
    backend_close(view->backend);
    cJSON_Delete(view->farm);
    free(view->folder);
    rundir_close(&view->rundir);
    memset(view, 0, sizeof *view);
}

bool view_running(const struct view *view)
{
    return view->has_master && view->follow.status.state != BACKEND_ENDED;
}

const char *view_state(const struct view *view)
{
    if (!view->has_master && !view->cleaned)
        return "new";
    if (view_running(view))
        return "running";
    const char *said = view->follow.progress.status;
    return said ? said : "broken";
}

int view_settle(struct view *view, const struct backend_listener *listener,
                struct error *ret_error)
{
    struct backend *backend = view->backend;
    if (!backend->ops->detach || view_running(view) || view->cleaned)
        return 0;
    /* Whichever of them fails, the others are done. */
    int rc = backend->ops->job_terminate(backend, ret_error);
    if (backend->ops->pool_delete(backend, listener, rc == 0 ? ret_error : NULL) != 0)
        rc = -1;
    if (backend->ops->results_bring &&
        backend->ops->results_bring(backend, listener, rc == 0 ? ret_error : NULL) != 0)
        rc = -1;
    return rc == 0 ? 0 : -1;
}

int view_workers_running(const struct view *view)
{
    int running = 0;
    for (size_t i = 0; i < view->roster.count; i++)
        running += !view->roster.tasks[i].master &&
                   view->roster.tasks[i].status.state != BACKEND_ENDED;
    return running;
}

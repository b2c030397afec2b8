#include "config.h"

#include "launch/local/local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/store.h"
#include "common/tree.h"
#include "launch/disk.h"
#include "launch/inputs.h"
#include "launch/interrupt.h"
#include "launch/local/environment.h"
#include "launch/local/news.h"
#include "launch/local/supervisor.h"
#include "launch/local/task.h"
#include "launch/program.h"

#define CLEAN_LIMIT_S 10
#define JOB_NOTE      "job.json"

struct local {
    struct backend base;
    char *run_dir;
    char *folder; /* RUN/backend */
    char *tasks;  /* RUN/backend/tasks */
    char *store_uri;
    struct news news;
};

static struct local *local_of(struct backend *backend)
{
    return (struct local *)backend;
}

static void local_close(struct backend *backend)
{
    struct local *local = local_of(backend);
    news_fini(&local->news);
    free(local->run_dir);
    free(local->folder);
    free(local->tasks);
    free(local->store_uri);
    free(local);
}

static struct backend *local_open(const struct backend_context *context,
                                  struct error *ret_error)
{
    struct local *local = calloc(1, sizeof *local);
    if (!local) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the local backend");
        return NULL;
    }
    local->base.ops = &backend_local;
    news_init(&local->news);
    local->run_dir = disk_join("", context->run_dir, ret_error);
    local->folder = disk_join(context->run_dir, "backend", ret_error);
    local->tasks = local->folder ? disk_join(local->folder, "tasks", ret_error) : NULL;
    if (asprintf(&local->store_uri, "dir:%s/store", context->run_dir) < 0)
        local->store_uri = NULL;
    if (local->run_dir && local->tasks && local->store_uri)
        return &local->base;
    local_close(&local->base);
    return NULL;
}

static int local_program_find(struct backend *backend, const char *program,
                              struct buf *ret_path, struct error *ret_error)
{
    (void)backend;
    return program_find(program, ret_path, ret_error);
}

static const char *local_store_uri(const struct backend *backend)
{
    return ((const struct local *)backend)->store_uri;
}

static int local_inputs_put(struct backend *backend, struct inputs *inputs, const bool *known,
                            void (*shown)(void *context, uint64_t bytes, uint64_t total),
                            void *context, struct error *ret_error)
{
    struct store *store = store_open(local_store_uri(backend), ret_error);
    int rc = store ? inputs_put(inputs, store, known, shown, context, ret_error) : -1;
    store_close(store);
    return rc;
}

static const char *local_run_dir(const struct backend *backend)
{
    return ((const struct local *)backend)->run_dir;
}

static const char *local_network(const struct backend *backend)
{
    (void)backend;
    return "lo";
}

/* RUN/backend/tasks, but not RUN: one that was removed is not to come back. */
static int folders_make(const struct local *local, struct error *ret_error)
{
    const char *const paths[] = {local->folder, local->tasks};
    for (int i = 0; i < 2; i++)
        if (mkdir(paths[i], 0777) != 0 && errno != EEXIST)
            return error_errno(ret_error, errno, "the folder \"%s\" cannot be made", paths[i]);
    return 0;
}

/* Replace RUN/backend/NAME by one JSON object of one member. */
static int note_write(struct local *local, const char *name, const char *text,
                      struct error *ret_error)
{
    char *path = disk_join(local->folder, name, ret_error);
    int rc = -1;
    if (path && folders_make(local, ret_error) == 0)
        rc = disk_write(path, text, strlen(text), 0644, false, ret_error);
    free(path);
    return rc;
}

static int note_remove(struct local *local, const char *name, struct error *ret_error)
{
    char *path = disk_join(local->folder, name, ret_error);
    int rc = path ? disk_remove(path, ret_error) : -1;
    free(path);
    return rc;
}

static int local_pool_resize(struct backend *backend, int nodes, struct error *ret_error)
{
    char text[64];
    snprintf(text, sizeof text, "{\"nodes\": %d}\n", nodes);
    return note_write(local_of(backend), "pool.json", text, ret_error);
}

static int local_pool_create(struct backend *backend, const struct backend_listener *listener,
                             struct error *ret_error)
{
    (void)listener;
    return local_pool_resize(backend, 1, ret_error);
}

static int local_pool_delete(struct backend *backend, const struct backend_listener *listener,
                             struct error *ret_error)
{
    (void)listener;
    return note_remove(local_of(backend), "pool.json", ret_error);
}

static int local_job_create(struct backend *backend, struct error *ret_error)
{
    return note_write(local_of(backend), JOB_NOTE, "{\"state\": \"active\"}\n", ret_error);
}

/* The job takes tasks only while its note is there, so that one which is being ended stays so. */
static int job_check(struct local *local, struct error *ret_error)
{
    char *path = disk_join(local->folder, JOB_NOTE, ret_error);
    int rc = path ? 0 : -1;
    if (path && !disk_exists(path))
        rc = error_set(ret_error, ERROR_BACKEND,
                       "the farm's job was terminated: it takes no tasks");
    free(path);
    return rc;
}

static bool id_valid(const char *id)
{
    size_t size =
        strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
    return size > 0 && size <= BACKEND_TASK_ID_MAX && !id[size];
}

static char *task_folder(struct local *local, const char *id, struct error *ret_error)
{
    if (id_valid(id))
        return disk_join(local->tasks, id, ret_error);
    error_set(ret_error, ERROR_USAGE, "\"%s\" cannot be the name of a task", id);
    return NULL;
}

static int file_lay(const char *wd, const struct backend_file *file, struct error *ret_error)
{
    char *target = disk_join(wd, file->path, ret_error);
    char *slash = target ? strrchr(target, '/') : NULL;
    int rc = -1;
    if (slash) {
        *slash = '\0';
        rc = tree_make(target, ret_error);
        *slash = '/';
    }
    if (rc == 0)
        rc = disk_copy(file->source, target, ret_error);
    free(target);
    return rc;
}

static int folder_lay(const char *folder, const struct backend_task *task,
                      struct error *ret_error)
{
    char *wd = disk_join(folder, "wd", ret_error);
    int rc = wd ? tree_make(wd, ret_error) : -1;
    for (size_t i = 0; rc == 0 && i < task->files_count; i++)
        rc = file_lay(wd, &task->files[i], ret_error);
    free(wd);
    return rc;
}

static int task_launch(const char *folder, const struct backend_task *task,
                       struct error *ret_error)
{
    struct buf program;
    buf_init(&program, 4096);
    char **environment = environment_create(task->variables, task->variables_count, ret_error);
    int rc = environment ? program_find(task->program, &program, ret_error) : -1;
    if (rc == 0) {
        struct supervisor_task start = {
            .folder = folder,
            .id = task->id,
            .program = buf_text(&program),
            .args = task->args,
            .environment = environment,
        };
        rc = supervisor_start(&start, ret_error);
    }
    environment_destroy(environment);
    buf_fini(&program);
    return rc;
}

static int local_task_submit(struct backend *backend, const struct backend_task *task,
                             struct error *ret_error)
{
    struct local *local = local_of(backend);
    int rc = -1;
    char *folder = task_folder(local, task->id, ret_error);
    if (!folder || job_check(local, ret_error) != 0)
        goto out;
    if (mkdir(folder, 0777) != 0) {
        error_errno(ret_error, errno, "the task %s cannot be made in \"%s\"", task->id,
                    local->tasks);
        goto out;
    }
    rc = folder_lay(folder, task, ret_error);
    if (rc == 0)
        rc = task_launch(folder, task, ret_error);
    if (rc != 0) {
        error_prefix(ret_error, "task %s", task->id);
        disk_remove(folder, NULL);
    }
out:
    free(folder);
    return rc;
}

static int local_task_status(struct backend *backend, const char *id,
                             struct backend_status *ret_status, struct error *ret_error)
{
    struct task_record record;
    char *folder = task_folder(local_of(backend), id, ret_error);
    int rc = -1;
    if (folder && !disk_exists(folder))
        error_set(ret_error, ERROR_SYSTEM,
                  "there is no task %s in this farm: its folder \"%s\" is gone", id, folder);
    else if (folder)
        rc = task_read_record(folder, &record, ret_error);
    if (rc == 0)
        *ret_status = record.status;
    free(folder);
    return rc;
}

static int64_t local_task_read(struct backend *backend, const char *id, const char *file,
                               uint64_t offset, size_t max, struct buf *ret_bytes,
                               struct error *ret_error)
{
    int64_t count = -1;
    char *folder = task_folder(local_of(backend), id, ret_error);
    char *path = folder ? disk_join(folder, file, ret_error) : NULL;
    if (path)
        count = disk_read_range(path, offset, max, ret_bytes, ret_error);
    free(path);
    free(folder);
    return count;
}

static int local_task_file_size(struct backend *backend, const char *id, const char *file,
                                uint64_t *ret_size, struct error *ret_error)
{
    struct stat status;
    char *folder = task_folder(local_of(backend), id, ret_error);
    char *path = folder ? disk_join(folder, file, ret_error) : NULL;
    int rc = path ? 0 : -1;
    if (path && stat(path, &status) == 0)
        *ret_size = (uint64_t)status.st_size;
    else if (path && errno == ENOENT)
        *ret_size = 0;
    else if (path)
        rc = error_errno(ret_error, errno, "\"%s\" cannot be opened", path);
    free(path);
    free(folder);
    return rc;
}

/* What comes at once is looked at together, a moment later. */
static void local_task_await(struct backend *backend, const char *id, int64_t ns)
{
    struct local *local = local_of(backend);
    char *folder = task_folder(local, id, NULL);
    if (!folder)
        interrupt_sleep(ns);
    else if (news_await(&local->news, folder, ns))
        interrupt_sleep(backend->ops->poll_shortest_ns);
    free(folder);
}

static int local_task_terminate(struct backend *backend, const char *id, bool at_once,
                                struct error *ret_error)
{
    struct task_record record;
    char *folder = task_folder(local_of(backend), id, ret_error);
    int rc = folder ? task_read_record(folder, &record, ret_error) : -1;
    if (rc == 0 && record.status.state != BACKEND_ENDED)
        rc = process_signal(&record.supervisor, at_once ? SIGUSR1 : SIGTERM, ret_error);
    free(folder);
    return rc;
}

static int local_task_list(struct backend *backend,
                           int (*visit)(void *context, const char *id,
                                        const struct backend_status *status),
                           void *context, struct error *ret_error)
{
    struct local *local = local_of(backend);
    DIR *stream = opendir(local->tasks);
    if (!stream && errno == ENOENT)
        return 0;
    if (!stream)
        return error_errno(ret_error, errno, "\"%s\" cannot be listed", local->tasks);
    int rc = 0;
    struct dirent *entry;
    while (rc == 0 && (entry = readdir(stream))) {
        struct backend_status status;
        if (!id_valid(entry->d_name))
            continue;
        rc = local_task_status(backend, entry->d_name, &status, ret_error);
        if (rc == 0)
            rc = visit(context, entry->d_name, &status);
    }
    closedir(stream);
    return rc;
}

struct killing {
    struct backend *backend;
    int running;
};

static int task_kill(void *context, const char *id, const struct backend_status *status)
{
    struct killing *killing = context;
    if (status->state == BACKEND_ENDED)
        return 0;
    killing->running++;
    return local_task_terminate(killing->backend, id, true, NULL) != 0;
}

/* Nothing is written: the disk may be full, or somebody be about to remove all this. What runs is
 * killed also where the note stays, which only lets in tasks that nobody is there to submit. */
static int local_job_terminate(struct backend *backend, struct error *ret_error)
{
    struct killing killing = {.backend = backend};
    struct error ignored;
    note_remove(local_of(backend), JOB_NOTE, &ignored);
    return local_task_list(backend, task_kill, &killing, ret_error);
}

/* Kill what runs, and wait for it, because a running task would fill its folder again. */
static int local_clean(struct backend *backend, struct error *ret_error)
{
    struct local *local = local_of(backend);
    int64_t deadline = clock_monotonic_ns() + CLEAN_LIMIT_S * CLOCK_SECOND_NS;
    for (;;) {
        struct killing killing = {.backend = backend};
        int rc = local_task_list(backend, task_kill, &killing, ret_error);
        if (rc != 0)
            return rc > 0 ? error_set(ret_error, ERROR_BACKEND, "a task cannot be killed") : rc;
        if (killing.running == 0)
            return disk_remove(local->folder, ret_error);
        if (clock_monotonic_ns() > deadline)
            return error_set(ret_error, ERROR_BACKEND, "%d tasks did not end when killed",
                             killing.running);
        nanosleep(&(struct timespec){.tv_nsec = 10 * CLOCK_MS_NS}, NULL);
    }
}

const struct backend_ops backend_local = {
    .kind = "local",
    .one_machine = true,
    .poll_shortest_ns =
        2 * CLOCK_MS_NS, /* so that a small farm on one machine starts at once */
    .poll_longest_ns = 200 * CLOCK_MS_NS,
    .open = local_open,
    .close = local_close,
    .program_find = local_program_find,
    .store_uri = local_store_uri,
    .inputs_put = local_inputs_put,
    .run_dir = local_run_dir,
    .network = local_network,
    .pool_create = local_pool_create,
    .pool_resize = local_pool_resize,
    .pool_delete = local_pool_delete,
    .job_create = local_job_create,
    .job_terminate = local_job_terminate,
    .task_submit = local_task_submit,
    .task_status = local_task_status,
    .task_read = local_task_read,
    .task_file_size = local_task_file_size,
    .task_await = local_task_await,
    .task_terminate = local_task_terminate,
    .task_list = local_task_list,
    .clean = local_clean,
};

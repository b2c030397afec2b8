#include "config.h"

#include "launch/prepare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "launch/disk.h"
#include "launch/inventory.h"

#define SHOW_AFTER_NS (CLOCK_SECOND_NS)
#define NAMED_MAX     8 /* changes told by name */

int prepare_read(const char *farm_file, const struct request_overrides *overrides,
                 struct preparation *ret_preparation, struct error *ret_error)
{
    struct preparation preparation = {0};
    int rc = request_open(farm_file, overrides, &preparation.request, ret_error);
    if (rc == 0)
        rc = plan_ask(preparation.request.path, &preparation.plan, ret_error);
    if (rc == 0 && preparation.request.workers > 0 &&
        farmfile_nodes_are_here(preparation.request.farm.root))
        plan_look_at_devices(&preparation.plan);
    if (rc == 0)
        rc = inputs_find(&preparation.request, &preparation.plan, &preparation.inputs,
                         ret_error);
    if (rc == 0)
        *ret_preparation = preparation;
    else
        prepare_close(&preparation);
    return rc;
}

void prepare_close(struct preparation *preparation)
{
    inputs_close(&preparation->inputs);
    plan_close(&preparation->plan);
    request_close(&preparation->request);
}

int64_t prepare_tasks(const struct preparation *preparation)
{
    int64_t tasks = preparation->plan.tasks;
    uint64_t limit = preparation->request.farm.limits.tasks;
    return tasks >= 0 && limit && (uint64_t)tasks > limit ? (int64_t)limit : tasks;
}

char *prepare_describe(const struct preparation *preparation, char *text, size_t size)
{
    int64_t tasks = prepare_tasks(preparation);
    uint64_t limit = preparation->request.farm.limits.tasks;
    if (preparation->plan.contents && limit)
        snprintf(text, size, "%s, %llu task%s at most", preparation->plan.contents,
                 (unsigned long long)limit, limit == 1 ? "" : "s");
    else if (preparation->plan.contents)
        snprintf(text, size, "%s", preparation->plan.contents);
    else if (tasks >= 0)
        snprintf(text, size, "%lld task%s", (long long)tasks, tasks == 1 ? "" : "s");
    else
        snprintf(text, size, "an unknown number of tasks");
    return text;
}

struct upload {
    struct screen *screen;
    int64_t next_ns;
};

static void upload_shown(void *context, uint64_t bytes, uint64_t total)
{
    struct upload *upload = context;
    char done[32], all[32];
    int64_t now = clock_monotonic_ns();
    if (now < upload->next_ns)
        return;
    upload->next_ns = now + 5 * CLOCK_SECOND_NS;
    screen_notice(upload->screen, "copying the farm's files: %s of %s",
                  disk_format_size(bytes, done, sizeof done),
                  disk_format_size(total, all, sizeof all));
}

static int farm_write(const struct preparation *preparation, const struct rundir *rundir,
                      struct error *ret_error)
{
    const char *text = preparation->request.text;
    char *path = rundir_path(rundir, "farm.json", ret_error);
    int rc = path ? disk_write(path, text, strlen(text), 0644, true, ret_error) : -1;
    free(path);
    return rc;
}

int prepare_lay(struct preparation *preparation, const struct rundir *rundir,
                struct backend *backend, const bool *known, struct screen *screen,
                struct error *ret_error)
{
    struct upload upload = {.screen = screen, .next_ns = clock_monotonic_ns() + SHOW_AFTER_NS};
    if (farm_write(preparation, rundir, ret_error) != 0)
        return -1;
    int rc = backend->ops->inputs_put(backend, &preparation->inputs, known, upload_shown,
                                      &upload, ret_error);
    char *manifest = rc == 0 ? rundir_path(rundir, "files.json", ret_error) : NULL;
    rc = manifest ? inventory_write(manifest, &preparation->inputs, ret_error) : -1;
    free(manifest);
    return rc;
}

/* The names of what changed, as many as there is room for. */
struct changes {
    char *text;
    size_t size, used;
    long count;
};

static void change_add(struct changes *changes, const char *format, const char *what,
                       const char *name)
{
    if (changes->count++ >= NAMED_MAX || changes->used >= changes->size)
        return;
    char entry[512];
    snprintf(entry, sizeof entry, format, what, name);
    int added = snprintf(changes->text + changes->used, changes->size - changes->used, "%s%s",
                         changes->used ? ", " : "", entry);
    changes->used += added > 0 ? (size_t)added : 0;
}

static void path_differs(void *context, const char *path, const cJSON *a, const cJSON *b)
{
    change_add(context, "%s%s", path, !a ? " (new)" : !b ? " (gone)" : "");
}

static void file_differs(void *context, const char *file, const char *what)
{
    change_add(context, "file \"%s\" (%s)", file, what);
}

long prepare_compare(struct preparation *preparation, const struct rundir *rundir,
                     const struct request_overrides *overrides, bool *ret_known, char *ret_text,
                     size_t size, struct error *ret_error)
{
    struct changes changes = {.text = ret_text, .size = size};
    struct request old = {0};
    int rc = -1;
    char *farm = rundir_path(rundir, "farm.json", ret_error);
    char *manifest = rundir_path(rundir, "files.json", ret_error);
    ret_text[0] = '\0';
    if (!farm || !manifest || inputs_hash(&preparation->inputs, ret_error) != 0)
        goto out;
    /* Without these two it was interrupted before it began: there is nothing to differ from. */
    if (disk_exists(farm) && disk_exists(manifest)) {
        if (request_open(farm, overrides, &old, ret_error) != 0)
            goto out;
        json_diff(old.farm.root, preparation->request.farm.root, path_differs, &changes);
        if (inventory_compare(manifest, &preparation->inputs, ret_known, file_differs, &changes,
                              ret_error) < 0)
            goto out;
    }
    if (changes.count > NAMED_MAX && changes.used < size)
        snprintf(ret_text + changes.used, size - changes.used, " and %ld more",
                 changes.count - NAMED_MAX);
    rc = 0;
out:
    request_close(&old);
    free(farm);
    free(manifest);
    return rc == 0 ? changes.count : -1;
}

#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/seismic/shot_settings.h"
#include "worker/shot_folder.h"

struct shot_folder {
    unsigned refs;
    struct workdir *workdir;
    struct shot_file *files; /* of the tasks */
    size_t file_count;
};

static bool same_files(const struct shot_folder *folder, const struct shot_task *task)
{
    if (folder->file_count != task->file_count)
        return false;
    for (size_t i = 0; i < task->file_count; i++)
        if (strcmp(folder->files[i].name, task->files[i].name) != 0 ||
            memcmp(folder->files[i].hash, task->files[i].hash, MESSAGE_HASH_SIZE) != 0)
            return false;
    return true;
}

/* A task that wrote there leaves its traces to none of those behind it. */
static bool is_untouched(const struct shot_folder *folder)
{
    for (size_t i = 0; i < folder->file_count; i++)
        if (!workdir_is_untouched(folder->workdir, folder->files[i].name))
            return false;
    return workdir_is_sharable(folder->workdir);
}

static bool has_survey(const struct shot_task *task)
{
    for (size_t i = 0; i < task->file_count; i++)
        if (strcmp(task->files[i].name, SHOT_SURVEY_FILE) == 0)
            return true;
    return false;
}

/* Over common files of the same name. */
static int lay(const struct shot_folder *folder, struct cache *cache, struct error *ret_error)
{
    int dir = workdir_fd(folder->workdir);
    for (size_t i = 0; i < folder->file_count; i++) {
        const struct shot_file *file = &folder->files[i];
        if (unlinkat(dir, file->name, 0) < 0 && errno != ENOENT)
            return error_errno(ret_error, errno, "cannot lay \"%s\"", file->name);
        if (cache_lay(cache, file->hash, CACHE_LINK, 0444, dir, file->name, ret_error) < 0)
            return -1;
    }
    return 0;
}

static int fill(struct shot_folder *folder, struct workplace *place, uint32_t slot,
                const struct shot_task *task, struct error *ret_error)
{
    size_t size = task->file_count * sizeof(*task->files);
    const struct attempt_id nobody = {0};
    folder->files = malloc(size + 1);
    if (!folder->files)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the files of a task");
    if (size)
        memcpy(folder->files, task->files, size);
    folder->file_count = task->file_count;
    folder->workdir = has_survey(task) ? workdir_create_bare(place, slot, nobody, ret_error)
                                       : workdir_create(place, slot, nobody, ret_error);
    return folder->workdir ? lay(folder, workplace_cache(place), ret_error) : -1;
}

struct shot_folder *shot_folder_ref(struct shot_folder **kept, struct workplace *place,
                                    uint32_t slot, const struct shot_task *task,
                                    struct error *ret_error)
{
    struct shot_folder *folder = *kept;
    if (!folder || !same_files(folder, task) || !is_untouched(folder)) {
        folder = calloc(1, sizeof(*folder));
        if (!folder) {
            error_set(ret_error, ERROR_SYSTEM, "no memory for the folder of a survey");
            return NULL;
        }
        folder->refs = 1;
        if (fill(folder, place, slot, task, ret_error) < 0) {
            shot_folder_unref(folder);
            return NULL;
        }
        shot_folder_unref(*kept);
        *kept = folder;
    }
    folder->refs++;
    return folder;
}

void shot_folder_unref(struct shot_folder *folder)
{
    if (!folder || --folder->refs)
        return;
    workdir_destroy(folder->workdir);
    free(folder->files);
    free(folder);
}

void shot_folder_forget(struct shot_folder **kept)
{
    shot_folder_unref(*kept);
    *kept = NULL;
}

const char *shot_folder_path(const struct shot_folder *folder)
{
    return workdir_path(folder->workdir);
}

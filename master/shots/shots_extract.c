/*
 * A task's own data: the traces of its shots, cut out of the survey's files as SEG-Y with all
 * coordinates, and a survey that names them. So a worker fetches what it computes, however large
 * the survey is. The master reads each shot once for it; content that was put into the store before
 * is not written again.
 */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/json.h"
#include "common/seismic/shot_settings.h"
#include "common/tree.h"
#include "master/shots/shots_private.h"

/* Below, a worker has all data sooner than it would have asked for its shots one by one. */
#define WHOLE_MAX ((uint64_t)64 << 20)

/* Bytes of all files that are no part of the model and travel. */
static uint64_t data_bytes(const struct driver *driver)
{
    size_t count;
    const struct survey_file *files = survey_files(&driver->survey, &count);
    const char *slash = strrchr(driver->survey_path, '/');
    uint64_t bytes = 0;
    for (size_t i = 1; i < count; i++) {
        char *path = NULL;
        struct stat status;
        if (files[i].model || files[i].path[0] == '/' ||
            asprintf(&path, "%.*s%s", (int)(slash - driver->survey_path + 1),
                     driver->survey_path, files[i].path) < 0)
            continue;
        bytes += stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
        free(path);
    }
    return bytes;
}

int shots_extract_choose(struct driver *driver, struct error *ret_error)
{
    const char *said;
    bool used = driver->operation == SURVEY_RTM || driver->operation == SURVEY_GRADIENT ||
                driver->operation == SURVEY_FWI;
    if (json_get_text(driver->context.work, "$.work", "data", "auto", &said, ret_error) < 0)
        return -1;
    uint64_t bytes = used ? data_bytes(driver) : 0;
    bool several = driver->survey.sources_max > 1;
    if (strcmp(said, "auto") == 0)
        driver->extract = !driver->survey.program && !several && bytes > WHOLE_MAX;
    else
        driver->extract = strcmp(said, "shots") == 0 && bytes > 0;
    if (driver->extract && several)
        return error_set(
            ret_error, ERROR_CONFIG,
            "$.work.data: \"shots\" travel with their places in headers, which say "
            "one source, but $.geometry.sources of %s fires several at once: leave "
            "it out",
            driver->survey_path);
    return 0;
}

static int traces_write(const struct driver *driver, size_t index, const char *path,
                        struct error *ret_error)
{
    struct shot shot;
    if (survey_shot_open(&driver->survey, index, &shot, ret_error) < 0)
        return -1;
    size_t samples = driver->survey.record.samples;
    float *traces = calloc(shot.receiver_count * samples + 1, sizeof(*traces));
    int rc = traces ? survey_data_read(&driver->survey, &shot, traces, ret_error)
                    : error_set(ret_error, ERROR_SYSTEM, "no memory for the data of a shot");
    if (rc == 0)
        rc = survey_traces_write(&driver->survey, &shot, traces, path, ret_error);
    free(traces);
    survey_shot_close(&shot);
    return rc;
}

/* All files of a task in a folder: its shots in their order, and the survey. */
static int folder_fill(struct driver *driver, const struct roll_task *task, const char *folder,
                       struct error *ret_error)
{
    char(*names)[SHOT_NAME_MAX + 1] = calloc(task->shot_count, sizeof(*names));
    const char **data = calloc(task->shot_count, sizeof(*data));
    char *path = NULL;
    int rc = names && data ? tree_make(folder, ret_error)
                           : error_set(ret_error, ERROR_SYSTEM, "no memory for a task's data");
    for (size_t i = 0; rc == 0 && i < task->shot_count; i++) {
        snprintf(names[i], sizeof(names[i]), "shot-%zu.segy", task->shots[i] + 1);
        data[i] = names[i];
        if (asprintf(&path, "%s/%s", folder, names[i]) < 0)
            rc = error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
        else
            rc = traces_write(driver, task->shots[i], path, ret_error);
        free(path);
        path = NULL;
    }
    if (rc == 0 && asprintf(&path, "%s/" SHOT_SURVEY_FILE, folder) < 0)
        rc = error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    if (rc == 0)
        rc = shots_survey_write(driver, shots_own_of(&driver->roll.waves[task->wave]), data,
                                task->shot_count, path, ret_error);
    free(path);
    free(names);
    free(data);
    return rc;
}

/* What all tasks of the wave have, but for its survey. */
static int wave_files_copy(const struct roll_wave *wave, struct roll_wave *files)
{
    files->files = calloc(SHOT_FILES_MAX, sizeof(*files->files));
    for (size_t i = 0; files->files && i < wave->file_count; i++)
        if (strcmp(wave->files[i].name, SHOT_SURVEY_FILE) != 0)
            files->files[files->file_count++] = wave->files[i];
    return files->files ? 0 : -1;
}

static struct roll_wave *files_make(struct driver *driver, size_t index,
                                    struct error *ret_error)
{
    const struct roll_task *task = &driver->roll.tasks[index];
    struct roll_wave *files = calloc(1, sizeof(*files));
    char *folder = NULL;
    int rc = 0;
    if (!files || wave_files_copy(&driver->roll.waves[task->wave], files) < 0 ||
        asprintf(&folder, "%s/extract", driver->scratch) < 0)
        rc = error_set(ret_error, ERROR_SYSTEM, "no memory for a task's data");
    if (rc == 0) {
        tree_remove(AT_FDCWD, folder);
        rc = folder_fill(driver, task, folder, ret_error);
    }
    if (rc == 0)
        rc = shots_folder_put(driver, folder, false, files, ret_error);
    if (folder)
        tree_remove(AT_FDCWD, folder);
    free(folder);
    if (rc == 0)
        return files;
    if (files)
        shots_wave_fini(files);
    free(files);
    return NULL;
}

const struct roll_wave *shots_extract(struct driver *driver, size_t task,
                                      struct error *ret_error)
{
    if (task >= driver->extract_count) {
        size_t count = driver->roll.task_count;
        struct roll_wave **extracts =
            reallocarray(driver->extracts, count, sizeof(struct roll_wave *));
        if (!extracts) {
            error_set(ret_error, ERROR_SYSTEM, "no memory for the data of tasks");
            return NULL;
        }
        for (size_t i = driver->extract_count; i < count; i++)
            extracts[i] = NULL;
        driver->extracts = extracts;
        driver->extract_count = count;
    }
    if (!driver->extracts[task])
        driver->extracts[task] = files_make(driver, task, ret_error);
    return driver->extracts[task];
}

void shots_extracts_fini(struct driver *driver)
{
    for (size_t i = 0; i < driver->extract_count; i++) {
        if (driver->extracts[i])
            shots_wave_fini(driver->extracts[i]);
        free(driver->extracts[i]);
    }
    free(driver->extracts);
}

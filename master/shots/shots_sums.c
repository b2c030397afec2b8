/* The sums of a wave that came home: files of tasks that collected. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/seismic/sum.h"
#include "master/shots/shots_private.h"

void shots_sums_fini(struct shots_sums *sums)
{
    for (size_t i = 0; i < sums->count; i++)
        free((char *)sums->paths[i]);
    free(sums->paths);
}

int shots_sums_find(const struct driver *driver, struct shots_sums *sums,
                    struct error *ret_error)
{
    const struct roll *roll = &driver->roll;
    size_t first = roll_wave(roll)->first;
    sums->paths = calloc(roll->task_count - first + 1, sizeof(*sums->paths));
    for (size_t t = first; sums->paths && t < roll->task_count; t++) {
        if (roll->tasks[t].kind != ROLL_COLLECT || roll->tasks[t].status != RESULT_OK)
            continue;
        char *path = shots_output_path(driver, t + 1, SHOT_SUM_FILE);
        if (!path)
            return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
        if (access(path, R_OK) == 0)
            sums->paths[sums->count++] = path;
        else
            free(path);
    }
    return sums->paths ? 0 : error_set(ret_error, ERROR_SYSTEM, "no memory for the sums");
}

int shots_sums_compare(struct driver *driver, const struct shots_sums *sums,
                       struct error *ret_error)
{
    struct roll *roll = &driver->roll;
    struct sum_reader *reader =
        sums->count ? sum_reader_open(sums->paths, sums->count, ret_error) : NULL;
    if (sums->count && !reader)
        return -1;
    for (size_t t = roll_wave(roll)->first; t < roll->task_count; t++) {
        const struct attempt_id id = {.task = t + 1, .attempt = roll->tasks[t].attempt};
        if (!roll->tasks[t].holder)
            roll->tasks[t].taken = reader && sum_names_have(sum_reader_names(reader), id);
    }
    sum_reader_close(reader);
    return 0;
}

float *shots_sums_read(const struct driver *driver, const struct shots_sums *sums,
                       const char *array, struct error *ret_error)
{
    size_t points = grid_size(&driver->survey.grid);
    float *values = calloc(points + 1, sizeof(*values));
    if (!values) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the %s of %zu points", array, points);
        return NULL;
    }
    if (sum_read_array(sums->paths, sums->count, array, values, points, ret_error) == 0)
        return values;
    free(values);
    return NULL;
}

void shots_sums_remove(const struct driver *driver, size_t wave)
{
    const struct roll *roll = &driver->roll;
    for (size_t t = roll->waves[wave].first; t < roll->task_count; t++) {
        bool collected = roll->tasks[t].kind == ROLL_COLLECT && roll->tasks[t].wave == wave;
        char *file = collected ? shots_output_path(driver, t + 1, SHOT_SUM_FILE) : NULL;
        char *folder = collected ? shots_output_path(driver, t + 1, "") : NULL;
        if (file && folder && unlink(file) == 0)
            rmdir(folder);
        free(file);
        free(folder);
    }
}

/* The files of results, in RUN_DIR/out/master; launch brings them home. */
#include "config.h"

#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "common/seismic/model.h"
#include "common/whole.h"
#include "master/shots/gathers.h"
#include "master/shots/shots_private.h"

static const char *run_dir(const struct driver *driver)
{
    return driver->context.run_dir ? driver->context.run_dir : ".";
}

char *shots_output_path(const struct driver *driver, uint64_t task, const char *name)
{
    char *path = NULL;
    int size = asprintf(&path, "%s/out/%llu%s%s", run_dir(driver), (unsigned long long)task,
                        *name ? "/" : "", name);
    return size < 0 ? NULL : path;
}

char *shots_base(const struct driver *driver)
{
    const struct roll_wave *wave = roll_wave(&driver->roll);
    char *base = NULL;
    if (!wave || !wave->asked)
        return strdup(driver->output_base);
    return asprintf(&base, "%s-%" PRIu64, driver->output_base, wave->asked) < 0 ? NULL : base;
}

int shots_array_write(const struct driver *driver, const char *what, const char *units,
                      const float *values, struct error *ret_error)
{
    static const struct {
        const char *ending;
        enum model_format format;
    } forms[] = {{"json", MODEL_RAW}, {"rsf", MODEL_RSF}, {"segy", MODEL_SEGY}};
    char *base = shots_base(driver);
    int rc = base ? 0 : error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    for (size_t i = 0; rc == 0 && i < sizeof(forms) / sizeof(*forms); i++) {
        char *path = NULL;
        /* RSF only for those who use it; programs that ask read raw values. */
        if ((forms[i].format == MODEL_RSF && driver->survey.output.models != SURVEY_RSF) ||
            (forms[i].format == MODEL_SEGY && driver->asked.served))
            continue;
        rc = asprintf(&path, "%s.%s.%s", base, what, forms[i].ending) < 0
                 ? error_set(ret_error, ERROR_SYSTEM, "no memory for a path")
                 : model_write(path, forms[i].format, &driver->survey.grid, values, what, units,
                               ret_error);
        free(path);
    }
    free(base);
    return rc;
}

/* --- gathers --- */

struct paths {
    char **items;
    size_t count, capacity;
};

static int path_add(struct paths *paths, char *path)
{
    if (path && paths->count == paths->capacity) {
        size_t capacity = paths->capacity ? 2 * paths->capacity : 64;
        char **items = reallocarray(paths->items, capacity, sizeof(*items));
        if (!items) {
            free(path);
            return -1;
        }
        paths->items = items;
        paths->capacity = capacity;
    }
    if (!path)
        return -1;
    paths->items[paths->count++] = path;
    return 0;
}

static bool is_segy(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && (strcmp(dot, ".sgy") == 0 || strcmp(dot, ".segy") == 0);
}

static int paths_of_task(const struct driver *driver, uint64_t task, struct paths *paths)
{
    char *folder = shots_output_path(driver, task, "");
    DIR *entries = folder ? opendir(folder) : NULL;
    const struct dirent *entry;
    int rc = folder ? 0 : -1;
    while (entries && rc == 0 && (entry = readdir(entries)))
        if (is_segy(entry->d_name))
            rc = path_add(paths, shots_output_path(driver, task, entry->d_name));
    if (entries)
        closedir(entries);
    free(folder);
    return rc;
}

/* shot-2 before shot-10, in whichever task they came. */
static int by_name(const void *a, const void *b)
{
    const char *left = *(char *const *)a, *right = *(char *const *)b;
    int order = strverscmp(strrchr(left, '/'), strrchr(right, '/'));
    return order ? order : strcmp(left, right);
}

char *shots_gathers_path(const struct driver *driver)
{
    char *path = NULL, *base = shots_base(driver);
    if (base && asprintf(&path, "%s.data.segy", base) < 0)
        path = NULL;
    free(base);
    return path;
}

static int gathers_write(struct driver *driver, const char *const *paths, size_t count,
                         const char *path, struct error *ret_error)
{
    uint64_t traces;
    struct gathers *gathers = shots_laid(driver, paths, count);
    if (gathers)
        return gathers_commit(gathers, ret_error);
    if (count == 0)
        return error_set(ret_error, ERROR_TASKS,
                         "no shot has brought a SEG-Y file (an output that ends in .sgy or "
                         ".segy)");
    return gathers_join(paths, count, path, driver->laying_path, &traces, ret_error);
}

static int gathers_write_all(struct driver *driver, const struct paths *paths,
                             struct error *ret_error)
{
    char *path = shots_gathers_path(driver);
    int rc = 0;
    if (!path)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    /* An earlier master may have come so far, and even taken the others away. */
    if (access(path, F_OK) != 0)
        rc = gathers_write(driver, (const char *const *)paths->items, paths->count, path,
                           ret_error);
    free(path);
    return rc;
}

static int paths_find(const struct driver *driver, struct paths *paths, struct error *ret_error)
{
    const struct roll *roll = &driver->roll;
    int rc = 0;
    for (size_t t = roll_wave(roll)->first; rc == 0 && t < roll->task_count; t++)
        if (roll->tasks[t].status == RESULT_OK)
            rc = paths_of_task(driver, t + 1, paths);
    if (rc < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the list of gathers");
    if (paths->count)
        qsort(paths->items, paths->count, sizeof(*paths->items), by_name);
    return 0;
}

int shots_gathers_write(struct driver *driver, struct error *ret_error)
{
    struct paths paths = {0};
    if (!driver->one_file)
        return 0;
    int rc = paths_find(driver, &paths, ret_error);
    if (rc == 0)
        rc = gathers_write_all(driver, &paths, ret_error);
    if (rc == 0) {
        shots_leave(driver, paths.items, paths.count); /* every trace is in the one file now */
        return 0;
    }
    for (size_t i = 0; i < paths.count; i++)
        free(paths.items[i]);
    free(paths.items);
    return -1;
}

/* --- which shots --- */

static void shot_put(const struct driver *driver, size_t shot, struct buf *text)
{
    struct shot named;
    struct error ignored;
    if (survey_shot_open(&driver->survey, shot, &named, &ignored) == 0) {
        json_put_text(text, named.name, strlen(named.name));
        survey_shot_close(&named);
    } else {
        buf_printf(text, "\"%zu\"", shot + 1);
    }
}

/* Why nothing came of a shot: the sentence of the last task that had it. */
const char *shots_reason(const struct driver *driver, size_t shot)
{
    const struct roll *roll = &driver->roll;
    const char *reason = "it was not waited for";
    for (size_t t = roll_wave(roll)->first; t < roll->task_count; t++) {
        const struct roll_task *task = &roll->tasks[t];
        for (size_t i = 0; i < task->shot_count; i++)
            if (task->shots[i] == shot && task->status != RESULT_CANCELLED && task->error)
                reason = task->error;
    }
    return reason;
}

static void list_print(const struct driver *driver, const size_t *holders, struct buf *text)
{
    const struct roll_wave *wave = roll_wave(&driver->roll);
    const char *comma = "";
    buf_printf(text, "{\"operation\":\"%s\",\"shots\":[", shot_operation_name(wave->operation));
    for (size_t i = 0; i < wave->shot_count; i++) {
        if (holders[i] == SIZE_MAX)
            continue;
        buf_append_text(text, comma);
        shot_put(driver, wave->shots[i], text);
        comma = ",";
    }
    buf_append_text(text, "],\"left_out\":[");
    comma = "";
    for (size_t i = 0; i < wave->shot_count; i++) {
        if (holders[i] != SIZE_MAX)
            continue;
        const char *reason = shots_reason(driver, wave->shots[i]);
        buf_printf(text, "%s{\"shot\":", comma);
        shot_put(driver, wave->shots[i], text);
        buf_append_text(text, ",\"why\":");
        json_put_text(text, reason, strlen(reason));
        buf_append_text(text, "}");
        comma = ",";
    }
    buf_append_text(text, "]}\n");
}

int shots_list_write(const struct driver *driver, const size_t *holders,
                     struct error *ret_error)
{
    char *path = NULL;
    struct buf text;
    buf_init(&text, JSON_SIZE_MAX);
    list_print(driver, holders, &text);
    int rc = buf_failed(&text) || asprintf(&path, "%s.shots.json", driver->output_base) < 0
                 ? error_set(ret_error, ERROR_SYSTEM, "no memory for the list of shots")
                 : whole_write(path, text.data, text.size, ret_error);
    free(path);
    buf_fini(&text);
    return rc;
}

/* --- an inversion's history --- */

/* The shots of a wave that came to something, and their misfit. */
static size_t wave_good(const struct roll *roll, size_t w, double *ret_misfit)
{
    const struct roll_wave *wave = &roll->waves[w];
    size_t end = w + 1 < roll->wave_count ? roll->waves[w + 1].first : roll->task_count;
    size_t good = 0;
    *ret_misfit = 0;
    for (size_t t = wave->first; t < end; t++) {
        const struct roll_task *task = &roll->tasks[t];
        bool counts =
            !task->holder && task->status == RESULT_OK &&
            (task->taken || wave->operation == SHOT_MISFIT || wave->operation == SHOT_SOURCE);
        good += counts ? task->shot_count : 0;
        *ret_misfit += counts && !isnan(task->misfit) ? task->misfit : 0;
    }
    return good;
}

size_t shots_lacking(const struct driver *driver)
{
    const struct roll *roll = &driver->roll;
    double misfit;
    size_t count = 0;
    for (size_t w = 0; w < roll->wave_count; w++)
        count += wave_good(roll, w, &misfit) < roll->waves[w].shot_count;
    return count;
}

int shots_history_write(const struct driver *driver, struct error *ret_error)
{
    const struct roll *roll = &driver->roll;
    char *path = NULL;
    struct whole whole;
    if (asprintf(&path, "%s.fwi.csv", driver->output_base) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    int rc = whole_open(&whole, path, ret_error);
    free(path);
    if (rc < 0)
        return -1;
    fputs("wave,iteration,purpose,min_hz,max_hz,shots,failed,misfit\n", whole.stream);
    for (size_t w = 0; w < roll->wave_count; w++) {
        const struct roll_wave *wave = &roll->waves[w];
        double misfit;
        size_t good = wave_good(roll, w, &misfit);
        fprintf(whole.stream, "%zu,%d,%s,%g,%g,%zu,%zu,%.9g\n", w + 1, wave->iteration + 1,
                wave->purpose, wave->min_hz, wave->max_hz, wave->shot_count,
                wave->shot_count > good ? wave->shot_count - good : 0, misfit);
    }
    return whole_commit(&whole, ret_error);
}

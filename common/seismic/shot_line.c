/* The line that a program is sent for a task, written and read. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/seismic/shot_task_private.h"

static void put_member(struct buf *buf, const char *name, const char *text)
{
    buf_printf(buf, ",\"%s\":", name);
    json_put_text(buf, text, strlen(text));
}

static void put_shots(const struct shot_task *task, struct buf *buf)
{
    for (size_t i = 0; i < task->shot_count; i++)
        buf_printf(buf, "%s%llu", i ? "," : ",\"shots\":[",
                   (unsigned long long)task->shots[i].index);
    buf_append_text(buf, "]");
    for (size_t i = 0; task->encoded && i < task->shot_count; i++) {
        buf_append_text(buf, i ? "," : ",\"weights\":[");
        json_put_real(buf, task->shots[i].weight);
    }
    if (task->encoded)
        buf_append_text(buf, "]");
}

static void put_files(const struct shot_task *task, const char *folder, struct buf *buf)
{
    struct buf path;
    buf_init(&path, MESSAGE_PATH_MAX * 2);
    buf_append_text(buf, ",\"files\":{");
    for (size_t i = 0; i < task->file_count; i++) {
        buf_clear(&path);
        buf_printf(&path, "%s/%s", folder, task->files[i].name);
        buf_printf(buf, "%s\"%s\":", i ? "," : "", task->files[i].name);
        json_put_text(buf, path.data, path.size);
    }
    buf_append_text(buf, "}");
    buf->failed |= buf_failed(&path);
    buf_fini(&path);
}

static void put_arrays(const struct shot_task *task, struct buf *buf)
{
    if (task->array_count == 0)
        return;
    for (size_t i = 0; i < task->array_count; i++)
        buf_printf(buf, "%s\"%s\"", i ? "," : ",\"arrays\":[", task->arrays[i]);
    buf_printf(buf, "],\"grid\":[%llu,%llu,%llu]", (unsigned long long)task->n[GRID_X],
               (unsigned long long)task->n[GRID_Y], (unsigned long long)task->n[GRID_Z]);
}

/* As one line: the text may be laid out over several. */
static int put_settings(const struct shot_task *task, struct buf *buf, struct error *ret_error)
{
    cJSON *settings;
    if (!task->settings)
        return 0;
    if (json_parse(task->settings, strlen(task->settings), "the settings of a shot's task",
                   JSON_STRICT, &settings, ret_error) < 0)
        return -1;
    buf_append_text(buf, ",\"settings\":");
    json_put(buf, settings, 0);
    cJSON_Delete(settings);
    return 0;
}

int shot_task_put_line(const struct shot_task *task, const struct shot_line *line,
                       struct buf *buf, struct error *ret_error)
{
    buf_printf(buf, "{\"task\":%llu,\"attempt\":%u", (unsigned long long)line->id.task,
               line->id.attempt);
    put_member(buf, "dir", line->dir);
    buf_printf(buf, ",\"params\":{\"operation\":\"%s\"", shot_operation_name(task->operation));
    put_member(buf, "survey", line->survey);
    put_shots(task, buf);
    put_files(task, line->folder, buf);
    buf_append_text(buf, ",\"band_hz\":[");
    json_put_real(buf, task->min_hz);
    buf_append_text(buf, ",");
    json_put_real(buf, task->max_hz); /* null for infinity */
    buf_append_text(buf, "]");
    put_arrays(task, buf);
    buf_printf(buf, ",\"memory_bytes\":%llu,\"threads\":%u",
               (unsigned long long)task->memory_bytes, line->threads);
    if (put_settings(task, buf, ret_error) < 0)
        return -1;
    buf_append_text(buf, "}}\n");
    return buf_failed(buf) ? error_set(ret_error, ERROR_SYSTEM, "no memory for a task's line")
                           : 0;
}

/* --- Reading --- */

static const char params_path[] = "$.params";

static int read_integer(const cJSON *object, const char *path, const char *key,
                        uint64_t *ret_number, struct error *ret_error)
{
    int64_t number;
    if (json_get_integer(object, path, key, 0, &number, ret_error) < 0)
        return -1;
    if (number < 0)
        return error_set(ret_error, ERROR_CONFIG, "%s.%s is negative", path, key);
    *ret_number = (uint64_t)number;
    return 0;
}

static int read_shots(const cJSON *params, struct shot_task *task, struct error *ret_error)
{
    const cJSON *shots, *weights, *item;
    if (json_get_array(params, params_path, "shots", &shots, ret_error) < 0 ||
        json_get_array(params, params_path, "weights", &weights, ret_error) < 0)
        return -1;
    size_t count = (size_t)cJSON_GetArraySize(shots), i = 0;
    task->encoded = weights != NULL;
    if (count == 0 || (weights && (size_t)cJSON_GetArraySize(weights) != count))
        return error_set(ret_error, ERROR_CONFIG,
                         "$.params.shots is empty, or $.params.weights are not as many");
    if (!(task->shots = calloc(count, sizeof(*task->shots))))
        return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu shots", count);
    const cJSON *weight = weights ? weights->child : NULL;
    cJSON_ArrayForEach(item, shots)
    {
        if (!json_is_integer(item) || item->valuedouble < 0 ||
            (weight && !cJSON_IsNumber(weight)))
            return error_set(ret_error, ERROR_CONFIG, "$.params.shots[%zu] is no shot", i);
        task->shots[i++] =
            (struct shot_ref){(uint64_t)item->valuedouble, weight ? weight->valuedouble : 1};
        weight = weight ? weight->next : NULL;
    }
    task->shot_count = count;
    return 0;
}

/* Files lie side by side: the folder of one is that of all. */
static int read_folder(const cJSON *file, struct shot_line *line, struct error *ret_error)
{
    const char *path = cJSON_GetStringValue(file);
    const char *slash = path ? strrchr(path, '/') : NULL;
    if (!slash || strcmp(slash + 1, file->string) != 0)
        return error_set(ret_error, ERROR_CONFIG,
                         "$.params.files: \"%.80s\" does not lie under its name", file->string);
    line->folder = strndup(path, (size_t)(slash - path));
    return line->folder ? 0 : error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
}

static int read_files(const cJSON *params, struct shot_task *task, struct shot_line *line,
                      struct error *ret_error)
{
    const cJSON *files, *item;
    if (json_get_object(params, params_path, "files", &files, ret_error) < 0)
        return -1;
    size_t count = (size_t)cJSON_GetArraySize(files);
    if (count > SHOT_FILES_MAX)
        return error_set(ret_error, ERROR_CONFIG, "$.params.files has %zu members", count);
    if (count && !(task->files = calloc(count, sizeof(*task->files))))
        return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu files", count);
    cJSON_ArrayForEach(item, files)
    {
        size_t size = strlen(item->string);
        if (!shot_name_is_good(item->string, size, false))
            return error_set(ret_error, ERROR_CONFIG, "$.params.files: \"%.80s\" is no name",
                             item->string);
        memcpy(task->files[task->file_count++].name, item->string, size + 1);
    }
    return count ? read_folder(files->child, line, ret_error) : 0;
}

static int read_arrays(const cJSON *params, struct shot_task *task, struct error *ret_error)
{
    const cJSON *arrays, *grid, *item;
    int axis = 0;
    if (json_get_array(params, params_path, "arrays", &arrays, ret_error) < 0 ||
        json_get_array(params, params_path, "grid", &grid, ret_error) < 0)
        return -1;
    cJSON_ArrayForEach(item, arrays)
    {
        if (task->array_count == SHOT_ARRAYS_MAX || !cJSON_IsString(item) ||
            !shot_name_is_good(item->valuestring, strlen(item->valuestring), true))
            return error_set(ret_error, ERROR_CONFIG, "$.params.arrays[%zu] is no name",
                             task->array_count);
        char *name = task->arrays[task->array_count++];
        memcpy(name, item->valuestring, strlen(item->valuestring) + 1);
    }
    cJSON_ArrayForEach(item, grid)
    {
        if (axis == GRID_AXES || !json_is_integer(item) || item->valuedouble < 1)
            return error_set(ret_error, ERROR_CONFIG, "$.params.grid is not three numbers");
        task->n[axis++] = (uint64_t)item->valuedouble;
    }
    if (task->array_count && axis != GRID_AXES)
        return error_set(ret_error, ERROR_CONFIG, "$.params.grid is not three numbers");
    task->sum = task->array_count > 0; /* which one is no business of the program's */
    return 0;
}

static int read_band(const cJSON *params, struct shot_task *task, struct error *ret_error)
{
    const cJSON *band;
    task->max_hz = INFINITY;
    if (json_get_array(params, params_path, "band_hz", &band, ret_error) < 0)
        return -1;
    const cJSON *low = band ? band->child : NULL, *high = low ? low->next : NULL;
    if (cJSON_IsNumber(low))
        task->min_hz = low->valuedouble;
    if (cJSON_IsNumber(high))
        task->max_hz = high->valuedouble;
    return 0;
}

static int read_settings(const cJSON *params, struct shot_task *task, struct error *ret_error)
{
    const cJSON *settings;
    struct buf buf;
    if (json_get_object(params, params_path, "settings", &settings, ret_error) < 0)
        return -1;
    if (!settings)
        return 0;
    buf_init(&buf, JSON_SIZE_MAX);
    json_put(&buf, settings, 0);
    const char *text = buf_failed(&buf) ? NULL : buf_text(&buf);
    task->settings = text ? strdup(text) : NULL;
    buf_fini(&buf);
    return task->settings ? 0 : error_set(ret_error, ERROR_SYSTEM, "no memory for settings");
}

static int read_params(const cJSON *params, struct shot_task *task, struct shot_line *line,
                       struct error *ret_error)
{
    const char *operation, *survey;
    uint64_t threads = 0;
    if (json_get_text(params, params_path, "operation", "", &operation, ret_error) < 0 ||
        json_get_text(params, params_path, "survey", "", &survey, ret_error) < 0 ||
        read_integer(params, params_path, "memory_bytes", &task->memory_bytes, ret_error) < 0 ||
        read_integer(params, params_path, "threads", &threads, ret_error) < 0 ||
        read_shots(params, task, ret_error) < 0 ||
        read_files(params, task, line, ret_error) < 0 ||
        read_arrays(params, task, ret_error) < 0 || read_band(params, task, ret_error) < 0 ||
        read_settings(params, task, ret_error) < 0)
        return -1;
    task->operation = shot_operation_find(operation, strlen(operation));
    if (task->operation >= SHOT_COLLECT)
        return error_set(ret_error, ERROR_CONFIG, "$.params.operation \"%.40s\" is none",
                         operation);
    line->threads = threads < 1 ? 1 : threads > 4096 ? 4096 : (unsigned)threads;
    line->survey = strdup(survey);
    return line->survey ? shot_task_check(task, ret_error)
                        : error_set(ret_error, ERROR_SYSTEM, "no memory for a task");
}

static int read_line(const cJSON *root, struct shot_task *task, struct shot_line *line,
                     struct error *ret_error)
{
    const char *dir;
    const cJSON *params;
    uint64_t attempt = 0;
    if (read_integer(root, "$", "task", &line->id.task, ret_error) < 0 ||
        read_integer(root, "$", "attempt", &attempt, ret_error) < 0 ||
        json_get_text(root, "$", "dir", ".", &dir, ret_error) < 0 ||
        json_get_object(root, "$", "params", &params, ret_error) < 0)
        return -1;
    line->id.attempt = (uint32_t)attempt;
    line->dir = strdup(dir);
    return line->dir ? read_params(params, task, line, ret_error)
                     : error_set(ret_error, ERROR_SYSTEM, "no memory for a task");
}

int shot_line_parse(const char *text, size_t size, struct shot_task *ret_task,
                    struct shot_line *ret_line, struct error *ret_error)
{
    cJSON *root;
    struct shot_task task = {0};
    struct shot_line line = {0};
    if (json_parse(text, size, "the task", JSON_STRICT, &root, ret_error) < 0)
        return -1;
    int rc = read_line(root, &task, &line, ret_error);
    cJSON_Delete(root);
    if (rc == 0) {
        *ret_task = task;
        *ret_line = line;
    } else {
        shot_task_fini(&task);
        shot_line_fini(&line);
    }
    return rc;
}

void shot_line_fini(struct shot_line *line)
{
    free((char *)line->dir);
    free((char *)line->folder);
    free((char *)line->survey);
    *line = (struct shot_line){0};
}

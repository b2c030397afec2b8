/* Tasks and results as columns of values. One check serves both ways: what is encoded can be
 * decoded, and what was decoded is what shot_task.h promises. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/seismic/shot_task_private.h"
#include "common/values.h"

enum column {
    OPERATION,
    SUM,
    SHOTS,
    ARRAYS,
    GRID,
    FILES,
    MIN_HZ,
    MAX_HZ,
    MEMORY_BYTES,
    MODE,
    KEEP_FROM,
    SETTINGS,
    ATTEMPTS,
    GIVER,
    COLUMNS
};

static const char *const columns[COLUMNS] = {
    "operation", "sum",          "shots", "arrays",    "grid",     "files",  "min_hz",
    "max_hz",    "memory_bytes", "mode",  "keep_from", "settings", "wanted", "from",
};

enum result_column {
    HOLDER,
    COUNTED,
    MISFIT,
    NORM,
    SECONDS,
    PEAK_BYTES,
    POINTS,
    WINDOW,
    EXTRA
};
#define RESULT_COLUMNS 9

const char *const shot_program_columns[] = {"misfit", "norm",   "seconds", "peak_bytes",
                                            "points", "window", "extra",   NULL};

static const char *const operations[SHOT_OPERATIONS] = {
    "model", "born", "rtm", "gradient", "misfit", "source", "collect", "listen", "take",
};

const char *shot_operation_name(enum shot_operation operation)
{
    return (unsigned)operation < SHOT_OPERATIONS ? operations[operation] : "?";
}

bool shot_makes_traces(enum shot_operation operation)
{
    return operation == SHOT_MODEL || operation == SHOT_BORN;
}

enum shot_operation shot_operation_find(const char *name, size_t size)
{
    int found = 0;
    while (found < SHOT_OPERATIONS &&
           (strlen(operations[found]) != size || memcmp(operations[found], name, size) != 0))
        found++;
    return (enum shot_operation)found;
}

int shot_task_put_columns(cJSON *job, struct error *ret_error)
{
    cJSON *params = cJSON_CreateStringArray(columns, COLUMNS);
    cJSON *results = cJSON_CreateArray();
    cJSON_AddItemToArray(results, cJSON_CreateString("holder"));
    cJSON_AddItemToArray(results, cJSON_CreateString("counted"));
    for (size_t i = 0; shot_program_columns[i]; i++)
        cJSON_AddItemToArray(results, cJSON_CreateString(shot_program_columns[i]));
    cJSON_DeleteItemFromObjectCaseSensitive(job, "params");
    cJSON_DeleteItemFromObjectCaseSensitive(job, "results");
    bool good =
        cJSON_GetArraySize(params) == COLUMNS && cJSON_GetArraySize(results) == RESULT_COLUMNS;
    good &= cJSON_AddItemToObject(job, "params", params) != 0;
    good &= cJSON_AddItemToObject(job, "results", results) != 0;
    return good ? 0 : error_set(ret_error, ERROR_SYSTEM, "no memory for the job");
}

/* --- What a task is --- */

static int refuse(struct error *ret_error, const char *sentence)
{
    return error_set(ret_error, ERROR_NETWORK, "a shot's task is wrong: %s", sentence);
}

static int by_index(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int check_shots(const struct shot_task *task, struct error *ret_error)
{
    if (task->shot_count == 0 || task->shot_count > SHOT_SHOTS_MAX)
        return refuse(ret_error, "it has no shots, or too many");
    uint64_t *sorted = malloc(task->shot_count * sizeof(*sorted));
    if (!sorted)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a task");
    bool good = true;
    for (size_t i = 0; i < task->shot_count; i++) {
        double weight = task->shots[i].weight;
        sorted[i] = task->shots[i].index;
        good &= isfinite(weight) && (task->encoded || weight == 1);
    }
    qsort(sorted, task->shot_count, sizeof(*sorted), by_index);
    for (size_t i = 1; i < task->shot_count; i++)
        good &= sorted[i] != sorted[i - 1];
    free(sorted);
    return good ? 0 : refuse(ret_error, "a shot comes twice, or has a weight that it may not");
}

static bool names_are_good(const struct shot_task *task)
{
    for (size_t i = 0; i < task->file_count; i++) {
        const char *name = task->files[i].name;
        if (!shot_name_is_good(name, strnlen(name, SHOT_NAME_MAX + 1), false))
            return false;
        for (size_t j = 0; j < i; j++)
            if (strcmp(name, task->files[j].name) == 0)
                return false;
    }
    for (size_t i = 0; i < task->array_count; i++) {
        const char *name = task->arrays[i];
        if (!shot_name_is_good(name, strnlen(name, SHOT_NAME_MAX + 1), true))
            return false;
        for (size_t j = 0; j < i; j++)
            if (strcmp(name, task->arrays[j]) == 0)
                return false;
    }
    return true;
}

static bool grid_is_good(const struct shot_task *task)
{
    uint64_t points = 1;
    for (int axis = 0; axis < GRID_AXES; axis++) {
        if (task->n[axis] == 0 || task->n[axis] > (UINT64_C(1) << 48) / points)
            return false;
        points *= task->n[axis];
    }
    return true;
}

static int check_arrays(const struct shot_task *task, struct error *ret_error)
{
    if (task->array_count > SHOT_ARRAYS_MAX || task->file_count > SHOT_FILES_MAX ||
        !names_are_good(task))
        return refuse(ret_error, "the name of a file or an array is none, or comes twice");
    if ((task->array_count > 0) != (task->sum > 0))
        return refuse(ret_error, "arrays and a sum to add them to go together");
    if (task->array_count && !grid_is_good(task))
        return refuse(ret_error, "its arrays have no points, or more than 2^48");
    if (!(task->min_hz >= 0 && task->min_hz < task->max_hz))
        return refuse(ret_error, "its band of frequencies is empty");
    return 0;
}

static int check_attempts(const struct shot_task *task, struct error *ret_error)
{
    if (task->attempt_count == 0 || task->sum == 0)
        return refuse(ret_error, "it collects nothing");
    for (size_t i = 0; i < task->attempt_count; i++)
        if (task->attempts[i].attempt == 0 ||
            task->attempts[i].task <= (i ? task->attempts[i - 1].task : 0))
            return refuse(ret_error, "what it collects is not in rising order");
    return 0;
}

int shot_task_check(const struct shot_task *task, struct error *ret_error)
{
    if ((unsigned)task->operation >= SHOT_OPERATIONS)
        return refuse(ret_error, "its operation is none");
    if (task->sum && task->keep_from > task->sum)
        return refuse(ret_error, "it would have its own sum forgotten");
    if ((task->operation == SHOT_TAKE) != (task->giver.instance > 0))
        return refuse(ret_error, "only one that takes has somebody to take it from");
    if (task->operation >= SHOT_COLLECT)
        return check_attempts(task, ret_error);
    if (check_shots(task, ret_error) < 0)
        return -1;
    return check_arrays(task, ret_error);
}

/* --- Encoding a task --- */

/* Texts are gathered in one buffer, which moves as it grows: so columns keep offsets first. */
struct texts {
    struct buf buf;
    size_t begin[COLUMNS], size[COLUMNS];
};

static void gather(struct texts *texts, enum column column,
                   void (*put)(struct buf *buf, const struct shot_task *task),
                   const struct shot_task *task)
{
    texts->begin[column] = texts->buf.size;
    put(&texts->buf, task);
    texts->size[column] = texts->buf.size - texts->begin[column];
}

static void put_grid(struct buf *buf, const struct shot_task *task)
{
    if (task->array_count)
        buf_printf(buf, "%llu %llu %llu", (unsigned long long)task->n[GRID_X],
                   (unsigned long long)task->n[GRID_Y], (unsigned long long)task->n[GRID_Z]);
}

static void put_settings(struct buf *buf, const struct shot_task *task)
{
    if (task->settings)
        buf_append_text(buf, task->settings);
}

static struct value integer_value(uint64_t number)
{
    return (struct value){.kind = number ? VALUE_INTEGER : VALUE_NONE,
                          .integer = (int64_t)number};
}

static struct value text_value(const char *text, size_t size)
{
    return (struct value){
        .kind = size ? VALUE_TEXT : VALUE_NONE, .text = text, .text_size = size};
}

static struct value real_value(double real)
{
    return (struct value){.kind = isnan(real) ? VALUE_NONE : VALUE_REAL, .real = real};
}

static void fill_values(const struct shot_task *task, const struct texts *texts,
                        struct value values[COLUMNS])
{
    const char *operation = shot_operation_name(task->operation);
    bool collects = task->operation >= SHOT_COLLECT;
    for (int i = 0; i < COLUMNS; i++)
        values[i] = text_value((const char *)texts->buf.data + texts->begin[i], texts->size[i]);
    values[OPERATION] = text_value(operation, strlen(operation));
    values[SUM] = integer_value(task->sum);
    values[KEEP_FROM] = integer_value(task->keep_from);
    values[MEMORY_BYTES] = integer_value(collects ? 0 : task->memory_bytes);
    values[MIN_HZ] = real_value(collects ? NAN : task->min_hz);
    values[MAX_HZ] = real_value(collects ? NAN : task->max_hz);
    if (task->sum)
        values[MODE] = task->exact ? text_value("exact", 5) : text_value("double", 6);
}

int shot_task_encode(const struct shot_task *task, struct buf *payload, struct error *ret_error)
{
    struct texts texts = {0};
    struct value values[COLUMNS];
    bool collects = task->operation >= SHOT_COLLECT;
    if (shot_task_check(task, ret_error) < 0)
        return -1;
    buf_init(&texts.buf, (size_t)4 * VALUE_TEXT_MAX);
    if (collects) {
        gather(&texts, ATTEMPTS, shot_text_put_attempts, task);
        gather(&texts, GIVER, shot_text_put_giver, task);
    } else {
        gather(&texts, SHOTS, shot_text_put_shots, task);
        gather(&texts, FILES, shot_text_put_files, task);
        gather(&texts, ARRAYS, shot_text_put_arrays, task);
        gather(&texts, GRID, put_grid, task);
        gather(&texts, SETTINGS, put_settings, task);
    }
    fill_values(task, &texts, values);
    int rc = buf_failed(&texts.buf) ? -1 : values_encode(payload, values, COLUMNS);
    buf_fini(&texts.buf);
    return rc == 0 ? 0
                   : error_set(ret_error, ERROR_SYSTEM,
                               "a shot's task is too large, or memory is short");
}

/* --- Decoding --- */

static uint64_t get_integer(const struct value *value, bool *bad)
{
    *bad |= value->kind > VALUE_INTEGER || (value->kind == VALUE_INTEGER && value->integer < 0);
    return value->kind == VALUE_INTEGER ? (uint64_t)value->integer : 0;
}

static double get_real(const struct value *value, double fallback, bool *bad)
{
    *bad |= value->kind == VALUE_TEXT;
    return value->kind == VALUE_REAL      ? value->real
           : value->kind == VALUE_INTEGER ? (double)value->integer
                                          : fallback;
}

/* Its text, "" where there is none. */
static const char *get_text(const struct value *value, size_t *ret_size, bool *bad)
{
    *bad |= value->kind != VALUE_TEXT && value->kind != VALUE_NONE;
    *ret_size = value->kind == VALUE_TEXT ? value->text_size : 0;
    return *ret_size ? value->text : "";
}

static int copy_text(const char *text, size_t size, char **ret_copy, struct error *ret_error)
{
    *ret_copy = size ? strndup(text, size) : NULL;
    return *ret_copy || size == 0 ? 0 : error_set(ret_error, ERROR_SYSTEM, "no memory for it");
}

static int take_texts(struct shot_task *task, const struct value *values,
                      struct error *ret_error)
{
    const char *text[COLUMNS];
    size_t size[COLUMNS];
    bool bad = false;
    static const enum column texts[] = {OPERATION, SHOTS,    FILES, ARRAYS, GRID,
                                        SETTINGS,  ATTEMPTS, GIVER, MODE};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        text[texts[i]] = get_text(&values[texts[i]], &size[texts[i]], &bad);
    if (bad)
        return refuse(ret_error, "a column has no text");
    task->operation = shot_operation_find(text[OPERATION], size[OPERATION]);
    task->exact = size[MODE] == 5 && memcmp(text[MODE], "exact", 5) == 0;
    if (!task->exact &&
        (task->sum ? size[MODE] != 6 || memcmp(text[MODE], "double", 6) != 0 : size[MODE] != 0))
        return refuse(ret_error, "its mode is neither \"double\" nor \"exact\"");
    if (shot_text_get_shots(text[SHOTS], size[SHOTS], task, ret_error) < 0 ||
        shot_text_get_files(text[FILES], size[FILES], task, ret_error) < 0 ||
        shot_text_get_arrays(text[ARRAYS], size[ARRAYS], task, ret_error) < 0 ||
        shot_text_get_attempts(text[ATTEMPTS], size[ATTEMPTS], task, ret_error) < 0 ||
        shot_text_get_giver(text[GIVER], size[GIVER], task, ret_error) < 0)
        return -1;
    if (size[GRID] &&
        shot_text_get_numbers(text[GRID], size[GRID], task->n, GRID_AXES, ret_error) < 0)
        return -1;
    return copy_text(text[SETTINGS], size[SETTINGS], &task->settings, ret_error);
}

static int take_values(struct shot_task *task, const struct value *values, size_t count,
                       struct error *ret_error)
{
    bool bad = false;
    if (count != COLUMNS)
        return refuse(ret_error, "it has another number of columns than this program knows");
    task->sum = get_integer(&values[SUM], &bad);
    task->keep_from = get_integer(&values[KEEP_FROM], &bad);
    task->memory_bytes = get_integer(&values[MEMORY_BYTES], &bad);
    task->min_hz = get_real(&values[MIN_HZ], 0, &bad);
    task->max_hz = get_real(&values[MAX_HZ], INFINITY, &bad);
    if (bad)
        return refuse(ret_error, "a column has no number");
    if (take_texts(task, values, ret_error) < 0)
        return -1;
    return shot_task_check(task, ret_error);
}

int shot_task_decode(const void *bytes, size_t size, struct shot_task *ret_task,
                     struct error *ret_error)
{
    struct value *values;
    size_t count;
    struct shot_task task = {0};
    if (values_decode(bytes, size, &values, &count, ret_error) < 0)
        return -1;
    int rc = take_values(&task, values, count, ret_error);
    free(values);
    if (rc < 0)
        shot_task_fini(&task);
    else
        *ret_task = task;
    return rc;
}

void shot_task_fini(struct shot_task *task)
{
    free(task->shots);
    free(task->files);
    free(task->settings);
    free(task->attempts);
    *task = (struct shot_task){0};
}

/* --- Results --- */

int shot_window_parse(const char *text, size_t size, const uint64_t n[GRID_AXES],
                      struct grid_box *ret_window, struct error *ret_error)
{
    uint64_t numbers[2 * GRID_AXES];
    if (shot_text_get_numbers(text, size, numbers, 2 * GRID_AXES, ret_error) < 0)
        return -1;
    for (int axis = 0; axis < GRID_AXES; axis++) {
        uint64_t first = numbers[axis], points = numbers[GRID_AXES + axis];
        if (points == 0 || points > n[axis] || first > n[axis] - points)
            return error_set(ret_error, ERROR_TASKS,
                             "the window \"%.*s\" does not lie in the model of %llu x %llu x "
                             "%llu points",
                             (int)(size < 100 ? size : 100), text,
                             (unsigned long long)n[GRID_X], (unsigned long long)n[GRID_Y],
                             (unsigned long long)n[GRID_Z]);
        ret_window->first[axis] = (size_t)first;
        ret_window->n[axis] = (size_t)points;
    }
    return 0;
}

static void print_window(struct buf *buf, const struct grid_box *window)
{
    buf_printf(buf, "%zu %zu %zu %zu %zu %zu", window->first[GRID_X], window->first[GRID_Y],
               window->first[GRID_Z], window->n[GRID_X], window->n[GRID_Y], window->n[GRID_Z]);
}

int shot_result_encode(const struct shot_result *result, struct buf *values,
                       struct error *ret_error)
{
    struct buf window;
    buf_init(&window, 256);
    if (result->has_window)
        print_window(&window, &result->window);
    const char *extra = result->extra ? result->extra : "";
    const struct value list[RESULT_COLUMNS] = {
        [HOLDER] = text_value(result->holder, strnlen(result->holder, sizeof(result->holder))),
        [COUNTED] = integer_value(result->counted),
        [MISFIT] = real_value(result->misfit),
        [NORM] = real_value(result->norm),
        [SECONDS] = real_value(result->seconds),
        [PEAK_BYTES] = integer_value(result->peak_bytes),
        [POINTS] = real_value(result->points),
        [WINDOW] = text_value((const char *)window.data, window.size),
        [EXTRA] = text_value(extra, strlen(extra)),
    };
    int rc = values_encode(values, list, RESULT_COLUMNS);
    buf_fini(&window);
    return rc == 0 ? 0
                   : error_set(ret_error, ERROR_SYSTEM, "the result of a shot is too large");
}

/* Say which of a result's values is a text where it is to be a number, or the other way round. */
static int wrong_kind(const struct value *values, struct error *ret_error)
{
    for (int i = MISFIT; i < RESULT_COLUMNS; i++) {
        bool text = i == WINDOW || i == EXTRA;
        if (values[i].kind != VALUE_NONE && (values[i].kind == VALUE_TEXT) != text)
            return error_set(ret_error, ERROR_NETWORK,
                             "\"%s\" in the result of a shot is no %s",
                             shot_program_columns[i - MISFIT], text ? "text" : "number");
    }
    return error_set(ret_error, ERROR_NETWORK,
                     "the result of a shot does not say where it is held");
}

static int take_result(struct shot_result *result, const struct value *values, size_t count,
                       struct error *ret_error)
{
    bool bad = false;
    size_t holder, window, extra;
    const uint64_t any[GRID_AXES] = {SIZE_MAX, SIZE_MAX, SIZE_MAX};
    if (count != RESULT_COLUMNS)
        return error_set(ret_error, ERROR_NETWORK, "the result of a shot has %zu values",
                         count);
    const char *holder_text = get_text(&values[HOLDER], &holder, &bad);
    const char *window_text = get_text(&values[WINDOW], &window, &bad);
    const char *extra_text = get_text(&values[EXTRA], &extra, &bad);
    result->counted = get_integer(&values[COUNTED], &bad);
    result->misfit = get_real(&values[MISFIT], NAN, &bad);
    result->norm = get_real(&values[NORM], NAN, &bad);
    result->seconds = get_real(&values[SECONDS], NAN, &bad);
    result->points = get_real(&values[POINTS], NAN, &bad);
    double peak = get_real(&values[PEAK_BYTES], 0, &bad);
    result->peak_bytes = peak > 0 && peak < 0x1p63 ? (uint64_t)peak : 0;
    if (bad || holder >= sizeof(result->holder))
        return wrong_kind(values, ret_error);
    memcpy(result->holder, holder_text, holder);
    result->has_window = window > 0;
    if (window && shot_window_parse(window_text, window, any, &result->window, ret_error) < 0)
        return error_set(ret_error, ERROR_TASKS,
                         "\"%.*s\" is no window: FIRSTX FIRSTY FIRSTZ NX NY NZ, with a point "
                         "or more along each axis",
                         (int)(window < 100 ? window : 100), window_text);
    return copy_text(extra_text, extra, &result->extra, ret_error);
}

int shot_result_decode(const void *bytes, size_t size, struct shot_result *ret_result,
                       struct error *ret_error)
{
    struct value *values;
    size_t count;
    struct shot_result result = {0};
    if (values_decode(bytes, size, &values, &count, ret_error) < 0)
        return -1;
    int rc = take_result(&result, values, count, ret_error);
    free(values);
    if (rc == 0)
        *ret_result = result;
    return rc;
}

void shot_result_fini(struct shot_result *result)
{
    free(result->extra);
    result->extra = NULL;
}

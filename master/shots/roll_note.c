/* Notes, printed and read. */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/store.h"
#include "master/shots/roll_private.h"

#define HOLDER_DIGITS 16

/* ---- printing ---- */

static void put_list(struct buf *note, const size_t *values, size_t count)
{
    buf_append_text(note, "[");
    for (size_t i = 0; i < count; i++)
        buf_printf(note, "%s%zu", i ? "," : "", values[i]);
    buf_append_text(note, "]");
}

static void put_files(struct buf *note, const struct shot_file *files, size_t count)
{
    char hex[STORE_HASH_TEXT];
    buf_append_text(note, "{");
    for (size_t i = 0; i < count; i++) {
        store_hash_format(files[i].hash, hex);
        buf_printf(note, "%s\"%s\":\"%s\"", i ? "," : "", files[i].name, hex);
    }
    buf_append_text(note, "}");
}

int roll_note_wave(const struct roll_wave *wave, struct buf *note)
{
    buf_printf(note, "{\"wave\":{\"operation\":\"%s\",\"purpose\":",
               shot_operation_name(wave->operation));
    json_put_text(note, wave->purpose, strlen(wave->purpose));
    buf_printf(note, ",\"iteration\":%d,\"band_hz\":[", wave->iteration);
    json_put_real(note, wave->min_hz);
    buf_append_text(note, ",");
    json_put_real(note, wave->max_hz); /* infinity: null */
    buf_append_text(note, "],\"shots\":");
    put_list(note, wave->shots, wave->shot_count);
    buf_append_text(note, ",\"files\":");
    put_files(note, wave->files, wave->file_count);
    if (wave->has_state) {
        char hex[STORE_HASH_TEXT];
        store_hash_format(wave->state, hex);
        buf_printf(note, ",\"state\":\"%s\"", hex);
    }
    if (wave->illumination)
        buf_append_text(note, ",\"illumination\":true");
    if (wave->asked)
        buf_printf(note, ",\"asked\":%" PRIu64, wave->asked);
    if (wave->settings)
        buf_printf(note, ",\"settings\":%s", wave->settings);
    buf_append_text(note, "}}");
    return buf_failed(note) ? -1 : 0;
}

int roll_note_tasks(const size_t *shots, const size_t *sizes, size_t count, struct buf *note)
{
    buf_append_text(note, "{\"tasks\":[");
    for (size_t i = 0; i < count; shots += sizes[i], i++) {
        buf_append_text(note, i ? "," : "");
        put_list(note, shots, sizes[i]);
    }
    buf_append_text(note, "]}");
    return buf_failed(note) ? -1 : 0;
}

int roll_note_finished(const char *sentence, bool failed, struct buf *note)
{
    buf_append_text(note, "{\"finished\":");
    json_put_text(note, sentence, strlen(sentence));
    buf_append_text(note, failed ? ",\"failed\":true}" : "}");
    return buf_failed(note) ? -1 : 0;
}

/* Who has to do with all attempts that one process holds, and these. */
static void put_holder(const struct roll *roll, uint64_t who, uint64_t holder, struct buf *note)
{
    const char *comma = "";
    buf_printf(note, "\"%016" PRIx64 "\",[", who);
    for (size_t t = roll_wave(roll)->first; t < roll->task_count; t++) {
        const struct roll_task *task = &roll->tasks[t];
        if (task->held_by != holder)
            continue;
        buf_printf(note, "%s[%zu,%u]", comma, t + 1, task->attempt);
        comma = ",";
    }
    buf_append_text(note, "]");
}

int roll_note_collect(const struct roll *roll, struct buf *note, size_t *ret_count)
{
    struct roll_holding *holdings = roll_holdings(roll, ret_count);
    if (!holdings)
        return -1;
    buf_append_text(note, "{\"collect\":[");
    for (size_t i = 0; i < *ret_count; i++) {
        buf_append_text(note, i ? ",[" : "[");
        put_holder(roll, holdings[i].holder, holdings[i].holder, note);
        buf_append_text(note, "]");
    }
    buf_append_text(note, "]}");
    free(holdings);
    return buf_failed(note) ? -1 : 0;
}

int roll_note_listen(const struct roll *roll, const uint64_t *holders, size_t count,
                     struct buf *note)
{
    buf_append_text(note, "{\"listen\":[");
    for (size_t i = 0; i < count; i++) {
        buf_append_text(note, i ? ",[" : "[");
        put_holder(roll, holders[i], holders[i], note);
        buf_append_text(note, "]");
    }
    buf_append_text(note, "]}");
    return buf_failed(note) ? -1 : 0;
}

int roll_note_take(const struct roll *roll, const struct roll_gift *gifts, size_t count,
                   struct buf *note)
{
    buf_append_text(note, "{\"take\":[");
    for (size_t i = 0; i < count; i++) {
        const struct shot_giver *giver = &gifts[i].giver;
        buf_append_text(note, i ? ",[" : "[");
        put_holder(roll, gifts[i].taker, giver->instance, note);
        buf_printf(note, ",\"%016" PRIx64 "\",\"%s\",%d]", giver->instance, giver->host,
                   giver->port);
    }
    buf_append_text(note, "]}");
    return buf_failed(note) ? -1 : 0;
}

int roll_note_fetch(const struct roll *roll, uint64_t holder, struct buf *note,
                    size_t *ret_count)
{
    *ret_count = 0;
    for (size_t t = roll_wave(roll)->first; t < roll->task_count && !*ret_count; t++)
        *ret_count = roll->tasks[t].held_by == holder;
    if (*ret_count == 0)
        return 0;
    buf_append_text(note, "{\"fetch\":[[");
    put_holder(roll, holder, holder, note);
    buf_append_text(note, "]]}");
    return buf_failed(note) ? -1 : 0;
}

/* ---- reading ---- */

static int refuse(struct error *ret_error, const char *what)
{
    return error_set(ret_error, ERROR_SYSTEM,
                     "the journal has a note that does not fit: %s; start a new run", what);
}

static int no_memory(struct error *ret_error)
{
    return error_set(ret_error, ERROR_SYSTEM, "no memory for the roll of shots");
}

/* A list of shots, each below `limit`. */
static int read_shots(const cJSON *list, size_t limit, size_t **ret_shots, size_t *ret_count)
{
    size_t count = cJSON_IsArray(list) ? (size_t)cJSON_GetArraySize(list) : 0, i = 0;
    size_t *shots = calloc(count + 1, sizeof(*shots));
    const cJSON *item;
    if (!shots || count == 0)
        goto fail;
    cJSON_ArrayForEach(item, list)
    {
        if (!json_is_integer(item) || item->valuedouble < 0 ||
            item->valuedouble >= (double)limit)
            goto fail;
        shots[i++] = (size_t)item->valuedouble;
    }
    *ret_shots = shots;
    *ret_count = count;
    return 0;
fail:
    free(shots);
    return -1;
}

static bool are_rising(const size_t *shots, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (shots[i] <= shots[i - 1])
            return false;
    return true;
}

static int read_files(const cJSON *object, struct roll_wave *wave)
{
    const cJSON *item;
    size_t count = object ? (size_t)cJSON_GetArraySize(object) : 0;
    wave->files = calloc(count + 1, sizeof(*wave->files));
    if (!wave->files)
        return -1;
    cJSON_ArrayForEach(item, object)
    {
        struct shot_file *file = &wave->files[wave->file_count++];
        if (!cJSON_IsString(item) || strlen(item->string) > SHOT_NAME_MAX ||
            store_hash_parse(item->valuestring, file->hash) < 0)
            return -1;
        snprintf(file->name, sizeof(file->name), "%s", item->string);
    }
    return 0;
}

static int read_operation(const char *name, enum shot_operation *ret_operation)
{
    for (int i = 0; name && i < SHOT_OPERATIONS; i++)
        if (strcmp(shot_operation_name((enum shot_operation)i), name) == 0) {
            *ret_operation = (enum shot_operation)i;
            return 0;
        }
    return -1;
}

static int read_wave(const cJSON *object, size_t limit, struct roll_wave *wave)
{
    const cJSON *band = json_member(object, "band_hz");
    const cJSON *low = cJSON_GetArrayItem(band, 0), *high = cJSON_GetArrayItem(band, 1);
    const cJSON *purpose = json_member(object, "purpose");
    const cJSON *iteration = json_member(object, "iteration");
    const cJSON *settings = json_member(object, "settings");
    const cJSON *state = json_member(object, "state"), *asked = json_member(object, "asked");
    if ((asked && (!json_is_integer(asked) || asked->valuedouble < 1)) ||
        (state &&
         (!cJSON_IsString(state) || store_hash_parse(state->valuestring, wave->state) < 0)) ||
        read_operation(cJSON_GetStringValue(json_member(object, "operation")),
                       &wave->operation) < 0 ||
        !cJSON_IsString(purpose) || !json_is_integer(iteration) || !cJSON_IsNumber(low) ||
        read_shots(json_member(object, "shots"), limit, &wave->shots, &wave->shot_count) < 0 ||
        !are_rising(wave->shots, wave->shot_count) ||
        read_files(json_member(object, "files"), wave) < 0)
        return -1;
    wave->iteration = (int)iteration->valuedouble;
    wave->min_hz = low->valuedouble;
    wave->max_hz = cJSON_IsNumber(high) ? high->valuedouble : INFINITY;
    wave->purpose = strdup(purpose->valuestring);
    wave->has_state = state != NULL;
    wave->asked = asked ? (uint64_t)asked->valuedouble : 0;
    wave->illumination = cJSON_IsTrue(json_member(object, "illumination"));
    struct buf text;
    buf_init(&text, JSON_SIZE_MAX);
    if (settings && json_put(&text, settings, 0) == 0)
        wave->settings = strdup(buf_text(&text));
    bool failed = buf_failed(&text) || !wave->purpose || (settings && !wave->settings);
    buf_fini(&text);
    return failed ? -1 : 0;
}

static int take_wave(struct roll *roll, const cJSON *object, struct error *ret_error)
{
    struct roll_wave wave = {.first = roll->task_count};
    if (roll->wave_count == roll->wave_capacity) {
        size_t capacity = roll->wave_capacity ? 2 * roll->wave_capacity : 16;
        struct roll_wave *waves = reallocarray(roll->waves, capacity, sizeof(*waves));
        if (!waves)
            return no_memory(ret_error);
        roll->waves = waves;
        roll->wave_capacity = capacity;
    }
    if (read_wave(object, roll->shots, &wave) < 0) {
        roll_wave_free(&wave);
        return refuse(ret_error, "a wave");
    }
    roll->waves[roll->wave_count++] = wave;
    roll->round = roll->task_count;
    return 0;
}

static struct roll_task *task_add(struct roll *roll)
{
    if (roll->task_count == roll->task_capacity) {
        size_t capacity = roll->task_capacity ? 2 * roll->task_capacity : 64;
        struct roll_task *tasks = reallocarray(roll->tasks, capacity, sizeof(*tasks));
        if (!tasks)
            return NULL;
        roll->tasks = tasks;
        roll->task_capacity = capacity;
    }
    struct roll_task *task = &roll->tasks[roll->task_count++];
    *task = (struct roll_task){
        .wave = roll->wave_count - 1, .misfit = NAN, .norm = NAN, .seconds = NAN};
    return task;
}

/* Undo what a note that turned out bad has added. */
static void tasks_drop(struct roll *roll, size_t count)
{
    while (roll->task_count > count)
        roll_task_free(&roll->tasks[--roll->task_count]);
}

static int take_tasks(struct roll *roll, const cJSON *list, struct error *ret_error)
{
    size_t first = roll->task_count;
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        struct roll_task *task = task_add(roll);
        if (!task || read_shots(item, roll->shots, &task->shots, &task->shot_count) < 0) {
            tasks_drop(roll, first);
            return refuse(ret_error, "a round of shots");
        }
    }
    roll->round = first;
    roll_wave(roll)->collecting = false;
    return 0;
}

static int read_attempts(const struct roll *roll, size_t tasks, const cJSON *list,
                         struct roll_task *task)
{
    const cJSON *item;
    task->attempts = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(*task->attempts));
    if (!task->attempts)
        return -1;
    cJSON_ArrayForEach(item, list)
    {
        const cJSON *number = cJSON_GetArrayItem(item, 0), *try = cJSON_GetArrayItem(item, 1);
        if (!json_is_integer(number) || !json_is_integer(try) || number->valuedouble < 1 ||
            number->valuedouble > (double)tasks ||
            number->valuedouble <= (double)roll_wave(roll)->first)
            return -1;
        task->attempts[task->attempt_count++] = (struct attempt_id){
            .task = (uint64_t)number->valuedouble, .attempt = (uint32_t)try->valuedouble};
    }
    return task->attempt_count ? 0 : -1;
}

/* 16 hex digits; 0: that is no number of a process. */
static uint64_t read_process(const cJSON *item)
{
    const char *text = cJSON_GetStringValue(item);
    return text && strlen(text) == HOLDER_DIGITS ? strtoull(text, NULL, 16) : 0;
}

/* Behind who takes, and what: from whom. */
static int read_giver(const cJSON *item, struct roll_task *task)
{
    struct shot_giver *giver = &task->giver;
    const char *host = cJSON_GetStringValue(cJSON_GetArrayItem(item, 3));
    const cJSON *port = cJSON_GetArrayItem(item, 4);
    giver->instance = read_process(cJSON_GetArrayItem(item, 2));
    if (!giver->instance || !host || strlen(host) > SHOT_HOST_MAX || !json_is_integer(port) ||
        port->valuedouble < 1 || port->valuedouble > UINT16_MAX)
        return -1;
    snprintf(giver->host, sizeof(giver->host), "%s", host);
    giver->port = (int)port->valuedouble;
    return 0;
}

/* Tasks about what is held. */
static int take_held(struct roll *roll, const cJSON *list, enum roll_kind kind,
                     struct error *ret_error)
{
    size_t first = roll->task_count;
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        struct roll_task *task = task_add(roll);
        if (task)
            task->kind = kind;
        if (!task || !(task->holder = read_process(cJSON_GetArrayItem(item, 0))) ||
            read_attempts(roll, first, cJSON_GetArrayItem(item, 1), task) < 0 ||
            (kind == ROLL_LISTEN && roll_process_add(roll, task->holder) < 0) ||
            (kind == ROLL_TAKE && read_giver(item, task) < 0)) {
            tasks_drop(roll, first);
            return refuse(ret_error, "a round about sums");
        }
    }
    return 0;
}

/* The same as a round of its own. */
static int take_round(struct roll *roll, const cJSON *list, enum roll_kind kind,
                      struct error *ret_error)
{
    size_t first = roll->task_count;
    if (take_held(roll, list, kind, ret_error) < 0)
        return -1;
    roll->round = first;
    roll_wave(roll)->collecting = true;
    return 0;
}

static int take(struct roll *roll, const cJSON *note, struct error *ret_error)
{
    const cJSON *wave = json_member(note, "wave"), *tasks = json_member(note, "tasks");
    const cJSON *collect = json_member(note, "collect"), *fetch = json_member(note, "fetch");
    const cJSON *listen = json_member(note, "listen"), *gifts = json_member(note, "take");
    const cJSON *outside = json_member(note, "outside"), *terms = json_member(note, "terms");
    const char *finished = cJSON_GetStringValue(json_member(note, "finished"));
    if (outside)
        return outside_take(&roll->outside, outside) < 0
                   ? refuse(ret_error, "one of files that do not travel")
                   : 0;
    if (terms) {
        roll->agreed = true;
        return terms_compare(&roll->terms, terms, ret_error);
    }
    if (wave)
        return take_wave(roll, wave, ret_error);
    if (tasks && roll->wave_count)
        return take_tasks(roll, tasks, ret_error);
    if (collect && roll->wave_count)
        return take_round(roll, collect, ROLL_COLLECT, ret_error);
    if (fetch && roll->wave_count)
        return take_held(roll, fetch, ROLL_COLLECT, ret_error);
    if (listen && roll->wave_count)
        return take_round(roll, listen, ROLL_LISTEN, ret_error);
    if (gifts && roll->wave_count)
        return take_round(roll, gifts, ROLL_TAKE, ret_error);
    if (!finished)
        return refuse(ret_error, "one of an unknown kind");
    free(roll->finished);
    roll->finished = strdup(finished);
    roll->failed = cJSON_IsTrue(json_member(note, "failed"));
    return roll->finished ? 0 : no_memory(ret_error);
}

int roll_take(struct roll *roll, const void *bytes, size_t size, struct error *ret_error)
{
    cJSON *note;
    if (json_parse(bytes, size, "a note of the journal", JSON_STRICT, &note, ret_error) < 0)
        return -1;
    int rc = take(roll, note, ret_error);
    cJSON_Delete(note);
    return rc;
}

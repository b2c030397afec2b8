#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/hex.h"
#include "common/json.h"
#include "master/pest/history.h"

void history_fini(struct history *history)
{
    free(history->waves);
    *history = (struct history){0};
}

void history_print(const struct history_wave *wave, struct buf *note)
{
    buf_printf(note,
               "{\"wave\":%" PRIu64 ",\"task\":%" PRIu64 ",\"runs\":%" PRIu64
               ",\"slots\":%" PRIu32 ",\"parameters\":\"%016" PRIx64 "\"}",
               wave->number, wave->task, wave->runs, wave->slots, wave->fingerprint);
}

static int parse(const cJSON *note, struct history_wave *wave, struct error *ret_error)
{
    int64_t number, task, runs, slots;
    const char *text;
    char *end;
    if (json_get_integer(note, "$", "wave", 0, &number, ret_error) < 0 ||
        json_get_integer(note, "$", "task", 0, &task, ret_error) < 0 ||
        json_get_integer(note, "$", "runs", 0, &runs, ret_error) < 0 ||
        json_get_integer(note, "$", "slots", 0, &slots, ret_error) < 0 ||
        json_get_text(note, "$", "parameters", "", &text, ret_error) < 0)
        return -1;
    uint64_t fingerprint = strtoull(text, &end, 16);
    if (number < 1 || task < 1 || runs < 1 || slots < 1 || slots > UINT32_MAX || *end || !*text)
        return error_set(ret_error, ERROR_SYSTEM, "not a wave");
    *wave = (struct history_wave){.number = (uint64_t)number,
                                  .task = (uint64_t)task,
                                  .runs = (uint64_t)runs,
                                  .slots = (uint32_t)slots,
                                  .fingerprint = fingerprint};
    return 0;
}

static int append(struct history *history, const struct history_wave *wave,
                  struct error *ret_error)
{
    if (history->count == history->capacity) {
        size_t capacity = history->capacity ? 2 * history->capacity : 32;
        struct history_wave *waves =
            reallocarray(history->waves, capacity, sizeof *history->waves);
        if (!waves)
            return error_set(ret_error, ERROR_SYSTEM, "no memory to replay the journal");
        history->waves = waves;
        history->capacity = capacity;
    }
    history->waves[history->count++] = *wave;
    return 0;
}

int history_take(struct history *history, const void *bytes, size_t size,
                 struct error *ret_error)
{
    cJSON *note = NULL;
    struct history_wave wave = {0};
    int rc = json_parse(bytes, size, "a note", JSON_STRICT, &note, ret_error);
    if (rc == 0)
        rc = parse(note, &wave, ret_error);
    cJSON_Delete(note);
    if (rc == 0 && wave.number != history->count + 1)
        rc = error_set(ret_error, ERROR_SYSTEM, "wave %" PRIu64 " follows wave %zu",
                       wave.number, history->count);
    if (rc < 0)
        return error_prefix(ret_error, "the journal's notes are not those of an estimation");
    return append(history, &wave, ret_error);
}

const struct history_wave *history_find(const struct history *history, uint64_t number)
{
    return number >= 1 && number <= history->count ? &history->waves[number - 1] : NULL;
}

int history_compare(const struct history_wave *noted, const struct history_wave *now,
                    struct error *ret_error)
{
    if (noted->task == now->task && noted->runs == now->runs &&
        noted->fingerprint == now->fingerprint)
        return 0;
    return error_set(
        ret_error, ERROR_CHANGED,
        "wave %" PRIu64 " of the estimation comes out otherwise than before (%" PRIu64
        " runs then, %" PRIu64 " now%s): the control file, beofarm or the machine's arithmetic "
        "has changed; resume with what it was begun with, or start a new run",
        noted->number, noted->runs, now->runs,
        noted->runs == now->runs ? ", with other parameters" : "");
}

/* Every change goes through roll_take and roll_end: see the header. */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/store.h"
#include "master/shots/roll.h"
#include "master/shots/roll_private.h"

void roll_init(struct roll *roll, size_t shots)
{
    *roll = (struct roll){.shots = shots};
}

void roll_wave_free(struct roll_wave *wave)
{
    free(wave->purpose);
    free(wave->shots);
    free(wave->files);
    free(wave->settings);
}

void roll_task_free(struct roll_task *task)
{
    free(task->shots);
    free(task->attempts);
    free(task->extra);
    free(task->error);
}

void roll_fini(struct roll *roll)
{
    for (size_t i = 0; i < roll->wave_count; i++)
        roll_wave_free(&roll->waves[i]);
    for (size_t i = 0; i < roll->task_count; i++)
        roll_task_free(&roll->tasks[i]);
    free(roll->waves);
    free(roll->tasks);
    free(roll->processes);
    free(roll->finished);
    outside_fini(&roll->outside);
    roll_init(roll, roll->shots);
}

struct roll_wave *roll_wave(const struct roll *roll)
{
    return roll->wave_count ? &roll->waves[roll->wave_count - 1] : NULL;
}

uint64_t roll_wave_number(const struct roll *roll)
{
    return roll->wave_count;
}

struct roll_task *roll_task(const struct roll *roll, uint64_t task)
{
    return task - 1 < roll->task_count ? &roll->tasks[task - 1] : NULL;
}

size_t roll_open(const struct roll *roll)
{
    size_t open = 0;
    for (size_t i = roll->round; i < roll->task_count; i++)
        open += !roll->tasks[i].ended;
    return open;
}

uint64_t roll_fetch(const struct roll *roll, uint64_t holder)
{
    for (size_t i = roll->round; i < roll->task_count; i++)
        if (!roll->tasks[i].ended &&
            (roll->tasks[i].holder == holder || roll->tasks[i].giver.instance == holder))
            return i + 1;
    return 0;
}

uint64_t roll_sequence(const struct roll *roll)
{
    const struct roll_wave *wave = roll_wave(roll);
    uint64_t greatest = 0;
    for (size_t i = wave ? wave->first : 0; i < roll->task_count; i++)
        if (roll->tasks[i].sequence > greatest)
            greatest = roll->tasks[i].sequence;
    return greatest;
}

size_t roll_place_in(const struct roll_wave *wave, size_t shot)
{
    size_t low = 0, high = wave->shot_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (wave->shots[middle] < shot)
            low = middle + 1;
        else
            high = middle;
    }
    return low < wave->shot_count && wave->shots[low] == shot ? low : SIZE_MAX;
}

size_t *roll_holders(const struct roll *roll, bool need_arrays)
{
    const struct roll_wave *wave = roll_wave(roll);
    size_t *holders = calloc(wave->shot_count + 1, sizeof(*holders));
    for (size_t i = 0; holders && i < wave->shot_count; i++)
        holders[i] = SIZE_MAX;
    for (size_t t = wave->first; holders && t < roll->task_count; t++) {
        const struct roll_task *task = &roll->tasks[t];
        bool good = task->ended && task->status == RESULT_OK && !task->holder;
        if (!good || (need_arrays && !task->held_by && !task->taken))
            continue;
        for (size_t i = 0; i < task->shot_count; i++)
            holders[roll_place_in(wave, task->shots[i])] = t;
    }
    return holders;
}

static bool has_shot(const struct roll_task *task, size_t shot)
{
    for (size_t i = 0; i < task->shot_count; i++)
        if (task->shots[i] == shot)
            return true;
    return false;
}

const struct roll_task *roll_last_of(const struct roll *roll, size_t shot)
{
    for (size_t t = roll->task_count; t > roll_wave(roll)->first; t--)
        if (has_shot(&roll->tasks[t - 1], shot))
            return &roll->tasks[t - 1];
    return NULL;
}

bool roll_wants_again(const struct roll *roll, size_t shot, bool encoded)
{
    const struct roll_task *task = roll_last_of(roll, shot);
    return task && (task->status == RESULT_OK ||
                    (task->status != RESULT_CANCELLED && task->shot_count > 1 && !encoded));
}

/* ---- who holds what ---- */

static int by_holder(const void *a, const void *b)
{
    uint64_t left = ((const struct roll_holding *)a)->holder;
    uint64_t right = ((const struct roll_holding *)b)->holder;
    return left < right ? -1 : left > right;
}

struct roll_holding *roll_holdings(const struct roll *roll, size_t *ret_count)
{
    size_t first = roll_wave(roll)->first, count = 0, put = 0;
    struct roll_holding *holdings = calloc(roll->task_count - first + 1, sizeof(*holdings));
    if (!holdings)
        return NULL;
    for (size_t t = first; t < roll->task_count; t++)
        if (roll->tasks[t].held_by)
            holdings[count++] = (struct roll_holding){roll->tasks[t].held_by, 1};
    qsort(holdings, count, sizeof(*holdings), by_holder);
    for (size_t i = 0; i < count; i++)
        if (put && holdings[put - 1].holder == holdings[i].holder)
            holdings[put - 1].attempts++;
        else
            holdings[put++] = holdings[i];
    *ret_count = put;
    return holdings;
}

struct roll_process *roll_process(const struct roll *roll, uint64_t instance)
{
    for (size_t i = 0; i < roll->process_count; i++)
        if (roll->processes[i].at.instance == instance)
            return &roll->processes[i];
    return NULL;
}

int roll_process_add(struct roll *roll, uint64_t instance)
{
    if (roll_process(roll, instance))
        return 0;
    struct roll_process *processes =
        reallocarray(roll->processes, roll->process_count + 1, sizeof(*processes));
    if (!processes)
        return -1;
    roll->processes = processes;
    processes[roll->process_count++] = (struct roll_process){.at = {.instance = instance}};
    return 0;
}

/* ---- results ---- */

static char *text_copy(const void *text, size_t size)
{
    return size ? strndup(text, size) : NULL;
}

static int by_task(const void *a, const void *b)
{
    uint64_t left = ((const struct attempt_id *)a)->task;
    uint64_t right = ((const struct attempt_id *)b)->task;
    return left < right ? -1 : left > right;
}

static bool names(const struct roll_task *task, struct attempt_id id)
{
    const struct attempt_id *found =
        bsearch(&id, task->attempts, task->attempt_count, sizeof(id), by_task);
    return found && found->attempt == id.attempt;
}

/* Of whom this process had taken the attempt, who still has it; 0: it had computed it itself. */
static uint64_t giver_of(const struct roll *roll, struct attempt_id id, uint64_t holder)
{
    for (size_t t = roll->task_count; t > roll_wave(roll)->first; t--) {
        const struct roll_task *task = &roll->tasks[t - 1];
        if (task->kind == ROLL_TAKE && task->taken && task->holder == holder && names(task, id))
            return task->giver.instance;
    }
    return 0;
}

/* The arrays that this task collected are here; others that its holder had are gone. Which of the
 * wanted are in the file, the driver sees when it reads it. */
static void collected(struct roll *roll, const struct roll_task *task, bool good)
{
    for (size_t i = 0; i < task->attempt_count; i++) {
        struct roll_task *from = roll_task(roll, task->attempts[i].task);
        from->held_by = good ? 0 : giver_of(roll, task->attempts[i], task->holder);
        from->taken = good;
    }
}

/* What a worker said besides; NULL: nothing that can be read. The caller deletes it. */
static cJSON *read_extra(const struct shot_result *said)
{
    cJSON *extra = NULL;
    if (said->extra)
        json_parse(said->extra, strlen(said->extra), "what a worker said", JSON_STRICT, &extra,
                   NULL);
    return extra;
}

/* What the giver held the taker holds now, if it says so. */
static void given(struct roll *roll, struct roll_task *task, const struct shot_result *said)
{
    task->taken = said->counted > 0;
    roll->gifts += task->taken;
    for (size_t i = 0; task->taken && i < task->attempt_count; i++) {
        struct roll_task *from = roll_task(roll, task->attempts[i].task);
        if (from->held_by == task->giver.instance)
            from->held_by = task->holder;
    }
    if (!task->taken) {
        cJSON *extra = read_extra(said);
        const char *why = cJSON_GetStringValue(json_member(extra, "why"));
        task->error = why ? strdup(why) : NULL;
        cJSON_Delete(extra);
    }
}

/* Where the holder can be found, if it says so. */
static void listens(struct roll *roll, const struct roll_task *task,
                    const struct shot_result *said)
{
    struct roll_process *process = roll_process(roll, task->holder);
    cJSON *extra = read_extra(said);
    const char *host = cJSON_GetStringValue(json_member(extra, "host"));
    const cJSON *port = json_member(extra, "port");
    if (process && host && *host && strlen(host) <= SHOT_HOST_MAX && !strpbrk(host, " \"\\") &&
        json_is_integer(port) && port->valuedouble >= 1 && port->valuedouble <= UINT16_MAX) {
        snprintf(process->at.host, sizeof(process->at.host), "%s", host);
        process->at.port = (int)port->valuedouble;
    }
    cJSON_Delete(extra);
}

/* The giver was not to be had, or this attempt at it failed for another reason. */
static void not_given(struct roll *roll, const struct roll_task *task)
{
    struct roll_process *giver = roll_process(roll, task->giver.instance);
    if (giver && task->status == RESULT_OK) {
        giver->shut = true;
        roll->refusals++;
    }
    if (giver && giver->shut_wave < task->wave + 1)
        giver->shut_wave = task->wave + 1;
}

static void take_answer(struct roll *roll, struct roll_task *task, const struct result *result)
{
    struct shot_result said;
    if (result->status == RESULT_OK &&
        shot_result_decode(result->values, result->values_size, &said, NULL) == 0) {
        if (task->kind == ROLL_TAKE)
            given(roll, task, &said);
        else
            listens(roll, task, &said);
        shot_result_fini(&said);
    }
    if (task->kind == ROLL_TAKE && !task->taken)
        not_given(roll, task);
}

static void take_values(struct roll_task *task, const struct result *result)
{
    struct shot_result values;
    struct error error;
    if (shot_result_decode(result->values, result->values_size, &values, &error) < 0) {
        task->status = RESULT_NO_VALUE;
        task->error = strdup(error.text);
        return;
    }
    task->held_by = values.counted ? strtoull(values.holder, NULL, 16) : 0;
    task->misfit = values.misfit;
    task->norm = values.norm;
    task->seconds = values.seconds;
    task->extra = values.extra ? strdup(values.extra) : NULL;
    shot_result_fini(&values);
}

bool roll_end(struct roll *roll, const struct result *result, uint64_t sequence)
{
    struct roll_task *task = roll_task(roll, result->id.task);
    if (!task || task->ended)
        return false;
    task->ended = true;
    task->status = result->status;
    task->attempt = result->id.attempt;
    task->sequence = sequence;
    if (task->kind == ROLL_COLLECT)
        collected(roll, task, result->status == RESULT_OK);
    else if (task->kind != ROLL_SHOTS)
        take_answer(roll, task, result);
    else if (result->status == RESULT_OK)
        take_values(task, result);
    else
        task->error = text_copy(result->error, result->error_size);
    return true;
}

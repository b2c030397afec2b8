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
    free(roll->finished);
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
        if (!roll->tasks[i].ended && roll->tasks[i].holder == holder)
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

/* Where a shot stands in a wave; SIZE_MAX if it is none of it. */
static size_t place_in(const struct roll_wave *wave, size_t shot)
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
            holders[place_in(wave, task->shots[i])] = t;
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

/* ---- results ---- */

static char *text_copy(const void *text, size_t size)
{
    return size ? strndup(text, size) : NULL;
}

/* The arrays that this task collected are here; others that its holder had are gone. Which of the
 * wanted are in the file, the driver sees when it reads it. */
static void collected(struct roll *roll, const struct roll_task *task, bool good)
{
    for (size_t i = 0; i < task->attempt_count; i++) {
        struct roll_task *from = roll_task(roll, task->attempts[i].task);
        from->held_by = 0;
        from->taken = good;
    }
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
    if (task->holder)
        collected(roll, task, result->status == RESULT_OK);
    else if (result->status == RESULT_OK)
        take_values(task, result);
    else
        task->error = text_copy(result->error, result->error_size);
    return true;
}

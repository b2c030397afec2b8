/* Payloads: what a worker is told of a task, from the roll alone. */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/seismic/shot_settings.h"
#include "master/shots/shots_private.h"

size_t shots_arrays(const struct driver *driver, const struct roll_wave *wave,
                    char arrays[SHOT_ARRAYS_MAX][SHOT_NAME_MAX + 1])
{
    enum shot_operation operation = wave->operation;
    bool told = driver->operation == SURVEY_FWI || driver->asked.served;
    size_t count = 0;
    if (operation != SHOT_RTM && operation != SHOT_GRADIENT)
        return 0;
    snprintf(arrays[count++], SHOT_NAME_MAX + 1, "%s",
             operation == SHOT_RTM ? SHOT_ARRAY_IMAGE : SHOT_ARRAY_GRADIENT);
    if (told ? wave->illumination : driver->survey.imaging.illumination)
        snprintf(arrays[count++], SHOT_NAME_MAX + 1, SHOT_ARRAY_ILLUMINATION);
    return count;
}

bool shots_sums(const struct driver *driver)
{
    char arrays[SHOT_ARRAYS_MAX][SHOT_NAME_MAX + 1];
    return shots_arrays(driver, roll_wave(&driver->roll), arrays) > 0;
}

uint64_t shots_draw(const struct driver *driver, size_t wave)
{
    return driver->operation == SURVEY_FWI ? (uint64_t)driver->roll.waves[wave].iteration + 1
                                           : wave + 1;
}

/* Shots that are fired as one get random signs (Krebs et al. 2009, doi:10.1190/1.3230502), from the
 * seed, the draw and the shot alone. */
static double weight_of(const struct driver *driver, size_t wave, size_t shot)
{
    uint64_t z = driver->survey.batch.seed +
                 UINT64_C(0x9e3779b97f4a7c15) * shots_draw(driver, wave) +
                 UINT64_C(0xd1342543de82ef95) * (shot + 1);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) & 1 ? 1 : -1;
}

#define MARGIN       8
#define MARGIN_BYTES ((uint64_t)1 << 20)

uint64_t shots_allowance(uint64_t bytes)
{
    return bytes ? bytes + bytes / MARGIN + MARGIN_BYTES : 0;
}

/* What the program may use. A misfit needs little more than the data, which it compares: twice that
 * is plenty, unless its gradient needs less. */
static uint64_t memory_of(const struct driver *driver, const struct roll_task *task,
                          enum shot_operation operation)
{
    bool compares = operation == SHOT_MISFIT || operation == SHOT_SOURCE;
    uint64_t most = 0;
    for (size_t i = 0; i < task->shot_count; i++) {
        uint64_t bytes = driver->bytes[task->shots[i]];
        uint64_t less = 2 * driver->bytes_less[task->shots[i]];
        if (compares && less < bytes)
            bytes = less;
        most = bytes > most ? bytes : most;
    }
    return shots_allowance(most);
}

static int encode_shots(struct driver *driver, const struct roll_task *task,
                        struct buf *payload, struct error *ret_error)
{
    const struct roll_wave *wave = &driver->roll.waves[task->wave], *files = wave;
    if (driver->extract &&
        !(files = shots_extract(driver, (size_t)(task - driver->roll.tasks), ret_error)))
        return -1;
    struct shot_task said = {.operation = wave->operation,
                             .exact = driver->exact,
                             .shot_count = task->shot_count,
                             .encoded = driver->survey.batch.encoded > 1,
                             .files = files->files,
                             .file_count = files->file_count,
                             .keep_from = task->wave + 1,
                             .min_hz = wave->min_hz,
                             .max_hz = wave->max_hz,
                             .memory_bytes = memory_of(driver, task, wave->operation),
                             .settings = wave->settings};
    said.array_count = shots_arrays(driver, wave, said.arrays);
    said.sum = said.array_count ? task->wave + 1 : 0;
    for (int axis = 0; said.array_count && axis < GRID_AXES; axis++)
        said.n[axis] = driver->survey.grid.n[axis];
    said.shots = calloc(task->shot_count, sizeof(*said.shots));
    if (!said.shots)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a task");
    for (size_t i = 0; i < task->shot_count; i++)
        said.shots[i] = (struct shot_ref){
            .index = task->shots[i],
            .weight = said.encoded ? weight_of(driver, task->wave, task->shots[i]) : 1};
    int rc = shot_task_encode(&said, payload, ret_error);
    free(said.shots);
    return rc;
}

/* A task about a sum. */
static int encode_held(const struct driver *driver, const struct roll_task *task,
                       struct buf *payload, struct error *ret_error)
{
    static const enum shot_operation operations[] = {
        [ROLL_COLLECT] = SHOT_COLLECT, [ROLL_LISTEN] = SHOT_LISTEN, [ROLL_TAKE] = SHOT_TAKE};
    const struct shot_task said = {.operation = operations[task->kind],
                                   .sum = task->wave + 1,
                                   .keep_from = task->wave + 1,
                                   .exact = driver->exact,
                                   .max_hz = INFINITY,
                                   .attempts = task->attempts,
                                   .attempt_count = task->attempt_count,
                                   .giver = task->giver};
    return shot_task_encode(&said, payload, ret_error);
}

int shots_payload(struct driver *driver, uint64_t task, struct buf *payload)
{
    const struct roll_task *found = roll_task(&driver->roll, task);
    struct error error;
    if (!found)
        return -1;
    int rc = found->holder ? encode_held(driver, found, payload, &error)
                           : encode_shots(driver, found, payload, &error);
    if (rc < 0)
        shots_fail(driver, &error);
    return rc;
}

/*
 * Gathers are laid into their one file in a thread, each as soon as the journal has its result, so
 * that little is left to do when the last shot is there. Where a file lies follows from the survey:
 * as many traces as each shot has receivers, in the order of the files' names. If anything turns
 * out otherwise (a shot fails for good, another program names its files differently), what was laid
 * is thrown away, and the files that are there are joined at the end.
 *
 * The thread touches `laying` and nothing else that changes while it is at work.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/shots/gathers.h"
#include "master/shots/shots_private.h"

struct expected {
    char *name; /* of the file */
    size_t shot;
    uint64_t traces;
};

/* As shots_output.c sorts what is there. */
static int by_name(const void *a, const void *b)
{
    const struct expected *left = a, *right = b;
    return strverscmp(left->name, right->name);
}

static void laying_clear(struct shots_laying *laying)
{
    gathers_abandon(laying->gathers);
    for (size_t i = 0; i < laying->count; i++)
        free(laying->expected[i].name);
    free(laying->expected);
    free(laying->places);
    free(laying->pieces);
    *laying = (struct shots_laying){.errand = laying->errand,
                                    .leftovers = laying->leftovers,
                                    .leftover_count = laying->leftover_count};
}

static void leftovers_clear(struct shots_laying *laying)
{
    for (size_t i = 0; i < laying->leftover_count; i++)
        free(laying->leftovers[i]);
    free(laying->leftovers);
    laying->leftovers = NULL;
    laying->leftover_count = 0;
}

void shots_laying_fini(struct shots_laying *laying)
{
    errand_destroy(laying->errand);
    laying->errand = NULL;
    laying_clear(laying);
    leftovers_clear(laying);
}

/* --- in the thread --- */

static int expect(struct driver *driver, const struct roll_wave *wave, size_t i)
{
    struct shot shot;
    struct expected *expected = &driver->laying.expected[i];
    if (survey_shot_open(&driver->survey, wave->shots[i], &shot, NULL) < 0)
        return -1;
    expected->shot = i;
    expected->traces = shot.receiver_count;
    if (asprintf(&expected->name, "shot-%s.sgy", shot.name) < 0)
        expected->name = NULL;
    survey_shot_close(&shot);
    return expected->name ? 0 : -1;
}

static int places_find(struct driver *driver, const struct roll_wave *wave)
{
    struct shots_laying *laying = &driver->laying;
    size_t count = wave->shot_count;
    laying->expected = calloc(count, sizeof(*laying->expected));
    laying->places = calloc(count, sizeof(*laying->places));
    if (!laying->expected || !laying->places)
        return -1;
    laying->count = count;
    for (size_t i = 0; i < count; i++)
        if (expect(driver, wave, i) < 0)
            return -1;
    qsort(laying->expected, count, sizeof(*laying->expected), by_name);
    for (size_t i = 0; i < count; i++) {
        laying->places[laying->expected[i].shot] = i;
        if (i && by_name(&laying->expected[i - 1], &laying->expected[i]) == 0)
            return -1; /* who is first? */
    }
    return 0;
}

static int laying_begin(struct driver *driver)
{
    struct shots_laying *laying = &driver->laying;
    const struct roll_wave *wave = roll_wave(&driver->roll);
    char *path = shots_gathers_path(driver);
    /* One that is there is an earlier master's. */
    int rc = path && access(path, F_OK) != 0 ? places_find(driver, wave) : -1;
    uint64_t *traces = rc == 0 ? calloc(laying->count, sizeof(*traces)) : NULL;
    for (size_t i = 0; traces && i < laying->count; i++)
        traces[i] = laying->expected[i].traces;
    if (traces)
        laying->gathers =
            gathers_create(path, driver->laying_path, traces, laying->count, NULL);
    free(traces);
    free(path);
    return laying->gathers ? 0 : -1;
}

static int piece_lay(struct driver *driver, const struct shots_piece *piece)
{
    struct shots_laying *laying = &driver->laying;
    size_t place = laying->places[piece->shot];
    char *path = shots_output_path(driver, piece->task, laying->expected[place].name);
    int rc = path ? gathers_lay(laying->gathers, place, path, NULL) : -1;
    free(path);
    return rc;
}

static void laying_work(void *context)
{
    struct driver *driver = context;
    struct shots_laying *laying = &driver->laying;
    int rc = laying->gathers ? 0 : laying_begin(driver);
    for (size_t i = 0; rc == 0 && i < laying->piece_count; i++)
        rc = piece_lay(driver, &laying->pieces[i]);
    laying->piece_count = 0;
    if (rc == 0) {
        gathers_push(laying->gathers);
        return;
    }
    laying->vain = true;
    gathers_abandon(laying->gathers);
    laying->gathers = NULL;
}

/* --- in the loop --- */

static bool is_wanted(const struct driver *driver)
{
    const struct roll_wave *wave = roll_wave(&driver->roll);
    return driver->one_file && wave && driver->survey.batch.encoded <= 1 &&
           shot_makes_traces(wave->operation);
}

static bool piece_add(struct shots_laying *laying, size_t shot, uint64_t task)
{
    if (laying->piece_count == laying->piece_capacity) {
        size_t capacity = laying->piece_capacity ? 2 * laying->piece_capacity : 64;
        struct shots_piece *pieces =
            reallocarray(laying->pieces, capacity, sizeof(*laying->pieces));
        if (!pieces)
            return false;
        laying->pieces = pieces;
        laying->piece_capacity = capacity;
    }
    laying->pieces[laying->piece_count++] = (struct shots_piece){.shot = shot, .task = task};
    return true;
}

/* The shots of results that the journal has, each once. */
static void pieces_find(struct driver *driver)
{
    struct roll *roll = &driver->roll;
    struct shots_laying *laying = &driver->laying;
    const struct roll_wave *wave = roll_wave(roll);
    for (size_t t = laying->first; t < roll->task_count && t < driver->handed_out; t++) {
        struct roll_task *task = &roll->tasks[t];
        bool here = task->ended && task->sequence <= driver->durable;
        bool good = here && !task->laid && !task->holder && task->status == RESULT_OK;
        for (size_t i = 0; good && i < task->shot_count; i++)
            if (!piece_add(laying, roll_place_in(wave, task->shots[i]), t + 1))
                laying->vain = true;
        task->laid = task->laid || here;
        if (task->laid && t == laying->first)
            laying->first++;
    }
}

static void laying_done(void *context)
{
    struct driver *driver = context;
    shots_lay(driver); /* what came meanwhile */
    if (!errand_is_busy(driver->laying.errand))
        driver->context.wake(driver->context.wake_context);
}

bool shots_lay(struct driver *driver)
{
    struct shots_laying *laying = &driver->laying;
    if (laying->errand && errand_is_busy(laying->errand))
        return false;
    if (!laying->errand || !is_wanted(driver))
        return true;
    if (laying->wave != roll_wave_number(&driver->roll)) {
        laying_clear(laying);
        laying->wave = roll_wave_number(&driver->roll);
        laying->first = roll_wave(&driver->roll)->first;
    }
    if (laying->vain)
        return true;
    pieces_find(driver);
    if (laying->piece_count == 0)
        return true;
    errand_start(laying->errand, laying_work, laying_done, driver);
    return !errand_is_busy(laying->errand);
}

struct gathers *shots_laid(struct driver *driver, const char *const *paths, size_t count)
{
    struct shots_laying *laying = &driver->laying;
    struct gathers *gathers = laying->gathers;
    bool same = gathers && laying->wave == roll_wave_number(&driver->roll) &&
                gathers_are_whole(gathers) && count == laying->count;
    for (size_t i = 0; same && i < count; i++)
        same = strcmp(strrchr(paths[i], '/') + 1, laying->expected[i].name) == 0;
    laying->gathers = NULL;
    if (same)
        return gathers;
    gathers_abandon(gathers);
    return NULL;
}

/* --- what is not wanted any more --- */

void shots_leave(struct driver *driver, char **paths, size_t count)
{
    struct shots_laying *laying = &driver->laying;
    leftovers_clear(laying);
    laying->leftovers = paths;
    laying->leftover_count = count;
}

static void leftovers_work(void *context)
{
    struct driver *driver = context;
    struct shots_laying *laying = &driver->laying;
    for (size_t i = 0; i < laying->leftover_count; i++)
        unlink(laying->leftovers[i]);
    leftovers_clear(laying);
}

void shots_leftovers_remove(struct driver *driver)
{
    struct shots_laying *laying = &driver->laying;
    if (laying->leftover_count && !errand_is_busy(laying->errand))
        errand_start(laying->errand, leftovers_work, laying_done, driver);
}

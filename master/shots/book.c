/* Every change goes through book_take and book_end: see the header. */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/store.h"
#include "master/shots/book.h"
#include "master/shots/book_private.h"

void book_init(struct book *book, size_t shots)
{
    *book = (struct book){.shots = shots};
}

void book_wave_free(struct book_wave *wave)
{
    free(wave->purpose);
    free(wave->shots);
    free(wave->files);
    free(wave->settings);
}

void book_task_free(struct book_task *task)
{
    free(task->shots);
    free(task->attempts);
    free(task->extra);
    free(task->error);
}

void book_fini(struct book *book)
{
    for (size_t i = 0; i < book->wave_count; i++)
        book_wave_free(&book->waves[i]);
    for (size_t i = 0; i < book->task_count; i++)
        book_task_free(&book->tasks[i]);
    free(book->waves);
    free(book->tasks);
    free(book->finished);
    book_init(book, book->shots);
}

struct book_wave *book_wave(const struct book *book)
{
    return book->wave_count ? &book->waves[book->wave_count - 1] : NULL;
}

uint64_t book_wave_number(const struct book *book)
{
    return book->wave_count;
}

struct book_task *book_task(const struct book *book, uint64_t task)
{
    return task - 1 < book->task_count ? &book->tasks[task - 1] : NULL;
}

size_t book_open(const struct book *book)
{
    size_t open = 0;
    for (size_t i = book->round; i < book->task_count; i++)
        open += !book->tasks[i].ended;
    return open;
}

uint64_t book_sequence(const struct book *book)
{
    const struct book_wave *wave = book_wave(book);
    uint64_t greatest = 0;
    for (size_t i = wave ? wave->first : 0; i < book->task_count; i++)
        if (book->tasks[i].sequence > greatest)
            greatest = book->tasks[i].sequence;
    return greatest;
}

/* Where a shot stands in a wave; SIZE_MAX if it is none of it. */
static size_t place_in(const struct book_wave *wave, size_t shot)
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

size_t *book_holders(const struct book *book, bool need_arrays)
{
    const struct book_wave *wave = book_wave(book);
    size_t *holders = calloc(wave->shot_count + 1, sizeof(*holders));
    for (size_t i = 0; holders && i < wave->shot_count; i++)
        holders[i] = SIZE_MAX;
    for (size_t t = wave->first; holders && t < book->task_count; t++) {
        const struct book_task *task = &book->tasks[t];
        bool good = task->ended && task->status == RESULT_OK && !task->holder;
        if (!good || (need_arrays && !task->held_by && !task->taken))
            continue;
        for (size_t i = 0; i < task->shot_count; i++)
            holders[place_in(wave, task->shots[i])] = t;
    }
    return holders;
}

/* ---- results ---- */

static char *text_copy(const void *text, size_t size)
{
    return size ? strndup(text, size) : NULL;
}

/* The arrays that this task collected are here; others that its holder had are gone. Which of the
 * wanted are in the file, the driver sees when it reads it. */
static void collected(struct book *book, const struct book_task *task, bool good)
{
    for (size_t i = 0; i < task->attempt_count; i++) {
        struct book_task *from = book_task(book, task->attempts[i].task);
        from->held_by = 0;
        from->taken = good;
    }
}

static void take_values(struct book_task *task, const struct result *result)
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

bool book_end(struct book *book, const struct result *result, uint64_t sequence)
{
    struct book_task *task = book_task(book, result->id.task);
    if (!task || task->ended)
        return false;
    task->ended = true;
    task->status = result->status;
    task->attempt = result->id.attempt;
    task->sequence = sequence;
    if (task->holder)
        collected(book, task, result->status == RESULT_OK);
    else if (result->status == RESULT_OK)
        take_values(task, result);
    else
        task->error = text_copy(result->error, result->error_size);
    return true;
}

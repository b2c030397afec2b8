/* glm_lessons.c - see glm_lessons.h. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/glm_lessons.h"

int glm_lessons_init(struct glm_lessons *lessons, size_t columns, size_t rows,
                     struct error *ret_error)
{
    size_t limit = columns < 4 ? 8 : GLM_LESSONS_MAX;

    if (rows > 1000 && limit > columns * 2)
        limit = columns * 2 > 4 ? columns * 2 : 4;
    *lessons = (struct glm_lessons){.columns = columns, .rows = rows, .limit = limit};
    lessons->transformed = calloc(limit * columns + 1, sizeof *lessons->transformed);
    lessons->residuals = calloc(limit * rows + 1, sizeof *lessons->residuals);
    if (lessons->transformed && lessons->residuals)
        return 0;
    glm_lessons_fini(lessons);
    return error_set(ret_error, ERROR_SYSTEM, "no memory to remember %zu results of %zu rows",
                     limit, rows);
}

void glm_lessons_fini(struct glm_lessons *lessons)
{
    free(lessons->transformed);
    free(lessons->residuals);
    *lessons = (struct glm_lessons){0};
}

void glm_lessons_clear(struct glm_lessons *lessons)
{
    lessons->count = 0;
}

void glm_lessons_add(struct glm_lessons *lessons, const double *transformed,
                     const double *residuals)
{
    size_t place = lessons->count;

    if (lessons->count == lessons->limit) {
        place = lessons->order[0];
        memmove(lessons->order, lessons->order + 1,
                (lessons->count - 1) * sizeof *lessons->order);
        lessons->count--;
    }
    lessons->order[lessons->count++] = place;
    memcpy(lessons->transformed + place * lessons->columns, transformed,
           lessons->columns * sizeof *transformed);
    memcpy(lessons->residuals + place * lessons->rows, residuals,
           lessons->rows * sizeof *residuals);
}

struct ranked {
    size_t place;
    double distance;
};

/* By distance; of equal ones the newer (larger place in order) first: qsort is not stable, so
 * ties are broken here. */
static int by_distance(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return (x->place < y->place) - (x->place > y->place);
}

int glm_lessons_teach(const struct glm_lessons *lessons, const double *origin,
                      const double *best, struct glm_model *model, struct glm_search *search,
                      struct error *ret_error)
{
    size_t n = lessons->columns;
    struct ranked ranked[GLM_LESSONS_MAX];
    double *step = malloc((n + 1) * sizeof *step);
    int failed = step ? 0 : -1;

    for (int pass = 0; !failed && pass < 2; pass++) {
        for (size_t i = 0; !failed && i < lessons->count; i++) {
            size_t place = pass ? ranked[i].place : lessons->order[i];

            for (size_t p = 0; p < n; p++)
                step[p] = lessons->transformed[place * n + p] - (origin ? origin[p] : 0.0);
            if (pass == 0) {
                ranked[i].place = place;
                ranked[i].distance = glm_model_distance(model, step, best);
                failed = search ? glm_search_know(search, step) : 0;
            } else if (glm_model_learn(model, step, lessons->residuals + place * lessons->rows,
                                       ret_error) < 0) {
                failed = -1;
            }
        }
        if (pass == 0)
            qsort(ranked, lessons->count, sizeof *ranked, by_distance);
    }
    free(step);
    glm_model_fit(model);
    return failed ? error_set(ret_error, ERROR_SYSTEM, "no memory to teach the model") : 0;
}

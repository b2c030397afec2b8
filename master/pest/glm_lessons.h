/*
 * glm_lessons.h - parameter sets whose results are remembered, to teach the model again when the
 * base has moved (glm_model.h). The oldest are forgotten.
 */
#ifndef BEOFARM_MASTER_PEST_GLM_LESSONS_H
#define BEOFARM_MASTER_PEST_GLM_LESSONS_H

#include <stddef.h>

#include "common/error.h"
#include "master/pest/glm_model.h"
#include "master/pest/glm_search.h"

#define GLM_LESSONS_MAX 16

struct glm_lessons {
    size_t columns, rows, count, limit;
    double *transformed;           /* [limit][columns] */
    double *residuals;             /* [limit][rows], whitened */
    size_t order[GLM_LESSONS_MAX]; /* oldest first */
};

/* As many as fit twice the Jacobian's size, at least 4. */
int glm_lessons_init(struct glm_lessons *lessons, size_t columns, size_t rows,
                     struct error *ret_error);
void glm_lessons_fini(struct glm_lessons *lessons);
void glm_lessons_clear(struct glm_lessons *lessons);

void glm_lessons_add(struct glm_lessons *lessons, const double *transformed,
                     const double *residuals);

/* Teach a model with its base at `origin` all of them, nearest to origin + best first; and make
 * them known to the search (`origin` NULL: 0) where `search` is not NULL (those outside of its box
 * are known, too).
 */
int glm_lessons_teach(const struct glm_lessons *lessons, const double *origin,
                      const double *best, struct glm_model *model, struct glm_search *search,
                      struct error *ret_error);

#endif

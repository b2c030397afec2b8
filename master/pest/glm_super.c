/*
 * glm_super.c - SVD-assist: derivatives with respect to few directions of parameters.
 *
 * The super parameters are the eigenvectors of JᵗQJ (measurements) of the last full Jacobian whose
 * eigenvalues are at least ++super_eigthresh times the largest, at most ++max_n_super of them
 * (Tonkin and Doherty 2005, doi:10.1029/2005WR003995). ++n_iter_base iterations with all
 * parameters and ++n_iter_super with super parameters alternate (n_iter_base -1: one, and then
 * super ones as long as they lower phi); where super parameters do not lower phi, all parameters
 * have their turn. Parameters at a bound, or without a derivative, are left out of the directions.
 */
#include "config.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/eigen.h"
#include "master/pest/glm_private.h"

#define FAR (DBL_MAX / 16.0)

bool glm_super_is_due(const struct estimator *estimator)
{
    long base = estimator->options.base_iterations, super = estimator->options.super_iterations;
    long position = estimator->iteration - 1 - estimator->cycle;

    if (super < 1 || !estimator->full.jacobian)
        return false;
    if (base < 0)
        return position >= 1;
    return position % (base + super) >= base;
}

/* Whether a full Jacobian has been made since the super frame was. */
static bool is_stale(const struct estimator *estimator)
{
    return !estimator->super.n || estimator->super_iteration != estimator->full_iteration;
}

static bool is_held(const struct estimator *estimator, size_t c)
{
    double at = estimator->base.transformed[c];

    return at <= estimator->parameters.lower[c] || at >= estimator->parameters.upper[c] ||
           estimator->full.derivatives.dead[c];
}

static size_t rank_count(const struct estimator *estimator, const double *values, size_t n)
{
    size_t count = 0, most = (size_t)estimator->options.super_max;

    while (count < n && count < most && values[count] > 0.0 &&
           values[count] >= estimator->options.super_threshold * values[0])
        count++;
    return count;
}

/* Directions into a new frame. */
static int frame_make(struct estimator *estimator, const double *vectors, size_t count,
                      struct error *ret_error)
{
    struct glm_frame *super = &estimator->super;
    size_t n = estimator->full.n;

    glm_frame_fini(super);
    if (glm_frame_init(super, count, estimator, ret_error) != 0)
        return -1;
    super->directions = malloc(count * n * sizeof(double));
    super->lower = malloc(count * sizeof(double));
    super->upper = malloc(count * sizeof(double));
    if (!super->directions || !super->lower || !super->upper)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu super parameters", count);
    memcpy(super->directions, vectors, count * n * sizeof(double));
    for (size_t k = 0; k < count; k++) {
        super->lower[k] = -FAR;
        super->upper[k] = FAR;
    }
    super->search.doubts[0] = estimator->full.search.doubts[0];
    super->search.doubts[1] = estimator->full.search.doubts[1];
    estimator->super_iteration = estimator->full_iteration;
    return 0;
}

int glm_super_make(struct estimator *estimator, struct error *ret_error)
{
    const struct glm_frame *full = &estimator->full;
    size_t n = full->n, count;
    double *normal, *values;
    int failed;

    glm_lessons_clear(&estimator->super.lessons);
    estimator->frame = &estimator->super;
    if (!is_stale(estimator))
        return 0;
    normal = malloc((n * n + 1) * sizeof *normal);
    values = malloc((n + 1) * sizeof *values);
    failed = !normal || !values
                 ? error_set(ret_error, ERROR_SYSTEM, "no memory for %zu super parameters", n)
                 : normal_fill(&full->view, glm_objective_weights(estimator->objective),
                               glm_objective_regularisation(estimator->objective),
                               NORMAL_MEASUREMENT, normal, ret_error);
    for (size_t c = 0; !failed && c < n; c++)
        for (size_t k = 0; is_held(estimator, c) && k < n; k++)
            normal[c + k * n] = normal[k + c * n] = 0.0;
    if (!failed)
        failed = eigen_decompose(normal, n, values, ret_error);
    if (!failed) {
        count = rank_count(estimator, values, n);
        if (count)
            failed = frame_make(estimator, normal, count, ret_error);
        else /* nothing answers to any parameter */
            estimator->frame = &estimator->full;
    }
    free(normal);
    free(values);
    return failed;
}

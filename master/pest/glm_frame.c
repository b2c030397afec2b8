/* glm_frame.c - a Jacobian from its runs to its model; see glm_private.h. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/glm_private.h"

/* Of the increments: where a forward difference is exact, and about how far a parabola errs. */
#define FORWARD_BLUR 0.5
#define CENTRAL_BLUR 0.1

int glm_frame_init(struct glm_frame *frame, size_t n, const struct estimator *estimator,
                   struct error *ret_error)
{
    size_t rows = glm_objective_rows(estimator->objective);

    *frame = (struct glm_frame){.n = n};
    if (glm_derivatives_init(&frame->derivatives, n, ret_error) != 0 ||
        glm_lessons_init(&frame->lessons, n, rows, ret_error) != 0 ||
        glm_search_init(&frame->search, n, estimator->control, &estimator->options,
                        ret_error) != 0 ||
        !(frame->model = glm_model_create(n, estimator->control, ret_error))) {
        glm_frame_fini(frame);
        return -1;
    }
    frame->columns = calloc(n + 1, sizeof *frame->columns);
    if (frame->columns)
        return 0;
    glm_frame_fini(frame);
    return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu columns", n);
}

void glm_frame_fini(struct glm_frame *frame)
{
    glm_derivatives_fini(&frame->derivatives);
    glm_lessons_fini(&frame->lessons);
    glm_search_fini(&frame->search);
    glm_model_destroy(frame->model);
    free(frame->directions);
    free(frame->jacobian);
    free(frame->columns);
    free(frame->prior_starts);
    free(frame->prior_columns);
    free(frame->prior_values);
    free(frame->lower);
    free(frame->upper);
    *frame = (struct glm_frame){0};
}

void glm_frame_expand(const struct estimator *estimator, const double *step,
                      double *ret_transformed)
{
    const struct glm_frame *frame = estimator->frame;
    const struct glm_limits *limits = &estimator->limits;
    size_t columns = estimator->parameters.count;

    for (size_t c = 0; c < columns; c++)
        ret_transformed[c] = frame->directions ? 0.0 : step[c];
    for (size_t k = 0; frame->directions && k < frame->n; k++)
        for (size_t c = 0; c < columns; c++)
            ret_transformed[c] += frame->directions[k * columns + c] * step[k];
    for (size_t c = 0; c < columns; c++) {
        double moved = limits->frozen[c] ? 0.0 : ret_transformed[c];

        /* An end is that very number: a parameter at its bound must be known for it. */
        if (moved < 0.0 && moved <= limits->lower[c])
            ret_transformed[c] = fmin(limits->low[c], estimator->base.transformed[c]);
        else if (moved > 0.0 && moved >= limits->upper[c])
            ret_transformed[c] = fmax(limits->high[c], estimator->base.transformed[c]);
        else
            ret_transformed[c] = estimator->base.transformed[c] + moved;
    }
}

void glm_frame_reduce(const struct estimator *estimator, const double *transformed,
                      double *ret_step)
{
    const struct glm_frame *frame = estimator->frame;
    const double *origin = estimator->base.transformed;
    size_t columns = estimator->parameters.count;

    for (size_t k = 0; k < frame->n; k++) {
        ret_step[k] = frame->directions ? 0.0 : transformed[k] - origin[k];
        for (size_t c = 0; frame->directions && c < columns; c++)
            ret_step[k] += frame->directions[k * columns + c] * (transformed[c] - origin[c]);
    }
}

static bool needs_previous(const struct estimator *estimator)
{
    const struct pest_control *control = estimator->control;

    for (size_t g = 0; estimator->split && g < control->parameter_group_count; g++)
        if (control->parameter_groups[g].splitthresh != 0.0 &&
            control->parameter_groups[g].splitaction == 2)
            return true;
    return false;
}

int glm_frame_plan(struct estimator *estimator, struct wave *wanted, struct error *ret_error)
{
    struct glm_frame *frame = estimator->frame;
    size_t before = wanted->run_count;
    int failed;

    /* What the old one has to give has been used; the new one comes in its place. */
    glm_model_rest(frame->model);
    if (!needs_previous(estimator) || frame->directions) {
        if (estimator->view.jacobian == frame->jacobian)
            estimator->view.jacobian = NULL;
        free(frame->jacobian);
        frame->jacobian = NULL;
    } else if (glm_frame_unwhiten(estimator, frame, ret_error) != 0) {
        return -1;
    }
    frame->whitened = false;
    if (frame->directions)
        failed = glm_derivatives_plan_super(&frame->derivatives, &estimator->parameters,
                                            estimator->base.transformed, frame->directions,
                                            estimator->switched, wanted, ret_error);
    else
        failed = glm_derivatives_plan(&frame->derivatives, &estimator->parameters,
                                      estimator->base.point.parameters, estimator->switched,
                                      estimator->split, wanted, ret_error);
    estimator->jacobian_runs = wanted->run_count - before;
    return failed;
}

static bool any_dead(const struct glm_frame *frame)
{
    for (size_t c = 0; c < frame->n; c++)
        if (frame->derivatives.dead[c])
            return true;
    return false;
}

bool glm_frame_holes(const struct glm_frame *frame)
{
    return frame->derivatives.attempt > 0 && any_dead(frame);
}

int glm_frame_digest(struct estimator *estimator, struct wave *ended, size_t *ret_waiting,
                     struct error *ret_error)
{
    struct glm_frame *frame = estimator->frame;
    size_t m = ended->observation_count, size = frame->n * m;
    double *previous = NULL, *jacobian;

    if (estimator->phase == GLM_PHASE_RETRY) {
        *ret_waiting =
            glm_derivatives_digest(&frame->derivatives, ended,
                                   estimator->base.point.observations, NULL, frame->jacobian);
        return 0;
    }
    previous = frame->jacobian;
    frame->jacobian = NULL;
    if (any_dead(frame) || ended->run_count < frame->n)
        jacobian = calloc(size + 1, sizeof *jacobian);
    else
        jacobian = ended->observations;
    if (!jacobian) {
        free(previous);
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a Jacobian of %zu x %zu", m,
                         frame->n);
    }
    *ret_waiting = glm_derivatives_digest(
        &frame->derivatives, ended, estimator->base.point.observations, previous, jacobian);
    free(previous);
    frame->jacobian = jacobian;
    if (jacobian == ended->observations) {
        double *fitting;

        ended->observations = NULL;
        fitting = realloc(jacobian, (size + 1) * sizeof *jacobian);
        frame->jacobian = fitting ? fitting : jacobian;
    }
    return 0;
}

static void columns_point(struct estimator *estimator)
{
    struct glm_frame *frame = estimator->frame;
    size_t m = estimator->control->observation_count;

    for (size_t c = 0; c < frame->n; c++)
        frame->columns[c] = frame->jacobian + c * m;
    frame->view = (struct jacobian_view){
        .observations = m, .parameters = frame->n, .columns = frame->columns};
}

int glm_frame_unwhiten(struct estimator *estimator, struct glm_frame *frame,
                       struct error *ret_error)
{
    if (!frame->jacobian || !frame->whitened)
        return 0;
    frame->whitened = false;
    return glm_objective_unwhiten(estimator->objective, (double *const *)(void *)frame->columns,
                                  frame->n, ret_error);
}

/* Prior rows of super parameters: dense, the rows of all parameters times the directions. */
static int super_priors(struct estimator *estimator, struct error *ret_error)
{
    struct glm_frame *frame = estimator->frame;
    struct jacobian_view rows = {0};
    size_t columns = estimator->parameters.count, n = frame->n;

    glm_objective_prior_rows(estimator->objective, estimator->base.point.parameters, &rows);
    if (!rows.priors)
        return 0;
    if (!frame->prior_values) {
        frame->prior_starts = calloc(rows.priors + 1, sizeof *frame->prior_starts);
        frame->prior_columns = calloc(rows.priors * n + 1, sizeof *frame->prior_columns);
        frame->prior_values = calloc(rows.priors * n + 1, sizeof *frame->prior_values);
    }
    if (!frame->prior_starts || !frame->prior_columns || !frame->prior_values)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for prior information");
    for (size_t i = 0; i < rows.priors; i++) {
        frame->prior_starts[i + 1] = (i + 1) * n;
        for (size_t k = 0; k < n; k++) {
            double sum = 0.0;

            for (size_t e = rows.prior_starts[i]; e < rows.prior_starts[i + 1]; e++)
                sum += rows.prior_values[e] *
                       frame->directions[k * columns + rows.prior_columns[e]];
            frame->prior_columns[i * n + k] = k;
            frame->prior_values[i * n + k] = sum;
        }
    }
    frame->view.priors = rows.priors;
    frame->view.prior_starts = frame->prior_starts;
    frame->view.prior_columns = frame->prior_columns;
    frame->view.prior_values = frame->prior_values;
    return 0;
}

/* What lambda multiplies, by ++glm_normal_form or BOUNDSCALE, into scratch; NULL: the diagonal of
 * JᵗQJ. */
static const double *metric(struct estimator *estimator)
{
    const struct covariance *prior = estimator->prior;
    size_t n = estimator->frame->n;

    if (estimator->frame->directions ||
        (estimator->options.form == GLM_DIAG && !estimator->control->boundscale))
        return NULL;
    for (size_t c = 0; estimator->options.form == GLM_DIAG && c < n; c++) {
        double width = estimator->parameters.upper[c] - estimator->parameters.lower[c];

        estimator->step[c] = width > 0.0 && isfinite(width) ? 1.0 / (width * width) : 1.0;
    }
    if (estimator->options.form == GLM_DIAG)
        return estimator->step;
    for (size_t c = 0; c < n; c++)
        estimator->step[c] = estimator->options.form == GLM_IDENT || !prior ? 1.0
                             : prior->diagonal ? 1.0 / prior->values[c]
                                               : 1.0 / prior->values[c + c * prior->count];
    return estimator->step;
}

int glm_frame_base(struct estimator *estimator, struct error *ret_error)
{
    struct glm_frame *frame = estimator->frame;
    const double *weights = glm_objective_weights(estimator->objective);
    const bool *regularisation = glm_objective_regularisation(estimator->objective);

    glm_limits_set(&estimator->limits, &estimator->parameters, estimator->base.point.parameters,
                   estimator->base.transformed, estimator->full.derivatives.dead);
    frame->box = (struct glm_box){
        .lower = frame->directions ? frame->lower : estimator->limits.lower,
        .upper = frame->directions ? frame->upper : estimator->limits.upper,
        .frozen = frame->directions ? frame->derivatives.dead : estimator->limits.frozen,
        .clip = estimator->control->upvecbend == 1};
    if (frame->directions) {
        if (super_priors(estimator, ret_error) != 0)
            return -1;
    } else {
        glm_objective_prior_rows(estimator->objective, estimator->base.point.parameters,
                                 &frame->view);
    }
    if (glm_regul_begin(&estimator->regul, estimator->base.point.phi.measurement,
                        estimator->base.point.phi.regularisation)) {
        glm_known_reckon(&estimator->base, estimator->objective, estimator->regul.factor);
        glm_known_reckon(&estimator->best, estimator->objective, estimator->regul.factor);
        glm_known_reckon(&estimator->begun, estimator->objective, estimator->regul.factor);
    }
    glm_model_factor(frame->model, estimator->regul.factor);
    if (glm_model_base(frame->model, &frame->view, weights, regularisation,
                       estimator->base.residuals, metric(estimator), ret_error) != 0)
        return -1;
    glm_model_blur(frame->model, frame->derivatives.reach,
                   frame->derivatives.forward ? FORWARD_BLUR : CENTRAL_BLUR);
    glm_search_begin(&frame->search, frame->model, &estimator->regul, &frame->box,
                     estimator->base.point.phi.measurement,
                     estimator->base.point.phi.regularisation, estimator->jacobian_runs);
    /* Whether there is hope is asked of the Jacobian alone: it is as exact as differences are,
     * while lessons are about somewhere else. */
    if (glm_search_hope(&frame->search, &estimator->hope, ret_error) != 0)
        return -1;
    return glm_lessons_teach(&frame->lessons,
                             frame->directions ? NULL : estimator->base.transformed, NULL,
                             frame->model, &frame->search, ret_error);
}

/* IREGADJ: as loud as each other. */
static int adjust(struct estimator *estimator, struct error *ret_error)
{
    size_t groups = estimator->control->observation_group_count;
    double *loudness;

    if (!estimator->regul.on || estimator->control->iregadj < 1 || estimator->frame->directions)
        return 0;
    loudness = malloc((groups + 1) * sizeof *loudness);
    if (!loudness)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu groups", groups);
    glm_objective_prior_rows(estimator->objective, estimator->base.point.parameters,
                             &estimator->frame->view);
    glm_objective_loudness(estimator->objective, &estimator->frame->view, loudness);
    glm_objective_adjust(estimator->objective, loudness);
    free(loudness);
    glm_known_reckon(&estimator->base, estimator->objective, estimator->regul.factor);
    glm_known_reckon(&estimator->best, estimator->objective, estimator->regul.factor);
    return 0;
}

/* MAXCOMPDIM, DERZEROLIM: a compressed Jacobian has no room for derivatives so small. */
static void small_drop(struct estimator *estimator)
{
    const struct pest_control *control = estimator->control;
    struct glm_frame *frame = estimator->frame;
    size_t size = frame->n * control->observation_count;

    if (control->maxcompdim < 2 || !(control->derzerolim > 0.0) || frame->directions)
        return;
    for (size_t i = 0; i < size; i++)
        if (fabs(frame->jacobian[i]) <= control->derzerolim)
            frame->jacobian[i] = 0.0;
}

int glm_frame_ready(struct estimator *estimator, struct error *ret_error)
{
    struct glm_frame *frame = estimator->frame;

    small_drop(estimator);
    columns_point(estimator);
    estimator->updates = 0;
    if (!frame->directions) {
        estimator->view.jacobian = frame->jacobian;
        estimator->view.jacobian_iteration = estimator->full_iteration = estimator->iteration;
        estimator->view.dead = frame->derivatives.dead;
    }
    estimator->view.forward_columns = (int)frame->derivatives.forward;
    if (glm_tell(estimator, GLM_JACOBIAN, ret_error) != 0)
        return -1;
    frame->whitened = true;
    if (glm_objective_whiten(estimator->objective, (double *const *)(void *)frame->columns,
                             frame->n, ret_error) != 0 ||
        adjust(estimator, ret_error) != 0)
        return -1;
    return glm_frame_base(estimator, ret_error);
}

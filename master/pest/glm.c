/*
 * glm.c - the estimator "glm": Gauss-Levenberg-Marquardt as in PEST.
 *
 * A step digests the wave that ended and names the next: the base run with the first Jacobian;
 * derivatives that failed once more; waves of upgrade trials; the next Jacobian. What is decided
 * depends on the control file and on results alone (and on `slots`), so a replay decides the same.
 */
#include "config.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/glm.h"
#include "master/pest/glm_posterior.h"
#include "master/pest/glm_private.h"
#include "master/pest/glm_uncertainty.h"

void glm_say(struct estimator *estimator, const char *format, ...)
{
    char text[512];
    va_list args;

    if (!estimator->context.say)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    estimator->context.say(estimator->context.say_context, text);
}

void glm_stand(struct estimator *estimator)
{
    const struct estimator_stand stand = {.iteration = estimator->iteration,
                                          .phi = estimator->best.point.phi.total,
                                          .lambda = estimator->full.search.lambda};

    if (estimator->context.stand)
        estimator->context.stand(estimator->context.say_context, &stand);
}

int glm_tell(struct estimator *estimator, enum glm_event event, struct error *ret_error)
{
    struct glm_view *view = &estimator->view;

    if (!estimator->report)
        return 0;
    view->runs = estimator->runs;
    view->failures = estimator->failures;
    view->factor = estimator->regul.factor;
    view->base = estimator->base.set ? &estimator->base.point : NULL;
    if (event == GLM_ITERATION) /* JACUPDATE may have moved the base since */
        view->base = &estimator->begun.point;
    view->best = estimator->best.set ? &estimator->best.point : NULL;
    return glm_report_tell(estimator->report, event, view, ret_error);
}

static enum estimator_next finish_tell(struct estimator *estimator, struct error *ret_error)
{
    estimator->phase = GLM_PHASE_FINISHED;
    glm_say(estimator, "finished: %s; phi %.6g after %lld runs", estimator->view.reason,
            estimator->best.point.phi.total, (long long)estimator->runs);
    if (glm_frame_unwhiten(estimator, &estimator->full, ret_error) != 0 ||
        glm_tell(estimator, GLM_FINISHED, ret_error) != 0)
        return ESTIMATOR_FAILED;
    return ESTIMATOR_FINISHED;
}

enum estimator_next glm_finish(struct estimator *estimator, const char *reason,
                               struct error *ret_error)
{
    /* Their memory serves the uncertainty. */
    glm_model_destroy(estimator->full.model);
    glm_model_destroy(estimator->super.model);
    estimator->full.model = estimator->super.model = NULL;
    estimator->view.reason = reason;
    if (estimator->control->noptmax != -2 && glm_uncertainty(estimator, ret_error) != 0)
        return ESTIMATOR_FAILED;
    if (!estimator->posterior)
        return finish_tell(estimator, ret_error);
    estimator->phase = GLM_PHASE_POSTERIOR; /* glm_step asks for its runs */
    return ESTIMATOR_FINISHED;
}

static void glm_close(struct estimator *estimator)
{
    if (!estimator)
        return;
    glm_report_close(estimator->report);
    glm_frame_fini(&estimator->full);
    glm_frame_fini(&estimator->super);
    glm_known_fini(&estimator->base);
    glm_known_fini(&estimator->best);
    glm_known_fini(&estimator->trial);
    glm_known_fini(&estimator->begun);
    glm_limits_fini(&estimator->limits);
    glm_stop_fini(&estimator->stop);
    glm_objective_destroy(estimator->objective);
    glm_parameters_fini(&estimator->parameters);
    glm_options_fini(&estimator->options);
    covariance_free(estimator->prior);
    free(estimator->start_observations);
    free(estimator->step);
    free(estimator->moved);
    free(estimator->posterior);
    free(estimator);
}

static int mode_check(const struct pest_control *control, struct error *ret_error)
{
    if (control->pestmode == PEST_ESTIMATION || control->pestmode == PEST_REGULARISATION)
        return 0;
    return error_set(ret_error, ERROR_CONFIG,
                     "%s: PESTMODE %s is not offered; estimation and regularisation are",
                     control->path, control->pestmode == PEST_PARETO ? "pareto" : "prediction");
}

/* Whether anything can be fitted. A single run, or a Jacobian, may do without weights. */
static int case_check(const struct pest_control *control, struct error *ret_error)
{
    bool weighted = false;

    if (mode_check(control, ret_error) != 0)
        return -1;
    if (control->observation_count == 0)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: there are no observations; nothing can be estimated from nothing",
                         control->path);
    for (size_t o = 0; o < control->observation_count; o++)
        weighted = weighted || control->observations[o].weight > 0.0;
    for (size_t i = 0; i < control->prior_count; i++)
        weighted = weighted || control->priors[i].weight > 0.0;
    if (weighted || control->noptmax <= 0)
        return 0;
    return error_set(ret_error, ERROR_CONFIG,
                     "%s: every weight is 0, and so is phi, whatever the parameters; give "
                     "observations weights, or set NOPTMAX to 0 for one run",
                     control->path);
}

static int parts_open(struct estimator *estimator, struct error *ret_error)
{
    struct pest_control *control = estimator->control;

    if (case_check(control, ret_error) != 0 ||
        glm_options_read(&estimator->options, control, ret_error) != 0 ||
        glm_parameters_init(&estimator->parameters, control, estimator->options.enforce_tied,
                            ret_error) != 0)
        return -1;
    estimator->parameters.written = estimator->context.written;
    estimator->parameters.written_context = estimator->context.written_context;
    estimator->objective = glm_objective_create(control, &estimator->parameters,
                                                estimator->context.folder, ret_error);
    if (!estimator->objective ||
        glm_regul_init(&estimator->regul, control,
                       glm_objective_regularisation(estimator->objective) != NULL,
                       estimator->options.regul_portion, ret_error) != 0)
        return -1;
    return glm_uncertainty_open(estimator, ret_error);
}

static int state_open(struct estimator *estimator, struct error *ret_error)
{
    struct pest_control *control = estimator->control;
    size_t columns = estimator->parameters.count;

    if (glm_limits_init(&estimator->limits, columns, ret_error) != 0 ||
        glm_known_init(&estimator->base, &estimator->parameters, ret_error) != 0 ||
        glm_known_init(&estimator->best, &estimator->parameters, ret_error) != 0 ||
        glm_known_init(&estimator->trial, &estimator->parameters, ret_error) != 0 ||
        glm_known_init(&estimator->begun, &estimator->parameters, ret_error) != 0 ||
        glm_frame_init(&estimator->full, columns, estimator, ret_error) != 0)
        return -1;
    estimator->step = calloc(columns + 1, sizeof *estimator->step);
    estimator->moved = calloc(columns + 1, sizeof *estimator->moved);
    estimator->start_observations = calloc(control->observation_count + 1, sizeof(double));
    if (!estimator->step || !estimator->moved || !estimator->start_observations)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu parameters", columns);
    estimator->view = (struct glm_view){.control = control,
                                        .folder = estimator->context.folder,
                                        .output_base = estimator->context.output_base,
                                        .column_count = columns,
                                        .columns = estimator->parameters.index,
                                        .lower = estimator->parameters.lower,
                                        .upper = estimator->parameters.upper,
                                        .factor = estimator->regul.factor,
                                        .lambda = estimator->full.search.lambda};
    if (!estimator->context.output_base)
        return 0;
    estimator->report = glm_report_open(&estimator->view, ret_error);
    return estimator->report ? 0 : -1;
}

static struct estimator *glm_open(const struct estimator_context *context,
                                  struct error *ret_error)
{
    struct estimator *estimator = calloc(1, sizeof *estimator);

    if (!estimator) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for an estimator");
        return NULL;
    }
    estimator->context = *context;
    estimator->control = context->control;
    estimator->frame = &estimator->full;
    estimator->split = context->control->splitswh <= 0.0;
    glm_stop_init(&estimator->stop, context->control);
    if (parts_open(estimator, ret_error) != 0 ||
        (!context->plan_only && state_open(estimator, ret_error) != 0)) {
        glm_close(estimator);
        return NULL;
    }
    return estimator;
}

static int64_t glm_count(const struct estimator *estimator)
{
    return estimator->control->noptmax == 0 ? 1 : -1;
}

/* A base point from its observations: phi is known. */
static int base_set(struct estimator *estimator, const double *values,
                    const double *observations, struct error *ret_error)
{
    if (glm_known_set(&estimator->base, &estimator->parameters, estimator->objective, values,
                      observations, estimator->regul.factor, ret_error) != 0)
        return -1;
    if (!isfinite(estimator->base.point.phi.total))
        return error_set(
            ret_error, ERROR_TASKS,
            "phi is too large for a number at the initial parameter values: look at "
            "the model's outputs, the observations and their weights");
    memcpy(estimator->start_observations, observations,
           estimator->control->observation_count * sizeof(double));
    glm_known_copy(&estimator->best, &estimator->base, &estimator->parameters);
    glm_known_copy(&estimator->begun, &estimator->base, &estimator->parameters);
    glm_say(estimator, "start: phi %.6g", estimator->base.point.phi.total);
    glm_stand(estimator);
    return glm_tell(estimator, GLM_BASE_RUN, ret_error);
}

static int base_take(struct estimator *estimator, const struct wave *ended,
                     struct error *ret_error)
{
    estimator->base_pending = false;
    if (ended->failed && ended->failed[0])
        return error_set(ret_error, ERROR_TASKS,
                         "the model run with the initial parameter values failed; nothing can "
                         "be estimated from there");
    return base_set(estimator, ended->parameters, ended->observations, ret_error);
}

/* The base point is known; whether that is the end already. */
static bool is_over_at_once(struct estimator *estimator)
{
    const struct glm_phi *phi = &estimator->base.point.phi;
    bool regulated = estimator->regul.on && phi->measurement <= estimator->regul.accept;
    double judged = !estimator->regul.on ? phi->total
                    : regulated          ? phi->regularisation
                                         : phi->measurement;

    if (estimator->control->noptmax == 0) {
        snprintf(estimator->stop.reason, sizeof estimator->stop.reason,
                 "NOPTMAX is 0: one run");
        return true;
    }
    return glm_stop_note(&estimator->stop, 0, judged, regulated, 0.0) &&
           estimator->control->noptmax > 0;
}

/* The initial values, as the templates can hold them; ++hotstart_resfile may say what the model
 * makes of them. */
static int start_base(struct estimator *estimator, struct wave *wanted, struct error *ret_error)
{
    double *values = estimator->trial.point.parameters;

    glm_parameters_begin(&estimator->parameters, values);
    memcpy(estimator->base.point.parameters, values,
           estimator->control->parameter_count * sizeof *values);
    glm_parameters_reduce(&estimator->parameters, values, estimator->base.transformed);
    estimator->base_pending = !estimator->options.hotstart;
    if (estimator->base_pending)
        return wave_add(wanted, values) >= 0
                   ? 0
                   : error_set(ret_error, ERROR_SYSTEM, "no memory for a run");
    if (glm_restart_base(estimator, estimator->trial.point.observations, ret_error) != 0)
        return -1;
    return base_set(estimator, values, estimator->trial.point.observations, ret_error);
}

/* The base run, and the first Jacobian with it. */
static enum estimator_next start(struct estimator *estimator, struct wave *wanted,
                                 uint32_t slots, struct error *ret_error)
{
    if (glm_tell(estimator, GLM_START, ret_error) != 0 ||
        start_base(estimator, wanted, ret_error) != 0)
        return ESTIMATOR_FAILED;
    estimator->phase = GLM_PHASE_JACOBIAN;
    wanted->purpose = "base run";
    if (!estimator->base_pending && is_over_at_once(estimator))
        return glm_finish(estimator, estimator->stop.reason, ret_error);
    if (estimator->control->noptmax == 0)
        return ESTIMATOR_WAVE;
    estimator->iteration = estimator->view.iteration = 1;
    if (estimator->options.base_jacobian) {
        estimator->jacobian_given = estimator->base_pending;
        if (glm_restart_jacobian(estimator, ret_error) != 0)
            return ESTIMATOR_FAILED;
        return estimator->base_pending ? ESTIMATOR_WAVE
                                       : glm_iterate_begin(estimator, wanted, slots, ret_error);
    }
    wanted->purpose = estimator->base_pending ? "base run and Jacobian" : "Jacobian";
    return glm_frame_plan(estimator, wanted, ret_error) == 0 ? ESTIMATOR_WAVE
                                                             : ESTIMATOR_FAILED;
}

/* The Jacobian's runs ended: once more for those that failed, or on to the trials. */
static enum estimator_next jacobian_take(struct estimator *estimator, struct wave *ended,
                                         struct wave *wanted, uint32_t slots,
                                         struct error *ret_error)
{
    size_t waiting;
    long again = 0;

    for (size_t r = 0; !estimator->options.der_forgive && r < ended->run_count; r++)
        if (ended->failed && ended->failed[r]) {
            error_set(ret_error, ERROR_TASKS,
                      "a derivative run of iteration %d failed, and der_forgive is false",
                      estimator->iteration);
            return ESTIMATOR_FAILED;
        }
    if (glm_frame_digest(estimator, ended, &waiting, ret_error) != 0)
        return ESTIMATOR_FAILED;
    wave_drop_parameters(ended); /* as large as the Jacobian, and a normal matrix comes next */
    if (waiting)
        again = glm_derivatives_retry(&estimator->frame->derivatives, &estimator->parameters,
                                      estimator->base.point.parameters, wanted, ret_error);
    if (again < 0)
        return ESTIMATOR_FAILED;
    if (again > 0) {
        estimator->jacobian_runs += (size_t)again;
        estimator->phase = GLM_PHASE_RETRY;
        wanted->purpose = "Jacobian, failed runs again";
        return ESTIMATOR_WAVE;
    }
    return glm_iterate_begin(estimator, wanted, slots, ret_error);
}

static void runs_note(struct estimator *estimator, const struct wave *ended)
{
    estimator->runs += (int64_t)ended->run_count;
    for (size_t r = 0; r < ended->run_count; r++)
        estimator->failures += ended->failed && ended->failed[r];
}

static enum estimator_next advance(struct estimator *estimator, struct wave *ended,
                                   struct wave *wanted, uint32_t slots, struct error *ret_error)
{
    runs_note(estimator, ended);
    if (estimator->phase == GLM_PHASE_START)
        return start(estimator, wanted, slots, ret_error);
    if (estimator->phase == GLM_PHASE_FINISHED)
        return ESTIMATOR_FINISHED;
    if (estimator->phase == GLM_PHASE_POSTERIOR)
        return glm_posterior_take(estimator, ended, ret_error) == 0
                   ? finish_tell(estimator, ret_error)
                   : ESTIMATOR_FAILED;
    if (estimator->phase == GLM_PHASE_TRIALS)
        return glm_iterate_trials(estimator, ended, wanted, slots, ret_error);
    if (estimator->base_pending) {
        if (base_take(estimator, ended, ret_error) != 0)
            return ESTIMATOR_FAILED;
        if (is_over_at_once(estimator))
            return glm_finish(estimator, estimator->stop.reason, ret_error);
    }
    if (estimator->jacobian_given) {
        estimator->jacobian_given = false;
        return glm_iterate_begin(estimator, wanted, slots, ret_error);
    }
    return jacobian_take(estimator, ended, wanted, slots, ret_error);
}

static enum estimator_next glm_step(struct estimator *estimator, struct wave *ended,
                                    struct wave *wanted, uint32_t slots,
                                    struct error *ret_error)
{
    enum estimator_next next = advance(estimator, ended, wanted, slots, ret_error);

    if (next != ESTIMATOR_FINISHED || estimator->phase != GLM_PHASE_POSTERIOR)
        return next;
    return glm_posterior_plan(estimator, wanted, ret_error) == 0 ? ESTIMATOR_WAVE
                                                                 : ESTIMATOR_FAILED;
}

const struct estimator_ops estimator_glm = {
    .mode = "glm",
    .open = glm_open,
    .close = glm_close,
    .count = glm_count,
    .step = glm_step,
};

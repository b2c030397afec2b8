/*
 * glm_iterate.c - from a Jacobian to the next; see glm_private.h.
 *
 * An iteration begins when its Jacobian is complete: the model is set up, and if it has no hope of
 * lowering phi the estimation is over (with better derivatives, first, where there are such). Then
 * waves of trials follow until the search ends; the best parameter set becomes the base of the
 * next iteration. Its observations are known: no run is spent on a base again.
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/glm_private.h"

#define EXACT     1e-12 /* of phi: what an exact model misses, squared */
#define WORTH     1e-5  /* of phi: a hope worth shorter and shorter steps */
#define WORTH_STP 1.0   /* of PHIREDSTP; the same */
#define PROMISES  1e-6  /* of phi: less is no reason for another Jacobian */
#define HOLES     3     /* Jacobians on end with failed derivatives, and no hope */
#define NO_HOPE   1e-9  /* of phi: what the model hopes to gain is nothing (zero gradient) */

static enum estimator_next failed(void)
{
    return ESTIMATOR_FAILED;
}

static bool may_switch(const struct estimator *estimator)
{
    const struct pest_control *control = estimator->control;

    for (size_t c = 0; !estimator->switched && c < estimator->parameters.count; c++) {
        int group = control->parameters[estimator->parameters.index[c]].pargp;

        if (group >= 0 && (control->parameter_groups[group].forcen == PEST_SWITCH ||
                           control->parameter_groups[group].forcen == PEST_SWITCH_5))
            return true;
    }
    return false;
}

/* Runs of the next iteration's Jacobian. */
static enum estimator_next next_jacobian(struct estimator *estimator, struct wave *wanted,
                                         struct error *ret_error)
{
    estimator->iteration++;
    estimator->view.iteration = estimator->iteration;
    estimator->view.trial_count = 0;
    estimator->gained = false;
    glm_known_copy(&estimator->begun, &estimator->base, &estimator->parameters);
    estimator->frame = &estimator->full;
    if (glm_super_is_due(estimator) && glm_super_make(estimator, ret_error) != 0)
        return failed();
    estimator->view.super = estimator->frame == &estimator->super;
    wanted->purpose = estimator->view.super ? "super Jacobian" : "Jacobian";
    estimator->phase = GLM_PHASE_JACOBIAN;
    return glm_frame_plan(estimator, wanted, ret_error) == 0 ? ESTIMATOR_WAVE : failed();
}

/* The largest changes of parameters from base to best, relative and as a factor. */
static void changes_note(struct estimator *estimator)
{
    const struct pest_control *control = estimator->control;
    struct glm_view *view = &estimator->view;

    view->max_relative_change = view->max_factor_change = 0.0;
    view->max_relative_parameter = view->max_factor_parameter = -1;
    for (size_t c = 0; c < estimator->parameters.count; c++) {
        int p = estimator->parameters.index[c];
        double before = estimator->begun.point.parameters[p];
        double after = estimator->best.point.parameters[p];
        double size =
            fmax(fabs(before), control->facorig * fabs(control->parameters[p].parval1));
        double relative = after == before ? 0.0 : fabs(after - before) / size;
        double factor = before * after > 0.0 ? fmax(after / before, before / after) : 0.0;

        if (relative > view->max_relative_change) {
            view->max_relative_change = relative;
            view->max_relative_parameter = p;
        }
        if (factor > view->max_factor_change) {
            view->max_factor_change = factor;
            view->max_factor_parameter = p;
        }
    }
}

/* What the criteria are about: phi, or one of its parts in regularisation mode. */
static double judged(const struct estimator *estimator, const struct glm_phi *phi,
                     bool *ret_regulated)
{
    *ret_regulated = estimator->regul.on && phi->measurement <= estimator->regul.accept;
    if (!estimator->regul.on)
        return phi->total;
    return *ret_regulated ? phi->regularisation : phi->measurement;
}

/* PHIREDSWH, NOPTSWITCH: phi falls slowly; better derivatives from now on. SPLITSWH: likewise
 * split-slope analysis. */
static void derivatives_judge(struct estimator *estimator)
{
    const struct pest_control *control = estimator->control;
    const struct glm_phi *before = &estimator->begun.point.phi;
    const struct glm_phi *after = &estimator->best.point.phi;
    double fall = estimator->regul.on ? 1.0 - after->measurement / before->measurement
                                      : 1.0 - after->total / before->total;

    if (estimator->iteration < control->noptswitch)
        return;
    if (fall < control->phiredswh)
        estimator->switched = true;
    if (control->splitswh > 0.0 && after->total > 0.0 &&
        before->total / after->total < control->splitswh)
        estimator->split = true;
}

static enum estimator_next trials_plan(struct estimator *estimator, struct wave *wanted,
                                       uint32_t slots, struct error *ret_error);

/* PEST's criteria, once per iteration. */
static bool is_over(struct estimator *estimator)
{
    bool regulated;
    double phi = judged(estimator, &estimator->best.point.phi, &regulated);

    return glm_stop_note(&estimator->stop, estimator->iteration, phi, regulated,
                         estimator->frame->search.improved ? estimator->view.max_relative_change
                                                           : 0.0);
}

/* The model foretold the best trial exactly and promises nothing more: a new Jacobian would say
 * the same. Only where derivatives are as good as they get. */
static bool is_exact(struct estimator *estimator)
{
    const struct glm_search *search = &estimator->frame->search;

    double best = glm_regul_merit(&estimator->regul, search->best_measurement,
                                  search->best_regularisation);

    if (!search->improved || estimator->frame != &estimator->full || may_switch(estimator) ||
        search->reach < HUGE_VAL || glm_frame_holes(estimator->frame))
        return false;
    if (search->missed * search->missed > EXACT * estimator->best.point.phi.measurement ||
        search->promised < (1.0 - NO_HOPE) * best)
        return false;
    return !glm_limits_holds(&estimator->limits, &estimator->parameters,
                             estimator->base.transformed, search->best);
}

/* Jacobians to come are not worth their runs: the last ones have been worth less and less, and what
 * the model still promises is nothing, or has been tried and was not kept. */
static bool is_vain(const struct estimator *estimator)
{
    const struct glm_search *search = &estimator->frame->search;
    double best = glm_regul_merit(&estimator->regul, search->best_measurement,
                                  search->best_regularisation);

    return search->improved && estimator->frame == &estimator->full &&
           !glm_frame_holes(estimator->frame) && glm_stop_is_vain(&estimator->stop) &&
           (best - search->promised <= PROMISES * best ||
            search->since >= GLM_SEARCH_DISAPPOINTED) &&
           !glm_limits_holds(&estimator->limits, &estimator->parameters,
                             estimator->base.transformed, search->best);
}

/* The best parameter set becomes the base. */
static int rebase(struct estimator *estimator, struct error *ret_error)
{
    glm_limits_note(&estimator->limits, &estimator->parameters,
                    estimator->best.point.parameters);
    if (glm_tell(estimator, GLM_ITERATION, ret_error) != 0)
        return -1;
    glm_say(estimator, "iteration %d: phi %.6g, %lld runs", estimator->iteration,
            estimator->best.point.phi.total, (long long)estimator->runs);
    glm_stand(estimator);
    glm_lessons_add(&estimator->full.lessons, estimator->base.transformed,
                    estimator->base.residuals);
    glm_known_copy(&estimator->base, &estimator->best, &estimator->parameters);
    return 0;
}

/* Nothing was better, and what other parameter sets taught may be why: once more with the Jacobian
 * alone, along which phi must fall if the steps are short enough. */
static bool forget_lessons(struct estimator *estimator)
{
    struct glm_frame *frame = estimator->frame;

    if (frame->search.improved || frame->search.plain || frame->search.closing ||
        estimator->hope < fmax(WORTH, WORTH_STP * estimator->control->phiredstp))
        return false;
    glm_lessons_clear(&frame->lessons);
    glm_model_forget(frame->model);
    glm_model_fit(frame->model);
    glm_search_plain(&frame->search);
    return true;
}

/* JACUPDATE: the model's Jacobian at the best parameter set instead of a new one, while it has
 * hope to lower phi by more than PHIREDLAM. 1: the search goes on from there, 0: it does not
 * pay. */
static int jacobian_update(struct estimator *estimator, struct error *ret_error)
{
    struct glm_frame *frame = estimator->frame;

    if (!frame->search.improved || frame->directions || estimator->closing ||
        estimator->updates >= estimator->control->jacupdate)
        return 0;
    estimator->updates++;
    estimator->jacobian_runs += frame->search.trials;
    glm_model_update_columns(frame->model, frame->search.best,
                             (double *const *)(void *)frame->columns);
    glm_lessons_add(&frame->lessons, estimator->base.transformed, estimator->base.residuals);
    glm_known_copy(&estimator->base, &estimator->best, &estimator->parameters);
    if (glm_frame_base(estimator, ret_error) != 0)
        return -1;
    return estimator->hope > estimator->control->phiredlam;
}

/* The search of an iteration is over: the next Jacobian, or the end. */
static enum estimator_next iteration_end(struct estimator *estimator, struct wave *wanted,
                                         uint32_t slots, struct error *ret_error)
{
    bool better_derivatives = may_switch(estimator), improved, exact, vain;
    int updated;

    if (forget_lessons(estimator))
        return trials_plan(estimator, wanted, slots, ret_error);
    improved = estimator->gained = estimator->gained || estimator->frame->search.improved;
    exact = is_exact(estimator);
    estimator->holes = improved ? 0 : estimator->holes;
    updated = exact ? 0 : jacobian_update(estimator, ret_error);
    if (updated)
        return updated > 0 ? trials_plan(estimator, wanted, slots, ret_error) : failed();
    changes_note(estimator);
    derivatives_judge(estimator);
    if (!estimator->closing && is_over(estimator)) {
        /* What the model still promises costs no more Jacobians: take that, too. */
        estimator->closing = estimator->frame->search.closing = true;
        estimator->frame->search.since = 0;
        return trials_plan(estimator, wanted, slots, ret_error);
    }
    vain = !better_derivatives && is_vain(estimator);
    if (rebase(estimator, ret_error) != 0)
        return failed();
    if (estimator->closing)
        return glm_finish(estimator, estimator->stop.reason, ret_error);
    if (exact)
        return glm_finish(estimator, "phi is at its minimum: the model is linear and solved",
                          ret_error);
    if (vain)
        return glm_finish(
            estimator,
            "phi has settled: at the rate of the last iterations, what follows is nothing",
            ret_error);
    if (!improved && better_derivatives)
        estimator->switched = true;
    else if (!improved && estimator->frame == &estimator->super)
        estimator->cycle = estimator->iteration; /* all parameters again */
    else if (!improved && !(glm_frame_holes(estimator->frame) && ++estimator->holes < HOLES))
        return glm_finish(estimator, "no upgrade lowers phi", ret_error);
    return next_jacobian(estimator, wanted, ret_error);
}

/* Trials that the search wants, into the wave. */
static enum estimator_next trials_plan(struct estimator *estimator, struct wave *wanted,
                                       uint32_t slots, struct error *ret_error)
{
    struct glm_search *search = &estimator->frame->search;
    size_t count;

    if (glm_search_propose(search, slots, &count, ret_error) != 0)
        return failed();
    estimator->view.factor = estimator->regul.factor;
    for (size_t i = 0; i < count; i++) {
        glm_frame_expand(estimator, search->candidates[i].step, estimator->moved);
        glm_parameters_expand_from(&estimator->parameters, estimator->base.transformed,
                                   estimator->base.point.parameters, estimator->moved,
                                   estimator->trial.point.parameters);
        if (wave_add(wanted, estimator->trial.point.parameters) < 0) {
            error_set(ret_error, ERROR_SYSTEM, "no memory for the runs of a lambda search");
            return failed();
        }
    }
    estimator->asked_count = count;
    estimator->phase = GLM_PHASE_TRIALS;
    wanted->purpose = "lambda search";
    return count ? ESTIMATOR_WAVE : iteration_end(estimator, wanted, slots, ret_error);
}

/* Not one derivative is known: a model that works no more, or a disk that is full. */
static bool is_blind(const struct glm_frame *frame)
{
    for (size_t c = 0; c < frame->n; c++)
        if (!frame->derivatives.dead[c])
            return false;
    return glm_frame_holes(frame);
}

/* What was found so far is written, and the estimation fails: it is no minimum that it ends at. */
static enum estimator_next blind_end(struct estimator *estimator, struct error *ret_error)
{
    static const char reason[] = "every derivative run failed, in three Jacobians on end";

    if (glm_finish(estimator, reason, ret_error) == ESTIMATOR_FAILED)
        return failed();
    error_set(ret_error, ERROR_TASKS, "%s; the .par file has the best parameters so far",
              reason);
    return failed();
}

enum estimator_next glm_iterate_begin(struct estimator *estimator, struct wave *wanted,
                                      uint32_t slots, struct error *ret_error)
{
    if (glm_frame_ready(estimator, ret_error) != 0)
        return failed();
    if (estimator->control->noptmax < 0)
        return glm_finish(estimator, "NOPTMAX asks for no more than a Jacobian", ret_error);
    if (estimator->hope < NO_HOPE) {
        if (estimator->frame == &estimator->super)
            return iteration_end(estimator, wanted, slots, ret_error);
        if (glm_frame_holes(estimator->frame) && ++estimator->holes < HOLES)
            return next_jacobian(estimator, wanted, ret_error);
        if (is_blind(estimator->frame))
            return blind_end(estimator, ret_error);
        if (!may_switch(estimator))
            return glm_finish(estimator,
                              glm_frame_holes(estimator->frame)
                                  ? "no upgrade is expected to lower phi; but of some "
                                    "parameters all derivative runs failed"
                                  : "phi is at its minimum: no upgrade is expected to lower it "
                                    "by more than 1e-9 of itself",
                              ret_error);
        estimator->switched = true;
        return next_jacobian(estimator, wanted, ret_error);
    }
    return trials_plan(estimator, wanted, slots, ret_error);
}

static void trial_tell_set(struct estimator *estimator, struct glm_trial *trial, size_t run,
                           bool best, bool run_failed)
{
    const struct glm_candidate *asked = &estimator->frame->search.candidates[run];

    *trial = (struct glm_trial){
        .run = run,
        .lambda = asked->lambda,
        .scale = asked->scale,
        .predicted = asked->measurement + estimator->regul.factor * asked->regularisation,
        .change = estimator->frame->directions
                      ? 0.0
                      : glm_limits_share(&estimator->limits, asked->step),
        .failed = run_failed,
        .best = best,
        .parameters = estimator->trial.point.parameters,
        .observations = run_failed ? NULL : estimator->trial.point.observations,
        .phi = estimator->trial.point.phi};
    estimator->view.trial = trial;
    estimator->view.trial_count++;
}

/* One trial's results; whether it may go on. */
static int trial_take(struct estimator *estimator, const struct wave *ended, size_t run,
                      struct error *ret_error)
{
    struct glm_search *search = &estimator->frame->search;
    struct glm_trial trial;
    int best = 0;
    bool run_failed = ended->failed && ended->failed[run];

    if (run_failed && !estimator->options.lambda_forgive)
        return error_set(ret_error, ERROR_TASKS,
                         "an upgrade run of iteration %d failed, and lambda_forgive is false",
                         estimator->iteration);
    if (run_failed) {
        memcpy(estimator->trial.point.parameters,
               ended->parameters + run * ended->parameter_count,
               ended->parameter_count * sizeof(double));
        glm_search_fail(search, search->candidates[run].step);
    } else {
        if (glm_known_set(&estimator->trial, &estimator->parameters, estimator->objective,
                          ended->parameters + run * ended->parameter_count,
                          ended->observations + run * ended->observation_count,
                          estimator->regul.factor, ret_error) != 0)
            return -1;
        glm_frame_reduce(estimator, estimator->trial.transformed, estimator->step);
        best = glm_search_take(search, estimator->step, search->candidates[run].lambda,
                               estimator->trial.point.phi.measurement,
                               estimator->trial.point.phi.regularisation,
                               glm_model_miss(estimator->frame->model, estimator->step,
                                              estimator->trial.residuals),
                               ret_error);
        if (best < 0)
            return -1;
        if (best)
            glm_known_copy(&estimator->best, &estimator->trial, &estimator->parameters);
        if (isfinite(estimator->trial.point.phi.total) && !search->plain)
            glm_lessons_add(&estimator->frame->lessons,
                            estimator->frame->directions ? estimator->step
                                                         : estimator->trial.transformed,
                            estimator->trial.residuals);
    }
    trial_tell_set(estimator, &trial, run, best == 1, run_failed);
    best = glm_tell(estimator, GLM_TRIAL, ret_error);
    estimator->view.trial = NULL;
    return best;
}

enum estimator_next glm_iterate_trials(struct estimator *estimator, struct wave *ended,
                                       struct wave *wanted, uint32_t slots,
                                       struct error *ret_error)
{
    struct glm_frame *frame = estimator->frame;

    for (size_t run = 0; run < ended->run_count; run++)
        if (trial_take(estimator, ended, run, ret_error) != 0)
            return failed();
    estimator->view.lambda = frame->search.lambda * glm_model_unit(frame->model);
    glm_known_reckon(&estimator->base, estimator->objective, estimator->regul.factor);
    glm_known_reckon(&estimator->best, estimator->objective, estimator->regul.factor);
    if (glm_tell(estimator, GLM_TRIALS_END, ret_error) != 0)
        return failed();
    glm_model_forget(frame->model);
    if (glm_lessons_teach(&frame->lessons,
                          frame->directions ? NULL : estimator->base.transformed,
                          frame->search.best, frame->model, NULL, ret_error) != 0)
        return failed();
    return trials_plan(estimator, wanted, slots, ret_error);
}

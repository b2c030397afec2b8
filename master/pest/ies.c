/* ies.c - opening, the runs before the first iteration, and what all phases share; see ies.h. */
#include "config.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/ies.h"
#include "master/pest/ies_private.h"
#include "master/pest/ies_values.h"

#define PHI_NONE       1e-10 /* below this there is nothing to fit; PEST++'s */
#define LAMBDA_DEFAULT 1e4   /* where phi says nothing; PEST++'s */

static int no_memory(struct error *ret_error)
{
    return error_set(ret_error, ERROR_SYSTEM, "no memory for the smoother");
}

/* --- what all phases share ---------------------------------------------------------------- */

void ies_say(struct estimator *ies, const char *format, ...)
{
    char text[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ies_report_say(ies->report, text);
    ies->context.say(ies->context.say_context, text);
}

void ies_phi_update(struct estimator *ies)
{
    const struct ies_ensemble *ensemble = &ies->ensemble;
    for (size_t i = 0; i < ensemble->count; i++)
        ies->phi[i] = ies_phi_of(
            &ies->judge, ies_ensemble_values(ensemble, i), ies_ensemble_prior(ensemble, i),
            ies_ensemble_simulated(ensemble, i), ies_ensemble_target(ensemble, i));
}

int ies_composite(const struct estimator *ies, struct ies_statistics *ret,
                  struct error *ret_error)
{
    size_t count = ies->ensemble.count;
    double *composite = malloc((count + 1) * sizeof *composite);
    if (!composite)
        return no_memory(ret_error);
    for (size_t i = 0; i < count; i++)
        composite[i] = ies->phi[i].composite;
    *ret = ies_statistics_of(composite, count);
    free(composite);
    return 0;
}

/* The names of those marked; the last ones may have no room. */
static void names_print(const struct ies_ensemble *ensemble, const bool *marked, char *text,
                        size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < ensemble->count && used + 8 < size; i++)
        if (marked[i])
            used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "",
                                     ies_ensemble_parameter_name(ensemble, i));
    if (used + 8 >= size)
        memcpy(text + size - 8, ", …", sizeof ", …");
}

int ies_drop(struct estimator *ies, const bool *dropped, const char *reason,
             struct error *ret_error)
{
    size_t count = 0;
    char names[400];
    for (size_t i = 0; i < ies->ensemble.count; i++)
        count += dropped[i];
    if (count == 0)
        return 0;
    names_print(&ies->ensemble, dropped, names, sizeof names);
    ies_ensemble_drop(&ies->ensemble, dropped);
    ies_say(ies, "%zu realisation%s dropped (%s): %s; %zu are left", count,
            count == 1 ? "" : "s", reason, names, ies->ensemble.count);
    if (ies->ensemble.count >= IES_REALS_MIN)
        return 0;
    return error_set(ret_error, ERROR_TASKS,
                     "%zu realisations are left, and at least %d are needed; the last to go "
                     "(%s): %s",
                     ies->ensemble.count, IES_REALS_MIN, reason, names);
}

int ies_drop_bad(struct estimator *ies, struct error *ret_error)
{
    size_t count = ies->ensemble.count;
    double *measured = malloc((count + 1) * sizeof *measured), threshold;
    bool *bad = calloc(count + 1, sizeof *bad);
    long base = ies_ensemble_base(&ies->ensemble);
    int rc = measured && bad ? 0 : no_memory(ret_error);
    for (size_t i = 0; rc == 0 && i < count; i++)
        measured[i] = ies->phi[i].measured;
    if (rc == 0)
        rc = ies_phi_threshold(measured, count, ies->options.bad_phi,
                               ies->options.bad_phi_sigma, &threshold, ret_error);
    for (size_t i = 0; rc == 0 && i < count; i++)
        bad[i] = !(measured[i] <= threshold) && (long)i != base;
    if (rc == 0)
        rc = ies_drop(ies, bad, "bad phi", ret_error);
    free(measured);
    free(bad);
    if (rc == 0)
        ies_phi_update(ies);
    return rc;
}

int ies_tell(struct estimator *ies, struct error *ret_error)
{
    struct ies_statistics composite;
    if (ies_report_ensemble(ies->report, ies->iteration, ret_error) < 0 ||
        ies_report_phi(ies->report, ies->iteration, ies->runs, ies->phi, ret_error) < 0 ||
        ies_composite(ies, &composite, ret_error) < 0)
        return -1;
    const struct estimator_stand stand = {
        .iteration = ies->iteration, .phi = composite.mean, .lambda = ies->lambda};
    ies->context.stand(ies->context.say_context, &stand);
    ies_say(
        ies,
        "iteration %d: phi %.6g, standard deviation %.6g, over %zu realisations; lambda %.6g",
        ies->iteration, composite.mean, composite.deviation, ies->ensemble.count, ies->lambda);
    return 0;
}

enum estimator_next ies_finish(struct estimator *ies, const char *reason,
                               struct error *ret_error)
{
    ies->phase = IES_DONE;
    ies->context.say(ies->context.say_context, reason);
    return ies_report_finish(ies->report, reason, ies->runs, ies->failures, ret_error) < 0
               ? ESTIMATOR_FAILED
               : ESTIMATOR_FINISHED;
}

/* --- a single run ------------------------------------------------------------------------- */

/* The mean of the prior, of what is adjustable; the rest as in the control file. */
static void mean_fill(struct estimator *ies, double *transformed, double *scratch,
                      double *values)
{
    size_t columns = ies->parameters.count;
    for (size_t c = 0; c < columns; c++)
        transformed[c] = 0;
    for (size_t i = 0; i < ies->ensemble.count; i++) {
        glm_parameters_reduce(&ies->parameters, ies_ensemble_prior(&ies->ensemble, i), scratch);
        for (size_t c = 0; c < columns; c++)
            transformed[c] += scratch[c];
    }
    for (size_t c = 0; c < columns; c++)
        transformed[c] /= (double)ies->ensemble.count;
    ies_values_expand(&ies->parameters, transformed, ies->options.enforce_bounds, values);
}

static enum estimator_next single_begin(struct estimator *ies, struct wave *wanted,
                                        struct error *ret_error)
{
    const struct pest_control *control = ies->context.control;
    double *values = malloc((control->parameter_count + 1) * sizeof *values);
    double *scratch = malloc((2 * ies->parameters.count + 1) * sizeof *scratch);
    int rc = values && scratch ? 0 : no_memory(ret_error);
    for (size_t p = 0; rc == 0 && p < control->parameter_count; p++)
        values[p] = control->parameters[p].parval1;
    if (rc == 0 && control->noptmax == -2)
        mean_fill(ies, scratch, scratch + ies->parameters.count, values);
    else if (rc == 0)
        ies_values_settle(&ies->parameters, false, values);
    if (rc == 0 && wave_add(wanted, values) < 0)
        rc = no_memory(ret_error);
    free(values);
    free(scratch);
    wanted->purpose = control->noptmax == -2 ? "mean of the prior" : "base run";
    ies->phase = IES_SINGLE;
    return rc < 0 ? ESTIMATOR_FAILED : ESTIMATOR_WAVE;
}

static enum estimator_next single_end(struct estimator *ies, struct wave *ended,
                                      struct error *ret_error)
{
    const struct pest_control *control = ies->context.control;
    const char *tag = control->noptmax == -2 ? "mean" : IES_BASE;
    double *target = malloc((control->observation_count + 1) * sizeof *target);
    if (!target) {
        no_memory(ret_error);
        return ESTIMATOR_FAILED;
    }
    for (size_t o = 0; o < control->observation_count; o++)
        target[o] = control->observations[o].obsval;
    if (ended->failed[0]) {
        free(target);
        error_set(ret_error, ERROR_TASKS, "the run of the %s failed",
                  control->noptmax == -2 ? "prior's mean" : "control file's values");
        return ESTIMATOR_FAILED;
    }
    struct ies_phi phi = ies_phi_of(&ies->judge, ended->parameters, ended->parameters,
                                    ended->observations, target);
    free(target);
    const struct estimator_stand stand = {.phi = phi.actual, .lambda = NAN};
    ies->context.stand(ies->context.say_context, &stand);
    ies_say(ies, "phi %.6g, of %zu observations with a weight", phi.actual, ies->rows.count);
    if (ies_report_set(ies->report, tag, -1, ended->parameters, ended->observations,
                       ret_error) < 0)
        return ESTIMATOR_FAILED;
    return ies_finish(ies, "NOPTMAX asks for one run", ret_error);
}

/* --- the prior ---------------------------------------------------------------------------- */

static enum estimator_next prior_begin(struct estimator *ies, struct wave *wanted,
                                       struct error *ret_error)
{
    for (size_t i = 0; i < ies->ensemble.count; i++)
        if (wave_add(wanted, ies_ensemble_values(&ies->ensemble, i)) < 0) {
            no_memory(ret_error);
            return ESTIMATOR_FAILED;
        }
    wanted->purpose = "prior ensemble";
    ies->phase = IES_PRIOR;
    return ESTIMATOR_WAVE;
}

/* What the models really saw, and said. */
static int prior_take(struct estimator *ies, const struct wave *ended, struct error *ret_error)
{
    struct ies_ensemble *ensemble = &ies->ensemble;
    memcpy(ensemble->values, ended->parameters,
           ensemble->count * ensemble->parameter_count * sizeof(double));
    memcpy(ensemble->prior, ended->parameters,
           ensemble->count * ensemble->parameter_count * sizeof(double));
    memcpy(ensemble->simulated, ended->observations,
           ensemble->count * ensemble->observation_count * sizeof(double));
    return ies_drop(ies, ended->failed, "the run failed", ret_error);
}

/* Observations in conflict get no weight. */
static int conflicts_drop(struct estimator *ies, const struct ies_conflict *conflicts,
                          size_t count, struct error *ret_error)
{
    if (count == ies->rows.count)
        return error_set(
            ret_error, ERROR_TASKS,
            "every observation with a weight is in conflict with the prior (pdc.csv "
            "lists them): the prior, the weights or the model are wrong");
    bool *dropped = calloc(ies->rows.count + 1, sizeof *dropped);
    if (!dropped)
        return no_memory(ret_error);
    for (size_t i = 0; i < count; i++)
        dropped[conflicts[i].row] = true;
    ies_rows_drop(&ies->rows, dropped);
    free(dropped);
    return 0;
}

static int conflicts_look(struct estimator *ies, struct error *ret_error)
{
    struct ies_conflict *conflicts;
    size_t count;
    if (ies_conflicts_find(&ies->rows, &ies->ensemble, ies->options.conflict_sigma, &conflicts,
                           &count, ret_error) < 0)
        return -1;
    int rc = ies_report_conflicts(ies->report, conflicts, count, ret_error);
    if (rc == 0 && count > 0) {
        ies_say(
            ies,
            "%zu of %zu observations are in conflict with the prior: no realisation comes near "
            "them (pdc.csv)%s",
            count, ies->rows.count,
            ies->options.drop_conflicts ? "; they are left out"
                                        : "; fitting them may bias the parameters");
        if (ies->options.drop_conflicts)
            rc = conflicts_drop(ies, conflicts, count, ret_error);
    }
    free(conflicts);
    return rc;
}

/* ++ies_initial_lambda, or from phi as pestpp-ies does: the power of ten at or below phi / (2
 * rows). */
static double lambda_begin(const struct estimator *ies, double mean)
{
    double given = ies->options.initial_lambda;
    double lambda = pow(10, floor(log10(mean / (2 * (double)ies->rows.count))));
    if (given > 0)
        return given;
    if (!(lambda >= PHI_NONE))
        lambda = LAMBDA_DEFAULT;
    return given < 0 ? -given * lambda : lambda;
}

/* Results of the ensemble that it begins with are known. */
static enum estimator_next prior_digest(struct estimator *ies, struct wave *wanted,
                                        uint32_t slots, struct error *ret_error)
{
    struct ies_statistics composite;
    bool restart = ies->options.restart_parameter_ensemble != NULL;
    bool alone = ies->context.control->noptmax < 0;
    if (conflicts_look(ies, ret_error) < 0)
        return ESTIMATOR_FAILED;
    ies_phi_update(ies);
    if (!alone && !restart && ies_drop_bad(ies, ret_error) < 0)
        return ESTIMATOR_FAILED;
    if (ies_composite(ies, &composite, ret_error) < 0)
        return ESTIMATOR_FAILED;
    ies->lambda = alone ? NAN : lambda_begin(ies, composite.mean);
    if (ies_tell(ies, ret_error) < 0 ||
        ies_stop_add(&ies->stop, composite.mean, true, ret_error) < 0)
        return ESTIMATOR_FAILED;
    if (alone)
        return ies_finish(ies, "NOPTMAX asks for the prior ensemble alone", ret_error);
    if (ies->rows.count == 0)
        return ies_finish(ies, "no observation has a weight: there is nothing to fit",
                          ret_error);
    if (composite.mean < PHI_NONE)
        return ies_finish(ies, "phi is 0: there is nothing to fit", ret_error);
    return ies_trials_begin(ies, wanted, slots, ret_error);
}

static enum estimator_next begin(struct estimator *ies, struct wave *wanted, uint32_t slots,
                                 struct error *ret_error)
{
    int noptmax = ies->context.control->noptmax;
    if (noptmax == 0 || noptmax == -2)
        return single_begin(ies, wanted, ret_error);
    if (ies_report_prior(ies->report, ret_error) < 0)
        return ESTIMATOR_FAILED;
    return ies->options.restart_observation_ensemble
               ? prior_digest(ies, wanted, slots, ret_error)
               : prior_begin(ies, wanted, ret_error);
}

static void runs_count(struct estimator *ies, const struct wave *ended)
{
    ies->runs += (int64_t)ended->run_count;
    for (size_t run = 0; run < ended->run_count; run++)
        ies->failures += ended->failed[run];
}

static enum estimator_next ies_step(struct estimator *ies, struct wave *ended,
                                    struct wave *wanted, uint32_t slots,
                                    struct error *ret_error)
{
    runs_count(ies, ended);
    switch (ies->phase) {
    case IES_BEGIN:
        return begin(ies, wanted, slots, ret_error);
    case IES_SINGLE:
        return single_end(ies, ended, ret_error);
    case IES_PRIOR:
        return prior_take(ies, ended, ret_error) < 0
                   ? ESTIMATOR_FAILED
                   : prior_digest(ies, wanted, slots, ret_error);
    case IES_TRIALS:
        return ies_trials_end(ies, ended, wanted, slots, ret_error);
    case IES_REMAINDER:
        return ies_remainder_end(ies, ended, wanted, slots, ret_error);
    default:
        return ESTIMATOR_FINISHED;
    }
}

static int64_t ies_count(const struct estimator *ies)
{
    int noptmax = ies->context.control->noptmax;
    if (noptmax == 0 || noptmax == -2)
        return 1;
    return noptmax < 0 && !ies->options.restart_observation_ensemble
               ? (int64_t)ies->ensemble.count
               : -1;
}

const struct estimator_ops estimator_ies = {
    .mode = "ies", .open = ies_open, .close = ies_close, .count = ies_count, .step = ies_step};

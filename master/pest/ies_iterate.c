/*
 * ies_iterate.c - an iteration: trials, the remainder with the best of them, what is made of it.
 *
 * Trials are judged against what phi was for the same realisations, so that neither a subset that
 * happens to fit well nor failed runs tilt the choice. The best trial's results are kept in the
 * search (values, simulated), where the remainder joins them; an accepted iteration swaps them
 * with the ensemble's.
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/ies_private.h"
#include "master/pest/ies_subset.h"

#define LAMBDA_MIN    1e-30 /* PEST++'s */
#define LAMBDA_MAX    1e30
#define LAMBDA_RESCUE 1e4 /* factor where all trials failed */

/* How a trial, or the ensemble, compares with what it was. */
struct comparison {
    size_t count; /* realisations that ran and are not bad */
    struct ies_statistics before, after;
};

static int no_memory(struct error *ret_error)
{
    return error_set(ret_error, ERROR_SYSTEM, "no memory for an iteration of the smoother");
}

void ies_search_fini(struct ies_search *search)
{
    free(search->subset);
    free(search->values);
    free(search->simulated);
    *search = (struct ies_search){0};
}

/* --- trials begin ------------------------------------------------------------------------- */

static int search_allocate(struct estimator *ies, struct error *ret_error)
{
    struct ies_search *search = &ies->search;
    const struct ies_ensemble *ensemble = &ies->ensemble;
    ies_search_fini(search);
    search->subset = calloc(ensemble->count + 1, sizeof *search->subset);
    search->values = malloc((ensemble->count * ensemble->parameter_count + 1) * sizeof(double));
    search->simulated =
        malloc((ensemble->count * ensemble->observation_count + 1) * sizeof(double));
    if (!search->subset || !search->values || !search->simulated)
        return no_memory(ret_error);
    for (size_t i = 0; i < ensemble->count * ensemble->observation_count; i++)
        search->simulated[i] = NAN;
    return 0;
}

static int subset_choose(struct estimator *ies, uint32_t slots, struct error *ret_error)
{
    const struct ies_options *options = &ies->options;
    size_t count = ies->ensemble.count,
           tests = options->multiplier_count * options->scale_count;
    size_t wanted = ies_subset_wanted(options->subset_size, count);
    double *composite = malloc((count + 1) * sizeof *composite);
    if (!composite)
        return no_memory(ret_error);
    for (size_t i = 0; i < count; i++)
        composite[i] = ies->phi[i].composite;
    ies->search.subset_count = ies_subset_size(wanted, count, tests, slots);
    int rc = ies_subset_choose(options->subset_how, composite, count,
                               ies_ensemble_base(&ies->ensemble), ies->search.subset_count,
                               options->seed, ies->iteration, ies->search.subset, ret_error);
    free(composite);
    return rc;
}

enum estimator_next ies_trials_begin(struct estimator *ies, struct wave *wanted, uint32_t slots,
                                     struct error *ret_error)
{
    const struct ies_options *options = &ies->options;
    double *lambdas = malloc((options->multiplier_count + 1) * sizeof *lambdas);
    int rc = lambdas ? 0 : no_memory(ret_error);
    for (size_t l = 0; rc == 0 && l < options->multiplier_count; l++)
        lambdas[l] = ies->lambda * options->multipliers[l];
    ies->iteration++;
    if (rc == 0 && ies->localizer && !ies->classes)
        rc = ies_classes_make(ies, ret_error);
    if (rc == 0 &&
        (search_allocate(ies, ret_error) < 0 || subset_choose(ies, slots, ret_error) < 0 ||
         ies_frame_make(ies, ret_error) < 0 ||
         ies_frame_propose(ies, lambdas, options->multiplier_count, options->scales,
                           options->scale_count, ies->search.subset, ies->search.subset_count,
                           wanted, ret_error) < 0))
        rc = -1;
    free(lambdas);
    wanted->purpose = "lambda search";
    ies->phase = IES_TRIALS;
    return rc < 0 ? ESTIMATOR_FAILED : ESTIMATOR_WAVE;
}

/* --- comparisons -------------------------------------------------------------------------- */

/* Composite phi of realisation i, had it these values; bad ones count as failed. */
static double composite_of(const struct estimator *ies, size_t i, const double *values,
                           const double *simulated)
{
    if (isnan(simulated[0]))
        return NAN;
    struct ies_phi phi = ies_phi_of(&ies->judge, values, ies_ensemble_prior(&ies->ensemble, i),
                                    simulated, ies_ensemble_target(&ies->ensemble, i));
    bool base = (long)i == ies_ensemble_base(&ies->ensemble);
    return phi.measured > ies->options.bad_phi && !base ? NAN : phi.composite;
}

/* Realisations list[k] (NULL: k), k < count, whose results are the rows of values and simulated. */
static int compare(const struct estimator *ies, const size_t *list, size_t count,
                   const double *values, const double *simulated, struct comparison *ret,
                   struct error *ret_error)
{
    const struct ies_ensemble *ensemble = &ies->ensemble;
    double *before = malloc((count + 1) * sizeof *before);
    double *after = malloc((count + 1) * sizeof *after);
    int rc = before && after ? 0 : no_memory(ret_error);
    *ret = (struct comparison){0};
    for (size_t k = 0; rc == 0 && k < count; k++) {
        size_t i = list ? list[k] : k;
        double composite = composite_of(ies, i, values + k * ensemble->parameter_count,
                                        simulated + k * ensemble->observation_count);
        if (!isfinite(composite))
            continue;
        before[ret->count] = ies->phi[i].composite;
        after[ret->count++] = composite;
    }
    if (rc == 0) {
        ret->before = ies_statistics_of(before, ret->count);
        ret->after = ies_statistics_of(after, ret->count);
    }
    free(before);
    free(after);
    return rc;
}

/* Of means, 1: no change. */
static double ratio_of(const struct comparison *comparison)
{
    if (comparison->count == 0)
        return INFINITY;
    if (comparison->before.mean > 0)
        return comparison->after.mean / comparison->before.mean;
    return comparison->after.mean > 0 ? INFINITY : 1;
}

static bool accepts(const struct estimator *ies, const struct comparison *comparison)
{
    return ratio_of(comparison) <= ies->options.accept;
}

/* --- the end of an iteration -------------------------------------------------------------- */

static void lambda_set(struct estimator *ies, double lambda)
{
    ies->lambda = fmin(LAMBDA_MAX, fmax(LAMBDA_MIN, lambda));
}

static enum estimator_next iteration_end(struct estimator *ies, bool accepted,
                                         struct wave *wanted, uint32_t slots,
                                         struct error *ret_error)
{
    struct ies_statistics composite;
    char reason[256];
    ies_search_fini(&ies->search);
    ies_frame_fini(&ies->frame);
    if (ies_tell(ies, ret_error) < 0 || ies_composite(ies, &composite, ret_error) < 0 ||
        ies_stop_add(&ies->stop, composite.mean, accepted, ret_error) < 0)
        return ESTIMATOR_FAILED;
    if (ies_stop_is(&ies->stop, ies->context.control, reason, sizeof reason))
        return ies_finish(ies, reason, ret_error);
    return ies_trials_begin(ies, wanted, slots, ret_error);
}

static void swap(double **left, double **right)
{
    double *kept = *left;
    *left = *right;
    *right = kept;
}

/* The ensemble becomes the search's; failed and bad realisations go. */
static int ensemble_accept(struct estimator *ies, struct error *ret_error)
{
    struct ies_ensemble *ensemble = &ies->ensemble;
    bool *failed = calloc(ensemble->count + 1, sizeof *failed);
    if (!failed)
        return no_memory(ret_error);
    swap(&ensemble->values, &ies->search.values);
    swap(&ensemble->simulated, &ies->search.simulated);
    for (size_t i = 0; i < ensemble->count; i++)
        failed[i] = isnan(ies_ensemble_simulated(ensemble, i)[0]);
    int rc = ies_drop(ies, failed, "the run failed", ret_error);
    free(failed);
    if (rc < 0)
        return -1;
    ies_phi_update(ies);
    return ies_drop_bad(ies, ret_error);
}

/* Realisations whose phi fell move, the others stay. */
static size_t lower_accept(struct estimator *ies)
{
    struct ies_ensemble *ensemble = &ies->ensemble;
    size_t moved = 0, parameters = ensemble->parameter_count;
    size_t observations = ensemble->observation_count;
    for (size_t i = 0; i < ensemble->count; i++) {
        const double *values = ies->search.values + i * parameters;
        const double *simulated = ies->search.simulated + i * observations;
        if (!(composite_of(ies, i, values, simulated) < ies->phi[i].composite))
            continue;
        memcpy(ies_ensemble_values(ensemble, i), values, parameters * sizeof *values);
        memcpy(ies_ensemble_simulated(ensemble, i), simulated,
               observations * sizeof *simulated);
        moved++;
    }
    ies_phi_update(ies);
    return moved;
}

/* All realisations ran with the best trial's lambda and scale. */
static enum estimator_next ensemble_judge(struct estimator *ies, struct wave *wanted,
                                          uint32_t slots, struct error *ret_error)
{
    struct comparison all;
    if (compare(ies, NULL, ies->ensemble.count, ies->search.values, ies->search.simulated, &all,
                ret_error) < 0)
        return ESTIMATOR_FAILED;
    bool accepted = accepts(ies, &all);
    if (accepted) {
        if (all.after.deviation < all.before.deviation * ies->options.accept)
            lambda_set(ies, ies->search.lambda * ies->options.decrease);
        if (ensemble_accept(ies, ret_error) < 0)
            return ESTIMATOR_FAILED;
    } else {
        size_t moved = lower_accept(ies);
        lambda_set(ies, ies->lambda * ies->options.increase);
        ies_say(ies,
                "iteration %d: the mean of phi over all realisations rose from %.6g to %.6g; "
                "%zu realisations whose own phi fell are moved, lambda becomes %.6g",
                ies->iteration, all.before.mean, all.after.mean, moved, ies->lambda);
    }
    return iteration_end(ies, accepted, wanted, slots, ret_error);
}

/* --- trials end --------------------------------------------------------------------------- */

static int trial_report(struct estimator *ies, const struct ies_report_trial *trial,
                        const double *values, const double *simulated, struct error *ret_error)
{
    const struct ies_search *search = &ies->search;
    if (ies_report_trial(ies->report, trial, ret_error) < 0)
        return -1;
    if (!ies->options.save_lambda)
        return 0;
    return ies_report_trial_ensemble(ies->report, trial, search->subset, search->subset_count,
                                     values, false, ret_error) < 0
               ? -1
               : ies_report_trial_ensemble(ies->report, trial, search->subset,
                                           search->subset_count, simulated, true, ret_error);
}

/* Compare every trial; *ret_best is the best one's number, SIZE_MAX: all failed. A trial of which
 * more than half failed is none. */
static int trials_compare(struct estimator *ies, const struct wave *ended,
                          const struct ies_statistics *current, size_t *ret_best,
                          struct comparison *ret_comparison, struct error *ret_error)
{
    const struct ies_options *options = &ies->options;
    struct ies_search *search = &ies->search;
    size_t count = search->subset_count;
    *ret_best = SIZE_MAX;
    for (size_t t = 0; t < options->multiplier_count * options->scale_count; t++) {
        const double *values = ended->parameters + t * count * ended->parameter_count;
        const double *simulated = ended->observations + t * count * ended->observation_count;
        struct comparison now;
        struct ies_report_trial trial = {
            .iteration = ies->iteration,
            .current_lambda = ies->lambda,
            .current = *current,
            .lambda = ies->lambda * options->multipliers[t / options->scale_count],
            .scale = options->scales[t % options->scale_count]};
        if (compare(ies, search->subset, count, values, simulated, &now, ret_error) < 0)
            return -1;
        trial.reals = now.count;
        trial.composite = now.after;
        if (trial_report(ies, &trial, values, simulated, ret_error) < 0)
            return -1;
        if (2 * now.count < count ||
            (*ret_best != SIZE_MAX && !(ratio_of(&now) < ratio_of(ret_comparison))))
            continue;
        *ret_best = t;
        *ret_comparison = now;
        search->lambda = trial.lambda;
        search->scale = trial.scale;
    }
    return 0;
}

/* Keep the results of the runs `first` and on, of these realisations. */
static void results_keep(struct estimator *ies, const struct wave *ended, size_t first,
                         const size_t *realisations, size_t count)
{
    size_t parameters = ended->parameter_count, observations = ended->observation_count;
    for (size_t k = 0; k < count; k++) {
        memcpy(ies->search.values + realisations[k] * parameters,
               ended->parameters + (first + k) * parameters, parameters * sizeof(double));
        memcpy(ies->search.simulated + realisations[k] * observations,
               ended->observations + (first + k) * observations, observations * sizeof(double));
    }
}

/* The realisations that are not of the subset: list[count - subset_count]. */
static size_t *remainder_list(const struct estimator *ies, struct error *ret_error)
{
    const struct ies_search *search = &ies->search;
    size_t *list = calloc(ies->ensemble.count + 1, sizeof *list), next = 0, put = 0;
    if (!list) {
        no_memory(ret_error);
        return NULL;
    }
    for (size_t i = 0; i < ies->ensemble.count; i++)
        if (next < search->subset_count && search->subset[next] == i)
            next++;
        else
            list[put++] = i;
    return list;
}

static enum estimator_next remainder_begin(struct estimator *ies, struct wave *wanted,
                                           struct error *ret_error)
{
    struct ies_search *search = &ies->search;
    size_t *list = remainder_list(ies, ret_error);
    if (!list)
        return ESTIMATOR_FAILED;
    int rc = ies_frame_propose(ies, &search->lambda, 1, &search->scale, 1, list,
                               ies->ensemble.count - search->subset_count, wanted, ret_error);
    free(list);
    wanted->purpose = "remaining realisations";
    ies->phase = IES_REMAINDER;
    return rc < 0 ? ESTIMATOR_FAILED : ESTIMATOR_WAVE;
}

/* No trial is any good: lambda rises, nothing moves. */
static enum estimator_next trials_reject(struct estimator *ies, bool failed,
                                         const struct comparison *best, struct wave *wanted,
                                         uint32_t slots, struct error *ret_error)
{
    lambda_set(ies, ies->lambda * (failed ? LAMBDA_RESCUE : ies->options.increase));
    if (failed)
        ies_say(ies, "iteration %d: most runs of every trial failed; lambda becomes %.6g",
                ies->iteration, ies->lambda);
    else
        ies_say(ies,
                "iteration %d: the best trial would take phi from %.6g to %.6g (means of %zu "
                "realisations); nothing moves, and lambda becomes %.6g",
                ies->iteration, best->before.mean, best->after.mean, best->count, ies->lambda);
    return iteration_end(ies, false, wanted, slots, ret_error);
}

enum estimator_next ies_trials_end(struct estimator *ies, struct wave *ended,
                                   struct wave *wanted, uint32_t slots, struct error *ret_error)
{
    struct ies_search *search = &ies->search;
    struct ies_statistics current;
    struct comparison best = {0};
    size_t number;
    if (ies_composite(ies, &current, ret_error) < 0 ||
        trials_compare(ies, ended, &current, &number, &best, ret_error) < 0)
        return ESTIMATOR_FAILED;
    if (number == SIZE_MAX || !accepts(ies, &best))
        return trials_reject(ies, number == SIZE_MAX, &best, wanted, slots, ret_error);
    results_keep(ies, ended, number * search->subset_count, search->subset,
                 search->subset_count);
    return search->subset_count < ies->ensemble.count
               ? remainder_begin(ies, wanted, ret_error)
               : ensemble_judge(ies, wanted, slots, ret_error);
}

enum estimator_next ies_remainder_end(struct estimator *ies, struct wave *ended,
                                      struct wave *wanted, uint32_t slots,
                                      struct error *ret_error)
{
    size_t *list = remainder_list(ies, ret_error);
    if (!list)
        return ESTIMATOR_FAILED;
    results_keep(ies, ended, 0, list, ies->ensemble.count - ies->search.subset_count);
    free(list);
    return ensemble_judge(ies, wanted, slots, ret_error);
}

/*
 * ies_report.h - the files of a smoother, with the names and columns of pestpp-ies
 * (usgs/pestpp, src/libs/pestpp_common/EnsembleMethodUtils.cpp: L2PhiHandler, save_ensembles).
 *
 *   BASE.N.par.csv, BASE.N.obs.csv   ensembles after iteration N (0: the prior); .jcb with
 *                                    ++ies_save_binary
 *   BASE.obs+noise.csv               targets of the observations with a weight
 *   BASE.phi.actual.csv, .meas.csv, .composite.csv, .regul.csv   a row per iteration: iteration,
 *                                    total_runs, mean, standard_deviation, min, max, realisations
 *   BASE.phi.group.csv               a row per iteration and realisation
 *   BASE.phi.lambda.csv              a row per trial
 *   BASE.pdc.csv                     observations in prior-data conflict
 *   BASE.base.par, BASE.base.rei     the base realisation, last; BASE.N.base.par and .rei
 *   BASE.N.L.lambda.S.scale.par.csv  trials (++ies_save_lambda_en)
 *   BASE.rec                         the story
 */
#ifndef BEOFARM_MASTER_PEST_IES_REPORT_H
#define BEOFARM_MASTER_PEST_IES_REPORT_H

#include <stdint.h>

#include "master/pest/ies_ensemble.h"
#include "master/pest/ies_options.h"
#include "master/pest/ies_phi.h"

struct ies_report;

/* What stays the same; borrowed. */
struct ies_report_source {
    const char *output_base;
    const struct pest_control *control;
    const struct ies_options *options;
    const struct ies_judge *judge;
    const struct ies_ensemble *ensemble;
};

/* Begin the record. -1 and NULL with a sentence where a file cannot be written, here and below. */
struct ies_report *ies_report_open(const struct ies_report_source *source,
                                   struct error *ret_error);
void ies_report_close(struct ies_report *report); /* NULL is allowed */

/* A line of the record; kept until ies_report_flush. */
void ies_report_say(struct ies_report *report, const char *sentence);
int ies_report_flush(struct ies_report *report, struct error *ret_error);

/* The ensembles that it begins with are known: BASE.0.par, BASE.obs+noise; headers of tables. */
int ies_report_prior(struct ies_report *report, struct error *ret_error);
/* The ensemble as it is after `iteration`: .par (not for 0), .obs, .base.par, .base.rei. */
int ies_report_ensemble(struct ies_report *report, int iteration, struct error *ret_error);
/* Rows of the phi tables, and a summary in the record; phi[ensemble->count]. */
int ies_report_phi(struct ies_report *report, int iteration, int64_t runs,
                   const struct ies_phi *phi, struct error *ret_error);
int ies_report_conflicts(struct ies_report *report, const struct ies_conflict *conflicts,
                         size_t count, struct error *ret_error);

struct ies_report_trial {
    int iteration;
    size_t reals; /* that ran */
    double current_lambda, lambda, scale;
    struct ies_statistics current, composite; /* of the ensemble, and of those that ran */
};
int ies_report_trial(struct ies_report *report, const struct ies_report_trial *trial,
                     struct error *ret_error);
/* ++ies_save_lambda_en: the realisations `list` of a trial. simulated NULL: parameters; rows of
 * values are [count][parameter_count] or [count][observation_count]. */
int ies_report_trial_ensemble(struct ies_report *report, const struct ies_report_trial *trial,
                              const size_t *list, size_t count, const double *values,
                              bool observations, struct error *ret_error);

/* How it ended, and what of the control file had no effect. */
int ies_report_finish(struct ies_report *report, const char *reason, int64_t runs,
                      int64_t failures, struct error *ret_error);

/* NAME.par and NAME.rei of one parameter set; `tag` is "base" or "mean"; iteration -1: without a
 * number. */
int ies_report_set(struct ies_report *report, const char *tag, int iteration,
                   const double *values, const double *simulated, struct error *ret_error);

#endif

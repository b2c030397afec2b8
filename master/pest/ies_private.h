/*
 * ies_private.h - the smoother's state, for its parts: ies_open.c builds it up, ies.c goes from
 * phase to phase, ies_iterate.c makes an iteration, ies_frame.c what an update is made from.
 */
#ifndef BEOFARM_MASTER_PEST_IES_PRIVATE_H
#define BEOFARM_MASTER_PEST_IES_PRIVATE_H

#include "master/pest/estimator.h"
#include "master/pest/ies_ensemble.h"
#include "master/pest/ies_options.h"
#include "master/pest/ies_phi.h"
#include "master/pest/ies_report.h"
#include "master/pest/ies_stop.h"
#include "master/pest/ies_update.h"
#include "master/pest/localizer.h"

#define IES_REALS_MIN 3

enum ies_phase {
    IES_BEGIN,
    IES_SINGLE, /* NOPTMAX 0 or -2: one parameter set runs */
    IES_PRIOR,
    IES_TRIALS,
    IES_REMAINDER,
    IES_DONE
};

/* What updates of one iteration are made from: the problem's arrays, owned. */
struct ies_frame {
    struct ies_update_problem problem;
    double *parameters, *offset, *prior, *simulated, *residuals;
};

/* Where an iteration stands. */
struct ies_search {
    size_t *subset; /* [subset_count] realisations that try */
    size_t subset_count;
    double lambda, scale; /* the best trial's */
    double *values;       /* [count][parameter_count] of the best trial, as run */
    double *simulated;    /* [count][observation_count]; NaN first: failed, or not run yet */
};

struct estimator {
    struct estimator_context context;
    struct ies_options options;
    struct glm_parameters parameters;
    double *deviations; /* [parameters.count] of the prior */
    struct ies_rows rows;
    struct ies_judge judge;
    struct ies_ensemble ensemble;
    struct ies_report *report; /* NULL in plan_only */

    struct localizer *localizer; /* or NULL */
    struct ies_class *classes;   /* of the localizer, [class_count]; the parts are owned */
    size_t class_count;

    enum ies_phase phase;
    int iteration;
    double lambda;
    struct ies_phi *phi; /* [ensemble.count] */
    struct ies_stop stop;
    struct ies_frame frame;
    struct ies_search search;
    int64_t runs, failures;
};

/* --- ies_open.c --------------------------------------------------------------------------- */

struct estimator *ies_open(const struct estimator_context *context, struct error *ret_error);
void ies_close(struct estimator *ies);

/* --- ies.c -------------------------------------------------------------------------------- */

/* A sentence for the user and the record. */
void ies_say(struct estimator *ies, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Phi of all realisations, anew. */
void ies_phi_update(struct estimator *ies);
/* Of composite phi over the ensemble. -1: no memory. */
int ies_composite(const struct estimator *ies, struct ies_statistics *ret,
                  struct error *ret_error);
/* Take out those marked, for `reason`, which is said with their names. -1: too few are left. */
int ies_drop(struct estimator *ies, const bool *dropped, const char *reason,
             struct error *ret_error);
/* Those whose measured phi is bad; the base realisation stays. */
int ies_drop_bad(struct estimator *ies, struct error *ret_error);
/* Reports of an iteration, and where it stands. */
int ies_tell(struct estimator *ies, struct error *ret_error);

/* --- ies_frame.c -------------------------------------------------------------------------- */

int ies_frame_make(struct estimator *ies, struct error *ret_error);
void ies_frame_fini(struct ies_frame *frame);
/* Classes of the localizer for the rows as they are now. */
int ies_classes_make(struct estimator *ies, struct error *ret_error);
void ies_classes_free(struct estimator *ies);
/* Add the runs of these realisations with each lambda and each scale (outermost to innermost:
 * lambdas, scales, realisations). */
int ies_frame_propose(struct estimator *ies, const double *lambdas, size_t lambda_count,
                      const double *scales, size_t scale_count, const size_t *realisations,
                      size_t count, struct wave *wanted, struct error *ret_error);

/* --- ies_iterate.c ------------------------------------------------------------------------ */

/* The next iteration's trials. */
enum estimator_next ies_trials_begin(struct estimator *ies, struct wave *wanted, uint32_t slots,
                                     struct error *ret_error);
/* The trials ended: the remainder, or the next iteration, or the end. */
enum estimator_next ies_trials_end(struct estimator *ies, struct wave *ended,
                                   struct wave *wanted, uint32_t slots,
                                   struct error *ret_error);
enum estimator_next ies_remainder_end(struct estimator *ies, struct wave *ended,
                                      struct wave *wanted, uint32_t slots,
                                      struct error *ret_error);
void ies_search_fini(struct ies_search *search);

/* The end, with a sentence. */
enum estimator_next ies_finish(struct estimator *ies, const char *reason,
                               struct error *ret_error);

#endif

/*
 * glm_private.h - the estimator's own parts: glm.c (open, close, steps), glm_frame.c (a Jacobian
 * and its model), glm_first.c (start), glm_iterate.c (iterations).
 */
#ifndef BEOFARM_MASTER_PEST_GLM_PRIVATE_H
#define BEOFARM_MASTER_PEST_GLM_PRIVATE_H

#include "master/pest/covariance.h"
#include "master/pest/estimator.h"
#include "master/pest/glm_derivatives.h"
#include "master/pest/glm_lessons.h"
#include "master/pest/glm_limits.h"
#include "master/pest/glm_model.h"
#include "master/pest/glm_objective.h"
#include "master/pest/glm_options.h"
#include "master/pest/glm_parameters.h"
#include "master/pest/glm_point.h"
#include "master/pest/glm_regul.h"
#include "master/pest/glm_report.h"
#include "master/pest/glm_search.h"
#include "master/pest/glm_stop.h"

enum glm_phase {
    GLM_PHASE_START,
    GLM_PHASE_JACOBIAN, /* the wave is a Jacobian, with the base run before it at first */
    GLM_PHASE_RETRY,    /* derivatives that failed */
    GLM_PHASE_TRIALS,
    GLM_PHASE_POSTERIOR, /* it is over, but for realisations of the posterior */
    GLM_PHASE_FINISHED
};

/* The coordinates in which an iteration works: the adjustable parameters themselves, or super
 * parameters (directions of them). */
struct glm_frame {
    size_t n;
    double *directions; /* [n][columns], orthonormal; NULL: the parameters themselves */
    struct glm_derivatives derivatives;
    double *jacobian;       /* [n][observations] */
    const double **columns; /* [n] into jacobian */
    bool whitened;
    struct jacobian_view view;
    size_t *prior_starts, *prior_columns; /* super parameters: dense rows; owned */
    double *prior_values;
    struct glm_model *model;
    struct glm_search search;
    struct glm_box box;
    double *lower, *upper; /* super parameters: no limits of their own; owned */
    struct glm_lessons lessons;
};

struct estimator {
    struct estimator_context context;
    struct pest_control *control;
    struct glm_options options;
    struct glm_parameters parameters;
    struct glm_objective *objective;
    struct glm_regul regul;
    struct glm_limits limits;
    struct glm_stop stop;
    struct glm_report *report;
    struct glm_view view;
    struct covariance *prior;   /* of the adjustable parameters; NULL: not known */
    double *start_observations; /* of the base run */

    enum glm_phase phase;
    bool base_pending;   /* the first run of the wave is the base run */
    bool jacobian_given; /* the first Jacobian came from a file */
    bool switched;       /* derivatives of groups that switch have more points */
    bool split;          /* split-slope analysis is on */
    bool refined;        /* this iteration's Jacobian is as good as it gets */
    bool closing;        /* a criterion is met; the last trials of the iteration */
    int iteration;
    int64_t runs, failures;
    size_t jacobian_runs; /* of this iteration */
    int updates;          /* JACUPDATE: since the last Jacobian */
    double hope;          /* part of phi that the Jacobian at the base promises to gain */
    int holes;            /* Jacobians on end with holes and without gain */
    bool gained;          /* some search of this iteration improved phi */
    int cycle;            /* the iteration before SVD-assist's cycle of base and super ones */

    struct glm_frame full;               /* all adjustable parameters */
    struct glm_frame super;              /* n 0: none now */
    int full_iteration, super_iteration; /* of the Jacobians that these come from */
    struct glm_frame *frame;             /* the one in use */
    struct glm_known base, best, trial;
    struct glm_known begun;      /* where the iteration began: the base, but for JACUPDATE */
    double *step;                /* [columns] scratch */
    double *moved;               /* [columns] scratch */
    struct glm_candidate *asked; /* the trials of the wave */
    size_t asked_count;
    double *posterior; /* realisations to run at the end; NULL: none */
};

/* glm_frame.c */
int glm_frame_init(struct glm_frame *frame, size_t n, const struct estimator *estimator,
                   struct error *ret_error);
void glm_frame_fini(struct glm_frame *frame);
/* Runs of the Jacobian at estimator->base into `wanted`. */
int glm_frame_plan(struct estimator *estimator, struct wave *wanted, struct error *ret_error);
/* Take their results; *ret_waiting columns are to be tried again. */
int glm_frame_digest(struct estimator *estimator, struct wave *ended, size_t *ret_waiting,
                     struct error *ret_error);
/* The Jacobian is complete: whiten it, set up model and search. */
int glm_frame_ready(struct estimator *estimator, struct error *ret_error);
/* The model and the search at estimator->base, with this frame's Jacobian as it is. */
int glm_frame_base(struct estimator *estimator, struct error *ret_error);
/* transformed[columns] at a step of the frame, and the step for transformed values. */
void glm_frame_expand(const struct estimator *estimator, const double *step,
                      double *ret_transformed);
void glm_frame_reduce(const struct estimator *estimator, const double *transformed,
                      double *ret_step);
/* Whether derivatives failed for good in this frame's Jacobian: another try may have them. */
bool glm_frame_holes(const struct glm_frame *frame);
/* Undo the whitening. */
int glm_frame_unwhiten(struct estimator *estimator, struct glm_frame *frame,
                       struct error *ret_error);

/* glm_super.c: the super parameters of the full frame's Jacobian become estimator->super, and the
 * frame in use. */
int glm_super_make(struct estimator *estimator, struct error *ret_error);
/* Whether the next iteration is one of super parameters. */
bool glm_super_is_due(const struct estimator *estimator);

/* glm_restart.c */
int glm_restart_jacobian(struct estimator *estimator, struct error *ret_error);
int glm_restart_base(struct estimator *estimator, double *ret_observations,
                     struct error *ret_error);

/* glm_iterate.c: the next wave, once the Jacobian is complete or trials have ended. */
enum estimator_next glm_iterate_begin(struct estimator *estimator, struct wave *wanted,
                                      uint32_t slots, struct error *ret_error);
enum estimator_next glm_iterate_trials(struct estimator *estimator, struct wave *ended,
                                       struct wave *wanted, uint32_t slots,
                                       struct error *ret_error);

/* glm.c */
int glm_tell(struct estimator *estimator, enum glm_event event, struct error *ret_error);
enum estimator_next glm_finish(struct estimator *estimator, const char *reason,
                               struct error *ret_error);
void glm_say(struct estimator *estimator, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Tell iteration, best phi and lambda, for the line of progress. */
void glm_stand(struct estimator *estimator);

#endif

/*
 * glm_report.h - what the Gauss-Levenberg-Marquardt estimator tells those who write files of it.
 *
 * The estimator calls glm_report_tell at every event, in the order of things; members (.rec, .par,
 * .rei, .sen, .jco, .iobj ...) stand in the array of glm_report.c. A member sees the whole state
 * in a `struct glm_view`, borrowed for the length of the call. Writers must be idempotent: a
 * master that resumes replays all events from the start and files are written anew.
 *
 * Parameter values in a view are those of *all* parameters of the control file before scale and
 * offset; columns are the adjustable parameters. "Transformed" means log10 of log parameters.
 */
#ifndef BEOFARM_MASTER_PEST_GLM_REPORT_H
#define BEOFARM_MASTER_PEST_GLM_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/pest/control.h"

enum glm_event {
    GLM_START,      /* opened; no run has been made */
    GLM_BASE_RUN,   /* the base run's observations are known: view.best is the first */
    GLM_JACOBIAN,   /* a Jacobian was made (view.jacobian) at view.base */
    GLM_TRIAL,      /* an upgrade trial ended (view.trial) */
    GLM_TRIALS_END, /* the trials of one wave are digested */
    GLM_ITERATION,  /* an iteration ended: view.best is the next base */
    GLM_FINISHED    /* nothing more is wanted: view.reason; view.best is the result */
};

/* The objective function at one parameter set. Regularisation groups' contributions carry the
 * weight factor of the view (1 outside of regularisation mode). */
struct glm_phi {
    double total;          /* measurement + factor * regularisation */
    double measurement;    /* of all groups that are not regularisation groups */
    double regularisation; /* of regularisation groups, weights as in the control file times the
                            * inter-group factors of IREGADJ, without the weight factor */
    double *groups;        /* [observation_group_count] contributions to total */
};

/* A parameter set whose model outputs are known. */
struct glm_point {
    double *parameters;   /* [parameter_count] */
    double *observations; /* [observation_count] */
    double *priors;       /* [prior_count] left sides of the prior information equations */
    struct glm_phi phi;
};

struct glm_trial {
    size_t run;       /* which of the wave */
    double lambda;    /* Marquardt lambda (in the units of ++glm_normal_form's matrix) */
    double scale;     /* length of the step against the one that lambda asks for */
    double predicted; /* total phi that the linear (or secant-corrected) model foretold */
    double change;    /* largest change of the step against its limit (RELPARMAX ...), 0 to 1 */
    bool failed;      /* the run ended without observations; point and phi mean nothing */
    bool best;        /* the best so far in this iteration */
    const double *parameters, *observations; /* as written; observations NULL if failed */
    struct glm_phi phi;
};

struct glm_view {
    const struct pest_control *control;
    const char *folder, *output_base;

    int iteration; /* 0 before the first; the same number from its Jacobian to GLM_ITERATION */
    bool super;    /* the iteration's derivatives are those of super parameters */
    int64_t runs;  /* model runs so far, failed ones included */
    int64_t failures; /* those that failed */

    size_t column_count; /* adjustable parameters */
    const int *columns;  /* [column_count] their index in the control file */
    const double *lower; /* [column_count] bounds, transformed */
    const double *upper; /* [column_count] */
    double factor;       /* regularisation weight factor; 1 if there is none */

    const struct glm_point *base; /* where the iteration began; NULL before the base run */
    const struct glm_point *best; /* the best known; NULL before the base run */

    /* d observation / d transformed parameter at `base`: column-major, observation_count *
     * column_count; NULL where there is none (before the first; in super iterations the last
     * full one, made at jacobian_base_iteration). */
    const double *jacobian;
    int jacobian_iteration;
    const bool *dead;    /* [column_count] derivatives that could not be had: the column is 0 */
    int forward_columns; /* columns with forward differences in the last Jacobian; the others
                            * had more points */
    double lambda;       /* of the best trial, or what the next search begins with */
    size_t trial_count;  /* upgrade trials made in this iteration */
    const struct glm_trial *trial;                    /* at GLM_TRIAL */
    double max_relative_change, max_factor_change;    /* of parameters over the iteration, at
                                                    * GLM_ITERATION */
    int max_relative_parameter, max_factor_parameter; /* which (index), -1: none */

    const char *reason; /* at GLM_FINISHED: a sentence */
};

struct glm_report_member {
    const char *name;
    /* A private state, or NULL with a sentence. */
    void *(*open)(const struct glm_view *view, struct error *ret_error);
    /* -1 with a sentence (a file could not be written): the estimation fails with it. */
    int (*tell)(void *state, enum glm_event event, const struct glm_view *view,
                struct error *ret_error);
    void (*close)(void *state); /* NULL is allowed */
};

/* All members, opened. `view` needs control, folder and output_base. NULL with a sentence. */
struct glm_report *glm_report_open(const struct glm_view *view, struct error *ret_error);
int glm_report_tell(struct glm_report *report, enum glm_event event,
                    const struct glm_view *view, struct error *ret_error);
void glm_report_close(struct glm_report *report); /* NULL is allowed */

#endif

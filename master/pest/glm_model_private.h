/* glm_model_private.h - for glm_model.c and glm_model_upgrade.c. Lengths are squared, in W. */
#ifndef BEOFARM_MASTER_PEST_GLM_MODEL_PRIVATE_H
#define BEOFARM_MASTER_PEST_GLM_MODEL_PRIVATE_H

#include "master/pest/glm_model.h"
#include "master/pest/upgrade.h"

struct glm_model {
    size_t n, rows;
    const struct pest_control *control;
    const struct jacobian_view *view;
    const double *weights;
    const bool *regularisation;
    double factor;
    double *residuals;      /* [rows] r0 */
    double *normal[2];      /* JᵗQJ of measurement and of regularisation rows (or NULL) */
    double *gradient[2];    /* JᵗQr0 of both */
    double phi[2];          /* r0ᵗQr0 of both */
    double *total_gradient; /* [n] */
    double blur;            /* b² */
    double *metric;         /* [n] W */
    double *damping;        /* [n] what lambda multiplies */

    const double *scaling; /* BOUNDSCALE: [n] 1 / S², of singular values; NULL: the diagonal */
    double *diagonal;      /* [n] of JᵗQJ, the factor applied */
    struct upgrade *lsqr;  /* LSQR solves: there are no normal matrices, and no points */
    size_t rank;           /* n, or how many columns the basis has */
    double *basis;         /* [rank][n] where steps are sought, and as much scratch; or NULL */
    double *dense;         /* [n][n] scratch, with a basis */

    size_t points, fitted;
    double *steps;                                   /* [points][n] d_j */
    double lengths[GLM_MODEL_POINTS];                /* root of k(d_j, d_j) */
    double gram[GLM_MODEL_POINTS][GLM_MODEL_POINTS]; /* Cholesky's factor of the scaled G */
    double *misses;    /* [points + 1][rows] E_j / root of k(d_j, d_j) */
    double *raw_cross; /* [points][n] JᵗQE */
    /* After glm_model_fit, of E' = E G⁻¹: */
    double *cross;                                        /* [points][n] */
    double curvature[GLM_MODEL_POINTS][GLM_MODEL_POINTS]; /* E'ᵗQE' */
    double against[GLM_MODEL_POINTS];                     /* E'ᵗQr0 */

    /* At the step being improved, for J(s)ᵗQJ(s) = JᵗQJ + sum over j of w_j v_jᵗ + v_j w_jᵗ: */
    double *turn_v, *turn_w; /* [points][n] */

    double *work;    /* [n][n] */
    double *scratch; /* [8][n] */
};

/* k of two steps with this <a, b> */
double glm_model_kernel(const struct glm_model *model, double inner);
double glm_model_inner(const struct glm_model *model, const double *a, const double *b);

/* glm_model_solve.c */
int glm_model_basis_make(struct glm_model *model, struct error *ret_error);
int glm_model_basis_solve(struct glm_model *model, const bool *held, const double *right,
                          double *step);
int glm_model_lsqr_base(struct glm_model *model, const double *residuals,
                        struct error *ret_error);
void glm_model_lsqr_predict(struct glm_model *model, const double *step,
                            double *ret_measurement, double *ret_regularisation);
int glm_model_lsqr_upgrade(struct glm_model *model, const struct glm_box *box, double lambda,
                           double *ret_step, struct error *ret_error);

#endif

/*
 * glm_regul.h - Tikhonov regularisation: the weight factor, and when a parameter set is better.
 *
 * Wanted is the least regularisation phi among parameter sets with a measurement phi of PHIMLIM
 * (PEST manual I, 9). The regularisation rows' weights are multiplied by a factor f between WFMIN
 * and WFMAX; phi = measurement + f² regularisation. For each upgrade the f is sought at which the
 * model foretells the target measurement phi: PHIMLIM, or FRACPHIM times the present one where
 * that is more. The search starts where the last one ended, goes by WFFAC (its square, its fourth
 * power ... while that is not enough) until the target is between two factors, and then halves
 * their ratio in the logarithm until it is within WFTOL. LINREG and the normal matrices kept make
 * a factor cost n³/3.
 *
 * The better of two parameter sets is the one with the smaller merit
 *
 *     2 max(0, measurement - PHIMLIM) + f² regularisation,
 *
 * the exact penalty function of the task (Nocedal and Wright, Numerical Optimization, 17.2): at
 * the solution f² is the reciprocal Lagrange multiplier of the constraint, and the 2 is more than
 * the 1 that is needed. Outside of regularisation mode the merit is phi.
 *
 * With ++reg_frac(p) there is no limit: at the beginning of each iteration the factor is set such
 * that regularisation is the portion p of phi, f² = p / (1 - p) measurement / regularisation, and
 * the merit is phi with that factor. Where the regularisation phi is 0 (at the preferred values)
 * the factor stays.
 */
#ifndef BEOFARM_MASTER_PEST_GLM_REGUL_H
#define BEOFARM_MASTER_PEST_GLM_REGUL_H

#include <stdbool.h>

#include "common/error.h"
#include "common/pest/control.h"
#include "master/pest/glm_model.h"

struct glm_regul {
    bool on;
    double portion;                 /* ++reg_frac; 0: by the limit */
    double limit, accept, fraction; /* PHIMLIM, PHIMACCEPT, FRACPHIM */
    double least, most;             /* of f² */
    double step, tolerance;         /* WFFAC, WFTOL, both of f */
    double factor;                  /* f² now; 1 outside of regularisation mode */
};

/* From the control file and ++reg_frac. `rows`: there are regularisation rows. -1 with a sentence
 * where the regularisation section is missing or contradicts itself. */
int glm_regul_init(struct glm_regul *regul, const struct pest_control *control, bool rows,
                   double portion, struct error *ret_error);

/* An iteration begins where phi has these parts. Whether the factor is another now. */
bool glm_regul_begin(struct glm_regul *regul, double measurement, double regularisation);

double glm_regul_merit(const struct glm_regul *regul, double measurement,
                       double regularisation);

/* The measurement phi to aim at from where it is. */
double glm_regul_target(const struct glm_regul *regul, double measurement);

/* As glm_model_upgrade, with the factor that meets `target` (which becomes regul->factor and the
 * model's). Outside of regularisation mode just that upgrade. */
int glm_regul_upgrade(struct glm_regul *regul, struct glm_model *model,
                      const struct glm_box *box, double lambda, const double *centre,
                      int effort, double target, double *ret_step, struct error *ret_error);

#endif

/* glm_point.h - a parameter set whose results are known, with all that is derived from them. */
#ifndef BEOFARM_MASTER_PEST_GLM_POINT_H
#define BEOFARM_MASTER_PEST_GLM_POINT_H

#include "common/error.h"
#include "master/pest/glm_objective.h"
#include "master/pest/glm_parameters.h"
#include "master/pest/glm_report.h"

struct glm_known {
    struct glm_point point; /* owned arrays */
    double *transformed;    /* [columns] */
    double *residuals;      /* [rows], whitened */
    bool set;
};

int glm_known_init(struct glm_known *known, const struct glm_parameters *parameters,
                   struct error *ret_error);
void glm_known_fini(struct glm_known *known);
void glm_known_copy(struct glm_known *to, const struct glm_known *from,
                    const struct glm_parameters *parameters);

/* From parameter values as written and the model's observations. */
int glm_known_set(struct glm_known *known, const struct glm_parameters *parameters,
                  const struct glm_objective *objective, const double *values,
                  const double *observations, double factor, struct error *ret_error);
/* phi again, with another weight factor or other group factors. */
void glm_known_reckon(struct glm_known *known, const struct glm_objective *objective,
                      double factor);

#endif

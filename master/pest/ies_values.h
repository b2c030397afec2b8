/*
 * ies_values.h - a realisation's values: from transformed parameters, and inside of their bounds.
 */
#ifndef BEOFARM_MASTER_PEST_IES_VALUES_H
#define BEOFARM_MASTER_PEST_IES_VALUES_H

#include <stdbool.h>

#include "master/pest/glm_parameters.h"

/* All values of the control file from transformed[columns], into `values`, which holds the fixed
 * parameters already; then as ies_values_settle has them. */
void ies_values_expand(const struct glm_parameters *parameters, const double *transformed,
                       bool enforce, double *values);

/* One column alone, wherever its bounds are; its tied parameters stay behind. */
void ies_values_put(const struct glm_parameters *parameters, size_t column, double transformed,
                    double *values);

/* Within bounds where `enforce` (values inside of them keep every bit); tied parameters follow
 * their parents; all as the templates can hold them. */
void ies_values_settle(const struct glm_parameters *parameters, bool enforce, double *values);

#endif

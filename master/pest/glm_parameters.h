/*
 * glm_parameters.h - the adjustable parameters of a control file, transformed and back.
 *
 * A column is an adjustable parameter (PARTRANS none or log), in control-file order. Its
 * transformed value t is the parameter itself or its log10. Fixed parameters keep PARVAL1, tied
 * ones their ratio to the parent (PEST manual I, 4.2.8). Scale and offset are no business of
 * ours: the driver applies them.
 */
#ifndef BEOFARM_MASTER_PEST_GLM_PARAMETERS_H
#define BEOFARM_MASTER_PEST_GLM_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/pest/control.h"

struct glm_parameters {
    const struct pest_control *control; /* borrowed */
    size_t count;                       /* columns */
    int *index;                         /* [count] parameter of a column */
    int *column;                        /* [parameter_count] column of a parameter, or -1 */
    int *child, *sibling;  /* [parameter_count] first parameter tied to this one; the
                                         * next one tied to the same parent; -1: none */
    double *lower, *upper; /* [count] transformed bounds */
    double *low, *high;    /* [count] the same, not transformed */
    double *initial;       /* [parameter_count] PARVAL1, inside the bounds */
    double (*written)(void *written_context, size_t parameter, double value); /* or NULL */
    void *written_context;
};

/* `enforce_tied`: bounds of tied parameters narrow those of their parents
 * (++enforce_tied_bounds). -1: nothing is adjustable, or no memory. */
int glm_parameters_init(struct glm_parameters *parameters, const struct pest_control *control,
                        bool enforce_tied, struct error *ret_error);
void glm_parameters_fini(struct glm_parameters *parameters);

/* Transformed value of column c for a native value, and back. */
double glm_parameters_transform(const struct glm_parameters *parameters, size_t column,
                                double native);
double glm_parameters_native(const struct glm_parameters *parameters, size_t column,
                             double transformed);
/* d native / d transformed at a native value (ln 10 times it for log parameters). */
double glm_parameters_slope(const struct glm_parameters *parameters, size_t column,
                            double native);

/* The initial values, as the templates can hold them: those of the control file to the last bit,
 * but that adjustable ones outside of their bounds are put on them. */
void glm_parameters_begin(const struct glm_parameters *parameters, double *ret_values);

/* All values of the control file from transformed[count]: inside the bounds (on a bound it is that
 * very number), as the templates can hold them. values[parameter_count]. */
void glm_parameters_expand(const struct glm_parameters *parameters, const double *transformed,
                           double *ret_values);
/* The same, but what has not moved from `origin` keeps the number in values[parameter_count]: 10 to
 * the power of a logarithm need not be what the logarithm was of. */
void glm_parameters_expand_from(const struct glm_parameters *parameters, const double *origin,
                                const double *values, const double *transformed,
                                double *ret_values);
/* transformed[count] of all values. */
void glm_parameters_reduce(const struct glm_parameters *parameters, const double *values,
                           double *ret_transformed);
/* Change column c of a full set to a native value (and the parameters tied to it). */
void glm_parameters_put(const struct glm_parameters *parameters, double *values, size_t column,
                        double native);
/* Give every tied parameter of a full set its parent's value times its ratio. */
void glm_parameters_follow(const struct glm_parameters *parameters, double *values);

#endif

/*
 * linear_problem.h - a Jacobian in one block, and what goes with it, for tests of master/pest.
 */
#ifndef BEOFARM_TESTS_MASTER_PEST_LINEAR_PROBLEM_H
#define BEOFARM_TESTS_MASTER_PEST_LINEAR_PROBLEM_H

#include <stddef.h>
#include <stdint.h>

#include "master/pest/normal.h"

struct problem {
    size_t rows, columns;
    double *values;              /* column-major */
    double *weights, *residuals; /* of each row */
    const double **pointers;
    struct jacobian_view view;
};

/* From -0.5 to 0.5, evenly. */
double problem_noise(uint64_t *state);

/* Weights of 1, residuals of noise, and values given (column-major) or of noise (NULL); all to be
 * changed. The same sizes are the same problem. */
struct problem problem_make(size_t rows, size_t columns, const double *values);
void problem_free(struct problem *problem);

/* 30 observations of 6 parameters and two rows of prior information, one of which names a parameter
 * twice; and the same with 32 rows of observations. */
void problem_make_priors(struct problem *ret_priors, struct problem *ret_rows);

#endif

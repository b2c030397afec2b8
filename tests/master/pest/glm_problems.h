/*
 * glm_problems.h - small problems whose minimum is known, with what PEST++ needs for them.
 */
#ifndef BEOFARM_TESTS_MASTER_PEST_GLM_PROBLEMS_H
#define BEOFARM_TESTS_MASTER_PEST_GLM_PROBLEMS_H

#include "tests/master/pest/glm_rig.h"

#define GLM_PROBLEMS 7

struct glm_problem {
    const char *name;
    glm_rig_model *model;
    double minimum;  /* of phi, independently found; 0: 0, or none (regularisation) */
    int single_runs; /* PEST++ with one lambda and no line search, in all */
    struct {
        int runs;
        double phi; /* measurement phi in regularisation mode */
    } rows[8];      /* PEST++ at the end of its iterations */
    int row_count;
    const char *control;
};

extern const struct glm_problem glm_problems[GLM_PROBLEMS];

#endif

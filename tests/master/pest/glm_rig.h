/*
 * glm_rig.h - a bench for the estimator "glm": control files as text, models as functions, waves
 * run in this process, and runs that fail when asked to.
 */
#ifndef BEOFARM_TESTS_MASTER_PEST_GLM_RIG_H
#define BEOFARM_TESTS_MASTER_PEST_GLM_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/pest/control.h"

#define GLM_RIG_RUNS 4000

/* What the model makes of `count` values (scale and offset applied). */
typedef void glm_rig_model(const double *values, size_t count, double *observations);

struct glm_rig {
    const char *control; /* text of a control file */
    glm_rig_model *model;
    uint32_t slots;
    /* Whether a run fails: its number (from 1), its wave's purpose, its index in the wave. NULL:
     * none does. */
    bool (*fails)(long run, const char *purpose, size_t index);
    double noise;            /* relative, of a hash of the values: the model is rough */
    int digits;              /* that templates hold; 0: 17 */
    const char *output_base; /* NULL: no files */
};

struct glm_rig_result {
    bool failed;
    struct error error;
    long runs;
    size_t waves;
    uint64_t fingerprint; /* of all parameter values of all waves, in order */
    double phi, measurement, regularisation; /* of the best, by the estimator */
    int iterations;
    char reason[200];
    double parameters[64];       /* the best */
    double lowest[GLM_RIG_RUNS]; /* [run] lowest phi (measurement phi in regularisation mode)
                                   * after that many runs, reckoned here */
    double iteration_phi[200];   /* [iteration], and runs by its end */
    long iteration_runs[200];
    double jacobian[4096]; /* the last full one as reports would see it, if it fits */
    int rows;              /* of OUTPUT_BASE.iobj, as a user reads them; 0 without one */
    struct {
        long runs; /* so far, at the end of an iteration */
        double phi, measurement;
    } row[200];
};

/* Run it to its end, at most GLM_RIG_RUNS runs. */
void glm_rig_run(const struct glm_rig *rig, struct glm_rig_result *ret);

#endif

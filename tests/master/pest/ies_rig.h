/*
 * ies_rig.h - a bench for the estimator "ies": control files as text, models as functions, waves
 * run in this process in any order, and runs that fail when asked to. In the folder of scratch.h.
 */
#ifndef BEOFARM_TESTS_MASTER_PEST_IES_RIG_H
#define BEOFARM_TESTS_MASTER_PEST_IES_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "master/pest/ensemble.h"

struct ies_rig {
    const char *control; /* text of case.pst */
    const char *output;  /* output files' base; NULL: "case" */
    /* What the model makes of a run's values; false: the run fails. `purpose` is the wave's. */
    bool (*model)(const double *values, const char *purpose, double *observations);
    uint32_t slots;    /* 0: 4 */
    bool backwards;    /* results come last run first */
    int digits;        /* that templates hold; 0: all */
    size_t stop_after; /* waves; 0: none */
};

struct ies_rig_result {
    bool failed;
    struct error error;
    size_t waves, runs;
    size_t wave_runs[200];
    char purposes[200][32];
    uint64_t fingerprint; /* of all parameter values of all waves, in order */
    int iterations;
    double lambda;   /* at the end */
    double phi[200]; /* mean of composite phi: [0] the prior's, then of each iteration */
    size_t phis;
    size_t realisations; /* left */
    char said[8000];
};

void ies_rig_run(const struct ies_rig *rig, struct ies_rig_result *ret);

/* An ensemble file's columns in the order of `names`; fails the test if it cannot be read. */
void ies_rig_load(const char *path, const char *const *names, size_t count,
                  struct ensemble *ret);

#endif

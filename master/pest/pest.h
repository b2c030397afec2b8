/*
 * pest.h - the driver of "work": {"kind": "pest", ...}: calibration and parameter sweeps by PEST
 * control files.
 *
 *   {"kind": "pest", "control": "case.pst", "mode": "glm", "options": {"ies_num_reals": 50},
 *    "noptmax": 4, "env": {…}, "fresh": false, "ignore_exit": false}
 *
 * An estimator (estimator.h) hands out waves of parameter sets; each run of a wave is a task. The
 * driver numbers them on through all waves, keeps the results of the current wave alone, and notes
 * each wave in the journal before its first run (history.h). A resumed master is told the notes
 * and then every result in task order: the estimator goes through the same waves again, without
 * running anything, to where it was.
 *
 * Runs that failed for good (overdue.h says how often one is tried) end without observations, and
 * the estimator decides what that means. Output files go to RUN_DIR/out/master/NAME.*, and from
 * there beside the control file (driver_ops.home).
 */
#ifndef BEOFARM_MASTER_PEST_PEST_H
#define BEOFARM_MASTER_PEST_PEST_H

#include "master/driver.h"

extern const struct driver_ops driver_pest;

#endif

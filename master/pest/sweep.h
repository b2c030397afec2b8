/*
 * sweep.h - mode "sweep": runs for parameter sets from a file, as pestpp-swp does.
 *
 * Options: `++sweep_parameter_file` (also ..._csv_file; default sweep_in.csv), an ensemble as
 * ensemble.h reads it; `++sweep_output_file` (also ..._csv_file; default sweep_out.csv);
 * `++sweep_forgive`: parameters that the file lacks keep the control file's values (fixed and
 * tied ones may always be lacking; tied ones then follow their parent).
 *
 * The output has a row per parameter set, in the file's order, with the columns of PEST++'s
 * sweep.cpp: run_id, input_run_id, failed_flag, phi, meas_phi, regul_phi, each observation group's
 * part of phi, each observation (-1e10 where the run failed). With the extension .bin or .jcb it
 * is an ensemble of observations, without failed runs, instead.
 *
 * All sets are one wave; results go to a scratch file as they come, so memory holds the parameter
 * sets alone.
 */
#ifndef BEOFARM_MASTER_PEST_SWEEP_H
#define BEOFARM_MASTER_PEST_SWEEP_H

#include "master/pest/estimator.h"

extern const struct estimator_ops estimator_sweep;

#endif

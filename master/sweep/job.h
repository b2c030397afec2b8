/*
 * job.h - what workers are told of work that runs one command with many sets of parameters: the
 * same for a sweep, whose sets stand in a table, and for a socket, whose sets come from a client.
 */
#ifndef BEOFARM_MASTER_SWEEP_JOB_H
#define BEOFARM_MASTER_SWEEP_JOB_H

#include <cjson/cJSON.h>

#include "common/error.h"
#include "master/sweep/params.h"

/* The names of parameters and values are columns of results.csv: 0, or -1 with ERROR_CONFIG and
 * the names that clash. */
int sweep_job_check(const cJSON *work, const struct params *params, struct error *ret_error);

/* Fill "runner", "params", "results", "prefetch" and "work" of the job (driver_ops.job). */
int sweep_job(const cJSON *work, const struct params *params, cJSON *job,
              struct error *ret_error);

#endif

/*
 * job.h - what the workers are told of a PEST case: the job of worker/runner_pest.h.
 */
#ifndef BEOFARM_MASTER_PEST_JOB_H
#define BEOFARM_MASTER_PEST_JOB_H

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "common/error.h"
#include "master/pest/problem.h"

/* Fill the job; `work` is the farm file's, from which "env", "fresh" and "ignore_exit" are handed
 * on. 0 or -1. */
int job_fill(const struct problem *problem, const cJSON *work, cJSON *job,
             struct error *ret_error);

/* Whether results.csv can have no columns for parameters and observations: there are too many, or
 * two would have the same name (a parameter and an observation, or "task"). */
bool job_is_wide(const struct pest_control *control);

#endif

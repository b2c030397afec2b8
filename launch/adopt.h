/*
 * adopt.h - runs that were started elsewhere, or whose run directory is gone: found by their farm
 * file where the backend keeps them, and given a run directory here.
 */
#ifndef BEOFARM_LAUNCH_ADOPT_H
#define BEOFARM_LAUNCH_ADOPT_H

#include <stdbool.h>

#include "common/error.h"
#include "launch/rundir.h"

/* Whether an argument names a farm file rather than a run. */
bool adopt_wanted(const char *argument);

/* The run directory of the newest run of this farm file: the one in ./runs that has it, else a new
 * one, filled with what the backend knows. */
int adopt_open(const char *farm_file, struct rundir *ret_rundir, struct error *ret_error);

#endif

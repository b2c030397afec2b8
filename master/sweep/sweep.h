/*
 * sweep.h - the driver for "work": {"kind": "sweep"}: one command, run for every row of a table of
 * parameters (params.h). Task N is row N - 1; nothing depends on results.
 */
#ifndef BEOFARM_MASTER_SWEEP_SWEEP_H
#define BEOFARM_MASTER_SWEEP_SWEEP_H

#include "master/driver.h"

extern const struct driver_ops driver_sweep;

#endif

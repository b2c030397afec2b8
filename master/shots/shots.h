/*
 * shots.h - the driver of work of kind "shots": every shot of a seismic survey is a task.
 *
 * docs/shots.md says what it does for users; roll.h how it keeps its place, shot_task.h what
 * workers are told and how sums are made.
 */
#ifndef BEOFARM_MASTER_SHOTS_SHOTS_H
#define BEOFARM_MASTER_SHOTS_SHOTS_H

#include "master/driver.h"

extern const struct driver_ops driver_shots;

#endif

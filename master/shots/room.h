/*
 * room.h - whether a shot finds room in memory, told before anything is farmed.
 *
 * What nodes have is known beforehand only where the farm's machine is this one (the local
 * backend); elsewhere the worker tells.
 */
#ifndef BEOFARM_MASTER_SHOTS_ROOM_H
#define BEOFARM_MASTER_SHOTS_ROOM_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/seismic/survey.h"

/* Bytes of memory that this machine has; 0: not known. */
uint64_t room_here(void);

/* Shot `shot` needs `bytes` with time steps of dt_s seconds, of which there are `have` (0: not
 * known). -1 with a sentence that names how many steps that is, and the key of the survey that asks
 * for so much. */
int room_check(const struct survey *survey, size_t shot, uint64_t bytes, double dt_s,
               uint64_t have, struct error *ret_error);

#endif

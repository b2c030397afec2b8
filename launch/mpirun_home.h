/*
 * mpirun_home.h - what the program of `beofarm mpirun` has left, brought into the folder it came
 * from.
 */
#ifndef BEOFARM_LAUNCH_MPIRUN_HOME_H
#define BEOFARM_LAUNCH_MPIRUN_HOME_H

#include <stddef.h>
#include <time.h>

#include "common/error.h"

struct mpirun_home {
    size_t brought, kept; /* files that were copied; that were not, because ours is newer */
    char kept_name[256];  /* one of the latter */
};

/* Copy all files below `from` to the same places below `to`, except those at its top that are of
 * beofarm itself (mpirun_farm.h), and except where a file has changed since `began`: that one is
 * kept. No link is followed. 0 (also if there is no such folder), or -1 with a sentence. */
int mpirun_home_bring(const char *from, const char *to, const struct timespec *began,
                      struct mpirun_home *ret_home, struct error *ret_error);

#endif

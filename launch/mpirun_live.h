/*
 * mpirun_live.h - what the program of `beofarm mpirun` prints, shown as it comes.
 *
 * The command lays its two files, by a link, into the folder in which the worker was started
 * (mpirun_farm.h); there they are read by ranges, from where they were read to. What is missing
 * when the program has ended comes from the files themselves.
 */
#ifndef BEOFARM_LAUNCH_MPIRUN_LIVE_H
#define BEOFARM_LAUNCH_MPIRUN_LIVE_H

#include <stdint.h>

#include "common/error.h"
#include "launch/backend.h"
#include "launch/lead.h"

struct mpirun_live {
    struct lead_watcher watcher; /* first: whom the farm's leader is to tell */
    int out; /* descriptor for the program's stdout; its stderr goes to ours */
    char worker[BACKEND_TASK_ID_MAX + 1];
    uint64_t shown[2]; /* bytes of stdout and stderr */
    uint32_t crc[2];   /* of these */
};

/* Show stdout at the descriptor `out`, which stays the caller's. */
void mpirun_live_init(struct mpirun_live *live, int out);

/* Print what the files in `folder` have beyond what was shown; all of them, with a notice, if what
 * was shown was of an attempt that came to nothing. 0, or -1 with a sentence. */
int mpirun_live_finish(struct mpirun_live *live, const char *folder, struct error *ret_error);

#endif

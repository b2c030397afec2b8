/*
 * mpirun_farm.h - the farm that `beofarm mpirun` runs: one task, of one worker with all nodes.
 *
 * Whatever the program's exit code, the task ends well and leaves these files beside what the
 * program left: what it printed, and how it ended.
 */
#ifndef BEOFARM_LAUNCH_MPIRUN_FARM_H
#define BEOFARM_LAUNCH_MPIRUN_FARM_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"

#define MPIRUN_OUT    "beofarm-mpirun.out"
#define MPIRUN_ERR    "beofarm-mpirun.err"
#define MPIRUN_EXIT   "beofarm-mpirun.exit"
#define MPIRUN_PREFIX "beofarm-mpirun."

struct mpirun_order {
    int64_t ranks;     /* 0: one for each core */
    int64_t nodes;     /* at least 1 */
    int64_t timeout_s; /* 0: none */
    const char
        *backend; /* a file: a farm file, whose backend (and network, mpi, transport, port,
                            limits, worker) is taken; or a backend alone. NULL: local */
    const char *folder; /* that travels, absolute; relative programs are in it */
    char *const *words; /* the program and its arguments */
    size_t count;       /* of these; at least 1 */
};

/* Append the farm file's text. -1 with a sentence: fewer ranks than nodes, no such program, no MPI
 * on this machine where that is what computes, or mistakes in the backend's file. */
int mpirun_farm_put(struct buf *buf, const struct mpirun_order *order, struct error *ret_error);

#endif

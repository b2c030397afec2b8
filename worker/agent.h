/*
 * agent.h - the worker: one link to the master, the slots of this node, and the attempts in hand.
 */
#ifndef BEOFARM_WORKER_AGENT_H
#define BEOFARM_WORKER_AGENT_H

#include "common/error.h"
#include "worker/dial.h"

struct agent_options {
    struct dial_options dial;
    double wait_s; /* how long to dial at first, while there is no master */
};

/* Work until the farm is over, the worker is told to go (SIGTERM, SIGINT: finish or hand back), or
 * the master stays away. Returns the exit code: 0, or an enum error_code with its sentence. Call
 * mpi_world_exit when that has been said. */
int agent_run(const struct agent_options *options, struct error *ret_error);

#endif

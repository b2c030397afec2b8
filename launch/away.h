/*
 * away.h - the master's program asked about a run whose journal has its copy with the backend.
 */
#ifndef BEOFARM_LAUNCH_AWAY_H
#define BEOFARM_LAUNCH_AWAY_H

#include "common/error.h"
#include "launch/backend.h"
#include "launch/program.h"
#include "launch/rundir.h"

/* Run `beofarm-master ARGS`, as program_ask, and refuse an exit code that is not 0. Where the
 * journal's copy is in a container, the program is told so, in its environment alone; and what it
 * brought of it into the run directory, to read it, is removed: that is no journal of this machine.
 * No master may run. The caller passes ret_answer to program_answer_fini in any case. */
int away_ask(struct backend *backend, const struct rundir *rundir, const char *const *args,
             int limit_s, struct program_answer *ret_answer, struct error *ret_error);

#endif

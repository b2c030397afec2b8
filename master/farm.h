/*
 * farm.h - one farm: the master's event loop.
 *
 * The farm calls and never decides: which task goes where is the scheduler's business, which
 * tasks there are is the driver's. It brings messages to them, makes results durable through the
 * journal before it acknowledges them, and says on stdout how things go (announce.h).
 */
#ifndef BEOFARM_MASTER_FARM_H
#define BEOFARM_MASTER_FARM_H

#include "common/error.h"

/* Where a farm lives; what launch gave in the environment. All borrowed. */
struct farm_options {
    const char *farm_path;     /* farm.json as run */
    const char *manifest_path; /* files.json */
    const char *run_dir;       /* for journal.db, results.csv, out/ */
    const char *store;         /* URI; NULL or "": none */
    const char *run;           /* whose blobs are ours, if the store is a container */
    const char *secret;        /* 64 hex digits */
    const char *network;       /* interface or CIDR; NULL: farm.json's, or all */
    const char *driver_socket; /* --driver-socket: parameter sets come from there; NULL: no */
    double
        alone_s; /* end a farm without any worker after so long, if farm.json's limits.idle_stop_s
                       says nothing; 0: never */
    int port;    /* to try first; -1: farm.json's */
};

/* Run the farm to its end. Returns the exit code (enum error_code): 0, ERROR_TASKS where tasks
 * failed, ERROR_INTERRUPTED where it was stopped and can be resumed; anything else comes with a
 * sentence in *ret_error. Call mpi_world_exit when that has been said. */
int farm_run(const struct farm_options *options, struct error *ret_error);

#endif

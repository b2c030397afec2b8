/*
 * session.h - the four steps of a farm, as BeoPEST users know them:
 *
 *   1. submit the master task to the backend, on the one node that there is yet;
 *   2. poll its stdout.txt until the first line says the master's hostname;
 *   3. have the pool grow, and submit the worker tasks with that hostname in their environment;
 *   4. follow the master to its end, keep the workers alive, and clear up.
 *
 * A master that still runs (its `beofarm` was killed) is followed from where it is.
 */
#ifndef BEOFARM_LAUNCH_SESSION_H
#define BEOFARM_LAUNCH_SESSION_H

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "common/error.h"
#include "launch/backend.h"
#include "launch/homecoming.h"
#include "launch/lead.h"
#include "launch/progress.h"
#include "launch/request.h"
#include "launch/roster.h"
#include "launch/rundir.h"
#include "launch/screen.h"

/* All borrowed. The run directory is led by us and holds farm.json, files.json and the store. */
struct session_context {
    struct backend *backend;
    const struct rundir *rundir;
    const struct request *request;
    struct screen *screen;
    const cJSON *told; /* array of sentences that people were told beforehand; NULL: none */
    struct homecoming homecoming;
    bool detach;                  /* leave once all tasks are submitted */
    struct lead_watcher *watcher; /* NULL: nobody else looks */
};

struct session_result {
    int exit_code;                /* of enum error_code */
    bool resumable;               /* `run --resume` would go on with it */
    bool detached;                /* it goes on without us */
    char outcome[ERROR_TEXT_MAX]; /* a sentence; "" if all went well */
};

/* Run the farm to its end and tell how it ended; `ret_progress` (initialised here, the caller calls
 * progress_fini) is the last that was known. -1 with a sentence if it could not be run; nothing
 * is left running then. SIGINT and SIGTERM must be counted (interrupt_open): the first ends the
 * master gracefully, the second kills everything. */
int session_run(struct session_context *context, struct session_result *ret_result,
                struct progress *ret_progress, struct error *ret_error);

#endif

/*
 * plan.h - what the farm's work comes to, as `beofarm-master --plan` says.
 */
#ifndef BEOFARM_LAUNCH_PLAN_H
#define BEOFARM_LAUNCH_PLAN_H

#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/error.h"

struct plan {
    cJSON *root;
    int64_t tasks;        /* -1: not known beforehand */
    const char *contents; /* what there is to do, where that is no number of tasks; NULL */
    const char *takes;    /* what one task takes of a node; NULL: not known */
    const cJSON *columns; /* array of names; NULL if none */
    const cJSON
        *except; /* array of patterns of paths that folders are sent without; NULL if none */
    cJSON *warnings;    /* array of sentences; NULL if none */
    const char *device; /* "gpu" or "opencl": what tasks want of a node; NULL: nothing */
    const char *home;   /* where RUN_DIR/out/master's files go, relative; NULL: nowhere */
    const cJSON *files; /* array of {"path","common","copy"}; NULL if none */
};

/* Ask the master about the farm file at `path`. -1 with the driver's own sentence if its work
 * cannot be done as it is described. */
int plan_ask(const char *path, struct plan *ret_plan, struct error *ret_error);

/* Where this machine is the node: add a warning if it has no such device. (What the worker cannot
 * be asked is not known, and no warning.) */
void plan_look_at_devices(struct plan *plan);

/* Free; a zeroed one is allowed. */
void plan_close(struct plan *plan);

#endif

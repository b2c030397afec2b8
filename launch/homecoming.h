/*
 * homecoming.h - what a driver writes to RUN_DIR/out/master, brought to where its user looks for
 * it.
 *
 * PEST users' scripts look for case.rec, case.par and so on beside case.pst. The plan names that
 * folder ("home"); what is new in out/master is copied there whenever the master has said that an
 * estimation goes on, and at the end. A file that travels with the farm, a model's input, is never
 * overwritten.
 */
#ifndef BEOFARM_LAUNCH_HOMECOMING_H
#define BEOFARM_LAUNCH_HOMECOMING_H

#include <stddef.h>

#include "common/error.h"
#include "launch/inputs.h"
#include "launch/rundir.h"

struct manifest;

struct homecoming {
    char *from;      /* RUN_DIR/out/master */
    char *to;        /* absolute */
    char *subfolder; /* of `to`, as manifests name it; "" for the farm's folder itself */
    char *manifest;  /* RUN_DIR/files.json */
    struct manifest *inputs; /* read at the first homecoming_bring */
    size_t brought;          /* files copied so far, each as often as it was */
    size_t kept; /* files that were not overwritten, at the last call of homecoming_bring */
    char kept_name[256];
};

/* `home` is the plan's, relative to `folder`; NULL: nothing comes home. 0 or -1 (no memory). */
int homecoming_open(struct homecoming *homecoming, const struct rundir *rundir,
                    const char *folder, const char *home, struct error *ret_error);
void homecoming_close(struct homecoming *homecoming); /* a zeroed one is allowed */

/* Copy what is new or has changed. 0 (also where there is nothing), or -1 with a sentence. */
int homecoming_bring(struct homecoming *homecoming, struct error *ret_error);

/* On resume: drop from the inputs what came home from this very run, and is no input. */
int homecoming_forget(const struct homecoming *homecoming, struct inputs *inputs,
                      struct error *ret_error);

#endif

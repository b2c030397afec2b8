/*
 * rundir.h - the run directory: everything of one farm, runs/NAME-001.
 *
 * Launch itself keeps there: run.json (which farm file this was, when), farm.json (as run),
 * files.json (the manifest), store/, secret, and launch.lock, which is held by the one `beofarm`
 * that leads the farm.
 */
#ifndef BEOFARM_LAUNCH_RUNDIR_H
#define BEOFARM_LAUNCH_RUNDIR_H

#include <sys/types.h>

#include "common/auth.h"
#include "common/error.h"
#include "launch/request.h"

struct rundir {
    char *path;                         /* absolute */
    char *farm_file;                    /* absolute path of the farm file it was made from */
    struct request_overrides overrides; /* what the command line said then */
    int lock; /* descriptor of launch.lock while we lead the farm, else -1 */
};

/* Make a new one: `wanted` if that is not NULL (it must not be there, or be empty), else
 * ./runs/NAME-001 or the next free number. It is led by us. `farm_file` is copied. */
int rundir_create(const char *wanted, const char *name, const char *farm_file,
                  const struct request_overrides *overrides, struct rundir *ret_rundir,
                  struct error *ret_error);

/* Open one that is there: `argument` is its path or its name in ./runs; NULL means the one in
 * ./runs that was started or resumed last. */
int rundir_open(const char *argument, struct rundir *ret_rundir, struct error *ret_error);

/* Free; a zeroed one is allowed. The lock is let go. */
void rundir_close(struct rundir *rundir);

/* Become the leader of this farm. -1 with a sentence if another `beofarm` is. */
int rundir_lead(struct rundir *rundir, struct error *ret_error);

/* Note that it is being resumed, with these overrides, so that it counts as the newest. */
int rundir_touch(struct rundir *rundir, const struct request_overrides *overrides,
                 struct error *ret_error);

/* RUN/NAME, allocated; NULL if memory is short. */
char *rundir_path(const struct rundir *rundir, const char *name, struct error *ret_error);

/* Remove RUN/near, where a master that was killed leaves links to output files that nobody wants;
 * only when no master runs. */
int rundir_near_remove(const struct rundir *rundir, struct error *ret_error);

/* The farm's secret: made once, then always the same, so that workers outlive a master. */
int rundir_secret(const struct rundir *rundir, char secret[AUTH_SECRET_HEX + 1],
                  struct error *ret_error);

/* Is this folder a run directory? */
int rundir_is(const char *path);

#endif

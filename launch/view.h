/*
 * view.h - a farm looked at from outside: what its run directory and its backend say of it.
 */
#ifndef BEOFARM_LAUNCH_VIEW_H
#define BEOFARM_LAUNCH_VIEW_H

#include <stdbool.h>

#include "common/error.h"
#include "launch/backend.h"
#include "launch/follow.h"
#include "launch/roster.h"
#include "launch/rundir.h"

struct view {
    struct rundir rundir;
    cJSON *farm;      /* farm.json as run; NULL if there is none (yet) */
    const char *name; /* the farm's name, "?" if not known */
    char *folder;     /* the farm file's */
    struct backend *backend;
    struct roster roster; /* as of view_open */
    bool has_master;
    bool cleaned;         /* `clean` removed the master's task; what it said was kept */
    struct follow follow; /* of the newest master, if has_master; stepped once by view_open. If
                           * cleaned, its progress alone */
};

/* Look at the run that `argument` names (rundir_open), or at the newest run of the farm file that
 * it names (adopt.h). Nothing is changed, but that the latter may get a run directory here. */
int view_open(const char *argument, struct view *ret_view, struct error *ret_error);

/* Free; a zeroed one is allowed. */
void view_close(struct view *view);

/* Keep what the master said in the run directory, for the time when its task has been removed. */
int view_remember(const struct view *view, struct error *ret_error);

/* In a word: "new" (no master was ever started), "running", or how it ended: "done", "failed",
 * "stopped", "broken", as the master said; "broken" where it could not say. */
const char *view_state(const struct view *view);

/* Whether the newest master has not ended. */
bool view_running(const struct view *view);

/* The farm has ended, with or without somebody watching: give back what is still rented, and bring
 * home what is new. Does nothing where the backend does not outlive us. */
int view_settle(struct view *view, const struct backend_listener *listener,
                struct error *ret_error);

/* How many of the newest generation of workers run. */
int view_workers_running(const struct view *view);

#endif

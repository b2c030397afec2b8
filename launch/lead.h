/*
 * lead.h - lead a new farm from its file to its end: what `beofarm run` does, for other commands.
 */
#ifndef BEOFARM_LAUNCH_LEAD_H
#define BEOFARM_LAUNCH_LEAD_H

#include "common/error.h"
#include "launch/backend.h"
#include "launch/screen.h"

/* Whom to tell, at every look at the farm while it runs, which backend task its first worker is. */
struct lead_watcher {
    void (*poll)(struct lead_watcher *watcher, struct backend *backend, const char *worker,
                 struct screen *screen);
};

/* Run the farm of the file at `farm_file`, which is removed once it has been read. `run_dir` as of
 * --run-dir; NULL: the next free one. `watcher` may be NULL. The exit code of `beofarm run`, or -1
 * with a sentence. *ret_run_dir is the run directory (caller frees), NULL if there was none yet. */
int lead_run(const char *farm_file, const char *run_dir, struct lead_watcher *watcher,
             struct screen *screen, char **ret_run_dir, struct error *ret_error);

/* What would be done: printed. */
int lead_show(const char *farm_file, const char *run_dir, struct error *ret_error);

#endif

/*
 * results.h - results.csv of a run, brought up to date.
 */
#ifndef BEOFARM_LAUNCH_RESULTS_H
#define BEOFARM_LAUNCH_RESULTS_H

#include "common/error.h"
#include "launch/view.h"

/* Where the master ended without a word, and so left its tables as they were some time before, have
 * them made again from the journal's copy, where the backend keeps them. Nothing where the run
 * directory has the journal. */
int results_revive(const struct view *view, struct error *ret_error);

/* The path of results.csv (allocated), made again from the journal (`beofarm-master --results`)
 * where no master runs that would do so and the last one did not end of its own. NULL with a
 * sentence if there are no results. */
char *results_prepare(const struct view *view, struct error *ret_error);

#endif

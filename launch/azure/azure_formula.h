/*
 * azure_formula.h - autoscale formulas: pure text.
 *
 * $PendingTasks are the tasks of the pool's jobs that wait or run: the master and the workers.
 * While there are any (at the most in the last ten minutes, or while Batch has not gathered enough
 * samples to tell) the pool has its nodes, after that none. So a pool that nobody watches any more
 * is empty some fifteen minutes after its last task, and one that was made and never used as well.
 */
#ifndef BEOFARM_LAUNCH_AZURE_AZURE_FORMULA_H
#define BEOFARM_LAUNCH_AZURE_AZURE_FORMULA_H

#include <stdbool.h>

#include "common/buf.h"

struct azure_nodes_wanted {
    int dedicated, spot; /* at most; dedicated ones include the master's */
    bool follow;         /* no more than there are tasks, but `min` beside the master's */
    int min;
};

/* Append the formula. 0, or -1 (buf failed). */
int azure_formula_put(struct buf *buf, const struct azure_nodes_wanted *wanted);

/* Append one that gives back everything at once; of a pool that is not ours, what somebody's task
 * runs on when that has ended. */
int azure_formula_zero_put(struct buf *buf, bool ours);

#endif

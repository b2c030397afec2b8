/*
 * batch_lot.h - many tasks added to a job, in lots.
 *
 * A lot is at most 100 tasks and less than 1 MB of JSON; up to four are under way at once. A lot
 * that the service finds too large (413) is halved, until single tasks are refused for it. The
 * status of each task in an answer counts: what failed by the server's fault, or is not mentioned,
 * is sent again, a few times; TaskExists is success for a task that was sent before. Tasks are
 * asked for when their lot is made, so memory does not grow with their number.
 */
#ifndef BEOFARM_LAUNCH_AZURE_BATCH_LOT_H
#define BEOFARM_LAUNCH_AZURE_BATCH_LOT_H

#include "launch/azure/batch.h"
#include "launch/azure/batch_task.h"

enum batch_lot_end {
    BATCH_LOT_ADDED = 0,
    BATCH_LOT_EXISTED, /* on the first try already: somebody added it before */
    BATCH_LOT_REFUSED,
};

struct batch_lot_work {
    uint64_t count;
    /* Fill in task `index` (0 to count - 1), borrowed until the next call. Called once more for
     * each time that it is sent; it must be the same then. -1 with a sentence ends the whole. */
    int (*give)(void *context, uint64_t index, struct batch_task_spec *ret_spec,
                struct error *ret_error);
    /* Called once per task, in any order. `fault` says why one was refused, else NULL; borrowed.
     * -1 with a sentence ends the whole. NULL: the first refusal ends it with its sentence. */
    int (*ended)(void *context, uint64_t index, enum batch_lot_end end,
                 const struct batch_fault *fault, struct error *ret_error);
    void *context;
    int lots_at_once; /* 0: four */
};

struct batch_lot_report {
    uint64_t added, existed, refused;
    uint64_t requests; /* answers taken */
};

/* POST /jobs/{job}/addtaskcollection, 200, until every task has ended one way or another. 0 also
 * if tasks were refused; BATCH_MISSING: the job; BATCH_ALREADY: the job takes no more tasks
 * (JobCompleted, JobBeingTerminated, ...). ret_report (may be NULL) is filled in any case. "adding
 * tasks to job \"J\": ...". */
int batch_lot_add(struct account *account, const char *job, const struct batch_lot_work *work,
                  struct batch_lot_report *ret_report, struct error *ret_error);

#endif

/*
 * task.h - a task of the local backend on disk: task.json in the task's folder.
 *
 *   {"id":"worker-1","program":"/usr/bin/beofarm-worker","args":[],
 *    "supervisor":{"pid":71,"start":8812,"boot":"…"},"pid":72,"started_ns":…,
 *    "state":"ended","exit_code":0,"signal":0,"ended_ns":…}
 *
 * The file is written whole when the task starts, with blanks behind it, and overwritten in place
 * when it ends, so that recording the end of a task needs no room on a disk that the task itself
 * may have filled.
 */
#ifndef BEOFARM_LAUNCH_LOCAL_TASK_H
#define BEOFARM_LAUNCH_LOCAL_TASK_H

#include "common/error.h"
#include "launch/backend.h"
#include "launch/local/process.h"

#define TASK_RECORD "task.json" /* its name */

struct task_record {
    struct process supervisor;
    struct backend_status status;
};

/* Write task.json into `folder` for a task that has just started. `program` is a path. */
int task_begin(const char *folder, const char *id, const char *program, const char *const *args,
               const struct task_record *record, struct error *ret_error);

/* Record in place how it ended. */
int task_end(const char *folder, const struct backend_status *status, struct error *ret_error);

/* Read task.json. A task without one, or whose supervisor is gone without a word, has ended and is
 * lost. */
int task_read_record(const char *folder, struct task_record *ret_record,
                     struct error *ret_error);

#endif

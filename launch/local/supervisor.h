/*
 * supervisor.h - the small process that watches one task of the local backend.
 *
 * It is forked from `beofarm`, leaves its session and its terminal, starts the task's program as
 * the leader of a session of its own, and stays until the program has ended: then it kills what
 * the program left behind (as Batch does) and records the exit code in task.json (task.h).
 *
 * SIGTERM to it ends the task: SIGTERM for the program, SIGKILL for all its processes after
 * SUPERVISOR_GRACE_S. SIGUSR1 kills them at once. If the supervisor itself is killed, the kernel
 * kills the program, so that no task runs without anybody knowing how it ended.
 */
#ifndef BEOFARM_LAUNCH_LOCAL_SUPERVISOR_H
#define BEOFARM_LAUNCH_LOCAL_SUPERVISOR_H

#include "common/error.h"

#define SUPERVISOR_GRACE_S 60

struct supervisor_task {
    const char *folder; /* of the task: task.json, stdout.txt, stderr.txt and wd/ */
    const char *id;
    const char *program;      /* absolute path */
    const char *const *args;  /* after the program; NULL-terminated; may be NULL */
    char *const *environment; /* the whole of it; NULL-terminated */
};

/* Start the task and its supervisor. 0 once the program runs and task.json says so; -1 with a
 * sentence if it could not be started (nothing is left running then). */
int supervisor_start(const struct supervisor_task *task, struct error *ret_error);

#endif

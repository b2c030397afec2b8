/*
 * runner_persistent.h - a process that stays and computes one task after another.
 *
 * The job's "work.command" is started once per slot and spoken to in JSON lines
 * (docs/runners.md). Short tasks are sent ahead, as many as fill a few milliseconds. When the
 * process dies or stalls it is started anew: the task it was on is a failed attempt, those sent
 * ahead are sent again.
 */
#ifndef BEOFARM_WORKER_RUNNER_PERSISTENT_H
#define BEOFARM_WORKER_RUNNER_PERSISTENT_H

#include "common/buf.h"
#include "worker/runner.h"

extern const struct runner_ops runner_persistent;

/* For runners that are a persistent one with something added: what they have to say themselves. */
struct persistent_hooks {
    /* Append the line of a task, newline included, in place of the usual one; its directory, which
     * every task then has, is ready. 0, or -1 with a sentence: the attempt fails as not started. */
    int (*put_line)(void *context, struct attempt_id id, struct workdir *workdir,
                    struct buf *line, struct error *ret_error);
    void *context;
};

/* As runner_persistent.open. With hooks, which are borrowed, a reply may lack values (they are
 * VALUE_NONE), and `done` of a good result gives the directory even if there are no outputs. */
struct runner *runner_persistent_open(const struct runner_context *context,
                                      const struct persistent_hooks *hooks,
                                      struct error *ret_error);

#endif

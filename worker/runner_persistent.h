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

#include "worker/runner.h"

extern const struct runner_ops runner_persistent;

#endif

/*
 * runner_process.h - a process per task.
 *
 * The job's "work" holds "command" (and "shell", "env", "stdin", "templates", "inputs",
 * "outputs", "values", "rlimits"; docs/farm.md). Each task runs in its own work directory.
 * Standard output and standard error are pipes that are always drained: of stderr the last
 * MESSAGE_STDERR_MAX bytes are kept, of stdout what the values and outputs need ("stdout.txt"
 * in "outputs" keeps all).
 */
#ifndef BEOFARM_WORKER_RUNNER_PROCESS_H
#define BEOFARM_WORKER_RUNNER_PROCESS_H

#include "worker/runner.h"

extern const struct runner_ops runner_process;

#endif

/*
 * local.h - the backend whose only node is this machine.
 *
 * Its pool, job and tasks are files under RUN/backend/:
 *
 *   pool.json         {"nodes": 3}: how many tasks the farm asked to run side by side
 *   job.json          {"state": "active"}, until it is terminated
 *   tasks/ID/         task.json (task.h), stdout.txt, stderr.txt, wd/
 *
 * Each task is watched by a small process of its own (supervisor.h), so tasks live on, and their
 * exit codes are recorded, when the `beofarm` that submitted them is gone.
 */
#ifndef BEOFARM_LAUNCH_LOCAL_LOCAL_H
#define BEOFARM_LAUNCH_LOCAL_LOCAL_H

#include "launch/backend.h"

extern const struct backend_ops backend_local;

#endif

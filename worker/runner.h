/*
 * runner.h - how a slot computes a task.
 *
 * Members stand in the array of runner.c. One runner object serves one slot, one task at a time
 * (a persistent one may be sent its next tasks ahead). Everything runs in the worker's event
 * loop and nothing blocks: `start` begins a task, and `done` is called from the loop when it
 * ended.
 */
#ifndef BEOFARM_WORKER_RUNNER_H
#define BEOFARM_WORKER_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/error.h"
#include "common/message.h"

struct loop;
struct runner;
struct slot;    /* topology.h: cpuset, NUMA node, GPUs, environment for children */
struct workdir; /* workdir.h: lays a task's files, collects its outputs */

/* What a runner tells its owner (the agent). */
struct runner_owner {
    /* The task ended. `result` and what it points to are borrowed during the call, except that
     * outputs are to be read with workdir_outputs until the owner calls `release`. */
    void (*done)(void *context, struct runner *runner, const struct result *result);
    void *context;
};

struct runner_context {
    const cJSON *job; /* the whole job (docs/architecture.md); outlives the runner */
    const struct slot *slot;
    struct workdir *workdir; /* this slot's */
    struct loop *loop;
    struct runner_owner owner;
};

struct runner_ops {
    const char *name; /* the job's "runner" */

    struct runner *(*open)(const struct runner_context *context, struct error *ret_error);

    /* How many tasks may be started before the first has ended: 1, or more for a runner that
     * takes tasks ahead. They end in any order. */
    unsigned (*depth)(const struct runner *runner);

    /* Begin a task. `payload` (a values.h list, named by the job's "params") is borrowed during
     * the call. Whatever goes wrong comes as a result through `done`, possibly before start
     * returns. */
    void (*start)(struct runner *runner, struct attempt_id id, const void *payload,
                  size_t size);

    /* Stop this attempt: its whole process tree is killed. `done` is called for it all the same
     * (the owner drops that result). */
    void (*cancel)(struct runner *runner, struct attempt_id id);

    /* Kill what runs and free; `done` is not called any more. NULL is allowed. */
    void (*close)(struct runner *runner);
};

/* The member for `name`, NULL if there is none. */
const struct runner_ops *runner_find(const char *name);

#endif

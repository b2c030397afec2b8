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

struct children; /* child.h: starts processes, one per worker */
struct loop;
struct mates; /* mates.h: the worker's other nodes */
struct runner;
struct topology; /* topology.h: the node */
struct topology_request;
struct slot;      /* cpuset, NUMA node, GPUs, environment for children */
struct workdir;   /* workdir.h: a task's directory with its outputs */
struct workplace; /* workdir.h: where work directories are made, one per worker */

/* What a runner tells its owner (the agent). */
struct runner_owner {
    /* The task ended. `result` and what it points to are borrowed during the call. `workdir` is
     * NULL unless outputs are to be sent (result->output_files of them): then the owner takes
     * it, sends every piece of workdir_next_piece before the result, and calls workdir_destroy.
     * The owner must not call the runner from here: what comes next it starts from the loop's
     * turn. */
    void (*done)(void *context, struct runner *runner, const struct result *result,
                 struct workdir *workdir);
    /* No task can be prepared here, because the worker's own disk or memory fails. Called just
     * before `done` says RESULT_NO_START of the attempt that met with it, which is not the
     * task's fault. */
    void (*broken)(void *context, const struct error *error);
    void *context;
};

struct runner_context {
    const cJSON *job;        /* the whole job (docs/architecture.md); outlives the runner */
    const struct slot *slot; /* NULL: not bound */
    uint32_t slot_number;    /* from 0: result.slot, BEOFARM_SLOT, ROOT/slot-K */
    struct workplace *workplace;
    struct children *children;
    struct loop *loop;
    struct mates *mates; /* on which tasks run, too; NULL: none */
    struct runner_owner owner;
};

enum runner_cancel {
    RUNNER_CANCEL_NOW,    /* SIGKILL: nobody wants the result (another attempt won) */
    RUNNER_CANCEL_GENTLY, /* SIGTERM, and SIGKILL after CHILD_GRACE_NS: the worker is leaving */
};

struct runner_ops {
    const char *name; /* the job's "runner" */

    /* Its workers do not leave for want of work (BEOFARM_IDLE_S): they may hold what the master has
     * yet to ask for. */
    bool stays;

    /* Fill in what the farm file's "worker" leaves to be chosen ("auto" is 0 in *request), as suits
     * the job. NULL: a core per slot is good. */
    void (*request)(const cJSON *job, const struct topology *topology,
                    struct topology_request *request);

    /* The farm's common files must be in the cache before the first start, not before open. */
    struct runner *(*open)(const struct runner_context *context, struct error *ret_error);

    /* How many tasks may be started before the first has ended: 1, or more for a runner that
     * takes tasks ahead; it changes as the runner learns how long tasks take, so ask again
     * after each `done`. They end in any order. */
    unsigned (*depth)(const struct runner *runner);

    /* Begin a task. `payload` (a values.h list, named by the job's "params") is borrowed during
     * the call. Whatever goes wrong comes as a result through `done`, possibly before start
     * returns. */
    void (*start)(struct runner *runner, struct attempt_id id, const void *payload,
                  size_t size);

    /* After a run of starts: send what they gathered. NULL where start sends by itself. */
    void (*flush)(struct runner *runner);

    /* Stop this attempt: its whole process tree is killed. `done` is called for it all the same
     * (the owner drops that result), possibly before cancel returns. An id that is not running
     * is ignored. */
    void (*cancel)(struct runner *runner, struct attempt_id id, enum runner_cancel how);

    /* The master is through with an attempt that `done` told of as RESULT_OK: it is the one that
     * counts, durably (`counts`), or the master has no use for it. NULL where that is of no
     * interest. Ids that are not known are ignored. */
    void (*settled)(struct runner *runner, struct attempt_id id, bool counts);

    /* The worker has told the master that it leaves: from here on the master asks for what is held
     * by lists that it makes when it likes. NULL where that is of no interest. */
    void (*leave)(struct runner *runner);

    /* Whether this worker has something that the master may yet ask for: one that leaves waits
     * until it was asked, as long as it can. NULL: never. */
    bool (*holds)(const struct runner *runner);

    /* Whether a task asks for that, and so is done by a worker that leaves, too. NULL: never. */
    bool (*owes)(const struct runner *runner, const void *payload, size_t size);

    /* Kill what runs and free; `done` is not called any more. NULL is allowed. */
    void (*close)(struct runner *runner);
};

/* For members: a task's preparation failed. Tells the owner if that is the worker's own trouble. */
void runner_unprepared(const struct runner_context *context, const struct error *error);

/* The member for `name`, NULL if there is none. */
const struct runner_ops *runner_find(const char *name);

#endif

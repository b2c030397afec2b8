/*
 * driver.h - a driver invents tasks and digests their results, inside the master.
 *
 * Members stand in the array of driver.c. A driver is a pure state machine over what it is
 * told: the farm asks it for tasks when slots want some, tells it of every task that ended,
 * exactly once, and on resume tells it first of those that ended before (in task order). So a
 * driver given the same farm file and the same results asks for the same tasks again.
 */
#ifndef BEOFARM_MASTER_DRIVER_H
#define BEOFARM_MASTER_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/message.h"

struct driver;
struct loop;
struct scheduler_policy;

/* Where an estimation stands. Numbers that are not known are NaN. */
struct driver_estimate {
    uint64_t wave;       /* of runs that go together; from 1 */
    uint64_t first;      /* the task that is its first run */
    uint64_t runs;       /* of the wave; 0: it was the last one, and this is what came of it */
    const char *purpose; /* of the wave: "Jacobian"; borrowed */
    int iteration;       /* 0: before the first */
    double phi;          /* the best objective function so far */
    const char *called;  /* what users know it as, "misfit"; static; NULL: phi */
    double lambda;
};

/* What a driver is opened with. All borrowed, and valid until the driver is closed. */
struct driver_context {
    const cJSON *work;  /* farm.json's "work", valid against the schema */
    const cJSON *farm;  /* the whole farm file */
    const char *folder; /* where the farm's files lie (the farm file's folder, or the master's
                         * copy of it): relative paths in `work` start here */
    bool plan_only;     /* opened for --plan: start nothing, write nothing */
    /* NULL in plan_only; otherwise for drivers that watch processes or sockets of their own: */
    struct loop *loop;
    void (*wake)(void *wake_context); /* tells the farm to ask `next` again */
    void *wake_context;
    /* Ends a task at once with RESULT_CANCELLED, its attempts are stopped; `ended` is told of it
     * before this returns. A task whose number `next` has yet to give is ended beforehand: that
     * number is never run. Without effect on tasks that have ended. Not from within `payload`. */
    void (*cancel)(void *wake_context, uint64_t task);
    /* Writes a note (1 or more bytes, copied) into the journal: durable no later than any result of
     * a task that `next` gives, or `ended` is told of, after it. Returns its sequence number, for
     * driver_ops.durable; 0 if memory was short, and then the farm ends, resumable. A resumed
     * master gives all notes back (driver_ops.noted). Not from within `open`. */
    uint64_t (*note)(void *wake_context, const void *bytes, size_t size);
    /* The sequence number of what was journaled last: in `ended`, that of the result. */
    uint64_t (*sequence)(void *wake_context);
    /* Tell the user a line (a notice: status, watch, the terminal). What is news alone is not
     * logged as a warning. */
    void (*say)(void *wake_context, const char *sentence);
    void (*news)(void *wake_context, const char *sentence);
    /* How many slots there are, or will be when all workers that the farm file asks for have
     * joined: for plans that are not to depend on which of them came first. Takes workers that
     * have not come for as wide as the widest that has; 0 before the first has. */
    uint32_t (*slots_expected)(void *wake_context);
    /* Tells where the estimation stands (an "estimate" event: shown with the progress). */
    void (*estimate)(void *wake_context, const struct driver_estimate *estimate);
    /* Puts a file into the farm's store, for workers to fetch by its hash (STORE_HASH_SIZE bytes),
     * and, if it is to be `lasting`, into its container, where it has one, for a master elsewhere:
     * that may take long. -1 with a sentence. This and the next two may be called from a thread
     * beside the loop. */
    int (*put_file)(void *wake_context, const char *path, bool lasting, uint8_t *ret_hash,
                    struct error *ret_error);
    /* Sees to it that what an earlier master has put is in the store, and copies it to the file
     * `path` (NULL: that is all). -1 with a sentence. */
    int (*get_file)(void *wake_context, const uint8_t *hash, const char *path,
                    struct error *ret_error);
    /* Removes what was put, unless it is one of the farm's own files: nobody wants it any more. */
    void (*drop_file)(void *wake_context, const uint8_t *hash);
    /* The hash of one of the farm's files (relative to `folder`, as its manifest names it): false
     * if it is none of them. */
    bool (*file_hash)(void *wake_context, const char *path, uint8_t *ret_hash);
    /* Whether a worker process (READY's instance) is here, and not leaving. */
    bool (*is_here)(void *wake_context, uint64_t instance);
    const char *socket_path; /* --driver-socket; NULL: the farm file says */
    const char *host; /* the master's hostname and address, for commands that need them */
    const char *address;
    const char *run_dir;
};

enum driver_next {
    DRIVER_TASK,    /* here is a task */
    DRIVER_WAIT,    /* none now; maybe after a result, or after wake() */
    DRIVER_FINISHED /* no more, ever; the farm ends when those handed out have ended */
};

struct driver_ops {
    const char *kind; /* "work.kind" */

    /* `folder` is part of the results: it is RUN_DIR/out/master instead of a scratch folder. */
    bool folder_is_output;

    /* Its tasks are known from the farm file and depend on nobody's results: those that failed may
     * be run once more by a later master (--forget-failed), without making what it did since wrong.
     */
    bool independent;

    /* Nobody in the master reads its tasks' output files: where the farm has a container, workers
     * put them there, and they never come to RUN_DIR/out/TASK. */
    bool outputs_unread;

    /* NULL with a sentence (ERROR_CONFIG names file:line or JSON path). */
    struct driver *(*open)(const struct driver_context *context, struct error *ret_error);
    void (*close)(struct driver *driver);

    /* Tasks in all, or -1 where that is not known beforehand. */
    int64_t (*count)(const struct driver *driver);

    /* What there is to do, where that is no number of tasks: "40 shots in tasks of one or more".
     * Cut to `size` bytes. May be NULL. */
    void (*contents)(const struct driver *driver, char *text, size_t size);

    /* What one of its tasks takes of a node, for who must choose one: "up to 400 x 300 points, 900
     * steps of 1.8 ms, 0.35 GB of memory". Cut to `size` bytes; empty where that is not known. May
     * be NULL. */
    void (*takes)(const struct driver *driver, char *text, size_t size);

    /* The files that this work needs beyond farm.json's "files" (a table, a template, ...).
     * Call `add` for each: its path, relative to `folder` or absolute; whether it is `common`, lies
     * in every task's work directory; and whether each task gets a `copy` of its own, because it
     * writes into it. 0 or -1. May be NULL. */
    int (*files)(const struct driver *driver,
                 int (*add)(void *context, const char *path, bool common, bool copy),
                 void *context, struct error *ret_error);

    /* Patterns (fnmatch, of paths relative to `folder`) of what is left out where `files`, or
     * farm.json, names a whole folder. Call `each` for each; 0 or -1. May be NULL. */
    int (*except)(const struct driver *driver, int (*each)(void *context, const char *pattern),
                  void *context, struct error *ret_error);

    /* The folder, relative to the farm file's, into which launch copies what the driver writes to
     * RUN_DIR/out/master (as PEST users expect case.rec beside case.pst). NULL: none. */
    const char *(*home)(const struct driver *driver);

    /* What tasks want of a node that not every machine has: "gpu", or "opencl" (any device of it).
     * `beofarm check` looks whether this machine has it, where that is the node. NULL: nothing.
     * May be NULL. */
    const char *(*device)(const struct driver *driver);

    /* Call `say` for what is no mistake, but hardly meant: `beofarm check` warns of it. May be
     * NULL. */
    void (*remarks)(const struct driver *driver,
                    void (*say)(void *context, const char *sentence), void *context);

    /* Change the farm's policy of retries and patience, before farm.json's "limits" do. 0 or -1
     * with a sentence. May be NULL. */
    int (*policy)(const struct driver *driver, struct scheduler_policy *policy,
                  struct error *ret_error);

    /* Fill the job that all tasks share (docs/architecture.md): "runner", "params", "results",
     * "prefetch", "work". */
    int (*job)(const struct driver *driver, cJSON *job, struct error *ret_error);

    /* Whether results.csv is to have the bookkeeping columns alone, because there are thousands of
     * parameters and values; all are in the journal. NULL: no. */
    bool (*brief)(const struct driver *driver);

    /* Whether there is one more task. Tasks are numbered from 1 by how often this has said
     * DRIVER_TASK. `slots` is how many are joined now. */
    enum driver_next (*next)(struct driver *driver, uint32_t slots);

    /* Asked when `next` has given a task: the worker process that alone can run it (READY's
     * instance), or 0: any. If that is not here, or goes, the task ends at once as RESULT_LOST, of
     * which the user is not told. A driver with such tasks has results that it has no use for (the
     * task had ended) cancelled before they are acknowledged. May be NULL. */
    uint64_t (*bound)(const struct driver *driver, uint64_t task);

    /* A worker process (READY's instance) leaves; asked when it says so, and after each of its
     * results since. Returns the number of a task, bound to it, that fetches what it holds, which
     * then goes out before it is gone; 0: it holds nothing that is wanted, and may go; -1: workers
     * hold nothing for this work. May be NULL: the same. */
    int64_t (*fetch)(struct driver *driver, uint64_t instance);

    /* The farm is stopped before its work is done, or has come to $.limits.tasks: what runs is
     * taken back, and of tasks that come to be `fetch` alone is asked from now on. Returns how many
     * shots have ended of which the sums are with workers alone, or gone with them: they are
     * computed again if they are not fetched; -1: nothing is summed. Asked once more when all that
     * could be had is here. May be NULL: -1. */
    int64_t (*stopped)(struct driver *driver);

    /* Asked in place of `next` when $.limits.tasks allows no more than the `tasks` tasks there are:
     * DRIVER_WAIT while there is something left to say (wake() when it is said), then
     * DRIVER_FINISHED. May be NULL: DRIVER_FINISHED. */
    enum driver_next (*limited)(struct driver *driver, uint64_t tasks);

    /* Append the payload of task `task`, a values.h list, for any task that `next` has given
     * (the farm keeps no payloads of its own: it asks again for a retry, and for results.csv).
     * -1 if there is no such task. */
    int (*payload)(struct driver *driver, uint64_t task, struct buf *payload);

    /* On resume: a note of an earlier master. All of them, in order, before any `ended` and `next`;
     * 0, or -1 with a sentence that ends the farm. May be NULL. */
    int (*noted)(struct driver *driver, const void *bytes, size_t size,
                 struct error *ret_error);

    /* All notes and results up to this sequence number are durable. May be NULL. */
    void (*durable)(struct driver *driver, uint64_t sequence);

    /* A task ended for good: result->status says how. `resumed` is true for those replayed from
     * the journal. */
    void (*ended)(struct driver *driver, const struct result *result, bool resumed);

    /* Said before `ended` of a task: the host that brought its result ("" if none did) and how
     * many attempts it took. Borrowed during the call. May be NULL. */
    void (*ran)(struct driver *driver, uint64_t task, const char *worker, uint32_t attempts);

    /* A failed task is for the driver to judge: `outcome` alone says how the farm ended. */
    bool judges;

    /* Whether the work is over whatever still runs (an external master has ended): the farm then
     * stops its tasks and ends. Asked after wake() and after every result. May be NULL: the work
     * is over when every task has ended. */
    bool (*over)(const struct driver *driver);

    /* How the work itself ended: 0, or -1 with a sentence (an external master failed). Asked
     * once after DRIVER_FINISHED and the last task. May be NULL. */
    int (*outcome)(const struct driver *driver, struct error *ret_error);
};

/* The member for `kind`, NULL if there is none. */
const struct driver_ops *driver_find(const char *kind);

#endif

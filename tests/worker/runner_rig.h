/*
 * runner_rig.h - a runner with everything it needs in a scratch directory, for tests.
 *
 * The "master" here is a list of files: the cache is given what it asks for from the loop.
 */
#ifndef BEOFARM_TESTS_WORKER_RUNNER_RIG_H
#define BEOFARM_TESTS_WORKER_RUNNER_RIG_H

#include "common/loop.h"
#include "common/manifest.h"
#include "common/values.h"
#include "worker/cache.h"
#include "worker/child.h"
#include "worker/runner.h"
#include "worker/workdir.h"

#define RIG_RESULTS 4096
#define RIG_LIMIT_S 100 /* a test that takes longer hangs */

struct rig_file {
    const char *path;
    const char *content;
    unsigned mode;
    bool common, copy;
};

struct rig_result {
    struct result result; /* its borrowed parts point into what follows */
    struct value *values;
    size_t value_count;
    char *values_bytes;
    char *error;
    char *stderr_tail;
    char *outputs; /* "path=content\n" for each output file, and a NUL behind them */
    size_t outputs_size;
};

struct rig {
    struct error trouble; /* what runner_owner.broken was told */
    char root[64];
    struct loop *loop;
    struct children *children;
    struct cache *cache;
    struct manifest *manifest;
    struct workplace *place;
    cJSON *job;
    const struct runner_ops *ops;
    struct runner *runner;
    const struct rig_file *files;
    struct rig_result results[RIG_RESULTS];
    size_t count;
    size_t wanted;
};

/* A rig for the job (JSON text) and files, which end with a NULL path (NULL: none). Fails the
 * test if anything is wrong. */
void rig_open(struct rig *rig, const char *job, const struct rig_file *files);
void rig_close(struct rig *rig);

/* Only the scratch directory, loop, cache and workplace. */
void rig_open_place(struct rig *rig, const struct rig_file *files);

/* Start task `task`, attempt 1, with these texts as parameters. */
void rig_start(struct rig *rig, uint64_t task, const char *const *params, size_t count);

/* The same with numbers. */
void rig_start_reals(struct rig *rig, uint64_t task, const double *params, size_t count);

/* One more runner of the job, for another slot, whose results come to the rig, too. Close it with
 * rig->ops before rig_close. */
struct runner *rig_open_slot(struct rig *rig, uint32_t slot);

/* Run the loop until `count` results have come in all. */
void rig_wait(struct rig *rig, size_t count);

/* Run the loop until done(context) is true. */
void rig_wait_until(struct rig *rig, bool (*done)(void *context), void *context);

/* The result of a task, which must be there. */
struct rig_result *rig_result(struct rig *rig, uint64_t task);

/* Path below the scratch directory, in a buffer that is used again after 4 calls. */
const char *rig_path(struct rig *rig, const char *name);

/* How many living processes have `text` in their command line. */
int rig_count_processes(const char *text);

#endif

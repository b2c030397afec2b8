/* runner_shots_private.h - what the parts of the shots runner share: the runner and what begins
 * (runner_shots.c), and what comes of it (runner_shots_answer.c). */
#ifndef BEOFARM_WORKER_RUNNER_SHOTS_PRIVATE_H
#define BEOFARM_WORKER_RUNNER_SHOTS_PRIVATE_H

#include "common/buf.h"
#include "common/seismic/shot_task.h"
#include "worker/cache.h"
#include "worker/runner.h"
#include "worker/runner_persistent.h"
#include "worker/shot_folder.h"
#include "worker/shot_ledger.h"
#include "worker/workdir.h"

enum job_state {
    JOB_WAITING,    /* for memory */
    JOB_FETCHING,   /* its files */
    JOB_INSIDE,     /* with the program */
    JOB_CHECKING,   /* its arrays */
    JOB_COLLECTING, /* a partial sum is being written, or taken from another worker */
};

struct job {
    struct runner *runner;
    struct job *next;
    struct attempt_id id;
    struct shot_task task;
    void *payload;
    size_t payload_size;
    enum job_state state;
    bool dropped; /* the owner was told that it was cancelled; the ledger is still at it */
    struct shot_claim claim;
    struct cache_request *request;
    struct shot_folder *folder; /* JOB_INSIDE */
    /* JOB_CHECKING, JOB_COLLECTING: */
    struct result result;
    struct shot_result said;
    struct workdir *workdir;
    int64_t since_ns;
};

struct runner {
    struct runner_context context;
    cJSON *inner_job;
    struct persistent_hooks hooks;
    struct runner *inner; /* the persistent one */
    struct shot_ledger *ledger;
    struct shot_folder *folder; /* of the last task */
    const char *survey;         /* of the job */
    struct job *jobs;
    struct buf values;
};

/* --- runner_shots.c --- */

/* The job of an attempt, dropped ones aside; NULL if there is none. */
struct job *job_find(struct runner *runner, struct attempt_id id);

/* Forget a job with all that it has. */
void job_destroy(struct job *job);

/* --- runner_shots_answer.c --- */

/* Tell the owner that the attempt failed, and forget the job; or, if `stays`, leave it dropped. */
void job_fail(struct job *job, enum result_status status, int32_t code,
              const struct error *error);
void job_drop(struct job *job, const struct error *error);

/* runner_owner.done of the persistent runner; context is ours. */
void job_answered(void *context, struct runner *inner, const struct result *result,
                  struct workdir *workdir);

/* Begin a task that collects, or takes. */
void job_collect(struct job *job);

/* Do one that listens. */
void job_listen(struct job *job);

#endif

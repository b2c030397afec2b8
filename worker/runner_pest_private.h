/*
 * runner_pest_private.h - what the parts of the pest runner share: opening, starting and ending
 * (runner_pest.c), preparing (runner_pest_prepare.c), the commands (runner_pest_run.c), and what
 * they leave (runner_pest_gather.c).
 */
#ifndef BEOFARM_WORKER_RUNNER_PEST_PRIVATE_H
#define BEOFARM_WORKER_RUNNER_PEST_PRIVATE_H

#include "common/buf.h"
#include "common/errand.h"
#include "worker/cache.h"
#include "worker/child.h"
#include "worker/environment.h"
#include "worker/model_case.h"
#include "worker/model_folder.h"
#include "worker/model_line.h"
#include "worker/runner.h"
#include "worker/stream.h"
#include "worker/tail.h"

struct runner {
    struct runner_context context;
    struct model_case *model;
    struct model_folder *folder;
    struct model_line **lines;
    size_t line_count;
    struct environment *environment;
    struct child_limit no_core; /* dumps would pile up in the folder */
    bool ignore_exit, fresh;
    double timeout_s; /* 0: none */
    struct loop_timer *timer;
    struct errand *errand;

    /* The task. */
    bool busy, waiting, canceled, timed_out;
    bool discard; /* the folder is to be laid anew before the next run */
    bool relaid;  /* it was, because this task could not write its inputs */
    unsigned fetches;
    struct attempt_id id;
    struct buf payload;
    double *parameters, *observations;
    size_t line; /* the command that runs */
    struct cache_request *request;
    struct child *child;
    struct stream out;
    struct tail tail;
    int64_t started_ns, started_wall_ns;
    struct result result;  /* status, code, cpu_s, max_rss_bytes as known so far */
    struct error sentence; /* what is wrong where status is not RESULT_OK */
    struct buf values;

    /* What the errand found out. */
    bool abandoned;
    int errand_rc, errand_errno;
    bool harmed;
    struct error errand_error;
};

/* Get the folder ready, write the inputs, and begin. */
void pest_run_prepare(struct runner *runner);

/* The inputs are written: run the commands. */
void pest_run_begin(struct runner *runner);

/* The commands have ended, well or not, as result.status and sentence say: look at the folder, read
 * the outputs, finish; or run them again. */
void pest_run_conclude(struct runner *runner);

/* Tell the owner what result and sentence say, and be idle. */
void pest_run_finish(struct runner *runner);

/* Nothing ran, for this reason; the second may be the worker's own trouble. */
void pest_run_finish_unstarted(struct runner *runner, const struct error *error);
void pest_run_finish_unprepared(struct runner *runner, const struct error *error);

/* It was cancelled, or its time was over. */
void pest_run_finish_killed(struct runner *runner);

/* Send the errand. `done` looks with pest_run_is_abandoned first whether anybody wants to know. */
void pest_run_send(struct runner *runner, void (*work)(void *context),
                   void (*done)(void *context));
bool pest_run_is_abandoned(struct runner *runner);

#endif

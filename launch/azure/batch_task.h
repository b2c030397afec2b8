/*
 * batch_task.h - tasks, one at a time. Many are added by batch_lot.h.
 */
#ifndef BEOFARM_LAUNCH_AZURE_BATCH_TASK_H
#define BEOFARM_LAUNCH_AZURE_BATCH_TASK_H

#include "launch/azure/batch.h"
#include "launch/azure/batch_command.h"

enum batch_task_state {
    BATCH_TASK_UNKNOWN = 0,
    BATCH_TASK_ACTIVE,    /* waits for a node */
    BATCH_TASK_PREPARING, /* a job preparation task runs */
    BATCH_TASK_RUNNING,   /* on a node; perhaps still fetching its files */
    BATCH_TASK_COMPLETED, /* whichever way */
};

struct batch_task {
    const char *id;
    enum batch_task_state state;
    int64_t created_ns, changed_ns; /* changed: of the state */
    int64_t started_ns, ended_ns;   /* of the latest try */
    bool exited;                    /* exit_code says something */
    int exit_code;
    bool succeeded; /* result is "success" */
    struct batch_fault
        failure;             /* what the service says of it: FailureExitCode, TaskEnded, ... */
    int retries;             /* tries after exit codes other than 0 */
    int requeues;            /* moves to other nodes: recovery, eviction */
    const char *pool, *node; /* where it runs or ran; NULL: nowhere yet */
    const char *affinity_id, *root; /* root: its directory, below the node's */
    int slots;
    const char *etag;
    const cJSON *json;
};

struct batch_task_spec {
    const char *id, *display_name;
    struct batch_command command;
    const struct batch_output *outputs;
    size_t outputs_count;
    int slots;                /* 0: one */
    int64_t max_wall_s;       /* 0: no limit */
    int64_t retention_s;      /* how long its directory stays; 0: Batch's 7 days */
    int retries;              /* after exit codes other than 0; -1: for ever */
    const char *affinity_id;  /* near this node, if it is free; NULL */
    int instances;            /* nodes of a multi-instance task; 0 or 1: an ordinary one */
    const char *coordination; /* command on each of its nodes; must end */
    const struct batch_resource *common; /* files for each of its nodes */
    size_t common_count;
    const cJSON *more; /* further members, put over those above; NULL: none */
};

/* The JSON of a task to add (caller: cJSON_Delete). NULL: no memory. */
cJSON *batch_task_spec_json(const struct batch_task_spec *spec);

/* POST /jobs/{job}/tasks, 201. BATCH_ALREADY: TaskExists on the first try; on a later one it is
 * what we sent, and 0. BATCH_MISSING: the job. "adding task \"ID\" to job \"J\": ...". */
int batch_task_add(struct account *account, const char *job, const struct batch_task_spec *spec,
                   struct error *ret_error);

/* GET /jobs/{job}/tasks/{id}, 200; caller calls batch_task_fini. `select` may be NULL.
 * BATCH_MISSING: the job or the task. "reading task \"ID\" of job \"J\": ...". */
int batch_task_get(struct account *account, const char *job, const char *id, const char *select,
                   struct batch_task *ret_task, struct error *ret_error);
void batch_task_fini(struct batch_task *task); /* one of zeros is allowed; not inside a list */

/* GET /jobs/{job}/tasks, 200: call `visit` for each until it returns non-zero; one page is in
 * memory at a time. Returns that, 0, BATCH_MISSING before any visit: the job, or -1. A task may be
 * seen twice if tasks are added meanwhile. "listing the tasks of job \"J\": ...". */
int batch_task_list(struct account *account, const char *job, const struct batch_query *query,
                    int (*visit)(void *context, const struct batch_task *task), void *context,
                    struct error *ret_error);

/* POST .../terminate, 204. BATCH_ALREADY: it is completed. BATCH_MISSING. "terminating task
 * ...". */
int batch_task_terminate(struct account *account, const char *job, const char *id,
                         struct error *ret_error);

/* POST .../reactivate, 204: run a failed task again. BATCH_ALREADY: it has not ended, or has
 * succeeded. "reactivating task ...". */
int batch_task_reactivate(struct account *account, const char *job, const char *id,
                          struct error *ret_error);

/* DELETE /jobs/{job}/tasks/{id}, 200. BATCH_MISSING. "deleting task ...". */
int batch_task_delete(struct account *account, const char *job, const char *id,
                      struct error *ret_error);

#endif

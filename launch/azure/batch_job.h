/*
 * batch_job.h - jobs: tasks that run on one pool.
 */
#ifndef BEOFARM_LAUNCH_AZURE_BATCH_JOB_H
#define BEOFARM_LAUNCH_AZURE_BATCH_JOB_H

#include "launch/azure/batch.h"

enum batch_job_state {
    BATCH_JOB_UNKNOWN = 0,
    BATCH_JOB_ACTIVE,
    BATCH_JOB_DISABLING,
    BATCH_JOB_DISABLED,
    BATCH_JOB_ENABLING,
    BATCH_JOB_TERMINATING,
    BATCH_JOB_COMPLETED,
    BATCH_JOB_DELETING,
};

struct batch_job {
    const char *id, *pool;
    enum batch_job_state state;
    int64_t created_ns, changed_ns, started_ns, ended_ns;
    const char *terminate_reason;  /* "AllTasksCompleted", ...; NULL */
    struct batch_fault scheduling; /* why its tasks cannot be scheduled */
    bool ends_with_tasks;          /* onAllTasksComplete is terminatejob */
    const cJSON *metadata;
    const cJSON *json;
};

struct batch_job_spec {
    const char *id, *display_name, *pool;
    int priority;       /* -1000 to 1000 */
    int64_t max_wall_s; /* 0: no limit */
    const struct batch_label *labels;
    size_t labels_count;
    const cJSON *more; /* further members, put over those above; NULL: none */
};

/* POST /jobs, 201. BATCH_ALREADY: JobExists. "creating job \"ID\": ...". */
int batch_job_add(struct account *account, const struct batch_job_spec *spec,
                  struct error *ret_error);

/* GET /jobs/{id}, 200; caller calls batch_job_fini. BATCH_MISSING: JobNotFound. "reading job
 * \"ID\": ...". */
int batch_job_get(struct account *account, const char *id, struct batch_job *ret_job,
                  struct error *ret_error);
void batch_job_fini(struct batch_job *job); /* one of zeros is allowed; not inside a list */

/* GET /jobs, 200. "listing the jobs: ...". */
int batch_job_list(struct account *account, const struct batch_query *query,
                   int (*visit)(void *context, const struct batch_job *job), void *context,
                   struct error *ret_error);

/* PATCH /jobs/{id}, 200: have it end with its last task, or not. Only once it has tasks: a job
 * without any ends at once. BATCH_MISSING; BATCH_ALREADY: it is completed. "changing job \"ID\":
 * ...". */
int batch_job_end_with_tasks(struct account *account, const char *id, bool ends,
                             struct error *ret_error);

/* PATCH /jobs/{id} with any body. */
int batch_job_patch(struct account *account, const char *id, const cJSON *body,
                    struct error *ret_error);

/* POST /jobs/{id}/terminate, 202: kills what runs. BATCH_MISSING; BATCH_ALREADY: it is completed,
 * or about to be. `reason` may be NULL. "terminating job \"ID\": ...". */
int batch_job_terminate(struct account *account, const char *id, const char *reason,
                        struct error *ret_error);

/* DELETE /jobs/{id}, 202: with its tasks and their files, in the background. BATCH_MISSING;
 * BATCH_ALREADY: it is being deleted. "deleting job \"ID\": ...". */
int batch_job_delete(struct account *account, const char *id, struct error *ret_error);

/* Tasks by state; `running` includes those that fetch their files. */
struct batch_counts {
    int64_t active, running, completed, succeeded, failed;
};

/* GET /jobs/{id}/taskcounts, 200. It may lag behind. BATCH_MISSING. "counting the tasks of job
 * \"ID\": ...". */
int batch_job_counts(struct account *account, const char *id, struct batch_counts *ret_tasks,
                     struct batch_counts *ret_slots, struct error *ret_error);

#endif

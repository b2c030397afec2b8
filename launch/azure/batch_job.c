#include "config.h"

#include "launch/azure/batch_job.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/json.h"
#include "launch/azure/batch_private.h"

/* Ask about one job: METHOD /jobs/ID[/verb]. `doing` is "reading" and the like. */
static int job_ask(struct account *account, const char *method, const char *doing,
                   const char *id, const char *verb, const cJSON *body,
                   const char *const *already, cJSON **ret_json, struct error *ret_error)
{
    struct buf path;
    char text[BATCH_DOING_MAX];
    int rc;
    buf_init(&path, BATCH_PATH_MAX);
    snprintf(text, sizeof(text), "%s job \"%s\"", doing, id);
    struct batch_call call = {
        .method = method, .body = body, .doing = text, .already = already};
    if (batch_path(&path, "jobs", id, verb, NULL) == 0 && (call.path = buf_text(&path)))
        rc = batch_ask(account, &call, ret_json, ret_error);
    else
        rc = error_set(ret_error, ERROR_USAGE, "%s: its name is too long", text);
    buf_fini(&path);
    return rc;
}

/* Borrows from `item`. */
static void batch_job_read(const cJSON *item, struct batch_job *ret_job)
{
    static const char *const states[] = {"",         "active",      "disabling", "disabled",
                                         "enabling", "terminating", "completed", "deleting"};
    const cJSON *info = json_member(item, "executionInfo");
    const char *ending = batch_text(item, "onAllTasksComplete");
    *ret_job = (struct batch_job){
        .id = batch_text(item, "id"),
        .pool = batch_text(json_member(item, "poolInfo"), "poolId"),
        .state = (enum batch_job_state)batch_choice(item, "state", states, 8),
        .created_ns = batch_time(item, "creationTime"),
        .changed_ns = batch_time(item, "stateTransitionTime"),
        .started_ns = batch_time(info, "startTime"),
        .ended_ns = batch_time(info, "endTime"),
        .terminate_reason = batch_text(info, "terminateReason"),
        .ends_with_tasks = ending && strcasecmp(ending, "terminatejob") == 0,
        .metadata = batch_array(item, "metadata"),
        .json = item,
    };
    batch_fault_read(json_member(info, "schedulingError"), &ret_job->scheduling);
}

void batch_job_fini(struct batch_job *job)
{
    cJSON_Delete((cJSON *)job->json);
    memset(job, 0, sizeof(*job));
}

static cJSON *job_spec_json(const struct batch_job_spec *spec)
{
    struct batch_writer writer = {false};
    cJSON *job = cJSON_CreateObject();
    batch_put_text(&writer, job, "id", spec->id);
    batch_put_text(&writer, job, "displayName", spec->display_name);
    batch_put_text(&writer, batch_put_object(&writer, job, "poolInfo"), "poolId", spec->pool);
    batch_put_integer(&writer, job, "priority", spec->priority);
    if (spec->max_wall_s > 0)
        batch_put_duration(&writer, batch_put_object(&writer, job, "constraints"),
                           "maxWallClockTime", spec->max_wall_s);
    batch_put_labels(&writer, job, spec->labels, spec->labels_count);
    batch_put_more(&writer, job, spec->more);
    return batch_writer_end(&writer, job);
}

int batch_job_add(struct account *account, const struct batch_job_spec *spec,
                  struct error *ret_error)
{
    static const char *const already[] = {"JobExists", NULL};
    char doing[BATCH_DOING_MAX];
    snprintf(doing, sizeof(doing), "creating job \"%s\"", spec->id);
    cJSON *body = job_spec_json(spec);
    if (!body)
        return error_set(ret_error, ERROR_SYSTEM, "%s: no memory", doing);
    struct batch_call call = {
        .method = "POST", .path = "/jobs", .body = body, .doing = doing, .already = already};
    int rc = batch_ask(account, &call, NULL, ret_error);
    cJSON_Delete(body);
    return rc;
}

int batch_job_get(struct account *account, const char *id, struct batch_job *ret_job,
                  struct error *ret_error)
{
    cJSON *json = NULL;
    int rc = job_ask(account, "GET", "reading", id, NULL, NULL, NULL, &json, ret_error);
    if (rc == 0)
        batch_job_read(json, ret_job);
    return rc;
}

struct visitor {
    int (*visit)(void *context, const struct batch_job *job);
    void *context;
};

static int job_visit(void *context, const cJSON *item)
{
    const struct visitor *visitor = context;
    struct batch_job job;
    batch_job_read(item, &job);
    return visitor->visit(visitor->context, &job);
}

int batch_job_list(struct account *account, const struct batch_query *query,
                   int (*visit)(void *context, const struct batch_job *job), void *context,
                   struct error *ret_error)
{
    struct visitor visitor = {visit, context};
    return batch_pages(account, "/jobs", query, NULL, "listing the jobs", job_visit, &visitor,
                       ret_error);
}

int batch_job_patch(struct account *account, const char *id, const cJSON *body,
                    struct error *ret_error)
{
    static const char *const already[] = {"JobCompleted", "JobBeingTerminated",
                                          "JobBeingDeleted", NULL};
    return job_ask(account, "PATCH", "changing", id, NULL, body, already, NULL, ret_error);
}

int batch_job_end_with_tasks(struct account *account, const char *id, bool ends,
                             struct error *ret_error)
{
    struct batch_writer writer = {false};
    cJSON *body = cJSON_CreateObject();
    batch_put_text(&writer, body, "onAllTasksComplete", ends ? "terminatejob" : "noaction");
    body = batch_writer_end(&writer, body);
    int rc = body ? batch_job_patch(account, id, body, ret_error)
                  : error_set(ret_error, ERROR_SYSTEM, "changing job \"%s\": no memory", id);
    cJSON_Delete(body);
    return rc;
}

int batch_job_terminate(struct account *account, const char *id, const char *reason,
                        struct error *ret_error)
{
    static const char *const already[] = {"JobCompleted", "JobBeingTerminated",
                                          "JobBeingDeleted", NULL};
    struct batch_writer writer = {false};
    cJSON *body = cJSON_CreateObject();
    batch_put_text(&writer, body, "terminateReason", reason);
    body = batch_writer_end(&writer, body);
    int rc = body ? job_ask(account, "POST", "terminating", id, "terminate", body, already,
                            NULL, ret_error)
                  : error_set(ret_error, ERROR_SYSTEM, "terminating job \"%s\": no memory", id);
    cJSON_Delete(body);
    return rc;
}

int batch_job_delete(struct account *account, const char *id, struct error *ret_error)
{
    static const char *const already[] = {"JobBeingDeleted", NULL};
    return job_ask(account, "DELETE", "deleting", id, NULL, NULL, already, NULL, ret_error);
}

static void counts_read(const cJSON *item, struct batch_counts *ret_counts)
{
    if (ret_counts)
        *ret_counts = (struct batch_counts){
            .active = batch_integer(item, "active"),
            .running = batch_integer(item, "running"),
            .completed = batch_integer(item, "completed"),
            .succeeded = batch_integer(item, "succeeded"),
            .failed = batch_integer(item, "failed"),
        };
}

int batch_job_counts(struct account *account, const char *id, struct batch_counts *ret_tasks,
                     struct batch_counts *ret_slots, struct error *ret_error)
{
    cJSON *json = NULL;
    int rc = job_ask(account, "GET", "counting the tasks of", id, "taskcounts", NULL, NULL,
                     &json, ret_error);
    if (rc == 0) {
        counts_read(json_member(json, "taskCounts"), ret_tasks);
        counts_read(json_member(json, "taskSlotCounts"), ret_slots);
    }
    cJSON_Delete(json);
    return rc;
}

/*
 * What becomes of tasks, and what they say. While a farm is followed Batch is asked at most once a
 * second (azure_pace), so the state of a task that has not ended is believed for a few seconds.
 * What ended tasks said is in the container, too, and is read there when Batch has it no more: the
 * node is gone, or the job.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "launch/azure/azure_private.h"
#include "launch/azure/batch_file.h"
#include "launch/azure/batch_job.h"
#include "launch/azure/batch_task.h"

#define BELIEVED_POLLS 4
#define SEEN_MAX       ((size_t)8 << 20)
#define TASK_MEMBERS                                                                           \
    "id,state,executionInfo,nodeInfo" /* fewer bytes; all that status_fill reads */

/* What Batch says of a task that never came to run: TaskEnded, BlobAccessDenied, ... A task that
 * Batch begins anew, days later, still has the right to the container that it was submitted
 * with. */
static void why_fill(const struct azure *azure, const struct batch_task *task,
                     struct backend_status *status)
{
    struct buf why;
    if (!task->failure.json)
        return;
    buf_init(&why, 65536);
    if (task->failure.code && strstr(task->failure.code, "AccessDenied"))
        buf_printf(&why,
                   "its right to the container may have ended, after %g hours "
                   "(backend.sas_h): submitted anew it gets a new one; ",
                   azure->settings.sas_h);
    batch_fault_put(&why, &task->failure);
    snprintf(status->why, sizeof status->why, "%s", buf_text(&why) ? buf_text(&why) : "");
    buf_fini(&why);
}

/* Batch leaves tasks that wait as they are when their job ends: no node will ever take them.
 * Whether ours has ended is asked once; that it ends meanwhile we see by its master. */
static int job_look(struct azure *azure, struct error *ret_error)
{
    struct batch_job job = {0};
    char id[BATCH_ID_MAX + 1];
    if (azure->job_looked == azure->note.job)
        return 0;
    int rc = batch_job_get(azure->account, azure_note_job(&azure->note, id), &job, ret_error);
    azure->job_over = rc != 0 || job.state == BATCH_JOB_TERMINATING ||
                      job.state == BATCH_JOB_COMPLETED || job.state == BATCH_JOB_DELETING;
    azure->job_looked = rc >= 0 ? azure->note.job : 0;
    batch_job_fini(&job);
    return rc < 0 ? -1 : 0;
}

/* COMPLETED without an exit code: it was terminated before it ran, its files did not come, or its
 * node died for good. */
static void status_fill(const struct azure *azure, const struct batch_task *task,
                        struct backend_status *status)
{
    memset(status, 0, sizeof *status);
    status->started_ns = task->started_ns;
    status->ended_ns = task->ended_ns;
    if (task->state == BATCH_TASK_ACTIVE && azure->job_over) {
        *status = (struct backend_status){
            .state = BACKEND_ENDED, .lost = true, .why = "its job ended before a node took it"};
        return;
    }
    if (task->state != BATCH_TASK_COMPLETED) {
        status->state = task->state == BATCH_TASK_RUNNING ? BACKEND_RUNNING : BACKEND_WAITING;
        return;
    }
    status->state = BACKEND_ENDED;
    status->lost = !task->exited;
    status->exit_code = task->exit_code;
    if (!task->exited)
        why_fill(azure, task, status);
    if (task->exited && task->exit_code > 128 && task->exit_code <= 128 + 64)
        status->signal = task->exit_code - 128;
}

static void seen_note(struct azure *azure, const char *id, const struct backend_status *status)
{
    snprintf(azure->seen.id, sizeof azure->seen.id, "%s", id);
    azure->seen.status = *status;
    azure->seen.asked_ns = clock_monotonic_ns();
}

static bool seen_good(const struct azure *azure, const char *id)
{
    double age_s = (double)(clock_monotonic_ns() - azure->seen.asked_ns) / CLOCK_SECOND_NS;
    return azure->seen.asked_ns && strcmp(azure->seen.id, id) == 0 &&
           (azure->seen.status.state == BACKEND_ENDED ||
            age_s < BELIEVED_POLLS * azure->settings.poll_s);
}

/* Of a job that is no more, tasks have ended; how, their logs tell. */
static int status_guess(struct azure *azure, const char *id, struct backend_status *ret_status,
                        struct error *ret_error)
{
    char name[AZURE_NAME_MAX];
    struct blob_place place = {.container = azure->container, .name = name};
    struct blob_properties properties;
    struct error ignored;
    snprintf(name, sizeof name, "%s/logs/%s/stderr.txt", azure->note.run, id);
    if (blob_properties_get(account_blobs(azure->account), &place, &properties, &ignored) != 0)
        return error_prefix(ret_error, "there is no task %s in this farm", id);
    *ret_status = (struct backend_status){.state = BACKEND_ENDED, .lost = true};
    return 0;
}

int azure_task_status(struct backend *backend, const char *id,
                      struct backend_status *ret_status, struct error *ret_error)
{
    struct azure *azure = azure_of(backend);
    struct batch_task task = {0};
    char job[BATCH_ID_MAX + 1];
    if (!azure_account(azure, ret_error))
        return -1;
    if (seen_good(azure, id)) {
        *ret_status = azure->seen.status;
        return 0;
    }
    if (job_look(azure, ret_error) != 0)
        return -1;
    azure_pace(azure);
    int rc = batch_task_get(azure->account, azure_note_job(&azure->note, job), id, TASK_MEMBERS,
                            &task, ret_error);
    if (rc == 0)
        status_fill(azure, &task, ret_status);
    else if (rc == BATCH_MISSING)
        rc = status_guess(azure, id, ret_status, ret_error);
    if (rc == 0)
        seen_note(azure, id, ret_status);
    batch_task_fini(&task);
    return rc == 0 ? 0 : -1;
}

struct listing {
    struct azure *azure;
    int (*visit)(void *context, const char *id, const struct backend_status *status);
    void *context;
    struct buf
        seen; /* "|ID|ID|": those that Batch listed; where logs are to be looked at, too */
};

static int task_visit(void *context, const struct batch_task *task)
{
    struct listing *listing = context;
    struct backend_status status;
    if (!task->id)
        return 0;
    if (listing->azure->note.job > 1)
        buf_printf(&listing->seen, "%s|", task->id);
    status_fill(listing->azure, task, &status);
    return listing->visit(listing->context, task->id, &status);
}

static bool was_seen(struct listing *listing, const char *id)
{
    char quoted[BACKEND_TASK_ID_MAX + 3];
    const char *seen = buf_text(&listing->seen);
    snprintf(quoted, sizeof quoted, "|%s|", id);
    return seen && strstr(seen, quoted);
}

/* "RUN/logs/worker-3/stderr.txt", in the order of names. */
static int log_visit(void *context, const struct blob_item *item)
{
    struct listing *listing = context;
    const struct backend_status ended = {.state = BACKEND_ENDED, .lost = true};
    char id[BACKEND_TASK_ID_MAX + 1];
    const char *name = item->name + strlen(listing->azure->note.run) + strlen("/logs/");
    size_t size = strcspn(name, "/");
    if (!item->prefix || size == 0 || size > BACKEND_TASK_ID_MAX)
        return 0;
    memcpy(id, name, size);
    id[size] = '\0';
    return was_seen(listing, id) ? 0 : listing->visit(listing->context, id, &ended);
}

/* Tasks of a run whose job was deleted, or of its earlier jobs. */
static int logs_list(struct listing *listing, struct error *ret_error)
{
    struct azure *azure = listing->azure;
    char prefix[AZURE_NAME_MAX];
    snprintf(prefix, sizeof prefix, "%s/logs/", azure->note.run);
    int rc = blob_list(account_blobs(azure->account), azure->container, prefix, "/", 0,
                       log_visit, listing, ret_error);
    return rc == BLOB_MISSING ? 0 : rc;
}

int azure_task_list(struct backend *backend,
                    int (*visit)(void *context, const char *id,
                                 const struct backend_status *status),
                    void *context, struct error *ret_error)
{
    struct azure *azure = azure_of(backend);
    struct listing listing = {.azure = azure, .visit = visit, .context = context};
    struct batch_query query = {.select = TASK_MEMBERS};
    char job[BATCH_ID_MAX + 1];
    if (azure->note.job == 0)
        return 0; /* nothing was ever submitted */
    if (!azure_account(azure, ret_error) || job_look(azure, ret_error) != 0)
        return -1;
    buf_init(&listing.seen, SEEN_MAX);
    buf_append_text(&listing.seen, "|");
    azure_pace(azure);
    int rc = batch_task_list(azure->account, azure_note_job(&azure->note, job), &query,
                             task_visit, &listing, ret_error);
    if (rc == BATCH_MISSING || (rc == 0 && azure->note.job > 1))
        rc = logs_list(&listing, ret_error);
    buf_fini(&listing.seen);
    return rc;
}

static void owner_fill(const struct azure *azure, const char *id, char job[BATCH_ID_MAX + 1],
                       struct batch_file_owner *owner)
{
    *owner = (struct batch_file_owner){.job = azure_note_job(&azure->note, job), .task = id};
}

static int64_t log_read(struct azure *azure, const char *id, const char *file, uint64_t offset,
                        size_t max, struct buf *ret_bytes, struct error *ret_error)
{
    char name[AZURE_NAME_MAX];
    struct blob_place place = {.container = azure->container, .name = name};
    bool missing = false;
    snprintf(name, sizeof name, "%s/logs/%s/%s", azure->note.run, id, file);
    int64_t count = blob_get(account_blobs(azure->account), &place, offset, max, ret_bytes,
                             &missing, ret_error);
    return missing ? 0 : count;
}

int64_t azure_task_read(struct backend *backend, const char *id, const char *file,
                        uint64_t offset, size_t max, struct buf *ret_bytes,
                        struct error *ret_error)
{
    struct azure *azure = azure_of(backend);
    struct batch_file_owner owner;
    char job[BATCH_ID_MAX + 1];
    bool known = seen_good(azure, id);
    bool ended = known && azure->seen.status.state == BACKEND_ENDED;
    if (known && azure->seen.status.state == BACKEND_WAITING)
        return 0; /* it has said nothing yet */
    if (!azure_account(azure, ret_error))
        return -1;
    if (!ended)
        azure_pace(azure);
    owner_fill(azure, id, job, &owner);
    int64_t count =
        batch_file_read(azure->account, &owner, file, offset, max, ret_bytes, ret_error);
    if (count > 0 || (!ended && known))
        return count;
    int64_t kept = log_read(azure, id, file, offset, max, ret_bytes, ret_error);
    return kept > 0 || count < 0 ? kept : 0;
}

int azure_task_file_size(struct backend *backend, const char *id, const char *file,
                         uint64_t *ret_size, struct error *ret_error)
{
    struct azure *azure = azure_of(backend);
    struct batch_file_owner owner;
    struct blob_properties properties;
    char job[BATCH_ID_MAX + 1], name[AZURE_NAME_MAX];
    struct blob_place place = {.container = azure->container, .name = name};
    if (!azure_account(azure, ret_error))
        return -1;
    owner_fill(azure, id, job, &owner);
    int rc = batch_file_measure(azure->account, &owner, file, ret_size, NULL, ret_error);
    if (rc == 0)
        return 0;
    snprintf(name, sizeof name, "%s/logs/%s/%s", azure->note.run, id, file);
    rc = blob_properties_get(account_blobs(azure->account), &place, &properties, ret_error);
    *ret_size = rc == 0 ? properties.size : 0;
    return rc == 0 || rc == BLOB_MISSING ? 0 : -1;
}

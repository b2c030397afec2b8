/*
 * A run's job. Batch does not open a completed job again, so a run that is resumed gets another
 * one: RUN, RUN-2, ...; what the tasks of earlier ones said is in the container.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launch/azure/azure_lead.h"
#include "launch/azure/azure_private.h"
#include "launch/azure/batch_job.h"

int azure_note_keep(struct azure *azure, struct error *ret_error)
{
    char name[AZURE_NAME_MAX], *text = azure_note_print(&azure->note);
    struct blob_place place = {.container = azure->container, .name = name};
    snprintf(name, sizeof name, "%s/run.json", azure->note.run);
    int rc = text ? azure_note_write(azure->run_dir, &azure->note, ret_error)
                  : error_set(ret_error, ERROR_SYSTEM, "no memory for the run's note");
    if (rc == 0)
        rc = blob_put(account_blobs(azure->account), &place, text, strlen(text), BLOB_OVERWRITE,
                      ret_error);
    free(text);
    return rc == 0 ? 0 : -1;
}

/* Whether the run's present job still takes tasks. -1 with a sentence. */
static int job_open(struct azure *azure, struct error *ret_error)
{
    char id[BATCH_ID_MAX + 1];
    struct batch_job job = {0};
    if (azure->note.job == 0)
        return 0;
    int rc = batch_job_get(azure->account, azure_note_job(&azure->note, id), &job, ret_error);
    bool open = rc == 0 && job.state == BATCH_JOB_ACTIVE && !job.ends_with_tasks;
    batch_job_fini(&job);
    return rc < 0 ? -1 : open;
}

static int job_make(struct azure *azure, struct error *ret_error)
{
    char id[BATCH_ID_MAX + 1];
    struct batch_label labels[] = {{"beofarm-run", azure->note.run},
                                   {"beofarm-farm", azure->farm}};
    azure->note.job++;
    azure->job_over = false;
    azure->job_looked = azure->note.job;
    if (azure_note_keep(azure, ret_error) != 0)
        return -1;
    struct batch_job_spec spec = {.id = azure_note_job(&azure->note, id),
                                  .display_name = azure->farm,
                                  .pool = azure_pool_id(azure),
                                  .max_wall_s = (int64_t)(azure->settings.wall_h * 3600.0),
                                  .labels = labels,
                                  .labels_count = 2};
    int rc = batch_job_add(azure->account, &spec, ret_error);
    /* An id with a random part that exists is what we just made: its answer was lost. */
    return rc == 0 || rc == BATCH_ALREADY ? 0 : -1;
}

int azure_job_create(struct backend *backend, struct error *ret_error)
{
    struct azure *azure = azure_of(backend);
    if (!azure_account(azure, ret_error))
        return -1;
    int open = job_open(azure, ret_error);
    if (open < 0)
        return -1;
    azure->seen.asked_ns = 0;
    if (azure->note.job > 0) /* of a master that has ended: the next one follows */
        azure_journal_free(azure);
    return open ? 0 : job_make(azure, ret_error);
}

int azure_job_terminate(struct backend *backend, struct error *ret_error)
{
    struct azure *azure = azure_of(backend);
    char id[BATCH_ID_MAX + 1];
    if (azure->note.job == 0)
        return 0;
    if (!azure_account(azure, ret_error))
        return -1;
    azure->seen.asked_ns = 0;
    if (batch_job_terminate(azure->account, azure_note_job(&azure->note, id), "beofarm",
                            ret_error) < 0)
        return -1;
    azure->job_over = true;
    azure->job_looked = azure->note.job;
    return 0;
}

int azure_detach(struct backend *backend, struct error *ret_error)
{
    struct azure *azure = azure_of(backend);
    char id[BATCH_ID_MAX + 1];
    if (!azure_account(azure, ret_error))
        return -1;
    int rc = batch_job_end_with_tasks(azure->account, azure_note_job(&azure->note, id), true,
                                      ret_error);
    return rc < 0 || rc == BATCH_MISSING ? -1 : 0;
}

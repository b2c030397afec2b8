#include "config.h"

#include "launch/submission.h"

#include <stdio.h>
#include <string.h>

#include "launch/roster.h"

/* Add a variable, unless it has no value. */
static void variable_add(struct submission *submission, const char *name, const char *value)
{
    struct backend_task *task = &submission->task;
    if (value && task->variables_count < SUBMISSION_VARIABLES_MAX)
        submission->variables[task->variables_count++] =
            (struct backend_variable){.name = name, .value = value};
}

static void file_add(struct submission *submission, const char *path, const char *source)
{
    submission->files[submission->task.files_count++] =
        (struct backend_file){.path = path, .source = source};
}

static void submission_begin(struct submission *submission, const struct submission_farm *farm,
                             const char *program, int number, int generation, int port)
{
    memset(submission, 0, sizeof *submission);
    roster_id_format(number, generation, submission->id);
    snprintf(submission->port, sizeof submission->port, "%d", port);
    submission->task = (struct backend_task){.id = submission->id,
                                             .program = program,
                                             .variables = submission->variables,
                                             .files = submission->files};
    variable_add(submission, "BEOFARM_FARM", farm->name);
    variable_add(submission, "BEOFARM_SECRET", farm->secret);
    variable_add(submission, "BEOFARM_PORT", submission->port);
    variable_add(submission, "BEOFARM_NETWORK", farm->network);
    variable_add(submission, "BEOFARM_LOG", farm->log);
}

void submission_make_master(struct submission *submission, const struct submission_farm *farm,
                            int port, int generation)
{
    submission_begin(submission, farm, "beofarm-master", 0, generation, port);
    variable_add(submission, "BEOFARM_RUN_DIR", farm->run_dir);
    variable_add(submission, "BEOFARM_STORE", farm->store_uri);
    file_add(submission, "farm.json", farm->farm_json);
    file_add(submission, "files.json", farm->files_json);
}

void submission_make_worker(struct submission *submission, const struct submission_farm *farm,
                            const struct submission_master *master, int number, int generation)
{
    submission_begin(submission, farm, "beofarm-worker", number, generation, master->port);
    submission->task.nodes = farm->worker_nodes;
    variable_add(submission, "BEOFARM_MASTER", master->host);
    variable_add(submission, "BEOFARM_MASTER_ADDR", master->address);
    /* The name that BeoPEST scripts on Batch use; external work reads it. */
    variable_add(submission, "MASTER_HOSTNAME", master->host);
    if (farm->machine_workers >= number) {
        snprintf(submission->share, sizeof submission->share, "%d/%d", number,
                 farm->machine_workers);
        variable_add(submission, "BEOFARM_SHARE", submission->share);
    }
}

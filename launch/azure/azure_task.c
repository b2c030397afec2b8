/*
 * Tasks: ordinary Batch tasks, one to a node. Their files are laid at RUN/tasks/TASK/ in the
 * container first; what they print is kept at RUN/logs/TASK/ when they end.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/azure/blob_upload.h"
#include "common/azure/secret.h"
#include "launch/azure/azure_private.h"
#include "launch/azure/azure_script.h"
#include "launch/azure/batch_lot.h"
#include "launch/azure/batch_node.h"
#include "launch/azure/batch_pool.h"
#include "launch/azure/batch_task.h"
#include "launch/roster.h"

#define VARIABLES_MAX 24
#define RESOURCES_MAX 8
#define URL_MAX_BYTES 8192
#define ALONE_S       "3600" /* a master that no worker comes to in an hour costs in vain */

/* What a batch_task_spec points to. URLs in it are secret. */
struct draft {
    struct buf line, coordination, options, store, outputs_url;
    struct buf urls[RESOURCES_MAX];
    struct batch_variable variables[VARIABLES_MAX];
    struct batch_resource resources[RESOURCES_MAX];
    size_t resources_count;
    size_t own_count; /* of these; those behind them are for each node of the task */
    struct batch_output outputs[2];
    char idle[32];
    char paths[2][AZURE_NAME_MAX];
    struct batch_task_spec spec;
};

static void draft_init(struct draft *draft)
{
    memset(draft, 0, sizeof *draft);
    buf_init(&draft->line, 65536);
    buf_init(&draft->coordination, 65536);
    buf_init(&draft->options, 65536);
    buf_init(&draft->store, URL_MAX_BYTES);
    buf_init(&draft->outputs_url, URL_MAX_BYTES);
    for (size_t i = 0; i < RESOURCES_MAX; i++)
        buf_init(&draft->urls[i], URL_MAX_BYTES);
}

static void draft_fini(struct draft *draft)
{
    buf_fini(&draft->line);
    buf_fini(&draft->coordination);
    buf_fini(&draft->options);
    secret_buf_fini(&draft->store);
    secret_buf_fini(&draft->outputs_url);
    for (size_t i = 0; i < RESOURCES_MAX; i++)
        secret_buf_fini(&draft->urls[i]);
}

/* A file for the task from the container. */
static int resource_add(struct azure *azure, struct draft *draft, const char *name,
                        const char *path, struct error *ret_error)
{
    size_t i = draft->resources_count;
    if (i == RESOURCES_MAX)
        return error_set(ret_error, ERROR_BUG, "a task has too many files");
    if (azure_access_put_url(azure, name, &draft->urls[i], ret_error) != 0)
        return -1;
    draft->resources[draft->resources_count++] = (struct batch_resource){
        .http_url = buf_text(&draft->urls[i]), .path = path, .mode = "0660"};
    return 0;
}

static int files_send(struct azure *azure, struct draft *draft, const struct backend_task *task,
                      struct error *ret_error)
{
    char name[AZURE_NAME_MAX];
    struct blob_place place = {.container = azure->container, .name = name};
    for (size_t i = 0; i < task->files_count; i++) {
        const struct backend_file *file = &task->files[i];
        snprintf(name, sizeof name, "%s/tasks/%s/%s", azure->note.run, task->id, file->path);
        if (blob_upload(account_blobs(azure->account), &place, file->source, NULL, NULL,
                        ret_error) != 0 ||
            resource_add(azure, draft, name, file->path, ret_error) != 0)
            return -1;
    }
    draft->own_count = draft->resources_count;
    if (!*azure->bundle)
        return 0;
    snprintf(name, sizeof name, AZURE_BUNDLE_PREFIX "%s", azure->bundle);
    return resource_add(azure, draft, name, AZURE_BUNDLE_FILE, ret_error);
}

/* Workers beyond those that stay. The first one stays in any case: so a farm that nobody follows
 * always comes to its end. */
static bool may_leave(const struct azure *azure, const char *id)
{
    int number, generation, stay = azure->settings.pool.min > 1 ? azure->settings.pool.min : 1;
    return azure->settings.pool.follow && roster_id_parse(id, &number, &generation) == 0 &&
           number > stay;
}

/* Its own variables, less those that only we can fill. */
static int variables_fill(struct azure *azure, struct draft *draft,
                          const struct backend_task *task, struct error *ret_error)
{
    struct batch_command *command = &draft->spec.command;
    int number, generation;
    if (task->variables_count + 3 > VARIABLES_MAX)
        return error_set(ret_error, ERROR_BUG, "a task has too many variables");
    if (azure_access_put_store(azure, &draft->store, ret_error) != 0)
        return -1;
    for (size_t i = 0; i < task->variables_count; i++)
        if (strcmp(task->variables[i].name, "BEOFARM_STORE") != 0)
            draft->variables[command->variables_count++] =
                (struct batch_variable){task->variables[i].name, task->variables[i].value};
    draft->variables[command->variables_count++] =
        (struct batch_variable){"BEOFARM_STORE", buf_text(&draft->store)};
    draft->variables[command->variables_count++] =
        (struct batch_variable){"BEOFARM_RUN", azure->note.run};
    if (roster_id_parse(task->id, &number, &generation) == 0 && number == 0)
        draft->variables[command->variables_count++] =
            (struct batch_variable){"BEOFARM_ALONE_S", ALONE_S};
    if (may_leave(azure, task->id)) {
        snprintf(draft->idle, sizeof draft->idle, "%g", azure->settings.pool.idle_s);
        draft->variables[command->variables_count++] =
            (struct batch_variable){"BEOFARM_IDLE_S", draft->idle};
    }
    command->variables = draft->variables;
    return 0;
}

static int outputs_fill(struct azure *azure, struct draft *draft, const char *id,
                        struct error *ret_error)
{
    static const char *const patterns[] = {"../stdout.txt", "../stderr.txt"};
    if (azure_access_put_url(azure, NULL, &draft->outputs_url, ret_error) != 0)
        return -1;
    for (size_t i = 0; i < 2; i++) {
        snprintf(draft->paths[i], AZURE_NAME_MAX, "%s/logs/%s/%s", azure->note.run, id,
                 patterns[i] + 3);
        draft->outputs[i] =
            (struct batch_output){.pattern = patterns[i],
                                  .container_url = buf_text(&draft->outputs_url),
                                  .path = draft->paths[i],
                                  .condition = "taskcompletion"};
    }
    draft->spec.outputs = draft->outputs;
    draft->spec.outputs_count = 2;
    return 0;
}

/* A task of several nodes is a multi-instance task. */
static int lines_fill(struct azure *azure, struct draft *draft, const struct backend_task *task)
{
    const struct azure_start *start = &azure->settings.pool.start;
    struct batch_task_spec *spec = &draft->spec;
    if (task->nodes <= 1)
        return azure_script_task_put(&draft->line, start, azure->bundle, task->program,
                                     task->args);
    if (azure_script_gang_put(&draft->line, start, azure->bundle, task->program, task->args) !=
            0 ||
        azure_script_mate_put(&draft->coordination, start, azure->bundle) != 0)
        return -1;
    spec->instances = task->nodes;
    spec->coordination = buf_text(&draft->coordination);
    spec->common = draft->resources + draft->own_count;
    spec->common_count = draft->resources_count - draft->own_count;
    return 0;
}

/* Batch would accept such a task and never run it. */
static int nodes_check(struct azure *azure, int nodes, struct error *ret_error)
{
    struct batch_pool pool = {0};
    if (nodes <= 1 || azure->nodes_checked)
        return 0;
    if (batch_pool_get(azure->account, azure_pool_id(azure), &pool, ret_error) != 0)
        return -1;
    int rc = 0;
    if (!pool.inter_node || pool.slots_per_node > 1)
        rc = error_set(ret_error, ERROR_CONFIG,
                       "pool \"%s\" cannot run tasks of several nodes (work.nodes): %s",
                       azure_pool_id(azure),
                       pool.inter_node ? "its nodes take more than one task at a time"
                                       : "its nodes may not talk to each other");
    batch_pool_fini(&pool);
    azure->nodes_checked = rc == 0;
    return rc;
}

static int draft_fill(struct azure *azure, struct draft *draft, const struct backend_task *task,
                      struct error *ret_error)
{
    const struct azure_start *start = &azure->settings.pool.start;
    struct batch_command *command = &draft->spec.command;
    if (nodes_check(azure, task->nodes, ret_error) != 0 ||
        files_send(azure, draft, task, ret_error) != 0 ||
        variables_fill(azure, draft, task, ret_error) != 0 ||
        outputs_fill(azure, draft, task->id, ret_error) != 0)
        return -1;
    if (lines_fill(azure, draft, task) != 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a command line");
    command->line = buf_text(&draft->line);
    command->pool_user = true;
    command->resources = draft->resources;
    command->resources_count = task->nodes > 1 ? draft->own_count : draft->resources_count;
    if (start->kind == AZURE_START_CONTAINER) {
        if (azure_script_options_put(&draft->options, start) != 0)
            return error_set(ret_error, ERROR_SYSTEM, "no memory for a container's options");
        command->image = start->image;
        command->run_options = buf_text(&draft->options);
    }
    draft->spec.id = task->id;
    draft->spec.retention_s = (int64_t)(azure->settings.retention_h * 3600.0);
    return 0;
}

static int submit_prepare(struct azure *azure, struct error *ret_error)
{
    if (!azure_account(azure, ret_error) || azure_access_open(azure, ret_error) != 0)
        return -1;
    azure->seen.asked_ns = 0;
    return azure_bundle_send(azure, ret_error);
}

int azure_task_submit(struct backend *backend, const struct backend_task *task,
                      struct error *ret_error)
{
    struct azure *azure = azure_of(backend);
    struct draft draft;
    char job[BATCH_ID_MAX + 1];
    draft_init(&draft);
    int rc = submit_prepare(azure, ret_error);
    if (rc == 0)
        rc = draft_fill(azure, &draft, task, ret_error);
    if (rc == 0)
        rc = batch_task_add(azure->account, azure_note_job(&azure->note, job), &draft.spec,
                            ret_error);
    draft_fini(&draft);
    return rc == 0 ? 0 : -1;
}

/* A lot on its way. */
struct sending {
    struct azure *azure;
    const struct backend_lot *lot;
    struct draft draft;
    uint64_t lowest_refused;
    struct error refusal;
};

static int lot_give(void *context, uint64_t index, struct batch_task_spec *ret_spec,
                    struct error *ret_error)
{
    struct sending *sending = context;
    struct backend_task task;
    draft_fini(&sending->draft);
    draft_init(&sending->draft);
    if (sending->lot->give(sending->lot->context, (size_t)index, &task, ret_error) != 0 ||
        draft_fill(sending->azure, &sending->draft, &task, ret_error) != 0)
        return -1;
    *ret_spec = sending->draft.spec;
    return 0;
}

static int lot_ended(void *context, uint64_t index, enum batch_lot_end end,
                     const struct batch_fault *fault, struct error *ret_error)
{
    struct sending *sending = context;
    struct buf why;
    (void)ret_error;
    if (end != BATCH_LOT_REFUSED || index >= sending->lowest_refused)
        return 0;
    sending->lowest_refused = index;
    buf_init(&why, 65536);
    if (fault)
        batch_fault_put(&why, fault);
    error_set(&sending->refusal, ERROR_BACKEND, "a task was refused: %s",
              buf_text(&why) ? buf_text(&why) : "");
    buf_fini(&why);
    return 0;
}

int azure_tasks_submit(struct backend *backend, const struct backend_lot *lot,
                       size_t *ret_accepted, struct error *ret_error)
{
    struct azure *azure = azure_of(backend);
    struct sending sending = {.azure = azure, .lot = lot, .lowest_refused = lot->count};
    struct batch_lot_work work = {
        .count = lot->count, .give = lot_give, .ended = lot_ended, .context = &sending};
    struct batch_lot_report report = {0};
    char job[BATCH_ID_MAX + 1];
    draft_init(&sending.draft);
    int rc = submit_prepare(azure, ret_error);
    if (rc == 0)
        rc = batch_lot_add(azure->account, azure_note_job(&azure->note, job), &work, &report,
                           ret_error);
    *ret_accepted = rc == 0 ? (size_t)sending.lowest_refused : 0;
    if (rc == 0 && sending.lowest_refused < lot->count) {
        *ret_error = sending.refusal;
        rc = -1;
    }
    draft_fini(&sending.draft);
    return rc == 0 ? 0 : -1;
}

int azure_task_terminate(struct backend *backend, const char *id, bool at_once,
                         struct error *ret_error)
{
    struct azure *azure = azure_of(backend);
    char job[BATCH_ID_MAX + 1];
    (void)at_once; /* Batch knows one way: SIGTERM, and SIGKILL soon after */
    if (!azure_account(azure, ret_error))
        return -1;
    azure->seen.asked_ns = 0;
    return batch_task_terminate(azure->account, azure_note_job(&azure->note, job), id,
                                ret_error) < 0
               ? -1
               : 0;
}

int azure_task_address(struct backend *backend, const char *id, struct buf *ret_address,
                       struct error *ret_error)
{
    struct azure *azure = azure_of(backend);
    struct batch_task task = {0};
    struct batch_node node = {0};
    char job[BATCH_ID_MAX + 1];
    if (!azure_account(azure, ret_error))
        return -1;
    /* Not paced: asked once, and workers wait for it. */
    int rc = batch_task_get(azure->account, azure_note_job(&azure->note, job), id, NULL, &task,
                            ret_error);
    if (rc == 0 && task.pool && task.node) {
        rc = batch_node_get(azure->account, task.pool, task.node, &node, ret_error);
        if (rc == 0 && node.address)
            buf_append_text(ret_address, node.address);
    }
    batch_node_fini(&node);
    batch_task_fini(&task);
    return rc == 0 ? 0 : -1;
}

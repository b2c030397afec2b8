/*
 * Opening finds names and asks nobody, so that a dry run and an editor's check work without an
 * account; credentials are looked for when somebody first wants something of Azure.
 */
#include "config.h"

#include "launch/azure/azure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/store_blob.h"
#include "common/azure/secret.h"
#include "launch/azure/azure_lead.h"
#include "launch/azure/azure_private.h"
#include "launch/azure/azure_script.h"
#include "launch/azure/store_blob.h"
#include "launch/disk.h"
#include "launch/interrupt.h"

#define SAS_MAX 4096

static void azure_close(struct backend *backend)
{
    struct azure *azure = azure_of(backend);
    azure_lead_end(azure->lead);
    account_close(azure->account);
    secret_buf_fini(&azure->sas);
    free(azure->run_dir);
    free(azure->folder);
    free(azure->farm);
    free(azure->store_uri);
    free(azure->bundle);
    free(azure);
}

static char *text_copy(const char *text)
{
    return strdup(text ? text : "");
}

static int azure_names_set(struct azure *azure, const struct backend_context *context,
                           struct error *ret_error)
{
    const struct azure_settings *settings = &azure->settings;
    const char *storage =
        settings->wishes.storage_account ? settings->wishes.storage_account : "...";
    azure->run_dir = text_copy(context->run_dir);
    azure->folder = text_copy(context->folder);
    azure->farm = text_copy(context->farm && *context->farm ? context->farm : "farm");
    if (!azure->run_dir || !azure->folder || !azure->farm)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the azure backend");
    if (settings->container)
        snprintf(azure->container, sizeof azure->container, "%s", settings->container);
    else
        azure_note_container(azure->farm, azure->container);
    if (asprintf(&azure->store_uri, "blob:https://%s.blob.core.windows.net/%s?...", storage,
                 azure->container) < 0) {
        azure->store_uri = NULL;
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the azure backend");
    }
    return azure_note_read(azure->run_dir, &azure->note, ret_error);
}

static struct backend *azure_open(const struct backend_context *context,
                                  struct error *ret_error)
{
    struct azure *azure = calloc(1, sizeof *azure);
    if (!azure) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the azure backend");
        return NULL;
    }
    azure->base.ops = &backend_azure;
    buf_init(&azure->sas, SAS_MAX);
    if (azure_settings_read(context->settings, &azure->settings, ret_error) == 0 &&
        azure_names_set(azure, context, ret_error) == 0)
        return &azure->base;
    azure_close(&azure->base);
    return NULL;
}

/* The second Ctrl-C ends what is being waited for at that moment, as does every further one; the
 * first one lets it finish. What is asked for afterwards, to give nodes back, is waited for
 * again. */
static bool hurried(void *context)
{
    struct azure *azure = context;
    int count = interrupt_count();
    bool now = count > 1 && count > azure->heeded;
    azure->heeded = now ? count : azure->heeded;
    return now;
}

struct account *azure_account(struct azure *azure, struct error *ret_error)
{
    azure->heeded = interrupt_count();
    if (azure->account)
        return azure->account;
    struct account_options options = {
        .wishes = azure->settings.wishes,
        .http = {.stop = hurried, .stop_context = azure},
        .batch_version = azure->settings.api_version,
        .plain = azure->settings.plain,
    };
    char *file =
        options.wishes.file ? disk_join(azure->folder, options.wishes.file, ret_error) : NULL;
    if (file || !options.wishes.file) {
        options.wishes.file = file;
        azure->account = account_open(&options, ret_error);
    }
    free(file);
    return azure->account;
}

void azure_pace(struct azure *azure)
{
    int64_t pause = (int64_t)(azure->settings.poll_s * CLOCK_SECOND_NS);
    int64_t passed = clock_monotonic_ns() - azure->asked_ns;
    if (azure->asked_ns && passed < pause)
        interrupt_sleep(pause - passed);
    azure->asked_ns = clock_monotonic_ns();
}

static int azure_program_find(struct backend *backend, const char *program,
                              struct buf *ret_path, struct error *ret_error)
{
    struct azure *azure = azure_of(backend);
    struct buf bundle;
    buf_init(&bundle, AZURE_NAME_MAX * 4);
    int rc = azure_bundle_find(azure, &bundle, ret_error);
    if (rc == 0)
        rc = azure_script_program_put(ret_path, &azure->settings.pool.start,
                                      bundle.size ? "HASH" : "", program) == 0
                 ? 0
                 : error_set(ret_error, ERROR_SYSTEM, "no memory for a program's path");
    buf_fini(&bundle);
    return rc;
}

static const char *azure_store_uri(const struct backend *backend)
{
    return ((const struct azure *)backend)->store_uri;
}

/* The master's own directory: what matters of it is in the container. */
static const char *azure_run_dir(const struct backend *backend)
{
    (void)backend;
    return NULL;
}

static const char *azure_network(const struct backend *backend)
{
    (void)backend;
    return NULL;
}

static int64_t azure_master_limit_ns(const struct backend *backend)
{
    const struct azure *azure = (const struct azure *)backend;
    return (int64_t)(azure->settings.master_s * CLOCK_SECOND_NS);
}

/* Begin the run, in the run directory first and then in the container. */
static int run_begin(struct azure *azure, struct error *ret_error)
{
    struct account *account = azure_account(azure, ret_error);
    if (!account)
        return -1;
    if (!azure->note.run[0] && azure_note_begin(&azure->note, azure->farm, ret_error) != 0)
        return -1;
    if (azure_note_write(azure->run_dir, &azure->note, ret_error) != 0 ||
        blob_container_create(account_blobs(account), azure->container, ret_error) != 0)
        return -1;
    /* At once, before anything long: whoever cleans another run sees that this one needs the
     * files. */
    return azure_note_keep(azure, ret_error);
}

static int azure_inputs_put(struct backend *backend, struct inputs *inputs, const bool *known,
                            void (*shown)(void *context, uint64_t bytes, uint64_t total),
                            void *context, struct error *ret_error)
{
    struct azure *azure = azure_of(backend);
    (void)known; /* the container's list says better */
    if (run_begin(azure, ret_error) != 0)
        return -1;
    return store_blob_put_all(azure->account, azure->container, STORE_BLOB_PREFIX, inputs,
                              shown, context, NULL, ret_error);
}

const struct backend_ops backend_azure = {
    .kind = "azure",
    .workers_leave = true,
    .poll_shortest_ns = CLOCK_SECOND_NS,
    .poll_longest_ns = 15 * CLOCK_SECOND_NS,
    .open = azure_open,
    .close = azure_close,
    .program_find = azure_program_find,
    .check = azure_check,
    .store_uri = azure_store_uri,
    .inputs_put = azure_inputs_put,
    .run_dir = azure_run_dir,
    .network = azure_network,
    .pool_create = azure_pool_create,
    .pool_resize = azure_pool_resize,
    .pool_delete = azure_pool_delete,
    .look_after = azure_look_after,
    .lead = azure_lead,
    .lead_check = azure_lead_check,
    .master_limit_ns = azure_master_limit_ns,
    .detach = azure_detach,
    .job_create = azure_job_create,
    .job_terminate = azure_job_terminate,
    .task_submit = azure_task_submit,
    .tasks_submit = azure_tasks_submit,
    .task_status = azure_task_status,
    .task_address = azure_task_address,
    .task_read = azure_task_read,
    .task_file_size = azure_task_file_size,
    .task_terminate = azure_task_terminate,
    .task_list = azure_task_list,
    .results_bring = azure_results_bring,
    .journal_put = azure_journal_put,
    .usage_say = azure_usage_say,
    .belongings_say = azure_belongings_say,
    .clean = azure_clean,
    .adopt = azure_adopt,
    .run_put = azure_run_put,
    .newest_put = azure_newest_put,
};

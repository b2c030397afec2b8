/*
 * Results come home from the container, where master and workers put them: while the farm runs, and
 * after everything rented is gone. outputs.csv says which of the folders of attempts counts for a
 * task; the others are not fetched.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "common/azure/blob_download.h"
#include "common/azure/secret.h"
#include "common/csv.h"
#include "launch/azure/azure_fetch.h"
#include "launch/azure/azure_private.h"
#include "launch/disk.h"

#define FOLDER_TEXT 200
#define ROOM_MIN    ((uint64_t)1 << 20) /* what tables and folders take */

/* outputs.csv, sorted by folder. */
struct folder {
    char name[FOLDER_TEXT];
    unsigned long long task;
};

struct gathering {
    struct azure *azure;
    struct azure_fetch fetch;
    struct folder *folders;
    size_t folders_count;
    char *out; /* RUN_DIR/out */
    struct error *error;
};

static int folder_compare(const void *a, const void *b)
{
    return strcmp(((const struct folder *)a)->name, ((const struct folder *)b)->name);
}

int azure_file_fetch(struct azure *azure, const char *folder, const char *file,
                     struct error *ret_error)
{
    char name[AZURE_NAME_MAX];
    struct blob_place place = {.container = azure->container, .name = name};
    char *path = disk_join(azure->run_dir, file, ret_error);
    snprintf(name, sizeof name, "%s/%s%s", azure->note.run, folder, file);
    int rc =
        path ? blob_download(account_blobs(azure->account), &place, path, NULL, NULL, ret_error)
             : -1;
    free(path);
    return rc;
}

static int folders_read(struct gathering *gathering, struct error *ret_error)
{
    char *path = disk_join(gathering->azure->run_dir, "outputs.csv", ret_error);
    struct csv_table *table = path ? csv_table_open(path, ret_error) : NULL;
    uint64_t rows = table ? csv_table_rows(table) : 0;
    int rc = table ? 0 : -1;
    gathering->folders = calloc(rows + 1, sizeof *gathering->folders);
    if (!gathering->folders)
        rc = error_set(ret_error, ERROR_SYSTEM, "no memory for the list of outputs");
    for (uint64_t row = 0; rc == 0 && row < rows; row++) {
        struct csv_record record;
        struct folder *folder = &gathering->folders[gathering->folders_count];
        rc = csv_table_read(table, row, &record, ret_error);
        if (rc != 0 || record.count < 2 || record.fields[1].size >= FOLDER_TEXT)
            continue;
        folder->task = strtoull(record.fields[0].text, NULL, 10);
        const char *name = record.fields[1].text; /* "outputs/FOLDER" */
        name += strncmp(name, "outputs/", strlen("outputs/")) == 0 ? strlen("outputs/") : 0;
        snprintf(folder->name, FOLDER_TEXT, "%s", name);
        gathering->folders_count++;
    }
    if (rc == 0)
        qsort(gathering->folders, gathering->folders_count, sizeof *gathering->folders,
              folder_compare);
    csv_table_close(table);
    free(path);
    return rc;
}

/* RUN/outputs/FOLDER/PATH to out/TASK/PATH. */
static int output_visit(void *context, const struct blob_item *item)
{
    struct gathering *gathering = context;
    struct folder key = {0};
    char place[64];
    const char *name = item->name + strlen(gathering->azure->note.run) + strlen("/outputs/");
    size_t size = strcspn(name, "/");
    if (!name[size] || size >= FOLDER_TEXT)
        return 0;
    memcpy(key.name, name, size);
    const struct folder *folder =
        bsearch(&key, gathering->folders, gathering->folders_count, sizeof key, folder_compare);
    if (!folder)
        return 0; /* of an attempt that does not count, or not yet */
    snprintf(place, sizeof place, "%llu", folder->task);
    char *target = disk_join(gathering->out, place, gathering->error);
    int rc = target ? azure_fetch_add(&gathering->fetch, item->name, target, name + size + 1,
                                      item->properties.size, item->properties.changed_s,
                                      gathering->error)
                    : -1;
    free(target);
    return rc;
}

/* RUN/out/PATH to out/PATH. */
static int out_visit(void *context, const struct blob_item *item)
{
    struct gathering *gathering = context;
    const char *name = item->name + strlen(gathering->azure->note.run) + strlen("/out/");
    return azure_fetch_add(&gathering->fetch, item->name, gathering->out, name,
                           item->properties.size, item->properties.changed_s, gathering->error);
}

static int outputs_list(struct gathering *gathering, const char *folder,
                        int (*visit)(void *context, const struct blob_item *item),
                        struct error *ret_error)
{
    struct azure *azure = gathering->azure;
    char prefix[AZURE_NAME_MAX];
    snprintf(prefix, sizeof prefix, "%s/%s/", azure->note.run, folder);
    gathering->error = ret_error;
    int rc = blob_list(account_blobs(azure->account), azure->container, prefix, NULL, 0, visit,
                       gathering, ret_error);
    return rc == BLOB_MISSING ? 0 : rc;
}

static int files_fetch(struct gathering *gathering, struct error *ret_error)
{
    struct azure *azure = gathering->azure;
    struct buf store;
    if (gathering->fetch.count == 0)
        return 0;
    buf_init(&store, 8192);
    int rc = azure_access_open(azure, ret_error);
    if (rc == 0)
        rc = azure_access_put_store(azure, &store, ret_error);
    if (rc == 0)
        rc = azure_fetch_run(&gathering->fetch, buf_text(&store), ret_error);
    secret_buf_fini(&store);
    return rc;
}

int azure_journal_put(struct backend *backend, struct buf *ret_store, struct buf *ret_run,
                      struct error *ret_error)
{
    struct azure *azure = azure_of(backend);
    if (!azure->note.run[0])
        return error_set(ret_error, ERROR_USAGE, "this run was never begun on Azure");
    if (azure_access_open(azure, ret_error) != 0 ||
        azure_access_put_store(azure, ret_store, ret_error) != 0)
        return -1;
    return buf_append_text(ret_run, azure->note.run) == 0
               ? 0
               : error_set(ret_error, ERROR_SYSTEM, "no memory for a run's name");
}

/* Where the disk has no room for what is still to come, that is what went wrong, whatever failed
 * first. */
static int room_explain(const struct gathering *gathering, struct error *ret_error)
{
    struct statvfs disk;
    const char *run_dir = gathering->azure->run_dir;
    char there[32], wanted[32];
    uint64_t missing = azure_fetch_missing(&gathering->fetch);
    if (!ret_error || ret_error->code != ERROR_SYSTEM || statvfs(run_dir, &disk) != 0)
        return -1;
    uint64_t room = (uint64_t)disk.f_bavail * disk.f_frsize;
    if (room >= (missing > ROOM_MIN ? missing : ROOM_MIN))
        return -1;
    struct error first = *ret_error;
    return error_set(ret_error, ERROR_SYSTEM,
                     "the disk of \"%s\" is full: %s of results are still to come, and there "
                     "is room for %s. "
                     "They are safe in container \"%s\": free some space, then `beofarm "
                     "results` fetches what "
                     "is missing (%.400s)",
                     run_dir, disk_format_size(missing, wanted, sizeof wanted),
                     disk_format_size(room, there, sizeof there), gathering->azure->container,
                     first.text);
}

int azure_results_bring(struct backend *backend, const struct backend_listener *listener,
                        struct error *ret_error)
{
    struct azure *azure = azure_of(backend);
    struct gathering gathering = {.azure = azure};
    char size[32];
    if (!azure->note.run[0])
        return 0;
    if (!azure_account(azure, ret_error))
        return -1;
    if (azure_access_renew(azure, ret_error) != 0)
        return -1;
    gathering.out = disk_join(azure->run_dir, "out", ret_error);
    int rc =
        gathering.out && azure_file_fetch(azure, "", "results.csv", ret_error) >= 0 ? 0 : -1;
    int folders = rc == 0 ? azure_file_fetch(azure, "", "outputs.csv", ret_error) : -1;
    rc = folders < 0 ? -1 : 0;
    if (folders == 0 && (folders_read(&gathering, ret_error) != 0 ||
                         outputs_list(&gathering, "outputs", output_visit, ret_error) != 0))
        rc = -1;
    if (rc == 0)
        rc = outputs_list(&gathering, "out", out_visit, ret_error);
    if (rc == 0)
        rc = files_fetch(&gathering, ret_error);
    if (rc != 0)
        room_explain(&gathering, ret_error);
    if (rc == 0 && gathering.fetch.fetched > 0)
        backend_say(listener, "%zu file%s (%s) came from the container",
                    gathering.fetch.fetched, gathering.fetch.fetched == 1 ? "" : "s",
                    disk_format_size(gathering.fetch.bytes, size, sizeof size));
    azure_fetch_fini(&gathering.fetch);
    free(gathering.folders);
    free(gathering.out);
    return rc;
}

/*
 * What a run made is removed, and nothing else: its jobs, its pool if it made one, its folder in
 * the container; and when no other run is left in the container, the contents that runs share, and
 * the container itself if nothing else is in it and nobody gave it its name.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/store.h"
#include "common/store_blob.h"
#include "launch/azure/azure_lead.h"
#include "launch/azure/azure_private.h"
#include "launch/azure/batch_job.h"
#include "launch/azure/batch_pool.h"
#include "launch/disk.h"

struct contents {
    struct azure *azure;
    uint64_t files, bytes;
    int others;    /* folders that are other runs' */
    int strangers; /* what is nobody's whom we know */
};

/* Contents bear their hash as a name; what else lies among them is not ours. */
static bool is_content(const char *name)
{
    const char *slash = strrchr(name, '/');
    const char *hash = slash ? slash + 1 : name;
    bool shared = strncmp(name, STORE_BLOB_PREFIX, strlen(STORE_BLOB_PREFIX)) == 0 ||
                  strncmp(name, AZURE_BUNDLE_PREFIX, strlen(AZURE_BUNDLE_PREFIX)) == 0;
    return !shared || (strchr(name, '/') == slash && strlen(hash) == STORE_HASH_TEXT - 1 &&
                       strspn(hash, "0123456789abcdef") == STORE_HASH_TEXT - 1);
}

static int shared_look(void *context, const struct blob_item *item)
{
    struct contents *contents = context;
    contents->strangers += !is_content(item->name);
    return 0;
}

static int blob_count(void *context, const struct blob_item *item)
{
    struct contents *contents = context;
    contents->files++;
    contents->bytes += item->properties.size;
    return 0;
}

static int top_look(void *context, const struct blob_item *item)
{
    struct contents *contents = context;
    const char *run = contents->azure->note.run;
    size_t size = strlen(run);
    if (!item->prefix)
        contents->strangers++;
    else if (strcmp(item->name, STORE_BLOB_PREFIX) != 0 &&
             strcmp(item->name, AZURE_BUNDLE_PREFIX) != 0 &&
             !(strncmp(item->name, run, size) == 0 && strcmp(item->name + size, "/") == 0))
        contents->others++;
    return 0;
}

/* What the container holds. 1: there is no container. */
static int contents_look(struct azure *azure, struct contents *contents,
                         struct error *ret_error)
{
    char prefix[AZURE_NAME_MAX];
    struct blob_service *blobs = account_blobs(azure->account);
    *contents = (struct contents){.azure = azure};
    snprintf(prefix, sizeof prefix, "%s/", azure->note.run);
    int rc = blob_list(blobs, azure->container, NULL, "/", 0, top_look, contents, ret_error);
    if (rc == 0)
        rc = blob_list(blobs, azure->container, prefix, NULL, 0, blob_count, contents,
                       ret_error);
    if (rc == 0)
        rc = blob_list(blobs, azure->container, STORE_BLOB_PREFIX, NULL, 0, shared_look,
                       contents, ret_error);
    if (rc == 0)
        rc = blob_list(blobs, azure->container, AZURE_BUNDLE_PREFIX, NULL, 0, shared_look,
                       contents, ret_error);
    return rc == BLOB_MISSING ? 1 : rc;
}

static bool container_ours(const struct azure *azure, const struct contents *contents)
{
    return contents->others == 0 && contents->strangers == 0 && !azure->settings.container;
}

/* Whether the pool, this run's or one that it used, is still there; -1 with a sentence. */
static int pool_there(struct azure *azure, int *ret_nodes, struct error *ret_error)
{
    struct batch_pool pool = {0};
    int rc = batch_pool_get(azure->account, azure_pool_id(azure), &pool, ret_error);
    bool there = rc == 0 && pool.state != BATCH_POOL_DELETING &&
                 (!azure->note.pool_made || azure_pool_ours(azure, &pool));
    *ret_nodes = pool.dedicated + pool.spot;
    batch_pool_fini(&pool);
    return rc < 0 ? -1 : there;
}

static int job_there(struct azure *azure, const char *id, struct error *ret_error)
{
    struct batch_job job = {0};
    int rc = batch_job_get(azure->account, id, &job, ret_error);
    bool there = rc == 0 && job.state != BATCH_JOB_DELETING;
    batch_job_fini(&job);
    return rc < 0 ? -1 : there;
}

static int pool_say(struct azure *azure, const struct backend_listener *listener,
                    struct error *ret_error)
{
    int nodes = 0;
    if (!azure->note.pool[0])
        return 0;
    int there = pool_there(azure, &nodes, ret_error);
    if (there > 0 && azure->note.pool_made)
        backend_say(listener, "pool %s with %d node%s", azure_pool_id(azure), nodes,
                    nodes == 1 ? "" : "s");
    else if (there > 0)
        backend_say(listener, "(pool %s stays: the farm did not make it)",
                    azure_pool_id(azure));
    return there < 0 ? -1 : 0;
}

static int jobs_say(struct azure *azure, const struct backend_listener *listener,
                    struct error *ret_error)
{
    struct azure_note note = azure->note;
    char id[BATCH_ID_MAX + 1];
    for (note.job = azure->note.job; note.job > 0; note.job--) {
        int there = job_there(azure, azure_note_job(&note, id), ret_error);
        if (there < 0)
            return -1;
        if (there > 0)
            backend_say(listener, "job %s with its tasks and their logs", id);
    }
    return 0;
}

int azure_belongings_say(struct backend *backend, const struct backend_listener *listener,
                         struct error *ret_error)
{
    struct azure *azure = azure_of(backend);
    struct contents contents;
    char size[32];
    if (!azure->note.run[0])
        return 0;
    if (!azure_account(azure, ret_error) || pool_say(azure, listener, ret_error) != 0 ||
        jobs_say(azure, listener, ret_error) != 0)
        return -1;
    int rc = contents_look(azure, &contents, ret_error);
    if (rc != 0)
        return rc > 0 ? 0 : -1;
    if (contents.files > 0)
        backend_say(listener, "container %s: %llu files of this run, %s", azure->container,
                    (unsigned long long)contents.files,
                    disk_format_size(contents.bytes, size, sizeof size));
    if (container_ours(azure, &contents))
        backend_say(listener, "container %s itself: no other run is in it", azure->container);
    else if (contents.others == 0)
        backend_say(listener, "container %s: the contents that runs share", azure->container);
    return 0;
}

struct names {
    char (*items)[AZURE_NAME_MAX];
    size_t count;
};

#define NAMES_MAX 500

static int name_take(void *context, const struct blob_item *item)
{
    struct names *names = context;
    if (!is_content(item->name))
        return 0;
    snprintf(names->items[names->count++], AZURE_NAME_MAX, "%s", item->name);
    return names->count == NAMES_MAX;
}

/* Delete all blobs of a prefix, some hundreds at a time, so that no list is read while it
 * changes. */
static int prefix_delete(struct azure *azure, const char *prefix, struct error *ret_error)
{
    struct blob_service *blobs = account_blobs(azure->account);
    struct names names = {.items = calloc(NAMES_MAX, sizeof *names.items)};
    int rc = names.items ? 1 : error_set(ret_error, ERROR_SYSTEM, "no memory for names");
    while (rc == 1) {
        names.count = 0;
        rc = blob_list(blobs, azure->container, prefix, NULL, NAMES_MAX, name_take, &names,
                       ret_error);
        int more = rc;
        for (size_t i = 0; (rc == 0 || rc == 1) && i < names.count; i++) {
            struct blob_place place = {.container = azure->container, .name = names.items[i]};
            int gone = blob_delete(blobs, &place, ret_error);
            rc = gone < 0 ? -1 : more;
        }
    }
    free(names.items);
    return rc == BLOB_MISSING ? 0 : rc;
}

static int contents_delete(struct azure *azure, struct error *ret_error)
{
    struct contents contents;
    char prefix[AZURE_NAME_MAX];
    int rc = contents_look(azure, &contents, ret_error);
    if (rc != 0)
        return rc > 0 ? 0 : -1;
    if (container_ours(azure, &contents))
        return blob_container_delete(account_blobs(azure->account), azure->container,
                                     ret_error) < 0
                   ? -1
                   : 0;
    snprintf(prefix, sizeof prefix, "%s/", azure->note.run);
    azure_lead_break(azure);
    rc = prefix_delete(azure, prefix, ret_error);
    if (rc == 0 && contents.others == 0)
        rc = prefix_delete(azure, STORE_BLOB_PREFIX, ret_error) == 0
                 ? prefix_delete(azure, AZURE_BUNDLE_PREFIX, ret_error)
                 : -1;
    return rc;
}

static int jobs_delete(struct azure *azure, struct error *ret_error)
{
    struct azure_note note = azure->note;
    char id[BATCH_ID_MAX + 1];
    int rc = 0;
    for (note.job = azure->note.job; rc >= 0 && note.job > 0; note.job--)
        rc = batch_job_delete(azure->account, azure_note_job(&note, id), ret_error);
    return rc < 0 ? -1 : 0;
}

int azure_clean(struct backend *backend, struct error *ret_error)
{
    struct azure *azure = azure_of(backend);
    char *folder = disk_join(azure->run_dir, "backend", ret_error);
    int rc = folder ? 0 : -1;
    if (rc == 0 && azure->note.run[0]) {
        rc = azure_account(azure, ret_error) ? jobs_delete(azure, ret_error) : -1;
        if (rc == 0 && azure->note.pool[0] && azure->note.pool_made)
            rc = azure_pool_remove(azure, ret_error);
        if (rc >= 0)
            rc = contents_delete(azure, ret_error);
    }
    if (rc == 0)
        rc = disk_remove(folder, ret_error);
    free(folder);
    return rc == 0 ? 0 : -1;
}

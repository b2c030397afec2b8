#include "config.h"

#include "master/gather.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/store.h"
#include "common/thread.h"
#include "common/tree.h"

#define THREADS 8 /* most files are small: what takes time is to ask for them */

struct gathering {
    const char *uri, *dir;
    const struct manifest *manifest;
    atomic_size_t next;
    atomic_bool failed;
    pthread_mutex_t lock;
    struct error error; /* of the first that failed */
};

static int file_gather(struct gathering *gathering, struct store *store,
                       const struct manifest_file *file, struct error *ret_error)
{
    char hash[STORE_HASH_TEXT], *path = NULL;
    struct stat status;
    int rc = 0;
    store_hash_format(file->hash, hash);
    if (asprintf(&path, "%s/%s", gathering->dir, hash) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    if (stat(path, &status) < 0 || (uint64_t)status.st_size != file->size)
        rc = store_get_file(store, file->hash, path, ret_error);
    free(path);
    return rc < 0 ? error_prefix(ret_error, "the farm's file \"%s\"", file->path) : 0;
}

static void *gather(void *context)
{
    struct gathering *gathering = context;
    struct error error;
    struct store *store = store_open(gathering->uri, &error);
    int rc = store ? 0 : -1;
    size_t index;
    while (rc == 0 && !atomic_load(&gathering->failed) &&
           (index = atomic_fetch_add(&gathering->next, 1)) <
               manifest_count(gathering->manifest)) {
        const struct manifest_file *file = manifest_get(gathering->manifest, index);
        if (file->path[0] != '/') /* absolute ones are on the nodes already */
            rc = file_gather(gathering, store, file, &error);
    }
    if (rc < 0) {
        pthread_mutex_lock(&gathering->lock);
        if (!atomic_exchange(&gathering->failed, true))
            gathering->error = error;
        pthread_mutex_unlock(&gathering->lock);
    }
    store_close(store);
    return NULL;
}

/* In this thread, too: so it goes on where no other can be had. */
static void gather_all(struct gathering *gathering, size_t wanted)
{
    pthread_t threads[THREADS];
    size_t count = 0;
    while (count < THREADS && count + 1 < wanted &&
           thread_start(&threads[count], gather, gathering) == 0)
        count++;
    gather(gathering);
    while (count > 0)
        pthread_join(threads[--count], NULL);
}

int gather_files(const char *uri, const struct manifest *manifest, const char *dir,
                 struct error *ret_error)
{
    struct gathering gathering = {.uri = uri, .dir = dir, .manifest = manifest};
    if (tree_make(dir, ret_error) < 0)
        return -1;
    pthread_mutex_init(&gathering.lock, NULL);
    gather_all(&gathering, manifest_count(manifest));
    pthread_mutex_destroy(&gathering.lock);
    if (!atomic_load(&gathering.failed))
        return 0;
    if (ret_error)
        *ret_error = gathering.error;
    return -1;
}

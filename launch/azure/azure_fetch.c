#include "config.h"

#include "launch/azure/azure_fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/azure/blob_download.h"
#include "common/azure/container.h"
#include "common/tree.h"
#include "launch/disk.h"

#define THREADS 4

void azure_fetch_fini(struct azure_fetch *fetch)
{
    for (size_t i = 0; i < fetch->count; i++) {
        free(fetch->items[i].blob);
        free(fetch->items[i].path);
    }
    free(fetch->items);
    memset(fetch, 0, sizeof *fetch);
}

/* No empty part, "." or "..". */
static bool name_safe(const char *name)
{
    for (;;) {
        size_t size = strcspn(name, "/");
        if (size == 0 || (size == 1 && name[0] == '.') ||
            (size == 2 && name[0] == '.' && name[1] == '.'))
            return false;
        if (!name[size])
            return true;
        name += size + 1;
    }
}

int azure_fetch_add(struct azure_fetch *fetch, const char *blob, const char *folder,
                    const char *name, uint64_t size, int64_t changed_s, struct error *ret_error)
{
    if (!name_safe(name))
        return error_set(ret_error, ERROR_BACKEND,
                         "the container has a blob \"%s\", which is no name for a file here",
                         blob);
    if (fetch->count == fetch->capacity) {
        size_t capacity = fetch->capacity ? 2 * fetch->capacity : 64;
        struct azure_fetch_item *items = realloc(fetch->items, capacity * sizeof *items);
        if (!items)
            return error_set(ret_error, ERROR_SYSTEM, "no memory for a list of files");
        fetch->items = items;
        fetch->capacity = capacity;
    }
    struct azure_fetch_item item = {.blob = strdup(blob),
                                    .path = disk_join(folder, name, ret_error),
                                    .size = size,
                                    .changed_s = changed_s};
    fetch->items[fetch->count++] = item;
    return item.blob && item.path
               ? 0
               : error_set(ret_error, ERROR_SYSTEM, "no memory for a list of files");
}

/* What the threads share. */
struct work {
    struct azure_fetch *fetch;
    const char *store;
    atomic_size_t next, fetched;
    atomic_ullong bytes;
    pthread_mutex_t mutex;
    bool failed;
    struct error error; /* the first */
};

static void failure_note(struct work *work, const struct error *error)
{
    pthread_mutex_lock(&work->mutex);
    if (!work->failed)
        work->error = *error;
    work->failed = true;
    pthread_mutex_unlock(&work->mutex);
}

static bool is_there(const struct azure_fetch_item *item)
{
    struct stat status;
    return stat(item->path, &status) == 0 && S_ISREG(status.st_mode) &&
           (uint64_t)status.st_size == item->size && item->changed_s != 0 &&
           status.st_mtim.tv_sec == item->changed_s;
}

static int folder_make(const char *path, struct error *ret_error)
{
    char *folder = strdup(path), *slash = folder ? strrchr(folder, '/') : NULL;
    int rc = slash ? 0 : error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    if (slash) {
        *slash = '\0';
        rc = tree_make(folder, ret_error);
    }
    free(folder);
    return rc;
}

static int item_fetch(struct container *container, const struct azure_fetch_item *item,
                      struct error *ret_error)
{
    char name[CONTAINER_NAME_SIZE];
    struct blob_place place;
    const struct timespec times[2] = {{.tv_sec = item->changed_s}, {.tv_sec = item->changed_s}};
    if (folder_make(item->path, ret_error) != 0 ||
        container_place_shared(container, name, &place, ret_error, "%s", item->blob) != 0 ||
        blob_download(container_service(container), &place, item->path, NULL, NULL,
                      ret_error) != 0)
        return -1;
    if (item->changed_s)
        utimensat(AT_FDCWD, item->path, times, 0); /* without it, it is fetched once more */
    return 0;
}

static void *thread_run(void *context)
{
    struct work *work = context;
    struct error error;
    size_t i;
    struct container *container = container_open(work->store, NULL, NULL, &error);
    if (!container)
        failure_note(work, &error);
    while (container && (i = atomic_fetch_add(&work->next, 1)) < work->fetch->count) {
        const struct azure_fetch_item *item = &work->fetch->items[i];
        if (is_there(item))
            continue;
        if (item_fetch(container, item, &error) != 0) {
            failure_note(work, &error);
        } else {
            atomic_fetch_add(&work->fetched, 1);
            atomic_fetch_add(&work->bytes, item->size);
        }
    }
    container_close(container);
    return NULL;
}

int azure_fetch_run(struct azure_fetch *fetch, const char *store, struct error *ret_error)
{
    struct work work = {.fetch = fetch, .store = store, .mutex = PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[THREADS];
    size_t started = 0, wanted = fetch->count < THREADS ? fetch->count : THREADS;
    while (started < wanted && pthread_create(&threads[started], NULL, thread_run, &work) == 0)
        started++;
    if (started == 0 && wanted > 0)
        thread_run(&work); /* no thread to be had: then in this one */
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    fetch->fetched = work.fetched;
    fetch->bytes = work.bytes;
    if (work.failed && ret_error)
        *ret_error = work.error;
    return work.failed ? -1 : 0;
}

uint64_t azure_fetch_missing(const struct azure_fetch *fetch)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < fetch->count; i++)
        if (!is_there(&fetch->items[i]))
            bytes += fetch->items[i].size;
    return bytes;
}

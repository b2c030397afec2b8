#include "config.h"

#include "worker/cache_direct.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/azure/blob_download.h"
#include "common/azure/container.h"
#include "common/errand.h"
#include "common/store_blob.h"
#include "worker/cache_file.h"

#define LANES        4
#define LOCKS        64 /* files that workers of one folder lock against each other */
#define LOCK_STEP_NS 50000000

struct lane {
    struct cache_direct *direct;
    struct errand *errand;
    struct container *container; /* the thread's; opened when first needed */
    uint8_t hash[STORE_HASH_SIZE];
    bool failed;
    struct error error;
};

struct cache_direct {
    const char *dir;
    char *store;
    atomic_bool closing;
    struct lane lanes[LANES];
    void (*done)(void *context, const uint8_t *hash, const struct error *error);
    void *context;
};

static bool stop(void *context)
{
    struct cache_direct *direct = context;
    return atomic_load(&direct->closing);
}

struct cache_direct *cache_direct_create(struct loop *loop, const char *dir, const char *store,
                                         void (*done)(void *context, const uint8_t *hash,
                                                      const struct error *error),
                                         void *context, struct error *ret_error)
{
    struct cache_direct *direct = calloc(1, sizeof(*direct));
    if (!direct || !(direct->store = strdup(store))) {
        free(direct);
        error_set(ret_error, ERROR_SYSTEM, "no memory to fetch files from the container");
        return NULL;
    }
    direct->dir = dir;
    direct->done = done;
    direct->context = context;
    for (int i = 0; i < LANES; i++) {
        direct->lanes[i].direct = direct;
        direct->lanes[i].errand = errand_create(loop, ret_error);
        if (!direct->lanes[i].errand) {
            cache_direct_destroy(direct);
            return NULL;
        }
    }
    return direct;
}

void cache_direct_destroy(struct cache_direct *direct)
{
    if (!direct)
        return;
    atomic_store(&direct->closing, true);
    for (int i = 0; i < LANES; i++) {
        errand_destroy(direct->lanes[i].errand);
        container_close(direct->lanes[i].container);
    }
    OPENSSL_cleanse(direct->store, strlen(direct->store));
    free(direct->store);
    free(direct);
}

/* --- in a thread -------------------------------------------------------------------------- */

static int lane_open(struct lane *lane, struct error *ret_error)
{
    const struct http_options http = {.stop = stop, .stop_context = lane->direct};
    if (!lane->container)
        lane->container =
            container_open(lane->direct->store, container_target_get().run, &http, ret_error);
    return lane->container ? 0 : -1;
}

/* A descriptor that holds the lock of this hash, shared by all workers of the folder; -1. */
static int lock_take(struct lane *lane, struct error *ret_error)
{
    char *name = NULL;
    if (asprintf(&name, "%s/lock-%02x", lane->direct->dir, lane->hash[0] % LOCKS) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0)
        error_errno(ret_error, errno, "\"%s\" cannot be made", name);
    free(name);
    while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (!stop(lane->direct)) {
            nanosleep(&(struct timespec){.tv_nsec = LOCK_STEP_NS}, NULL);
            continue;
        }
        close(fd);
        return error_set(ret_error, ERROR_INTERRUPTED, "the worker ends");
    }
    return fd;
}

/* Make it look as all files of the cache do, and give it its name. */
static int file_place(const char *part, const char *path, struct error *ret_error)
{
    int fd = open(part, O_RDONLY | O_CLOEXEC);
    int rc =
        fd < 0 || fchmod(fd, 0444) < 0 || cache_file_stamp(fd) < 0 || rename(part, path) < 0
            ? error_errno(ret_error, errno, "\"%s\" cannot be put in place", path)
            : 0;
    if (fd >= 0)
        close(fd);
    return rc;
}

static int file_fetch(struct lane *lane, const char *part, const char *path,
                      struct error *ret_error)
{
    const struct blob_download_options options = {.sha256 = lane->hash};
    char name[CONTAINER_NAME_SIZE], hash[STORE_HASH_TEXT];
    struct blob_place place;
    struct stat status;
    if (stat(path, &status) == 0)
        return 0; /* a worker beside us was faster */
    store_hash_format(lane->hash, hash);
    if (lane_open(lane, ret_error) != 0 ||
        container_place_shared(lane->container, name, &place, ret_error, STORE_BLOB_PREFIX "%s",
                               hash) != 0 ||
        blob_download(container_service(lane->container), &place, part, &options, NULL,
                      ret_error) != 0)
        return -1;
    return file_place(part, path, ret_error);
}

static int hash_fetch(struct lane *lane, struct error *ret_error)
{
    char name[CACHE_NAME_SIZE], *path = NULL, *part = NULL;
    int rc = -1, lock = lock_take(lane, ret_error);
    cache_file_name(lane->hash, false, name);
    if (lock < 0)
        return -1;
    if (asprintf(&path, "%s/%s", lane->direct->dir, name) < 0 ||
        asprintf(&part, "%s/get-%s", lane->direct->dir, name) < 0)
        error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    else
        rc = file_fetch(lane, part, path, ret_error);
    free(path);
    free(part);
    close(lock);
    return rc;
}

static void work(void *context)
{
    struct lane *lane = context;
    lane->failed = hash_fetch(lane, &lane->error) != 0;
}

/* --- in the loop -------------------------------------------------------------------------- */

static void worked(void *context)
{
    struct lane *lane = context;
    struct cache_direct *direct = lane->direct;
    uint8_t hash[STORE_HASH_SIZE];
    memcpy(hash, lane->hash, sizeof(hash)); /* `done` may begin the next one in this lane */
    struct error error = lane->error;
    direct->done(direct->context, hash, lane->failed ? &error : NULL);
}

bool cache_direct_start(struct cache_direct *direct, const uint8_t *hash)
{
    for (int i = 0; i < LANES; i++) {
        struct lane *lane = &direct->lanes[i];
        if (errand_is_busy(lane->errand))
            continue;
        memcpy(lane->hash, hash, sizeof(lane->hash));
        errand_start(lane->errand, work, worked, lane);
        return true;
    }
    return false;
}

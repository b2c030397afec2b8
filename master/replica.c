/*
 * Two threads use a replica: whoever appends (the journal's thread; before it runs, the opener),
 * and the keeper, which renews the lease and has a container of its own.
 *
 * Who may write is settled by leases alone. A master takes the lease of the last part, and then
 * looks once more whether it is still the last. A part is left by a last frame (TURN), which only
 * the lease's holder can write; so a master that has lost its lease cannot go on to a next part
 * either.
 */
#include "config.h"

#include "master/replica.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/azure/blob_append.h"
#include "common/azure/secret.h"
#include "common/clock.h"
#include "common/thread.h"
#include "master/replica_frame.h"
#include "master/replica_private.h"

#define PENDING_MAX ((size_t)2 << 30)
#define KEEP_BYTES  ((size_t)8 << 20) /* a buffer that grew larger gives its memory back */
#define WAIT_STEP_S 1

/* Tries are short: the journal tries again by itself. */
static const struct http_options patience = {.tries = 4,
                                             .connect_timeout_s = 5,
                                             .stall_timeout_s = 20,
                                             .backoff_base_ms = 100,
                                             .backoff_cap_ms = 2000,
                                             .patience_ms = 15000};

/* --- places and leases -------------------------------------------------------------------- */

int replica_place(struct replica *replica, struct container *container, int part,
                  char name[CONTAINER_NAME_SIZE], struct blob_place *ret_place,
                  struct error *ret_error)
{
    int rc = container_place(container, name, ret_place, ret_error, "journal/%06d", part);
    ret_place->lease = replica->lease;
    return rc;
}

int replica_lease_take(struct replica *replica, int part, struct error *ret_error)
{
    char name[CONTAINER_NAME_SIZE];
    struct blob_place place;
    if (replica_place(replica, replica->container, part, name, &place, ret_error) != 0)
        return -1;
    place.lease = NULL;
    return blob_lease_acquire(container_service(replica->container), &place, replica->lease,
                              REPLICA_LEASE_S, ret_error);
}

static int lost(struct replica *replica, struct error *ret_error)
{
    pthread_mutex_lock(&replica->lock);
    replica->lost = true;
    pthread_mutex_unlock(&replica->lock);
    return error_set(ret_error, ERROR_CHANGED,
                     "another master of this farm has taken over its journal; this one ends");
}

bool replica_is_lost(struct replica *replica)
{
    pthread_mutex_lock(&replica->lock);
    bool is_lost = replica->lost;
    pthread_mutex_unlock(&replica->lock);
    return is_lost;
}

static void keep_part(struct replica *replica, int part)
{
    pthread_mutex_lock(&replica->lock);
    replica->kept_part = part;
    pthread_mutex_unlock(&replica->lock);
}

/* --- the keeper --------------------------------------------------------------------------- */

/* Renew once. A lease that ran out is taken anew if nobody else has it. */
static void lease_keep(struct replica *replica, struct container *container, int part)
{
    char name[CONTAINER_NAME_SIZE];
    struct blob_place place;
    struct error error;
    if (part == 0 || replica_place(replica, container, part, name, &place, &error) != 0)
        return;
    place.lease = NULL;
    int rc = blob_lease_acquire(container_service(container), &place, replica->lease,
                                REPLICA_LEASE_S, &error);
    pthread_mutex_lock(&replica->lock);
    /* Of a part that has been left meanwhile nobody needs the lease. */
    if (rc == BLOB_ALREADY && part == replica->kept_part)
        replica->lost = true;
    pthread_mutex_unlock(&replica->lock);
}

static void *keep(void *context)
{
    struct replica *replica = context;
    struct error error;
    struct container *container =
        container_open(replica->options.store, replica->options.run, &patience, &error);
    pthread_mutex_lock(&replica->lock);
    while (container && !replica->closing && !replica->lost) {
        int part = replica->kept_part;
        pthread_mutex_unlock(&replica->lock);
        lease_keep(replica, container, part);
        pthread_mutex_lock(&replica->lock);
        thread_wait(&replica->changed, &replica->lock, &replica->closing,
                    thread_deadline(REPLICA_LEASE_S * CLOCK_SECOND_NS / 3));
    }
    pthread_mutex_unlock(&replica->lock);
    container_close(container);
    return NULL;
}

static int keeper_start(struct replica *replica, struct error *ret_error)
{
    int rc = thread_start(&replica->keeper, keep, replica);
    replica->keeper_runs = rc == 0;
    return rc == 0 ? 0
                   : error_errno(ret_error, rc, "cannot start a thread for the journal's copy");
}

/* --- opening and closing ------------------------------------------------------------------ */

struct replica *replica_open(const struct replica_options *options, struct error *ret_error)
{
    struct replica *replica = calloc(1, sizeof(*replica));
    if (!replica) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the journal's copy");
        return NULL;
    }
    pthread_mutex_init(&replica->lock, NULL);
    thread_condition_init(&replica->changed);
    buf_init(&replica->pending, PENDING_MAX);
    replica->options = *options;
    replica->options.store = strdup(options->store);
    replica->options.run = strdup(options->run);
    if (!replica->options.wait_s)
        replica->options.wait_s = 4 * REPLICA_LEASE_S;
    if (!replica->options.appends)
        replica->options.appends = REPLICA_APPENDS;
    if (!replica->options.store || !replica->options.run)
        error_set(ret_error, ERROR_SYSTEM, "no memory for the journal's copy");
    else
        replica->container = container_open(options->store, options->run, &patience, ret_error);
    if (replica->container && blob_lease_id_make(replica->lease, ret_error) == 0)
        return replica;
    replica_close(replica);
    return NULL;
}

static void lease_release(struct replica *replica)
{
    char name[CONTAINER_NAME_SIZE];
    struct blob_place place;
    struct error error;
    if (replica->part == 0 || replica->lost ||
        replica_place(replica, replica->container, replica->part, name, &place, &error) != 0)
        return;
    place.lease = NULL;
    blob_lease_release(container_service(replica->container), &place, replica->lease, &error);
}

void replica_close(struct replica *replica)
{
    if (!replica)
        return;
    if (replica->keeper_runs) {
        pthread_mutex_lock(&replica->lock);
        replica->closing = true;
        pthread_cond_signal(&replica->changed);
        pthread_mutex_unlock(&replica->lock);
        pthread_join(replica->keeper, NULL);
    }
    if (replica->container)
        lease_release(replica);
    container_close(replica->container);
    secret_free((char *)replica->options.store);
    free((char *)replica->options.run);
    buf_fini(&replica->pending);
    pthread_cond_destroy(&replica->changed);
    pthread_mutex_destroy(&replica->lock);
    free(replica);
}

/* --- taking over -------------------------------------------------------------------------- */

/* The lease's id is kept beside the journal: a master that is started again on this disk (and has
 * the journal's lock) may go on with its predecessor's lease. */
static void lease_remember(struct replica *replica, const char *path)
{
    char *name = NULL, id[BLOB_LEASE_ID_SIZE] = "";
    if (asprintf(&name, "%s.lease", path) < 0)
        return;
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    free(name);
    if (fd < 0)
        return;
    if (pread(fd, id, sizeof(id) - 1, 0) == (ssize_t)sizeof(id) - 1)
        memcpy(replica->lease, id, sizeof(id));
    else if (ftruncate(fd, 0) < 0 ||
             pwrite(fd, replica->lease, sizeof(id) - 1, 0) != (ssize_t)sizeof(id) - 1)
        errno = 0; /* then the next one waits */
    close(fd);
}

/* The last part that there is, looked for behind `part`. -1 with a sentence. */
static int part_find_last(struct replica *replica, int part, struct error *ret_error)
{
    char name[CONTAINER_NAME_SIZE];
    struct blob_place place;
    struct blob_properties properties;
    for (;; part++) {
        if (replica_place(replica, replica->container, part + 1, name, &place, ret_error) != 0)
            return -1;
        int rc = blob_properties_get(container_service(replica->container), &place, &properties,
                                     ret_error);
        if (rc == BLOB_MISSING)
            return part;
        if (rc != 0)
            return -1;
        replica->appends = properties.append_blocks;
    }
}

/* The lease of the last part, waited for. */
static int part_take_last(struct replica *replica, struct error *ret_error)
{
    int64_t until_ns =
        clock_monotonic_ns() + (int64_t)replica->options.wait_s * CLOCK_SECOND_NS;
    replica->part = part_find_last(replica, 0, ret_error);
    while (replica->part > 0) {
        int rc = replica_lease_take(replica, replica->part, ret_error);
        int last = rc == 0 ? part_find_last(replica, replica->part, ret_error) : replica->part;
        if (rc == 0 && last == replica->part)
            return 0;
        if (rc != 0 && rc != BLOB_ALREADY)
            return -1;
        if (rc == BLOB_ALREADY && clock_monotonic_ns() > until_ns)
            return error_prefix(ret_error, "another master of this farm is at work");
        if (rc == BLOB_ALREADY)
            nanosleep(&(struct timespec){.tv_sec = WAIT_STEP_S}, NULL);
        replica->part = last;
    }
    return replica->part < 0 ? -1 : 0;
}

int replica_restore(void *context, const char *path, struct error *ret_error)
{
    struct replica *replica = context;
    lease_remember(replica, path);
    if (part_take_last(replica, ret_error) != 0)
        goto failed;
    replica->found = replica->part > 0;
    if (replica_read(replica, path, ret_error) != 0)
        goto failed;
    keep_part(replica, replica->part);
    return keeper_start(replica, ret_error);
failed:
    replica->part = 0; /* nothing to release, or not ours */
    return error_prefix(ret_error, "the journal's copy in the container");
}

/* --- appending ---------------------------------------------------------------------------- */

/* The next part: made, and leased by us. Whoever made it first is the master. */
static int part_begin(struct replica *replica, struct error *ret_error)
{
    char name[CONTAINER_NAME_SIZE];
    struct blob_place place;
    uint64_t size = 0;
    int part = replica->part + 1;
    if (replica_place(replica, replica->container, part, name, &place, ret_error) != 0)
        return -1;
    place.lease = NULL; /* there is none yet */
    if (blob_append_create(container_service(replica->container), &place, &size, ret_error) !=
        0)
        return -1;
    int rc = replica_lease_take(replica, part, ret_error);
    if (rc == BLOB_ALREADY || (rc == 0 && size > 0))
        return lost(replica, ret_error);
    if (rc != 0)
        return -1;
    replica->part = part;
    replica->position = 0;
    replica->appends = 0;
    replica->torn = false;
    keep_part(replica, part);
    return 0;
}

/* An append was refused: is it still for us to write? */
static int ask_whose(struct replica *replica, struct error *ret_error)
{
    struct error error;
    int rc = replica_lease_take(replica, replica->part, &error);
    return rc == BLOB_ALREADY ? lost(replica, ret_error) : -1;
}

/* Append what is pending. What was appended of it before stays appended. */
static int pending_append(struct replica *replica, struct error *ret_error)
{
    char name[CONTAINER_NAME_SIZE];
    struct blob_place place;
    if (replica_place(replica, replica->container, replica->part, name, &place, ret_error) != 0)
        return -1;
    while (replica->sent < replica->pending.size) {
        size_t size = replica->pending.size - replica->sent;
        size = size < BLOB_APPEND_MAX ? size : BLOB_APPEND_MAX;
        int rc = blob_append(container_service(replica->container), &place, &replica->position,
                             replica->pending.data + replica->sent, size, ret_error);
        if (rc == BLOB_ALREADY)
            return lost(replica, ret_error);
        if (rc != 0)
            return ask_whose(replica, ret_error);
        replica->sent += size;
        replica->appends++;
    }
    if (replica->pending.capacity > KEEP_BYTES)
        buf_fini(&replica->pending);
    buf_clear(&replica->pending);
    replica->sent = 0;
    return 0;
}

/* Leave a part that is full, or that ends within a frame. Goes on where it failed before. */
static int part_turn(struct replica *replica, struct error *ret_error)
{
    if (!replica->turning && !replica->torn) {
        if (replica_put_mark(&replica->pending, replica->number, REPLICA_TURN) != 0) {
            buf_clear(&replica->pending);
            return error_set(ret_error, ERROR_SYSTEM, "no memory for the journal's copy");
        }
        replica->number++;
    }
    replica->turning = true;
    if (pending_append(replica, ret_error) != 0 || part_begin(replica, ret_error) != 0)
        return -1;
    replica->turning = false;
    return 0;
}

static bool part_is_full(const struct replica *replica)
{
    return replica->torn || replica->appends >= replica->options.appends ||
           replica->position >= REPLICA_BYTES;
}

static int group_encode(struct replica *replica, const struct journal_row *rows, size_t count,
                        struct error *ret_error)
{
    uint64_t number = replica->number;
    for (size_t done = 0, taken; done < count; done += taken) {
        taken = replica_put_rows(&replica->pending, number++, rows + done, count - done);
        if (taken == 0) {
            buf_clear(&replica->pending);
            return error_set(ret_error, ERROR_SYSTEM, "no memory for the journal's copy");
        }
    }
    replica->number = number;
    return 0;
}

/* See to it that there is a part to write to, and that it is ours. */
static int room_make(struct replica *replica, struct error *ret_error)
{
    if (replica_is_lost(replica))
        return lost(replica, ret_error);
    if (replica->turning || (replica->pending.size == 0 && part_is_full(replica)))
        return part_turn(replica, ret_error);
    return 0;
}

int replica_forget(struct replica *replica, struct error *ret_error)
{
    if (!replica->found)
        return error_set(ret_error, ERROR_USAGE,
                         "no task has ended yet: the container has no journal");
    if (room_make(replica, ret_error) != 0)
        return -1;
    if (replica_put_mark(&replica->pending, replica->number, REPLICA_FORGET) != 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the journal's copy");
    replica->number++;
    return pending_append(replica, ret_error);
}

int replica_append(void *context, const struct journal_row *rows, size_t count,
                   struct error *ret_error)
{
    struct replica *replica = context;
    if (room_make(replica, ret_error) != 0)
        return -1;
    /* If there is something, the call before failed: it was of this very group. */
    if (replica->pending.size == 0 && group_encode(replica, rows, count, ret_error) != 0)
        return -1;
    return pending_append(replica, ret_error);
}

int replica_begin(struct replica *replica, const struct journal *journal,
                  struct error *ret_error)
{
    static const char *const keys[] = {"farm",  "farm_file", "params",    "results",
                                       "brief", "run",       "created_ns"};
    const char *texts[2 * sizeof(keys) / sizeof(*keys)];
    size_t count = 0;
    if (replica->found)
        return 0;
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        const char *value = journal_meta_get(journal, keys[i]);
        if (value) {
            texts[count++] = keys[i];
            texts[count++] = value;
        }
    }
    if (part_begin(replica, ret_error) != 0)
        return error_prefix(ret_error, "the journal's copy in the container");
    if (replica_put_meta(&replica->pending, replica->number, texts, count) != 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the journal's copy");
    replica->number++;
    return pending_append(replica, ret_error);
}

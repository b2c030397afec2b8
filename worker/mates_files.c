/*
 * A task's directory goes to all mates side by side, each at its own pace: for each there is a
 * cursor in the list of what is to be sent, and as much is sent as may be under way. Files that
 * have a second name (hard links to the worker's cache) stay with the mates, and are sent once.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"
#include "worker/inside.h"
#include "worker/mates_private.h"

/* --- What mates keep --- */

/* Where `key` stands, or belongs. */
static size_t known_place(const struct peer *peer, const char *key, bool *ret_there)
{
    size_t low = 0, high = peer->known_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(peer->known[middle], key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_there = low < peer->known_count && strcmp(peer->known[low], key) == 0;
    return low;
}

/* True if it was known already. Without memory it is just sent again. */
static bool known_add(struct peer *peer, const char *key)
{
    bool there;
    size_t place = known_place(peer, key, &there);
    if (there)
        return true;
    if (peer->known_count == peer->known_capacity) {
        size_t wanted = peer->known_capacity * 2 + 64;
        char **grown = realloc(peer->known, wanted * sizeof *grown);
        if (!grown)
            return false;
        peer->known = grown;
        peer->known_capacity = wanted;
    }
    char *copy = strdup(key);
    if (!copy)
        return false;
    memmove(peer->known + place + 1, peer->known + place,
            (peer->known_count - place) * sizeof *peer->known);
    peer->known[place] = copy;
    peer->known_count++;
    return false;
}

static void known_clear(struct peer *peer)
{
    while (peer->known_count)
        free(peer->known[--peer->known_count]);
    free(peer->known);
    peer->known = NULL;
    peer->known_capacity = 0;
}

static void peer_reset(struct peer *peer)
{
    if (peer->out_fd >= 0)
        close(peer->out_fd);
    if (peer->incoming.fd >= 0)
        close(peer->incoming.fd);
    peer->out_fd = peer->incoming.fd = -1;
    peer->incoming.left = 0;
    peer->phase = MATES_IDLE;
}

void mates_files_forget(struct peer *peer)
{
    peer_reset(peer);
    known_clear(peer);
}

/* --- Steps --- */

/* Have `done` called from the loop. */
static void task_end(struct mates *mates, const struct error *error)
{
    if (!mates->done)
        return;
    if (error && !mates->error.code)
        mates->error = *error;
    loop_timer_arm(mates->later, clock_monotonic_ns());
}

static void task_fail(struct peer *peer, const struct error *error)
{
    struct error why = *error;
    error_prefix(&why, "node %s", peer->host);
    known_clear(peer);
    task_end(peer->mates, &why);
}

static void phase_enter(struct peer *peer, enum mates_phase phase)
{
    struct mates *mates = peer->mates;
    peer->phase = phase;
    if (phase != MATES_READY && phase != MATES_GATHERED)
        return;
    for (size_t i = 0; i < mates->peer_count; i++)
        if (mates->peers[i].phase != phase)
            return;
    task_end(mates, NULL);
}

/* Nothing can be had of nodes that are gone. */
static bool all_there(struct mates *mates)
{
    struct error error;
    for (size_t i = 0; i < mates->peer_count; i++)
        if (!mates->peers[i].link) {
            error_set(&error, ERROR_NETWORK, "node %s is lost", mates->peers[i].host);
            task_end(mates, &error);
            return false;
        }
    return true;
}

/* --- Sending a directory --- */

static void mark_name(const struct mates *mates, char name[64])
{
    snprintf(name, 64, ".beofarm-mark-%d-%llu", (int)getpid(), (unsigned long long)mates->turn);
}

void mates_lay(struct mates *mates, const char *directory, int dir_fd, char *const *variables,
               mates_done done, void *context)
{
    struct error error;
    char mark[64];
    uint64_t count = 0;
    mates->turn++;
    mates->dir_fd = dir_fd;
    mates->done = done;
    mates->context = context;
    mates->error.code = ERROR_NONE;
    mark_name(mates, mark);
    snapshot_fini(&mates->snapshot);
    if (!all_there(mates))
        return;
    if (snapshot_take(&mates->snapshot, dir_fd, &error) < 0) {
        task_end(mates, &error);
        return;
    }
    int fd = openat(dir_fd, mark, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        error_errno(&error, errno, "cannot write \"%s\"", mark);
        task_end(mates, &error);
        return;
    }
    close(fd);
    while (variables[count])
        count++;
    for (size_t i = 0; i < mates->peer_count; i++) {
        struct peer *peer = &mates->peers[i];
        mate_begin(&mates->message, MATE_LAY);
        wire_put_varint(&mates->message, mates->turn);
        wire_put_text(&mates->message, directory);
        wire_put_text(&mates->message, mates->stash);
        wire_put_text(&mates->message, mark);
        wire_put_varint(&mates->message, count);
        for (uint64_t j = 0; j < count; j++)
            wire_put_text(&mates->message, variables[j]);
        peer->phase = MATES_ASKED;
        mates_send(peer);
        mates_flush(peer);
    }
}

/* A name for a file's content, if others will have it, too. */
static void key_put(const struct stat *stat, char key[128])
{
    key[0] = 0;
    if (stat->st_nlink > 1)
        snprintf(key, 128, "%llx-%llx-%llx-%llx.%lx", (unsigned long long)stat->st_dev,
                 (unsigned long long)stat->st_ino, (unsigned long long)stat->st_size,
                 (unsigned long long)stat->st_mtim.tv_sec,
                 (unsigned long)stat->st_mtim.tv_nsec);
}

/* The file at the cursor. It is read later unless the mate has it. */
static int file_begin(struct peer *peer, const struct snapshot_item *item,
                      struct error *ret_error)
{
    struct mates *mates = peer->mates;
    struct stat stat;
    char key[128];
    int fd = inside_open_file(mates->dir_fd, item->path, &stat);
    if (fd < 0)
        return error_errno(ret_error, errno, "cannot read \"%s\"", item->path);
    key_put(&stat, key);
    bool known = *key && known_add(peer, key);
    mate_begin(&mates->message, MATE_FILE);
    wire_put_text(&mates->message, item->path);
    wire_put_u32(&mates->message, stat.st_mode & 07777);
    wire_put_varint(&mates->message, (uint64_t)stat.st_size);
    wire_put_text(&mates->message, key);
    wire_put_u8(&mates->message, known);
    mates_send(peer);
    if (known || stat.st_size == 0) {
        close(fd);
        peer->cursor++;
        return 0;
    }
    peer->out_fd = fd;
    peer->offset = 0;
    peer->incoming.left = (uint64_t)stat.st_size;
    return 0;
}

static int file_go_on(struct peer *peer, const struct snapshot_item *item,
                      struct error *ret_error)
{
    static char bytes[MATE_PIECE]; /* one loop, one thread */
    struct buf *message = &peer->mates->message;
    size_t wanted = peer->incoming.left < MATE_PIECE ? (size_t)peer->incoming.left : MATE_PIECE;
    ssize_t got = pread(peer->out_fd, bytes, wanted, (off_t)peer->offset);
    if (got <= 0)
        return error_errno(ret_error, got < 0 ? errno : EIO, "cannot read \"%s\"", item->path);
    mate_begin(message, MATE_BYTES);
    wire_put_bytes(message, bytes, (size_t)got);
    mates_send(peer);
    peer->offset += (uint64_t)got;
    peer->incoming.left -= (uint64_t)got;
    if (peer->incoming.left == 0) {
        close(peer->out_fd);
        peer->out_fd = -1;
        peer->cursor++;
    }
    return 0;
}

static int link_send_item(struct peer *peer, const struct snapshot_item *item,
                          struct error *ret_error)
{
    struct mates *mates = peer->mates;
    char target[PATH_MAX];
    ssize_t size = readlinkat(mates->dir_fd, item->path, target, sizeof target);
    if (size < 0 || size == sizeof target)
        return error_errno(ret_error, size < 0 ? errno : ENAMETOOLONG, "cannot read \"%s\"",
                           item->path);
    mate_begin(&mates->message, MATE_LINK);
    wire_put_text(&mates->message, item->path);
    wire_put_bytes(&mates->message, target, (size_t)size);
    mates_send(peer);
    peer->cursor++;
    return 0;
}

static int item_send(struct peer *peer, struct error *ret_error)
{
    struct mates *mates = peer->mates;
    if (peer->cursor == mates->snapshot.count) {
        mate_begin(&mates->message, MATE_LAID);
        mates_send(peer);
        peer->phase = MATES_CHECKING;
        return 0;
    }
    const struct snapshot_item *item = &mates->snapshot.items[peer->cursor];
    if (peer->out_fd >= 0)
        return file_go_on(peer, item, ret_error);
    if (S_ISREG(item->stat.st_mode))
        return file_begin(peer, item, ret_error);
    if (S_ISLNK(item->stat.st_mode))
        return link_send_item(peer, item, ret_error);
    mate_begin(&mates->message, MATE_FOLDER);
    wire_put_text(&mates->message, item->path);
    wire_put_u32(&mates->message, item->stat.st_mode & 07777);
    mates_send(peer);
    peer->cursor++;
    return 0;
}

void mates_files_feed(struct peer *peer)
{
    struct error error;
    while (peer->link && peer->phase == MATES_LAYING &&
           link_unsent_bytes(peer->link) < MATE_UNSENT)
        if (item_send(peer, &error) < 0) {
            peer_reset(peer);
            task_end(peer->mates, &error);
        }
}

/* --- Taking what has changed --- */

void mates_gather(struct mates *mates, mates_done done, void *context)
{
    mates->done = done;
    mates->context = context;
    mates->error.code = ERROR_NONE;
    if (!all_there(mates))
        return;
    for (size_t i = 0; i < mates->peer_count; i++) {
        struct peer *peer = &mates->peers[i];
        mate_begin(&mates->message, MATE_GATHER);
        peer->phase = MATES_GATHERING;
        mates_send(peer);
        mates_flush(peer);
    }
}

/* Is there a file of our own task's making? */
static bool is_ours(const struct mates *mates, const char *path)
{
    struct stat stat;
    return inside_stat(mates->dir_fd, path, &stat) == 0 &&
           snapshot_differs(&mates->snapshot, path, &stat);
}

static int changed_take(struct peer *peer, struct wire_reader *reader)
{
    struct mates *mates = peer->mates;
    struct error error;
    char clean[PATH_MAX], *path = mate_get_text(reader);
    uint32_t mode = wire_get_u32(reader);
    uint64_t size = wire_get_varint(reader);
    int rc = path && !reader->failed && peer->incoming.left == 0 &&
                     inside_clean_path(path, clean, sizeof clean, &error) == 0
                 ? 0
                 : -1;
    free(path);
    if (rc < 0)
        return -1;
    peer->incoming.left = size;
    if (is_ours(mates, clean))
        return 0;
    int made = inside_make_parents(mates->dir_fd, clean, &error);
    if (made == 0)
        peer->incoming.fd = inside_create_file(mates->dir_fd, clean, mode);
    if (made == 0 && peer->incoming.fd < 0)
        made = error_errno(&error, errno, "cannot write \"%s\"", clean);
    if (made < 0)
        task_fail(peer, &error);
    if (size == 0 && peer->incoming.fd >= 0) {
        close(peer->incoming.fd);
        peer->incoming.fd = -1;
    }
    return 0;
}

static int content_take(struct peer *peer, struct wire_reader *reader)
{
    struct incoming *incoming = &peer->incoming;
    struct error error;
    size_t size;
    const void *bytes = wire_get_bytes(reader, &size);
    if (reader->failed || size > incoming->left)
        return -1;
    incoming->left -= size;
    if (incoming->fd >= 0 && fd_write(incoming->fd, bytes, size) < 0) {
        error_errno(&error, errno, "cannot write what the task has left on it");
        task_fail(peer, &error);
    }
    if (incoming->left == 0 && incoming->fd >= 0) {
        close(incoming->fd);
        incoming->fd = -1;
    }
    return 0;
}

/* --- What mates say --- */

static int seen_take(struct peer *peer, struct wire_reader *reader)
{
    struct mates *mates = peer->mates;
    char mark[64];
    bool shared = wire_get_u8(reader);
    if (reader->failed || peer->phase != MATES_ASKED)
        return -1;
    peer->cursor = 0;
    peer->phase = MATES_LAYING;
    if (shared)
        phase_enter(peer, MATES_READY);
    mark_name(mates, mark);
    for (size_t i = 0; i < mates->peer_count; i++)
        if (mates->peers[i].phase == MATES_ASKED)
            return 0;
    unlinkat(mates->dir_fd, mark, 0);
    return 0;
}

static int failed_take(struct peer *peer, struct wire_reader *reader)
{
    struct error error;
    char *sentence = mate_get_text(reader);
    if (!sentence)
        return -1;
    error_set(&error, ERROR_TASKS, "%s", sentence);
    free(sentence);
    peer_reset(peer);
    task_fail(peer, &error);
    return 0;
}

int mates_files_take(struct peer *peer, enum mate_message type, struct wire_reader *reader)
{
    uint64_t turn = wire_get_varint(reader);
    if (reader->failed)
        return -1;
    if (turn != peer->mates->turn || peer->phase == MATES_IDLE)
        return 0; /* of a task that is over */
    switch (type) {
    case MATE_SEEN:
        return seen_take(peer, reader);
    case MATE_HERE:
        if (peer->phase != MATES_CHECKING)
            return -1;
        phase_enter(peer, MATES_READY);
        return 0;
    case MATE_FAILED:
        return failed_take(peer, reader);
    case MATE_CHANGED:
        return peer->phase == MATES_GATHERING ? changed_take(peer, reader) : -1;
    case MATE_CONTENT:
        return peer->phase == MATES_GATHERING ? content_take(peer, reader) : -1;
    case MATE_GATHERED:
        if (peer->phase != MATES_GATHERING || peer->incoming.left)
            return -1;
        phase_enter(peer, MATES_GATHERED);
        return 0;
    default:
        return -1;
    }
}

void mates_clear(struct mates *mates)
{
    char mark[64];
    mates->done = NULL;
    loop_timer_disarm(mates->later);
    mark_name(mates, mark);
    if (mates->dir_fd >= 0)
        unlinkat(mates->dir_fd, mark, 0);
    mates->dir_fd = -1;
    for (size_t i = 0; i < mates->peer_count; i++) {
        struct peer *peer = &mates->peers[i];
        peer_reset(peer);
        mate_begin(&mates->message, MATE_CLEAR);
        mates_send(peer);
        mates_flush(peer);
    }
    snapshot_fini(&mates->snapshot);
}

/*
 * Most farms of tiny tasks need an empty directory and no more, and making and removing one costs
 * a tenth of starting a process. So one that is empty at its task's end is kept as the slot's
 * spare, for the next task. That is why directories are numbered, and not named after tasks: to
 * rename one costs a quarter of that again.
 *
 * What the manifest puts into every directory is worked out once: the directories to make,
 * parents first, and the files.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/tree.h"
#include "common/umask.h"
#include "worker/workdir_private.h"

/* Less than this is none: file systems keep some for themselves. */
#define ROOM_BYTES (UINT64_C(1) << 20)
#define ROOM_FILES 16
#define FULL_NS    CLOCK_SECOND_NS /* so long is a moment */

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Add the directories above `path` to the list; those already there are added again. */
static int add_parents(struct workplace *place, const char *path, size_t *capacity)
{
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        if (place->dir_count == *capacity) {
            size_t wanted = *capacity * 2 + 16;
            char **grown = realloc(place->dirs, wanted * sizeof(*grown));
            if (!grown)
                return -1;
            place->dirs = grown;
            *capacity = wanted;
        }
        char *dir = strndup(path, (size_t)(slash - path));
        if (!dir)
            return -1;
        place->dirs[place->dir_count++] = dir;
    }
    return 0;
}

/* Sort the directories (a parent is a prefix, so it comes first) and keep each once. */
static void sort_dirs(struct workplace *place)
{
    size_t kept = 0;
    if (place->dir_count)
        qsort(place->dirs, place->dir_count, sizeof(*place->dirs), compare_texts);
    for (size_t i = 0; i < place->dir_count; i++) {
        if (kept && strcmp(place->dirs[kept - 1], place->dirs[i]) == 0)
            free(place->dirs[i]);
        else
            place->dirs[kept++] = place->dirs[i];
    }
    place->dir_count = kept;
}

static int plan_common(struct workplace *place)
{
    size_t count = manifest_count(place->manifest), capacity = 0;
    place->common = calloc(count + 1, sizeof(*place->common));
    place->hashes = calloc(count + 1, sizeof(*place->hashes));
    place->copied = calloc(count + 1, sizeof(*place->copied));
    if (!place->common || !place->hashes || !place->copied)
        return -1;
    for (size_t i = 0; i < count; i++) {
        const struct manifest_file *file = manifest_get(place->manifest, i);
        if (!file->common)
            continue;
        memcpy(place->hashes[place->common_count], file->hash, MESSAGE_HASH_SIZE);
        place->common[place->common_count++] = file;
        if (add_parents(place, file->path, &capacity) < 0)
            return -1;
    }
    sort_dirs(place);
    return 0;
}

struct workplace *workplace_create(const char *root, struct cache *cache,
                                   const struct manifest *manifest, struct error *ret_error)
{
    if (tree_make(root, ret_error) < 0)
        return NULL;
    struct workplace *place = calloc(1, sizeof(*place));
    if (!place) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the work directories");
        return NULL;
    }
    place->cache = cache;
    place->manifest = manifest;
    place->root_fd = -1;
    place->dir_mode = 0777 & ~umask_get();
    place->root = realpath(root, NULL);
    if (place->root)
        place->root_fd = open(place->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (place->root_fd < 0 || faccessat(place->root_fd, ".", W_OK, AT_EACCESS) < 0) {
        error_errno(ret_error, errno, "the work directory \"%s\" cannot be used", root);
        goto failed;
    }
    if (plan_common(place) < 0) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the list of common files");
        goto failed;
    }
    if (!(place->sweeper = sweeper_create(place->root_fd, ret_error)))
        goto failed;
    return place;
failed:
    workplace_destroy(place);
    return NULL;
}

void workplace_destroy(struct workplace *place)
{
    if (!place)
        return;
    for (size_t i = 0; i < place->slot_count; i++) {
        char name[32];
        snprintf(name, sizeof(name), "slot-%zu", i);
        if (*place->spares[i].name)
            close(place->spares[i].fd);
        if (place->slot_dirs[i])
            sweeper_take(place->sweeper, name);
        free(place->slot_dirs[i]);
    }
    sweeper_destroy(place->sweeper);
    for (size_t i = 0; i < place->dir_count; i++)
        free(place->dirs[i]);
    if (place->root_fd >= 0)
        close(place->root_fd);
    free(place->slot_dirs);
    free(place->spares);
    free(place->dirs);
    free(place->common);
    free(place->hashes);
    free(place->copied);
    free(place->root);
    free(place);
}

struct cache *workplace_cache(struct workplace *place)
{
    return place->cache;
}

const struct manifest *workplace_manifest(const struct workplace *place)
{
    return place->manifest;
}

size_t workplace_common(const struct workplace *place,
                        const uint8_t (**ret_hashes)[MESSAGE_HASH_SIZE])
{
    *ret_hashes = (const uint8_t(*)[MESSAGE_HASH_SIZE])place->hashes;
    return place->common_count;
}

static int make_slot_dir(struct workplace *place, uint32_t slot, struct error *ret_error)
{
    char name[32];
    snprintf(name, sizeof(name), "slot-%u", slot);
    sweeper_take(place->sweeper, name); /* what an earlier worker left */
    if (mkdirat(place->root_fd, name, 0777) < 0)
        return error_errno(ret_error, errno, "cannot make \"%s/%s\"", place->root, name);
    if (asprintf(&place->slot_dirs[slot], "%s/%s", place->root, name) < 0) {
        place->slot_dirs[slot] = NULL;
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    }
    return 0;
}

static int make_room_for_slot(struct workplace *place, uint32_t slot, struct error *ret_error)
{
    size_t count = (size_t)slot + 1, more = count - place->slot_count;
    char **dirs = realloc(place->slot_dirs, count * sizeof(*dirs));
    if (dirs)
        place->slot_dirs = dirs;
    struct spare *spares = dirs ? realloc(place->spares, count * sizeof(*spares)) : NULL;
    if (!spares)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu slots", count);
    place->spares = spares;
    memset(dirs + place->slot_count, 0, more * sizeof(*dirs));
    memset(spares + place->slot_count, 0, more * sizeof(*spares));
    place->slot_count = count;
    return 0;
}

const char *workplace_slot_dir(struct workplace *place, uint32_t slot, struct error *ret_error)
{
    if (slot >= place->slot_count && make_room_for_slot(place, slot, ret_error) < 0)
        return NULL;
    if (!place->slot_dirs[slot] && make_slot_dir(place, slot, ret_error) < 0)
        return NULL;
    return place->slot_dirs[slot];
}

/* --- Room --- */

static bool has_room(const struct workplace *place)
{
    struct statvfs disk;
    /* Some have no limit, or do not tell it, and say 0 of all. */
    if (fstatvfs(place->root_fd, &disk) < 0 || disk.f_blocks == 0)
        return true;
    bool root = geteuid() == 0;
    uint64_t blocks = root ? disk.f_bfree : disk.f_bavail;
    uint64_t files = root ? disk.f_ffree : disk.f_favail;
    /* Some have as many files as there is room for, and say 0. */
    return blocks * disk.f_frsize >= ROOM_BYTES && (disk.f_files == 0 || files >= ROOM_FILES);
}

void workplace_look(struct workplace *place)
{
    if (!has_room(place))
        place->full_ns = clock_monotonic_ns();
}

bool workplace_is_full(const struct workplace *place)
{
    return !has_room(place) ||
           (place->full_ns && clock_monotonic_ns() - place->full_ns < FULL_NS);
}

/* --- Spares --- */

static bool is_empty(int fd)
{
    char entries[1024];
    if (lseek(fd, 0, SEEK_SET) < 0)
        return false;
    /* "." and ".." take 48 bytes; anything else makes it more. */
    ssize_t got = syscall(SYS_getdents64, fd, entries, sizeof(entries));
    return got >= 0 && got <= 48;
}

bool workplace_keep_spare(struct workplace *place, const struct workdir *workdir)
{
    struct stat stat;
    struct spare *spare = &place->spares[workdir->slot];
    if (*spare->name || !is_empty(workdir->fd) ||
        fstatat(place->root_fd, workdir->name, &stat, AT_SYMLINK_NOFOLLOW) < 0 ||
        stat.st_ino != workdir->inode || (stat.st_mode & 07777) != place->dir_mode)
        return false;
    spare->fd = workdir->fd;
    spare->inode = workdir->inode;
    memcpy(spare->name, workdir->name, sizeof(spare->name));
    return true;
}

bool workplace_take_spare(struct workplace *place, struct workdir *workdir)
{
    struct spare *spare = &place->spares[workdir->slot];
    if (!*spare->name)
        return false;
    workdir->fd = spare->fd;
    workdir->inode = spare->inode;
    memcpy(workdir->name, spare->name, sizeof(workdir->name));
    spare->name[0] = 0;
    return true;
}

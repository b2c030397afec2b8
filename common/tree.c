/*
 * Removal goes depth first with one open folder per level. A tree deeper than REMOVE_DEPTH would
 * run out of descriptors (a model may make one by mistake, mkdir a; cd a; ...), so what lies
 * deeper is first moved up to the top, where the same loop finds it.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/tree.h"

#define REMOVE_DEPTH 60
#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

int tree_make(const char *path, struct error *ret_error)
{
    char *part = strdup(path);
    struct stat status;
    int rc = 0;
    if (!part)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    for (char *end = part[0] ? part : NULL; rc == 0 && end;) {
        end = strchr(end + 1, '/');
        if (end)
            *end = 0;
        if (mkdir(part, 0777) < 0 && errno != EEXIST && errno != EISDIR)
            rc = error_errno(ret_error, errno, "the folder \"%s\" cannot be made", part);
        if (end)
            *end = '/';
    }
    if (rc == 0 && (stat(path, &status) < 0 || !S_ISDIR(status.st_mode)))
        rc = error_set(ret_error, ERROR_SYSTEM, "\"%s\" cannot be made: it is no folder", path);
    free(part);
    return rc;
}

/* --- Removing --- */

struct removal {
    int top_fd;     /* the folder that is being removed */
    size_t left;    /* removals that may still be done */
    uint64_t moved; /* how many subtrees were moved up, for their names */
    bool moved_now; /* something was moved up in this pass */
};

bool tree_is_dots(const char *name)
{
    return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* Give ourselves all permissions of the folder, and of no other that takes its place. */
static int permit(int dir_fd, const char *name)
{
    char path[64];
    int fd = openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd); /* fchmod refuses O_PATH */
    int rc = chmod(path, 0700);
    int saved = errno;
    close(fd);
    errno = saved;
    return rc;
}

/* Open a folder that may forbid us to. */
static int folder_open(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, FOLDER_FLAGS);
    if (fd >= 0 || errno != EACCES || permit(dir_fd, name) < 0)
        return fd;
    return openat(dir_fd, name, FOLDER_FLAGS);
}

static int move_up(struct removal *removal, int dir_fd, const char *name)
{
    char up[64];
    do
        snprintf(up, sizeof up, ".beofarm-removing-%llu", (unsigned long long)removal->moved++);
    while (faccessat(removal->top_fd, up, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
    removal->moved_now = true;
    if (renameat(dir_fd, name, removal->top_fd, up) == 0)
        return 0;
    /* A folder changes its parent only for those who may write into it. */
    if (errno != EACCES || permit(dir_fd, name) < 0)
        return -1;
    return renameat(dir_fd, name, removal->top_fd, up);
}

/* Remove what has no content. 0; 1 if it is a folder that has some; -1. */
static int unlink_entry(struct removal *removal, int dir_fd, const char *name, int type)
{
    if (type != DT_DIR) {
        if (unlinkat(dir_fd, name, 0) == 0) {
            removal->left--;
            return 0;
        }
        if (errno != EISDIR && errno != EPERM)
            return errno == ENOENT ? 0 : -1;
    }
    if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0) {
        removal->left--;
        return 0;
    }
    return errno == ENOTEMPTY || errno == EEXIST ? 1 : errno == ENOENT ? 0 : -1;
}

static int remove_content(struct removal *removal, int dir_fd, unsigned depth);

static int remove_entry(struct removal *removal, int dir_fd, const char *name, int type,
                        unsigned depth)
{
    if (!removal->left)
        return 1;
    int rc = unlink_entry(removal, dir_fd, name, type);
    if (rc != 1)
        return rc;
    if (depth >= REMOVE_DEPTH)
        return move_up(removal, dir_fd, name);
    int fd = folder_open(dir_fd, name);
    if (fd < 0)
        return -1;
    rc = remove_content(removal, fd, depth + 1); /* closes fd */
    if (rc != 0)
        return rc;
    return unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

/* Remove all in the folder open at dir_fd, and close it. 0; 1 if `left` has run out; -1 with errno
 * if something cannot be removed. */
static int remove_content(struct removal *removal, int dir_fd, unsigned depth)
{
    DIR *dir = fdopendir(dir_fd);
    if (!dir) {
        close(dir_fd);
        return -1;
    }
    int rc = 0, worst = 0;
    bool permitted = false;
    for (struct dirent *entry; rc != 1 && (entry = readdir(dir));) {
        if (tree_is_dots(entry->d_name))
            continue;
        rc = remove_entry(removal, dir_fd, entry->d_name, entry->d_type, depth);
        if (rc < 0 && errno == EACCES && !permitted) { /* a folder that we may not write */
            permitted = true;
            fchmod(dir_fd, 0700);
            rc = remove_entry(removal, dir_fd, entry->d_name, entry->d_type, depth);
        }
        if (rc < 0)
            worst = errno;
    }
    closedir(dir);
    errno = worst;
    return rc == 1 ? 1 : worst ? -1 : 0;
}

/* One pass over all that lies in dir_fd/name. */
static int remove_pass(struct removal *removal, int dir_fd, const char *name)
{
    removal->moved_now = false;
    removal->top_fd = folder_open(dir_fd, name);
    if (removal->top_fd < 0)
        return -1;
    int copy = fcntl(removal->top_fd, F_DUPFD_CLOEXEC, 3);
    int rc = copy < 0 ? -1 : remove_content(removal, copy, 0); /* closes copy */
    int saved = errno;
    close(removal->top_fd);
    errno = saved;
    return rc;
}

int tree_remove_some(int dir_fd, const char *name, size_t most)
{
    struct removal removal = {.left = most};
    int rc;
    if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0; /* often an empty folder, or none */
    if (errno == ENOTDIR)
        return unlinkat(dir_fd, name, 0);
    if (errno != ENOTEMPTY && errno != EEXIST)
        return -1;
    do {
        rc = remove_pass(&removal, dir_fd, name);
        if (rc != 0)
            return rc;
    } while (removal.moved_now);
    return unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

int tree_remove(int dir_fd, const char *name)
{
    return tree_remove_some(dir_fd, name, SIZE_MAX);
}

/* --- Syncing --- */

static int sync_entry(int dir_fd, const char *name, unsigned depth);

/* Sync all in the folder open at fd, and close it. */
static int sync_content(int fd, unsigned depth)
{
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return -1;
    }
    int rc = 0, saved = 0;
    while (rc == 0) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry) {
            rc = errno ? -1 : 0;
            saved = errno;
            break;
        }
        if (!tree_is_dots(entry->d_name))
            rc = sync_entry(fd, entry->d_name, depth);
        saved = errno;
    }
    closedir(dir);
    errno = saved;
    return rc;
}

static int sync_entry(int dir_fd, const char *name, unsigned depth)
{
    /* O_NONBLOCK: a FIFO must not hang us. */
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    if (fd < 0)
        return errno == ELOOP ? 0 : -1; /* a link */
    int rc = fsync(fd) < 0 || fstat(fd, &status) < 0 ? -1 : 0;
    if (rc == 0 && S_ISDIR(status.st_mode)) {
        if (depth < TREE_SYNC_DEPTH)
            return sync_content(fd, depth + 1);
        errno = ELOOP;
        rc = -1;
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return rc;
}

int tree_sync(int dir_fd, const char *name)
{
    return sync_entry(dir_fd, name, 0);
}

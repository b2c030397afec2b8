/*
 * Files that workers of this machine linked into RUN_DIR/near (common/near.h), moved to where the
 * pieces of others are written.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/near.h"
#include "master/outputs_private.h"

/* What lies there must be movable to out/, which may be a mount. */
static bool can_be_moved(const struct outputs *outputs, int near_fd)
{
    struct stat near, out;
    int run_fd = open(outputs->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool can = run_fd >= 0 && fstat(near_fd, &near) == 0;

    if (can && fstatat(run_fd, "out", &out, 0) == 0)
        can = near.st_dev == out.st_dev;
    if (run_fd >= 0)
        close(run_fd);
    return can;
}

void outputs_offer_near(struct outputs *outputs, cJSON *job)
{
    char *path = NULL;
    int fd = -1;

    if (asprintf(&path, "%s/" OUTPUTS_NEAR, outputs->run_dir) < 0)
        return;
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && can_be_moved(outputs, fd) && near_put(job, path, fd) == 0) {
        outputs->near_fd = fd;
    } else if (fd >= 0) {
        close(fd);
        rmdir(path);
    }
    free(path);
}

static void link_name(const struct output_link *link, char name[MESSAGE_LINK_MAX + 1])
{
    memcpy(name, link->name, link->name_size);
    name[link->name_size] = 0;
}

void outputs_refuse(struct outputs *outputs, const struct output_link *link)
{
    char name[MESSAGE_LINK_MAX + 1];

    link_name(link, name);
    if (outputs->near_fd >= 0)
        unlinkat(outputs->near_fd, name, 0);
}

/* It is a whole file, with the permissions that it is to have, and no others (setuid). */
static int link_check(struct outputs *outputs, const char *name, const struct output_link *link)
{
    struct stat status;
    int fd = openat(outputs->near_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    mode_t mode = ((link->mode & 0777) | 0600) & ~outputs->mask;
    int rc = fd < 0 ? -1 : fstat(fd, &status);

    if (rc == 0 && (!S_ISREG(status.st_mode) || (uint64_t)status.st_size != link->total_size)) {
        errno = EINVAL;
        rc = -1;
    }
    if (rc == 0 && (status.st_mode & 07777) != mode)
        rc = fchmod(fd, mode);
    if (fd >= 0)
        close(fd);
    return rc;
}

/* Not the worker's fault, and it may be over soon. */
static bool is_trouble_here(int code)
{
    return code == EMFILE || code == ENFILE || code == ENOMEM || code == EIO;
}

/* Where out/ is a mount of its own of the same device, or has become one: the bytes. */
static int name_copy(struct outputs *outputs, const char *name, int dir_fd, const char *leaf)
{
    struct stat status;
    int rc = -1, to = -1, code;
    int from = openat(outputs->near_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (from >= 0 && fstat(from, &status) == 0)
        to = openat(dir_fd, leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    status.st_mode & 0777);
    if (to >= 0)
        rc = fd_copy(from, to);
    code = errno;
    if (rc < 0 && to >= 0)
        unlinkat(dir_fd, leaf, 0);
    if (rc == 0)
        unlinkat(outputs->near_fd, name, 0);
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    errno = code;
    return rc;
}

/* A link replaces nothing; a move that replaces nothing (renameat2) is what NFS and others do not
 * have. */
static int name_move(struct outputs *outputs, const char *name, int dir_fd, const char *leaf)
{
    if (linkat(outputs->near_fd, name, dir_fd, leaf, 0) == 0)
        return unlinkat(outputs->near_fd, name, 0);
    return errno == EXDEV ? name_copy(outputs, name, dir_fd, leaf) : -1;
}

/* Move it to its place. As piece_write. */
static int link_move(struct outputs *outputs, struct arrival_key key,
                     const struct output_link *link, const struct output_piece *piece,
                     char *path, struct error *ret_error)
{
    char name[MESSAGE_LINK_MAX + 1], *leaf;

    link_name(link, name);
    errno = EINVAL;
    int rc = outputs->near_fd < 0 ? -1 : link_check(outputs, name, link), dir_fd = -1;
    if (rc < 0 && !is_trouble_here(errno))
        return outputs_piece_bad(piece, "it was not linked", ret_error);
    if (rc == 0)
        rc = dir_fd = outputs_parent_open(outputs, key, path, &leaf);
    if (dir_fd >= 0)
        rc = name_move(outputs, name, dir_fd, leaf);
    int code = errno;
    if (dir_fd >= 0)
        close(dir_fd);
    if (rc < 0 && (code == EEXIST || code == ENOTDIR || code == ELOOP))
        return outputs_piece_bad(piece, "that file has come already, or its name is in the way",
                                 ret_error);
    if (rc < 0)
        return error_errno(ret_error, code,
                           "cannot move the output %s of task %" PRIu64 " under %s/out", path,
                           key.id.task, outputs->run_dir);
    return 0;
}

int outputs_take(struct outputs *outputs, uint32_t worker, const struct output_link *link,
                 struct error *ret_error)
{
    const struct arrival_key key = {link->id, worker};
    const struct output_piece piece = {.id = link->id,
                                       .path = link->path,
                                       .path_size = link->path_size,
                                       .mode = link->mode,
                                       .total_size = link->total_size};
    bool sealed;
    struct arrival *arrival = arrivals_find(outputs->arrivals, key, &sealed);
    char *path;

    if (sealed)
        return outputs_piece_bad(&piece, "the result has come already", ret_error);
    if (arrival && arrival->path)
        return outputs_piece_bad(&piece, "the file before it is not whole", ret_error);
    if (outputs_path_check(&piece, &path, ret_error) < 0)
        return -1;
    int rc = outputs_folders_make(outputs, ret_error);
    if (rc == 0 && !arrival && !(arrival = arrivals_add(outputs->arrivals, key)))
        rc = error_set(ret_error, ERROR_SYSTEM, "no memory for outputs");
    if (rc == 0)
        rc = link_move(outputs, key, link, &piece, path, ret_error);
    if (rc == 0)
        arrival->files++;
    free(path);
    return rc;
}

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "worker/inside.h"

int inside_clean_path(const char *path, char *clean, size_t size, struct error *ret_error)
{
    size_t used = 0;
    if (path[0] == '/')
        return error_set(ret_error, ERROR_CONFIG,
                         "\"%s\" is absolute, but must be relative to the work directory",
                         path);
    while (*path) {
        size_t length = strcspn(path, "/");
        if (length == 2 && memcmp(path, "..", 2) == 0)
            return error_set(ret_error, ERROR_CONFIG,
                             "a \"..\" would lead out of the work directory");
        if (length > NAME_MAX || used + length + 2 > size)
            return error_set(ret_error, ERROR_CONFIG, "a path is longer than %zu bytes", size);
        if (length && !(length == 1 && path[0] == '.')) {
            if (used)
                clean[used++] = '/';
            memcpy(clean + used, path, length);
            used += length;
        }
        path += length + (path[length] == '/');
    }
    if (!used)
        return error_set(ret_error, ERROR_CONFIG, "a path is empty");
    clean[used] = 0;
    return 0;
}

int inside_make_parents(int dir_fd, const char *path, struct error *ret_error)
{
    char part[PATH_MAX];
    for (size_t i = 0; path[i] && i < sizeof(part); i++) {
        part[i] = path[i];
        if (path[i] != '/')
            continue;
        part[i] = 0;
        if (mkdirat(dir_fd, part, 0777) < 0 && errno != EEXIST)
            return error_errno(ret_error, errno, "cannot make the directory \"%s\"", part);
        part[i] = '/';
    }
    return 0;
}

/* The directory that holds the last name of path: dir_fd itself, or a descriptor to close. */
static int open_parent(int dir_fd, const char *path, const char **ret_name)
{
    int at = dir_fd;
    const char *slash;
    while ((slash = strchr(path, '/'))) {
        char name[NAME_MAX + 1];
        size_t length = (size_t)(slash - path);
        if (length > NAME_MAX) {
            errno = ENAMETOOLONG;
            length = 0;
        }
        memcpy(name, path, length);
        name[length] = 0;
        int next =
            length ? openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
        int saved = errno;
        if (at != dir_fd)
            close(at);
        errno = saved;
        if (next < 0)
            return -1;
        at = next;
        path = slash + 1;
    }
    *ret_name = path;
    return at;
}

int inside_open_file(int dir_fd, const char *path, struct stat *ret_stat)
{
    const char *name;
    int parent = open_parent(dir_fd, path, &name);
    if (parent < 0)
        return -1;
    /* O_NONBLOCK: a FIFO must not hang us before fstat says what it is. */
    int fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    int saved = errno;
    if (fd >= 0 && (fstat(fd, ret_stat) < 0 || !S_ISREG(ret_stat->st_mode))) {
        close(fd);
        fd = -1;
        saved = EINVAL;
    }
    if (parent != dir_fd)
        close(parent);
    errno = saved;
    return fd;
}

/* Close what open_parent gave; errno stays. */
static void close_parent(int dir_fd, int parent)
{
    int saved = errno;
    if (parent != dir_fd)
        close(parent);
    errno = saved;
}

int inside_stat(int dir_fd, const char *path, struct stat *ret_stat)
{
    const char *name;
    int parent = open_parent(dir_fd, path, &name);
    if (parent < 0)
        return -1;
    int rc = fstatat(parent, name, ret_stat, AT_SYMLINK_NOFOLLOW);
    close_parent(dir_fd, parent);
    return rc;
}

int inside_create_file(int dir_fd, const char *path, unsigned mode)
{
    const char *name;
    int parent = open_parent(dir_fd, path, &name), fd = -1;
    if (parent < 0)
        return -1;
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0 && fchmod(fd, mode & 07777) < 0) {
        close(fd);
        fd = -1;
    }
    close_parent(dir_fd, parent);
    return fd;
}

int inside_create_link(int dir_fd, const char *path, const char *target, bool hard)
{
    const char *name;
    int parent = open_parent(dir_fd, path, &name), rc = -1;
    if (parent < 0)
        return -1;
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        rc = hard ? linkat(AT_FDCWD, target, parent, name, 0) : symlinkat(target, parent, name);
    close_parent(dir_fd, parent);
    return rc;
}

#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/tree.h"

#define OPEN_FLAGS (O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)

typedef int tree_visit(int dir_fd, const char *name, int depth);

/* Call `visit` for every entry of the folder; closes fd. */
static int entries_visit(int fd, tree_visit *visit, int depth)
{
    DIR *folder = fdopendir(fd);
    struct dirent *entry;
    int rc = 0, saved;

    if (!folder) {
        close(fd);
        return -1;
    }
    errno = 0;
    while (rc == 0 && (entry = readdir(folder))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            rc = visit(fd, entry->d_name, depth + 1);
        if (rc == 0)
            errno = 0;
    }
    if (errno)
        rc = -1;
    saved = errno;
    closedir(folder);
    errno = saved;
    return rc;
}

static int remove_visit(int dir_fd, const char *name, int depth)
{
    int fd;

    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -1;
    if (depth > TREE_DEPTH_MAX) {
        errno = ELOOP;
        return -1;
    }
    fd = openat(dir_fd, name, OPEN_FLAGS | O_DIRECTORY);
    if (fd < 0 || entries_visit(fd, remove_visit, depth) < 0)
        return -1;
    return unlinkat(dir_fd, name, AT_REMOVEDIR);
}

static int sync_visit(int dir_fd, const char *name, int depth)
{
    int fd = openat(dir_fd, name, OPEN_FLAGS);
    struct stat info;

    if (fd < 0)
        return errno == ELOOP ? 0 : -1; /* a link has nothing of its own to sync */
    if (fsync(fd) < 0 || fstat(fd, &info) < 0)
        goto fail;
    if (!S_ISDIR(info.st_mode)) {
        close(fd);
        return 0;
    }
    if (depth > TREE_DEPTH_MAX) {
        errno = ELOOP;
        goto fail;
    }
    return entries_visit(fd, sync_visit, depth);
fail:
    depth = errno;
    close(fd);
    errno = depth;
    return -1;
}

int tree_remove(int dir_fd, const char *name)
{
    return remove_visit(dir_fd, name, 0);
}

int tree_sync(int dir_fd, const char *name)
{
    return sync_visit(dir_fd, name, 0);
}

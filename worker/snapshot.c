#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/tree.h"
#include "worker/snapshot.h"

#define DEPTH_MAX 128

static int item_add(struct snapshot *snapshot, const char *path, const struct stat *stat)
{
    if (snapshot->count == snapshot->capacity) {
        size_t wanted = snapshot->capacity * 2 + 64;
        struct snapshot_item *grown = realloc(snapshot->items, wanted * sizeof *grown);
        if (!grown)
            return -1;
        snapshot->items = grown;
        snapshot->capacity = wanted;
    }
    struct snapshot_item *item = &snapshot->items[snapshot->count];
    *item = (struct snapshot_item){.path = strdup(path), .stat = *stat};
    snapshot->count += item->path != NULL;
    return item->path ? 0 : -1;
}

static int folder_walk(struct snapshot *snapshot, int parent, const char *name, char *path,
                       size_t size, int depth);

static int entry_see(struct snapshot *snapshot, int dir_fd, const char *name, char *path,
                     size_t size, int depth)
{
    struct stat stat;
    size_t added = strlen(name) + (size > 0);
    if (fstatat(dir_fd, name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -1;
    if (size + added >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (size)
        path[size] = '/';
    memcpy(path + size + (size > 0), name, strlen(name) + 1);
    int rc = 0;
    if (S_ISDIR(stat.st_mode) || S_ISREG(stat.st_mode) || S_ISLNK(stat.st_mode))
        rc = item_add(snapshot, path, &stat);
    if (rc == 0 && S_ISDIR(stat.st_mode))
        rc = folder_walk(snapshot, dir_fd, name, path, size + added, depth + 1);
    path[size] = 0;
    return rc;
}

/* `path` (PATH_MAX bytes, `size` in use) is the folder's. */
static int folder_walk(struct snapshot *snapshot, int parent, const char *name, char *path,
                       size_t size, int depth)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = fd >= 0 && depth <= DEPTH_MAX ? fdopendir(fd) : NULL;
    struct dirent *entry;
    int rc = 0;
    if (!folder) {
        if (fd >= 0)
            close(fd);
        errno = depth > DEPTH_MAX ? ELOOP : errno;
        return -1;
    }
    while (rc == 0 && (errno = 0, entry = readdir(folder)))
        if (!tree_is_dots(entry->d_name))
            rc = entry_see(snapshot, fd, entry->d_name, path, size, depth);
    int problem = errno;
    closedir(folder);
    errno = problem;
    return rc != 0 || problem ? -1 : 0;
}

static int items_compare(const void *left, const void *right)
{
    return strcmp(((const struct snapshot_item *)left)->path,
                  ((const struct snapshot_item *)right)->path);
}

int snapshot_take(struct snapshot *ret_snapshot, int dir_fd, struct error *ret_error)
{
    char path[PATH_MAX] = "";
    *ret_snapshot = (struct snapshot){0};
    int rc = folder_walk(ret_snapshot, dir_fd, ".", path, 0, 0);
    if (ret_snapshot->count)
        qsort(ret_snapshot->items, ret_snapshot->count, sizeof *ret_snapshot->items,
              items_compare);
    return rc == 0
               ? 0
               : error_errno(ret_error, errno ? errno : ENOMEM,
                             "the task's directory cannot be looked through, at \"%s\"", path);
}

void snapshot_fini(struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->count; i++)
        free(snapshot->items[i].path);
    free(snapshot->items);
    *snapshot = (struct snapshot){0};
}

bool snapshot_differs(const struct snapshot *snapshot, const char *path,
                      const struct stat *stat)
{
    const struct snapshot_item key = {.path = (char *)(size_t)path};
    const struct snapshot_item *found = snapshot->count
                                            ? bsearch(&key, snapshot->items, snapshot->count,
                                                      sizeof *snapshot->items, items_compare)
                                            : NULL;
    return !found || found->stat.st_ino != stat->st_ino ||
           found->stat.st_size != stat->st_size ||
           found->stat.st_mtim.tv_sec != stat->st_mtim.tv_sec ||
           found->stat.st_mtim.tv_nsec != stat->st_mtim.tv_nsec;
}

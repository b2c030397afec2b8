#include "config.h"

#include "launch/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/tree.h"

char *disk_join(const char *folder, const char *name, struct error *ret_error)
{
    char *path = NULL;
    int size = name[0] == '/' || !folder[0] ? asprintf(&path, "%s", name)
                                            : asprintf(&path, "%s/%s", folder, name);
    if (size >= 0)
        return path;
    error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    return NULL;
}

char *disk_resolve(const char *path, struct error *ret_error)
{
    char *absolute = realpath(path, NULL);
    if (!absolute)
        error_errno(ret_error, errno, "\"%s\" cannot be opened", path);
    return absolute;
}

bool disk_exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

int disk_read(const char *path, size_t max, struct buf *buf, struct error *ret_error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(ret_error, errno, "\"%s\" cannot be opened", path);
    size_t total = 0;
    int rc = 0;
    for (;;) {
        uint8_t *space = buf_reserve(buf, 64 << 10);
        ssize_t count = space ? read(fd, space, 64 << 10) : 0;
        if (count < 0 && errno == EINTR)
            continue;
        total += count > 0 ? (size_t)count : 0;
        if (!space || total > max)
            rc = error_set(ret_error, ERROR_SYSTEM, "\"%s\" is larger than %zu bytes", path,
                           max);
        else if (count < 0)
            rc = error_errno(ret_error, errno, "\"%s\" cannot be read", path);
        if (rc != 0 || count == 0)
            break;
        buf_commit(buf, (size_t)count);
    }
    close(fd);
    return rc;
}

int64_t disk_read_range(const char *path, uint64_t offset, size_t max, struct buf *buf,
                        struct error *ret_error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return error_errno(ret_error, errno, "\"%s\" cannot be opened", path);
    uint8_t *space = buf_reserve(buf, max);
    ssize_t count;
    do
        count = space ? pread(fd, space, max, (off_t)offset) : 0;
    while (count < 0 && errno == EINTR);
    if (!space)
        count = error_set(ret_error, ERROR_SYSTEM, "no room to read from \"%s\"", path);
    else if (count < 0)
        error_errno(ret_error, errno, "\"%s\" cannot be read", path);
    else
        buf_commit(buf, (size_t)count);
    close(fd);
    return count;
}

int disk_write(const char *path, const void *bytes, size_t size, mode_t mode, bool durable,
               struct error *ret_error)
{
    char *temporary;
    if (asprintf(&temporary, "%s.new.%d", path, (int)getpid()) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    int rc = -1;
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0 || fd_write(fd, bytes, size) != 0 || (durable && fsync(fd) != 0) ||
        rename(temporary, path) != 0)
        error_errno(ret_error, errno, "\"%s\" cannot be written", path);
    else
        rc = 0;
    if (fd >= 0)
        close(fd);
    if (rc != 0)
        unlink(temporary);
    free(temporary);
    return rc;
}

static int content_copy(int from, int to)
{
    return ioctl(to, FICLONE, from) == 0 ? 0 : fd_copy(from, to);
}

int disk_copy(const char *source, const char *target, struct error *ret_error)
{
    int rc = -1, to = -1;
    struct stat status;
    int from = open(source, O_RDONLY | O_CLOEXEC);
    if (from < 0 || fstat(from, &status) != 0) {
        error_errno(ret_error, errno, "\"%s\" cannot be opened", source);
        goto out;
    }
    to = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, status.st_mode & 0777);
    if (to < 0 || content_copy(from, to) != 0)
        error_errno(ret_error, errno, "\"%s\" cannot be copied to \"%s\"", source, target);
    else
        rc = 0;
out:
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    return rc;
}

int disk_remove(const char *path, struct error *ret_error)
{
    if (tree_remove(AT_FDCWD, path) < 0)
        return error_errno(ret_error, errno, "\"%s\" cannot be removed", path);
    return 0;
}

static void folder_measure(int folder, uint64_t *files, uint64_t *bytes)
{
    DIR *stream = fdopendir(folder);
    if (!stream) {
        close(folder);
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(stream))) {
        struct stat status;
        if (tree_is_dots(entry->d_name) ||
            fstatat(folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (S_ISDIR(status.st_mode)) {
            int inner =
                openat(folder, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (inner >= 0)
                folder_measure(inner, files, bytes);
            continue;
        }
        ++*files;
        *bytes += (uint64_t)status.st_size;
    }
    closedir(stream);
}

void disk_measure(const char *path, uint64_t *ret_files, uint64_t *ret_bytes)
{
    struct stat status;
    *ret_files = *ret_bytes = 0;
    if (lstat(path, &status) != 0)
        return;
    int folder = S_ISDIR(status.st_mode) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (folder >= 0) {
        folder_measure(folder, ret_files, ret_bytes);
        return;
    }
    *ret_files = 1;
    *ret_bytes = (uint64_t)status.st_size;
}

char *disk_format_size(uint64_t bytes, char *text, size_t size)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB"};
    double value = (double)bytes / 1000.0;
    size_t unit = 0;
    while (value >= 999.95 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1000.0;
        unit++;
    }
    if (bytes < 1000)
        snprintf(text, size, "%d bytes", (int)bytes);
    else
        snprintf(text, size, "%.1f %s", value, units[unit]);
    return text;
}

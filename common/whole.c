#include "config.h"

#include "common/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void whole_free(struct whole *whole)
{
    free(whole->path);
    free(whole->temporary);
    memset(whole, 0, sizeof *whole);
}

/* rename() would put a file in the place of a device, a FIFO or a link: a link's file is meant, and
 * nothing but files is replaced. */
static int target_check(const char *path, struct error *ret_error)
{
    struct stat status;
    if (stat(path, &status) != 0 || S_ISREG(status.st_mode))
        return 0;
    return error_set(ret_error, ERROR_SYSTEM,
                     "\"%s\" cannot be written: it is %s, not a file; give another name", path,
                     S_ISDIR(status.st_mode) ? "a folder" : "a device, a pipe or a socket");
}

static char *target_find(const char *path)
{
    struct stat status;
    char *target = NULL;
    if (lstat(path, &status) == 0 && S_ISLNK(status.st_mode))
        target = realpath(path, NULL);
    return target ? target : strdup(path);
}

int whole_open_at(struct whole *whole, const char *path, const char *temporary,
                  struct error *ret_error)
{
    memset(whole, 0, sizeof *whole);
    if (target_check(path, ret_error) < 0)
        return -1;
    whole->path = target_find(path);
    if (whole->path && temporary)
        whole->temporary = strdup(temporary);
    else if (!whole->path ||
             asprintf(&whole->temporary, "%s.new.%d", whole->path, (int)getpid()) < 0)
        whole->temporary = NULL;
    if (!whole->temporary) {
        whole_free(whole);
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    }
    whole->stream = fopen(whole->temporary, "we");
    if (whole->stream)
        return 0;
    error_errno(ret_error, errno, "\"%s\" cannot be written", path);
    whole_free(whole);
    return -1;
}

int whole_open(struct whole *whole, const char *path, struct error *ret_error)
{
    return whole_open_at(whole, path, NULL, ret_error);
}

/* The entry of `path` in its folder. 0, or -1 with errno. */
static int entry_sync(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int rc = fd < 0 ? -1 : fsync(fd);
    int code = errno;
    if (fd >= 0)
        close(fd);
    free(folder);
    errno = code;
    return rc;
}

static int commit(struct whole *whole, bool synced, struct error *ret_error)
{
    bool failed = ferror(whole->stream) || fflush(whole->stream) != 0 ||
                  (synced && fsync(fileno(whole->stream)) != 0);
    int code = errno;
    if (fclose(whole->stream) != 0 && !failed) {
        failed = true;
        code = errno;
    }
    if (!failed && rename(whole->temporary, whole->path) != 0) {
        failed = true;
        code = errno;
    }
    if (failed) {
        unlink(whole->temporary);
    } else if (synced && entry_sync(whole->path) < 0) {
        failed = true;
        code = errno;
    }
    if (failed)
        error_errno(ret_error, code, "\"%s\" cannot be written", whole->path);
    whole_free(whole);
    return failed ? -1 : 0;
}

int whole_commit(struct whole *whole, struct error *ret_error)
{
    return commit(whole, false, ret_error);
}

int whole_commit_synced(struct whole *whole, struct error *ret_error)
{
    return commit(whole, true, ret_error);
}

void whole_abandon(struct whole *whole)
{
    if (!whole->stream)
        return;
    fclose(whole->stream);
    unlink(whole->temporary);
    whole_free(whole);
}

int whole_write(const char *path, const void *bytes, size_t size, struct error *ret_error)
{
    struct whole whole;
    if (whole_open(&whole, path, ret_error) < 0)
        return -1;
    if (size)
        fwrite(bytes, 1, size, whole.stream);
    return whole_commit(&whole, ret_error);
}

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "master/lock_file.h"

#define HOLDER_MAX 128 /* bytes of "HOST pid PID" */

/* Say in the file who has it. Only a help for people: the lock itself is what counts. */
static void holder_write(int fd)
{
    char text[HOLDER_MAX], host[64] = "";
    int size;

    if (gethostname(host, sizeof host - 1) < 0)
        snprintf(host, sizeof host, "unknown host");
    size = snprintf(text, sizeof text, "%s pid %ld\n", host, (long)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)size, 0) < 0)
        errno = 0;
}

static int refuse(int fd, const char *path, struct error *ret_error)
{
    char text[HOLDER_MAX] = "";

    if (pread(fd, text, sizeof text - 1, 0) <= 0)
        snprintf(text, sizeof text, "unknown");
    text[strcspn(text, "\n")] = 0;
    return error_set(ret_error, ERROR_SYSTEM,
                     "another master writes the journal %s (%s); wait for it or stop it first",
                     path, text);
}

int lock_file_take(const char *path, struct error *ret_error)
{
    char name[PATH_MAX];
    int fd, size = snprintf(name, sizeof name, "%s.lock", path);

    if (size < 0 || (size_t)size >= sizeof name)
        return error_set(ret_error, ERROR_SYSTEM, "the journal's path is too long: %s", path);
    fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return error_errno(ret_error, errno, "cannot open %s", name);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        holder_write(fd);
        return fd;
    }
    if (errno == EWOULDBLOCK)
        refuse(fd, path, ret_error);
    else
        error_errno(ret_error, errno, "cannot lock %s", name);
    close(fd);
    return -1;
}

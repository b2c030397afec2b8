#include "config.h"

#include <errno.h>
#include <unistd.h>

#include "common/fd.h"

int fd_write(int fd, const void *bytes, size_t size)
{
    const char *next = bytes;
    while (size) {
        ssize_t count = write(fd, next, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -1;
        next += count;
        size -= (size_t)count;
    }
    return 0;
}

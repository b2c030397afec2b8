#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"

#define COPY_PIECE ((size_t)16 << 20)

void fd_open_standard(void)
{
    /* The lowest that is free is what open takes. */
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            return;
}

void fd_signals_ignore(void)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

void fd_signals_restore(void)
{
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_DFL);
}

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

int fd_copy(int from, int to)
{
    for (;;) {
        ssize_t count = sendfile(to, from, NULL, COPY_PIECE);
        if (count == 0)
            return 0;
        if (count < 0 && errno != EINTR)
            return -1;
    }
}

int fd_wait(int fd, short events, int64_t deadline_ns, int cancel_fd)
{
    for (;;) {
        int64_t left_ns = deadline_ns - clock_monotonic_ns();
        int64_t left_ms = left_ns > 0 ? left_ns / CLOCK_MS_NS + 1 : 0;
        struct pollfd ready[2] = {{.fd = fd, .events = events},
                                  {.fd = cancel_fd, .events = POLLIN}};
        int count = poll(ready, 2, left_ms < INT32_MAX ? (int)left_ms : INT32_MAX);
        if (count > 0 && ready[1].revents) {
            errno = ECANCELED;
            return -1;
        }
        if (count > 0)
            return 1;
        if (count < 0 && errno != EINTR)
            return -1;
        if (left_ns <= 0)
            return 0;
    }
}

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/loop.h"
#include "worker/stream.h"

#define READ_SIZE     (64 << 10)
#define READS_AT_ONCE 16 /* then other slots have their turn */

static void close_watch(struct stream *stream)
{
    loop_watch_remove(stream->watch);
    stream->watch = NULL;
    if (stream->fd >= 0)
        close(stream->fd);
    stream->fd = -1;
}

/* Up to `reads` times. */
static void read_some(struct stream *stream, unsigned reads)
{
    static char bytes[READ_SIZE]; /* one loop, one thread */
    while (reads-- && stream->fd >= 0) {
        ssize_t got = read(stream->fd, bytes, sizeof(bytes));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            close_watch(stream);
            if (stream->ended)
                stream->ended(stream->context);
            return;
        }
        stream->bytes_came(stream->context, bytes, (size_t)got);
        if ((size_t)got < sizeof(bytes) / 2)
            return; /* it is empty now, as good as surely; the loop will tell */
    }
}

void stream_read(struct stream *stream)
{
    read_some(stream, READS_AT_ONCE);
}

static void ready(unsigned events, void *context)
{
    (void)events;
    stream_read(context);
}

int stream_open_unwatched(struct stream *stream,
                          void (*bytes_came)(void *context, const char *bytes, size_t size),
                          void *context, int *ret_write_fd, struct error *ret_error)
{
    int ends[2];
    *stream = (struct stream){.fd = -1, .bytes_came = bytes_came, .context = context};
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_errno(ret_error, errno, "cannot make a pipe");
    fcntl(ends[0], F_SETFL, O_NONBLOCK); /* our end alone */
    stream->fd = ends[0];
    *ret_write_fd = ends[1];
    return 0;
}

int stream_watch(struct stream *stream, struct loop *loop, struct error *ret_error)
{
    if (stream->watch || stream->fd < 0)
        return 0;
    stream->watch = loop_watch_add(loop, stream->fd, LOOP_READ, ready, stream, ret_error);
    return stream->watch ? 0 : -1;
}

int stream_open(struct stream *stream, struct loop *loop,
                void (*bytes_came)(void *context, const char *bytes, size_t size),
                void *context, int *ret_write_fd, struct error *ret_error)
{
    if (stream_open_unwatched(stream, bytes_came, context, ret_write_fd, ret_error) < 0)
        return -1;
    if (stream_watch(stream, loop, ret_error) == 0)
        return 0;
    close(*ret_write_fd);
    close_watch(stream);
    return -1;
}

void stream_drain(struct stream *stream)
{
    /* Whoever writes is dead, so a pipe's capacity is all that can come. More than that comes
     * only from a stranger who was handed the pipe: he is not waited for. */
    stream->ended = NULL;
    for (int i = 0; i < 64 && stream->fd >= 0; i++)
        read_some(stream, 1);
    close_watch(stream);
}

void stream_close(struct stream *stream)
{
    close_watch(stream);
}

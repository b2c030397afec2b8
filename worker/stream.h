/*
 * stream.h - a pipe from a child, always drained.
 */
#ifndef BEOFARM_WORKER_STREAM_H
#define BEOFARM_WORKER_STREAM_H

#include <stddef.h>

#include "common/error.h"

struct loop;
struct loop_watch;

struct stream {
    int fd; /* the reading end; -1: closed */
    struct loop_watch *watch;
    void (*bytes_came)(void *context, const char *bytes, size_t size);
    /* May be set after stream_open: called from the loop when the child has closed its end. */
    void (*ended)(void *context);
    void *context;
};

/* Make a pipe; *ret_write_fd is its other end (CLOEXEC), which the caller must close after the
 * child has it. Bytes are told of from the loop. 0 or -1. */
int stream_open(struct stream *stream, struct loop *loop,
                void (*bytes_came)(void *context, const char *bytes, size_t size),
                void *context, int *ret_write_fd, struct error *ret_error);

/* The same, but nobody looks at the pipe before stream_watch or stream_drain: for a child that may
 * end before it has filled the pipe. */
int stream_open_unwatched(struct stream *stream,
                          void (*bytes_came)(void *context, const char *bytes, size_t size),
                          void *context, int *ret_write_fd, struct error *ret_error);

/* Tell of bytes from the loop from now on. Watched or closed already is fine. 0 or -1. */
int stream_watch(struct stream *stream, struct loop *loop, struct error *ret_error);

/* Tell of what is in the pipe now. Closed already is fine. */
void stream_read(struct stream *stream);

/* Tell of what is in the pipe still, and close it. Closed already is fine. */
void stream_drain(struct stream *stream);

/* Close it without looking. */
void stream_close(struct stream *stream);

#endif

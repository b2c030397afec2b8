/*
 * buf.h - a byte buffer that grows up to a bound.
 *
 * Every buffer names the most it may hold, because what fills it comes from a network, a file or
 * a model's output. Once an append fails, the buffer is marked failed and further appends do
 * nothing, so a run of appends is checked once, with buf_failed, at its end.
 */
#ifndef BEOFARM_COMMON_BUF_H
#define BEOFARM_COMMON_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *data;   /* owned; NULL while empty; NOT NUL-terminated (see buf_text) */
    size_t size;     /* bytes in use */
    size_t capacity; /* bytes allocated */
    size_t max;      /* the bound on size */
    bool failed;     /* an append ran out of memory or over the bound */
};

/* Start an empty buffer that may hold up to max bytes. Allocates nothing. */
void buf_init(struct buf *buf, size_t max);

/* Free the bytes; the buffer is as after buf_init with the same bound. */
void buf_fini(struct buf *buf);

/* Forget the content and the failure, keep the memory. */
void buf_clear(struct buf *buf);

/* Whether an append failed since buf_init or buf_clear. */
bool buf_failed(const struct buf *buf);

/* Make room for `size` more bytes and return where they go (they count only after
 * buf_commit); NULL, and failed, if that passes the bound or memory is short. */
uint8_t *buf_reserve(struct buf *buf, size_t size);
void buf_commit(struct buf *buf, size_t size);

/* Append; 0, or -1 with the buffer marked failed and its content unchanged. */
int buf_append(struct buf *buf, const void *bytes, size_t size);
int buf_append_text(struct buf *buf, const char *text);
int buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Drop `size` bytes from the front (at most all of them). */
void buf_consume(struct buf *buf, size_t size);

/* The content as a C string: a NUL is kept behind the last byte (it is not counted in size).
 * "" where nothing was appended; NULL if there is no memory for the NUL. Borrowed. */
const char *buf_text(struct buf *buf);

#endif

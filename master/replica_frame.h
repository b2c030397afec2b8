/*
 * replica_frame.h - what stands in the blobs of a journal's copy: frames, one after the other.
 *
 * A frame is a head of 24 bytes (all numbers little-endian) and its content:
 *
 *     4  REPLICA_MAGIC
 *     4  size of the content
 *     8  its number: frames count from 0 through all blobs of the journal
 *     8  the first bytes of the SHA-256 of the 16 bytes before and the content
 *
 * The first byte of the content is the kind. Frames are appended in order and in pieces, so a blob
 * may end within one: what a master was writing when it died. Nothing in it was acknowledged.
 */
#ifndef BEOFARM_MASTER_REPLICA_FRAME_H
#define BEOFARM_MASTER_REPLICA_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/wire.h"
#include "master/journal.h"

#define REPLICA_MAGIC     UINT32_C(0x4a466f42) /* "BoFJ" */
#define REPLICA_HEAD      24
#define REPLICA_FRAME_MAX ((size_t)64 << 20) /* bytes of a frame's content */
#define REPLICA_ROWS_SIZE ((size_t)1 << 20) /* where a frame of rows ends and the next begins */

enum replica_kind {
    REPLICA_META = 1, /* pairs of texts: what the journal is of. Frame 0, and no other */
    REPLICA_ROWS,     /* rows, in order */
    REPLICA_TURN,     /* the last frame of a blob: the next blob follows */
    REPLICA_FORGET,   /* tasks that had failed up to here are forgotten */
};

/* Append a frame of pairs, keys and values alternating. 0, or -1 (buf failed). */
int replica_put_meta(struct buf *buf, uint64_t number, const char *const *texts, size_t count);

/* Append a frame that holds as many of the rows as fit well, at least one; returns how many, 0
 * where buf failed. */
size_t replica_put_rows(struct buf *buf, uint64_t number, const struct journal_row *rows,
                        size_t count);

/* Append a frame that says all by its kind: REPLICA_TURN or REPLICA_FORGET. */
int replica_put_mark(struct buf *buf, uint64_t number, enum replica_kind kind);

/* Read the frame at the beginning of `bytes`. 1: *ret_content is a reader behind the kind
 * (borrowed), *ret_size the bytes of the whole frame. 0: it is not all there; *ret_size (0: not
 * even its head) is what it needs. -1 with a sentence: it is damaged. */
int replica_get_frame(const void *bytes, size_t size, uint64_t number,
                      enum replica_kind *ret_kind, struct wire_reader *ret_content,
                      size_t *ret_size, struct error *ret_error);

/* The next text of a REPLICA_META frame (borrowed from it): 1, 0 at its end, -1: it is damaged. */
int replica_next_text(struct wire_reader *content, const char **ret_text);

/* The next row of a REPLICA_ROWS frame: 1 (borrowed from it; `worker` and `folder` NUL-terminated),
 * 0 at its end, -1 with a sentence. */
int replica_next_row(struct wire_reader *content, struct journal_row *ret_row,
                     struct error *ret_error);

#endif

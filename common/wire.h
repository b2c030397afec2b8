/*
 * wire.h - numbers and byte strings to bytes and back.
 *
 * Little-endian: numbers of fixed width, and LEB128 varints. Writing goes into a bounded buf.
 * Reading never passes the end: after the first bad read the reader is marked failed and returns
 * zeros, so a run of reads is checked once at its end.
 */
#ifndef BEOFARM_COMMON_WIRE_H
#define BEOFARM_COMMON_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

/* Append to buf; look at buf_failed once, at the end. */
void wire_put_u8(struct buf *buf, uint8_t value);
void wire_put_u32(struct buf *buf, uint32_t value);
void wire_put_varint(struct buf *buf, uint64_t value);
void wire_put_double(struct buf *buf, double value);
void wire_put_bytes(struct buf *buf, const void *bytes, size_t size); /* varint size, bytes */
void wire_put_text(struct buf *buf, const char *text); /* the same, of a string */

struct wire_reader {
    const uint8_t *next, *end; /* borrowed */
    bool failed;
};

/* Read from bytes, which must outlive the reader. */
void wire_reader_init(struct wire_reader *reader, const void *bytes, size_t size);
uint8_t wire_get_u8(struct wire_reader *reader);
uint32_t wire_get_u32(struct wire_reader *reader);
uint64_t wire_get_varint(struct wire_reader *reader);
double wire_get_double(struct wire_reader *reader);
/* Borrowed from the reader's bytes; NULL and size 0 on failure or where empty. */
const void *wire_get_bytes(struct wire_reader *reader, size_t *ret_size);
/* Bytes not read yet. */
size_t wire_left(const struct wire_reader *reader);

#endif

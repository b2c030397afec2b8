/*
 * blob_reader.h - a file read block after block by a thread of its own, which also hashes, so that
 * both go on while blocks are being sent.
 */
#ifndef BEOFARM_COMMON_AZURE_BLOB_READER_H
#define BEOFARM_COMMON_AZURE_BLOB_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

struct blob_reader;

struct blob_reader_block {
    uint64_t index;
    uint8_t *bytes;
    size_t size; /* the file's last block may be smaller, the others are not */
    uint8_t md5[16];
};

/* Begin to read `path` in blocks of `block` bytes, at most `ahead` of them in memory. NULL with a
 * sentence. `sha256`: hash the whole, too. */
struct blob_reader *blob_reader_open(const char *path, uint64_t block, int ahead, bool sha256,
                                     struct error *ret_error);
void blob_reader_close(struct blob_reader *reader); /* NULL is allowed; no block is in use */

/* The next block, in order. 1: here it is, the caller's until blob_reader_release. 0: there is none
 * (yet: wait false; or the file has ended: see blob_reader_ended). -1 with a sentence. With `wait`,
 * the caller holds none or few enough that the thread can go on. */
int blob_reader_next(struct blob_reader *reader, bool wait,
                     struct blob_reader_block **ret_block, struct error *ret_error);
void blob_reader_release(struct blob_reader *reader, struct blob_reader_block *block);

/* Whether all blocks have been handed out. */
bool blob_reader_ended(struct blob_reader *reader);

/* The file's size when it was opened. */
uint64_t blob_reader_size(const struct blob_reader *reader);

/* After the end: the file is still as it was when opened, as far as size and times tell. -1
 * (ERROR_CHANGED) with a sentence. Its SHA-256, if asked for, goes to ret_sha256 (may be NULL). */
int blob_reader_check(struct blob_reader *reader, uint8_t ret_sha256[32],
                      struct error *ret_error);

#endif

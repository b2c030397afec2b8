/*
 * blob_reader.h - a file hashed block after block by a thread of its own, while blocks before are
 * being sent.
 *
 * No block is kept in memory: whoever sends one reads it once more (blob_reader_read), shortly
 * after, when it is still in the page cache. The digest of the first reading, which the service
 * holds against what it was sent, tells if the file changed in between.
 */
#ifndef BEOFARM_COMMON_AZURE_BLOB_READER_H
#define BEOFARM_COMMON_AZURE_BLOB_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/azure/blob_check.h"
#include "common/error.h"

struct blob_reader;

struct blob_reader_block {
    uint64_t index, offset; /* offset: in the file */
    uint64_t size;          /* the file's last block may be smaller, the others are not */
    uint8_t digest[BLOB_DIGEST_SIZE]; /* not with BLOB_CHECK_UNKNOWN */
};

/* Begin to hash `path` in blocks of `block` bytes, at most `ahead` blocks before the one that was
 * handed out last. NULL with a sentence. `check`: which digest blocks get, if any; `sha256`: hash
 * the whole, too. */
struct blob_reader *blob_reader_open(const char *path, uint64_t block, int ahead,
                                     enum blob_check check, bool sha256,
                                     struct error *ret_error);
void blob_reader_close(struct blob_reader *reader); /* NULL is allowed */

/* The next block, in order. 1: here it is. 0: there is none (yet: wait false; or the file has
 * ended: see blob_reader_ended). -1 with a sentence. */
int blob_reader_next(struct blob_reader *reader, bool wait, struct blob_reader_block *ret_block,
                     struct error *ret_error);

/* Up to `size` bytes of the file from `offset`; from any thread. Returns how many, -1 with a
 * sentence, also (ERROR_CHANGED) if the file has become shorter. */
int64_t blob_reader_read(struct blob_reader *reader, uint64_t offset, void *bytes, size_t size,
                         struct error *ret_error);

/* Whether all blocks have been handed out. */
bool blob_reader_ended(struct blob_reader *reader);

/* The file's size when it was opened. */
uint64_t blob_reader_size(const struct blob_reader *reader);

/* The file is still as it was when opened, as far as size and times tell. -1 (ERROR_CHANGED) with a
 * sentence. After the last block its SHA-256, if asked for, goes to ret_sha256 (else NULL). */
int blob_reader_check(struct blob_reader *reader, uint8_t ret_sha256[32],
                      struct error *ret_error);

#endif

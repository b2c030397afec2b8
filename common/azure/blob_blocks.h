/*
 * blob_blocks.h - the blocks of a block blob: their names, and those that the service holds.
 *
 * A block's name is its index (4 bytes, big-endian) and the digest of its content (16,
 * blob_check.h), in base64: all names of a blob have the same length, as the service demands, and a
 * name tells the content.
 */
#ifndef BEOFARM_COMMON_AZURE_BLOB_BLOCKS_H
#define BEOFARM_COMMON_AZURE_BLOB_BLOCKS_H

#include "common/azure/blob_check.h"

#define BLOB_BLOCK_NAME 29 /* of a block, with its NUL */

void blob_block_name(uint32_t index, const uint8_t digest[BLOB_DIGEST_SIZE],
                     char text[BLOB_BLOCK_NAME]);

/* The query of Put Block, "comp=block&blockid=NAME", appended. */
void blob_block_query(const char *name, struct buf *text);

/* Blocks that were put and not committed. */
struct blob_blocks {
    struct blob_block {
        char name[BLOB_BLOCK_NAME];
        uint64_t size;
    } * items; /* sorted by name */
    size_t count;
};

/* GET ?comp=blocklist&blocklisttype=uncommitted, 200; 404: none. Blocks of other names than ours
 * are left out. */
int blob_blocks_get(struct blob_service *service, const struct blob_place *place,
                    const char *doing, struct blob_blocks *ret_blocks, struct error *ret_error);
void blob_blocks_fini(struct blob_blocks *blocks);

bool blob_blocks_have(const struct blob_blocks *blocks, const char *name, uint64_t size);

/* PUT ?comp=blocklist, 201: the blob is these blocks, `digests` being theirs one after another.
 * BLOB_ALREADY, BLOB_MISSING; *ret_vanished: -1 because the service no longer holds some block. */
int blob_blocks_commit(struct blob_service *service, const struct blob_place *place,
                       const uint8_t *digests, uint32_t count, const char *content_type,
                       enum blob_unless unless, const char *doing, bool *ret_vanished,
                       struct error *ret_error);

#endif

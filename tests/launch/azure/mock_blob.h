/*
 * mock_blob.h - Blob Storage as far as launch speaks to it, in memory: containers, block blobs with
 * their blocks, append blobs, ranges, lists in pages, conditions, leases, MD5s and CRC-64s checked.
 */
#ifndef BEOFARM_TESTS_LAUNCH_AZURE_MOCK_BLOB_H
#define BEOFARM_TESTS_LAUNCH_AZURE_MOCK_BLOB_H

#include "tests/launch/azure/mock.h"

struct mock_block {
    char name[96];
    uint8_t *bytes;
    size_t size;
};

struct mock_item {
    char container[64], name[1100];
    bool committed, append;
    uint8_t *bytes;
    size_t size;
    int version;  /* the ETag */
    bool has_md5; /* of the whole, told in answers */
    struct mock_block *blocks;
    size_t blocks_count;
    char lease[64];
};

enum mock_crc64 {
    MOCK_CRC64_KNOWN = 0, /* as Azure */
    MOCK_CRC64_IGNORED,
    MOCK_CRC64_REFUSED, /* as Azurite 3.35 */
};

struct mock_blob {
    struct server *server;
    struct mock_faults faults;
    char containers[8][64];
    struct mock_item *items;
    size_t count;
    int version;
    bool whole_md5; /* say the MD5 of the whole, as other clients' uploads have one */
    enum mock_crc64 crc64;
    int page; /* items per page of a list at most; 0: no limit of our own */
    int puts, block_puts, gets, lists; /* requests that were acted on */
};

void mock_blob_start(struct mock_blob *mock);
void mock_blob_stop(struct mock_blob *mock);

/* A blob that is there; NULL if there is none. Not while requests are under way. */
struct mock_item *mock_blob_find(struct mock_blob *mock, const char *container,
                                 const char *name);
/* Take one away. */
void mock_blob_remove(struct mock_blob *mock, struct mock_item *item);
/* Put one there, over one of that name. */
void mock_blob_set(struct mock_blob *mock, const char *container, const char *name,
                   const void *bytes, size_t size);

#endif

/*
 * blob.h - containers and blobs of the storage account: made, described, removed; small ones
 * written and read. Large ones: blob_upload.h and blob_download.h.
 *
 * As in batch.h, operations return 0, BLOB_MISSING or BLOB_ALREADY with the sentence filled in too,
 * or -1 with a sentence "DOING: CODE (STATUS): MESSAGE ...". All may be asked again after a lost
 * answer. They speak the storage version of blob_service.h.
 */
#ifndef BEOFARM_COMMON_AZURE_BLOB_H
#define BEOFARM_COMMON_AZURE_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/azure/blob_service.h"
#include "common/buf.h"
#include "common/error.h"

#define BLOB_ALREADY 1 /* it is so already */
#define BLOB_MISSING 2 /* there is no such container or blob */

#define BLOB_NAME_MAX      1024 /* bytes of a blob's name, encoded ones counted as one */
#define BLOB_CONTAINER_MAX 63 /* of a container's: 3 to 63 of a-z, 0-9 and single '-' inside */

/* Where. Borrowed. */
struct blob_place {
    const char *container;
    const char *name; /* "results/out/17/a.csv"; NULL: the container */
    const char *sas;  /* query without '?' that gives the right; NULL: as the service. Secret */
    const char
        *lease; /* id of the lease without which nothing is written (blob_put, blob_append) or
                          deleted; NULL: none */
};

/* Whether the service takes this for a container's name. */
bool blob_container_valid(const char *name);

/* PUT /{container}?restype=container, 201. 0 also if it exists. "creating container \"C\": ...". A
 * container that is being deleted can be made again after some time: that is -1. */
int blob_container_create(struct blob_service *service, const char *container,
                          struct error *ret_error);

/* DELETE /{container}?restype=container, 202, with all its blobs. BLOB_MISSING; BLOB_ALREADY: it is
 * being deleted. "deleting container \"C\": ...". */
int blob_container_delete(struct blob_service *service, const char *container,
                          struct error *ret_error);

enum blob_kind {
    BLOB_BLOCK = 0,
    BLOB_APPEND,
    BLOB_PAGE,
};

#define BLOB_ETAG_MAX 128

struct blob_properties {
    uint64_t size;
    enum blob_kind kind;
    char etag[BLOB_ETAG_MAX];
    int64_t changed_s; /* since 1970; 0: not told */
    bool has_md5;      /* of the whole, as its writer gave it */
    uint8_t md5[16];
    int append_blocks; /* of append blobs */
};

/* HEAD /{container}/{name}, 200. BLOB_MISSING. "asking for blob \"C/N\": ...". */
int blob_properties_get(struct blob_service *service, const struct blob_place *place,
                        struct blob_properties *ret_properties, struct error *ret_error);

/* DELETE /{container}/{name}, 202, with its snapshots. BLOB_MISSING. "deleting blob \"C/N\": ...".
 */
int blob_delete(struct blob_service *service, const struct blob_place *place,
                struct error *ret_error);

enum blob_unless {
    BLOB_OVERWRITE = 0,
    BLOB_UNLESS_EXISTS, /* If-None-Match: * */
};

/* PUT /{container}/{name} with x-ms-blob-type BlockBlob, 201: one of up to 256 MiB, from memory,
 * checked by its MD5 on the way. BLOB_ALREADY: it exists (with BLOB_UNLESS_EXISTS). BLOB_MISSING:
 * the container. "writing blob \"C/N\": ...". */
int blob_put(struct blob_service *service, const struct blob_place *place, const void *bytes,
             size_t size, enum blob_unless unless, struct error *ret_error);

/* GET /{container}/{name} with x-ms-range, 206 or 200: append up to `max` bytes from `offset`.
 * Returns how many, 0 at or behind its end, -1; *ret_missing (may be NULL) tells -1 where there is
 * no such blob. "reading blob \"C/N\": ...". */
int64_t blob_get(struct blob_service *service, const struct blob_place *place, uint64_t offset,
                 size_t max, struct buf *ret_bytes, bool *ret_missing, struct error *ret_error);

struct blob_item {
    const char *name; /* of a prefix: ends in the delimiter */
    bool prefix;      /* with a delimiter: stands for all that begin so */
    struct blob_properties properties;
};

/* GET /{container}?restype=container&comp=list, 200: call `visit` for each blob whose name begins
 * with `prefix` (NULL: all), in the order of names, until it returns non-zero; a page of at most
 * `page` (0: 5000) is in memory at a time. delimiter NULL: none. Returns what visit returned, 0,
 * BLOB_MISSING before any visit: the container, or -1. "listing container \"C\": ...". */
int blob_list(struct blob_service *service, const char *container, const char *prefix,
              const char *delimiter, int page,
              int (*visit)(void *context, const struct blob_item *item), void *context,
              struct error *ret_error);

#endif

/*
 * blob_upload.h - files become block blobs: in blocks, several at once, going on where a killed
 * upload stopped.
 *
 * A file of up to one block goes up by one request. Of a larger one, each block is named by its
 * index and its digest (blob_check.h), and sent with that, which the service checks. Blocks that
 * the service already holds under their name (uncommitted ones stay for a week) are not sent again:
 * so an upload that was killed goes on, and finds by itself which blocks of a file that has changed
 * meanwhile are still good. At last the list of blocks is committed; until then the blob is as it
 * was. A file that changes while it is read is an error (ERROR_CHANGED).
 *
 * Memory: curl's buffers, half a megabyte for each request; up to one block for a small file.
 */
#ifndef BEOFARM_COMMON_AZURE_BLOB_UPLOAD_H
#define BEOFARM_COMMON_AZURE_BLOB_UPLOAD_H

#include "common/azure/blob.h"

#define BLOB_BLOCKS_MAX 50000 /* of a blob; the largest files get larger blocks */

/* How a file of `size` bytes is cut unless somebody says otherwise: into 16 blocks, but of at least
 * 4 and at most 64 MiB. So several can travel at once, an interruption costs little of the work,
 * and what the service does for each block does not count. */
uint64_t blob_upload_block(uint64_t size);

struct blob_upload_options {
    uint64_t block; /* bytes, at least what 50,000 blocks need; 0: blob_upload_block */
    int parallel;   /* blocks on their way at once; 0: four */
    enum blob_unless unless;
    const char *content_type; /* NULL: application/octet-stream */
    const uint8_t *sha256; /* 32 bytes: commit only if the file is this; NULL: whatever it is */
    /* Called after each block, with the bytes that are there. NULL: nobody looks. */
    void (*shown)(void *context, uint64_t bytes, uint64_t total);
    void *shown_context;
};

struct blob_upload_report {
    uint64_t size;     /* of the file */
    uint64_t sent;     /* bytes that went over the network, retries left out */
    uint64_t resumed;  /* bytes that the service had from an earlier upload */
    uint64_t requests; /* retries left out */
};

/* Upload the file at `path`. BLOB_ALREADY: the blob exists (BLOB_UNLESS_EXISTS). BLOB_MISSING: the
 * container. `options` and ret_report may be NULL. "uploading \"PATH\" to blob \"C/N\": ...". */
int blob_upload(struct blob_service *service, const struct blob_place *place, const char *path,
                const struct blob_upload_options *options,
                struct blob_upload_report *ret_report, struct error *ret_error);

#endif

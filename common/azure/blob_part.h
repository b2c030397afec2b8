/*
 * blob_part.h - a file that is being downloaded: PATH.part, and PATH.part.state, which says what of
 * it is there.
 *
 * The state is a fixed head (version of the blob, its size, the size of a range, this machine's
 * boot id) and one byte per range. A range is marked after its bytes were written; after a kill of
 * the process both are in the page cache. After a power cut nobody knows, so a state of another
 * boot is dropped.
 */
#ifndef BEOFARM_COMMON_AZURE_BLOB_PART_H
#define BEOFARM_COMMON_AZURE_BLOB_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/azure/blob.h"
#include "common/error.h"

struct blob_part {
    char *path, *part_path, *state_path; /* owned */
    int fd, state_fd;
    uint64_t size, range, count; /* count: of ranges */
    uint8_t *there;              /* one byte per range: 1 if it is there */
    bool complete;
};

/* Open or begin the download of a blob of this version to `path`. -1 with a sentence, also if
 * another process is downloading to `path`. */
int blob_part_open(struct blob_part *part, const char *path, const char *etag, uint64_t size,
                   uint64_t range, struct error *ret_error);

/* Write bytes to their place. */
int blob_part_write(struct blob_part *part, uint64_t offset, const void *bytes, size_t size,
                    struct error *ret_error);

/* The whole's digest: "MD5" or "SHA256" into `digest`. */
int blob_part_digest(struct blob_part *part, const char *name, uint8_t *digest,
                     struct error *ret_error);

/* Range `index` is there. */
int blob_part_mark(struct blob_part *part, uint64_t index, struct error *ret_error);

/* All is there: give the file its name. */
int blob_part_commit(struct blob_part *part, bool durable, struct error *ret_error);

/* Close. What is there stays for the next time, unless `drop`. */
void blob_part_close(struct blob_part *part, bool drop);

#endif

/*
 * azure_fetch.h - many blobs become files: several at once, each by a thread with a connection of
 * its own, and only those that are not there.
 *
 * A file that has the blob's size and its time of change is taken for it. Large ones go on where
 * they were interrupted (common/azure/blob_download.h).
 */
#ifndef BEOFARM_LAUNCH_AZURE_AZURE_FETCH_H
#define BEOFARM_LAUNCH_AZURE_AZURE_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

struct azure_fetch_item {
    char *blob; /* its name in the container */
    char *path; /* of the file; absolute */
    uint64_t size;
    int64_t changed_s; /* since 1970 */
};

struct azure_fetch {
    struct azure_fetch_item *items;
    size_t count, capacity;
    size_t fetched; /* so many were not there */
    uint64_t bytes; /* of these */
};

void azure_fetch_fini(struct azure_fetch *fetch); /* one of zeros is allowed */

/* Note a blob for FOLDER/NAME. NAME comes from others: one that would lead outside of the folder is
 * refused. 0, or -1 with a sentence. */
int azure_fetch_add(struct azure_fetch *fetch, const char *blob, const char *folder,
                    const char *name, uint64_t size, int64_t changed_s,
                    struct error *ret_error);

/* Fetch all; `store` is "blob:URL" with a SAS. -1 with the first failure's sentence, after the
 * others were tried. */
int azure_fetch_run(struct azure_fetch *fetch, const char *store, struct error *ret_error);

/* Bytes of files that are not there. */
uint64_t azure_fetch_missing(const struct azure_fetch *fetch);

#endif

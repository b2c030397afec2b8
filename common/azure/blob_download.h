/*
 * blob_download.h - blobs become files: in ranges, several at once, going on where a killed
 * download stopped.
 *
 * Ranges are written straight to their places in PATH.part; PATH.part.state says which are there,
 * and of which version (ETag) of the blob. When all are, PATH.part becomes PATH. Every range is
 * asked for under the condition that the blob has not changed, and checked by the CRC-64 or MD5
 * that the service computes for it (blob_check.h), where it does; if the blob has an MD5 of its
 * own, or the caller knows its SHA-256, the whole is checked too. A state of another version, or
 * from before this machine's latest boot (nobody knows then what had reached the disk), is dropped.
 *
 * Two downloads to one PATH at once: the second is refused.
 *
 * Memory: none that grows with the blob, but for one byte per range.
 */
#ifndef BEOFARM_COMMON_AZURE_BLOB_DOWNLOAD_H
#define BEOFARM_COMMON_AZURE_BLOB_DOWNLOAD_H

#include "common/azure/blob.h"

#define BLOB_RANGE_DEFAULT                                                                     \
    ((uint64_t)4 << 20) /* the most of which the service tells a digest */

struct blob_download_options {
    uint64_t range;        /* bytes; 0: BLOB_RANGE_DEFAULT */
    int parallel;          /* ranges on their way at once; 0: four */
    const uint8_t *sha256; /* 32 bytes that the whole must have; NULL: not known */
    bool durable;          /* on the disk before PATH appears */
    /* What a listing said of the blob, so that it need not be asked for again; NULL: ask. */
    const struct blob_properties *known;
    void (*shown)(void *context, uint64_t bytes, uint64_t total); /* NULL: nobody looks */
    void *shown_context;
};

struct blob_download_report {
    uint64_t size, received, resumed; /* bytes */
    char etag[BLOB_ETAG_MAX];
};

/* Download to the file at `path`, whose folder exists. BLOB_MISSING. `options` and ret_report may
 * be NULL. "downloading blob \"C/N\" to \"PATH\": ...". */
int blob_download(struct blob_service *service, const struct blob_place *place,
                  const char *path, const struct blob_download_options *options,
                  struct blob_download_report *ret_report, struct error *ret_error);

#endif

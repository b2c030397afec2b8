/*
 * blob_append.h - append blobs: logs and journals that grow.
 *
 * Each append names the position at which it expects to land, so a resend cannot append twice: if
 * the service says that the blob is longer already, we look whether what stands there is what we
 * sent.
 */
#ifndef BEOFARM_COMMON_AZURE_BLOB_APPEND_H
#define BEOFARM_COMMON_AZURE_BLOB_APPEND_H

#include "common/azure/blob.h"

/* Bytes of one request. A blob takes 50,000 requests in all its life. */
#define BLOB_APPEND_MAX ((size_t)4 << 20)

/* PUT with x-ms-blob-type AppendBlob, 201: an empty one, unless there is one. *ret_size (may be
 * NULL): how long it is. BLOB_MISSING: the container. "making append blob \"C/N\": ...". */
int blob_append_create(struct blob_service *service, const struct blob_place *place,
                       uint64_t *ret_size, struct error *ret_error);

/* PUT ?comp=appendblock with x-ms-blob-condition-appendpos, 201: append `size` bytes at
 * *position, which moves behind them; in pieces of at most BLOB_APPEND_MAX. BLOB_ALREADY: somebody
 * else has written there; nothing of the piece was written. BLOB_MISSING. "appending to blob
 * \"C/N\": ...". */
int blob_append(struct blob_service *service, const struct blob_place *place,
                uint64_t *position, const void *bytes, size_t size, struct error *ret_error);

#endif

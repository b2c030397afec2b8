/*
 * store_blob.h - a store that is a Blob container, reached by a SAS (common/azure/container.h):
 * content is the blob store/HASH. Launch fills it (launch/azure/store_blob.h).
 *
 * One thread at a time. store_get_file fetches ranges in parallel, goes on where a killed one
 * stopped, and checks the hash.
 */
#ifndef BEOFARM_COMMON_STORE_BLOB_H
#define BEOFARM_COMMON_STORE_BLOB_H

#include "common/store.h"

#define STORE_BLOB_PREFIX "store/" /* of content in a container */

extern const struct store_ops store_blob_ops;

#endif

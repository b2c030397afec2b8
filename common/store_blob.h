/*
 * store_blob.h - a store that is a Blob container: content is the blob PREFIX + HASH. By URI it is
 * reached by a SAS (common/azure/container.h), as nodes do, and the prefix is "store/"; launch
 * fills it by another right (launch/azure/store_blob.h).
 *
 * One thread at a time. store_get_file fetches ranges in parallel, goes on where a killed one
 * stopped, and checks the hash.
 */
#ifndef BEOFARM_COMMON_STORE_BLOB_H
#define BEOFARM_COMMON_STORE_BLOB_H

#include "common/azure/blob_service.h"
#include "common/store.h"

#define STORE_BLOB_PREFIX "store/" /* of content in a container */

extern const struct store_ops store_blob_ops;

/* Open one by a right that is there: the service is borrowed until store_close. `prefix` may be "".
 * NULL with a sentence. */
struct store *store_blob_create(struct blob_service *service, const char *container,
                                const char *prefix, struct error *ret_error);

#endif

/*
 * store_blob.h - files by content hash in a Blob container: what launch fills before a farm.
 *
 * Content stands at PREFIX + 64 hex digits of its SHA-256 (common/store_blob.h). Opened here and
 * not by URI, because launch signs by an account; nodes open it by a SAS.
 *
 * store_blob_put_all is what makes a second run cheap: one listing says what is there, and only the
 * rest travels, several files at once, each once however many names it has.
 */
#ifndef BEOFARM_LAUNCH_AZURE_STORE_BLOB_H
#define BEOFARM_LAUNCH_AZURE_STORE_BLOB_H

#include "common/store.h"
#include "launch/azure/account.h"
#include "launch/inputs.h"

/* A store of container/prefix ("store/"; may be ""), which must exist; account borrowed until
 * store_close. NULL with a sentence. */
struct store *store_blob_open(struct account *account, const char *container,
                              const char *prefix, struct error *ret_error);

struct store_blob_report {
    size_t files, uploaded; /* contents in all; those that were not there */
    uint64_t bytes, sent;   /* of all; that went over the network */
};

/* Hash `inputs` (their hashes and sizes are filled in) and upload what the container lacks. `shown`
 * (may be NULL) is told the bytes done. ret_report may be NULL. A file that changes meanwhile is
 * ERROR_CHANGED. */
int store_blob_put_all(struct account *account, const char *container, const char *prefix,
                       struct inputs *inputs,
                       void (*shown)(void *context, uint64_t bytes, uint64_t total),
                       void *context, struct store_blob_report *ret_report,
                       struct error *ret_error);

#endif

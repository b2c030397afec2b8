/*
 * signing.h - SharedKey signatures of Azure Batch and Azure Storage.
 *
 * Both sign the same twelve lines (the verb and eleven standard headers), then certain headers in
 * order, then the resource with its query. They differ in which headers, in how the length 0 is
 * written, and in how a query parameter is put down. Sources: "Authenticate requests via Shared
 * Key" of the Azure Batch and the Azure Storage REST references; the strings to sign of
 * Microsoft's clients @azure/batch and @azure/storage-blob, which the tests repeat.
 *
 * Pure: no clock, no network. SAS are in sas.h.
 */
#ifndef BEOFARM_LAUNCH_AZURE_SIGNING_H
#define BEOFARM_LAUNCH_AZURE_SIGNING_H

#include <stddef.h>
#include <stdint.h>

#include "common/azure/http.h"
#include "common/buf.h"
#include "common/error.h"

/* An account's key, ready to sign. The bytes are secret. */
struct signing_key {
    char *account;  /* owned */
    uint8_t *bytes; /* owned */
    size_t size;
};

/* Take an account's name and its key in base64, as the portal shows it. 0, or -1 (ERROR_CONFIG)
 * with a sentence that does not show the key. */
int signing_key_init(struct signing_key *key, const char *account, const char *base64,
                     struct error *ret_error);
void signing_key_fini(struct signing_key *key); /* overwrites it; one of zeros is allowed */

/* What is to be signed: the request just as it goes out. */
struct signing_request {
    const char *method;
    const char *url; /* absolute */
    const struct http_header *headers;
    size_t headers_count;
    int64_t body_size; /* bytes of the body; -1: there is none, and no Content-Length goes out.
                          POST, PUT and PATCH without a body send a length of 0: give 0. */
};

/* Append the string to sign. 0, or -1 (buf failed). */
int signing_batch_text(const struct signing_key *key, const struct signing_request *request,
                       struct buf *ret_text);
int signing_storage_text(const struct signing_key *key, const struct signing_request *request,
                         struct buf *ret_text);

/* Append the value of the Authorization header, "SharedKey ACCOUNT:SIGNATURE", for a string to
 * sign. 0, or -1 with a sentence. */
int signing_authorization(const struct signing_key *key, const char *text, size_t size,
                          struct buf *ret_value, struct error *ret_error);

/* Append base64(HMAC-SHA256(key, text)). 0, or -1 with a sentence. */
int signing_hmac(const struct signing_key *key, const char *text, size_t size,
                 struct buf *ret_base64, struct error *ret_error);

#endif

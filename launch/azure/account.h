/*
 * account.h - an Azure Batch account with its storage account: where they are, and requests to
 * them, dated, named and signed.
 *
 * This is what operations are built on: account_batch_request and its like fill in a
 * `struct http_request` (http.h), whose `prepare` then signs every try with the key or the token
 * that credentials.h found. The operations add method-specific things and send it.
 *
 *     struct http_request request;
 *     struct http_response response = {0};
 *     account_batch_request(account, "GET", &request);
 *     request.url = url;                     // account_batch_url, or a nextLink as it stands
 *     if (http_perform(account_http(account), &request, &response, ret_error) != 0)
 *         return -1;
 *     if (response.status != 200)
 *         rc = azure_error_refuse(AZURE_BATCH, &response, "reading pool \"p\"", ret_error);
 *     http_response_fini(&response);
 *
 * With BEOFARM_HTTP_RECORD=FILE in the environment every exchange with Batch is appended to that
 * file (http_record.h).
 *
 * Added to Batch requests: ocp-date, client-request-id, return-client-request-id, Authorization; to
 * management: Authorization (to Storage: common/azure/blob_service.h). A Content-Type goes with the
 * body, from the caller: ACCOUNT_BATCH_TYPE.
 */
#ifndef BEOFARM_LAUNCH_AZURE_ACCOUNT_H
#define BEOFARM_LAUNCH_AZURE_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/azure/blob_service.h"
#include "common/azure/http.h"
#include "common/buf.h"
#include "common/error.h"
#include "launch/azure/credentials.h"
#include "launch/azure/sas.h"

#define ACCOUNT_BATCH_VERSION "2025-06-01"
#define ACCOUNT_BATCH_TYPE    "application/json; odata=minimalmetadata"

struct account;

struct account_options {
    struct credentials_wishes wishes;
    struct http_options http;
    const char *batch_version; /* NULL: ACCOUNT_BATCH_VERSION */
    /* Allow http:// to hosts other than this one (an emulator on another machine): signatures
     * are safe there, tokens and data are not. */
    bool plain;
};

/* Find the credentials; ask nobody yet. Options are borrowed during the call, but for
 * http.stop_context. NULL with a sentence. */
struct account *account_open(const struct account_options *options, struct error *ret_error);
void account_close(struct account *account); /* NULL is allowed */

struct http *account_http(struct account *account);
struct credentials *account_credentials(struct account *account);

/* Append BATCH-URL PATH ?api-version=V [& QUERY]. `path` begins with '/' and is encoded by the
 * caller (http_encode), `query` may be NULL and is encoded, too. 0, or -1 (buf failed). */
int account_put_batch_url(const struct account *account, const char *path, const char *query,
                          struct buf *ret_url);

/* The storage account's blobs (common/azure/blob.h and its like), with requests signed. Lives as
 * long as the account. */
struct blob_service *account_blobs(struct account *account);

/* Fill a request (all zero but method and what signs it). The account must outlive it. */
void account_batch_request(struct account *account, const char *method,
                           struct http_request *ret_request);
void account_management_request(struct account *account, const char *method,
                                struct http_request *ret_request);

/* Append the query of a SAS (no '?') for sas->container or sas->blob: a service SAS where the
 * storage account's key is known, else a user delegation SAS, whose key is asked for and kept
 * (so this is not to be called from the callbacks of account_http).
 * sas->expiry must be set; start is best left NULL (clocks differ). */
int account_put_sas(struct account *account, const struct sas *sas, struct buf *ret_query,
                    struct error *ret_error);

/* A sentence about the clocks if the server's differs from ours by more than the five minutes at
 * which signatures begin to fail, NULL otherwise. Valid until the next call. */
const char *account_clock_warning(struct account *account);

#endif

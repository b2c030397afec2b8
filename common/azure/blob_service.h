/*
 * blob_service.h - where blobs are asked for, and by what right.
 *
 * Launch signs requests with the account's key or a token (its `authorize`, see
 * launch/azure/account.h: account_blobs). Nodes know no keys: they bring a SAS
 * (common/azure/container.h).
 */
#ifndef BEOFARM_COMMON_AZURE_BLOB_SERVICE_H
#define BEOFARM_COMMON_AZURE_BLOB_SERVICE_H

#include <stdbool.h>

#include "common/azure/http.h"
#include "common/buf.h"
#include "common/error.h"

#define BLOB_SERVICE_VERSION "2021-12-02" /* of the Storage REST interface */

/* By what blocks and ranges are checked (blob_check.h). */
enum blob_check { BLOB_CHECK_UNKNOWN = 0, BLOB_CHECK_MD5, BLOB_CHECK_CRC64 };

/* All borrowed. */
struct blob_service {
    struct http *http;
    const char *url; /* "https://ACCOUNT.blob.core.windows.net", without '/' at its end */
    const char *sas; /* query without '?' that gives the right to everything that does not bring
                        its own; NULL: none. Secret */
    bool plain;      /* allow http:// to hosts other than this one (an emulator elsewhere) */
    /* Sign a try that brings no SAS, dated and named already. NULL: nobody signs. */
    int (*authorize)(void *context, struct http_try *try, struct error *ret_error);
    void *authorize_context;
    enum blob_check put_check, get_check; /* found out when first needed */
};

/* Append URL / CONTAINER [/ BLOB] [? QUERY]: container and blob are names, encoded here ('/'
 * stays); both may be NULL, as may the encoded query. 0, or -1 (buf failed). */
int blob_service_put_url(const struct blob_service *service, const char *container,
                         const char *blob, const char *query, struct buf *ret_url);

/* Fill a request (all zero but method and what dates, names and signs it): x-ms-date, x-ms-version,
 * x-ms-client-request-id, and what `authorize` adds. The service must outlive it. */
void blob_service_request(struct blob_service *service, const char *method,
                          struct http_request *ret_request);

/* The same for a URL that brings its own right with it (a SAS): dated and named, not signed. */
void blob_service_sas_request(struct blob_service *service, const char *method,
                              struct http_request *ret_request);

#endif

#include "config.h"

#include "common/azure/blob_lease.h"

#include <stdio.h>

#include "common/azure/blob_private.h"

int blob_lease_id_make(char id[BLOB_LEASE_ID_SIZE], struct error *ret_error)
{
    return http_id_make(id, ret_error);
}

static int lease_ask(struct blob_service *service, const struct blob_place *place,
                     const struct http_header *headers, size_t headers_count, const char *doing,
                     struct error *ret_error)
{
    static const char *const already[] = {"LeaseAlreadyPresent",
                                          "LeaseIdMismatchWithLeaseOperation",
                                          "LeaseLost",
                                          "LeaseNotPresentWithLeaseOperation",
                                          "LeaseAlreadyBroken",
                                          "LeaseIsBrokenAndCannotBeRenewed",
                                          "LeaseIsBreakingAndCannotBeAcquired",
                                          NULL};
    char text[BLOB_DOING_MAX];
    struct http_response response = {0};
    blob_doing(doing, place, "", text);
    struct blob_call call = {.method = "PUT",
                             .place = place,
                             .query = "comp=lease",
                             .headers = headers,
                             .headers_count = headers_count,
                             .doing = text};
    int rc = blob_ask(service, &call, &response, ret_error);
    if (rc == 0 && response.status / 100 != 2)
        rc = blob_refuse(&response, already, text, ret_error);
    http_response_fini(&response);
    return rc;
}

int blob_lease_acquire(struct blob_service *service, const struct blob_place *place,
                       const char *id, int seconds, struct error *ret_error)
{
    char duration[16];
    snprintf(duration, sizeof(duration), "%d", seconds);
    const struct http_header headers[] = {{"x-ms-lease-action", "acquire"},
                                          {"x-ms-proposed-lease-id", id},
                                          {"x-ms-lease-duration", duration}};
    return lease_ask(service, place, headers, 3, "leasing", ret_error);
}

int blob_lease_renew(struct blob_service *service, const struct blob_place *place,
                     const char *id, struct error *ret_error)
{
    const struct http_header headers[] = {{"x-ms-lease-action", "renew"},
                                          {"x-ms-lease-id", id}};
    return lease_ask(service, place, headers, 2, "keeping the lease of", ret_error);
}

int blob_lease_release(struct blob_service *service, const struct blob_place *place,
                       const char *id, struct error *ret_error)
{
    const struct http_header headers[] = {{"x-ms-lease-action", "release"},
                                          {"x-ms-lease-id", id}};
    int rc = lease_ask(service, place, headers, 2, "giving up the lease of", ret_error);
    return rc == BLOB_ALREADY || rc == BLOB_MISSING ? 0 : rc;
}

int blob_lease_break(struct blob_service *service, const struct blob_place *place,
                     struct error *ret_error)
{
    static const struct http_header headers[] = {{"x-ms-lease-action", "break"},
                                                 {"x-ms-lease-break-period", "0"}};
    int rc = lease_ask(service, place, headers, 2, "breaking the lease of", ret_error);
    return rc == BLOB_ALREADY ? 0 : rc;
}

/*
 * An append names its position. If its answer is lost and it is sent again, the service refuses it
 * by AppendPositionConditionNotMet; what stands at the position then tells whether it was ours.
 */
#include "config.h"

#include "common/azure/blob_append.h"

#include <stdio.h>
#include <string.h>

#include "common/azure/blob_private.h"

int blob_append_create(struct blob_service *service, const struct blob_place *place,
                       uint64_t *ret_size, struct error *ret_error)
{
    static const char *const already[] = {"BlobAlreadyExists", "ConditionNotMet", NULL};
    static const struct http_header headers[] = {{"x-ms-blob-type", "AppendBlob"},
                                                 {"If-None-Match", "*"}};
    char doing[BLOB_DOING_MAX];
    struct http_response response = {0};
    struct blob_properties properties = {0};
    blob_doing("making append", place, "", doing);
    struct blob_call call = {.method = "PUT",
                             .place = place,
                             .headers = headers,
                             .headers_count = 2,
                             .doing = doing};
    int rc = blob_ask(service, &call, &response, ret_error);
    if (rc == 0 && response.status / 100 != 2)
        rc = blob_refuse(&response, already, doing, ret_error);
    http_response_fini(&response);
    if (rc == BLOB_ALREADY) {
        rc = blob_properties_get(service, place, &properties, ret_error);
        if (rc == 0 && properties.kind != BLOB_APPEND)
            rc = error_set(ret_error, ERROR_CONFIG,
                           "%s: there is a blob of that name that is none to append to; "
                           "delete it or choose another name",
                           doing);
    }
    if (rc == 0 && ret_size)
        *ret_size = properties.size;
    return rc;
}

/* Is what stands at `position` what we sent? 1 yes, 0 no, -1. */
static int is_there(struct blob_service *service, const struct blob_place *place,
                    uint64_t position, const void *bytes, size_t size, struct error *ret_error)
{
    struct buf there;
    buf_init(&there, size);
    int64_t got = blob_get(service, place, position, size, &there, NULL, ret_error);
    int rc = got < 0 ? -1 : (size_t)got == size && memcmp(there.data, bytes, size) == 0;
    buf_fini(&there);
    return rc;
}

/* Append at most BLOB_APPEND_MAX bytes. */
static int piece_append(struct blob_service *service, const struct blob_place *place,
                        uint64_t position, const void *bytes, size_t size, const char *doing,
                        struct error *ret_error)
{
    static const char *const already[] = {"AppendPositionConditionNotMet", NULL};
    char at[24], text[BLOB_MD5_TEXT];
    uint8_t md5[16];
    struct http_response response = {0};
    if (blob_md5(bytes, size, md5) != 0)
        return error_set(ret_error, ERROR_SYSTEM, "%s: OpenSSL offers no MD5", doing);
    blob_md5_format(md5, text);
    snprintf(at, sizeof(at), "%llu", (unsigned long long)position);
    const struct http_header headers[] = {{"x-ms-blob-condition-appendpos", at},
                                          {"Content-MD5", text}};
    struct blob_call call = {.method = "PUT",
                             .place = place,
                             .query = "comp=appendblock",
                             .headers = headers,
                             .headers_count = 2,
                             .body = bytes,
                             .body_size = size,
                             .doing = doing};
    int rc = blob_ask(service, &call, &response, ret_error);
    if (rc == 0 && response.status / 100 != 2)
        rc = blob_refuse(&response, already, doing, ret_error);
    if (rc == BLOB_ALREADY) {
        int there = is_there(service, place, position, bytes, size, ret_error);
        rc = there < 0 ? -1 : there ? 0 : BLOB_ALREADY;
    }
    http_response_fini(&response);
    return rc;
}

int blob_append(struct blob_service *service, const struct blob_place *place,
                uint64_t *position, const void *bytes, size_t size, struct error *ret_error)
{
    char doing[BLOB_DOING_MAX];
    int rc = 0;
    blob_doing("appending to", place, "", doing);
    while (rc == 0 && size > 0) {
        size_t piece = size < BLOB_APPEND_MAX ? size : BLOB_APPEND_MAX;
        rc = piece_append(service, place, *position, bytes, piece, doing, ret_error);
        if (rc == 0) {
            *position += piece;
            bytes = (const char *)bytes + piece;
            size -= piece;
        }
    }
    return rc;
}

#include "config.h"

#include "common/azure/blob.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/azure/blob_private.h"
#include "common/azure/secret.h"

#define BLOB_HEADERS_MAX 8

bool blob_container_valid(const char *name)
{
    size_t size = strlen(name);
    if (size < 3 || size > BLOB_CONTAINER_MAX || name[0] == '-' || name[size - 1] == '-')
        return false;
    for (size_t i = 0; i < size; i++) {
        bool letter = (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9');
        if (!letter && (name[i] != '-' || name[i + 1] == '-'))
            return false;
    }
    return true;
}

int blob_md5(const void *bytes, size_t size, uint8_t md5[16])
{
    return EVP_Digest(bytes, size, md5, NULL, EVP_md5(), NULL) == 1 ? 0 : -1;
}

void blob_md5_format(const uint8_t md5[16], char text[BLOB_MD5_TEXT])
{
    EVP_EncodeBlock((unsigned char *)text, md5, 16);
}

int blob_md5_parse(const char *text, uint8_t md5[16])
{
    unsigned char bytes[18];
    if (strlen(text) != 24 || EVP_DecodeBlock(bytes, (const unsigned char *)text, 24) != 18)
        return -1;
    memcpy(md5, bytes, 16);
    return 0;
}

void blob_doing(const char *doing, const struct blob_place *place, const char *rest, char *text)
{
    snprintf(text, BLOB_DOING_MAX, "%s blob \"%s/%s\"%s", doing, place->container, place->name,
             rest);
}

int blob_url_put(struct blob_service *service, const struct blob_place *place,
                 const char *query, const char *doing, struct buf *ret_url,
                 struct error *ret_error)
{
    if (place->name && strlen(place->name) > BLOB_NAME_MAX)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: the name is longer than the %d bytes that Azure allows", doing,
                         BLOB_NAME_MAX);
    const char *sas = place->sas ? place->sas : service->sas;
    int rc = blob_service_put_url(service, place->container, place->name, query, ret_url);
    if (rc == 0 && sas) {
        buf_append_text(ret_url, query ? "&" : "?");
        rc = buf_append_text(ret_url, sas);
    }
    return rc == 0 && buf_text(ret_url)
               ? 0
               : error_set(ret_error, ERROR_SYSTEM, "%s: no room for a URL", doing);
}

void blob_request_fill(struct blob_service *service, const struct blob_place *place,
                       const char *method, struct http_request *ret_request)
{
    if (place->sas || service->sas)
        blob_service_sas_request(service, method, ret_request);
    else
        blob_service_request(service, method, ret_request);
}

/* The call's headers, and the lease that is to be held, into headers. Returns how many. */
static size_t headers_gather(const struct blob_call *call,
                             struct http_header headers[BLOB_HEADERS_MAX])
{
    size_t count = 0;
    for (; count < call->headers_count && count < BLOB_HEADERS_MAX - 1; count++)
        headers[count] = call->headers[count];
    if (call->place->lease && strcmp(call->method, "GET") != 0 &&
        strcmp(call->method, "HEAD") != 0)
        headers[count++] = (struct http_header){"x-ms-lease-id", call->place->lease};
    return count;
}

int blob_ask(struct blob_service *service, const struct blob_call *call,
             struct http_response *ret_response, struct error *ret_error)
{
    struct http_header headers[BLOB_HEADERS_MAX];
    struct http_request request;
    struct buf url;
    buf_init(&url, BLOB_URL_MAX);
    int rc = blob_url_put(service, call->place, call->query, call->doing, &url, ret_error);
    if (rc == 0) {
        blob_request_fill(service, call->place, call->method, &request);
        request.url = buf_text(&url);
        request.headers = headers;
        request.headers_count = headers_gather(call, headers);
        request.body = call->body;
        request.body_size = call->body_size;
        request.response_max = call->answer_max;
        request.retry = call->retry;
        rc = http_perform(service->http, &request, ret_response, ret_error);
        if (rc != 0)
            error_prefix(ret_error, "%s", call->doing);
    }
    secret_buf_fini(&url);
    return rc;
}

int blob_refuse(const struct http_response *response, const char *const *already,
                const char *doing, struct error *ret_error)
{
    struct azure_error error;
    int rc = -1;
    azure_error_read(AZURE_STORAGE, response, &error);
    azure_error_set(AZURE_STORAGE, &error, doing, ret_error);
    for (; already && *already; already++)
        if (azure_error_is(&error, *already))
            rc = BLOB_ALREADY;
    if (rc < 0 && error.status == 404)
        rc = BLOB_MISSING;
    azure_error_fini(&error);
    return rc;
}

/* Ask what is worth nothing but its status. */
static int blob_tell(struct blob_service *service, const struct blob_call *call,
                     const char *const *already, struct error *ret_error)
{
    struct http_response response = {0};
    int rc = blob_ask(service, call, &response, ret_error);
    if (rc == 0 && response.status / 100 != 2)
        rc = blob_refuse(&response, already, call->doing, ret_error);
    http_response_fini(&response);
    return rc;
}

int blob_container_create(struct blob_service *service, const char *container,
                          struct error *ret_error)
{
    static const char *const already[] = {"ContainerAlreadyExists", NULL};
    const struct blob_place place = {.container = container};
    char doing[BLOB_DOING_MAX];
    snprintf(doing, sizeof(doing), "creating container \"%s\"", container);
    if (!blob_container_valid(container))
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: a container's name has 3 to 63 of a-z, 0-9 and single '-' inside",
                         doing);
    struct blob_call call = {
        .method = "PUT", .place = &place, .query = "restype=container", .doing = doing};
    int rc = blob_tell(service, &call, already, ret_error);
    return rc == BLOB_ALREADY ? 0 : rc;
}

int blob_container_delete(struct blob_service *service, const char *container,
                          struct error *ret_error)
{
    static const char *const already[] = {"ContainerBeingDeleted", NULL};
    const struct blob_place place = {.container = container};
    char doing[BLOB_DOING_MAX];
    snprintf(doing, sizeof(doing), "deleting container \"%s\"", container);
    struct blob_call call = {
        .method = "DELETE", .place = &place, .query = "restype=container", .doing = doing};
    return blob_tell(service, &call, already, ret_error);
}

void blob_properties_read(const struct http_response *response,
                          struct blob_properties *ret_properties)
{
    const char *size = http_response_header(response, "content-length");
    const char *kind = http_response_header(response, "x-ms-blob-type");
    const char *etag = http_response_header(response, "etag");
    const char *md5 = http_response_header(response, "content-md5");
    const char *changed = http_response_header(response, "last-modified");
    const char *blocks = http_response_header(response, "x-ms-blob-committed-block-count");
    memset(ret_properties, 0, sizeof(*ret_properties));
    ret_properties->size = size ? strtoull(size, NULL, 10) : 0;
    ret_properties->kind = !kind || strcasecmp(kind, "BlockBlob") == 0 ? BLOB_BLOCK
                           : strcasecmp(kind, "AppendBlob") == 0       ? BLOB_APPEND
                                                                       : BLOB_PAGE;
    if (etag)
        snprintf(ret_properties->etag, sizeof(ret_properties->etag), "%s", etag);
    ret_properties->has_md5 = md5 && blob_md5_parse(md5, ret_properties->md5) == 0;
    if (!changed || http_date_parse(changed, &ret_properties->changed_s) != 0)
        ret_properties->changed_s = 0;
    ret_properties->append_blocks = blocks ? (int)strtol(blocks, NULL, 10) : 0;
}

int blob_properties_get(struct blob_service *service, const struct blob_place *place,
                        struct blob_properties *ret_properties, struct error *ret_error)
{
    char doing[BLOB_DOING_MAX];
    struct http_response response = {0};
    blob_doing("asking for", place, "", doing);
    struct blob_call call = {.method = "HEAD", .place = place, .doing = doing};
    int rc = blob_ask(service, &call, &response, ret_error);
    if (rc == 0 && response.status / 100 != 2)
        rc = blob_refuse(&response, NULL, doing, ret_error);
    else if (rc == 0)
        blob_properties_read(&response, ret_properties);
    http_response_fini(&response);
    return rc;
}

int blob_delete(struct blob_service *service, const struct blob_place *place,
                struct error *ret_error)
{
    static const struct http_header snapshots = {"x-ms-delete-snapshots", "include"};
    char doing[BLOB_DOING_MAX];
    blob_doing("deleting", place, "", doing);
    struct blob_call call = {.method = "DELETE",
                             .place = place,
                             .headers = &snapshots,
                             .headers_count = 1,
                             .doing = doing};
    return blob_tell(service, &call, NULL, ret_error);
}

int blob_put(struct blob_service *service, const struct blob_place *place, const void *bytes,
             size_t size, enum blob_unless unless, struct error *ret_error)
{
    static const char *const already[] = {"BlobAlreadyExists", "ConditionNotMet", NULL};
    char doing[BLOB_DOING_MAX], text[BLOB_MD5_TEXT];
    uint8_t md5[16];
    blob_doing("writing", place, "", doing);
    if (blob_md5(bytes, size, md5) != 0)
        return error_set(ret_error, ERROR_SYSTEM, "%s: OpenSSL offers no MD5", doing);
    blob_md5_format(md5, text);
    const struct http_header headers[] = {{"x-ms-blob-type", "BlockBlob"},
                                          {"Content-Type", "application/octet-stream"},
                                          {"Content-MD5", text},
                                          {"If-None-Match", "*"}};
    struct http_response response = {0};
    struct blob_call call = {.method = "PUT",
                             .place = place,
                             .headers = headers,
                             .headers_count = unless == BLOB_UNLESS_EXISTS ? 4 : 3,
                             .body = size ? bytes : "",
                             .body_size = size,
                             .doing = doing};
    int rc = blob_ask(service, &call, &response, ret_error);
    if (rc == 0 && response.status / 100 != 2)
        rc = blob_refuse(&response, unless == BLOB_UNLESS_EXISTS ? already : NULL, doing,
                         ret_error);
    http_response_fini(&response);
    return rc;
}

int64_t blob_get(struct blob_service *service, const struct blob_place *place, uint64_t offset,
                 size_t max, struct buf *ret_bytes, bool *ret_missing, struct error *ret_error)
{
    char doing[BLOB_DOING_MAX], range[64];
    struct http_response response = {0};
    int64_t got = -1;
    if (ret_missing)
        *ret_missing = false;
    if (max == 0)
        return 0;
    blob_doing("reading", place, "", doing);
    snprintf(range, sizeof(range), "bytes=%llu-%llu", (unsigned long long)offset,
             (unsigned long long)(offset + max - 1));
    const struct http_header header = {"x-ms-range", range};
    struct blob_call call = {.method = "GET",
                             .place = place,
                             .headers = &header,
                             .headers_count = 1,
                             .answer_max = max,
                             .doing = doing};
    if (blob_ask(service, &call, &response, ret_error) != 0)
        return -1;
    if (response.status == 416) {
        got = 0;
    } else if (response.status / 100 != 2) {
        int rc = blob_refuse(&response, NULL, doing, ret_error);
        if (ret_missing)
            *ret_missing = rc == BLOB_MISSING;
    } else if (response.status == 200 && offset > 0) {
        error_set(ret_error, ERROR_BACKEND, "%s: the server does not honour ranges", doing);
    } else if (response.body.size &&
               buf_append(ret_bytes, response.body.data, response.body.size) != 0) {
        error_set(ret_error, ERROR_SYSTEM, "%s: no room for what was read", doing);
    } else {
        got = (int64_t)response.body.size;
    }
    http_response_fini(&response);
    return got;
}

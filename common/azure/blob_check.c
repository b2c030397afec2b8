#include "config.h"

#include "common/azure/blob_check.h"

#include <string.h>

#include "common/azure/blob_blocks.h"
#include "common/azure/blob_private.h"
#include "common/azure/blob_upload.h"
#include "common/azure/crc64.h"

#define CRC_SIZE 8

const char *blob_check_header(enum blob_check check)
{
    return check == BLOB_CHECK_CRC64 ? "x-ms-content-crc64" : "Content-MD5";
}

const char *blob_check_header_asking(enum blob_check check)
{
    return check == BLOB_CHECK_CRC64 ? "x-ms-range-get-content-crc64"
                                     : "x-ms-range-get-content-md5";
}

/* Ask once, with a request that bears or wants a CRC: a service that knows it tells it in turn. An
 * answer that says neither yes nor no leaves the question open. */
static enum blob_check check_ask(struct blob_service *service, struct blob_call *call,
                                 enum blob_check *known)
{
    struct http_response response = {0};
    struct azure_error refusal;
    struct error error;
    if (*known != BLOB_CHECK_UNKNOWN)
        return *known;
    call->retry = HTTP_RETRY_NEVER;
    call->doing = "asking for checksums";
    if (blob_ask(service, call, &response, &error) != 0)
        return BLOB_CHECK_MD5;
    azure_error_read(AZURE_STORAGE, &response, &refusal);
    if (response.status / 100 == 2)
        *known = http_response_header(&response, blob_check_header(BLOB_CHECK_CRC64))
                     ? BLOB_CHECK_CRC64
                     : BLOB_CHECK_MD5;
    else if (azure_error_is(&refusal, "FeatureNotSupported")) /* Azurite */
        *known = BLOB_CHECK_MD5;
    azure_error_fini(&refusal);
    http_response_fini(&response);
    return *known == BLOB_CHECK_CRC64 ? BLOB_CHECK_CRC64 : BLOB_CHECK_MD5;
}

enum blob_check blob_check_find_put(struct blob_service *service,
                                    const struct blob_place *place)
{
    struct blob_digest digest = {0};
    uint8_t bytes[BLOB_DIGEST_SIZE];
    char text[BLOB_DIGEST_TEXT], name[BLOB_BLOCK_NAME];
    struct buf query;
    const struct http_header header = {blob_check_header(BLOB_CHECK_CRC64), text};
    struct blob_call call = {.method = "PUT",
                             .place = place,
                             .headers = &header,
                             .headers_count = 1,
                             .body = "?",
                             .body_size = 1};
    blob_digest_begin(&digest, BLOB_CHECK_CRC64, NULL);
    blob_digest_add(&digest, call.body, 1);
    blob_digest_end(&digest, bytes);
    blob_digest_format(BLOB_CHECK_CRC64, bytes, text);
    blob_block_name(BLOB_BLOCKS_MAX, bytes, name); /* no block has that index */
    buf_init(&query, 256);
    blob_block_query(name, &query);
    call.query = buf_text(&query);
    enum blob_check check = check_ask(service, &call, &service->put_check);
    buf_fini(&query);
    return check;
}

enum blob_check blob_check_find_get(struct blob_service *service,
                                    const struct blob_place *place)
{
    const struct http_header headers[] = {{"Range", "bytes=0-0"},
                                          {blob_check_header_asking(BLOB_CHECK_CRC64), "true"}};
    struct blob_call call = {
        .method = "GET", .place = place, .headers = headers, .headers_count = 2};
    return check_ask(service, &call, &service->get_check);
}

int blob_digest_begin(struct blob_digest *digest, enum blob_check check,
                      struct error *ret_error)
{
    digest->check = check;
    digest->crc = digest->size = 0;
    if (check != BLOB_CHECK_MD5)
        return 0;
    if (!digest->md5)
        digest->md5 = EVP_MD_CTX_new();
    if (digest->md5 && EVP_DigestInit_ex(digest->md5, EVP_md5(), NULL) == 1)
        return 0;
    digest->check = BLOB_CHECK_UNKNOWN;
    return error_set(ret_error, ERROR_SYSTEM, "OpenSSL offers no MD5");
}

void blob_digest_add(struct blob_digest *digest, const void *bytes, size_t size)
{
    digest->size += size;
    if (digest->check == BLOB_CHECK_MD5)
        EVP_DigestUpdate(digest->md5, bytes, size);
    else if (digest->check == BLOB_CHECK_CRC64)
        digest->crc = crc64(digest->crc, bytes, size);
}

void blob_digest_end(struct blob_digest *digest, uint8_t ret_bytes[BLOB_DIGEST_SIZE])
{
    memset(ret_bytes, 0, BLOB_DIGEST_SIZE);
    if (digest->check == BLOB_CHECK_MD5)
        EVP_DigestFinal_ex(digest->md5, ret_bytes, NULL);
    for (int i = 0; digest->check == BLOB_CHECK_CRC64 && i < CRC_SIZE; i++) {
        ret_bytes[i] = (uint8_t)(digest->crc >> (8 * i));
        ret_bytes[CRC_SIZE + i] = (uint8_t)(digest->size >> (8 * i));
    }
}

void blob_digest_fini(struct blob_digest *digest)
{
    EVP_MD_CTX_free(digest->md5);
    digest->md5 = NULL;
}

void blob_digest_format(enum blob_check check, const uint8_t bytes[BLOB_DIGEST_SIZE],
                        char text[BLOB_DIGEST_TEXT])
{
    EVP_EncodeBlock((unsigned char *)text, bytes,
                    check == BLOB_CHECK_CRC64 ? CRC_SIZE : BLOB_DIGEST_SIZE);
}

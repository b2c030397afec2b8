/*
 * blob_private.h - how blob operations are asked, for the parts of blob and store_blob alone.
 */
#ifndef BEOFARM_COMMON_AZURE_BLOB_PRIVATE_H
#define BEOFARM_COMMON_AZURE_BLOB_PRIVATE_H

#include "common/azure/azure_error.h"
#include "common/azure/blob.h"

#define BLOB_DOING_MAX 2048
#define BLOB_URL_MAX   ((size_t)16 << 10)
#define BLOB_MD5_TEXT  25 /* an MD5 in base64, with its NUL */

struct blob_call {
    const char *method;
    const struct blob_place *place;
    const char *query; /* encoded; NULL: none */
    const struct http_header *headers;
    size_t headers_count;
    const void *body; /* NULL: none */
    uint64_t body_size;
    size_t answer_max; /* bytes of a good answer; 0: http's default */
    enum http_retry retry;
    const char *doing;
};

/* Ask. 0 with the answer, whatever its status (caller: http_response_fini), or -1 with a
 * sentence. */
int blob_ask(struct blob_service *service, const struct blob_call *call,
             struct http_response *ret_response, struct error *ret_error);

/* The URL of a place, its SAS with it, appended. 0, or -1 with a sentence. */
int blob_url_put(struct blob_service *service, const struct blob_place *place,
                 const char *query, const char *doing, struct buf *ret_url,
                 struct error *ret_error);

/* Fill a request to a place; its URL is the caller's to set. */
void blob_request_fill(struct blob_service *service, const struct blob_place *place,
                       const char *method, struct http_request *ret_request);

/* What a refusal comes to: BLOB_ALREADY for one of `already` (ends with NULL; may be NULL),
 * BLOB_MISSING for 404, else -1; with the sentence in any case. */
int blob_refuse(const struct http_response *response, const char *const *already,
                const char *doing, struct error *ret_error);

/* "DOING blob \"C/N\"REST" into text (BLOB_DOING_MAX). */
void blob_doing(const char *doing, const struct blob_place *place, const char *rest,
                char *text);

/* The properties that an answer's headers tell. */
void blob_properties_read(const struct http_response *response,
                          struct blob_properties *ret_properties);

/* MD5 of bytes as Content-MD5 wants it, and back. 0 or -1. */
int blob_md5(const void *bytes, size_t size, uint8_t md5[16]);
void blob_md5_format(const uint8_t md5[16], char text[BLOB_MD5_TEXT]);
int blob_md5_parse(const char *text, uint8_t md5[16]);

#endif

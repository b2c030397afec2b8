/*
 * blob_check.h - how blocks and ranges are checked against damage on their way.
 *
 * Azure checks a block that comes with a CRC-64 (x-ms-content-crc64) or an MD5 (Content-MD5), not
 * both, and tells either for a range of up to 4 MiB. The CRC costs next to nothing, MD5 what a fast
 * network takes; emulators may know MD5 alone. So the first transfer of several blocks asks, by one
 * byte, and the service remembers the answer (blob_service.h).
 */
#ifndef BEOFARM_COMMON_AZURE_BLOB_CHECK_H
#define BEOFARM_COMMON_AZURE_BLOB_CHECK_H

#include <openssl/evp.h>

#include "common/azure/blob.h"

#define BLOB_DIGEST_SIZE                                                                       \
    16 /* an MD5; or a CRC-64 and how many bytes it is of, low bytes first */
#define BLOB_DIGEST_TEXT 25 /* as a header's value, with its NUL */

/* By what the service checks blocks that are put to `place`: one byte is, as a block that nobody
 * will commit. BLOB_CHECK_MD5 if it cannot be found out now. */
enum blob_check blob_check_find_put(struct blob_service *service,
                                    const struct blob_place *place);

/* What it tells of ranges of the blob, which has at least one byte. */
enum blob_check blob_check_find_get(struct blob_service *service,
                                    const struct blob_place *place);

/* The headers: of the checksum itself, and the one that asks for a range's. */
const char *blob_check_header(enum blob_check check);
const char *blob_check_header_asking(enum blob_check check);

/* A digest in the making. One of zeros may be ended with blob_digest_fini. */
struct blob_digest {
    enum blob_check check; /* BLOB_CHECK_UNKNOWN: all functions do nothing */
    uint64_t crc, size;
    EVP_MD_CTX *md5;
};

/* Begin, or begin anew. -1 with a sentence. */
int blob_digest_begin(struct blob_digest *digest, enum blob_check check,
                      struct error *ret_error);
void blob_digest_add(struct blob_digest *digest, const void *bytes, size_t size);
/* What it comes to; it must be begun again before more is added. */
void blob_digest_end(struct blob_digest *digest, uint8_t ret_bytes[BLOB_DIGEST_SIZE]);
void blob_digest_fini(struct blob_digest *digest);

/* A digest as its header's value. */
void blob_digest_format(enum blob_check check, const uint8_t bytes[BLOB_DIGEST_SIZE],
                        char text[BLOB_DIGEST_TEXT]);

#endif

/*
 * One thread hashes (blob_reader.h); this one sends what the service lacks, a few blocks at once,
 * each read from the page cache straight into curl's buffer, and commits their list at the end. A
 * block that vanished in between (somebody else committed the same blob) makes everything begin
 * once more.
 */
#include "config.h"

#include "common/azure/blob_upload.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/azure/blob_blocks.h"
#include "common/azure/blob_private.h"
#include "common/azure/blob_reader.h"
#include "common/azure/secret.h"

#define MIB      ((uint64_t)1 << 20)
#define PARALLEL 4
#define AHEAD    2 /* blocks hashed before they can be sent: they shall still be in caches then */
#define NAP_MS   2 /* between looks for a block that has been hashed, while others are sent */

struct upload;

/* A block on its way. */
struct sending {
    struct upload *upload;
    bool busy;
    struct blob_reader_block block;
};

struct upload {
    struct blob_service *service;
    const struct blob_place *place;
    const char *path;
    struct blob_upload_options options;
    struct blob_upload_report report;
    char doing[BLOB_DOING_MAX];
    struct blob_reader *reader;
    struct blob_blocks known; /* what the service holds from an earlier upload */
    uint8_t *digests;         /* of all blocks, one after another */
    enum blob_check check;
    uint32_t count;
    struct sending *sendings;
    int under_way;
    uint64_t done; /* bytes */
    int rc;
    struct error error;
};

static void bytes_count(struct upload *upload, uint64_t bytes)
{
    upload->done += bytes;
    if (upload->options.shown)
        upload->options.shown(upload->options.shown_context, upload->done, upload->report.size);
}

/* A block was refused: perhaps because the file is not what was hashed any more. */
static int block_refused(struct upload *upload, const struct http_response *response,
                         struct error *ret_error)
{
    if (response->status == 400 && blob_reader_check(upload->reader, NULL, ret_error) != 0)
        return -1;
    return blob_refuse(response, NULL, upload->doing, ret_error);
}

static void block_done(void *context, struct http_response *response, const struct error *error)
{
    struct sending *sending = context;
    struct upload *upload = sending->upload;
    upload->under_way--;
    sending->busy = false;
    if (!response && upload->rc == 0) {
        upload->error = *error;
        upload->rc = error_prefix(&upload->error, "%s", upload->doing);
    } else if (response && response->status / 100 != 2) {
        struct error said;
        int rc = block_refused(upload, response, &said);
        if (upload->rc == 0)
            upload->error = said;
        upload->rc = upload->rc ? upload->rc : rc;
    } else if (response) {
        upload->report.sent += sending->block.size;
        bytes_count(upload, sending->block.size);
    }
}

static int64_t block_read(void *context, uint64_t offset, void *bytes, size_t size,
                          struct error *ret_error)
{
    struct sending *sending = context;
    return blob_reader_read(sending->upload->reader, sending->block.offset + offset, bytes,
                            size, ret_error);
}

static int block_send(struct upload *upload, struct sending *sending, const char *name)
{
    const struct blob_reader_block *block = &sending->block;
    char text[BLOB_DIGEST_TEXT];
    struct buf url, query;
    struct http_request request;
    blob_digest_format(upload->check, block->digest, text);
    const struct http_header header = {blob_check_header(upload->check), text};
    buf_init(&url, BLOB_URL_MAX);
    buf_init(&query, 256);
    blob_block_query(name, &query);
    blob_request_fill(upload->service, upload->place, "PUT", &request);
    int rc = blob_url_put(upload->service, upload->place, buf_text(&query), upload->doing, &url,
                          &upload->error);
    request.url = rc == 0 ? buf_text(&url) : "";
    request.headers = &header;
    request.headers_count = 1;
    request.source = block_read;
    request.source_context = sending;
    request.body_size = block->size;
    request.done = block_done;
    request.done_context = sending;
    if (rc == 0)
        rc = http_start(upload->service->http, &request, &upload->error);
    sending->busy = rc == 0;
    upload->under_way += rc == 0;
    upload->report.requests += rc == 0;
    secret_buf_fini(&url); /* it may hold a SAS */
    buf_fini(&query);
    return rc;
}

/* A block has been hashed: send it, unless the service has it. */
static void block_take(struct upload *upload, struct sending *sending)
{
    const struct blob_reader_block *block = &sending->block;
    char name[BLOB_BLOCK_NAME];
    blob_block_name((uint32_t)block->index, block->digest, name);
    memcpy(upload->digests + BLOB_DIGEST_SIZE * block->index, block->digest, BLOB_DIGEST_SIZE);
    if (blob_blocks_have(&upload->known, name, block->size)) {
        upload->report.resumed += block->size;
        bytes_count(upload, block->size);
    } else if (block_send(upload, sending, name) != 0) {
        upload->rc = -1;
    }
}

static struct sending *sending_find(struct upload *upload)
{
    for (int i = 0; i < upload->options.parallel; i++)
        if (!upload->sendings[i].busy)
            return &upload->sendings[i];
    return NULL;
}

/* All blocks of the file, until they are there or something went wrong. */
static void blocks_send(struct upload *upload)
{
    struct http *http = upload->service->http;
    while (upload->under_way > 0 || (upload->rc == 0 && !blob_reader_ended(upload->reader))) {
        struct sending *sending = upload->rc == 0 ? sending_find(upload) : NULL;
        bool more = sending && !blob_reader_ended(upload->reader);
        int got = more ? blob_reader_next(upload->reader, upload->under_way == 0,
                                          &sending->block, &upload->error)
                       : 0;
        if (got < 0)
            upload->rc = -1;
        else if (got > 0)
            block_take(upload, sending);
        else
            http_wait(http, more ? NAP_MS : -1);
    }
}

/* What was read, and has this SHA-256, must be what the caller means. */
static int content_check(struct upload *upload, const uint8_t *sha256)
{
    const uint8_t *wanted = upload->options.sha256;
    if (wanted && memcmp(sha256, wanted, 32) != 0)
        return error_set(&upload->error, ERROR_CHANGED,
                         "\"%s\" was changed after it had been hashed; run again",
                         upload->path);
    return 0;
}

/* All of a file of at most one block, into bytes. */
static int small_read(struct upload *upload, uint8_t *bytes)
{
    uint8_t sha256[32] = {0};
    uint64_t size = upload->report.size;
    for (uint64_t done = 0; done < size;) {
        int64_t got = blob_reader_read(upload->reader, done, bytes + done,
                                       (size_t)(size - done), &upload->error);
        if (got < 0)
            return -1;
        done += (uint64_t)got;
    }
    if (blob_reader_check(upload->reader, NULL, &upload->error) != 0)
        return -1;
    if (upload->options.sha256 &&
        EVP_Digest(bytes, (size_t)size, sha256, NULL, EVP_sha256(), NULL) != 1)
        return error_set(&upload->error, ERROR_SYSTEM, "OpenSSL offers no SHA-256");
    return content_check(upload, sha256);
}

/* A file of one block, or none. */
static int small_put(struct upload *upload)
{
    size_t size = (size_t)upload->report.size;
    uint8_t *bytes = malloc(size ? size : 1);
    int rc = bytes ? small_read(upload, bytes)
                   : error_set(&upload->error, ERROR_SYSTEM, "%s: no memory", upload->doing);
    if (rc == 0)
        rc = blob_put(upload->service, upload->place, bytes, size, upload->options.unless,
                      &upload->error);
    if (rc == 0) {
        upload->report.requests++;
        upload->report.sent += size;
        bytes_count(upload, size);
    }
    free(bytes);
    return rc;
}

/* *ret_again: a block has vanished. */
static int large_put(struct upload *upload, bool *ret_again)
{
    uint8_t sha256[32] = {0};
    upload->rc = blob_blocks_get(upload->service, upload->place, upload->doing, &upload->known,
                                 &upload->error);
    upload->report.requests++;
    if (upload->rc == 0)
        blocks_send(upload);
    if (upload->rc == 0)
        upload->rc = blob_reader_check(upload->reader, sha256, &upload->error);
    if (upload->rc == 0)
        upload->rc = content_check(upload, sha256);
    if (upload->rc == 0) {
        upload->rc =
            blob_blocks_commit(upload->service, upload->place, upload->digests, upload->count,
                               upload->options.content_type, upload->options.unless,
                               upload->doing, ret_again, &upload->error);
        upload->report.requests++;
    }
    return upload->rc;
}

/* So many bytes that `count` times that is the file, in full MiB. */
static uint64_t share_of(uint64_t size, uint64_t count)
{
    uint64_t share = (size + count - 1) / count;
    return (share + MIB - 1) / MIB * MIB;
}

uint64_t blob_upload_block(uint64_t size)
{
    uint64_t share = share_of(size, 16);
    return share < 4 * MIB ? 4 * MIB : share > 64 * MIB ? 64 * MIB : share;
}

/* Set up for the file as it is now. */
static int upload_open(struct upload *upload)
{
    struct blob_upload_options *options = &upload->options;
    struct stat status;
    if (stat(upload->path, &status) != 0)
        status.st_size = 0; /* the reader says what is wrong */
    if (options->block == 0)
        options->block = blob_upload_block((uint64_t)status.st_size);
    if (options->block * BLOB_BLOCKS_MAX < (uint64_t)status.st_size)
        options->block = share_of((uint64_t)status.st_size, BLOB_BLOCKS_MAX);
    bool large = (uint64_t)status.st_size > options->block;
    upload->report.requests += large && upload->service->put_check == BLOB_CHECK_UNKNOWN;
    upload->check =
        large ? blob_check_find_put(upload->service, upload->place) : BLOB_CHECK_MD5;
    upload->reader = blob_reader_open(upload->path, options->block, AHEAD, upload->check,
                                      options->sha256 != NULL, &upload->error);
    if (!upload->reader)
        return -1;
    upload->report.size = blob_reader_size(upload->reader);
    upload->count = (uint32_t)((upload->report.size + options->block - 1) / options->block);
    upload->digests = calloc(upload->count ? upload->count : 1, BLOB_DIGEST_SIZE);
    upload->sendings = calloc((size_t)options->parallel, sizeof(*upload->sendings));
    if (!upload->digests || !upload->sendings)
        return error_set(&upload->error, ERROR_SYSTEM, "%s: no memory", upload->doing);
    for (int i = 0; i < options->parallel; i++)
        upload->sendings[i].upload = upload;
    return 0;
}

static void upload_close(struct upload *upload)
{
    blob_reader_close(upload->reader);
    blob_blocks_fini(&upload->known);
    free(upload->digests);
    free(upload->sendings);
    upload->reader = NULL;
    upload->digests = NULL;
    upload->sendings = NULL;
    upload->done = 0;
}

static int upload_try(struct upload *upload, bool *ret_again)
{
    *ret_again = false;
    upload->rc = upload_open(upload);
    if (upload->rc == 0 && upload->count <= 1)
        upload->rc = small_put(upload);
    else if (upload->rc == 0)
        upload->rc = large_put(upload, ret_again);
    upload_close(upload);
    return upload->rc;
}

int blob_upload(struct blob_service *service, const struct blob_place *place, const char *path,
                const struct blob_upload_options *options,
                struct blob_upload_report *ret_report, struct error *ret_error)
{
    struct upload upload = {.service = service, .place = place, .path = path};
    bool again = false;
    if (options)
        upload.options = *options;
    if (upload.options.parallel <= 0)
        upload.options.parallel = PARALLEL;
    if (!upload.options.content_type)
        upload.options.content_type = "application/octet-stream";
    snprintf(upload.doing, sizeof(upload.doing), "uploading \"%s\" to blob \"%s/%s\"", path,
             place->container, place->name);
    int rc = upload_try(&upload, &again);
    if (rc != 0 && again)
        rc = upload_try(&upload, &again);
    if (ret_report)
        *ret_report = upload.report;
    if (rc != 0 && ret_error)
        *ret_error = upload.error;
    return rc;
}

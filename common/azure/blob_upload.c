/*
 * One thread reads and hashes (blob_reader.h); this one sends what the service lacks, a few blocks
 * at once, and commits their list at the end. A block that vanished in between (somebody else
 * committed the same blob) makes everything begin once more.
 */
#include "config.h"

#include "common/azure/blob_upload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/azure/blob_blocks.h"
#include "common/azure/blob_private.h"
#include "common/azure/blob_reader.h"
#include "common/azure/secret.h"

#define PARALLEL    4
#define AHEAD_BYTES ((uint64_t)40 << 20) /* in memory at most, but for very large blocks */
#define NAP_MS      2 /* between looks for a block that has been read, while others are sent */

struct upload;

/* A block on its way. */
struct sending {
    struct upload *upload;
    struct blob_reader_block *block; /* NULL: free */
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
    uint8_t *md5s;            /* 16 bytes per block */
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

static void block_done(void *context, struct http_response *response, const struct error *error)
{
    struct sending *sending = context;
    struct upload *upload = sending->upload;
    upload->under_way--;
    if (!response && upload->rc == 0) {
        upload->error = *error;
        upload->rc = error_prefix(&upload->error, "%s", upload->doing);
    } else if (response && response->status / 100 != 2) {
        struct error said;
        int rc = blob_refuse(response, NULL, upload->doing, &said);
        if (upload->rc == 0)
            upload->error = said;
        upload->rc = upload->rc ? upload->rc : rc;
    } else if (response) {
        upload->report.sent += sending->block->size;
        bytes_count(upload, sending->block->size);
    }
    blob_reader_release(upload->reader, sending->block);
    sending->block = NULL;
}

/* The query that names a block, into text. */
static void block_query(const char *name, struct buf *text)
{
    buf_append_text(text, "comp=block&blockid=");
    http_encode(text, name, "");
}

static int block_send(struct upload *upload, struct sending *sending, const char *name)
{
    struct blob_reader_block *block = sending->block;
    char md5[BLOB_MD5_TEXT];
    struct buf url, query;
    struct http_request request;
    blob_md5_format(block->md5, md5);
    const struct http_header header = {"Content-MD5", md5};
    buf_init(&url, BLOB_URL_MAX);
    buf_init(&query, 256);
    block_query(name, &query);
    blob_request_fill(upload->service, upload->place, "PUT", &request);
    int rc = blob_url_put(upload->service, upload->place, buf_text(&query), upload->doing, &url,
                          &upload->error);
    request.url = rc == 0 ? buf_text(&url) : "";
    request.headers = &header;
    request.headers_count = 1;
    request.body = block->bytes;
    request.body_size = block->size;
    request.done = block_done;
    request.done_context = sending;
    if (rc == 0)
        rc = http_start(upload->service->http, &request, &upload->error);
    upload->under_way += rc == 0;
    upload->report.requests += rc == 0;
    secret_buf_fini(&url); /* it may hold a SAS */
    buf_fini(&query);
    return rc;
}

/* A block has been read: send it, unless the service has it. */
static void block_take(struct upload *upload, struct sending *sending,
                       struct blob_reader_block *block)
{
    char name[BLOB_BLOCK_NAME];
    blob_block_name((uint32_t)block->index, block->md5, name);
    memcpy(upload->md5s + 16 * block->index, block->md5, 16);
    if (blob_blocks_have(&upload->known, name, block->size)) {
        upload->report.resumed += block->size;
        bytes_count(upload, block->size);
        blob_reader_release(upload->reader, block);
        return;
    }
    sending->block = block;
    if (block_send(upload, sending, name) != 0) {
        upload->rc = -1;
        blob_reader_release(upload->reader, block);
        sending->block = NULL;
    }
}

static struct sending *sending_find(struct upload *upload)
{
    for (int i = 0; i < upload->options.parallel; i++)
        if (!upload->sendings[i].block)
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
        struct blob_reader_block *block;
        int got = more ? blob_reader_next(upload->reader, upload->under_way == 0, &block,
                                          &upload->error)
                       : 0;
        if (got < 0)
            upload->rc = -1;
        else if (got > 0)
            block_take(upload, sending, block);
        else
            http_wait(http, more ? NAP_MS : -1);
    }
}

/* What was read must be what the caller means. */
static int content_check(struct upload *upload)
{
    uint8_t sha256[32];
    if (blob_reader_check(upload->reader, sha256, &upload->error) != 0)
        return -1;
    if (upload->options.sha256 && memcmp(sha256, upload->options.sha256, 32) != 0)
        return error_set(&upload->error, ERROR_CHANGED,
                         "\"%s\" was changed after it had been hashed; run again",
                         upload->path);
    return 0;
}

/* A file of one block, or none. */
static int small_put(struct upload *upload)
{
    struct blob_reader_block none = {.bytes = (uint8_t *)""}, *block = &none;
    if (upload->report.size > 0 &&
        blob_reader_next(upload->reader, true, &block, &upload->error) != 1)
        return -1;
    int rc = content_check(upload);
    if (rc == 0)
        rc = blob_put(upload->service, upload->place, block->bytes, block->size,
                      upload->options.unless, &upload->error);
    upload->report.requests += rc == 0;
    upload->report.sent += rc == 0 ? block->size : 0;
    if (rc == 0)
        bytes_count(upload, block->size);
    if (block != &none)
        blob_reader_release(upload->reader, block);
    return rc;
}

/* *ret_again: a block has vanished. */
static int large_put(struct upload *upload, bool *ret_again)
{
    upload->rc = blob_blocks_get(upload->service, upload->place, upload->doing, &upload->known,
                                 &upload->error);
    upload->report.requests++;
    if (upload->rc == 0)
        blocks_send(upload);
    if (upload->rc == 0)
        upload->rc = content_check(upload);
    if (upload->rc == 0) {
        upload->rc =
            blob_blocks_commit(upload->service, upload->place, upload->md5s, upload->count,
                               upload->options.content_type, upload->options.unless,
                               upload->doing, ret_again, &upload->error);
        upload->report.requests++;
    }
    return upload->rc;
}

/* Set up for the file as it is now. */
static int upload_open(struct upload *upload)
{
    struct blob_upload_options *options = &upload->options;
    struct stat status;
    if (stat(upload->path, &status) != 0)
        status.st_size = 0; /* the reader says what is wrong */
    uint64_t least = ((uint64_t)status.st_size + BLOB_BLOCKS_MAX - 1) / BLOB_BLOCKS_MAX;
    if (options->block < least)
        options->block = (least + 0xfffff) & ~(uint64_t)0xfffff;
    int ahead = options->parallel + 2;
    if ((uint64_t)ahead * options->block > AHEAD_BYTES)
        ahead = AHEAD_BYTES / options->block > 2 ? (int)(AHEAD_BYTES / options->block) : 2;
    upload->reader = blob_reader_open(upload->path, options->block, ahead,
                                      options->sha256 != NULL, &upload->error);
    if (!upload->reader)
        return -1;
    upload->report.size = blob_reader_size(upload->reader);
    upload->count = (uint32_t)((upload->report.size + options->block - 1) / options->block);
    upload->md5s = calloc(upload->count ? upload->count : 1, 16);
    upload->sendings = calloc((size_t)options->parallel, sizeof(*upload->sendings));
    if (!upload->md5s || !upload->sendings)
        return error_set(&upload->error, ERROR_SYSTEM, "%s: no memory", upload->doing);
    for (int i = 0; i < options->parallel; i++)
        upload->sendings[i].upload = upload;
    return 0;
}

static void upload_close(struct upload *upload)
{
    blob_reader_close(upload->reader);
    blob_blocks_fini(&upload->known);
    free(upload->md5s);
    free(upload->sendings);
    upload->reader = NULL;
    upload->md5s = NULL;
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
    if (upload.options.block == 0)
        upload.options.block = BLOB_BLOCK_DEFAULT;
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

/*
 * One listing of the prefix tells which contents are there: names come sorted, and so do the hashes
 * of the inputs, so both are walked once, side by side, with nothing remembered. What is missing is
 * uploaded: small files several at once, each held in memory and hashed once more before it goes,
 * so that a name never stands for other bytes; large ones one after the other, in parallel blocks.
 */
#include "config.h"

#include "launch/azure/store_blob.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/azure/blob.h"
#include "common/azure/blob_private.h"
#include "common/azure/blob_upload.h"
#include "common/azure/secret.h"
#include "common/store_blob.h"
#include "launch/disk.h"

#define SMALL_MAX  ((uint64_t)1 << 20)
#define SMALL_MANY 8 /* small files on their way at once */

/* PREFIX + hash into name. */
static int name_make(const char *prefix, const uint8_t *hash, char *name, size_t size)
{
    char text[STORE_HASH_TEXT];
    store_hash_format(hash, text);
    int length = snprintf(name, size, "%s%s", prefix, text);
    return length > 0 && (size_t)length < size ? 0 : -1;
}

static int name_put(const char *prefix, const uint8_t *hash, char *name,
                    struct error *ret_error)
{
    return name_make(prefix, hash, name, BLOB_NAME_MAX + 1) == 0
               ? 0
               : error_set(ret_error, ERROR_CONFIG, "the prefix \"%s\" is too long", prefix);
}

static int content_upload(struct account *account, const char *container, const char *prefix,
                          const char *path, const uint8_t *hash, struct error *ret_error)
{
    char name[BLOB_NAME_MAX + 1];
    struct blob_upload_options options = {.unless = BLOB_UNLESS_EXISTS, .sha256 = hash};
    struct blob_place place = {.container = container, .name = name};
    if (name_put(prefix, hash, name, ret_error) != 0)
        return -1;
    int rc = blob_upload(account_blobs(account), &place, path, &options, NULL, ret_error);
    return rc == BLOB_ALREADY ? 0 : rc == 0 ? 0 : -1;
}

struct store *store_blob_open(struct account *account, const char *container,
                              const char *prefix, struct error *ret_error)
{
    return store_blob_create(account_blobs(account), container, prefix, ret_error);
}

/* The inputs by content, each once. */
struct filling {
    struct account *account;
    const char *container, *prefix;
    struct inputs *inputs;
    const struct input **contents; /* sorted by hash */
    bool *there;
    size_t count, at; /* at: where the listing is */
    void (*shown)(void *context, uint64_t bytes, uint64_t total);
    void *context;
    struct store_blob_report report;
    uint64_t done;
    int under_way;
    int rc;
    struct error error;
};

static int content_compare(const void *a, const void *b)
{
    return memcmp((*(const struct input *const *)a)->hash,
                  (*(const struct input *const *)b)->hash, STORE_HASH_SIZE);
}

static int contents_make(struct filling *filling)
{
    const struct inputs *inputs = filling->inputs;
    filling->contents = calloc(inputs->count ? inputs->count : 1, sizeof(*filling->contents));
    filling->there = calloc(inputs->count ? inputs->count : 1, sizeof(*filling->there));
    if (!filling->contents || !filling->there)
        return error_set(&filling->error, ERROR_SYSTEM, "no memory for the list of files");
    for (size_t i = 0; i < inputs->count; i++)
        filling->contents[i] = &inputs->items[i];
    if (inputs->count)
        qsort(filling->contents, inputs->count, sizeof(*filling->contents), content_compare);
    for (size_t i = 0; i < inputs->count; i++) {
        const struct input *item = filling->contents[i];
        if (filling->count &&
            content_compare(&item, &filling->contents[filling->count - 1]) == 0)
            continue;
        filling->contents[filling->count++] = item;
        filling->report.bytes += item->size;
    }
    filling->report.files = filling->count;
    return 0;
}

static void bytes_done(struct filling *filling, uint64_t bytes)
{
    filling->done += bytes;
    if (filling->shown)
        filling->shown(filling->context, filling->done, filling->report.bytes);
}

/* A blob of the prefix: go on with the contents up to its name. */
static int blob_seen(void *context, const struct blob_item *item)
{
    struct filling *filling = context;
    uint8_t hash[STORE_HASH_SIZE];
    if (store_hash_parse(item->name + strlen(filling->prefix), hash) != 0)
        return 0;
    while (filling->at < filling->count &&
           memcmp(filling->contents[filling->at]->hash, hash, STORE_HASH_SIZE) < 0)
        filling->at++;
    if (filling->at < filling->count &&
        memcmp(filling->contents[filling->at]->hash, hash, STORE_HASH_SIZE) == 0 &&
        filling->contents[filling->at]->size == item->properties.size) {
        filling->there[filling->at] = true;
        bytes_done(filling, item->properties.size);
    }
    return 0;
}

/* A small file on its way. */
struct small {
    struct filling *filling;
    struct buf bytes;
    char doing[BLOB_DOING_MAX];
};

static void small_destroy(struct small *small)
{
    buf_fini(&small->bytes);
    free(small);
}

static void small_done(void *context, struct http_response *response, const struct error *error)
{
    static const char *const already[] = {"BlobAlreadyExists", "ConditionNotMet", NULL};
    struct small *small = context;
    struct filling *filling = small->filling;
    struct error said;
    int rc = 0;
    filling->under_way--;
    if (!response) {
        said = *error;
        rc = error_prefix(&said, "%s", small->doing);
    } else if (response->status / 100 != 2) {
        rc = blob_refuse(response, already, small->doing, &said);
        rc = rc == BLOB_ALREADY ? 0 : -1;
    }
    if (rc == 0) {
        filling->report.uploaded++;
        filling->report.sent += small->bytes.size;
        bytes_done(filling, small->bytes.size);
    } else if (filling->rc == 0) {
        filling->error = said;
        filling->rc = -1;
    }
    small_destroy(small);
}

/* Read a small file and see that it is still what was hashed. */
static int small_read(struct small *small, const struct input *item, const char *path)
{
    struct filling *filling = small->filling;
    uint8_t hash[STORE_HASH_SIZE];
    buf_init(&small->bytes, SMALL_MAX + ((size_t)128 << 10)); /* disk_read reserves ahead */
    if (disk_read(path, SMALL_MAX, &small->bytes, &filling->error) != 0)
        return -1;
    if (store_hash_bytes(small->bytes.data, small->bytes.size, hash) != 0 ||
        memcmp(hash, item->hash, STORE_HASH_SIZE) != 0)
        return error_set(&filling->error, ERROR_CHANGED,
                         "\"%s\" was changed after it had been hashed; run again", path);
    return 0;
}

static int small_start(struct small *small, const struct input *item)
{
    struct filling *filling = small->filling;
    char name[BLOB_NAME_MAX + 1], text[BLOB_MD5_TEXT];
    uint8_t md5[16];
    struct blob_place place = {.container = filling->container, .name = name};
    struct http_request request;
    struct buf url;
    if (name_put(filling->prefix, item->hash, name, &filling->error) != 0)
        return -1;
    if (blob_md5(small->bytes.data, small->bytes.size, md5) != 0)
        return error_set(&filling->error, ERROR_SYSTEM, "OpenSSL offers no MD5");
    blob_md5_format(md5, text);
    const struct http_header headers[] = {{"x-ms-blob-type", "BlockBlob"},
                                          {"Content-Type", "application/octet-stream"},
                                          {"Content-MD5", text},
                                          {"If-None-Match", "*"}};
    buf_init(&url, BLOB_URL_MAX);
    blob_request_fill(account_blobs(filling->account), &place, "PUT", &request);
    int rc = blob_url_put(account_blobs(filling->account), &place, NULL, small->doing, &url,
                          &filling->error);
    request.url = rc == 0 ? buf_text(&url) : "";
    request.headers = headers;
    request.headers_count = 4;
    request.body = small->bytes.size ? (const void *)small->bytes.data : "";
    request.body_size = small->bytes.size;
    request.done = small_done;
    request.done_context = small;
    if (rc == 0)
        rc = http_start(account_http(filling->account), &request, &filling->error);
    filling->under_way += rc == 0;
    secret_buf_fini(&url); /* it may hold a SAS */
    return rc;
}

static int small_upload(struct filling *filling, const struct input *item, const char *path)
{
    struct small *small = calloc(1, sizeof(*small));
    if (!small)
        return error_set(&filling->error, ERROR_SYSTEM, "no memory to upload \"%s\"", path);
    small->filling = filling;
    snprintf(small->doing, sizeof(small->doing), "uploading \"%s\"", path);
    if (small_read(small, item, path) == 0 && small_start(small, item) == 0)
        return 0;
    small_destroy(small);
    return -1;
}

static int large_upload(struct filling *filling, const struct input *item, const char *path)
{
    if (content_upload(filling->account, filling->container, filling->prefix, path, item->hash,
                       &filling->error) != 0)
        return -1;
    filling->report.uploaded++;
    filling->report.sent += item->size;
    bytes_done(filling, item->size);
    return 0;
}

static void missing_upload(struct filling *filling)
{
    struct http *http = account_http(filling->account);
    for (size_t i = 0; filling->rc == 0 && i < filling->count; i++) {
        const struct input *item = filling->contents[i];
        if (filling->there[i])
            continue;
        while (filling->under_way >= SMALL_MANY)
            http_wait(http, -1);
        if (filling->rc != 0)
            break;
        char *path = disk_join(filling->inputs->folder, item->path, &filling->error);
        filling->rc = !path                     ? -1
                      : item->size <= SMALL_MAX ? small_upload(filling, item, path)
                                                : large_upload(filling, item, path);
        free(path);
    }
    while (filling->under_way > 0)
        http_wait(http, -1);
}

int store_blob_put_all(struct account *account, const char *container, const char *prefix,
                       struct inputs *inputs,
                       void (*shown)(void *context, uint64_t bytes, uint64_t total),
                       void *context, struct store_blob_report *ret_report,
                       struct error *ret_error)
{
    struct filling filling = {.account = account,
                              .container = container,
                              .prefix = prefix,
                              .inputs = inputs,
                              .shown = shown,
                              .context = context};
    filling.rc = inputs_hash(inputs, &filling.error);
    if (filling.rc == 0)
        filling.rc = contents_make(&filling);
    if (filling.rc == 0 && blob_list(account_blobs(account), container, prefix, NULL, 0,
                                     blob_seen, &filling, &filling.error) != 0)
        filling.rc = -1;
    if (filling.rc == 0)
        missing_upload(&filling);
    free(filling.contents);
    free(filling.there);
    if (ret_report)
        *ret_report = filling.report;
    if (filling.rc != 0 && ret_error)
        *ret_error = filling.error;
    return filling.rc;
}

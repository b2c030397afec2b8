/*
 * A few ranges are on their way at once; what arrives is hashed while it is in the processor's
 * cache, and written straight to its place. When a range is complete, its digest is compared with
 * the one that the service sent for it (not every service sends one), and the range marked as
 * there.
 */
#include "config.h"

#include "common/azure/blob_download.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/azure/blob_check.h"
#include "common/azure/blob_part.h"
#include "common/azure/blob_private.h"
#include "common/azure/secret.h"

#define PARALLEL    4
#define DAMAGED_MAX 3 /* how often in a row a range may arrive damaged */

struct download;

/* A range on its way. */
struct fetching {
    struct download *download;
    bool busy;
    uint64_t index, offset, size;
    struct blob_digest digest;
};

struct download {
    struct blob_service *service;
    const struct blob_place *place;
    struct blob_download_options options;
    struct blob_download_report report;
    struct blob_properties properties;
    enum blob_check check; /* which digest of ranges is asked for; unknown: none */
    char doing[BLOB_DOING_MAX];
    struct blob_part part;
    struct fetching *fetchings;
    uint64_t next; /* ranges before this one are there or on their way */
    uint64_t done; /* bytes that are there */
    int under_way, damaged;
    bool changed; /* the blob is another one by now: what we have is of no use */
    int rc;
    struct error error;
};

static int range_sink(void *context, uint64_t offset, const void *bytes, size_t size,
                      struct error *ret_error)
{
    struct fetching *fetching = context;
    if (offset + size > fetching->size)
        return error_set(ret_error, ERROR_BACKEND,
                         "the server sends more than the range that was asked for");
    if (offset == 0 &&
        blob_digest_begin(&fetching->digest, fetching->download->check, ret_error) != 0)
        return -1;
    blob_digest_add(&fetching->digest, bytes, size);
    return blob_part_write(&fetching->download->part, fetching->offset + offset, bytes, size,
                           ret_error);
}

static void shown(struct download *download)
{
    if (download->options.shown)
        download->options.shown(download->options.shown_context, download->done,
                                download->report.size);
}

static int range_start(struct download *download, struct fetching *fetching);

/* It came, but damaged: once more. */
static int range_repeat(struct fetching *fetching)
{
    struct download *download = fetching->download;
    if (++download->damaged >= DAMAGED_MAX)
        return error_set(&download->error, ERROR_NETWORK,
                         "%s: bytes %llu to %llu arrive damaged time and again",
                         download->doing, (unsigned long long)fetching->offset,
                         (unsigned long long)(fetching->offset + fetching->size - 1));
    return range_start(download, fetching);
}

/* Whether what came has the digest that the service tells, where it does. Content-MD5 is of the
 * range if we asked for it in a partial answer, else of the blob. */
static bool is_good(struct fetching *fetching, const struct http_response *response)
{
    enum blob_check check = fetching->download->check;
    const char *told = http_response_header(response, blob_check_header(check));
    uint8_t digest[BLOB_DIGEST_SIZE];
    char text[BLOB_DIGEST_TEXT];
    if (check == BLOB_CHECK_UNKNOWN || !told ||
        (check == BLOB_CHECK_MD5 && response->status != 206))
        return true;
    blob_digest_end(&fetching->digest, digest);
    blob_digest_format(check, digest, text);
    return strcmp(text, told) == 0;
}

/* A good answer: is it what was asked for? */
static int range_take(struct fetching *fetching, const struct http_response *response)
{
    struct download *download = fetching->download;
    download->report.received += response->received;
    if (response->received != fetching->size)
        return error_set(&download->error, ERROR_BACKEND,
                         "%s: the server sent %llu bytes of the %llu that were asked for",
                         download->doing, (unsigned long long)response->received,
                         (unsigned long long)fetching->size);
    if (!is_good(fetching, response))
        return range_repeat(fetching);
    download->damaged = 0;
    download->done += fetching->size;
    shown(download);
    return blob_part_mark(&download->part, fetching->index, &download->error);
}

static int range_refused(struct download *download, const struct http_response *response)
{
    int rc = blob_refuse(response, NULL, download->doing, &download->error);
    if (response->status != 412)
        return rc;
    download->changed = true;
    return error_set(&download->error, ERROR_CHANGED,
                     "%s: the blob was changed meanwhile; run again", download->doing);
}

static void range_done(void *context, struct http_response *response, const struct error *error)
{
    struct fetching *fetching = context;
    struct download *download = fetching->download;
    download->under_way--;
    fetching->busy = false;
    if (download->rc != 0)
        return;
    if (!response) {
        download->error = *error;
        download->rc = error_prefix(&download->error, "%s", download->doing);
    } else if (response->status == 206 || response->status == 200) {
        download->rc = range_take(fetching, response);
    } else {
        download->rc = range_refused(download, response);
    }
}

static int range_start(struct download *download, struct fetching *fetching)
{
    char range[64];
    struct http_request request;
    struct buf url;
    snprintf(range, sizeof(range), "bytes=%llu-%llu", (unsigned long long)fetching->offset,
             (unsigned long long)(fetching->offset + fetching->size - 1));
    struct http_header headers[3] = {{"Range", range}};
    size_t count = 1;
    if (*download->properties.etag)
        headers[count++] = (struct http_header){"If-Match", download->properties.etag};
    if (download->check != BLOB_CHECK_UNKNOWN)
        headers[count++] =
            (struct http_header){blob_check_header_asking(download->check), "true"};
    buf_init(&url, BLOB_URL_MAX);
    blob_request_fill(download->service, download->place, "GET", &request);
    int rc = blob_url_put(download->service, download->place, NULL, download->doing, &url,
                          &download->error);
    request.url = rc == 0 ? buf_text(&url) : "";
    request.headers = headers;
    request.headers_count = count;
    request.sink = range_sink;
    request.sink_context = fetching;
    request.done = range_done;
    request.done_context = fetching;
    if (rc == 0)
        rc = http_start(download->service->http, &request, &download->error);
    fetching->busy = rc == 0;
    download->under_way += rc == 0;
    secret_buf_fini(&url); /* it may hold a SAS */
    return rc;
}

/* Start what may be started. */
static void ranges_start(struct download *download)
{
    struct blob_part *part = &download->part;
    for (int i = 0; download->rc == 0 && i < download->options.parallel; i++) {
        struct fetching *fetching = &download->fetchings[i];
        while (download->next < part->count && part->there[download->next])
            download->next++;
        if (fetching->busy || download->next == part->count)
            continue;
        uint64_t offset = download->next * part->range;
        fetching->index = download->next++;
        fetching->offset = offset;
        fetching->size = part->size - offset < part->range ? part->size - offset : part->range;
        download->rc = range_start(download, fetching);
    }
}

static void ranges_fetch(struct download *download)
{
    for (;;) {
        ranges_start(download);
        if (download->under_way == 0)
            break;
        http_wait(download->service->http, -1);
    }
}

/* The whole against what is known of it. */
static int whole_check(struct download *download)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    const uint8_t *sha256 = download->options.sha256;
    if (sha256) {
        if (blob_part_digest(&download->part, "SHA256", digest, &download->error) != 0)
            return -1;
        if (memcmp(digest, sha256, 32) == 0)
            return 0;
    } else if (download->properties.has_md5) {
        if (blob_part_digest(&download->part, "MD5", digest, &download->error) != 0)
            return -1;
        if (memcmp(digest, download->properties.md5, 16) == 0)
            return 0;
    } else {
        return 0;
    }
    download->changed = true; /* start afresh the next time */
    return error_set(&download->error, ERROR_NETWORK,
                     "%s: what arrived has not the %s that it should have; run again",
                     download->doing, sha256 ? "SHA-256" : "MD5");
}

static void resumed_count(struct download *download)
{
    const struct blob_part *part = &download->part;
    for (uint64_t i = 0; i < part->count; i++) {
        uint64_t left = part->size - i * part->range;
        if (part->there[i])
            download->done += left < part->range ? left : part->range;
    }
    download->report.resumed = download->done;
    if (download->done)
        shown(download);
}

/* Which digest of ranges to ask for. A service that was not asked yet tells MD5s at least. */
static void check_choose(struct download *download)
{
    const struct blob_part *part = &download->part;
    if (part->range > BLOB_RANGE_DEFAULT)
        download->check = BLOB_CHECK_UNKNOWN;
    else if (part->count > 1 || download->service->get_check != BLOB_CHECK_UNKNOWN)
        download->check = blob_check_find_get(download->service, download->place);
    else
        download->check = BLOB_CHECK_MD5;
}

static int download_run(struct download *download, const char *path)
{
    struct blob_properties *properties = &download->properties;
    if (download->options.known)
        *properties = *download->options.known;
    else if ((download->rc = blob_properties_get(download->service, download->place, properties,
                                                 &download->error)) != 0)
        return download->rc;
    download->report.size = properties->size;
    snprintf(download->report.etag, sizeof(download->report.etag), "%s", properties->etag);
    if (blob_part_open(&download->part, path, properties->etag, properties->size,
                       download->options.range, &download->error) != 0)
        return -1;
    resumed_count(download);
    check_choose(download);
    ranges_fetch(download);
    if (download->rc == 0)
        download->rc = whole_check(download);
    if (download->rc == 0)
        download->rc =
            blob_part_commit(&download->part, download->options.durable, &download->error);
    blob_part_close(&download->part, download->changed || download->rc == BLOB_MISSING);
    return download->rc;
}

int blob_download(struct blob_service *service, const struct blob_place *place,
                  const char *path, const struct blob_download_options *options,
                  struct blob_download_report *ret_report, struct error *ret_error)
{
    struct download download = {.service = service, .place = place};
    if (options)
        download.options = *options;
    if (download.options.range == 0)
        download.options.range = BLOB_RANGE_DEFAULT;
    if (download.options.parallel <= 0)
        download.options.parallel = PARALLEL;
    snprintf(download.doing, sizeof(download.doing), "downloading blob \"%s/%s\" to \"%s\"",
             place->container, place->name, path);
    download.fetchings = calloc((size_t)download.options.parallel, sizeof(*download.fetchings));
    for (int i = 0; download.fetchings && i < download.options.parallel; i++)
        download.fetchings[i].download = &download;
    int rc = download.fetchings
                 ? download_run(&download, path)
                 : error_set(&download.error, ERROR_SYSTEM, "%s: no memory", download.doing);
    for (int i = 0; download.fetchings && i < download.options.parallel; i++)
        blob_digest_fini(&download.fetchings[i].digest);
    free(download.fetchings);
    if (ret_report)
        *ret_report = download.report;
    if (rc != 0 && ret_error)
        *ret_error = download.error;
    return rc;
}

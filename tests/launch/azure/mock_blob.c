#include "config.h"

#include "tests/launch/azure/mock_blob.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/azure/blob_check.h"
#include "common/azure/blob_private.h"

static void *copied(const void *bytes, size_t size)
{
    void *copy = malloc(size + 1);
    memcpy(copy, bytes, size);
    return copy;
}

static bool container_there(const struct mock_blob *mock, const char *name)
{
    for (int i = 0; i < 8; i++)
        if (*name && strcmp(mock->containers[i], name) == 0)
            return true;
    return false;
}

static struct mock_item *item_find(struct mock_blob *mock, const char *container,
                                   const char *name)
{
    for (size_t i = 0; i < mock->count; i++)
        if (strcmp(mock->items[i].container, container) == 0 &&
            strcmp(mock->items[i].name, name) == 0)
            return &mock->items[i];
    return NULL;
}

struct mock_item *mock_blob_find(struct mock_blob *mock, const char *container,
                                 const char *name)
{
    struct mock_item *item = item_find(mock, container, name);
    return item && item->committed ? item : NULL;
}

/* The item, made if there is none; names stay sorted, as lists show them. */
static struct mock_item *item_make(struct mock_blob *mock, const char *container,
                                   const char *name)
{
    struct mock_item *item = item_find(mock, container, name);
    if (item)
        return item;
    mock->items = realloc(mock->items, (mock->count + 1) * sizeof(*mock->items));
    size_t at = mock->count++;
    for (; at > 0 && strcmp(mock->items[at - 1].name, name) > 0; at--)
        mock->items[at] = mock->items[at - 1];
    item = &mock->items[at];
    memset(item, 0, sizeof(*item));
    snprintf(item->container, sizeof(item->container), "%s", container);
    snprintf(item->name, sizeof(item->name), "%s", name);
    return item;
}

static void blocks_drop(struct mock_item *item)
{
    for (size_t i = 0; i < item->blocks_count; i++)
        free(item->blocks[i].bytes);
    free(item->blocks);
    item->blocks = NULL;
    item->blocks_count = 0;
}

static void item_commit(struct mock_blob *mock, struct mock_item *item, uint8_t *bytes,
                        size_t size)
{
    free(item->bytes);
    item->bytes = bytes;
    item->size = size;
    item->committed = true;
    item->version = ++mock->version;
}

void mock_blob_set(struct mock_blob *mock, const char *container, const char *name,
                   const void *bytes, size_t size)
{
    item_commit(mock, item_make(mock, container, name), copied(bytes, size), size);
}

void mock_blob_remove(struct mock_blob *mock, struct mock_item *item)
{
    blocks_drop(item);
    free(item->bytes);
    size_t at = (size_t)(item - mock->items);
    memmove(item, item + 1, (mock->count - at - 1) * sizeof(*item));
    mock->count--;
}

static bool md5_good(const struct mock_request *request)
{
    char text[64];
    uint8_t told[16], is[16];
    mock_header(request, "content-md5", text, sizeof(text));
    blob_md5(request->raw->body, request->raw->body_size, is);
    return !*text || (blob_md5_parse(text, told) == 0 && memcmp(told, is, 16) == 0);
}

static void crc64_make(const void *bytes, size_t size, char text[BLOB_DIGEST_TEXT])
{
    struct blob_digest digest = {0};
    uint8_t made[BLOB_DIGEST_SIZE];
    blob_digest_begin(&digest, BLOB_CHECK_CRC64, NULL);
    blob_digest_add(&digest, bytes, size);
    blob_digest_end(&digest, made);
    blob_digest_format(BLOB_CHECK_CRC64, made, text);
}

static bool crc64_good(const struct mock_blob *mock, const struct mock_request *request)
{
    char told[64], is[BLOB_DIGEST_TEXT];
    mock_header(request, "x-ms-content-crc64", told, sizeof(told));
    crc64_make(request->raw->body, request->raw->body_size, is);
    return !*told || mock->crc64 != MOCK_CRC64_KNOWN || strcmp(told, is) == 0;
}

static void created(struct buf *answer, const struct mock_item *item)
{
    char headers[128];
    snprintf(headers, sizeof(headers), "ETag: \"v%d\"\r\n", item ? item->version : 0);
    server_put(answer, 201, headers, "");
}

/* A block that was put: Azure tells the checksum that it had. */
static void block_created(const struct mock_blob *mock, const struct mock_request *request,
                          struct buf *answer)
{
    char headers[128], told[64];
    mock_header(request, "x-ms-content-crc64", told, sizeof(told));
    snprintf(headers, sizeof(headers), "x-ms-content-crc64: %s\r\n", told);
    server_put(answer, 201, *told && mock->crc64 == MOCK_CRC64_KNOWN ? headers : NULL, "");
}

/* Put Blob. */
static void blob_answer_put(struct mock_blob *mock, const struct mock_request *request,
                            const char *name, struct buf *answer)
{
    char text[64];
    struct mock_item *item = mock_blob_find(mock, request->parts[0], name);
    mock->puts++;
    if (item && strcmp(mock_header(request, "if-none-match", text, sizeof(text)), "*") == 0) {
        mock_blob_error(answer, 409, "BlobAlreadyExists", false);
    } else if (!md5_good(request)) {
        mock_blob_error(answer, 400, "Md5Mismatch", false);
    } else {
        item = item_make(mock, request->parts[0], name);
        item->append = strcmp(mock_header(request, "x-ms-blob-type", text, sizeof(text)),
                              "AppendBlob") == 0;
        blocks_drop(item);
        item_commit(mock, item, copied(request->raw->body, request->raw->body_size),
                    request->raw->body_size);
        created(answer, item);
    }
}

static void block_answer_put(struct mock_blob *mock, const struct mock_request *request,
                             const char *name, struct buf *answer)
{
    struct mock_item *item = item_make(mock, request->parts[0], name);
    char id[96];
    mock_query(request, "blockid", id, sizeof(id));
    mock->block_puts++;
    if (!md5_good(request) || !crc64_good(mock, request)) {
        mock_blob_error(answer, 400, md5_good(request) ? "Crc64Mismatch" : "Md5Mismatch",
                        false);
        return;
    }
    struct mock_block *block = NULL;
    for (size_t i = 0; i < item->blocks_count; i++)
        if (strcmp(item->blocks[i].name, id) == 0)
            block = &item->blocks[i];
    if (!block) {
        item->blocks = realloc(item->blocks, (item->blocks_count + 1) * sizeof(*block));
        block = &item->blocks[item->blocks_count++];
        memset(block, 0, sizeof(*block));
        snprintf(block->name, sizeof(block->name), "%s", id);
    }
    free(block->bytes);
    block->bytes = copied(request->raw->body, request->raw->body_size);
    block->size = request->raw->body_size;
    block_created(mock, request, answer);
}

static void blocks_answer_get(struct mock_item *item, struct buf *answer)
{
    struct buf body;
    buf_init(&body, 1 << 20);
    buf_append_text(&body, "<?xml version=\"1.0\"?><BlockList><UncommittedBlocks>");
    for (size_t i = 0; i < item->blocks_count; i++)
        buf_printf(&body, "<Block><Name>%s</Name><Size>%zu</Size></Block>",
                   item->blocks[i].name, item->blocks[i].size);
    buf_append_text(&body, "</UncommittedBlocks></BlockList>");
    server_put(answer, 200, NULL, buf_text(&body));
    buf_fini(&body);
}

static const struct mock_block *block_find(const struct mock_item *item, const char *name,
                                           size_t size)
{
    for (size_t i = 0; i < item->blocks_count; i++)
        if (strlen(item->blocks[i].name) == size &&
            memcmp(item->blocks[i].name, name, size) == 0)
            return &item->blocks[i];
    return NULL;
}

static void blocks_answer_put(struct mock_blob *mock, const struct mock_request *request,
                              struct mock_item *item, struct buf *answer)
{
    struct buf bytes;
    char text[64];
    buf_init(&bytes, (size_t)256 << 20);
    const char *at = request->raw->body, *end = at + request->raw->body_size;
    bool good = true, exists = item->committed;
    while (good && (at = memmem(at, (size_t)(end - at), "<Latest>", 8))) {
        at += 8;
        const struct mock_block *block = block_find(item, at, strcspn(at, "<"));
        good = block && buf_append(&bytes, block->bytes, block->size) == 0;
    }
    if (exists && strcmp(mock_header(request, "if-none-match", text, sizeof(text)), "*") == 0) {
        mock_blob_error(answer, 409, "BlobAlreadyExists", false);
    } else if (!good) {
        mock_blob_error(answer, 400, "InvalidBlockList", false);
    } else {
        item_commit(mock, item, copied(bytes.data, bytes.size), bytes.size);
        blocks_drop(item);
        created(answer, item);
    }
    buf_fini(&bytes);
}

static void append_answer(struct mock_blob *mock, const struct mock_request *request,
                          struct mock_item *item, struct buf *answer)
{
    char at[32], lease[64];
    mock_header(request, "x-ms-blob-condition-appendpos", at, sizeof(at));
    mock_header(request, "x-ms-lease-id", lease, sizeof(lease));
    if (strcmp(lease, item->lease) != 0)
        mock_blob_error(answer, 412,
                        *lease ? "LeaseIdMismatchWithBlobOperation" : "LeaseIdMissing", false);
    else if (*at && strtoull(at, NULL, 10) != item->size) {
        mock_blob_error(answer, 412, "AppendPositionConditionNotMet", false);
    } else if (!md5_good(request)) {
        mock_blob_error(answer, 400, "Md5Mismatch", false);
    } else {
        size_t size = item->size + request->raw->body_size;
        uint8_t *bytes = malloc(size + 1);
        memcpy(bytes, item->bytes, item->size);
        memcpy(bytes + item->size, request->raw->body, request->raw->body_size);
        item_commit(mock, item, bytes, size);
        created(answer, item);
    }
}

static void lease_answer(const struct mock_request *request, struct mock_item *item,
                         struct buf *answer)
{
    char action[32], id[64], proposed[64];
    mock_header(request, "x-ms-lease-action", action, sizeof(action));
    mock_header(request, "x-ms-lease-id", id, sizeof(id));
    mock_header(request, "x-ms-proposed-lease-id", proposed, sizeof(proposed));
    if (strcmp(action, "acquire") == 0) {
        if (*item->lease && strcmp(item->lease, proposed) != 0) {
            mock_blob_error(answer, 409, "LeaseAlreadyPresent", false);
            return;
        }
        snprintf(item->lease, sizeof(item->lease), "%s", proposed);
        server_put(answer, 201, NULL, "");
    } else if (strcmp(item->lease, id) != 0) {
        mock_blob_error(answer, 409, "LeaseIdMismatchWithLeaseOperation", false);
    } else {
        if (strcmp(action, "release") == 0)
            item->lease[0] = '\0';
        server_put(answer, 200, NULL, "");
    }
}

static void properties_put(const struct mock_blob *mock, const struct mock_item *item,
                           struct buf *answer)
{
    uint8_t md5[16];
    char text[BLOB_MD5_TEXT];
    buf_printf(answer,
               "ETag: \"v%d\"\r\nLast-Modified: Sat, 21 Nov 2026 09:00:00 GMT\r\n"
               "x-ms-blob-type: %s\r\n",
               item->version, item->append ? "AppendBlob" : "BlockBlob");
    if (mock->whole_md5) {
        blob_md5(item->bytes, item->size, md5);
        blob_md5_format(md5, text);
        buf_printf(answer, "Content-MD5: %s\r\n", text);
    }
}

/* The bytes from..to of an item, with their MD5 if asked for. */
static void range_put(struct mock_blob *mock, const struct mock_request *request,
                      const struct mock_item *item, size_t from, size_t size, bool damage,
                      struct buf *answer)
{
    char want[16], text[BLOB_MD5_TEXT];
    uint8_t md5[16];
    bool partial = size != item->size;
    buf_printf(answer, "HTTP/1.1 %d Said\r\nContent-Length: %zu\r\n", partial ? 206 : 200,
               size);
    if (partial) {
        bool whole = mock->whole_md5;
        mock->whole_md5 = false;
        properties_put(mock, item, answer);
        mock->whole_md5 = whole;
        buf_printf(answer, "Content-Range: bytes %zu-%zu/%zu\r\n", from, from + size - 1,
                   item->size);
        mock_header(request, "x-ms-range-get-content-md5", want, sizeof(want));
        if (strcmp(want, "true") == 0) {
            blob_md5(item->bytes + from, size, md5);
            blob_md5_format(md5, text);
            buf_printf(answer, "Content-MD5: %s\r\n", text);
        }
    } else {
        properties_put(mock, item, answer);
    }
    mock_header(request, "x-ms-range-get-content-crc64", want, sizeof(want));
    if (strcmp(want, "true") == 0 && mock->crc64 == MOCK_CRC64_KNOWN) {
        crc64_make(item->bytes + from, size, text);
        buf_printf(answer, "x-ms-content-crc64: %s\r\n", text);
    }
    buf_append_text(answer, "\r\n");
    size_t body = answer->size;
    buf_append(answer, item->bytes + from, size);
    if (damage)
        answer->data[body + size / 2] ^= 1;
}

static void blob_answer_get(struct mock_blob *mock, const struct mock_request *request,
                            const struct mock_item *item, bool damage, struct buf *answer)
{
    char range[64], match[64], etag[32];
    unsigned long long from = 0, to = item->size ? item->size - 1 : 0;
    mock_header(request, "range", range, sizeof(range));
    if (!*range)
        mock_header(request, "x-ms-range", range, sizeof(range));
    mock_header(request, "if-match", match, sizeof(match));
    snprintf(etag, sizeof(etag), "\"v%d\"", item->version);
    mock->gets++;
    if (*range) {
        char *end;
        from = strtoull(range + strlen("bytes="), &end, 10);
        to = strtoull(end + 1, NULL, 10);
    }
    if (to >= item->size)
        to = item->size ? item->size - 1 : 0;
    if (*match && strcmp(match, etag) != 0)
        mock_blob_error(answer, 412, "ConditionNotMet", false);
    else if (*range && from >= item->size)
        mock_blob_error(answer, 416, "InvalidRange", false);
    else
        range_put(mock, request, item, from, item->size ? to - from + 1 : 0, damage, answer);
}

static void head_answer(struct mock_blob *mock, const struct mock_item *item,
                        struct buf *answer)
{
    buf_printf(answer, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n", item->size);
    properties_put(mock, item, answer);
    buf_append_text(answer, "\r\n");
}

/* A page of a list; the marker is the name to begin with. */
static void list_answer(struct mock_blob *mock, const struct mock_request *request,
                        struct buf *answer)
{
    char prefix[1100], marker[1100], most[16];
    struct buf body;
    mock_query(request, "prefix", prefix, sizeof(prefix));
    mock_query(request, "marker", marker, sizeof(marker));
    long page = strtol(mock_query(request, "maxresults", most, sizeof(most)), NULL, 10);
    if (mock->page && (page == 0 || page > mock->page))
        page = mock->page;
    mock->lists++;
    buf_init(&body, 4 << 20);
    buf_append_text(&body, "<?xml version=\"1.0\"?><EnumerationResults><Blobs>");
    const char *next = "";
    for (size_t i = 0; i < mock->count; i++) {
        const struct mock_item *item = &mock->items[i];
        if (strcmp(item->container, request->parts[0]) != 0 || !item->committed ||
            strncmp(item->name, prefix, strlen(prefix)) != 0 || strcmp(item->name, marker) < 0)
            continue;
        if (page > 0 && page-- == 1 && i + 1 < mock->count)
            next = mock->items[i + 1].name, page = -1;
        buf_printf(&body,
                   "<Blob><Name>%s</Name><Properties><Content-Length>%zu</Content-Length>"
                   "<Etag>v%d</Etag><BlobType>BlockBlob</BlobType></Properties></Blob>",
                   item->name, item->size, item->version);
        if (page < 0)
            break;
    }
    buf_printf(&body, "</Blobs><NextMarker>%s</NextMarker></EnumerationResults>", next);
    server_put(answer, 200, NULL, buf_text(&body));
    buf_fini(&body);
}

static void container_answer(struct mock_blob *mock, const struct mock_request *request,
                             struct buf *answer)
{
    const char *name = request->parts[0];
    char comp[32];
    bool there = container_there(mock, name);
    mock_query(request, "comp", comp, sizeof(comp));
    if (mock_is(request, "PUT", 1) && there) {
        mock_blob_error(answer, 409, "ContainerAlreadyExists", false);
    } else if (mock_is(request, "PUT", 1)) {
        for (int i = 0; i < 8; i++)
            if (!*mock->containers[i]) {
                snprintf(mock->containers[i], sizeof(mock->containers[i]), "%.63s", name);
                break;
            }
        server_put(answer, 201, NULL, "");
    } else if (!there) {
        mock_blob_error(answer, 404, "ContainerNotFound", false);
    } else if (mock_is(request, "DELETE", 1)) {
        for (int i = 0; i < 8; i++)
            if (strcmp(mock->containers[i], name) == 0)
                mock->containers[i][0] = '\0';
        server_put(answer, 202, NULL, "");
    } else if (strcmp(comp, "list") == 0) {
        list_answer(mock, request, answer);
    } else {
        mock_blob_error(answer, 400, "InvalidQueryParameterValue", false);
    }
}

/* Requests to a blob that need one that is there. */
static void item_answer(struct mock_blob *mock, const struct mock_request *request,
                        const char *comp, struct mock_item *item, bool damage,
                        struct buf *answer)
{
    const char *method = request->raw->method;
    if (strcmp(comp, "appendblock") == 0)
        append_answer(mock, request, item, answer);
    else if (strcmp(comp, "lease") == 0)
        lease_answer(request, item, answer);
    else if (strcmp(method, "HEAD") == 0)
        head_answer(mock, item, answer);
    else if (strcmp(method, "GET") == 0)
        blob_answer_get(mock, request, item, damage, answer);
    else if (strcmp(method, "DELETE") == 0) {
        mock_blob_remove(mock, item);
        server_put(answer, 202, NULL, "");
    } else
        mock_blob_error(answer, 400, "UnsupportedHttpVerb", false);
}

static void blob_answer(struct mock_blob *mock, const struct mock_request *request, bool damage,
                        struct buf *answer)
{
    char comp[32], name[1100];
    bool head = strcmp(request->raw->method, "HEAD") == 0;
    bool put = strcmp(request->raw->method, "PUT") == 0;
    struct buf decoded;
    buf_init(&decoded, 4096);
    const char *at = strchr(request->path + 1, '/') + 1;
    http_decode(&decoded, at, strlen(at));
    snprintf(name, sizeof(name), "%s", buf_text(&decoded));
    buf_fini(&decoded);
    mock_query(request, "comp", comp, sizeof(comp));
    struct mock_item *item = item_find(mock, request->parts[0], name);
    if (!container_there(mock, request->parts[0]))
        mock_blob_error(answer, 404, "ContainerNotFound", head);
    else if (put && !*comp)
        blob_answer_put(mock, request, name, answer);
    else if (put && strcmp(comp, "block") == 0)
        block_answer_put(mock, request, name, answer);
    else if (put && strcmp(comp, "blocklist") == 0)
        blocks_answer_put(mock, request, item_make(mock, request->parts[0], name), answer);
    else if (item && strcmp(comp, "blocklist") == 0)
        blocks_answer_get(item, answer);
    else if (!item || !item->committed)
        mock_blob_error(answer, 404, "BlobNotFound", head);
    else
        item_answer(mock, request, comp, item, damage, answer);
}

static bool has_crc64(const struct mock_request *request)
{
    char text[64];
    return *mock_header(request, "x-ms-content-crc64", text, sizeof(text)) ||
           *mock_header(request, "x-ms-range-get-content-crc64", text, sizeof(text));
}

static bool mock_answer(void *context, const struct server_request *raw, struct buf *answer)
{
    struct mock_blob *mock = context;
    struct mock_request request;
    char authorization[512], version[32];
    enum mock_fault fault = mock_fault_next(&mock->faults, raw);
    bool head = strcmp(raw->method, "HEAD") == 0;
    mock_request_read(&request, raw);
    mock_header(&request, "authorization", authorization, sizeof(authorization));
    mock_header(&request, "x-ms-version", version, sizeof(version));
    if (fault == MOCK_BUSY)
        mock_blob_error(answer, 503, "ServerBusy", head);
    else if (fault == MOCK_FORBIDDEN || !*version ||
             (strncmp(authorization, "SharedKey henrydata:", 20) != 0 &&
              !strstr(raw->target, "sig=")))
        mock_blob_error(answer, 403, "AuthenticationFailed", head);
    else if (mock->crc64 == MOCK_CRC64_REFUSED && has_crc64(&request))
        mock_blob_error(answer, 500, "FeatureNotSupported", head);
    else if (request.parts_count == 1)
        container_answer(mock, &request, answer);
    else
        blob_answer(mock, &request, fault == MOCK_DAMAGE, answer);
    if (fault == MOCK_DROP)
        buf_clear(answer);
    if (fault == MOCK_CUT)
        answer->size /= 2;
    return fault != MOCK_DROP && fault != MOCK_CUT;
}

void mock_blob_start(struct mock_blob *mock)
{
    memset(mock, 0, sizeof(*mock));
    snprintf(mock->containers[0], sizeof(mock->containers[0]), "farm");
    mock->server = server_start(mock_answer, mock);
}

void mock_blob_stop(struct mock_blob *mock)
{
    server_stop(mock->server);
    while (mock->count)
        mock_blob_remove(mock, &mock->items[mock->count - 1]);
    free(mock->items);
}

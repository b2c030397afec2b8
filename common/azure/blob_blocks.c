#include "config.h"

#include "common/azure/blob_blocks.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/azure/blob_private.h"
#include "common/azure/blob_upload.h"
#include "common/azure/xml.h"

#define LIST_BYTES_MAX ((size_t)32 << 20)

void blob_block_name(uint32_t index, const uint8_t digest[BLOB_DIGEST_SIZE],
                     char text[BLOB_BLOCK_NAME])
{
    uint8_t bytes[4 + BLOB_DIGEST_SIZE] = {(uint8_t)(index >> 24), (uint8_t)(index >> 16),
                                           (uint8_t)(index >> 8), (uint8_t)index};
    memcpy(bytes + 4, digest, BLOB_DIGEST_SIZE);
    EVP_EncodeBlock((unsigned char *)text, bytes, sizeof(bytes));
}

void blob_block_query(const char *name, struct buf *text)
{
    buf_append_text(text, "comp=block&blockid=");
    http_encode(text, name, "");
}

static int block_compare(const void *a, const void *b)
{
    return strcmp(((const struct blob_block *)a)->name, ((const struct blob_block *)b)->name);
}

/* <Block><Name/><Size/></Block>. */
static int block_read(struct xml *xml, struct blob_block *ret_block)
{
    struct buf text;
    enum xml_event event;
    int rc = 0;
    memset(ret_block, 0, sizeof(*ret_block));
    buf_init(&text, 256);
    while (rc == 0 && (event = xml_next(xml)) != XML_END) {
        if (event == XML_TEXT)
            continue;
        bool name = event == XML_START && strcmp(xml->name, "Name") == 0;
        bool size = event == XML_START && strcmp(xml->name, "Size") == 0;
        buf_clear(&text);
        rc = event != XML_START ? -1 : xml_read_text(xml, &text);
        const char *value = rc == 0 ? buf_text(&text) : NULL;
        if (value && name && strlen(value) == BLOB_BLOCK_NAME - 1)
            memcpy(ret_block->name, value, BLOB_BLOCK_NAME);
        else if (value && size)
            ret_block->size = strtoull(value, NULL, 10);
    }
    buf_fini(&text);
    return rc;
}

static int block_add(struct blob_blocks *blocks, const struct blob_block *block)
{
    if (!*block->name)
        return 0;
    if ((blocks->count & (blocks->count - 1)) == 0) { /* 0 and powers of two: full */
        size_t capacity = blocks->count ? 2 * blocks->count : 1;
        struct blob_block *items = realloc(blocks->items, capacity * sizeof(*items));
        if (!items)
            return -1;
        blocks->items = items;
    }
    blocks->items[blocks->count++] = *block;
    return 0;
}

/* <BlockList><UncommittedBlocks><Block/>... : every <Block> there is. */
static int blocks_read(const struct http_response *response, struct blob_blocks *blocks)
{
    struct xml xml;
    enum xml_event event;
    struct blob_block block;
    int rc = 0;
    xml_init(&xml, (const char *)response->body.data, response->body.size);
    while (rc == 0 && (event = xml_next(&xml)) != XML_END_OF_TEXT) {
        if (event == XML_BROKEN)
            rc = -1;
        else if (event == XML_START && strcmp(xml.name, "Block") == 0)
            rc = block_read(&xml, &block) == 0 ? block_add(blocks, &block) : -1;
    }
    xml_fini(&xml);
    return rc;
}

int blob_blocks_get(struct blob_service *service, const struct blob_place *place,
                    const char *doing, struct blob_blocks *ret_blocks, struct error *ret_error)
{
    struct http_response response = {0};
    struct blob_blocks blocks = {0};
    struct blob_call call = {.method = "GET",
                             .place = place,
                             .query = "comp=blocklist&blocklisttype=uncommitted",
                             .answer_max = LIST_BYTES_MAX,
                             .doing = doing};
    int rc = blob_ask(service, &call, &response, ret_error);
    if (rc == 0 && response.status != 200) {
        rc = blob_refuse(&response, NULL, doing, ret_error);
        rc = rc == BLOB_MISSING ? 0 : rc;
    } else if (rc == 0 && blocks_read(&response, &blocks) != 0) {
        rc = error_set(ret_error, ERROR_BACKEND,
                       "%s: the answer is not the XML of a block list", doing);
    }
    http_response_fini(&response);
    if (rc != 0) {
        blob_blocks_fini(&blocks);
        return rc;
    }
    if (blocks.count)
        qsort(blocks.items, blocks.count, sizeof(*blocks.items), block_compare);
    *ret_blocks = blocks;
    return 0;
}

void blob_blocks_fini(struct blob_blocks *blocks)
{
    free(blocks->items);
    memset(blocks, 0, sizeof(*blocks));
}

bool blob_blocks_have(const struct blob_blocks *blocks, const char *name, uint64_t size)
{
    struct blob_block key = {.size = size};
    if (!blocks->count)
        return false;
    snprintf(key.name, sizeof(key.name), "%s", name);
    const struct blob_block *found =
        bsearch(&key, blocks->items, blocks->count, sizeof(key), block_compare);
    return found && found->size == size;
}

static int list_write(const uint8_t *digests, uint32_t count, struct buf *text)
{
    char name[BLOB_BLOCK_NAME];
    buf_append_text(text, "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
    for (uint32_t i = 0; i < count; i++) {
        blob_block_name(i, digests + BLOB_DIGEST_SIZE * (size_t)i, name);
        buf_printf(text, "<Latest>%s</Latest>", name);
    }
    return buf_append_text(text, "</BlockList>");
}

int blob_blocks_commit(struct blob_service *service, const struct blob_place *place,
                       const uint8_t *digests, uint32_t count, const char *content_type,
                       enum blob_unless unless, const char *doing, bool *ret_vanished,
                       struct error *ret_error)
{
    static const char *const already[] = {"BlobAlreadyExists", "ConditionNotMet", NULL};
    const struct http_header headers[] = {{"Content-Type", "application/xml"},
                                          {"x-ms-blob-content-type", content_type},
                                          {"If-None-Match", "*"}};
    struct http_response response = {0};
    struct buf text;
    buf_init(&text, LIST_BYTES_MAX);
    int rc = list_write(digests, count, &text);
    struct blob_call call = {.method = "PUT",
                             .place = place,
                             .query = "comp=blocklist",
                             .headers = headers,
                             .headers_count = unless == BLOB_UNLESS_EXISTS ? 3 : 2,
                             .body = text.data,
                             .body_size = text.size,
                             .doing = doing};
    *ret_vanished = false;
    if (rc != 0)
        error_set(ret_error, ERROR_SYSTEM, "%s: no memory", doing);
    else
        rc = blob_ask(service, &call, &response, ret_error);
    if (rc == 0 && response.status / 100 != 2) {
        struct azure_error error;
        azure_error_read(AZURE_STORAGE, &response, &error);
        *ret_vanished = azure_error_is(&error, "InvalidBlockList");
        azure_error_fini(&error);
        rc = blob_refuse(&response, unless == BLOB_UNLESS_EXISTS ? already : NULL, doing,
                         ret_error);
    }
    http_response_fini(&response);
    buf_fini(&text);
    return rc;
}

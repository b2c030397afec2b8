/*
 * Lists come as XML in pages:
 *   <EnumerationResults><Blobs><Blob><Name/><Properties>...</Properties></Blob>
 *   <BlobPrefix><Name/></BlobPrefix></Blobs><NextMarker/></EnumerationResults>
 * A page is read to its end before its items are shown, in the order in which they stand there.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/azure/blob_private.h"
#include "common/azure/xml.h"

#define PAGE_BYTES_MAX ((size_t)64 << 20)
#define NAME_BYTES_MAX ((size_t)64 << 10)

struct listing {
    struct blob_service *service;
    struct blob_place place;
    const char *prefix, *delimiter;
    int page;
    int (*visit)(void *context, const struct blob_item *item);
    void *context;
    char doing[BLOB_DOING_MAX];
    struct buf name, text, marker; /* text: scratch */
};

static int broken(const struct listing *listing, struct error *ret_error)
{
    return error_set(ret_error, ERROR_BACKEND, "%s: the answer is not the XML of a list",
                     listing->doing);
}

/* The text of the element that begins; borrowed until the next call. NULL: broken. */
static const char *element_text(struct listing *listing, struct xml *xml)
{
    buf_clear(&listing->text);
    return xml_read_text(xml, &listing->text) == 0 ? buf_text(&listing->text) : NULL;
}

/* Lists give ETags without the quotes that headers give them with, and conditions want. */
static void etag_take(const char *text, struct blob_properties *to)
{
    const char *quote = *text == '"' ? "" : "\"";
    snprintf(to->etag, sizeof(to->etag), "%s%s%s", quote, text, quote);
}

static void property_take(const char *name, const char *text, struct blob_properties *to)
{
    if (strcasecmp(name, "Content-Length") == 0)
        to->size = strtoull(text, NULL, 10);
    else if (strcasecmp(name, "Etag") == 0)
        etag_take(text, to);
    else if (strcasecmp(name, "Content-MD5") == 0)
        to->has_md5 = blob_md5_parse(text, to->md5) == 0;
    else if (strcasecmp(name, "BlobType") == 0)
        to->kind = strcasecmp(text, "AppendBlob") == 0 ? BLOB_APPEND
                   : strcasecmp(text, "PageBlob") == 0 ? BLOB_PAGE
                                                       : BLOB_BLOCK;
    else if (strcasecmp(name, "Last-Modified") == 0 &&
             http_date_parse(text, &to->changed_s) != 0)
        to->changed_s = 0;
}

static int properties_read(struct listing *listing, struct xml *xml,
                           struct blob_properties *ret_properties)
{
    enum xml_event event;
    while ((event = xml_next(xml)) != XML_END) {
        char name[XML_NAME_MAX];
        if (event == XML_TEXT)
            continue;
        if (event != XML_START)
            return -1;
        snprintf(name, sizeof(name), "%s", xml->name);
        const char *text = element_text(listing, xml);
        if (!text)
            return -1;
        property_take(name, text, ret_properties);
    }
    return 0;
}

/* <Name> or <Name Encoded="true">. */
static int name_read(struct listing *listing, struct xml *xml)
{
    struct buf encoded;
    buf_init(&encoded, 16);
    bool percent = xml_attribute(xml, "Encoded", &encoded) == 0 && buf_text(&encoded) &&
                   strcasecmp(buf_text(&encoded), "true") == 0;
    buf_fini(&encoded);
    const char *text = element_text(listing, xml);
    if (!text)
        return -1;
    buf_clear(&listing->name);
    return percent ? http_decode(&listing->name, text, strlen(text))
                   : buf_append_text(&listing->name, text);
}

/* <Blob> or <BlobPrefix>. 0, what visit returned, or -1. */
static int item_read(struct listing *listing, struct xml *xml, bool prefix,
                     struct error *ret_error)
{
    struct blob_item item = {.prefix = prefix};
    enum xml_event event;
    int rc = 0;
    buf_clear(&listing->name);
    while (rc == 0 && (event = xml_next(xml)) != XML_END) {
        if (event == XML_TEXT)
            continue;
        if (event != XML_START)
            rc = -1;
        else if (strcmp(xml->name, "Name") == 0)
            rc = name_read(listing, xml);
        else if (strcmp(xml->name, "Properties") == 0)
            rc = properties_read(listing, xml, &item.properties);
        else
            rc = xml_skip(xml);
    }
    item.name = buf_text(&listing->name);
    if (rc != 0 || !item.name)
        return broken(listing, ret_error);
    return listing->visit(listing->context, &item);
}

/* <Blobs>. */
static int items_read(struct listing *listing, struct xml *xml, struct error *ret_error)
{
    enum xml_event event;
    int rc = 0;
    while (rc == 0 && (event = xml_next(xml)) != XML_END) {
        if (event == XML_TEXT)
            continue;
        if (event != XML_START)
            return broken(listing, ret_error);
        bool prefix = strcmp(xml->name, "BlobPrefix") == 0;
        if (prefix || strcmp(xml->name, "Blob") == 0)
            rc = item_read(listing, xml, prefix, ret_error);
        else if (xml_skip(xml) != 0)
            rc = broken(listing, ret_error);
    }
    return rc;
}

/* A page. Its NextMarker goes to listing->marker. */
static int page_read(struct listing *listing, const struct http_response *response,
                     struct error *ret_error)
{
    struct xml xml;
    enum xml_event event;
    int rc = 0;
    buf_clear(&listing->marker);
    xml_init(&xml, (const char *)response->body.data, response->body.size);
    if (xml_next(&xml) != XML_START || strcmp(xml.name, "EnumerationResults") != 0)
        rc = broken(listing, ret_error);
    while (rc == 0 && (event = xml_next(&xml)) != XML_END) {
        if (event == XML_TEXT)
            continue;
        if (event != XML_START)
            rc = broken(listing, ret_error);
        else if (strcmp(xml.name, "Blobs") == 0)
            rc = items_read(listing, &xml, ret_error);
        else if (strcmp(xml.name, "NextMarker") == 0)
            rc = xml_read_text(&xml, &listing->marker) == 0 ? 0 : broken(listing, ret_error);
        else if (xml_skip(&xml) != 0)
            rc = broken(listing, ret_error);
    }
    xml_fini(&xml);
    return rc;
}

static void parameter_put(struct buf *query, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    buf_printf(query, "&%s=", name);
    http_encode(query, value, "");
}

static int page_ask(struct listing *listing, struct http_response *ret_response,
                    struct error *ret_error)
{
    struct buf query;
    char most[16];
    buf_init(&query, BLOB_URL_MAX);
    snprintf(most, sizeof(most), "%d", listing->page);
    buf_append_text(&query, "restype=container&comp=list");
    parameter_put(&query, "prefix", listing->prefix);
    parameter_put(&query, "delimiter", listing->delimiter);
    parameter_put(&query, "marker", buf_text(&listing->marker));
    parameter_put(&query, "maxresults", listing->page > 0 ? most : NULL);
    struct blob_call call = {.method = "GET",
                             .place = &listing->place,
                             .query = buf_text(&query),
                             .answer_max = PAGE_BYTES_MAX,
                             .doing = listing->doing};
    int rc = buf_failed(&query) ? error_set(ret_error, ERROR_SYSTEM,
                                            "%s: no room for the request", listing->doing)
                                : blob_ask(listing->service, &call, ret_response, ret_error);
    buf_fini(&query);
    return rc;
}

static int pages_walk(struct listing *listing, struct error *ret_error)
{
    int rc;
    bool first = true;
    do {
        struct http_response response = {0};
        rc = page_ask(listing, &response, ret_error);
        if (rc == 0 && response.status != 200) {
            rc = blob_refuse(&response, NULL, listing->doing, ret_error);
            if (!first && rc == BLOB_MISSING)
                rc = -1;
        } else if (rc == 0) {
            rc = page_read(listing, &response, ret_error);
        }
        http_response_fini(&response);
        first = false;
    } while (rc == 0 && listing->marker.size > 0);
    return rc;
}

int blob_list(struct blob_service *service, const char *container, const char *prefix,
              const char *delimiter, int page,
              int (*visit)(void *context, const struct blob_item *item), void *context,
              struct error *ret_error)
{
    struct listing listing = {.service = service,
                              .place = {.container = container},
                              .prefix = prefix,
                              .delimiter = delimiter,
                              .page = page,
                              .visit = visit,
                              .context = context};
    snprintf(listing.doing, sizeof(listing.doing), "listing container \"%s\"", container);
    buf_init(&listing.name, NAME_BYTES_MAX);
    buf_init(&listing.text, NAME_BYTES_MAX);
    buf_init(&listing.marker, NAME_BYTES_MAX);
    int rc = pages_walk(&listing, ret_error);
    buf_fini(&listing.name);
    buf_fini(&listing.text);
    buf_fini(&listing.marker);
    return rc;
}

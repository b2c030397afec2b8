#include "config.h"

#include "common/store_blob.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/azure/blob_download.h"
#include "common/azure/blob_reader.h"
#include "common/azure/blob_upload.h"
#include "common/azure/container.h"
#include "common/azure/secret.h"

#define HASH_BLOCK ((uint64_t)16 << 20)

struct store_blob {
    struct store base;
    struct container *container;   /* ours, of one opened by URI; else NULL */
    struct blob_service *borrowed; /* of one that was created */
    char *name, *prefix;           /* the container's; of content in it */
    uint8_t hash[STORE_HASH_SIZE]; /* of the content read last */
    uint64_t size;                 /* its size; 0: not known */
};

static void blob_close(struct store *base)
{
    struct store_blob *store = (struct store_blob *)base;
    container_close(store->container);
    free(store->name);
    free(store->prefix);
    free(store);
}

static struct blob_service *service_of(struct store_blob *store)
{
    return store->container ? container_service(store->container) : store->borrowed;
}

/* An empty one with its texts. */
static struct store_blob *store_make(const char *container, const char *prefix,
                                     struct error *ret_error)
{
    struct store_blob *store = calloc(1, sizeof(*store));
    if (store) {
        store->base.ops = &store_blob_ops;
        store->name = strdup(container);
        store->prefix = strdup(prefix);
        if (store->name && store->prefix)
            return store;
        blob_close(&store->base);
    }
    error_set(ret_error, ERROR_SYSTEM, "no memory for a store");
    return NULL;
}

struct store *store_blob_create(struct blob_service *service, const char *container,
                                const char *prefix, struct error *ret_error)
{
    struct store_blob *store = store_make(container, prefix, ret_error);
    if (!store)
        return NULL;
    store->borrowed = service;
    return &store->base;
}

static struct store *blob_open(const char *place, struct error *ret_error)
{
    struct store_blob *store = NULL;
    struct container *container;
    char *uri = NULL;
    if (asprintf(&uri, CONTAINER_SCHEME "%s", place) < 0) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a store");
        return NULL;
    }
    container = container_open(uri, container_target_get().run, NULL, ret_error);
    secret_free(uri);
    if (container)
        store = store_make(container_name(container), STORE_BLOB_PREFIX, ret_error);
    if (!store) {
        container_close(container);
        return NULL;
    }
    store->container = container;
    return &store->base;
}

static int content_place(const struct store_blob *store, const uint8_t *hash,
                         char name[CONTAINER_NAME_SIZE], struct blob_place *ret_place,
                         struct error *ret_error)
{
    char text[STORE_HASH_TEXT];
    store_hash_format(hash, text);
    int length = snprintf(name, CONTAINER_NAME_SIZE, "%s%s", store->prefix, text);
    *ret_place = (struct blob_place){.container = store->name, .name = name};
    return length > 0 && length < CONTAINER_NAME_SIZE
               ? 0
               : error_set(ret_error, ERROR_CONFIG, "the prefix \"%s\" is too long",
                           store->prefix);
}

static int file_hash(const char *path, uint8_t *ret_hash, uint64_t *ret_size,
                     struct error *ret_error)
{
    struct blob_reader *reader =
        blob_reader_open(path, HASH_BLOCK, 2, BLOB_CHECK_UNKNOWN, true, ret_error);
    struct blob_reader_block block;
    int rc = reader ? 1 : -1;
    while (rc > 0)
        rc = blob_reader_next(reader, true, &block, ret_error);
    if (rc == 0)
        rc = blob_reader_check(reader, ret_hash, ret_error);
    if (rc == 0)
        *ret_size = blob_reader_size(reader);
    blob_reader_close(reader);
    return rc;
}

static int blob_put_file(struct store *base, const char *path, uint8_t *ret_hash,
                         uint64_t *ret_size, struct error *ret_error)
{
    struct store_blob *store = (struct store_blob *)base;
    char name[CONTAINER_NAME_SIZE];
    struct blob_place place;
    struct blob_properties properties;
    struct blob_upload_options options = {.unless = BLOB_UNLESS_EXISTS, .sha256 = ret_hash};
    if (file_hash(path, ret_hash, ret_size, ret_error) != 0 ||
        content_place(store, ret_hash, name, &place, ret_error) != 0)
        return -1;
    struct blob_service *service = service_of(store);
    int rc = blob_properties_get(service, &place, &properties, ret_error);
    if (rc == BLOB_MISSING)
        rc = blob_upload(service, &place, path, &options, NULL, ret_error);
    return rc == 0 || rc == BLOB_ALREADY ? 0 : -1;
}

/* Which size the content has; asked once for many reads of the same. */
static int size_find(struct store_blob *store, struct blob_service *service,
                     const struct blob_place *place, const uint8_t *hash,
                     struct error *ret_error)
{
    struct blob_properties properties;
    if (store->size && memcmp(store->hash, hash, sizeof(store->hash)) == 0)
        return 0;
    if (blob_properties_get(service, place, &properties, ret_error) != 0)
        return -1;
    memcpy(store->hash, hash, sizeof(store->hash));
    store->size = properties.size;
    return 0;
}

static int blob_read(struct store *base, const uint8_t *hash, uint64_t offset, void *bytes,
                     size_t size, size_t *ret_read, uint64_t *ret_total,
                     struct error *ret_error)
{
    struct store_blob *store = (struct store_blob *)base;
    struct blob_service *service = service_of(store);
    char name[CONTAINER_NAME_SIZE];
    struct blob_place place;
    struct buf buf;
    if (content_place(store, hash, name, &place, ret_error) != 0 ||
        size_find(store, service, &place, hash, ret_error) != 0)
        return -1;
    buf_init(&buf, size);
    int64_t got = offset < store->size
                      ? blob_get(service, &place, offset, size, &buf, NULL, ret_error)
                      : 0;
    if (got > 0)
        memcpy(bytes, buf.data, (size_t)got);
    buf_fini(&buf);
    *ret_read = got > 0 ? (size_t)got : 0;
    *ret_total = store->size;
    return got < 0 ? -1 : 0;
}

static int blob_get_file(struct store *base, const uint8_t *hash, const char *path,
                         struct error *ret_error)
{
    struct store_blob *store = (struct store_blob *)base;
    const struct blob_download_options options = {.sha256 = hash};
    char name[CONTAINER_NAME_SIZE];
    struct blob_place place;
    if (content_place(store, hash, name, &place, ret_error) != 0)
        return -1;
    int rc = blob_download(service_of(store), &place, path, &options, NULL, ret_error);
    return rc == 0 ? 0 : -1;
}

static int blob_remove(struct store *base, const uint8_t *hash, struct error *ret_error)
{
    struct store_blob *store = (struct store_blob *)base;
    char name[CONTAINER_NAME_SIZE];
    struct blob_place place;
    if (content_place(store, hash, name, &place, ret_error) != 0)
        return -1;
    int rc = blob_delete(service_of(store), &place, ret_error);
    return rc == 0 || rc == BLOB_MISSING ? 0 : -1;
}

const struct store_ops store_blob_ops = {
    .scheme = "blob",
    .open = blob_open,
    .put_file = blob_put_file,
    .read = blob_read,
    .get_file = blob_get_file,
    .remove = blob_remove,
    .close = blob_close,
};

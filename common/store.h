/*
 * store.h - named bytes near the nodes: where launch puts the farm's files and the master reads
 * them.
 *
 * Content is named by its SHA-256, so putting the same bytes twice costs nothing, and a reader
 * can tell damage. A store is named by a URI; its scheme picks the member of the table in
 * store.c: "dir:/absolute/path" (store_dir.h), "blob:URL" (store_blob.h).
 */
#ifndef BEOFARM_COMMON_STORE_H
#define BEOFARM_COMMON_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

#define STORE_HASH_SIZE 32
#define STORE_HASH_TEXT 65 /* hex digits and a NUL */

struct store;

struct store_ops {
    const char *scheme;
    struct store *(*open)(const char *place, struct error *ret_error);
    int (*put_file)(struct store *store, const char *path, uint8_t *ret_hash,
                    uint64_t *ret_size, struct error *ret_error);
    int (*read)(struct store *store, const uint8_t *hash, uint64_t offset, void *bytes,
                size_t size, size_t *ret_read, uint64_t *ret_total, struct error *ret_error);
    /* NULL: store_get_file reads piece after piece */
    int (*get_file)(struct store *store, const uint8_t *hash, const char *path,
                    struct error *ret_error);
    int (*remove)(struct store *store, const uint8_t *hash, struct error *ret_error);
    void (*close)(struct store *store);
};

/* What every member begins with. */
struct store {
    const struct store_ops *ops;
};

/* Open "SCHEME:PLACE". NULL with a sentence. */
struct store *store_open(const char *uri, struct error *ret_error);
void store_close(struct store *store); /* NULL is allowed */

/* Copy the file at `path` in, under the hash of what was read (the copy is what was hashed,
 * even if somebody writes to the file meanwhile). */
int store_put_file(struct store *store, const char *path, uint8_t *ret_hash, uint64_t *ret_size,
                   struct error *ret_error);

/* Read up to `size` bytes from `offset`. *ret_read is smaller only at the end of the file.
 * *ret_total is the file's size. -1 if there is no such content. */
int store_read(struct store *store, const uint8_t *hash, uint64_t offset, void *bytes,
               size_t size, size_t *ret_read, uint64_t *ret_total, struct error *ret_error);

/* Copy content to the file `path`, over one that is there, and check its hash: the file is whole
 * and right, or it is not there. -1 with a sentence. */
int store_get_file(struct store *store, const uint8_t *hash, const char *path,
                   struct error *ret_error);

/* Remove content, for nobody wants it any more; it need not be there. -1 with a sentence. */
int store_remove(struct store *store, const uint8_t *hash, struct error *ret_error);

/* Hash to 64 hex digits and back (-1 if text is not exactly that). */
void store_hash_format(const uint8_t *hash, char text[STORE_HASH_TEXT]);
int store_hash_parse(const char *text, uint8_t *ret_hash);

/* The hash of bytes in memory. */
int store_hash_bytes(const void *bytes, size_t size, uint8_t *ret_hash);

#endif

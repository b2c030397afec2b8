/*
 * cache.h - the node's content-addressed file cache.
 *
 * One read-only file per content (cache_file.h), named by its SHA-256, in a folder that later
 * workers of the node use again and workers beside it may share. Work directories hold hard links
 * to it.
 *
 * The cache asks for pieces through `cache_source` and is given them with cache_take; whoever
 * owns the link does the sending. Requests wait while there is no source, and go on from the
 * last good byte when there is one again. Everything runs in one thread, but where it is said
 * otherwise.
 */
#ifndef BEOFARM_WORKER_CACHE_H
#define BEOFARM_WORKER_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/message.h"

struct cache;
struct cache_request;

/* How the cache asks for bytes: send a FETCH for this hash and offset. Never calls back into
 * the cache before it returns. */
struct cache_source {
    void (*fetch)(void *context, const uint8_t *hash, uint64_t offset);
    void *context;
};

struct loop;

/* Fetch files straight from the farm's container from now on (a store "blob:URL"); through the
 * source only what cannot be had there. -1 with a sentence. */
int cache_set_store(struct cache *cache, struct loop *loop, const char *store,
                    struct error *ret_error);

/* Open the cache in `dir` (made if missing, with its parents). NULL with a sentence if it
 * cannot be written. */
struct cache *cache_open(const char *dir, struct error *ret_error);
void cache_close(struct cache *cache); /* requests are dropped, files stay; NULL is allowed */

/* Attach the link (borrowed until the next call), or NULL when it is lost. With a source, every
 * waiting request asks on at once. */
void cache_set_source(struct cache *cache, const struct cache_source *source);

/* A DATA message came: store the piece. Pieces nobody waits for are ignored. Ends requests, so
 * `done` callbacks run from here. */
void cache_take(struct cache *cache, const struct file_piece *piece);

/* Whether the whole file is here, unharmed as far as its size and time tell. */
bool cache_has(struct cache *cache, const uint8_t *hash);

/* See to it that all of `count` hashes are here, then call done(context, NULL), or
 * done(context, error) when one of them cannot be had (the master has no such file, the disk is
 * full, the content is wrong three times over). Where all are here already, `done` is called
 * before this returns, and NULL is returned. Otherwise returns the request, which is freed
 * after `done` returns. */
struct cache_request *cache_request(struct cache *cache,
                                    const uint8_t (*hashes)[MESSAGE_HASH_SIZE], size_t count,
                                    void (*done)(void *context, const struct error *error),
                                    void *context);
void cache_request_cancel(
    struct cache_request *request); /* `done` is not called; NULL allowed */

/* Read a whole small file (a manifest). *ret_bytes is allocated and NUL-terminated behind its
 * last byte; caller must free. More than `max` bytes is an error. */
int cache_read(struct cache *cache, const uint8_t *hash, size_t max, char **ret_bytes,
               size_t *ret_size, struct error *ret_error);

enum cache_lay {
    CACHE_LINK,  /* a hard link; a copy where the file system does not link */
    CACHE_COPY,  /* the task's own copy, writable (reflink where possible) */
    CACHE_CLONE, /* such a copy where it takes no room (reflink), otherwise a hard link */
};

/* Lay the file at dir_fd/name, which does not exist yet. Its mode is `mode`; a link has the
 * read bits, and the execute bits if mode has any. 0; -1 with a sentence; errno ENOENT
 * means that the cache does not have the file. Other threads may call this, too. */
int cache_lay(struct cache *cache, const uint8_t *hash, enum cache_lay how, unsigned mode,
              int dir_fd, const char *name, struct error *ret_error);

/* Remove the file, for good: nobody here asks for it again, or it is fetched again. */
void cache_drop(struct cache *cache, const uint8_t *hash);

/* Was the cached file (the one with or without execute bits, as `mode` says) written through a
 * hard link? Compares mode and time with what they must be: one stat. If it was only touched,
 * that is undone and the answer is false. If its content changed, it is removed from the cache
 * (so the next request fetches it again) and the answer is true. Other threads may call this, too:
 * it reads all of the file where it was touched. */
bool cache_check_spoiled(struct cache *cache, const uint8_t *hash, unsigned mode);

#endif

/* cache_private.h - what the cache's two halves share: its files (cache.c) and fetching them
 * (cache_fetch.c). */
#ifndef BEOFARM_WORKER_CACHE_PRIVATE_H
#define BEOFARM_WORKER_CACHE_PRIVATE_H

#include <stdatomic.h>

#include "worker/cache.h"
#include "worker/cache_file.h"

#define CACHE_BUCKETS 1024

struct fetch;

struct cache {
    int dir_fd;
    char *dir;
    bool has_source;
    struct cache_source source;
    struct cache_direct *direct; /* NULL: there is no container */
    unsigned under_way;          /* pieces asked for and not come */
    atomic_uint_fast64_t parts;  /* for the names of unfinished files */
    struct fetch *first, *last;
    struct fetch *buckets[CACHE_BUCKETS];
    struct cache_request *requests;
};

/* cache_fetch.c: a file came straight from the container, or did not. */
void cache_direct_done(void *context, const uint8_t *hash, const struct error *error);

/* Forget all fetches and requests. */
void cache_drop_fetches(struct cache *cache);

#endif

/*
 * cache_direct.h - files of the cache fetched straight from the farm's container, past the master
 * (common/azure/container.h): a few at once, each in a thread and in parallel ranges, hashed, and
 * gone on with where a killed fetch stopped. Workers that share the cache's folder fetch each file
 * once.
 */
#ifndef BEOFARM_WORKER_CACHE_DIRECT_H
#define BEOFARM_WORKER_CACHE_DIRECT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/loop.h"

struct cache_direct;

/* `dir` is the cache's folder (borrowed). `done` is called from the loop: the file is in its place
 * (error NULL), or it cannot be had from there. NULL with a sentence. */
struct cache_direct *cache_direct_create(struct loop *loop, const char *dir, const char *store,
                                         void (*done)(void *context, const uint8_t *hash,
                                                      const struct error *error),
                                         void *context, struct error *ret_error);

/* Breaks off what is under way. NULL is allowed. */
void cache_direct_destroy(struct cache_direct *direct);

/* Begin to fetch a file; false while as many as can be are under way. */
bool cache_direct_start(struct cache_direct *direct, const uint8_t *hash);

#endif

/*
 * cache_file.h - what every file of the node's cache looks like: its name, and the time by which a
 * write is told. All parts of the cache (cache.c, cache_fetch.c, cache_direct.c) make and know
 * files by this.
 */
#ifndef BEOFARM_WORKER_CACHE_FILE_H
#define BEOFARM_WORKER_CACHE_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "common/store.h"

/* Modification time, in seconds since 1970, that every file of the cache and every input laid
 * into a work directory carries: a file with another one was written by somebody. */
#define CACHE_MTIME_S 1000000000

#define CACHE_NAME_SIZE (STORE_HASH_TEXT + 2)

/* HASH, or HASH.x */
void cache_file_name(const uint8_t *hash, bool executable, char name[CACHE_NAME_SIZE]);

/* Give an open file that time; 0 or -1 with errno. */
int cache_file_stamp(int fd);

/* Whether it still has it. */
bool cache_file_is_stamped(const struct stat *stat);

#endif

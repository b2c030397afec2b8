/* cache.h - how much of the last-level cache some threads have. */
#ifndef BEOFARM_WORKER_SEISMIC_CACHE_H
#define BEOFARM_WORKER_SEISMIC_CACHE_H

#include <stddef.h>

/*
 * Bytes of the last-level caches that belong to `threads` cores, as Linux describes the one that
 * the first thread to ask runs on: cores that share a cache have equal parts of it. 4 MiB a thread
 * where that cannot be known. Environment variable BEOFARM_CACHE, where set to a number of bytes,
 * says it instead: for tests and benchmarks.
 */
size_t cache_share(int threads);

#endif

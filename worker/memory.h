/*
 * memory.h - how much memory this worker's tasks may use.
 */
#ifndef BEOFARM_WORKER_MEMORY_H
#define BEOFARM_WORKER_MEMORY_H

#include <stdint.h>

/* Bytes: the node's memory, or what cgroups (versions 1 and 2, this process' and those above it)
 * allow if that is less; of which, if BEOFARM_SHARE is K/N, an N-th; 0 where none of it can be
 * read. `root` as for quota_cpus; `share` is the value of BEOFARM_SHARE, NULL if it is not set. */
uint64_t memory_limit(const char *root, const char *share);

#endif

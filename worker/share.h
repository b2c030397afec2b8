/*
 * share.h - one of several workers that have a node together.
 *
 * The local backend starts all its workers on one machine and tells each "K/N" in BEOFARM_SHARE:
 * it is the K-th of N and shall use its part only, so that two tasks never compete for a core or a
 * GPU while others are free. Batch systems give a worker a node of its own, and no share.
 */
#ifndef BEOFARM_WORKER_SHARE_H
#define BEOFARM_WORKER_SHARE_H

#include <hwloc.h>

#include "common/error.h"
#include "worker/gpu.h"

struct share {
    unsigned index; /* from 0 */
    unsigned count; /* at least 1 */
};

/* Read "K/N", K from 1 to N. -1 with ERROR_USAGE if it is nothing of the kind. */
int share_parse(struct share *ret_share, const char *text, struct error *ret_error);

/*
 * Leave of a loaded topology, and of its GPUs, one share: consecutive cores, so that it lies in
 * few caches and NUMA nodes, and the GPUs near them. Shares differ by one core and one GPU at
 * most. Where there are more shares than cores, they have the cores in turn. 0, or -1 if memory
 * is short.
 */
int share_apply(const struct share *share, hwloc_topology_t topology, struct gpu_list *gpus);

#endif

/*
 * deal.h - which slot gets which GPU.
 */
#ifndef BEOFARM_WORKER_DEAL_H
#define BEOFARM_WORKER_DEAL_H

#include <stddef.h>

#include <hwloc.h>

#include "worker/gpu.h"

/*
 * Deal each GPU to one slot, near it where that can be: sharing CPUs with the GPU's locality
 * (its NUMA node), else in the same package. The slots' numbers of GPUs differ by 1 at most; among
 * equals the first slot wins. slot_cpus: the slots' cpusets. ret_owners: a slot for each GPU.
 * 0, or -1 if memory is short.
 */
int gpus_deal(const struct gpu_list *gpus, hwloc_topology_t topology,
              const hwloc_bitmap_t *slot_cpus, size_t slot_count, size_t *ret_owners);

#endif

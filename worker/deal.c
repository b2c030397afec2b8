/*
 * Two rounds: first every GPU goes to a slot right beside it that has less than an even share; the
 * rest, whose neighbours are all served, go to the slots that have fewest, the closest of those.
 * In one round a GPU could take a slot far away from it that a later one is beside.
 */
#include "config.h"

#include <stdlib.h>

#include "worker/deal.h"

#define NOBODY SIZE_MAX

enum distance { BESIDE, SAME_PACKAGE, FAR };

static enum distance slot_distance(hwloc_topology_t topology, hwloc_const_bitmap_t cpus,
                                   const struct gpu *gpu)
{
    hwloc_obj_t package = NULL;
    if (hwloc_bitmap_intersects(cpus, gpu->local))
        return BESIDE;
    while ((package = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_PACKAGE, package)) != NULL)
        if (hwloc_bitmap_intersects(package->cpuset, cpus) &&
            hwloc_bitmap_intersects(package->cpuset, gpu->local))
            return SAME_PACKAGE;
    return FAR;
}

struct dealer {
    hwloc_topology_t topology;
    const hwloc_bitmap_t *slot_cpus;
    size_t slot_count;
    size_t *counts; /* per slot: GPUs it has */
};

/* The slot with fewest GPUs among those at most `reach` away and with less than `limit`; of those
 * the closest. */
static size_t slot_choose(const struct dealer *dealer, const struct gpu *gpu,
                          enum distance reach, size_t limit)
{
    size_t best = NOBODY;
    enum distance best_distance = FAR;
    for (size_t slot = 0; slot < dealer->slot_count; slot++) {
        size_t count = dealer->counts[slot];
        if (count >= limit)
            continue;
        enum distance distance = slot_distance(dealer->topology, dealer->slot_cpus[slot], gpu);
        if (distance > reach)
            continue;
        if (best == NOBODY || count < dealer->counts[best] ||
            (count == dealer->counts[best] && distance < best_distance)) {
            best = slot;
            best_distance = distance;
        }
    }
    return best;
}

int gpus_deal(const struct gpu_list *gpus, hwloc_topology_t topology,
              const hwloc_bitmap_t *slot_cpus, size_t slot_count, size_t *ret_owners)
{
    struct dealer dealer = {
        .topology = topology,
        .slot_cpus = slot_cpus,
        .slot_count = slot_count,
        .counts = calloc(slot_count, sizeof *dealer.counts),
    };
    size_t share = gpus->count / slot_count;
    if (!dealer.counts)
        return -1;
    for (size_t i = 0; i < gpus->count; i++) {
        ret_owners[i] = slot_choose(&dealer, &gpus->items[i], BESIDE, share > 0 ? share : 1);
        if (ret_owners[i] != NOBODY)
            dealer.counts[ret_owners[i]]++;
    }
    for (size_t i = 0; i < gpus->count; i++)
        if (ret_owners[i] == NOBODY) {
            ret_owners[i] = slot_choose(&dealer, &gpus->items[i], FAR, NOBODY);
            dealer.counts[ret_owners[i]]++;
        }
    free(dealer.counts);
    return 0;
}

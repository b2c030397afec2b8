#include "config.h"

#include <stdlib.h>

#include "worker/deal.h"
#include "worker/place.h"
#include "worker/share.h"

#define SHARES_MAX 10000 /* as many workers as backend.workers allows */

int share_parse(struct share *ret_share, const char *text, struct error *ret_error)
{
    char *slash = NULL;
    char *end = NULL;
    long index = strtol(text, &slash, 10);
    long count = slash != text && *slash == '/' ? strtol(slash + 1, &end, 10) : 0;
    if (!end || end == slash + 1 || *end != '\0' || count < 1 || count > SHARES_MAX ||
        index < 1 || index > count)
        return error_set(ret_error, ERROR_USAGE,
                         "BEOFARM_SHARE is \"%s\"; it must be K/N, for the K-th of N workers "
                         "on this node",
                         text);
    *ret_share = (struct share){.index = (unsigned)index - 1, .count = (unsigned)count};
    return 0;
}

/* The CPUs of a share; NULL if memory is short. */
static hwloc_bitmap_t share_cpus(const struct place_list *places, size_t index, size_t count)
{
    hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
    size_t first = index * places->count / count;
    size_t end = (index + 1) * places->count / count;
    if (count > places->count) {
        first = index % places->count;
        end = first + 1;
    }
    for (size_t i = first; cpus && i < end; i++)
        hwloc_bitmap_or(cpus, cpus, places->items[i].object->cpuset);
    return cpus;
}

/* Keep the GPUs that are dealt to a share. */
static int gpus_apply(const struct share *share, hwloc_topology_t topology,
                      const hwloc_bitmap_t *cpus, struct gpu_list *gpus)
{
    size_t *owners = NULL;
    if (gpus->count == 0)
        return 0;
    owners = calloc(gpus->count, sizeof *owners);
    if (!owners || gpus_deal(gpus, topology, cpus, share->count, owners) < 0) {
        free(owners);
        return -1;
    }
    gpu_list_keep(gpus, owners, share->index);
    free(owners);
    return 0;
}

int share_apply(const struct share *share, hwloc_topology_t topology, struct gpu_list *gpus)
{
    struct place_list places = {0};
    int status = place_list_make(&places, topology, false);
    hwloc_bitmap_t *cpus = calloc(share->count, sizeof *cpus);
    if (!cpus)
        status = -1;
    for (size_t i = 0; status == 0 && i < share->count; i++) {
        cpus[i] = share_cpus(&places, i, share->count);
        status = cpus[i] ? 0 : -1;
    }
    if (status == 0)
        status = gpus_apply(share, topology, cpus, gpus);
    if (status == 0)
        status =
            hwloc_topology_restrict(topology, cpus[share->index], HWLOC_RESTRICT_FLAG_ADAPT_IO);
    for (size_t i = 0; cpus && i < share->count; i++)
        hwloc_bitmap_free(cpus[i]);
    free(cpus);
    place_list_fini(&places);
    return status;
}

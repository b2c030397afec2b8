/*
 * place.h - the units of computing that slots are made of (OpenMP calls them places): a core with
 * all of its hardware threads, or a single hardware thread.
 *
 * Where a place is, is told by one domain number per level: places with the same number at a
 * level are together there. A slot of T places is put into a domain of the first level that has
 * room for T.
 */
#ifndef BEOFARM_WORKER_PLACE_H
#define BEOFARM_WORKER_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include <hwloc.h>

/* From tight to loose. Each also has the bounds of those below that are physical: a cache's
 * domain lies in one NUMA node and one package even where the cache does not. The levels named
 * KIND hold cores of one kind (performance, efficiency); on most machines there is one kind. */
enum level {
    LEVEL_CORE,       /* matters to single hardware threads only: they spread over cores */
    LEVEL_CACHE_KIND, /* one L3 (or, where a core has none, one shared L2) */
    LEVEL_CACHE,
    LEVEL_NODE_KIND, /* one NUMA node */
    LEVEL_NODE,
    LEVEL_PACKAGE_KIND,
    LEVEL_PACKAGE,
    LEVEL_MACHINE_KIND,
    LEVEL_MACHINE,
    LEVEL_COUNT,
};

struct place {
    hwloc_obj_t object; /* borrowed from the topology: a core, or a hardware thread */
    unsigned kind;      /* 0: the fastest */
    unsigned domain[LEVEL_COUNT];
};

/* All places of a topology: fast kinds first, then along the machine. */
struct place_list {
    struct place *items; /* at least one */
    size_t count;
    unsigned kind_count;
};

/* Count cores, or hardware threads if smt. 0, or -1 if memory is short. */
int place_list_make(struct place_list *ret_list, hwloc_topology_t topology, bool smt);
void place_list_fini(struct place_list *list);

/* The kinds of cores that differ in what they are, fastest first; 1 unless the machine is hybrid.
 * (Cores of one kind may still differ a little in their top frequency.) kind_name: "performance",
 * "efficiency" or "" where the machine has no words for them. */
unsigned kind_count(hwloc_topology_t topology);
unsigned kind_of(hwloc_topology_t topology, hwloc_const_cpuset_t cpus);
const char *kind_name(hwloc_topology_t topology, unsigned kind);

#endif

#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "worker/place.h"

/* A machine with more kinds of cores would be news. */
#define KINDS_MAX 16

/*
 * hwloc makes kinds of everything in which cores differ, also of a slightly higher top frequency
 * of two favoured cores of a server. Here cores differ if they are of different core types (Intel:
 * IntelCore, IntelAtom) or, where types are not known, of different capacity (ARM's big.LITTLE).
 * hwloc's kinds come from slow to fast, so equals are neighbours.
 */
static const char *raw_kind_label(hwloc_topology_t topology, int raw)
{
    struct hwloc_info_s *infos = NULL;
    unsigned count = 0;
    const char *capacity = "";
    if (hwloc_cpukinds_get_info(topology, (unsigned)raw, NULL, NULL, &count, &infos, 0) < 0)
        return "";
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(infos[i].name, "CoreType") == 0)
            return infos[i].value;
        if (strcmp(infos[i].name, "LinuxCapacity") == 0)
            capacity = infos[i].value;
    }
    return capacity;
}

/* The kind of each of hwloc's kinds; returns how many kinds there are. */
static unsigned kinds_merge(hwloc_topology_t topology, unsigned kinds[KINDS_MAX],
                            int *ret_raw_count)
{
    int raw_count = hwloc_cpukinds_get_nr(topology, 0);
    unsigned count = 1;
    if (raw_count > KINDS_MAX)
        raw_count = KINDS_MAX;
    for (int raw = raw_count - 1; raw >= 0; raw--) {
        bool last = raw == raw_count - 1;
        if (!last && strcmp(raw_kind_label(topology, raw), raw_kind_label(topology, raw + 1)))
            count++;
        kinds[raw] = count - 1;
    }
    *ret_raw_count = raw_count;
    return count;
}

unsigned kind_count(hwloc_topology_t topology)
{
    unsigned kinds[KINDS_MAX];
    int raw_count = 0;
    return kinds_merge(topology, kinds, &raw_count);
}

unsigned kind_of(hwloc_topology_t topology, hwloc_const_cpuset_t cpus)
{
    unsigned kinds[KINDS_MAX];
    int raw_count = 0;
    unsigned count = kinds_merge(topology, kinds, &raw_count);
    int raw = hwloc_cpukinds_get_by_cpuset(topology, cpus, 0);
    if (raw < 0 || raw >= raw_count)
        return count - 1;
    return kinds[raw];
}

const char *kind_name(hwloc_topology_t topology, unsigned kind)
{
    unsigned count = kind_count(topology);
    if (count == 1)
        return "";
    if (kind == 0)
        return "performance";
    return kind + 1 == count ? "efficiency" : "";
}

/* Where a place is, before levels are numbered. */
struct position {
    hwloc_obj_t core;
    hwloc_obj_t cache;
    hwloc_obj_t package;
    hwloc_const_nodeset_t nodes; /* nodes with the same CPUs (DRAM and HBM) are one node here */
    unsigned kind;
};

static hwloc_obj_t cache_find(hwloc_topology_t topology, hwloc_obj_t object)
{
    hwloc_obj_t l3 = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_L3CACHE, object);
    if (l3)
        return l3;
    hwloc_obj_t l2 = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_L2CACHE, object);
    bool shared =
        l2 && hwloc_get_nbobjs_inside_cpuset_by_type(topology, l2->cpuset, HWLOC_OBJ_CORE) > 1;
    return shared ? l2 : NULL;
}

static struct position position_of(hwloc_topology_t topology, const struct place *place)
{
    bool thread = place->object->type == HWLOC_OBJ_PU;
    return (struct position){
        .core = thread ? place->object->parent : place->object,
        .cache = cache_find(topology, place->object),
        .package = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_PACKAGE, place->object),
        .nodes = place->object->nodeset,
        .kind = place->kind,
    };
}

static bool together(enum level level, const struct position *a, const struct position *b)
{
    bool kind = a->kind == b->kind;
    bool package = a->package == b->package;
    bool node = package && hwloc_bitmap_isequal(a->nodes, b->nodes);
    bool cache = node && a->cache == b->cache;
    switch (level) {
    case LEVEL_CORE:
        return a->core == b->core;
    case LEVEL_CACHE_KIND:
        return cache && kind;
    case LEVEL_CACHE:
        return cache;
    case LEVEL_NODE_KIND:
        return node && kind;
    case LEVEL_NODE:
        return node;
    case LEVEL_PACKAGE_KIND:
        return package && kind;
    case LEVEL_PACKAGE:
        return package;
    case LEVEL_MACHINE_KIND:
        return kind;
    case LEVEL_MACHINE:
    case LEVEL_COUNT:
        break;
    }
    return true;
}

/* Number the domains of a level in the order of their first places. `firsts` has room for one
 * place index per domain. */
static void level_number(struct place_list *list, const struct position *positions,
                         enum level level, size_t *firsts)
{
    unsigned count = 0;
    for (size_t i = 0; i < list->count; i++) {
        unsigned domain = count;
        /* backwards: a place mostly belongs to the domain of the one before it */
        while (domain > 0 && !together(level, &positions[i], &positions[firsts[domain - 1]]))
            domain--;
        if (domain == 0) {
            firsts[count++] = i;
            domain = count;
        }
        list->items[i].domain[level] = domain - 1;
    }
}

static int domains_number(struct place_list *list, hwloc_topology_t topology)
{
    struct position *positions = calloc(list->count, sizeof *positions);
    size_t *firsts = calloc(list->count, sizeof *firsts);
    if (positions && firsts) {
        for (size_t i = 0; i < list->count; i++)
            positions[i] = position_of(topology, &list->items[i]);
        for (enum level level = 0; level < LEVEL_COUNT; level++)
            level_number(list, positions, level, firsts);
    }
    int status = positions && firsts ? 0 : -1;
    free(positions);
    free(firsts);
    return status;
}

static int place_compare(const void *a, const void *b)
{
    const struct place *left = a;
    const struct place *right = b;
    if (left->kind != right->kind)
        return left->kind < right->kind ? -1 : 1;
    return left->object->logical_index < right->object->logical_index ? -1 : 1;
}

int place_list_make(struct place_list *ret_list, hwloc_topology_t topology, bool smt)
{
    hwloc_obj_type_t type = HWLOC_OBJ_CORE;
    if (smt || hwloc_get_nbobjs_by_type(topology, type) <= 0)
        type = HWLOC_OBJ_PU;
    int count = hwloc_get_nbobjs_by_type(topology, type);
    if (count < 1)
        return -1;
    struct place_list list = {.count = (size_t)count, .kind_count = kind_count(topology)};
    list.items = calloc(list.count, sizeof *list.items);
    if (!list.items)
        return -1;
    for (size_t i = 0; i < list.count; i++) {
        hwloc_obj_t object = hwloc_get_obj_by_type(topology, type, (unsigned)i);
        list.items[i].object = object;
        list.items[i].kind = kind_of(topology, object->cpuset);
    }
    qsort(list.items, list.count, sizeof *list.items, place_compare);
    if (domains_number(&list, topology) < 0) {
        place_list_fini(&list);
        return -1;
    }
    *ret_list = list;
    return 0;
}

void place_list_fini(struct place_list *list)
{
    free(list->items);
    *list = (struct place_list){0};
}

#include "config.h"

#include <stdlib.h>

#include "common/json.h"
#include "worker/division.h"
#include "worker/memory.h"
#include "worker/place.h"
#include "worker/shot_threads.h"
#include "worker/topology_private.h"

#define ENOUGH_SHOTS                                                                           \
    8 /* per core: then the last ones leave cores idle for a 16th of the time */

static unsigned divide_up(uint64_t a, uint64_t b)
{
    return (unsigned)((a + b - 1) / b);
}

static unsigned for_cache(const struct shot_node *node, const struct shot_load *load)
{
    uint64_t together = node->cache_bytes / 5 * 4 / load->working_bytes;
    if (together > 0)
        return together < node->cores_per_cache ? divide_up(node->cores_per_cache, together)
                                                : 1;
    bool many = load->shots / ENOUGH_SHOTS >= node->cores;
    return many ? 1 : node->cores_per_cache;
}

unsigned shot_threads_choose(const struct shot_node *node, const struct shot_load *load)
{
    if (load->working_bytes == 0)
        return 0;
    unsigned threads = for_cache(node, load);
    if (load->memory_bytes && node->memory_bytes) {
        uint64_t at_once = node->memory_bytes / load->memory_bytes;
        unsigned least = divide_up(node->cores, at_once ? at_once : 1);
        threads = threads < least ? least : threads;
    }
    return threads < node->cores_per_node ? threads : node->cores_per_node;
}

/* --- From the machine and the job --- */

/* How many places share the domain of the first one at a level. */
static unsigned count_together(const struct place_list *places, enum level level)
{
    unsigned count = 0;
    for (size_t i = 0; i < places->count; i++)
        count += places->items[i].domain[level] == places->items[0].domain[level];
    return count;
}

static int read_node(const struct topology *topology, bool smt, struct shot_node *node)
{
    double quota = topology->quota;
    struct place_list places;
    hwloc_obj_t cache = hwloc_get_obj_by_type(topology->hwloc, HWLOC_OBJ_L3CACHE, 0);
    if (place_list_make(&places, topology->hwloc, smt) < 0)
        return -1;
    *node = (struct shot_node){
        .cores = (unsigned)division_allowed(places.count, quota),
        .cores_per_cache =
            (unsigned)division_allowed(count_together(&places, LEVEL_CACHE), quota),
        .cores_per_node =
            (unsigned)division_allowed(count_together(&places, LEVEL_NODE), quota),
        .cache_bytes = cache ? cache->attr->cache.size : 0,
        .memory_bytes = memory_limit("", getenv("BEOFARM_SHARE")) / 10 * 9};
    place_list_fini(&places);
    return 0;
}

static uint64_t read_bytes(const cJSON *shot, const char *key)
{
    double number = 0;
    json_get_real(shot, "$.work.shot", key, 0, &number, NULL);
    return number > 0 && number < 0x1p63 ? (uint64_t)number : 0;
}

void shot_threads_request(const cJSON *job, const struct topology *topology,
                          struct topology_request *request)
{
    const cJSON *shot = json_member(json_member(job, "work"), "shot");
    const struct shot_load load = {.working_bytes = read_bytes(shot, "working_bytes"),
                                   .memory_bytes = read_bytes(shot, "memory_bytes"),
                                   .shots = read_bytes(shot, "per_worker")};
    struct shot_node node;
    request->bind_threads = !json_member(json_member(job, "work"), "command");
    if (request->slot_per_gpu && topology->gpus.count > 0)
        return; /* there will be as many as GPUs */
    if (request->slots || request->threads_per_slot ||
        read_node(topology, request->smt, &node) < 0)
        return;
    request->threads_per_slot = shot_threads_choose(&node, &load);
}

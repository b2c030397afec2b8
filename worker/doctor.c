#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "worker/doctor.h"
#include "worker/place.h"
#include "worker/seismic/opencl.h"
#include "worker/topology_private.h"

/* Slots that the text lists one by one; of more, the first and the last few. */
#define SLOTS_LISTED 16

static const char *vendor_name(enum gpu_vendor vendor)
{
    return vendor == GPU_NVIDIA ? "nvidia" : "amd";
}

static unsigned object_count(const struct topology *topology, hwloc_obj_type_t type)
{
    int count = hwloc_get_nbobjs_by_type(topology->hwloc, type);
    return count > 0 ? (unsigned)count : 0;
}

static uint64_t memory_bytes(const struct topology *topology)
{
    return hwloc_get_root_obj(topology->hwloc)->total_memory;
}

/* A text that hwloc knows about an object or, with NULL, about the machine; "" if it does not. */
static const char *info(const struct topology *topology, hwloc_obj_t object, const char *name)
{
    const char *value = NULL;
    if (!object)
        object = hwloc_get_root_obj(topology->hwloc);
    if (object)
        value = hwloc_obj_get_info_by_name(object, name);
    return value ? value : "";
}

static const char *cpu_model(const struct topology *topology)
{
    hwloc_obj_t package = hwloc_get_obj_by_type(topology->hwloc, HWLOC_OBJ_PACKAGE, 0);
    return info(topology, package, "CPUModel");
}

/* How many CPUs the machine has online, also those that we may not use. */
static int online_count(const struct topology *topology)
{
    return hwloc_bitmap_weight(hwloc_topology_get_complete_cpuset(topology->hwloc));
}

/* The name of the machine described: of a recorded one it is in the record. */
static void host_name(const struct topology *topology, char *name, size_t size)
{
    name[0] = '\0';
    if (hwloc_topology_is_thissystem(topology->hwloc) && gethostname(name, size) == 0)
        name[size - 1] = '\0';
    else
        snprintf(name, size, "%s", info(topology, NULL, "HostName"));
}

/* The CPUs of one kind, allocated; and how many cores they are. */
static hwloc_bitmap_t kind_cpus(const struct topology *topology, unsigned kind,
                                unsigned *ret_cores)
{
    hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
    unsigned cores = object_count(topology, HWLOC_OBJ_CORE);
    *ret_cores = 0;
    for (unsigned i = 0; cpus && i < cores; i++) {
        hwloc_obj_t core = hwloc_get_obj_by_type(topology->hwloc, HWLOC_OBJ_CORE, i);
        if (kind_of(topology->hwloc, core->cpuset) == kind) {
            hwloc_bitmap_or(cpus, cpus, core->cpuset);
            ++*ret_cores;
        }
    }
    return cpus;
}

/* ---- JSON. cJSON ends up with NULL if memory was short, which is noticed when printing. ---- */

static void json_add_cpus(cJSON *object, const char *key, hwloc_const_bitmap_t cpus)
{
    char *text = cpus ? cpus_format(cpus) : NULL;
    cJSON_AddStringToObject(object, key, text ? text : "");
    free(text);
}

static cJSON *json_append(cJSON *array)
{
    cJSON *object = cJSON_CreateObject();
    if (!cJSON_AddItemToArray(array, object)) {
        cJSON_Delete(object);
        return NULL;
    }
    return object;
}

static void json_add_kinds(cJSON *root, const struct topology *topology)
{
    cJSON *array = cJSON_AddArrayToObject(root, "kinds");
    unsigned count = kind_count(topology->hwloc);
    for (unsigned kind = 0; count > 1 && kind < count; kind++) {
        unsigned cores = 0;
        hwloc_bitmap_t cpus = kind_cpus(topology, kind, &cores);
        cJSON *object = json_append(array);
        cJSON_AddStringToObject(object, "name", kind_name(topology->hwloc, kind));
        cJSON_AddNumberToObject(object, "cores", cores);
        json_add_cpus(object, "cpus", cpus);
        hwloc_bitmap_free(cpus);
    }
}

static void json_add_memories(cJSON *root, const struct topology *topology)
{
    cJSON *nodes = cJSON_AddArrayToObject(root, "numa");
    cJSON *caches = cJSON_AddArrayToObject(root, "l3");
    hwloc_obj_t object = NULL;
    while ((object = hwloc_get_next_obj_by_type(topology->hwloc, HWLOC_OBJ_NUMANODE, object))) {
        cJSON *node = json_append(nodes);
        cJSON_AddNumberToObject(node, "node", object->os_index);
        json_add_cpus(node, "cpus", object->cpuset);
        cJSON_AddNumberToObject(node, "memory_bytes",
                                (double)object->attr->numanode.local_memory);
    }
    while ((object = hwloc_get_next_obj_by_type(topology->hwloc, HWLOC_OBJ_L3CACHE, object))) {
        cJSON *cache = json_append(caches);
        json_add_cpus(cache, "cpus", object->cpuset);
        cJSON_AddNumberToObject(cache, "size_bytes", (double)object->attr->cache.size);
    }
}

/* What shots may be computed on (docs/shots.md, numerics.device). */
static void json_add_opencl(cJSON *root)
{
    struct opencl_about about;
    cJSON *array = cJSON_AddArrayToObject(root, "opencl");
    for (size_t i = 0; opencl_describe(OPENCL_ANY, i, &about, NULL) == 0; i++) {
        cJSON *object = json_append(array);
        cJSON_AddStringToObject(object, "name", about.name);
        cJSON_AddStringToObject(object, "platform", about.platform);
        cJSON_AddStringToObject(object, "version", about.version);
        cJSON_AddBoolToObject(object, "gpu", about.gpu);
        cJSON_AddNumberToObject(object, "memory_bytes", (double)about.memory_bytes);
        cJSON_AddNumberToObject(object, "units", about.units);
    }
}

static void json_add_gpus(cJSON *root, const struct topology *topology)
{
    cJSON *array = cJSON_AddArrayToObject(root, "gpus");
    for (size_t i = 0; i < topology->gpus.count; i++) {
        const struct gpu *gpu = &topology->gpus.items[i];
        cJSON *object = json_append(array);
        cJSON_AddStringToObject(object, "id", gpu->id);
        cJSON_AddStringToObject(object, "vendor", vendor_name(gpu->vendor));
        cJSON_AddStringToObject(object, "model", gpu->model);
        cJSON_AddStringToObject(object, "bus_id", gpu->bus_id);
        json_add_cpus(object, "cpus", gpu->local);
    }
}

static void json_add_slot(cJSON *array, const struct topology *topology,
                          const struct slot *slot)
{
    cJSON *object = json_append(array);
    cJSON_AddNumberToObject(object, "index", slot->index);
    cJSON_AddStringToObject(object, "cpus", slot->cpus);
    cJSON_AddStringToObject(object, "nodes", slot->nodes);
    cJSON_AddNumberToObject(object, "threads", slot->threads);
    cJSON_AddBoolToObject(object, "shared", slot->shared);
    cJSON_AddBoolToObject(object, "pin", slot->pin);
    cJSON *gpus = cJSON_AddArrayToObject(object, "gpus");
    for (size_t i = 0; i < slot->gpu_count; i++)
        cJSON_AddItemToArray(gpus, cJSON_CreateString(topology->gpus.items[slot->gpus[i]].id));
    cJSON *environment = cJSON_AddObjectToObject(object, "environment");
    for (char **entry = slot->environment; entry && *entry; entry++) {
        char *name = strndup(*entry, strcspn(*entry, "="));
        if (name)
            cJSON_AddStringToObject(environment, name, *entry + strlen(name) + 1);
        free(name);
    }
}

static void json_add_machine(cJSON *root, const struct topology *topology)
{
    char host[256];
    host_name(topology, host, sizeof host);
    cJSON_AddStringToObject(root, "host", host);
    cJSON_AddStringToObject(root, "cpu", cpu_model(topology));
    cJSON_AddNumberToObject(root, "packages", object_count(topology, HWLOC_OBJ_PACKAGE));
    cJSON_AddNumberToObject(root, "cores", object_count(topology, HWLOC_OBJ_CORE));
    cJSON_AddNumberToObject(root, "threads", object_count(topology, HWLOC_OBJ_PU));
    json_add_cpus(root, "cpus_allowed", hwloc_get_root_obj(topology->hwloc)->cpuset);
    cJSON_AddNumberToObject(root, "cpus_online", online_count(topology));
    if (topology->quota > 0)
        cJSON_AddNumberToObject(root, "cpu_quota", topology->quota);
    else
        cJSON_AddNullToObject(root, "cpu_quota");
    cJSON_AddNumberToObject(root, "memory_bytes", (double)memory_bytes(topology));
}

/* Of each slot, and of the machine. */
static void json_add_bandwidth(cJSON *root, cJSON *slots, const struct bandwidth *measured)
{
    for (size_t i = 0; i < measured->count; i++)
        cJSON_AddNumberToObject(cJSON_GetArrayItem(slots, (int)i), "bandwidth_bytes_s",
                                measured->slots[i]);
    cJSON *object = cJSON_AddObjectToObject(root, "bandwidth");
    cJSON_AddNumberToObject(object, "all_bytes_s", measured->total);
    cJSON_AddNumberToObject(object, "one_slot_alone_bytes_s", measured->alone);
}

int doctor_print_json(struct buf *buf, const struct topology *topology,
                      const struct topology_plan *plan, const struct bandwidth *measured)
{
    cJSON *root = cJSON_CreateObject();
    json_add_machine(root, topology);
    json_add_kinds(root, topology);
    json_add_memories(root, topology);
    json_add_gpus(root, topology);
    if (hwloc_topology_is_thissystem(topology->hwloc))
        json_add_opencl(root);
    cJSON *slots = cJSON_AddArrayToObject(root, "slots");
    for (size_t i = 0; i < plan->slot_count; i++)
        json_add_slot(slots, topology, &plan->slots[i]);
    if (measured)
        json_add_bandwidth(root, slots, measured);
    cJSON *notes = cJSON_AddArrayToObject(root, "notes");
    for (size_t i = 0; i < plan->note_count; i++)
        cJSON_AddItemToArray(notes, cJSON_CreateString(plan->notes[i]));

    char *text = cJSON_PrintUnformatted(root);
    int status = text ? buf_printf(buf, "%s\n", text) : -1;
    if (!text)
        buf->failed = true;
    cJSON_free(text);
    cJSON_Delete(root);
    return status;
}

/* ---- text ---- */

static const char *plural(unsigned count)
{
    return count == 1 ? "" : "s";
}

/* "  name        " */
static void text_label(struct buf *buf, const char *label)
{
    buf_printf(buf, "  %-9s ", label);
}

static void text_machine(struct buf *buf, const struct topology *topology)
{
    char host[256];
    unsigned packages = object_count(topology, HWLOC_OBJ_PACKAGE);
    unsigned cores = object_count(topology, HWLOC_OBJ_CORE);
    unsigned threads = object_count(topology, HWLOC_OBJ_PU);
    const char *model = cpu_model(topology);
    char *cpus = cpus_format(hwloc_get_root_obj(topology->hwloc)->cpuset);

    host_name(topology, host, sizeof host);
    text_label(buf, "machine");
    buf_printf(buf, "%s%s%u package%s, %u core%s, %u hardware thread%s, %.1f GiB\n", host,
               *host ? ": " : "", packages, plural(packages), cores, plural(cores), threads,
               plural(threads), (double)memory_bytes(topology) / (1 << 30));
    if (*model) {
        text_label(buf, "cpu");
        buf_printf(buf, "%s\n", model);
    }
    text_label(buf, "allowed");
    buf_printf(buf, "CPUs %s", cpus ? cpus : "?");
    if (online_count(topology) > (int)threads)
        buf_printf(buf, " of the %d there are", online_count(topology));
    if (topology->quota > 0)
        buf_printf(buf, ", with the time of %.4g", topology->quota);
    buf_append_text(buf, "\n");
    free(cpus);
}

static void text_kinds(struct buf *buf, const struct topology *topology)
{
    unsigned count = kind_count(topology->hwloc);
    for (unsigned kind = 0; count > 1 && kind < count; kind++) {
        unsigned cores = 0;
        const char *name = kind_name(topology->hwloc, kind);
        hwloc_bitmap_t cpus = kind_cpus(topology, kind, &cores);
        char *text = cpus ? cpus_format(cpus) : NULL;
        text_label(buf, kind == 0 ? "kinds" : "");
        buf_printf(buf, "%u %s%score%s: CPUs %s\n", cores, name, *name ? " " : "",
                   plural(cores), text ? text : "?");
        free(text);
        hwloc_bitmap_free(cpus);
    }
}

static void text_memories(struct buf *buf, const struct topology *topology)
{
    unsigned nodes = object_count(topology, HWLOC_OBJ_NUMANODE);
    unsigned caches = object_count(topology, HWLOC_OBJ_L3CACHE);
    text_label(buf, "memory");
    buf_printf(buf, "%u NUMA node%s", nodes, plural(nodes));
    if (caches > 0) {
        hwloc_obj_t cache = hwloc_get_obj_by_type(topology->hwloc, HWLOC_OBJ_L3CACHE, 0);
        buf_printf(buf, ", %u L3 cache%s of %.4g MiB", caches, plural(caches),
                   (double)cache->attr->cache.size / (1 << 20));
    }
    buf_append_text(buf, "\n");
}

static void text_gpus(struct buf *buf, const struct topology *topology)
{
    for (size_t i = 0; i < topology->gpus.count; i++) {
        const struct gpu *gpu = &topology->gpus.items[i];
        char *cpus = cpus_format(gpu->local);
        text_label(buf, i == 0 ? "gpus" : "");
        buf_printf(buf, "%s: %s%s%s near CPUs %s\n", gpu->id,
                   *gpu->model ? gpu->model : vendor_name(gpu->vendor),
                   *gpu->bus_id ? " at " : "", gpu->bus_id, cpus ? cpus : "?");
        free(cpus);
    }
}

static void text_opencl(struct buf *buf, const struct topology *topology)
{
    struct opencl_about about;
    struct error none = {0};
    size_t i;
    for (i = 0; opencl_describe(OPENCL_ANY, i, &about, NULL) == 0; i++) {
        text_label(buf, i == 0 ? "opencl" : "");
        buf_printf(buf, "%s of %s, %.3g GB%s\n", about.name, about.platform,
                   (double)about.memory_bytes * 1e-9, about.gpu ? "" : ", no GPU");
    }
    if (topology->gpus.count == 0 || opencl_describe(OPENCL_GPU, 0, &about, &none) == 0)
        return;
    text_label(buf, i == 0 ? "opencl" : "");
    buf_printf(buf, "shots cannot use GPUs here: %s\n", none.text);
}

static void text_slot(struct buf *buf, const struct topology *topology, const struct slot *slot)
{
    text_label(buf, "");
    buf_printf(buf, "%u: CPUs %s, NUMA %s, %u thread%s%s%s", slot->index, slot->cpus,
               slot->nodes, slot->threads, plural(slot->threads),
               slot->shared ? ", shared" : "", slot->pin ? "" : ", not bound");
    for (size_t i = 0; i < slot->gpu_count; i++)
        buf_printf(buf, "%s%s", i == 0 ? ", GPU " : ",",
                   topology->gpus.items[slot->gpus[i]].id);
    buf_append_text(buf, "\n");
}

static void text_slots(struct buf *buf, const struct topology *topology,
                       const struct topology_plan *plan)
{
    size_t count = plan->slot_count;
    text_label(buf, "slots");
    buf_printf(buf, "%zu\n", count);
    for (size_t i = 0; i < count; i++) {
        if (count > SLOTS_LISTED && i == SLOTS_LISTED / 2) {
            text_label(buf, "");
            buf_printf(buf, "... and so on (--json lists all)\n");
            i = count - SLOTS_LISTED / 2;
        }
        text_slot(buf, topology, &plan->slots[i]);
    }
}

static void text_bandwidth(struct buf *buf, const struct bandwidth *measured)
{
    double least = measured->slots[0], most = measured->slots[0];
    for (size_t i = 1; i < measured->count; i++) {
        least = measured->slots[i] < least ? measured->slots[i] : least;
        most = measured->slots[i] > most ? measured->slots[i] : most;
    }
    text_label(buf, "streams");
    buf_printf(buf,
               "%.3g to %.3g GB/s per slot while all compute (%.3g together); one slot alone "
               "%.3g\n",
               1e-9 * least, 1e-9 * most, 1e-9 * measured->total, 1e-9 * measured->alone);
    text_label(buf, "");
    buf_printf(buf, "waves out of cache: at most %.3g Gpoints/s on this node\n",
               1e-9 * measured->total / 16);
}

size_t doctor_cache_bytes(const struct topology *topology)
{
    size_t bytes = 0;
    hwloc_obj_t object = NULL;
    while ((object = hwloc_get_next_obj_by_type(topology->hwloc, HWLOC_OBJ_L3CACHE, object)))
        bytes += (size_t)object->attr->cache.size;
    return bytes;
}

int doctor_print_text(struct buf *buf, const struct topology *topology,
                      const struct topology_plan *plan, const struct bandwidth *measured)
{
    text_machine(buf, topology);
    text_kinds(buf, topology);
    text_memories(buf, topology);
    text_gpus(buf, topology);
    if (hwloc_topology_is_thissystem(topology->hwloc)) /* not a recorded one */
        text_opencl(buf, topology);
    text_slots(buf, topology, plan);
    if (measured)
        text_bandwidth(buf, measured);
    for (size_t i = 0; i < plan->note_count; i++) {
        text_label(buf, i == 0 ? "notes" : "");
        buf_printf(buf, "%s\n", plan->notes[i]);
    }
    return buf_failed(buf) ? -1 : 0;
}

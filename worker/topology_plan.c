/*
 * Makes slots of a division (division.h): CPU sets, masks for the system calls, environment, GPUs,
 * and the notes.
 */
#include "config.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "worker/deal.h"
#include "worker/division.h"
#include "worker/topology.h"
#include "worker/topology_private.h"

/* A place of a list takes "{1023,2047}," at most; with 65536 of them this bounds OMP_PLACES. */
#define PLACES_TEXT_MAX (1 << 20)

#define LONG_BITS (8 * sizeof(unsigned long))

/* What is needed while slots are made. */
struct maker {
    const struct topology *topology;
    const struct topology_request *request;
    struct place_list places;
    struct division division;
    hwloc_bitmap_t *cpus; /* per slot */
    struct topology_plan *plan;
};

static int note_add(struct topology_plan *plan, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int note_add(struct topology_plan *plan, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0)
        return -1;
    char **grown = realloc(plan->notes, (plan->note_count + 1) * sizeof *grown);
    if (!grown) {
        free(text);
        return -1;
    }
    plan->notes = grown;
    plan->notes[plan->note_count++] = text;
    return 0;
}

static const struct place *slot_place(const struct maker *maker, size_t slot, size_t i)
{
    size_t index = maker->division.places[slot * maker->division.threads + i];
    return &maker->places.items[index];
}

static size_t thread_count(const struct maker *maker)
{
    return (size_t)hwloc_get_nbobjs_by_type(maker->topology->hwloc, HWLOC_OBJ_PU);
}

/* The words of a bitmap as the kernel takes them. */
static unsigned long *mask_make(hwloc_const_bitmap_t bitmap, size_t *ret_count)
{
    size_t count = (size_t)hwloc_bitmap_last(bitmap) / LONG_BITS + 1;
    unsigned long *mask = calloc(count, sizeof *mask);
    for (size_t i = 0; mask && i < count; i++)
        mask[i] = hwloc_bitmap_to_ith_ulong(bitmap, (unsigned)i);
    *ret_count = count;
    return mask;
}

/* The NUMA node whose memory all of a slot's places have nearest: the first (on machines with
 * several kinds of memory that is plain DRAM). -1: they have none in common, or the machine has
 * only one anyway. */
static int home_node(const struct maker *maker, size_t slot)
{
    hwloc_topology_t topology = maker->topology->hwloc;
    hwloc_const_nodeset_t nodes = slot_place(maker, slot, 0)->object->nodeset;
    if (hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE) < 2)
        return -1;
    for (size_t i = 1; i < maker->division.threads; i++)
        if (!hwloc_bitmap_isequal(nodes, slot_place(maker, slot, i)->object->nodeset))
            return -1;
    for (int node = hwloc_bitmap_first(nodes); node >= 0;
         node = hwloc_bitmap_next(nodes, node)) {
        hwloc_obj_t object = hwloc_get_numanode_obj_by_os_index(topology, (unsigned)node);
        if (object && object->attr->numanode.local_memory > 0)
            return node;
    }
    return -1;
}

static int memory_mask_make(const struct maker *maker, struct slot *slot)
{
    int node = home_node(maker, slot->index);
    if (node < 0 || maker->topology->own_memory_policy)
        return 0;
    size_t words = (size_t)node / LONG_BITS + 1;
    slot->memory_mask = calloc(words, sizeof *slot->memory_mask);
    if (!slot->memory_mask)
        return -1;
    slot->memory_mask[words - 1] = 1UL << ((size_t)node % LONG_BITS);
    slot->memory_bits = words * LONG_BITS;
    return 0;
}

/* "{0,8},{1,9}" */
static int places_export(const struct maker *maker, struct slot *slot)
{
    struct buf text;
    buf_init(&text, PLACES_TEXT_MAX);
    for (size_t i = 0; i < maker->division.threads; i++) {
        hwloc_const_cpuset_t set = slot_place(maker, slot->index, i)->object->cpuset;
        const char *separator = i > 0 ? ",{" : "{";
        int cpu = -1;
        while ((cpu = hwloc_bitmap_next(set, cpu)) >= 0) {
            buf_printf(&text, "%s%d", separator, cpu);
            separator = ",";
        }
        buf_append_text(&text, "}");
    }
    const char *places = buf_failed(&text) ? NULL : buf_text(&text);
    int status = places ? slot_putenv(slot, "OMP_PLACES", "%s", places) : -1;
    buf_fini(&text);
    return status;
}

/* Open MPI's mpirun deals cores from the machine's first on, whatever it was itself bound to: the
 * ranks of all slots' tasks would share these. So where a slot is not all of the machine, ranks
 * stay where mpirun is (Open MPI 4, 5). */
static int ranks_leave(const struct maker *maker, struct slot *slot)
{
    int cpus = hwloc_bitmap_weight(maker->cpus[slot->index]);
    if (maker->division.slot_count == 1 && (size_t)cpus == maker->topology->machine_cpus)
        return 0;
    if (slot_putenv(slot, "OMPI_MCA_hwloc_base_binding_policy", "none") < 0)
        return -1;
    return slot_putenv(slot, "PRTE_MCA_hwloc_default_binding_policy", "none");
}

/* Where OMP_PROC_BIND is anything but false, a program that has GNU's OpenMP in it is bound to the
 * first place before its main begins, and so is all that it starts: programs, MPI ranks, threads
 * that are not OpenMP's; and programs of slots that are not pinned, all to the same one. It must be
 * said, because OMP_PLACES alone means true, and the user's environment may have either. */
static int environment_make(const struct maker *maker, struct slot *slot)
{
    if (slot_putenv(slot, "BEOFARM_SLOT", "%u", slot->index) < 0 ||
        slot_putenv(slot, "OMP_NUM_THREADS", "%u", slot->threads) < 0 ||
        ranks_leave(maker, slot) < 0)
        return -1;
    const char *bind = slot->pin && maker->request->bind_threads ? "close" : "false";
    if (slot_putenv(slot, "OMP_PROC_BIND", "%s", bind) < 0)
        return -1;
    return slot->pin ? places_export(maker, slot) : 0;
}

/* Under a quota that leaves room for others like this one, whoever is bound to the first cores
 * meets all of them there. Of those that may have more than half of the machine's time there is
 * one. */
static bool meets_others(const struct maker *maker)
{
    double quota = maker->topology->quota;
    return quota > 0 && round(quota) < (double)maker->places.count &&
           quota <= (double)thread_count(maker) / 2;
}

static int slot_make(struct maker *maker, size_t index)
{
    struct slot *slot = &maker->plan->slots[index];
    slot->index = (unsigned)index;
    slot->threads = maker->division.threads;
    slot->shared = maker->division.shared;
    slot->pin = maker->request->pin && !meets_others(maker);

    hwloc_bitmap_t nodes = hwloc_bitmap_alloc();
    maker->cpus[index] = hwloc_bitmap_alloc();
    if (!nodes || !maker->cpus[index]) {
        hwloc_bitmap_free(nodes);
        return -1;
    }
    for (size_t i = 0; i < maker->division.threads; i++) {
        hwloc_obj_t object = slot_place(maker, index, i)->object;
        hwloc_bitmap_or(maker->cpus[index], maker->cpus[index], object->cpuset);
        hwloc_bitmap_or(nodes, nodes, object->nodeset);
    }
    size_t words = 0;
    slot->cpus = cpus_format(maker->cpus[index]);
    slot->nodes = cpus_format(nodes);
    slot->cpu_mask = mask_make(maker->cpus[index], &words);
    slot->cpu_mask_size = words * sizeof *slot->cpu_mask;
    hwloc_bitmap_free(nodes);
    if (!slot->cpus || !slot->nodes || !slot->cpu_mask)
        return -1;
    return memory_mask_make(maker, slot) < 0 || environment_make(maker, slot) < 0 ? -1 : 0;
}

/* Name a vendor's GPUs of a slot in the variable that selects them; the empty list hides all. */
static int visible_export(struct slot *slot, const struct gpu_list *gpus,
                          enum gpu_vendor vendor, const char *name)
{
    struct buf ids;
    buf_init(&ids, PLACES_TEXT_MAX);
    for (size_t i = 0; i < slot->gpu_count; i++) {
        const struct gpu *gpu = &gpus->items[slot->gpus[i]];
        if (gpu->vendor == vendor)
            buf_printf(&ids, "%s%s", ids.size > 0 ? "," : "", gpu->id);
    }
    const char *text = buf_failed(&ids) ? NULL : buf_text(&ids);
    int status = text ? slot_putenv(slot, name, "%s", text) : -1;
    buf_fini(&ids);
    return status;
}

static int slot_gpus_export(struct slot *slot, const struct gpu_list *gpus)
{
    if (gpus->present[GPU_NVIDIA]) {
        if (visible_export(slot, gpus, GPU_NVIDIA, "CUDA_VISIBLE_DEVICES") < 0)
            return -1;
        /* else CUDA sorts by its own idea of speed, and 0 means another device than to us */
        if (!gpus->restricted && slot_putenv(slot, "CUDA_DEVICE_ORDER", "PCI_BUS_ID") < 0)
            return -1;
    }
    if (gpus->present[GPU_AMD])
        return visible_export(slot, gpus, GPU_AMD, "ROCR_VISIBLE_DEVICES");
    return 0;
}

static int slot_gpus_fill(struct slot *slot, const size_t *owners, size_t gpu_count)
{
    slot->gpus = calloc(gpu_count + 1, sizeof *slot->gpus);
    if (!slot->gpus)
        return -1;
    for (size_t gpu = 0; gpu < gpu_count; gpu++)
        if (owners[gpu] == slot->index)
            slot->gpus[slot->gpu_count++] = (unsigned)gpu;
    return 0;
}

static int gpus_note(const struct maker *maker)
{
    size_t gpus = maker->topology->gpus.count;
    size_t slots = maker->plan->slot_count;
    if (gpus >= slots)
        return 0;
    if (gpus == 0)
        return note_add(maker->plan, "no GPU is left for this worker, so its tasks see none");
    return note_add(maker->plan,
                    "%zu of %zu slots see no GPU, because there %s %zu; set worker.slots to "
                    "%zu if every task needs one",
                    slots - gpus, slots, gpus == 1 ? "is" : "are", gpus, gpus);
}

static int gpus_assign(struct maker *maker)
{
    const struct gpu_list *gpus = &maker->topology->gpus;
    struct topology_plan *plan = maker->plan;
    if (!maker->request->gpus || !(gpus->present[GPU_NVIDIA] || gpus->present[GPU_AMD]))
        return 0;
    size_t *owners = calloc(gpus->count + 1, sizeof *owners);
    int status =
        owners ? gpus_deal(gpus, maker->topology->hwloc, maker->cpus, plan->slot_count, owners)
               : -1;
    for (size_t i = 0; status == 0 && i < plan->slot_count; i++) {
        status = slot_gpus_fill(&plan->slots[i], owners, gpus->count);
        if (status == 0)
            status = slot_gpus_export(&plan->slots[i], gpus);
    }
    free(owners);
    return status < 0 ? -1 : gpus_note(maker);
}

/* "cores" or "hardware threads", whatever is counted. */
static const char *unit_name(const struct maker *maker, size_t count)
{
    if (maker->request->smt)
        return count == 1 ? "hardware thread" : "hardware threads";
    return count == 1 ? "core" : "cores";
}

static int quota_note(const struct maker *maker)
{
    const struct division *division = &maker->division;
    double quota = maker->topology->quota;
    double wanted = (double)division->slot_count * division->threads;
    if (quota <= 0)
        return 0;
    if (division->limited)
        return note_add(maker->plan,
                        "a cgroup allows the time of %.4g CPUs, so there %s %zu %s with "
                        "%u %s rather than more",
                        quota, division->slot_count == 1 ? "is" : "are", division->slot_count,
                        division->slot_count == 1 ? "slot" : "slots", division->threads,
                        division->threads == 1 ? "thread" : "threads");
    if (wanted > quota + 0.5)
        return note_add(maker->plan,
                        "a cgroup allows the time of %.4g CPUs, less than %zu slots with %u "
                        "threads can use, so tasks will be held up",
                        quota, division->slot_count, division->threads);
    return 0;
}

static int shared_note(const struct maker *maker)
{
    const struct division *division = &maker->division;
    size_t wanted = division->slot_count * division->threads;
    const char *hint = "";
    if (!maker->request->smt && wanted <= thread_count(maker))
        hint = "; with worker.smt true each would have hardware threads of its own";
    return note_add(maker->plan,
                    "%zu slots with %u %s share %zu %s, so tasks slow each other "
                    "down%s",
                    division->slot_count, division->threads,
                    division->threads == 1 ? "thread" : "threads", maker->places.count,
                    unit_name(maker, maker->places.count), hint);
}

static int division_notes(const struct maker *maker)
{
    const struct division *division = &maker->division;
    bool chosen = !maker->request->slots || !maker->request->threads_per_slot;
    if (division->shared && shared_note(maker) < 0)
        return -1;
    if (division->straddling > 0 &&
        note_add(maker->plan,
                 "%zu of %zu slots reach over a boundary of caches, NUMA nodes or kinds of "
                 "cores, because not all fit side by side",
                 division->straddling, division->slot_count) < 0)
        return -1;
    if (division->idle > 0 && chosen && !division->limited &&
        note_add(maker->plan, "%zu of %zu %s stay idle: no further slot of %u fits%s",
                 division->idle, maker->places.count, unit_name(maker, maker->places.count),
                 division->threads,
                 division->level < LEVEL_MACHINE_KIND ? " into a cache or NUMA node" : "") < 0)
        return -1;
    if (maker->topology->own_memory_policy && maker->request->pin &&
        note_add(maker->plan, "the worker was started under a memory policy (numactl), which "
                              "its tasks keep") < 0)
        return -1;
    if (maker->request->pin && meets_others(maker) &&
        note_add(maker->plan,
                 "slots are not bound to %s: a cgroup allows the time of %.4g CPUs of %zu, and "
                 "who else is on them is not known",
                 unit_name(maker, 2), maker->topology->quota, thread_count(maker)) < 0)
        return -1;
    return quota_note(maker);
}

static int request_check(const struct maker *maker, struct error *ret_error)
{
    unsigned threads = maker->request->threads_per_slot;
    size_t count = maker->places.count;
    if (threads <= count)
        return 0;
    if (!maker->request->smt && threads <= thread_count(maker))
        return error_set(ret_error, ERROR_CONFIG,
                         "worker.threads_per_slot: %u, but this node has %zu %s for the "
                         "worker; ask for no more than that, or set worker.smt to true to "
                         "count its %zu hardware threads",
                         threads, count, unit_name(maker, count), thread_count(maker));
    return error_set(ret_error, ERROR_CONFIG,
                     "worker.threads_per_slot: %u, but this node has %zu %s for the worker; "
                     "ask for no more than that",
                     threads, count, unit_name(maker, count));
}

/* How many slots; 0: as the cores allow. */
static size_t slots_wanted(const struct maker *maker)
{
    const struct topology_request *request = maker->request;
    bool each = request->slots == 0 && request->slot_per_gpu;
    return each ? maker->topology->gpus.count : request->slots;
}

/* With a slot for each GPU: the places near each, [slots][places], for division_make. NULL if
 * memory is short. */
static bool *near_make(const struct maker *maker)
{
    const struct gpu_list *gpus = &maker->topology->gpus;
    size_t count = maker->places.count;
    bool *near = calloc(gpus->count * count, sizeof *near);
    for (size_t i = 0; near && i < gpus->count; i++)
        for (size_t j = 0; j < count; j++)
            near[i * count + j] = hwloc_bitmap_intersects(maker->places.items[j].object->cpuset,
                                                          gpus->items[i].local);
    return near;
}

static int divide(struct maker *maker)
{
    const struct topology_request *request = maker->request;
    size_t slots = slots_wanted(maker);
    bool each = request->slots == 0 && slots > 0;
    bool *near = each ? near_make(maker) : NULL;
    if (each && !near)
        return -1;
    int status = division_make(&maker->division, &maker->places, slots,
                               request->threads_per_slot, maker->topology->quota, near);
    free(near);
    return status;
}

/* Fill maker->plan, an empty one. */
static int plan_fill(struct maker *maker)
{
    struct topology_plan *plan = maker->plan;
    maker->cpus = calloc(maker->division.slot_count, sizeof *maker->cpus);
    plan->slots = calloc(maker->division.slot_count, sizeof *plan->slots);
    if (!maker->cpus || !plan->slots)
        return -1;
    plan->slot_count = maker->division.slot_count;
    for (size_t i = 0; i < plan->slot_count; i++)
        if (slot_make(maker, i) < 0)
            return -1;
    return division_notes(maker) < 0 || gpus_assign(maker) < 0 ? -1 : 0;
}

static void maker_fini(struct maker *maker)
{
    for (size_t i = 0; maker->cpus && i < maker->division.slot_count; i++)
        hwloc_bitmap_free(maker->cpus[i]);
    free(maker->cpus);
    division_fini(&maker->division);
    place_list_fini(&maker->places);
}

struct topology_plan *topology_plan_create(const struct topology *topology,
                                           const struct topology_request *request,
                                           struct error *ret_error)
{
    struct maker maker = {.topology = topology, .request = request};
    int status = -1;
    if (place_list_make(&maker.places, topology->hwloc, request->smt) == 0) {
        if (request_check(&maker, ret_error) < 0) {
            maker_fini(&maker);
            return NULL;
        }
        status = divide(&maker);
    }
    if (status == 0) {
        maker.plan = calloc(1, sizeof *maker.plan);
        status = maker.plan ? plan_fill(&maker) : -1;
    }
    maker_fini(&maker);
    if (status < 0) {
        error_set(ret_error, ERROR_SYSTEM, "no memory to plan this node's slots");
        topology_plan_destroy(maker.plan);
        return NULL;
    }
    return maker.plan;
}

void topology_plan_destroy(struct topology_plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->slot_count; i++)
        slot_fini(&plan->slots[i]);
    for (size_t i = 0; i < plan->note_count; i++)
        free(plan->notes[i]);
    free(plan->slots);
    free(plan->notes);
    free(plan);
}

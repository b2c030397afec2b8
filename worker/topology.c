#include "config.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker/quota.h"
#include "worker/share.h"
#include "worker/topology.h"
#include "worker/topology_private.h"

char *cpus_format(hwloc_const_bitmap_t cpus)
{
    char *text = NULL;
    return hwloc_bitmap_list_asprintf(&text, cpus) < 0 ? NULL : text;
}

/* Where hwloc shall look, and at what. */
static int hwloc_configure(hwloc_topology_t topology, const struct topology_source *source,
                           struct error *ret_error)
{
    /* gl and opencl start an X client and drivers, and say nothing that is used here; what pci
     * (libpciaccess, which leaks) says, hwloc also reads from sysfs. */
    static const char *const unwanted[] = {"gl", "opencl", "pci"};
    for (size_t i = 0; i < sizeof unwanted / sizeof *unwanted; i++)
        hwloc_topology_set_components(topology, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST,
                                      unwanted[i]);
    hwloc_topology_set_io_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
    if (source->xml && hwloc_topology_set_xml(topology, source->xml) < 0)
        return error_errno(ret_error, errno, "cannot read the topology %s", source->xml);
    if (source->synthetic && hwloc_topology_set_synthetic(topology, source->synthetic) < 0)
        return error_set(ret_error, ERROR_SYSTEM,
                         "\"%s\" is no synthetic topology; try something like "
                         "\"pack:2 l3:1 core:8 pu:2\" (see hwloc's documentation)",
                         source->synthetic);
    return 0;
}

/* Leave what the affinity allows that taskset or a batch system gave us. hwloc has a flag for
 * that, but it would also drop the GPUs beside CPUs that are left out. */
static int affinity_apply(hwloc_topology_t topology)
{
    hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
    int status = cpus ? 0 : -1;
    if (cpus && hwloc_get_cpubind(topology, cpus, HWLOC_CPUBIND_PROCESS) == 0 &&
        hwloc_bitmap_intersects(cpus, hwloc_topology_get_topology_cpuset(topology)))
        status = hwloc_topology_restrict(topology, cpus, HWLOC_RESTRICT_FLAG_ADAPT_IO);
    hwloc_bitmap_free(cpus);
    return status;
}

static bool has_memory_policy(void)
{
    int mode = MPOL_DEFAULT;
    if (syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0) < 0)
        return false;
    return mode != MPOL_DEFAULT && mode != MPOL_LOCAL;
}

static int gpus_find(struct topology *topology, const struct topology_source *source,
                     bool recorded, const char *root)
{
    struct gpu_source gpu_source = {
        .root = root,
        .cuda_visible = recorded ? source->cuda_visible : getenv("CUDA_VISIBLE_DEVICES"),
        .rocr_visible = recorded ? source->rocr_visible : getenv("ROCR_VISIBLE_DEVICES"),
    };
    return gpu_list_find(&topology->gpus, topology->hwloc, &gpu_source);
}

/* Look for GPUs, and leave of everything what this worker shall use. */
static int contents_find(struct topology *topology, const struct topology_source *source,
                         bool recorded, const char *root, struct error *ret_error)
{
    struct share share = {.count = 1};
    const char *text = recorded ? source->share : getenv("BEOFARM_SHARE");
    if (text && share_parse(&share, text, ret_error) < 0)
        return -1;
    if (gpus_find(topology, source, recorded, root) < 0 ||
        (share.count > 1 && share_apply(&share, topology->hwloc, &topology->gpus) < 0))
        return error_set(ret_error, ERROR_SYSTEM, "no memory to look for CPUs and GPUs");
    topology->quota = (root ? quota_cpus(root) : 0) / share.count;
    topology->own_memory_policy = !recorded && has_memory_policy();
    return 0;
}

struct topology *topology_open(const struct topology_source *source, struct error *ret_error)
{
    static const struct topology_source this_machine;
    if (!source)
        source = &this_machine;
    bool recorded = source->xml || source->synthetic;
    const char *root = source->root || recorded ? source->root : "";

    struct topology *topology = calloc(1, sizeof *topology);
    if (!topology || hwloc_topology_init(&topology->hwloc) < 0) {
        free(topology);
        error_set(ret_error, ERROR_SYSTEM, "no memory to look at this machine's topology");
        return NULL;
    }
    if (hwloc_configure(topology->hwloc, source, ret_error) < 0)
        goto fail;
    if (hwloc_topology_load(topology->hwloc) < 0)
        goto no_topology;
    topology->machine_cpus = (size_t)hwloc_get_nbobjs_by_type(topology->hwloc, HWLOC_OBJ_PU);
    if (!recorded && affinity_apply(topology->hwloc) < 0)
        goto no_topology;
    if (contents_find(topology, source, recorded, root, ret_error) < 0)
        goto fail;
    return topology;
no_topology:
    error_errno(ret_error, errno, "hwloc cannot tell the topology of %s",
                source->xml ? source->xml : "this machine");
fail:
    topology_close(topology);
    return NULL;
}

void topology_close(struct topology *topology)
{
    if (!topology)
        return;
    gpu_list_fini(&topology->gpus);
    hwloc_topology_destroy(topology->hwloc);
    free(topology);
}

/* A count that may also be "auto", as worker.KEY. */
static int count_read(const cJSON *worker, const char *key, unsigned max, unsigned *ret_count,
                      struct error *ret_error)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(worker, key);
    if (!item || (cJSON_IsString(item) && strcmp(item->valuestring, "auto") == 0)) {
        *ret_count = 0;
        return 0;
    }
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 1 && item->valuedouble <= max) ||
        item->valuedouble != (unsigned)item->valuedouble)
        return error_set(ret_error, ERROR_CONFIG,
                         "worker.%s: must be \"auto\" or a whole number from 1 to %u", key,
                         max);
    *ret_count = (unsigned)item->valuedouble;
    return 0;
}

static int flag_read(const cJSON *worker, const char *key, bool preset, bool *ret_flag,
                     struct error *ret_error)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(worker, key);
    if (item && !cJSON_IsBool(item))
        return error_set(ret_error, ERROR_CONFIG, "worker.%s: must be true or false", key);
    *ret_flag = item ? cJSON_IsTrue(item) : preset;
    return 0;
}

static int gpus_read(const cJSON *worker, struct topology_request *request,
                     struct error *ret_error)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(worker, "gpus");
    bool none = cJSON_IsString(item) && strcmp(item->valuestring, "none") == 0;
    bool automatic = cJSON_IsString(item) && strcmp(item->valuestring, "auto") == 0;
    bool each = cJSON_IsString(item) && strcmp(item->valuestring, "each") == 0;
    if (item && !none && !automatic && !each)
        return error_set(ret_error, ERROR_CONFIG,
                         "worker.gpus: must be \"auto\", \"each\" or \"none\"");
    request->gpus = !none;
    request->slot_per_gpu = each;
    return 0;
}

int topology_request_read(struct topology_request *ret_request, const cJSON *worker,
                          struct error *ret_error)
{
    struct topology_request request = {0};
    if (worker && !cJSON_IsObject(worker))
        return error_set(ret_error, ERROR_CONFIG, "worker: must be an object");
    if (count_read(worker, "slots", TOPOLOGY_SLOTS_MAX, &request.slots, ret_error) < 0 ||
        count_read(worker, "threads_per_slot", TOPOLOGY_THREADS_MAX, &request.threads_per_slot,
                   ret_error) < 0 ||
        flag_read(worker, "pin", true, &request.pin, ret_error) < 0 ||
        flag_read(worker, "smt", false, &request.smt, ret_error) < 0 ||
        gpus_read(worker, &request, ret_error) < 0)
        return -1;
    *ret_request = request;
    return 0;
}

/*
 * Candidates are collected from hwloc's osdevs, then (NVIDIA) from the driver's /proc entries,
 * then, with neither, from /dev/nvidiaN; a candidate whose PCI device is known already is the same
 * GPU. They are sorted as CUDA does with CUDA_DEVICE_ORDER=PCI_BUS_ID and ROCm by default, so that
 * the index in that order is the name by which children select them.
 */
#include "config.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/gpu.h"

static void gpu_fini(struct gpu *gpu)
{
    free(gpu->id);
    free(gpu->model);
    free(gpu->uuid);
    hwloc_bitmap_free(gpu->local);
}

void gpu_list_fini(struct gpu_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        gpu_fini(&list->items[i]);
    free(list->items);
    *list = (struct gpu_list){0};
}

void gpu_list_keep(struct gpu_list *list, const size_t *owners, size_t owner)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if (owners[i] == owner)
            list->items[kept++] = list->items[i];
        else
            gpu_fini(&list->items[i]);
    list->count = kept;
}

static struct gpu *list_find_bus(struct gpu_list *list, const char *bus_id)
{
    for (size_t i = 0; *bus_id && i < list->count; i++)
        if (strcasecmp(list->items[i].bus_id, bus_id) == 0)
            return &list->items[i];
    return NULL;
}

/* The CPUs near a PCI device; all of the topology's where that is not known. */
static hwloc_bitmap_t local_cpus(hwloc_topology_t topology, hwloc_obj_t device)
{
    hwloc_obj_t near = device ? hwloc_get_non_io_ancestor_obj(topology, device) : NULL;
    if (!near || !near->cpuset || hwloc_bitmap_iszero(near->cpuset))
        near = hwloc_get_root_obj(topology);
    return hwloc_bitmap_dup(near->cpuset);
}

/* A new GPU at the end of the list; NULL if memory is short. */
static struct gpu *list_add(struct gpu_list *list, enum gpu_vendor vendor, const char *model,
                            const char *uuid, hwloc_bitmap_t local)
{
    struct gpu gpu = {
        .vendor = vendor,
        .model = strdup(model ? model : ""),
        .uuid = strdup(uuid ? uuid : ""),
        .local = local,
    };
    struct gpu *grown = NULL;
    if (gpu.model && gpu.uuid && gpu.local)
        grown = realloc(list->items, (list->count + 1) * sizeof *grown);
    if (!grown) {
        gpu_fini(&gpu);
        return NULL;
    }
    list->items = grown;
    list->items[list->count] = gpu;
    list->present[vendor] = true;
    return &list->items[list->count++];
}

static hwloc_obj_t pci_parent(hwloc_obj_t osdev)
{
    hwloc_obj_t parent = osdev->parent;
    while (parent && parent->type != HWLOC_OBJ_PCI_DEVICE)
        parent = parent->parent;
    return parent;
}

/* Whether an info of an osdev is there and begins with a word. */
static bool info_begins(hwloc_obj_t osdev, const char *name, const char *word)
{
    const char *value = hwloc_obj_get_info_by_name(osdev, name);
    return value && strncmp(value, word, strlen(word)) == 0;
}

/* Whether an OpenCL device is a GPU of AMD's: where hwloc has no RSMI, these alone tell of them.
 * Those of NVIDIA the driver tells of. */
static bool osdev_is_amd(hwloc_obj_t osdev)
{
    return strncmp(osdev->name, "opencl", 6) == 0 &&
           info_begins(osdev, "OpenCLDeviceType", "GPU") && pci_parent(osdev) &&
           (info_begins(osdev, "GPUVendor", "Advanced Micro Devices") ||
            info_begins(osdev, "GPUVendor", "AMD"));
}

/* Whether an osdev is a GPU that a slot can be given, and whose. */
static bool osdev_vendor(hwloc_obj_t osdev, enum gpu_vendor *ret_vendor)
{
    static const struct {
        const char *prefix;
        enum gpu_vendor vendor;
    } names[] = {{"cuda", GPU_NVIDIA}, {"nvml", GPU_NVIDIA}, {"rsmi", GPU_AMD}};
    hwloc_obj_osdev_type_t type = osdev->attr->osdev.type;
    if (!osdev->name || (type != HWLOC_OBJ_OSDEV_COPROC && type != HWLOC_OBJ_OSDEV_GPU))
        return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(osdev->name, names[i].prefix, strlen(names[i].prefix)) == 0 &&
            isdigit((unsigned char)osdev->name[strlen(names[i].prefix)])) {
            *ret_vendor = names[i].vendor;
            return true;
        }
    *ret_vendor = GPU_AMD;
    return osdev_is_amd(osdev);
}

/* Take the UUID from an osdev that knows it, as CUDA writes it. */
static int uuid_set(struct gpu *gpu, hwloc_obj_t osdev)
{
    const char *uuid = hwloc_obj_get_info_by_name(osdev, "NVIDIAUUID");
    char *text = NULL;
    if (!uuid)
        return 0;
    if (asprintf(&text, "%s%s", strncmp(uuid, "GPU-", 4) == 0 ? "" : "GPU-", uuid) < 0)
        return -1;
    free(gpu->uuid);
    gpu->uuid = text;
    return 0;
}

static int osdevs_collect(struct gpu_list *list, hwloc_topology_t topology)
{
    hwloc_obj_t osdev = NULL;
    while ((osdev = hwloc_get_next_osdev(topology, osdev)) != NULL) {
        enum gpu_vendor vendor;
        hwloc_obj_t pci = pci_parent(osdev);
        char bus_id[sizeof list->items->bus_id] = "";
        if (!osdev_vendor(osdev, &vendor))
            continue;
        if (pci)
            snprintf(bus_id, sizeof bus_id, "%04x:%02x:%02x.%x", pci->attr->pcidev.domain,
                     pci->attr->pcidev.bus, pci->attr->pcidev.dev, pci->attr->pcidev.func);
        else if (strncmp(osdev->name, "nvml", 4) == 0)
            continue; /* without PCI it cannot be told from the cudaN that it is */
        struct gpu *gpu = list_find_bus(list, bus_id);
        if (!gpu)
            gpu = list_add(list, vendor, hwloc_obj_get_info_by_name(osdev, "GPUModel"), "",
                           local_cpus(topology, pci));
        if (!gpu)
            return -1;
        if (!*gpu->uuid && uuid_set(gpu, osdev) < 0) /* NVML knows it, CUDA does not */
            return -1;
        memcpy(gpu->bus_id, bus_id, sizeof bus_id);
    }
    return 0;
}

/* What a line "Key: <blanks> value" of the driver says; NULL if it is another key's. */
static char *line_value(char *line, const char *key)
{
    size_t length = strlen(key);
    if (strncmp(line, key, length) != 0 || line[length] != ':')
        return NULL;
    char *value = line + length + 1;
    value += strspn(value, " \t");
    value[strcspn(value, "\n")] = '\0';
    return value;
}

struct driver_entry {
    char model[128];
    char uuid[64];
    long minor; /* -1: unknown */
};

static bool entry_read(const char *path, struct driver_entry *ret_entry)
{
    char line[256];
    *ret_entry = (struct driver_entry){.minor = -1};
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    while (fgets(line, sizeof line, file)) {
        char *value = NULL;
        if ((value = line_value(line, "Model")) != NULL)
            snprintf(ret_entry->model, sizeof ret_entry->model, "%s", value);
        else if ((value = line_value(line, "GPU UUID")) != NULL)
            snprintf(ret_entry->uuid, sizeof ret_entry->uuid, "%s", value);
        else if ((value = line_value(line, "Device Minor")) != NULL)
            ret_entry->minor = strtol(value, NULL, 10);
    }
    fclose(file);
    return true;
}

/* A container may see the driver's entries of GPUs whose devices it was not given. */
static bool device_usable(const char *root, long minor)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/dev/nvidia%ld", root, minor);
    return length < (int)sizeof path && access(path, R_OK | W_OK) == 0;
}

/* One entry ROOT/proc/driver/nvidia/gpus/BUS_ID. */
static int entry_collect(struct gpu_list *list, hwloc_topology_t topology, const char *root,
                         const char *bus_id)
{
    struct driver_entry entry;
    char path[PATH_MAX];
    if (list_find_bus(list, bus_id) || strlen(bus_id) >= sizeof list->items->bus_id ||
        snprintf(path, sizeof path, "%s/proc/driver/nvidia/gpus/%s/information", root,
                 bus_id) >= (int)sizeof path ||
        !entry_read(path, &entry) || (entry.minor >= 0 && !device_usable(root, entry.minor)))
        return 0;
    hwloc_obj_t pci = hwloc_get_pcidev_by_busidstring(topology, bus_id);
    struct gpu *gpu =
        list_add(list, GPU_NVIDIA, entry.model, entry.uuid, local_cpus(topology, pci));
    if (!gpu)
        return -1;
    snprintf(gpu->bus_id, sizeof gpu->bus_id, "%s", bus_id);
    return 0;
}

static int driver_collect(struct gpu_list *list, hwloc_topology_t topology, const char *root)
{
    char path[PATH_MAX];
    int status = 0;
    if (snprintf(path, sizeof path, "%s/proc/driver/nvidia/gpus", root) >= (int)sizeof path)
        return 0;
    DIR *dir = opendir(path);
    if (!dir)
        return 0;
    struct dirent *entry;
    while (status == 0 && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            status = entry_collect(list, topology, root, entry->d_name);
    closedir(dir);
    return status;
}

/* Sandboxes may show devices but no /proc/driver. Where such a GPU is, nobody knows. */
static int devices_collect(struct gpu_list *list, hwloc_topology_t topology, const char *root)
{
    for (long minor = 0; minor < 64; minor++)
        if (device_usable(root, minor) &&
            !list_add(list, GPU_NVIDIA, "", "", local_cpus(topology, NULL)))
            return -1;
    return 0;
}

static int gpu_compare(const void *a, const void *b)
{
    const struct gpu *left = a;
    const struct gpu *right = b;
    if (left->vendor != right->vendor)
        return left->vendor < right->vendor ? -1 : 1;
    return strcasecmp(left->bus_id, right->bus_id);
}

static int list_name(struct gpu_list *list)
{
    int index = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0 && list->items[i].vendor != list->items[i - 1].vendor)
            index = 0;
        if (asprintf(&list->items[i].id, "%d", index++) < 0) {
            list->items[i].id = NULL;
            return -1;
        }
    }
    return 0;
}

/* The GPU that an entry of a list of visible devices means: an index, or (the beginning of) a
 * UUID. NULL: none. */
static const struct gpu *token_find(const struct gpu_list *list, enum gpu_vendor vendor,
                                    const char *token)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct gpu *gpu = &list->items[i];
        if (gpu->vendor == vendor &&
            (strcmp(gpu->id, token) == 0 ||
             (strncmp(token, "GPU-", 4) == 0 && strncmp(gpu->uuid, token, strlen(token)) == 0)))
            return gpu;
    }
    return NULL;
}

/* A copy of `gpu` at the end of the list, called `id`. */
static int list_copy(struct gpu_list *list, const struct gpu *gpu, const char *id)
{
    struct gpu *copy =
        list_add(list, gpu->vendor, gpu->model, gpu->uuid, hwloc_bitmap_dup(gpu->local));
    if (!copy)
        return -1;
    memcpy(copy->bus_id, gpu->bus_id, sizeof copy->bus_id);
    copy->id = strdup(id);
    return copy->id ? 0 : -1;
}

/* Add to `kept` what `token` means. A UUID that is not known here (of a MIG instance, or because
 * the driver did not tell) is a GPU all the same. 1: it means nothing; -1: memory is short. */
static int token_keep(struct gpu_list *kept, const struct gpu_list *list,
                      hwloc_topology_t topology, enum gpu_vendor vendor, char *token)
{
    const struct gpu unknown = {
        .vendor = vendor,
        .model = "",
        .uuid = token,
        .local = hwloc_get_root_obj(topology)->cpuset,
    };
    const struct gpu *gpu = token_find(list, vendor, token);
    bool uuid = strncmp(token, "GPU-", 4) == 0 || strncmp(token, "MIG-", 4) == 0;
    if (!gpu && !uuid)
        return 1;
    return list_copy(kept, gpu ? gpu : &unknown, token);
}

/* Keep of a vendor's GPUs what `visible` names, by those names. Like CUDA, stop at the first entry
 * that names nothing ("-1", "NoDevFiles"). */
static int list_restrict(struct gpu_list *list, hwloc_topology_t topology,
                         enum gpu_vendor vendor, const char *visible)
{
    struct gpu_list kept = {.restricted = list->restricted || vendor == GPU_NVIDIA};
    char *rest = NULL;
    char *text = strdup(visible);
    int status = text ? 0 : -1;
    for (size_t i = 0; status == 0 && i < list->count; i++)
        if (list->items[i].vendor != vendor)
            status = list_copy(&kept, &list->items[i], list->items[i].id);
    char *token = text ? strtok_r(text, ", ", &rest) : NULL;
    for (; token && status == 0; token = strtok_r(NULL, ", ", &rest))
        status = token_keep(&kept, list, topology, vendor, token);
    free(text);
    if (status < 0) {
        gpu_list_fini(&kept);
        return -1;
    }
    memcpy(kept.present, list->present, sizeof kept.present);
    gpu_list_fini(list);
    *list = kept;
    return 0;
}

int gpu_list_find(struct gpu_list *ret_list, hwloc_topology_t topology,
                  const struct gpu_source *source)
{
    struct gpu_list list = {0};
    if (osdevs_collect(&list, topology) < 0)
        goto fail;
    if (source->root) {
        if (driver_collect(&list, topology, source->root) < 0)
            goto fail;
        if (!list.present[GPU_NVIDIA] && devices_collect(&list, topology, source->root) < 0)
            goto fail;
    }
    if (list.count > 0)
        qsort(list.items, list.count, sizeof *list.items, gpu_compare);
    if (list_name(&list) < 0)
        goto fail;
    if (source->cuda_visible && list.present[GPU_NVIDIA] &&
        list_restrict(&list, topology, GPU_NVIDIA, source->cuda_visible) < 0)
        goto fail;
    if (source->rocr_visible && list.present[GPU_AMD] &&
        list_restrict(&list, topology, GPU_AMD, source->rocr_visible) < 0)
        goto fail;
    *ret_list = list;
    return 0;
fail:
    gpu_list_fini(&list);
    return -1;
}

/*
 * gpu.h - the accelerators of a node.
 *
 * NVIDIA's are found through hwloc's CUDA and NVML plugins, and where those are not installed
 * through the driver's own /proc/driver/nvidia/gpus and /dev/nvidiaN; AMD's through hwloc's
 * RSMI or OpenCL plugin. Several objects of one PCI device (cuda0, nvml0, opencl0d0) are one GPU.
 * Others, such as a server's VGA chip or an OpenCL device on the CPU, are none.
 */
#ifndef BEOFARM_WORKER_GPU_H
#define BEOFARM_WORKER_GPU_H

#include <stdbool.h>
#include <stddef.h>

#include <hwloc.h>

enum gpu_vendor { GPU_NVIDIA, GPU_AMD, GPU_VENDOR_COUNT };

struct gpu {
    enum gpu_vendor vendor;
    char *id;        /* owned; what CUDA_VISIBLE_DEVICES or ROCR_VISIBLE_DEVICES calls it */
    char *model;     /* owned; "" where unknown */
    char *uuid;      /* owned; "GPU-..." of NVIDIA's; "" where unknown */
    char bus_id[32]; /* "0000:17:00.0"; "" where unknown */
    hwloc_bitmap_t local; /* owned; CPUs near it, all of the machine's where unknown */
};

struct gpu_list {
    struct gpu *items; /* by vendor, then PCI bus id */
    size_t count;
    /* The worker was itself started with a CUDA_VISIBLE_DEVICES, and only those are here, by the
     * names that list gave them; CUDA_DEVICE_ORDER is to be left as it was. */
    bool restricted;
    /* By vendor: the node has some, even if none is left in this list. */
    bool present[GPU_VENDOR_COUNT];
};

/* Where to look beside hwloc. */
struct gpu_source {
    const char *root; /* where /proc and /dev are looked up; NULL: nowhere, hwloc alone */
    /* The worker's own CUDA_VISIBLE_DEVICES and ROCR_VISIBLE_DEVICES; NULL: not set. */
    const char *cuda_visible;
    const char *rocr_visible;
};

/* Find the GPUs of a loaded topology. 0, or -1 if memory is short. */
int gpu_list_find(struct gpu_list *ret_list, hwloc_topology_t topology,
                  const struct gpu_source *source);
void gpu_list_fini(struct gpu_list *list);

/* Keep those whose entry in `owners` (one per GPU) is `owner`, and free the others. */
void gpu_list_keep(struct gpu_list *list, const size_t *owners, size_t owner);

#endif

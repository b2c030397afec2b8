/*
 * topology_private.h - what topology.c, topology_plan.c and doctor.c share.
 */
#ifndef BEOFARM_WORKER_TOPOLOGY_PRIVATE_H
#define BEOFARM_WORKER_TOPOLOGY_PRIVATE_H

#include <stdbool.h>

#include <hwloc.h>

#include "worker/gpu.h"
#include "worker/topology.h"

struct topology {
    hwloc_topology_t hwloc; /* the allowed part of the machine only */
    size_t machine_cpus;    /* hardware threads before taskset and shares took some away */
    double quota;           /* CPUs' time that a cgroup allows; 0: no limit */
    struct gpu_list gpus;
    /* The worker itself runs under a memory policy (numactl): its children keep that one. */
    bool own_memory_policy;
};

/* "0-3,8", allocated; NULL if memory is short. */
char *cpus_format(hwloc_const_bitmap_t cpus);

#endif

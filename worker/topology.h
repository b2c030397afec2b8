/*
 * topology.h - what a worker's node is made of, and the slots it is divided into.
 *
 * A topology is the part of the node that the worker may use: hwloc's view of it, less the CPUs
 * that a cgroup or the worker's own affinity (taskset, a batch system) leaves out. A plan
 * divides it into slots by these rules:
 *
 *  - Computing is counted in cores. A slot's cpuset has all hardware threads of its cores, and
 *    OMP_NUM_THREADS is the number of cores. With `smt` hardware threads are counted instead,
 * and everything below that says core means hardware thread.
 *  - slots auto, threads auto: a slot per core.
 *  - N slots, threads auto: cores / N threads each, rounded down, at least 1.
 *  - slots auto, T threads: as many as fit, where no slot straddles two L3 caches if T cores
 * fit into one of them, nor else two NUMA nodes if T fit into one, nor else two packages. Cores
 *    that are left over stay idle, and a note says so. (A core without L3 counts with those
 * that share its L2.)
 *  - N slots, T threads: placed by the same rule, spread evenly over packages, NUMA nodes and
 * L3 caches for the sake of memory bandwidth. If they do not all fit so, but the cores suffice,
 *    the last ones straddle.
 *  - More slots than cores (N * T over their number): slots take the cores round-robin, and
 * share them; a note says so. T alone over the number of cores is an error.
 *  - Hybrid machines: cores of each kind (performance, efficiency) make slots, the faster ones
 *    first. A slot has cores of one kind if T of one kind fit together.
 *  - A quota of CPU time (cgroup cpu.max, as containers have) limits what auto makes: as many
 *    cores as the quota allows, rounded to the nearest whole number, at least 1. Where that is
 *    fewer than there are, and no more than half of the CPUs, slots are not bound: others under
 *    such a quota would be bound to the same cores, the first.
 *  - Slots are numbered along the machine: kinds, then packages, NUMA nodes, caches, cores.
 *
 * GPUs do not change how many slots there are (but with gpus "each", where there are some and slots
 * is auto: then there is one for each, on its share of the cores near that GPU); they are dealt to
 * them. Each goes to a slot near it (same NUMA node, else same package) such that the slots' counts
 * differ by 1 at most. Where there are more slots than GPUs, the others see none
 * (CUDA_VISIBLE_DEVICES is empty): set `slots` to the number of GPUs if every task needs one. With
 * gpus none the children's environment keeps whatever devices the worker sees.
 */
#ifndef BEOFARM_WORKER_TOPOLOGY_H
#define BEOFARM_WORKER_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "common/error.h"
#include "worker/slot.h"

struct topology;

/* Where a topology comes from. All zero: this machine. */
struct topology_source {
    const char *xml;       /* a file written by lstopo; NULL: none */
    const char *synthetic; /* hwloc's notation, "pack:2 l3:1 core:8 pu:2"; NULL: none */

    /* Where /proc, /sys/fs/cgroup and /dev are looked up for the quota and for GPUs. NULL: ""
     * for this machine, nowhere for a file or a synthetic one. */
    const char *root;

    /* Stand in for the worker's own environment where it is not this machine; NULL: not set. */
    const char *cuda_visible; /* CUDA_VISIBLE_DEVICES */
    const char *rocr_visible; /* ROCR_VISIBLE_DEVICES */
    const char *share;        /* BEOFARM_SHARE */
};

#define TOPOLOGY_SLOTS_MAX   4096
#define TOPOLOGY_THREADS_MAX 4096

/* farm.json's "worker", as far as it concerns slots. */
struct topology_request {
    unsigned slots;            /* 0: auto */
    unsigned threads_per_slot; /* 0: auto */
    bool pin;                  /* bind children (default true) */
    bool smt;                  /* count hardware threads instead of cores (default false) */
    bool bind_threads;         /* a task is one OpenMP program that starts no other: bind its
                                * threads to a core each, too, where slots are pinned */
    bool gpus;                 /* deal GPUs to slots ("auto", the default; "none": false) */
    bool slot_per_gpu; /* "each": as many slots as there are GPUs, where slots is auto */
};

/* Slots, and sentences about them that a user should see once (cores left idle or shared, a
 * quota, GPUs that do not go round). All owned by the plan. */
struct topology_plan {
    struct slot *slots;
    size_t slot_count; /* at least 1 */
    char **notes;
    size_t note_count;
};

/* Look at the machine (or the recorded one; source may be NULL). Takes 5 to 50 ms.
 * NULL on failure (ERROR_SYSTEM; ERROR_USAGE for a BEOFARM_SHARE that is none). */
struct topology *topology_open(const struct topology_source *source, struct error *ret_error);
void topology_close(struct topology *topology);

/* Read `worker` (the object farm.json has under that key; NULL: all defaults): slots,
 * threads_per_slot, pin, smt, gpus. Other keys are left alone. -1 with ERROR_CONFIG and the
 * JSON path for a value of the wrong kind. */
int topology_request_read(struct topology_request *ret_request, const cJSON *worker,
                          struct error *ret_error);

/* Divide. The topology must outlive the plan. NULL with ERROR_CONFIG for a request that the
 * node cannot meet (the sentence says what it could), ERROR_SYSTEM if memory is short. */
struct topology_plan *topology_plan_create(const struct topology *topology,
                                           const struct topology_request *request,
                                           struct error *ret_error);
void topology_plan_destroy(struct topology_plan *plan);

#endif

/*
 * slot.h - a pinned share of a worker's node that computes one task at a time.
 *
 * Slots are made by topology_plan_create (topology.h) and do not change afterwards. A runner
 * lays the slot's environment over that of its child and calls slot_bind_child between fork and
 * exec; everything the child needs was computed beforehand, so that call allocates nothing,
 * takes no lock and is safe after vfork.
 */
#ifndef BEOFARM_WORKER_SLOT_H
#define BEOFARM_WORKER_SLOT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

struct slot {
    unsigned index; /* from 0, dense within the worker */

    /* What it may run on, as lists of OS indices in Linux' notation ("0-3,8"). Owned. */
    char *cpus;  /* hardware threads */
    char *nodes; /* NUMA nodes whose memory is local to them */

    unsigned threads; /* how many threads a task should compute with: OMP_NUM_THREADS */
    bool shared; /* other slots use these cores too, because there are more slots than cores */

    /* Indices into the topology's GPUs (topology.h), in increasing order. Owned. */
    unsigned *gpus;
    size_t gpu_count;

    /* "NAME=value" strings, NULL-terminated, each name once; they replace what the child would
     * inherit: BEOFARM_SLOT, OMP_NUM_THREADS; OMP_PROC_BIND=false (close, if pinned and a task is
     * one OpenMP program); if pinned OMP_PLACES (a place per core, by OS index); where the slot is
     * not all of the machine what keeps Open MPI from binding ranks; and the visible devices where
     * the node has GPUs. OpenBLAS and MKL follow OMP_NUM_THREADS by themselves. Owned. */
    char **environment;

    /* For slot_bind_child; the masks are what the system calls take. */
    bool pin; /* false: children are not bound at all */
    unsigned long
        *cpu_mask;        /* owned; as long as the highest CPU needs, beyond 1024 if need be */
    size_t cpu_mask_size; /* bytes */
    unsigned long
        *memory_mask;          /* owned; NULL: children keep the default policy (first touch) */
    unsigned long memory_bits; /* bits in memory_mask that the kernel may read */
};

/*
 * Bind the calling thread, and what it starts, to the slot: its CPUs, and its NUMA node as the
 * *preferred* one. Memory comes from that node while it has some and from others after that;
 * a strict binding would let the kernel kill a model that needs more than one node has. A slot
 * over several nodes keeps the default, each page where it is first touched.
 *
 * To be called in a child between (v)fork and exec. Returns 0, or the errno of the first call
 * that failed; a child should go on all the same, because a task unbound is better than none.
 * Whether binding works at all is found out once, by slot_try. errno is left as it was.
 */
int slot_bind_child(const struct slot *slot);

/* Try the slot's binding in the calling thread and undo it. 0, or -1 with a sentence that is
 * worth logging once (a sandbox may forbid the calls; CPUs may have been taken away). */
int slot_try(const struct slot *slot, struct error *ret_error);

/* The value of `name` in the slot's environment, NULL if it is not there. Borrowed.
 * For tests. */
const char *slot_getenv(const struct slot *slot, const char *name);

/* Append "NAME=value", printed as by printf, replacing a previous NAME. 0, or -1 if memory is
 * short. For those who make slots. */
int slot_putenv(struct slot *slot, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Free what the slot owns, not the slot. A zeroed slot is allowed. */
void slot_fini(struct slot *slot);

#endif

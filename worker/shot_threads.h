/*
 * shot_threads.h - how many threads a shot gets where the farm file leaves it open.
 *
 * A shot streams its wavefields once per time step. Where they fit into a last-level cache, shots
 * that share one should fit together: measured (2 cores, 32 MiB), one shot of two threads does 3.16
 * Gpoints/s where two of one thread, which throw each other out, do 2.27. Out of cache memory is
 * what limits, and threads hardly matter (1.74 against 1.83 in 2-D, 1.43 against 1.54 in 3-D):
 * there one thread each is best as long as there are so many shots that the last ones do not leave
 * cores idle. Never does a shot span NUMA nodes: two processes of 24 threads took 152 s where one
 * of 48 took 243 s.
 */
#ifndef BEOFARM_WORKER_SHOT_THREADS_H
#define BEOFARM_WORKER_SHOT_THREADS_H

#include <stdint.h>

#include <cjson/cJSON.h>

#include "worker/topology.h"

/* A node, as far as it concerns shots. All caches, and all NUMA nodes, are alike. Where a cgroup
 * allows the time of fewer cores, there are no more. */
struct shot_node {
    unsigned cores, cores_per_cache, cores_per_node; /* at least 1 each */
    uint64_t cache_bytes;                            /* of one last-level cache; 0: not known */
    uint64_t memory_bytes;                           /* for shots; 0: not known */
};

/* What is to be computed. 0 where not known. */
struct shot_load {
    uint64_t working_bytes; /* what a time step of the largest shot streams */
    uint64_t memory_bytes;  /* what the largest shot needs in all */
    uint64_t shots;         /* that come to one worker */
};

/*
 * Threads per shot, from 1 to cores_per_node; 0 where working_bytes are not known.
 *  - In cache: cores_per_cache over the shots that fit into four fifths of a cache together,
 *    rounded up.
 *  - Out of cache: 1 where at least 8 shots come to each core, otherwise a cache's cores.
 *  - More if the node's memory does not hold as many shots as that makes.
 */
unsigned shot_threads_choose(const struct shot_node *node, const struct shot_load *load);

/* runner_ops.request of the shots runner: "shot" of the job's work, {"working_bytes": …,
 * "memory_bytes": …, "per_worker": …}, is the load. Slots made for GPUs have the cores near
 * these. */
void shot_threads_request(const cJSON *job, const struct topology *topology,
                          struct topology_request *request);

#endif

/*
 * bandwidth.h - the memory bandwidth that tasks see in each slot while all slots compute.
 *
 * What bounds a wave propagator out of cache is how fast its fields stream. So each slot's threads,
 * bound as tasks are, run the plainest leap-frog there is, prev = 2 cur - prev + vel (16 bytes a
 * point: three floats read, one written), on arrays of their own that no cache holds.
 */
#ifndef BEOFARM_WORKER_BANDWIDTH_H
#define BEOFARM_WORKER_BANDWIDTH_H

#include <stddef.h>

#include "common/error.h"
#include "worker/topology.h"

struct bandwidth {
    double *slots; /* bytes per second, per slot, all at once; owned */
    size_t count;
    double total; /* all of them */
    double alone; /* the first slot while the others are idle */
};

/* Measure for about `seconds` twice: all slots, and the first one alone. `cache_bytes`: all
 * last-level caches together. Takes up to an eighth of the memory for that time. 0 or -1. */
int bandwidth_measure(const struct topology_plan *plan, size_t cache_bytes, double seconds,
                      struct bandwidth *ret_bandwidth, struct error *ret_error);
void bandwidth_fini(struct bandwidth *bandwidth); /* a zeroed one is allowed */

#endif

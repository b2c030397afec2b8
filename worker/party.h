/*
 * party.h - the nodes that a worker has for a task: who they are, and how an mpirun is told.
 *
 * On Azure Batch the worker is a multi-instance task, and AZ_BATCH_HOST_LIST says which nodes it
 * has; its own is the first. Elsewhere all nodes are this machine: "localhost", as many times.
 *
 * A folder of the party, in /tmp, holds `hosts` (a line for each node, "10.0.0.4 slots=8": a
 * hostfile of Open MPI) and `rsh` (what to start processes on another node with, instead of ssh:
 * remote.h).
 */
#ifndef BEOFARM_WORKER_PARTY_H
#define BEOFARM_WORKER_PARTY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "worker/slot.h"

#define PARTY_NODES_MAX 1000

struct party {
    char **hosts; /* `count` of them, our own first. Owned */
    size_t count;
    bool apart;      /* they are different machines */
    char folder[64]; /* absolute, of our own; "" until party_open */
};

struct party_request {
    size_t nodes; /* at least 1 */
    size_t ranks; /* that are to find room; 0: one for each core */
    size_t cores; /* of each node (apart), or of this worker's share of this machine */
};

/* Find the nodes, make the folder, and give `slot` the variables by which a task's mpirun knows
 * them. `host_list` is AZ_BATCH_HOST_LIST or NULL. 0 or -1 with a sentence; party_close in either
 * case. */
int party_open(struct party *ret_party, const struct party_request *request,
               const char *host_list, struct slot *slot, struct error *ret_error);
void party_close(struct party *party); /* removes the folder; one of zeros is allowed */

/* How many of `ranks` are for node `index` of `nodes`: they differ by one at most. */
size_t party_ranks(size_t ranks, size_t nodes, size_t index);

#endif

/*
 * party_network.h - the network by which the nodes of a party reach each other.
 */
#ifndef BEOFARM_WORKER_PARTY_NETWORK_H
#define BEOFARM_WORKER_PARTY_NETWORK_H

#include <stdbool.h>

#define PARTY_NETWORK_MAX 64

/* The network of this machine's interface that has the numeric address `host`, as "10.0.0.4/24".
 * False if none has. */
bool party_network_find(const char *host, char network[PARTY_NETWORK_MAX]);

#endif

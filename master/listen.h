/*
 * listen.h - open the master's listening socket.
 */
#ifndef BEOFARM_MASTER_LISTEN_H
#define BEOFARM_MASTER_LISTEN_H

#include "common/error.h"
#include "common/network.h"

/* Listen on this machine's address on `network` ("" or NULL: on all, by IPv4), on `port`, or on a
 * port that the system picks where that is 0, taken or reserved. Returns the descriptor
 * (non-blocking; caller must close) with the port and the numeric address for others to dial, or -1
 * with a sentence. */
int listen_open(const char *network, int port, int *ret_port,
                char ret_address[NETWORK_ADDRESS_MAX], struct error *ret_error);

#endif

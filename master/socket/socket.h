/*
 * socket.h - the driver for "work": {"kind": "socket"}, and for sweeps with --driver-socket:
 * clients submit parameter sets over a Unix socket, JSON lines both ways, and get the results as
 * they come. docs/driver-socket.md is the protocol.
 */
#ifndef BEOFARM_MASTER_SOCKET_SOCKET_H
#define BEOFARM_MASTER_SOCKET_SOCKET_H

#include "master/driver.h"

extern const struct driver_ops driver_socket;

#endif

/*
 * network.h - which of this machine's interfaces a farm keeps to.
 *
 * A network is named as Open MPI names it: by an interface ("eth0", "lo") or by a CIDR
 * ("10.0.0.0/24"); "" (or NULL) stands for all of them.
 */
#ifndef BEOFARM_COMMON_NETWORK_H
#define BEOFARM_COMMON_NETWORK_H

#include <stdbool.h>
#include <sys/socket.h>

#include "common/error.h"

#define NETWORK_ADDRESS_MAX 64 /* bytes of a numeric address as text, with its NUL */

/* This machine's address on `network`, IPv4 before IPv6; for "", the address that others are
 * most likely to reach: the one of the default route, else of the first interface that is up,
 * else loopback. 0, or -1 (ERROR_CONFIG) with a sentence that lists the interfaces there are. */
int network_find(const char *network, struct sockaddr_storage *ret_address,
                 struct error *ret_error);

/* The interface whose address a connected socket has at this end; "" if it cannot be told. (Its
 * name, since Open MPI 4 takes a CIDR of one address, "10.0.0.4/32", for any address.) */
#define NETWORK_NAME_MAX 64
void network_of_socket(int fd, char name[NETWORK_NAME_MAX]);

/* The numeric text of an address ("10.0.0.4"); IPv4 mapped into IPv6 as IPv4. Returns text. */
char *network_format(const struct sockaddr *address, char text[NETWORK_ADDRESS_MAX]);

/* True if loopback is the only interface that is up and has an address. */
bool network_is_loopback_only(void);

#endif

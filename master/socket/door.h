/*
 * door.h - the Unix socket at which clients knock.
 */
#ifndef BEOFARM_MASTER_SOCKET_DOOR_H
#define BEOFARM_MASTER_SOCKET_DOOR_H

#include "common/error.h"
#include "common/loop.h"

struct door;

/* Whether `path` fits into a socket's address (107 bytes). 0, or -1 with ERROR_CONFIG. */
int door_check(const char *path, struct error *ret_error);

/* Listen at `path`, mode 0600. A socket that nobody listens at any more (its master died) is
 * replaced; one that is in use, or anything else of that name, is an error. Calls `came` with each
 * connection (nonblocking; the callee's from then on). NULL with a sentence. */
struct door *door_open(const char *path, struct loop *loop, void (*came)(void *context, int fd),
                       void *context, struct error *ret_error);

/* Stop listening and remove the socket from the file system. NULL is allowed. */
void door_close(struct door *door);

#endif

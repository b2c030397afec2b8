/*
 * door.h - where a worker is visited by others of its farm: a port, behind which they prove the
 * farm's secret (common/auth.h).
 */
#ifndef BEOFARM_WORKER_DOOR_H
#define BEOFARM_WORKER_DOOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/auth.h"
#include "common/error.h"
#include "common/loop.h"
#include "common/network.h"

struct door;

struct door_settings {
    const char *farm;                       /* its name */
    const struct auth_secret *secret;       /* both are copied */
    const struct sockaddr_storage *address; /* where it is, port included (0: any) */

    /* Somebody connects from this address. False: the door stays shut. NULL: anybody may. */
    bool (*admit)(void *context, const struct sockaddr *from);
    /* Why one who has proven the secret is not taken, as he is told; NULL: he is. NULL: all are. */
    const char *(*refuse)(void *context, const struct sockaddr *from);
    /* Somebody has proven the secret: a non-blocking socket, which is taken. */
    void (*came)(void *context, int fd, const struct sockaddr *from);
    void *context;
};

/* NULL with a sentence if the port cannot be had. Who takes longer than 10 s to prove the secret is
 * shut out, and who cannot prove it is told so, and shows in the log. Strangers have a part of the
 * worker's descriptors at most; the oldest makes room for the newest then. */
struct door *door_open(struct loop *loop, const struct door_settings *settings,
                       struct error *ret_error);
void door_close(struct door *door); /* with all that stand in it; NULL is allowed */

/* The port that it has. */
int door_port(const struct door *door);

#endif

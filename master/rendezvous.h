/*
 * rendezvous.h - the master's listening socket, where links begin.
 *
 * Lives in the master's event loop: accepts connections, has the peers prove the secret
 * (common/auth.h), takes proven workers through the MPI gate one at a time (common/mpi_join.h)
 * or leaves them on TCP, and hands each finished link to `joined`. Strangers cost little: their
 * number and time are bounded, their frames tiny, and they never reach MPI.
 *
 * A link is a descriptor. When this process may open few more (common/descriptors.h), proven
 * workers are refused with a sentence, and may come again when others have left: the last
 * descriptors are for the master's own files, and for those who call.
 */
#ifndef BEOFARM_MASTER_RENDEZVOUS_H
#define BEOFARM_MASTER_RENDEZVOUS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/auth.h"
#include "common/error.h"
#include "common/link.h"
#include "common/loop.h"

/* Who joined. The texts are borrowed for the time of the call. */
struct rendezvous_peer {
    uint64_t id;         /* counts from first_id; never used twice by this rendezvous */
    const char *host;    /* as the worker said it */
    const char *address; /* as the socket says it */
    int64_t pid;
    const char *transport; /* "tcp" or "mpi" */
};

/* Neither function may close the rendezvous. */
struct rendezvous_events {
    /* A proven worker's link, which now belongs to the callee. */
    void (*joined)(void *context, struct link *link, const struct rendezvous_peer *peer);
    /* Something the user should know: a wrong secret, a join that overran. Rate-limited. */
    void (*notice)(void *context, const char *sentence);
};

struct rendezvous_options {
    const char *farm;
    const char *instance; /* of this master process: unique, at most AUTH_NAME_MAX - 1 bytes */
    const char *network;  /* interface name or CIDR to listen on; "" or NULL for all */
    int port;             /* to try first; if it is taken, or 0, the system picks another */
    uint64_t first_id;    /* of the first worker; 0 counts as 1 */
    int64_t handshake_limit_ns; /* from accept to proof; 0: 10 s */
    int64_t init_limit_ns;      /* for a worker to initialise its MPI; 0: 60 s */
    int64_t join_limit_ns;      /* for one MPI join; 0: 10 s */
    struct auth_secret secret;
};

struct rendezvous;

/* Listen, and answer as soon as the loop runs. The options' texts are copied. NULL with a
 * sentence if there is no such network or no socket to be had. */
struct rendezvous *rendezvous_open(struct loop *loop, const struct rendezvous_options *options,
                                   const struct rendezvous_events *events, void *context,
                                   struct error *ret_error);

/* From now on offer MPI to workers that can (after mpi_world_serve with the same instance).
 * `mca` as given to it goes to the workers; NULL or "" for none. */
int rendezvous_offer_mpi(struct rendezvous *rendezvous, const char *mca,
                         struct error *ret_error);

/* Close the socket and every connection that is not yet a link. NULL is allowed. */
void rendezvous_close(struct rendezvous *rendezvous);

/* Whether a proven worker is on its way to become a link. */
bool rendezvous_joining(const struct rendezvous *rendezvous);

/* The port that is listened on. */
int rendezvous_port(const struct rendezvous *rendezvous);
/* This machine's host name, as workers should dial it. */
const char *rendezvous_host(const struct rendezvous *rendezvous);
/* The numeric address for workers that cannot resolve it. */
const char *rendezvous_address(const struct rendezvous *rendezvous);

#endif

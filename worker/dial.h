/*
 * dial.h - the worker's way to its master: resolve, connect, prove, join.
 *
 * Blocks, with a deadline. MPI is initialised on the way the first time a master offers it
 * (common/mpi_world.h), so dial from the main thread, the first time before other threads run.
 */
#ifndef BEOFARM_WORKER_DIAL_H
#define BEOFARM_WORKER_DIAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/auth.h"
#include "common/error.h"
#include "common/link.h"

struct dial_options {
    const char *whom;    /* who is dialled, for sentences; NULL: "the master" */
    const char *host;    /* the master's host name or address */
    const char *address; /* its numeric address, used if the name cannot be resolved or reached;
                          * NULL or "" if not known */
    int port;
    const char *farm;
    const char *network; /* interface name or CIDR that MPI keeps to; NULL or "": the interface
                          * by which the master was reached */
    bool mpi;            /* may use MPI where it works */
    int64_t limit_ns; /* for resolving, connecting and proving together; 0: 15 s. Initialising
                       * MPI and joining have limits of their own on top */
    int cancel_fd;    /* give up when this becomes readable (not read); -1 for none */
    struct auth_secret secret;
};

struct dial_answer {
    uint64_t id;                  /* this worker's number, for as long as this link lives */
    char instance[AUTH_NAME_MAX]; /* of the master process */
    char notice[ERROR_TEXT_MAX]; /* why MPI was offered but is not used; "" if nothing to say */
};

/* Dial once. The link, or NULL. Retry later where dial_may_retry; otherwise it is no use:
 * ERROR_AUTH (the secret or the farm's name is wrong), ERROR_CONFIG (the versions differ),
 * ERROR_INTERRUPTED (cancel_fd), ERROR_SYSTEM (also where the working directory was removed). */
struct link *dial(const struct dial_options *options, struct dial_answer *ret_answer,
                  struct error *ret_error);

/* The first half of that, for those who speak otherwise: a connected, non-blocking socket on which
 * both ends have proven that they know the secret, and what the other said. -1 as above. Any
 * thread; without `mpi`. */
int dial_connect(const struct dial_options *options, struct auth_welcome *ret_welcome,
                 struct error *ret_error);

/* This machine's address from which the master was reached last, with port 0: where others of the
 * farm are likely to reach it. False: none was. Any thread. */
bool dial_own_address(struct sockaddr_storage *ret_address);

bool dial_may_retry(const struct error *error);

/* How long to wait before the next try after `failures` (1, 2, …) in a row: 0.1 s doubling to
 * 10 s, each drawn evenly from half to the whole of that, so that a thousand workers do not
 * come back at once. */
int64_t dial_backoff_ns(unsigned failures);

#endif

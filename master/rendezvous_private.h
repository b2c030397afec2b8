/*
 * rendezvous_private.h - what rendezvous.c (the socket), rendezvous_caller.c (one connection) and
 * rendezvous_gate.c (one MPI join at a time) share.
 */
#ifndef BEOFARM_MASTER_RENDEZVOUS_PRIVATE_H
#define BEOFARM_MASTER_RENDEZVOUS_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/auth.h"
#include "common/clock.h"
#include "common/link.h"
#include "common/loop.h"
#include "common/mpi_join.h"
#include "common/network.h"
#include "master/rendezvous.h"

#define RENDEZVOUS_HOST_MAX 256

/* See rendezvous_caller.c. */
enum phase { PROVING, INITIALISING, QUEUED, JOINING };

struct caller {
    struct rendezvous *rendezvous;
    struct caller *next, *previous; /* in order of arrival */
    enum phase phase;
    int fd; /* -1 once it belongs to a join or a link */
    struct auth *auth;
    struct loop_watch *watch;
    struct loop_timer *timer;
    struct mpi_join *join;
    bool offered_mpi;
    int64_t since_ns;    /* accepted */
    int64_t deadline_ns; /* of a join */
    uint64_t turn;       /* the order at the gate */
    uint64_t id;
    int64_t pid;
    char host[AUTH_NAME_MAX];
    char address[NETWORK_ADDRESS_MAX];
};

/* At most one notice of a kind per NOTICE_PAUSE; the others are counted. */
struct quota {
    int64_t next_ns;
    unsigned skipped;
};

struct rendezvous {
    struct loop *loop;
    struct rendezvous_events events;
    void *context;
    struct auth_secret secret;
    char farm[AUTH_NAME_MAX], instance[AUTH_NAME_MAX], mca[AUTH_MCA_MAX];
    int64_t handshake_limit_ns, init_limit_ns, join_limit_ns;
    int fd, port;
    char host[RENDEZVOUS_HOST_MAX], address[NETWORK_ADDRESS_MAX];
    struct loop_watch *watch;
    struct loop_timer *pause; /* accepting resumes when it expires */
    struct caller *first, *last;
    struct caller *joining;
    unsigned unproven;
    uint64_t next_id, next_turn;
    bool offers_mpi;
    struct quota strangers, joins, full;
    int fd_limit;  /* the process may have descriptors below this */
    int fd_closed; /* a caller's at or above this is closed at once */
    int fd_full;   /* a link's at or above this is refused */
};

/* --- rendezvous.c --- */

/* Tell the user what became of a caller, within the quota of such notices. */
void rendezvous_notice(struct rendezvous *r, struct quota *quota, const struct caller *caller,
                       const char *sentence);

/* A caller is no longer among the unproven. */
void rendezvous_unproven_leave(struct rendezvous *r);

/* --- rendezvous_caller.c --- */

/* A new connection, which is taken: it is closed if memory is short. */
void caller_add(struct rendezvous *r, int fd, const struct sockaddr *address);

/* Close the connection, and its join if one is under way. */
void caller_destroy(struct caller *caller);

/* The same, with a notice. */
void caller_fail(struct caller *caller, struct quota *quota, const char *sentence);

/* Hand the link over; the caller is gone afterwards. */
void caller_joined(struct caller *caller, struct link *link);

/* Its socket becomes the link; the caller is gone afterwards. */
void caller_to_tcp(struct caller *caller);

/* --- rendezvous_gate.c --- */

/* Let the next one through, or, if a stuck join blocks the gate, send all to tcp. */
void gate_turn(struct rendezvous *r);

/* A look at a join under way: has its peer gone, or its time? */
void gate_look(struct caller *caller);

#endif

/*
 * A caller goes through phases:
 *
 *     PROVING → tcp: joined
 *             → mpi: INITIALISING (its MPI) → QUEUED (at the gate) → JOINING → joined
 *
 * and from INITIALISING or QUEUED it may still be sent back to tcp over the same socket, since
 * nothing but single bytes was said there. Once a join has begun the socket's bytes belong to
 * MPI_Comm_join; if that fails, the socket is closed and the worker dials again without MPI.
 * A join that overruns its limit keeps the gate shut until its thread ends, if ever: whoever
 * calls meanwhile gets tcp.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/link_tcp.h"
#include "common/mpi_world.h"
#include "master/rendezvous_private.h"

void caller_destroy(struct caller *caller)
{
    struct rendezvous *r = caller->rendezvous;
    if (caller->phase == PROVING)
        rendezvous_unproven_leave(r);
    *(caller->previous ? &caller->previous->next : &r->first) = caller->next;
    *(caller->next ? &caller->next->previous : &r->last) = caller->previous;
    if (r->joining == caller)
        r->joining = NULL;
    loop_timer_remove(caller->timer);
    loop_watch_remove(caller->watch); /* before the join closes the descriptor it watches */
    mpi_join_abandon(caller->join);
    auth_destroy(caller->auth);
    if (caller->fd >= 0)
        close(caller->fd);
    free(caller);
}

void caller_fail(struct caller *caller, struct quota *quota, const char *sentence)
{
    rendezvous_notice(caller->rendezvous, quota, caller, sentence);
    caller_destroy(caller);
}

void caller_joined(struct caller *caller, struct link *link)
{
    struct rendezvous *r = caller->rendezvous;
    char host[AUTH_NAME_MAX], address[NETWORK_ADDRESS_MAX];
    snprintf(host, sizeof host, "%s", caller->host);
    snprintf(address, sizeof address, "%s", caller->address);
    struct rendezvous_peer peer = {
        .id = caller->id,
        .host = host,
        .address = address,
        .pid = caller->pid,
        .transport = link_transport(link),
    };
    caller_destroy(caller);
    r->events.joined(r->context, link, &peer);
}

void caller_to_tcp(struct caller *caller)
{
    struct error error;
    loop_watch_remove(caller->watch);
    caller->watch = NULL;
    struct link *link = link_tcp_create(caller->fd, &error);
    caller->fd = -1;
    if (link)
        caller_joined(caller, link);
    else
        caller_fail(caller, &caller->rendezvous->joins, error.text);
}

/* New descriptors have the lowest number that is free, so one that is high is one of many. */
static void caller_turn_away(struct caller *caller)
{
    struct rendezvous *r = caller->rendezvous;
    struct error error;
    error_set(&error, ERROR_NETWORK,
              "the master can take no more workers: it may have %d files and connections open; "
              "raise that limit where it runs (ulimit -Hn, LimitNOFILE of a systemd unit)",
              r->fd_limit);
    auth_refuse(caller->auth, error.code, error.text);
    caller_fail(caller, &r->full, error.text);
}

/* Whether MPI is on offer for this worker. */
static bool caller_wants_mpi(const struct rendezvous *r, const struct auth_hello *hello)
{
    bool stuck = !r->joining && !mpi_world_joinable();
    bool ours = !hello->universe[0] || strcmp(hello->universe, r->instance) == 0;
    return r->offers_mpi && hello->mpi && ours && !stuck;
}

static int caller_welcome(struct caller *caller, struct error *ret_error)
{
    struct rendezvous *r = caller->rendezvous;
    const struct auth_hello *hello = auth_hello(caller->auth);
    struct auth_welcome welcome = {.transport = AUTH_TCP};
    snprintf(caller->host, sizeof caller->host, "%s", hello->host);
    caller->pid = hello->pid;
    welcome.id = caller->id = r->next_id++;
    snprintf(welcome.instance, sizeof welcome.instance, "%s", r->instance);
    if (caller_wants_mpi(r, hello)) {
        welcome.transport = AUTH_MPI;
        snprintf(welcome.mpi_uri, sizeof welcome.mpi_uri, "%s", mpi_world_uri());
        snprintf(welcome.mpi_mca, sizeof welcome.mpi_mca, "%s", r->mca);
        caller->offered_mpi = true;
    }
    return auth_welcome(caller->auth, &welcome, ret_error);
}

/* The welcome is out: the socket is a link, or its worker initialises MPI. */
static void caller_admit(struct caller *caller)
{
    struct rendezvous *r = caller->rendezvous;
    caller->phase = INITIALISING;
    rendezvous_unproven_leave(r);
    auth_destroy(caller->auth);
    caller->auth = NULL;
    if (!caller->offered_mpi) {
        caller_to_tcp(caller);
        return;
    }
    loop_watch_set(caller->watch, LOOP_READ);
    loop_timer_arm(caller->timer, clock_monotonic_ns() + r->init_limit_ns);
}

static void caller_prove(struct caller *caller)
{
    struct error error;
    int state = auth_progress(caller->auth, &error);
    if (state == AUTH_PROVEN && caller->fd >= caller->rendezvous->fd_full) {
        caller_turn_away(caller);
        return;
    }
    if (state == AUTH_PROVEN) {
        state = caller_welcome(caller, &error);
        if (state == 0)
            state = auth_progress(caller->auth, &error);
    }
    if (state < 0)
        caller_fail(caller, &caller->rendezvous->strangers, error.text);
    else if (state == AUTH_DONE)
        caller_admit(caller);
    else
        loop_watch_set(caller->watch, auth_wants_write(caller->auth) ? LOOP_WRITE : LOOP_READ);
}

/* A byte from a worker that was offered MPI. */
static void caller_hear(struct caller *caller)
{
    struct rendezvous *r = caller->rendezvous;
    char byte;
    ssize_t got = recv(caller->fd, &byte, 1, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        caller_fail(caller, &r->joins, "the worker left before it joined");
    } else if (caller->phase == INITIALISING && byte == JOIN_READY) {
        caller->phase = QUEUED;
        caller->turn = r->next_turn++;
        loop_timer_disarm(caller->timer);
        gate_turn(r);
    } else if (caller->phase == INITIALISING && byte == JOIN_CANNOT) {
        rendezvous_notice(r, &r->joins, caller,
                          "the worker could not initialise MPI and goes on over tcp");
        caller_to_tcp(caller);
    } else {
        caller_fail(caller, &r->joins, "the worker broke the protocol of joining");
    }
}

static void caller_ready(unsigned events, void *context)
{
    (void)events;
    struct caller *caller = context;
    if (caller->phase == PROVING)
        caller_prove(caller);
    else
        caller_hear(caller);
}

static void caller_expired(void *context)
{
    struct caller *caller = context;
    struct rendezvous *r = caller->rendezvous;
    if (caller->phase == JOINING)
        gate_look(caller);
    else if (caller->phase == PROVING)
        caller_fail(caller, &r->strangers, "the caller did not prove the secret in time");
    else
        caller_fail(caller, &r->joins, "the worker did not initialise its MPI in time");
}

void caller_add(struct rendezvous *r, int fd, const struct sockaddr *address)
{
    struct error error;
    struct caller *caller = calloc(1, sizeof *caller);
    if (!caller) {
        close(fd);
        return;
    }
    caller->rendezvous = r;
    caller->fd = fd;
    caller->since_ns = clock_monotonic_ns();
    network_format(address, caller->address);
    caller->previous = r->last;
    *(r->last ? &r->last->next : &r->first) = caller;
    r->last = caller;
    r->unproven++;
    caller->auth = auth_server_create(fd, &r->secret, r->farm, &error);
    caller->timer = loop_timer_add(r->loop, caller_expired, caller);
    if (caller->auth && caller->timer)
        caller->watch = loop_watch_add(r->loop, fd, LOOP_READ, caller_ready, caller, &error);
    if (!caller->watch) {
        caller_destroy(caller);
        return;
    }
    loop_timer_arm(caller->timer, caller->since_ns + r->handshake_limit_ns);
}

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
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/link_tcp.h"
#include "common/mpi_join.h"
#include "common/mpi_world.h"
#include "common/network.h"
#include "master/listen.h"
#include "master/rendezvous.h"

#define UNPROVEN_MAX   512             /* connections that have not proven the secret */
#define UNPROVEN_GRACE CLOCK_SECOND_NS /* the oldest may be dropped for a newcomer after this */
#define ACCEPT_BATCH   64
#define ACCEPT_PAUSE   (100 * CLOCK_MS_NS) /* when descriptors are short */
#define JOIN_LOOK      (100 * CLOCK_MS_NS) /* how often to look at a join under way */
#define NOTICE_PAUSE   (10 * CLOCK_SECOND_NS)
#define HOST_MAX       256

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
    char host[HOST_MAX], address[NETWORK_ADDRESS_MAX];
    struct loop_watch *watch;
    struct loop_timer *pause; /* accepting resumes when it expires */
    struct caller *first, *last;
    struct caller *joining;
    unsigned unproven;
    uint64_t next_id, next_turn;
    bool offers_mpi;
    struct quota strangers, joins;
};

/* --- notices -------------------------------------------------------------------------- */

static void notice(struct rendezvous *r, struct quota *quota, const struct caller *caller,
                   const char *sentence)
{
    int64_t now_ns = clock_monotonic_ns();
    if (now_ns < quota->next_ns) {
        quota->skipped++;
        return;
    }
    char text[ERROR_TEXT_MAX + 400], more[64] = "";
    if (quota->skipped > 0)
        snprintf(more, sizeof more, " (and %u more such notices)", quota->skipped);
    const char *host = caller->phase == PROVING ? "" : caller->host;
    snprintf(text, sizeof text, "%s%s%s: %s%s", host, *host ? " at " : "", caller->address,
             sentence, more);
    quota->next_ns = now_ns + NOTICE_PAUSE;
    quota->skipped = 0;
    if (r->events.notice)
        r->events.notice(r->context, text);
}

/* --- callers -------------------------------------------------------------------------- */

static void gate_turn(struct rendezvous *r);

/* A caller is no longer among the unproven. */
static void unproven_leave(struct rendezvous *r)
{
    if (r->unproven-- == UNPROVEN_MAX)
        loop_watch_set(r->watch, LOOP_READ);
}

static void caller_destroy(struct caller *caller)
{
    struct rendezvous *r = caller->rendezvous;
    if (caller->phase == PROVING)
        unproven_leave(r);
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

static void caller_fail(struct caller *caller, struct quota *quota, const char *sentence)
{
    notice(caller->rendezvous, quota, caller, sentence);
    caller_destroy(caller);
}

/* Hand the link over; the caller is gone afterwards. */
static void caller_joined(struct caller *caller, struct link *link)
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

static void caller_to_tcp(struct caller *caller)
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
    unproven_leave(r);
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
        notice(r, &r->joins, caller,
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

/* --- the gate ------------------------------------------------------------------------- */

static struct caller *gate_first(const struct rendezvous *r)
{
    struct caller *first = NULL;
    for (struct caller *caller = r->first; caller; caller = caller->next)
        if (caller->phase == QUEUED && (!first || caller->turn < first->turn))
            first = caller;
    return first;
}

static void join_ended(unsigned events, void *context)
{
    (void)events;
    struct caller *caller = context;
    struct rendezvous *r = caller->rendezvous;
    struct error error;
    loop_watch_remove(caller->watch);
    caller->watch = NULL;
    struct link *link = mpi_join_finish(caller->join, &error);
    caller->join = NULL;
    r->joining = NULL;
    if (link)
        caller_joined(caller, link);
    else
        caller_fail(caller, &r->joins, error.text);
    gate_turn(r);
}

/* Send a proven worker's byte. False if it is gone. */
static bool say(const struct caller *caller, char byte)
{
    return send(caller->fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

static void join_begin(struct caller *caller)
{
    struct rendezvous *r = caller->rendezvous;
    struct error error;
    loop_watch_remove(caller->watch);
    caller->watch = NULL;
    if (!say(caller, JOIN_GO)) {
        caller_fail(caller, &r->joins, "the worker left before it joined");
        return;
    }
    caller->join = mpi_join_start(caller->fd, MPI_JOIN_MASTER, &error);
    caller->fd = -1;
    if (caller->join)
        caller->watch = loop_watch_add(r->loop, mpi_join_fd(caller->join), LOOP_READ,
                                       join_ended, caller, &error);
    if (!caller->watch) {
        caller_fail(caller, &r->joins, error.text);
        return;
    }
    r->joining = caller;
    caller->phase = JOINING;
    caller->deadline_ns = clock_monotonic_ns() + r->join_limit_ns;
    loop_timer_arm(caller->timer, clock_monotonic_ns() + JOIN_LOOK);
}

/* Let the next one through, or, if a stuck join blocks the gate, send all to tcp. */
static void gate_turn(struct rendezvous *r)
{
    struct caller *caller;
    while (!r->joining && (caller = gate_first(r))) {
        if (mpi_world_joinable())
            join_begin(caller);
        else if (say(caller, JOIN_TCP))
            caller_to_tcp(caller);
        else
            caller_fail(caller, &r->joins, "the worker left before it joined");
    }
}

/* A look at a join under way. */
static void join_look(struct caller *caller)
{
    struct rendezvous *r = caller->rendezvous;
    bool gone = mpi_join_peer_gone(caller->join);
    int64_t now_ns = clock_monotonic_ns();
    if (!gone && now_ns < caller->deadline_ns) {
        loop_timer_arm(caller->timer, now_ns + JOIN_LOOK);
        return;
    }
    caller_fail(
        caller, &r->joins,
        gone ? "the worker died while it joined; later workers get tcp"
             : "an MPI join took longer than its limit; later workers get tcp until it ends");
    gate_turn(r);
}

static void caller_expired(void *context)
{
    struct caller *caller = context;
    struct rendezvous *r = caller->rendezvous;
    if (caller->phase == JOINING)
        join_look(caller);
    else if (caller->phase == PROVING)
        caller_fail(caller, &r->strangers, "the caller did not prove the secret in time");
    else
        caller_fail(caller, &r->joins, "the worker did not initialise its MPI in time");
}

/* --- accepting ------------------------------------------------------------------------ */

static void caller_add(struct rendezvous *r, int fd, const struct sockaddr *address)
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

/* Make room among the unproven: drop the oldest if it had its chance. */
static bool unproven_room(struct rendezvous *r)
{
    if (r->unproven < UNPROVEN_MAX)
        return true;
    for (struct caller *caller = r->first; caller; caller = caller->next) {
        if (caller->phase != PROVING)
            continue;
        if (clock_monotonic_ns() - caller->since_ns < UNPROVEN_GRACE)
            return false;
        caller_fail(caller, &r->strangers, "too many callers did not prove the secret");
        return true;
    }
    return false;
}

static void accept_pause(struct rendezvous *r)
{
    loop_watch_set(r->watch, 0);
    loop_timer_arm(r->pause, clock_monotonic_ns() + ACCEPT_PAUSE);
}

static void accept_resume(void *context)
{
    struct rendezvous *r = context;
    loop_watch_set(r->watch, LOOP_READ);
}

static void accept_ready(unsigned events, void *context)
{
    (void)events;
    struct rendezvous *r = context;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        struct sockaddr_storage address;
        socklen_t size = sizeof address;
        if (!unproven_room(r)) {
            accept_pause(r);
            return;
        }
        int fd =
            accept4(r->fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            caller_add(r, fd, (struct sockaddr *)&address);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            accept_pause(r);
            return;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } /* otherwise that connection broke before it was accepted: the next one */
    }
}

/* --- opening -------------------------------------------------------------------------- */

static int options_take(struct rendezvous *r, const struct rendezvous_options *options,
                        struct error *ret_error)
{
    if (strlen(options->farm) >= sizeof r->farm ||
        strlen(options->instance) >= sizeof r->instance)
        return error_set(ret_error, ERROR_CONFIG, "the farm's name is longer than %d bytes",
                         AUTH_NAME_MAX - 1);
    snprintf(r->farm, sizeof r->farm, "%s", options->farm);
    snprintf(r->instance, sizeof r->instance, "%s", options->instance);
    r->secret = options->secret;
    r->next_id = options->first_id ? options->first_id : 1;
    r->next_turn = 1;
    r->handshake_limit_ns =
        options->handshake_limit_ns ? options->handshake_limit_ns : 10 * CLOCK_SECOND_NS;
    r->init_limit_ns = options->init_limit_ns ? options->init_limit_ns : 60 * CLOCK_SECOND_NS;
    r->join_limit_ns = options->join_limit_ns ? options->join_limit_ns : 10 * CLOCK_SECOND_NS;
    if (gethostname(r->host, sizeof r->host) < 0 || !r->host[0])
        snprintf(r->host, sizeof r->host, "%s", "localhost");
    r->host[sizeof r->host - 1] = 0;
    return 0;
}

static int rendezvous_watch(struct rendezvous *r, struct error *ret_error)
{
    r->watch = loop_watch_add(r->loop, r->fd, LOOP_READ, accept_ready, r, ret_error);
    r->pause = loop_timer_add(r->loop, accept_resume, r);
    if (r->watch && !r->pause)
        error_errno(ret_error, ENOMEM, "no memory for the rendezvous");
    return r->watch && r->pause ? 0 : -1;
}

struct rendezvous *rendezvous_open(struct loop *loop, const struct rendezvous_options *options,
                                   const struct rendezvous_events *events, void *context,
                                   struct error *ret_error)
{
    struct rendezvous *r = calloc(1, sizeof *r);
    if (!r) {
        error_errno(ret_error, ENOMEM, "no memory for the rendezvous");
        return NULL;
    }
    r->fd = -1;
    r->loop = loop;
    r->events = *events;
    r->context = context;
    if (options_take(r, options, ret_error) < 0 ||
        (r->fd = listen_open(options->network, options->port, &r->port, r->address,
                             ret_error)) < 0 ||
        rendezvous_watch(r, ret_error) < 0) {
        rendezvous_close(r);
        return NULL;
    }
    return r;
}

int rendezvous_offer_mpi(struct rendezvous *r, const char *mca, struct error *ret_error)
{
    if (mca && strlen(mca) >= sizeof r->mca)
        return error_set(ret_error, ERROR_CONFIG, "mpi.mca is longer than %d bytes",
                         AUTH_MCA_MAX - 1);
    if (strcmp(mpi_world_instance(), r->instance) != 0)
        return error_set(ret_error, ERROR_BUG, "MPI is offered before it was initialised");
    snprintf(r->mca, sizeof r->mca, "%s", mca ? mca : "");
    r->offers_mpi = true;
    return 0;
}

void rendezvous_close(struct rendezvous *r)
{
    if (!r)
        return;
    while (r->first)
        caller_destroy(r->first);
    loop_timer_remove(r->pause);
    loop_watch_remove(r->watch);
    if (r->fd >= 0)
        close(r->fd);
    auth_secret_wipe(&r->secret);
    free(r);
}

bool rendezvous_joining(const struct rendezvous *r)
{
    for (const struct caller *caller = r->first; caller; caller = caller->next)
        if (caller->phase != PROVING)
            return true;
    return false;
}

int rendezvous_port(const struct rendezvous *r)
{
    return r->port;
}

const char *rendezvous_host(const struct rendezvous *r)
{
    return r->host;
}

const char *rendezvous_address(const struct rendezvous *r)
{
    return r->address;
}

#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/descriptors.h"
#include "common/mpi_world.h"
#include "master/listen.h"
#include "master/rendezvous_private.h"

#define UNPROVEN_MAX   512             /* connections that have not proven the secret */
#define UNPROVEN_GRACE CLOCK_SECOND_NS /* the oldest may be dropped for a newcomer after this */
#define ACCEPT_BATCH   64
#define ACCEPT_PAUSE   (100 * CLOCK_MS_NS) /* when descriptors are short */
#define NOTICE_PAUSE   (10 * CLOCK_SECOND_NS)
/* Descriptors kept free for the journal and output files, and beside them for callers, who are to
 * be told why they cannot stay. */
#define RESERVE_OWN     32
#define RESERVE_CALLERS 32

void rendezvous_notice(struct rendezvous *r, struct quota *quota, const struct caller *caller,
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

/* --- accepting ------------------------------------------------------------------------ */

void rendezvous_unproven_leave(struct rendezvous *r)
{
    if (r->unproven-- == UNPROVEN_MAX)
        loop_watch_set(r->watch, LOOP_READ);
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
        if (fd >= r->fd_closed) {
            close(fd);
            accept_pause(r);
            return;
        } else if (fd >= 0) {
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

/* Where the limit is so low that the reserves are most of it, links get half. */
static void descriptors_share(struct rendezvous *r)
{
    r->fd_limit = (int)descriptors_limit();
    int reserve = RESERVE_OWN + RESERVE_CALLERS;
    if (reserve > r->fd_limit / 2)
        reserve = r->fd_limit / 2;
    r->fd_full = r->fd_limit - reserve;
    r->fd_closed = r->fd_limit - reserve / 2;
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
    descriptors_share(r);
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

/*
 * MPI takes one newcomer at a time: the workers that are ready stand in a queue, and the one in
 * front is told to go. Its join runs in a thread of its own (common/mpi_join.h), at which we look
 * now and then.
 */
#include "config.h"

#include "common/mpi_world.h"
#include "master/rendezvous_private.h"

#define JOIN_LOOK (100 * CLOCK_MS_NS) /* how often to look at a join under way */

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

void gate_turn(struct rendezvous *r)
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

void gate_look(struct caller *caller)
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

/*
 * redial.h - finding the master again, while tasks go on running.
 *
 * Dialling blocks, so it happens in a thread, over TCP (a process can enter one MPI universe
 * only, and only from its main thread).
 */
#ifndef BEOFARM_WORKER_REDIAL_H
#define BEOFARM_WORKER_REDIAL_H

#include "common/loop.h"
#include "worker/dial.h"

struct redial;

/* Dial again and again, first at once, then as dial_backoff_ns says, until it succeeds, it is
 * pointless (dial_may_retry), or until_ns (clock_monotonic_ns) has passed. `done` is then called
 * once from the loop, with the link (the callee's) or NULL and the last error (ERROR_NONE: the farm
 * is over, as its container says, which also says where the master has gone). Options are
 * borrowed until then. NULL if no thread can be started. */
struct redial *
redial_start(struct loop *loop, const struct dial_options *options, int64_t until_ns,
             void (*done)(void *context, struct link *link, const struct dial_answer *answer,
                          const struct error *error),
             void *context, struct error *ret_error);

/* Stop waiting for it; `done` is not called any more. Also to be called after `done`, to free.
 * NULL is allowed. */
void redial_stop(struct redial *redial);

#endif

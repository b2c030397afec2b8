/*
 * loop.h - one thread's event loop: descriptors, timers, signals, on epoll.
 *
 * Callbacks run one at a time in the thread that called loop_run. A loop with nothing to do
 * sleeps in epoll_wait and uses no CPU. Removing a watch or timer inside any callback is safe,
 * also of the one that is running.
 */
#ifndef BEOFARM_COMMON_LOOP_H
#define BEOFARM_COMMON_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

struct loop;
struct loop_watch;
struct loop_timer;

#define LOOP_READ   1u
#define LOOP_WRITE  2u
#define LOOP_HANGUP 4u /* reported only: the peer closed, or an error is pending */

/* NULL with a sentence if the kernel gives no descriptors. */
struct loop *loop_create(struct error *ret_error);
void loop_destroy(struct loop *loop); /* frees remaining watches and timers; NULL is allowed */

/* Run until loop_stop. 0, or -1 if the kernel refuses to wait. */
int loop_run(struct loop *loop, struct error *ret_error);
/* Make loop_run return once the callback that runs has returned. */
void loop_stop(struct loop *loop);

/* Call `ready(events, context)` whenever fd (borrowed) is ready for one of `events`.
 * NULL with a sentence if fd cannot be watched. Level-triggered. */
struct loop_watch *loop_watch_add(struct loop *loop, int fd, unsigned events,
                                  void (*ready)(unsigned events, void *context), void *context,
                                  struct error *ret_error);
/* Watch for other events; with 0 for none, not even for a hang-up. */
void loop_watch_set(struct loop_watch *watch, unsigned events);
void loop_watch_remove(struct loop_watch *watch); /* before fd is closed; NULL is allowed */

/* A one-shot timer, created unarmed. Armed with an absolute clock_monotonic_ns time; arming
 * again moves it; it is unarmed when its callback runs. */
struct loop_timer *loop_timer_add(struct loop *loop, void (*expired)(void *context),
                                  void *context);
void loop_timer_arm(struct loop_timer *timer, int64_t when_ns);
void loop_timer_disarm(struct loop_timer *timer);
void loop_timer_remove(struct loop_timer *timer); /* NULL is allowed */

/* Block `signals` (zero-terminated) in this thread and call `caught(signal, context)` from the
 * loop. Call before threads start, so that they inherit the mask; signals that other threads get
 * all the same are handed on to this one. */
int loop_signals(struct loop *loop, const int *signals,
                 void (*caught)(int signal, void *context), void *context,
                 struct error *ret_error);

/* Call `turn(context)` once after every round of events, before sleeping. It returns how long
 * the loop may sleep in ns: INT64_MAX for "until something happens", 0 for "call me again at
 * once". */
void loop_set_turn(struct loop *loop, int64_t (*turn)(void *context), void *context);

#endif

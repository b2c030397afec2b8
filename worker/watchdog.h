/*
 * watchdog.h - ends a worker whose event loop has stopped turning.
 *
 * The master declares a silent worker lost and runs its tasks elsewhere, but the process itself
 * would stay, hold its cores, and never be started again by whoever looks after it. So a thread
 * watches the loop: a timer of the loop makes a mark every period, and where WATCHDOG_STRIKES
 * looks in a row, a period apart, find no new mark, `hung` is called in that thread. Counting looks
 * rather than seconds makes a worker that was itself stopped (SIGSTOP, a suspended machine)
 * innocent. With a period of seconds it costs nothing that can be measured.
 */
#ifndef BEOFARM_WORKER_WATCHDOG_H
#define BEOFARM_WORKER_WATCHDOG_H

#include <stdint.h>

#include "common/error.h"

#define WATCHDOG_STRIKES 4

struct loop;
struct watchdog;

/* Begin to watch. `hung` may be called from the watching thread, at most once, and need not
 * return. NULL with a sentence if there is no thread to be had. */
struct watchdog *watchdog_create(struct loop *loop, int64_t period_ns,
                                 void (*hung)(void *context), void *context,
                                 struct error *ret_error);

/* In the loop's thread, before the loop is destroyed; NULL is allowed. */
void watchdog_destroy(struct watchdog *watchdog);

#endif

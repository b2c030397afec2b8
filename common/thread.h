/*
 * thread.h - threads beside an event loop, and how they wait.
 *
 * Signals are the event loop's: a thread started here receives none. Deadlines are times of
 * CLOCK_MONOTONIC, whatever the tests have put in place of clock.h's clocks.
 */
#ifndef BEOFARM_COMMON_THREAD_H
#define BEOFARM_COMMON_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Start a thread, with all signals blocked; the caller joins or detaches it. 0, or the errno value
 * of pthread_create. */
int thread_start(pthread_t *ret_thread, void *(*run)(void *context), void *context);

/* A condition variable whose deadlines are of the monotonic clock. The caller ends it with
 * pthread_cond_destroy. */
void thread_condition_init(pthread_cond_t *condition);

/* The time that comes after_ns (at least 0) from now. */
struct timespec thread_deadline(int64_t after_ns);

/* Wait until *over, which `lock` guards and whoever sets it signals; at most until `deadline`.
 * `lock` is held by the caller. Returns *over. */
bool thread_wait(pthread_cond_t *condition, pthread_mutex_t *lock, const bool *over,
                 struct timespec deadline);

#endif

/*
 * errand.h - work that would hold up the loop, done in a thread of its own.
 */
#ifndef BEOFARM_COMMON_ERRAND_H
#define BEOFARM_COMMON_ERRAND_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

struct loop;
struct errand;

/* For one piece of work at a time. NULL with a sentence. */
struct errand *errand_create(struct loop *loop, struct error *ret_error);

/* Waits for work that is under way; its `done` is not called. NULL is allowed. */
void errand_destroy(struct errand *errand);

/* Call work(context) in a thread, and afterwards done(context) from the loop. None may be under
 * way. Where no thread can be had, the work is done before this returns, in the loop's thread. */
void errand_start(struct errand *errand, void (*work)(void *context),
                  void (*done)(void *context), void *context);

/* Whether work is under way: from errand_start until just before `done` is called. */
bool errand_is_busy(const struct errand *errand);

/* Wait for work that is under way, at most `ns`. Whether it is through: then `done` is not called.
 */
bool errand_wait(struct errand *errand, int64_t ns);

/* In place of errand_destroy, for work that takes longer than anybody waits: it stays under way
 * until the process ends, with everything that it uses; its `done` is not called. */
void errand_abandon(struct errand *errand);

/* Whether work was abandoned in this process, which is then to be left by _exit: exit() takes down
 * libraries that the work may be in. */
bool errand_is_abroad(void);

#endif

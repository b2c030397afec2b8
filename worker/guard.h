/*
 * guard.h - a process that outlives a worker killed with SIGKILL, and ends what it left running.
 */
#ifndef BEOFARM_WORKER_GUARD_H
#define BEOFARM_WORKER_GUARD_H

#include <sys/types.h>

#include "common/error.h"

struct guard;

/* Start it, before any thread exists. When this process is gone, the guard kills every process
 * whose BEOFARM_ATTEMPT_KEY begins with `key` and ':', and exits. */
struct guard *guard_create(const char *key, struct error *ret_error);

/* Dismiss it. NULL is allowed. */
void guard_destroy(struct guard *guard);

/* Its process id; it is a child of ours that nobody else should wait for. */
pid_t guard_pid(const struct guard *guard);

#endif

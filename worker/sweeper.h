/*
 * sweeper.h - removes large directories without holding up the loop.
 *
 * What is given to it is renamed away at once, so its name is free again, and removed by a thread
 * that is started when it is first needed.
 */
#ifndef BEOFARM_WORKER_SWEEPER_H
#define BEOFARM_WORKER_SWEEPER_H

#include "common/error.h"

struct sweeper;

/* For names below the directory root_fd (borrowed). Leftovers of an earlier sweeper of this root
 * are removed too. */
struct sweeper *sweeper_create(int root_fd, struct error *ret_error);

/* Wait until everything is removed, and free. NULL is allowed. */
void sweeper_destroy(struct sweeper *sweeper);

/* Take root_fd/name; nothing happens if it does not exist. */
void sweeper_take(struct sweeper *sweeper, const char *name);

#endif

/*
 * renewal.h - keeps a worker's right to its farm's container.
 *
 * Whoever speaks to the container looks for a new SAS in time (common/azure/container.h), but a
 * worker whose task takes days may speak to nobody until the old one has ended, and with that
 * nothing can be had any more, not even the new one. So one is looked for beside the work.
 */
#ifndef BEOFARM_WORKER_RENEWAL_H
#define BEOFARM_WORKER_RENEWAL_H

#include "common/loop.h"

struct renewal;

/* NULL where the farm has no container, or one by a right that does not end, or memory is short. */
struct renewal *renewal_create(struct loop *loop);
void renewal_destroy(struct renewal *renewal); /* NULL is allowed */

#endif

/*
 * instance.h - names this worker process among all that ever were.
 *
 * Partial sums live in the memory of the process that made them: a worker that was started anew
 * in the same place does not have them. So who holds something is said by this number.
 */
#ifndef BEOFARM_WORKER_INSTANCE_H
#define BEOFARM_WORKER_INSTANCE_H

#include <stdint.h>

#define INSTANCE_TEXT 17 /* 16 hex digits and a NUL */

/* A random number above 0, the same for the whole life of this process; READY says it. Any thread
 * may ask. */
uint64_t instance_get(void);

/* The same as 16 hex digits, as tasks and results name it ("holder"). Borrowed, static. */
const char *instance_text(void);

#endif

/*
 * interrupt.h - Ctrl-C and SIGTERM, counted; and sleeping until one comes.
 */
#ifndef BEOFARM_LAUNCH_INTERRUPT_H
#define BEOFARM_LAUNCH_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>

/* From now on SIGINT and SIGTERM are counted instead of ending the process. They interrupt nothing
 * but interrupt_sleep and interrupt_wait, so that nothing is cut in two. */
void interrupt_open(void);

/* How many came so far, up to now. */
int interrupt_count(void);

/* Sleep for `ns`; less if a signal comes, or came since the last sleep. */
void interrupt_sleep(int64_t ns);

/* The same, until `fd` can be read: true if it can. */
bool interrupt_wait(int fd, int64_t ns);

#endif

/*
 * umask.h - the permissions that this process takes from new files, read.
 *
 * umask(2) tells them only by setting others, and what another thread makes meanwhile gets those.
 */
#ifndef BEOFARM_COMMON_UMASK_H
#define BEOFARM_COMMON_UMASK_H

#include <sys/types.h>

/* Without /proc (or before Linux 4.7) by umask(2). */
mode_t umask_get(void);

#endif

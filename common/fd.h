/*
 * fd.h - descriptors, where the plain call leaves something to do.
 */
#ifndef BEOFARM_COMMON_FD_H
#define BEOFARM_COMMON_FD_H

#include <stddef.h>

/* Write all bytes, however many calls that takes. For files, and descriptors that block. 0, or -1
 * with errno; some may have been written then. */
int fd_write(int fd, const void *bytes, size_t size);

#endif

/*
 * descriptors.h - how many files and connections this process may have open.
 *
 * Shells start programs with a limit of 1024, for the sake of old ones that use select; the system
 * permits far more to those that ask. A master has one connection per worker, so it asks.
 */
#ifndef BEOFARM_COMMON_DESCRIPTORS_H
#define BEOFARM_COMMON_DESCRIPTORS_H

#include <stddef.h>

/* The most that is asked for: programs that close all descriptors one by one exist, and where the
 * system's limit is "none" they take minutes. */
#define DESCRIPTORS_MAX ((size_t)1 << 20)

/* Raise the limit of this process to what the system permits. Returns the limit that then holds. */
size_t descriptors_raise(void);

/* The limit that holds now. */
size_t descriptors_limit(void);

/* Set the limit back to what it was before descriptors_raise: for children, between fork and exec,
 * since what they are knows nobody. System calls alone. */
void descriptors_restore(void);

#endif

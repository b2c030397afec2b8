/*
 * right.h - the SAS that lasts longest of those that this process has found for a container.
 *
 * Threads speak to a container each through one of their own (container.h), and some of them for
 * the first time after the SAS in the environment has ended: they take what another one has found.
 * May be called from any thread. What is kept are secrets.
 */
#ifndef BEOFARM_COMMON_AZURE_RIGHT_H
#define BEOFARM_COMMON_AZURE_RIGHT_H

#include <stdint.h>

/* Keep a copy of `sas`, which ends at expiry_s (since 1970), for the container NAME at URL, unless
 * one that lasts longer is kept. A process that has more than a few containers keeps the latest. */
void right_note(const char *url, const char *name, const char *sas, int64_t expiry_s);

/* The one that is kept if it ends later than than_s: a copy, which the caller passes to
 * secret_free. NULL if there is none. */
char *right_get(const char *url, const char *name, int64_t than_s);

#endif

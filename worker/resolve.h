/*
 * resolve.h - host names to addresses, without trusting the resolver.
 */
#ifndef BEOFARM_WORKER_RESOLVE_H
#define BEOFARM_WORKER_RESOLVE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/error.h"

struct resolved {
    struct sockaddr_storage address;
    socklen_t size;
};

/* Addresses of `host` for `port`, then `address` (a numeric one; NULL or "" if not known) unless it
 * is among them, into ret_list (at most `max`, at least 1). A resolver that does not answer by
 * deadline_ns (clock_monotonic_ns) is left behind in its thread. Returns how many, or -1: none
 * (ERROR_NETWORK), or ERROR_INTERRUPTED when cancel_fd (or -1) became readable. */
int resolve(const char *host, const char *address, int port, int64_t deadline_ns, int cancel_fd,
            struct resolved *ret_list, size_t max, struct error *ret_error);

#endif

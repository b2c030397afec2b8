/*
 * whereabouts.h - where a farm's master is, as the small blob RUN/master.json in the farm's
 * container says: a master that Azure starts again does so on another node, and its workers must
 * find it.
 *
 *     {"host": "n1", "address": "10.0.0.4", "port": 4004, "instance": "..."}
 *     {"ended": "done"}                      the farm is over; the status is that of the end event
 */
#ifndef BEOFARM_COMMON_WHEREABOUTS_H
#define BEOFARM_COMMON_WHEREABOUTS_H

#include "common/azure/container.h"
#include "common/error.h"

struct whereabouts {
    char host[256], address[64], instance[40];
    int port;       /* 1 to 65535 */
    char ended[32]; /* "": the farm goes on, and the fields above are set */
};

/* Write it, over what is there. 0, or -1 with a sentence. */
int whereabouts_put(struct container *container, const struct whereabouts *whereabouts,
                    struct error *ret_error);

/* Read it. 0, BLOB_MISSING, or -1 with a sentence. */
int whereabouts_get(struct container *container, struct whereabouts *ret_whereabouts,
                    struct error *ret_error);

#endif

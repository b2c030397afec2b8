/*
 * mate.h - `beofarm-worker --mate`: stands in for a worker on one of its other nodes.
 *
 * A multi-instance task of Batch runs its coordination command on each of its nodes, and when these
 * have ended, the worker on the first. The coordination command starts a mate, which goes into the
 * background and dials the worker until it answers. It then does what the worker's tasks need
 * there: lays their directory, starts processes in it, sends back what they have left
 * (mate_message.h).
 *
 * When the worker is gone, everything that runs there ends; the mate dials on for MATE_REDIAL_NS
 * and then ends itself, so that nothing stays that nobody watches.
 */
#ifndef BEOFARM_WORKER_MATE_H
#define BEOFARM_WORKER_MATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/auth.h"
#include "common/error.h"

#define MATE_FIRST_NS  (INT64_C(900) * 1000000000) /* for the worker to start */
#define MATE_REDIAL_NS (INT64_C(120) * 1000000000) /* for one that was lost */

struct mate_settings {
    char host[AUTH_NAME_MAX]; /* where the worker is: a numeric address */
    int port;
    char farm[AUTH_NAME_MAX];
    struct auth_secret secret;
    const char *log_path; /* where standard output and error go; NULL: where they go now */
    bool detach;          /* into the background */
};

/* Fill in from the environment: BEOFARM_SECRET, BEOFARM_FARM, BEOFARM_MATE_PORT, and of Batch
 * AZ_BATCH_HOST_LIST, whose first node is the worker's. 0 or -1 with a sentence. */
int mate_settings_read(struct mate_settings *ret_settings, struct error *ret_error);

/* Where mates look for their worker: BEOFARM_MATE_PORT, or MATE_PORT. 0 or -1. */
int mate_port_read(int *ret_port, struct error *ret_error);

/* Run. Returns an exit code: at once in the foreground process of a mate that detaches. */
int mate_run(const struct mate_settings *settings, struct error *ret_error);

#endif

/*
 * mates.h - a worker's view of its other nodes: the mates that run there (mate.h), and what a task
 * needs of them.
 *
 * Mates dial the worker and prove the farm's secret; which node one stands for shows by the address
 * it comes from. Before a task starts, its directory is laid on every node, at the same path; when
 * it has ended, what is new or has changed there comes into the worker's own directory. Where that
 * is on a disk that the nodes share, there is nothing to do. One task at a time.
 */
#ifndef BEOFARM_WORKER_MATES_H
#define BEOFARM_WORKER_MATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/auth.h"
#include "common/error.h"
#include "common/loop.h"

struct mates;

struct mates_settings {
    char *const *hosts; /* `count` numeric addresses, our own (not counted as a mate) first */
    size_t count;
    const char *farm; /* its name */
    const struct auth_secret *secret;
    int port;           /* at which mates are awaited */
    const char *folder; /* of our own: `socket` is made there, for remotes */
    const char *
        stash; /* where mates keep files between tasks: absolute, not below a task's directory */
    int64_t patience_ns; /* to wait for all mates at first */

    /* All mates are there. Never called from mates_create. */
    void (*ready)(void *context);
    /* A mate did not come, or is gone: there can be no more tasks. Called once. */
    void (*lost)(void *context, const struct error *error);
    void *context;
};

/* All of settings is copied. NULL with a sentence if the port or the socket cannot be had. */
struct mates *mates_create(struct loop *loop, const struct mates_settings *settings,
                           struct error *ret_error);
void mates_destroy(struct mates *mates); /* the mates end what they run; NULL is allowed */

typedef void (*mates_done)(void *context,
                           const struct error *error); /* error: NULL if all is well */

/* Lay what is in `directory` (absolute; its descriptor dir_fd stays open until the task is over) on
 * all nodes; what remotes have started there gets these variables. Calls done later, never from
 * here. */
void mates_lay(struct mates *mates, const char *directory, int dir_fd, char *const *variables,
               mates_done done, void *context);

/* The task has ended here: end it there, and bring into the directory what it has left. Of two that
 * have a file of one name, our own wins, or the first that came. */
void mates_gather(struct mates *mates, mates_done done, void *context);

/* The task is over, or is to be: its directories on the mates go, with all that runs there. What
 * was begun calls no `done` any more. Needed after every mates_lay. */
void mates_clear(struct mates *mates);

#endif

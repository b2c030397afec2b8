/*
 * request.h - the farm that somebody asked for: the farm file, with what the command line
 * overrides in it.
 */
#ifndef BEOFARM_LAUNCH_REQUEST_H
#define BEOFARM_LAUNCH_REQUEST_H

#include <stdint.h>

#include "common/error.h"
#include "common/farmfile.h"

#define REQUEST_NOT_GIVEN  INT64_MIN
#define REQUEST_SOCKET_MAX 107 /* bytes of a Unix socket's path */

struct request_overrides {
    int64_t workers; /* for $.backend.workers; REQUEST_NOT_GIVEN */
    int64_t tasks;   /* for $.limits.tasks; REQUEST_NOT_GIVEN */
    int64_t slots;   /* for $.worker.slots; REQUEST_NOT_GIVEN */
    /* For $.work.path, absolute; "": not given. Work of the kinds "pest" and "shots" becomes kind
     * "socket". */
    char socket[REQUEST_SOCKET_MAX + 1];
};

struct request {
    char *path;           /* absolute, of the file read */
    char *folder;         /* where its relative paths start */
    struct farmfile farm; /* overridden, checked, defaults filled in */
    char *text;           /* farm.root as JSON: farm.json as run */
    int workers;          /* $.backend.workers */
    int nodes;            /* of each worker: $.work.nodes, or 1 */
};

/* The file that an argument means: with .pst behind it where there is such a file, and none of the
 * argument's own name or that has no ending, as with PEST's own programs; else itself. Caller
 * frees. */
char *request_find(const char *argument, struct error *ret_error);

/* Note --driver-socket PATH, relative to the working directory. -1: it is too long. */
int request_override_socket(struct request_overrides *overrides, const char *path,
                            struct error *ret_error);

/* Read and check the farm file at `path`. `overrides` may be NULL. */
int request_open(const char *path, const struct request_overrides *overrides,
                 struct request *ret_request, struct error *ret_error);

/* Free; a zeroed one is allowed. */
void request_close(struct request *request);

#endif

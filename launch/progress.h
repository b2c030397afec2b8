/*
 * progress.h - the fold of the master's standard output: everything that run, status and watch
 * know about a farm (docs/architecture.md).
 *
 * The first line is the master's hostname, `NAME` or `hostname NAME`; each line after it is a JSON
 * object. What is no such object, or an event that is not known here, is passed by.
 */
#ifndef BEOFARM_LAUNCH_PROGRESS_H
#define BEOFARM_LAUNCH_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/buf.h"
#include "common/error.h"

#define PROGRESS_FAILURES_MAX 5
#define PROGRESS_LINE_MAX     ((size_t)1 << 20)
#define PROGRESS_HOST_MAX     255

struct progress_worker {
    int64_t id;
    char *host, *transport;
    char *state; /* "joined", "lost", "left", "set-aside" */
    int64_t slots;
};

struct progress_failure {
    int64_t task;
    char *sentence;
};

struct progress {
    char host[PROGRESS_HOST_MAX + 1]; /* "" until the first line */
    bool listening;                   /* address and port are known */
    char *address, *transport;        /* NULL until then */
    int port;

    bool counted;         /* a progress or end event was seen: the counts below are real */
    int64_t done, failed; /* done: ended well */
    int64_t cancelled;    /* the driver did not want them any more */
    int64_t total;        /* -1: not known */
    int64_t running, waiting;
    int64_t resumed; /* of all these: those that an earlier master saw end */
    int64_t workers_joined, slots;
    double rate, elapsed_s;

    struct {
        bool known; /* an estimate event was seen */
        int64_t wave, first, runs, iteration;
        char *purpose;
        double phi, lambda; /* NaN: not known */
        bool misfit;        /* is what phi is called here */
    } estimate;

    struct progress_worker *workers; /* every worker that ever joined */
    size_t worker_count;
    struct progress_failure failures[PROGRESS_FAILURES_MAX]; /* the first ones */
    size_t failure_count;                                    /* kept of them */

    bool ended;
    char *status, *sentence; /* of the end event; NULL if it said none */
    int64_t lost;            /* by a stop: shots that had ended, but are computed again */
    int64_t unwritten;       /* the same: results that the journal could not take */

    struct buf line; /* the last line, as far as it came */
    bool line_dropped;
};

/* Nothing was said yet. */
void progress_init(struct progress *progress);
void progress_fini(struct progress *progress);

/* Take the next bytes of the master's stdout. `each` (may be NULL) is called for every whole line
 * after it was folded in: `text` without its line break, and the object parsed (NULL for the first
 * line and what is no object). 0, or -1 if the first line is no hostname (ERROR_BACKEND). */
int progress_feed(struct progress *progress, const void *bytes, size_t size,
                  void (*each)(void *context, const char *text, const cJSON *event),
                  void *context, struct error *ret_error);

/* Tasks that have ended, in one way or the other. */
int64_t progress_ended(const struct progress *progress);

/* Seconds until the farm is done at the present rate; -1 if that cannot be said. */
double progress_left_s(const struct progress *progress);

/* The whole of it as JSON, for `status --json`. Caller frees with cJSON_Delete. */
cJSON *progress_print(const struct progress *progress);

#endif

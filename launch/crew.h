/*
 * crew.h - the farm's worker tasks: submits them, and submits again those that died.
 *
 * A worker that ends with exit code 0 has left because it was told to, and is not replaced. One
 * that ends otherwise is submitted again, up to limits.worker_restarts times, each time after a
 * longer pause; unless its exit code says that trying again is of no use.
 */
#ifndef BEOFARM_LAUNCH_CREW_H
#define BEOFARM_LAUNCH_CREW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "launch/roster.h"
#include "launch/submission.h"

struct crew;

/* What a crew is made with. All borrowed until crew_destroy. */
struct crew_context {
    struct backend *backend;
    const struct submission_farm *farm;
    const struct submission_master *master;
    unsigned restarts; /* of each worker */
    void (*notice)(void *context, const char *sentence);
    void *notice_context;
};

/* A crew that has submitted nobody yet; NULL if memory is short. */
struct crew *crew_create(const struct crew_context *context, struct error *ret_error);
void crew_destroy(struct crew *crew); /* the tasks go on; NULL is allowed */

/* See to it that workers 1 to `count` run: take over those of the roster that do, submit the
 * others. -1 if not a single one could be submitted. */
int crew_start(struct crew *crew, int count, const struct roster *roster,
               struct error *ret_error);

/* Look after them (one question to the backend): notice the dead, restart whom to restart. */
int crew_check(struct crew *crew, struct error *ret_error);

/* There is work for `count` workers more: submit again so many of those that left of their own. -1
 * if they could not be; they are then left alone until the next time. */
int crew_refill(struct crew *crew, int64_t count, struct error *ret_error);

/* The backend's task of the first worker; NULL if it was not submitted yet, or there is none. */
const char *crew_first(const struct crew *crew);

/* Submitted and, as far as was seen last, not ended; or about to be submitted again. */
int crew_alive(const struct crew *crew);

/* True if none is alive and the last one did not leave of its own: nobody will come back. The
 * sentence says how that one ended and what it said last. */
bool crew_hopeless(struct crew *crew, char *text, size_t size);

/* Stop restarting, and wait for all to end: `patience_ns` until they are asked to, as long again
 * until they are killed. */
int crew_dismiss(struct crew *crew, int64_t patience_ns, struct error *ret_error);

#endif

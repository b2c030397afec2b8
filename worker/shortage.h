/*
 * shortage.h - a worker whose disk is full, or that may not make another process: what is the
 * machine's fault, and how long to wait.
 *
 * An attempt that fails for want of room proves nothing against its task: it is not told of, and
 * the task goes elsewhere, or comes back when the worker has waited. But a task may be what fills
 * the disk, again and again; so its failures are told when its first one here was a tenth of all
 * patience ago, or a minute; half of it where nobody else can do the task. And room may never come:
 * a worker that has waited as long as its patience, without a good result in between, is of no use.
 *
 * Pure: times come in (one clock that never steps back), nothing is looked at.
 */
#ifndef BEOFARM_WORKER_SHORTAGE_H
#define BEOFARM_WORKER_SHORTAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/message.h"

#define SHORTAGE_TASKS 64 /* that are remembered, the latest */

/* All zero but for patience_ns, at first. */
struct shortage {
    int64_t patience_ns; /* 0: none, nothing is waited for */
    int64_t pause_ns;    /* the latest; 0: none since the last good result */
    int64_t waited_ns;   /* in pauses since then */
    struct {
        uint64_t task; /* 0: nobody */
        int64_t first_ns;
    } tasks[SHORTAGE_TASKS];
    size_t next; /* to be forgotten */
};

/* Whether a result is a failure, and says itself that there was no room: its sentence or its
 * stderr, as far as that is of the attempt, has the system's words for ENOSPC or EDQUOT, or ours
 * for a process that the system would not make. */
bool shortage_is_named(const struct result *result);

/* The same of a sentence. */
bool shortage_is_in(const char *text, size_t size);

/* Whether a sentence in which there is a shortage is not of a disk, but of processes. */
bool shortage_is_of_processes(const char *text, size_t size);

/* An attempt of `task` failed for want of room. False if that is to be told of. `owed`: nobody
 * else can do it. */
bool shortage_meet(struct shortage *shortage, uint64_t task, bool owed, int64_t now_ns);

/* A pause begins: how long it is to be. At first a 300th of all patience, and not above 2 s;
 * doubled each time, up to a tenth, and not above a minute. */
int64_t shortage_pause(struct shortage *shortage);

/* How long to wait more where it is seen that there is no room yet: as for a first pause. */
int64_t shortage_look_ns(const struct shortage *shortage);

/* A pause, or a part of one, took so long. False if that was all the patience there is. */
bool shortage_wait(struct shortage *shortage, int64_t took_ns);

/* A task succeeded: a shortage, if there was one, is over. */
void shortage_end(struct shortage *shortage);

#endif

/*
 * eviction.h - whether this virtual machine is about to be taken away: Azure's scheduled events,
 * asked for in a thread.
 *
 * GET http://169.254.169.254/metadata/scheduledevents?api-version=2020-07-01 with Metadata: true
 * answers {"Events": [{"EventId", "EventType", "Resources": ["VM", ...], "NotBefore", ...}]}; spot
 * machines get a Preempt event at least 30 s before they go. Events of all machines of a set come
 * to each of them: ours is the one that names us, as .../metadata/instance/compute/name tells.
 * (Azure's documentation "Scheduled Events for Linux VMs" and "Instance Metadata Service".)
 *
 * Only where AZ_BATCH_NODE_ID is set, or BEOFARM_METADATA says at which URL to ask instead of
 * http://169.254.169.254 ("" for nowhere).
 */
#ifndef BEOFARM_WORKER_EVICTION_H
#define BEOFARM_WORKER_EVICTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/loop.h"

#define EVICTION_ID_MAX 64

struct eviction;

/* `noticed` is called once, from the loop, when we are to go: `left_s` seconds from now at the
 * earliest (0 where it is not said). NULL: there is no such service here, or no thread. */
struct eviction *eviction_watch(struct loop *loop,
                                void (*noticed)(void *context, double left_s), void *context);

/* Stop looking. NULL is allowed. */
void eviction_close(struct eviction *eviction);

/* After `noticed`, when nothing of ours is left here: tell Azure that it need not wait (the event
 * is started), and stay until the machine goes, SIGTERM comes, or `stay_s` have passed: the task of
 * a worker that ended would not be run again elsewhere. */
void eviction_accept(struct eviction *eviction, double stay_s);

/* Look through an answer for a Preempt or Terminate event of machine `name`. True: its id, and the
 * seconds from now_s (since 1970) until it may begin. For tests, too. */
bool eviction_find(const char *text, size_t size, const char *name, int64_t now_s,
                   char id[EVICTION_ID_MAX], double *ret_left_s);

#endif

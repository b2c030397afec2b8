/*
 * credit.h - how many tasks a worker wants in hand: its slots, and what is to wait beside them.
 *
 * As much waits as the worker computes in CREDIT_AHEAD_NS, longer than a lease takes to come; so
 * slots never wait for the network, short tasks travel in large batches, and of long tasks none
 * lies about that an idle worker could run. A pure function of what it is told.
 */
#ifndef BEOFARM_WORKER_CREDIT_H
#define BEOFARM_WORKER_CREDIT_H

#include <stdbool.h>
#include <stdint.h>

#define CREDIT_AHEAD_NS  INT64_C(20000000)
#define CREDIT_WINDOW_NS INT64_C(20000000) /* the rate is measured over at least this long */
#define CREDIT_MAX       16384

struct credit {
    uint32_t slots;
    bool prefetch;
    uint32_t credits;  /* what the master was last told */
    uint64_t ended;    /* tasks in this window */
    int64_t window_ns; /* when it began; 0: not yet */
};

/* Start with one task waiting per slot, or none without prefetch. */
void credit_init(struct credit *credit, uint32_t slots, bool prefetch);

/* A task ended. True if the master should be told a new credit->credits: it has changed by a
 * quarter at least. */
bool credit_ended(struct credit *credit, int64_t now_ns);

#endif

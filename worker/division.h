/*
 * division.h - which places make which slot: the rules of topology.h as arithmetic on a list of
 * places, without machine, environment or words.
 */
#ifndef BEOFARM_WORKER_DIVISION_H
#define BEOFARM_WORKER_DIVISION_H

#include <stdbool.h>
#include <stddef.h>

#include "worker/place.h"

struct division {
    size_t slot_count;
    unsigned threads; /* places per slot */
    size_t
        *places; /* slot_count rows of `threads` indices into the list, ascending in each row;
                       * rows ascend by their first */
    enum level level;  /* the tightest level that has room for a slot */
    bool shared;       /* there were not enough places: slots have them round-robin */
    bool limited;      /* the quota made auto choose less */
    size_t straddling; /* slots that had to be put at a looser level than that */
    size_t idle;       /* places in no slot */
};

/* As many of `places` as a quota of so many CPUs' time (0: no limit) allows at once: rounded, and
 * at least 1. */
size_t division_allowed(size_t places, double quota);

/*
 * Divide. slots and threads: 0 is auto; threads at most the number of places. quota: how many
 * CPUs' time there is, 0 for no limit. near: [slots][places], where each slot is to be, as far as
 * there is room; auto threads are no more than fit there. NULL: anywhere. 0, or -1 if memory is
 * short.
 */
int division_make(struct division *ret_division, const struct place_list *places, size_t slots,
                  unsigned threads, double quota, const bool *near);
void division_fini(struct division *division);

#endif

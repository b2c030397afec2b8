/*
 * arrivals.h - the attempts whose output files are arriving: how many are whole, and how far the
 * one that is being written has come.
 *
 * Threads: an arrival is its owner's alone, who receives the pieces, until it is sealed; from then
 * on it is the journal's thread's, which forgets it. All functions but create and destroy may be
 * called by both.
 */
#ifndef BEOFARM_MASTER_ARRIVALS_H
#define BEOFARM_MASTER_ARRIVALS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/message.h"

/* Attempts of different masters of a run may have the same number: who sends is part of the key. */
struct arrival_key {
    struct attempt_id id;
    uint32_t worker;
};

struct arrival {
    struct arrival *next; /* the table's */
    struct arrival_key key;
    bool sealed;    /* see arrivals_seal */
    uint32_t files; /* whole ones */
    char *path;     /* of the file that is being written, NULL if none is; owned */
    uint64_t offset, total_size;
};

struct arrivals;

/* NULL if memory is short. */
struct arrivals *arrivals_create(void);
void arrivals_destroy(struct arrivals *arrivals); /* NULL is allowed */

/* The arrival that is not sealed yet; NULL if there is none, or if it is sealed, which
 * *ret_sealed tells. */
struct arrival *arrivals_find(struct arrivals *arrivals, struct arrival_key key,
                              bool *ret_sealed);

/* Any arrival of this worker that is not sealed. False if there is none. */
bool arrivals_find_worker(struct arrivals *arrivals, uint32_t worker,
                          struct arrival_key *ret_key);

/* A new one, without files; the key must not be there. NULL if memory is short. */
struct arrival *arrivals_add(struct arrivals *arrivals, struct arrival_key key);

/* Every file has come: the owner lets go of the arrival. */
void arrivals_seal(struct arrivals *arrivals, struct arrival *arrival);

/* Remove it, sealed or not. Nothing if there is none. */
void arrivals_forget(struct arrivals *arrivals, struct arrival_key key);

#endif

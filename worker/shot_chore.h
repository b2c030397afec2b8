/*
 * shot_chore.h - what the ledger (shot_ledger.h) has done in a thread, with the worker's sums.
 */
#ifndef BEOFARM_WORKER_SHOT_CHORE_H
#define BEOFARM_WORKER_SHOT_CHORE_H

#include "worker/gift.h"
#include "worker/shot_parcel.h"
#include "worker/shot_sums.h"

struct shot_collected; /* shot_ledger.h */

enum shot_chore_kind {
    CHORE_CHECK,   /* whether a parcel is good */
    CHORE_ADD,     /* a parcel to the sums */
    CHORE_DELIVER, /* what a collect task asks for, to a file */
    CHORE_FORGET,  /* what was delivered */
    CHORE_DROP,    /* sums of earlier waves */
    CHORE_TAKE,    /* another worker's sum, into a file, checked */
    CHORE_ADOPT,   /* such a file: add it to the sums */
    CHORE_HEAR,    /* what another worker asks for */
    CHORE_GIVE,    /* that, to the other worker */
};

struct shot_chore {
    struct shot_chore *next;
    enum shot_chore_kind kind;
    struct attempt_id
        id; /* the attempt's that it is about; of HEAR and GIVE the task that takes */
    struct shot_parcel *parcel; /* CHECK, ADD; owned */
    uint64_t number;            /* DROP, DELIVER: the wave */
    struct shot_task task; /* what is wanted: of DELIVER, TAKE, GIVE; owned (HEAR: filled in) */
    char *path;            /* DELIVER, TAKE: the file to be made; owned */
    int fd; /* TAKE, ADOPT: the file; HEAR, GIVE: the connection; owned; -1: none */
    const struct gift_terms *terms; /* TAKE, HEAR; borrowed */
    void *payload;                  /* TAKE: the task, for the giver; owned */
    size_t payload_size;
    struct gift_contents contents; /* DELIVER, TAKE: what came of it */
    int rc;
    struct error error;
    void *context; /* who is told, by one of: NULL: nobody */
    void (*checked)(void *context, const struct error *error);
    void (*collected)(void *context, const struct shot_collected *result);
};

/* NULL if out of memory. */
struct shot_chore *shot_chore_create(enum shot_chore_kind kind, struct attempt_id id);
void shot_chore_destroy(struct shot_chore *chore); /* NULL is allowed */

/* Do it: chore->rc and what comes of it. In the thread. */
void shot_chore_work(struct shot_chore *chore, struct shot_sums *sums);

/* Chores one after the other. */
struct shot_chores {
    struct shot_chore *first, **last;
};
void shot_chores_init(struct shot_chores *chores);
void shot_chores_put(struct shot_chores *chores, struct shot_chore *chore);
struct shot_chore *shot_chores_take(struct shot_chores *chores); /* NULL: there is none */

#endif

/* replica_private.h - what replica.c (writing, the lease) and replica_restore.c (reading) share. */
#ifndef BEOFARM_MASTER_REPLICA_PRIVATE_H
#define BEOFARM_MASTER_REPLICA_PRIVATE_H

#include <pthread.h>
#include <stdint.h>

#include "common/azure/blob_lease.h"
#include "common/azure/container.h"
#include "common/buf.h"
#include "master/replica.h"

struct replica {
    struct replica_options options; /* its texts are ours */
    struct container *container;    /* of whoever writes: first the opener, then the journal */
    char lease[BLOB_LEASE_ID_SIZE];
    bool found;         /* there was a copy */
    int part;           /* the blob that is written to, from 1; 0: none yet */
    uint64_t number;    /* of the next frame */
    uint64_t position;  /* where it goes */
    int appends;        /* made to this blob */
    bool torn;          /* it ends within a frame: nothing may follow */
    bool turning;       /* on the way to the next part */
    struct buf pending; /* frames of the group that is being appended */
    size_t sent;        /* bytes of them that are there */

    pthread_t keeper; /* of the lease */
    bool keeper_runs;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    int kept_part; /* whose lease the keeper renews */
    bool closing, lost;
};

/* The place of a part, written to under our lease. */
int replica_place(struct replica *replica, struct container *container, int part,
                  char name[CONTAINER_NAME_SIZE], struct blob_place *ret_place,
                  struct error *ret_error);

/* Take the lease of a part. BLOB_ALREADY: another master has it; BLOB_MISSING; -1. */
int replica_lease_take(struct replica *replica, int part, struct error *ret_error);

/* Read all parts from the first to replica->part, which is leased, into a new journal at `path`.
 * replica->number, position and torn say where to go on. */
int replica_read(struct replica *replica, const char *path, struct error *ret_error);

#endif

/*
 * replica.h - the journal's copy in the farm's container (common/azure/container.h), for masters
 * whose disk may vanish with their node.
 *
 * Every group of rows is appended to RUN/journal/NNNNNN before it is committed to journal.db, and
 * so before any of its results is acknowledged (journal_hooks.copy). A master that finds such a
 * copy makes journal.db anew from it, whatever lies on its disk: the copy is never behind.
 *
 * One master at a time: who writes holds a lease on the append blob that is written to, and whoever
 * lost it (its node was cut off, and another master has taken over) is refused by the service; it
 * then ends without a word to the workers (replica_is_lost). A new master waits until the lease
 * of a dead one has run out, REPLICA_LEASE_S; one that is started again on the same disk has the
 * lease's id in journal.db.lease, and need not wait.
 *
 * An append blob takes 50,000 appends; after REPLICA_APPENDS, or REPLICA_BYTES, the next one is
 * begun. A group is one append, or one for each 4 MiB of it; while an append is under way the next
 * group gathers, so a service that answers slowly makes groups larger, and not the farm slower.
 *
 * The container cannot be reached: the group stays queued and is tried again every second, as with
 * a full disk (journal_trouble): nothing is acknowledged, the workers keep their results and go on,
 * and once so much has gathered that memory is at stake nothing more is leased.
 */
#ifndef BEOFARM_MASTER_REPLICA_H
#define BEOFARM_MASTER_REPLICA_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "master/journal.h"

#define REPLICA_LEASE_S 15
#define REPLICA_APPENDS 49000
#define REPLICA_BYTES   (UINT64_C(16) << 30)

struct replica;

struct replica_options {
    const char *store; /* "blob:URL" */
    const char *run;
    int wait_s;  /* for another master's lease to end; 0: four times REPLICA_LEASE_S */
    int appends; /* per blob; 0: REPLICA_APPENDS (tests) */
};

/* Open the container; nothing is asked yet. NULL with a sentence. */
struct replica *replica_open(const struct replica_options *options, struct error *ret_error);

/* journal_meta.restore, the context being the replica: take the lease, and where a copy is there,
 * write the journal PATH from it (one that is there already is replaced). From here on a thread
 * keeps the lease. */
int replica_restore(void *context, const char *path, struct error *ret_error);

/* After journal_open: where no copy was there, begin one with what the journal is of. */
int replica_begin(struct replica *replica, const struct journal *journal,
                  struct error *ret_error);

/* journal_hooks.copy, the context being the replica. Called from one thread. */
int replica_append(void *context, const struct journal_row *rows, size_t count,
                   struct error *ret_error);

/* Note in the copy that tasks which failed are forgotten (journal_db_forget_failed). After
 * replica_restore, instead of replica_begin. -1 with a sentence, also where there is no copy. */
int replica_forget(struct replica *replica, struct error *ret_error);

/* Whether another master has taken over. Any thread. */
bool replica_is_lost(struct replica *replica);

/* Give the lease up. After journal_close. NULL is allowed. */
void replica_close(struct replica *replica);

#endif

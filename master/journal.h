/*
 * journal.h - the durable record of a farm: journal.db, one row per ended task, and the notes of
 * its driver.
 *
 * journal_add queues a row and returns at once. A thread of the journal commits whatever has
 * gathered in one transaction (WAL, synchronous=FULL: a committed row survives a power cut), and
 * then makes journal_fd readable; journal_committed says up to which sequence number everything
 * is durable, and only then may a worker be told to forget its result. A row that
 * comes after a quiet moment is committed at once; while rows keep coming, a commit begins 10 ms
 * after the one before, so that durability costs a busy farm little.
 *
 * The first row of a task wins; a second is accepted and dropped.
 *
 * Disk full, I/O errors: the group stays queued and is tried again every JOURNAL_RETRY_S seconds,
 * journal_committed stands still, and journal_trouble has the sentence. The owner bounds the
 * queue: it stops handing out work while journal_backlog is large.
 *
 * Who may look: on a local file system `sqlite3 journal.db` can read during the run. On a network
 * or FUSE file system, whose memory maps hosts cannot share, SQLite keeps the file to itself
 * (locking_mode=EXCLUSIVE) and readers are told that it is locked until the master has ended.
 * Masters exclude each other by a lock on PATH.lock, released by the kernel when they die.
 *
 * Threads: all functions are called by one thread, the owner's; hooks run in the journal's.
 */
#ifndef BEOFARM_MASTER_JOURNAL_H
#define BEOFARM_MASTER_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/message.h"

/* Of the tables. 1 had no notes, 2 no folders; a newer journal is refused. */
#define JOURNAL_VERSION 3
#define JOURNAL_RETRY_S 1

struct journal;

/* What is written once, when the journal is created. All borrowed during the call. */
struct journal_meta {
    const char *farm;      /* the farm's name */
    const char *farm_file; /* the text of farm.json as run */
    const char *params;    /* JSON array of the names of a task's values, as in the job */
    const char *results;   /* JSON array of the names of a result's values */
    bool brief;            /* results.csv has no columns for params and results (wide work) */
    /* Called with the journal's path when its lock is held and it is not open yet: may put a
     * journal in its place (master/replica.h). -1 with a sentence: journal_open fails. NULL:
     * nothing. */
    int (*restore)(void *context, const char *path, struct error *ret_error);
    void *restore_context;
};

enum journal_mode {
    JOURNAL_WRITE, /* create, or go on with what is there; takes the lock, starts the thread */
    JOURNAL_READ,  /* replay and meta alone; also while a master writes (if not EXCLUSIVE) */
};

/* One ended task, one failed attempt of a task that will be tried again, or a note. */
struct journal_row {
    bool note;            /* true: `params` is a note of the driver, and nothing else is used */
    bool ended;           /* true: the task ended, ok or not. false: only this attempt did */
    struct result result; /* of the attempt that ended it; what it points to is borrowed */
    uint32_t attempts;    /* how many attempts the task took in all */
    const char *worker;   /* host of the worker; borrowed, NUL-terminated, "" if none */
    bool ship; /* its files under out/TASK are to be in the farm's container before it is
                             committed; not stored, for the hooks alone */
    uint32_t worker_id; /* its number in this master; not stored, for the hooks alone */
    const char *folder; /* where its output files lie in the farm's container, below the run;
                             borrowed; NULL or "": in out/TASK */
    const void *params; /* the task's payload, a values.h list; borrowed; unused if !ended */
    size_t params_size;
};

/* Called in the journal's thread. `prepare` runs before each commit with the rows of the group
 * and must be repeatable, since a failed group is tried again (outputs_prepare); -1 keeps the
 * group from being committed. Then `copy` makes the group durable elsewhere (replica_append): it is
 * called until it has returned 0 once, with the same rows. `committed` runs after each commit
 * (results_append). Each may be NULL. Rows of all kinds (`ended` or not, notes) are passed; notes
 * are not `ended`. */
struct journal_hooks {
    int (*prepare)(void *context, const struct journal_row *rows, size_t count,
                   struct error *ret_error);
    void *prepare_context;
    int (*copy)(void *context, const struct journal_row *rows, size_t count,
                struct error *ret_error);
    void *copy_context;
    void (*committed)(void *context, const struct journal_row *rows, size_t count);
    void *committed_context;
};

/* Where the journal of a run is. Allocated; NULL with a sentence without memory. */
char *journal_path(const char *run_dir, struct error *ret_error);

/* Open PATH. JOURNAL_WRITE creates it if there is none (meta is then stored, with a fresh "run"
 * id), else checks that it belongs to meta->farm and has the same params and results (meta may
 * not be NULL). NULL with a sentence: ERROR_CHANGED (another farm, other columns), ERROR_SYSTEM
 * (newer format, corrupt, not a journal, another master writes it, unwritable). */
struct journal *journal_open(const char *path, enum journal_mode mode,
                             const struct journal_meta *meta, struct error *ret_error);

/* Call between journal_open and the first journal_add. The contexts must outlive the journal. */
void journal_set_hooks(struct journal *journal, const struct journal_hooks *hooks);

/* Whether journal_open found a journal to go on with. */
bool journal_resumed(const struct journal *journal);

/* "farm", "run", "farm_file", "params", "results", "brief" ("1", or "0"; NULL in journals of
 * version 1), "created_ns". Borrowed until the journal is closed; NULL if there is none. */
const char *journal_meta_get(const struct journal *journal, const char *key);

/* Call `each` for every ended task in the order of task numbers (row->ended is true, id.attempt
 * is the attempt that ended it). What the row points to is borrowed during the call. `each`
 * returns 0, or -1 (with its sentence) to stop. It may journal_add; nothing is committed until
 * the replay is over. 0 or -1. */
int journal_replay(struct journal *journal,
                   int (*each)(void *context, const struct journal_row *row,
                               struct error *ret_error),
                   void *context, struct error *ret_error);

/* As journal_replay for the failed attempts that were tried again, in the order they came. */
int journal_replay_failures(struct journal *journal,
                            int (*each)(void *context, const struct journal_row *row,
                                        struct error *ret_error),
                            void *context, struct error *ret_error);

/* Call `each` for every note in the order in which they were added. As journal_replay. */
int journal_replay_notes(struct journal *journal,
                         int (*each)(void *context, const void *bytes, size_t size,
                                     struct error *ret_error),
                         void *context, struct error *ret_error);

/* Queue a row; everything is copied. *ret_sequence (may be NULL) counts from 1 without gaps.
 * -1: no memory (nothing was queued). */
int journal_add(struct journal *journal, const struct journal_row *row, uint64_t *ret_sequence,
                struct error *ret_error);

/* Queue a note: bytes (1 or more) that are given back in order. It shares the sequence of rows: it
 * is durable no later than any row added after it. */
int journal_add_note(struct journal *journal, const void *bytes, size_t size,
                     uint64_t *ret_sequence, struct error *ret_error);

/* All rows up to and including this sequence number are durable; 0 if none. Clears journal_fd. */
uint64_t journal_committed(struct journal *journal);

/* Readable when journal_committed has moved, or journal_trouble has changed. */
int journal_fd(const struct journal *journal);

/* Rows queued and not yet durable, and their bytes in memory (may be NULL). */
uint64_t journal_backlog(struct journal *journal, size_t *ret_bytes);

/* True, with the sentence, while commits fail. */
bool journal_trouble(struct journal *journal, struct error *ret_error);

/* Try what is queued once more, wait for it, and close. -1 with a sentence if rows could not be
 * made durable (they are lost to this master; workers still have the results). NULL is allowed. */
int journal_close(struct journal *journal, struct error *ret_error);

#endif

/*
 * book.h - what clients have submitted: parameter sets that wait, run, or have ended.
 *
 * An entry is one submitted set, numbered from 1 in the order of submission. It waits in a heap
 * (higher priority first, then older first) until it is taken and becomes the next task; it ends
 * once. Each client has the list of its ended entries in the order of their ends: the place in it,
 * from 1, is a result's "seq".
 *
 * Nothing of an entry's content is kept here, only where its records are (ledger.h): 56 bytes and
 * two places in tables, about 80 bytes in all. Pure: no files, no clock.
 */
#ifndef BEOFARM_MASTER_SOCKET_BOOK_H
#define BEOFARM_MASTER_SOCKET_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/message.h" /* enum result_status */

#define BOOK_ENTRIES_MAX (UINT32_C(1) << 30)
#define BOOK_CLIENTS_MAX 100000

enum book_state {
    BOOK_WAITING, /* in the heap */
    BOOK_TAKEN,   /* it is a task */
    BOOK_ENDED,
};

struct book_entry {
    uint64_t at;     /* its submission's record */
    uint64_t end_at; /* its end's record; 0 while it has not ended */
    uint64_t hash;   /* of client and id */
    double priority;
    uint32_t client;
    uint32_t task;  /* 0: none yet, or cancelled before */
    uint32_t place; /* in the heap, from 1; 0: not there */
    uint32_t next;  /* entry with the same slot of the table of ids; 0: none */
    uint32_t seq;   /* of its result; 0 while it has not ended */
    uint8_t state;  /* enum book_state */
    uint8_t status; /* enum result_status, once it has ended */
};

struct book_client {
    char *name;
    uint32_t *ended; /* entries, in the order of their ends */
    size_t ended_count, ended_capacity;
    uint64_t submitted, waiting, running; /* running: taken, and not ended */
    uint64_t failed, cancelled;           /* of those that have ended */
    bool finished;                        /* it will submit no more */
};

struct book;

struct book *book_create(void); /* NULL: no memory */
void book_destroy(struct book *book);

/* Clients are numbered from 0. -1: there are too many, or no memory. */
long book_client_find(const struct book *book, const char *name, size_t size); /* -1: none */
long book_client_add(struct book *book, const char *name, size_t size);
size_t book_client_count(const struct book *book);
struct book_client *book_client(const struct book *book, uint32_t client);

/* A new entry, waiting: its number; 0 where there is no memory, or there are too many. */
uint32_t book_add(struct book *book, uint32_t client, double priority, uint64_t hash,
                  uint64_t at);

/* Entries 1 to this are known. */
uint32_t book_count(const struct book *book);
struct book_entry *book_entry(const struct book *book, uint32_t entry); /* NULL: none */

/* The hash of a client's id. */
uint64_t book_hash(uint32_t client, const void *id, size_t size);

/* Entries with this hash: the first, and the next after `entry`; 0: none. The caller compares the
 * ids themselves. */
uint32_t book_find(const struct book *book, uint64_t hash);
uint32_t book_find_next(const struct book *book, uint32_t entry);

/* The waiting entry whose turn it is; 0: none waits. */
uint32_t book_first(const struct book *book);

/* The entry becomes the next task: its number, from 1; 0 where there is no memory. Entry 0: a task
 * number that stands for nothing and must never be used. */
uint32_t book_take(struct book *book, uint32_t entry);

/* How many task numbers there are; the entry of one (0: it stands for nothing, or is unknown). */
uint32_t book_tasks(const struct book *book);
uint32_t book_task_entry(const struct book *book, uint64_t task);

/* Whether book_end would take this. */
bool book_may_end(const struct book_entry *it, enum result_status status);

/* The entry ended: its "seq", from 1; 0 where there is no memory, or it had ended before (but one
 * that had failed may yet end well, and gets another "seq"). */
uint64_t book_end(struct book *book, uint32_t entry, enum result_status status,
                  uint64_t end_at);

/* Of all clients. */
struct book_totals {
    uint64_t submitted, waiting, running, ended, failed, cancelled;
};
struct book_totals book_totals(const struct book *book);

#endif

/*
 * ledger.h - an append-only file of records, made durable in groups.
 *
 * ledger_append writes a record at once (so that it survives the death of this process) and
 * returns; ledger_sync asks for everything written so far to be made durable (fdatasync, so that
 * it survives a power cut), which a thread of the ledger does while the owner goes on; what
 * gathers meanwhile shares the next fdatasync. Records can be read again at any time.
 *
 * A file begins with LEDGER_MAGIC. A record is its body's size (4 bytes, little-endian), a check
 * sum of kind and body (FNV-1a, 32 bits), a kind (1 byte) and the body. A record at the end that
 * was not written whole is cut off when the file is opened.
 *
 * Threads: all functions are called by one thread, the owner's.
 */
#ifndef BEOFARM_MASTER_SOCKET_LEDGER_H
#define BEOFARM_MASTER_SOCKET_LEDGER_H

#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/loop.h"

#define LEDGER_MAGIC      "beofarm ledger 1\n"
#define LEDGER_RECORD_MAX ((size_t)64 << 20) /* bytes of a body */

struct ledger;

/* A record that was found in the file. */
struct ledger_record {
    uint64_t at; /* where it begins: for ledger_read */
    uint8_t kind;
    const uint8_t *body; /* borrowed during the call */
    size_t size;
};

struct ledger_events {
    /* For every record of the file, in order, during ledger_open; -1 with a sentence to stop. */
    int (*found)(void *context, const struct ledger_record *record, struct error *ret_error);
    /* ledger_synced has moved, or ledger_trouble has changed. From the loop. */
    void (*synced)(void *context);
    void *context;
};

/* Open or create the file at `path` (mode 0600) and read it. Starts the thread. *ret_cut (may be
 * NULL): bytes cut off at the end. NULL with a sentence: the file is no ledger, another process
 * has it open, it cannot be read or written. */
struct ledger *ledger_open(const char *path, struct loop *loop,
                           const struct ledger_events *events, uint64_t *ret_cut,
                           struct error *ret_error);

/* Write a record; *ret_at (may be NULL) is where it begins. 0, or -1 with a sentence (the disk is
 * full): the file is as before. */
int ledger_append(struct ledger *ledger, uint8_t kind, const void *body, size_t size,
                  uint64_t *ret_at, struct error *ret_error);

/* Read the record at `at` into `body` (cleared first). 0 or -1. */
int ledger_read(struct ledger *ledger, uint64_t at, struct buf *body, struct error *ret_error);

/* Ask for everything written so far to be made durable soon. */
void ledger_sync(struct ledger *ledger);

/* The same, and wait for it. 0 or -1. */
int ledger_sync_wait(struct ledger *ledger, struct error *ret_error);

/* Records that begin before this are durable. */
uint64_t ledger_synced(struct ledger *ledger);

/* True, with the sentence, while fdatasync fails; it is tried again every second. */
bool ledger_trouble(struct ledger *ledger, struct error *ret_error);

/* Sync what is written and close. NULL is allowed. */
void ledger_close(struct ledger *ledger);

#endif

/*
 * journal_db.h - journal.db as a database: what journal.c needs of SQLite, and no more. What stands
 * in its tables is journal_tables.h's.
 *
 * Not thread-safe: journal.c serialises the calls.
 */
#ifndef BEOFARM_MASTER_JOURNAL_DB_H
#define BEOFARM_MASTER_JOURNAL_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "master/journal.h"

struct journal_db;

/* Open PATH and check that it is a journal of a version we know. `write`: create it if there is
 * none (then *ret_fresh is true, and journal_db_create must follow). */
struct journal_db *journal_db_open(const char *path, bool write, bool *ret_fresh,
                                   struct error *ret_error);

/* Make the tables and store `count` pairs of key and value, in one transaction. */
int journal_db_create(struct journal_db *db, const char *const (*meta)[2], size_t count,
                      struct error *ret_error);

/* Commit all rows in one transaction, durable when it returns 0. On failure nothing of it is
 * there. */
int journal_db_commit(struct journal_db *db, const struct journal_row *rows, size_t count,
                      struct error *ret_error);

/* Call `each` per ended task in task order (`ended`), or per failed attempt in order of arrival. */
int journal_db_replay(struct journal_db *db, bool ended,
                      int (*each)(void *context, const struct journal_row *row,
                                  struct error *ret_error),
                      void *context, struct error *ret_error);

/* Call `each` per note in order; for none in a journal of version 1 that is only read. */
int journal_db_replay_notes(struct journal_db *db,
                            int (*each)(void *context, const void *bytes, size_t size,
                                        struct error *ret_error),
                            void *context, struct error *ret_error);

/* Remove the tasks that ended without success, with their failed attempts, in one durable
 * transaction. *ret_count: how many tasks. */
int journal_db_forget_failed(struct journal_db *db, uint64_t *ret_count,
                             struct error *ret_error);

/* Call `each` for every pair that journal_db_create stored. */
int journal_db_each_meta(struct journal_db *db,
                         int (*each)(void *context, const char *key, const char *value,
                                     struct error *ret_error),
                         void *context, struct error *ret_error);

void journal_db_close(struct journal_db *db); /* NULL is allowed */

#endif

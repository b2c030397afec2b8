/*
 * journal_tables.h - the tables of journal.db: which column stands for what of a row, in all
 * versions of the format.
 *
 *     meta             key and value, as struct journal_meta has them
 *     result           a row per ended task
 *     attempt_failure  a row per failed attempt of a task that was tried again
 *     note             the driver's notes; since version 2
 *
 * A column more is a change of this module, of struct journal_row and of JOURNAL_VERSION.
 */
#ifndef BEOFARM_MASTER_JOURNAL_TABLES_H
#define BEOFARM_MASTER_JOURNAL_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "common/error.h"
#include "master/journal.h"

/* SQL that makes all tables; and that gives those of any earlier version what came later. */
extern const char journal_tables_create[], journal_tables_upgrade[];

/* Statements that insert a row with `ended`, without, and a note; their parameters are
 * journal_tables_bind's. */
extern const char journal_tables_insert_result[], journal_tables_insert_failure[],
    journal_tables_insert_note[];

/* Bind a row to the statement of its kind. What it points to is borrowed until that is reset. */
void journal_tables_bind(sqlite3_stmt *statement, const struct journal_row *row);

/* The query that gives ended tasks in task order (`ended`), or failed attempts in order of arrival,
 * from a journal of this version. */
const char *journal_tables_select(bool ended, int64_t version);

/* The row that such a query stands at; its bytes are SQLite's until the next step. 0, or -1 with a
 * sentence: no master wrote that. */
int journal_tables_read(sqlite3_stmt *statement, bool ended, struct journal_row *ret_row,
                        struct error *ret_error);

#endif

#include "config.h"

#include <string.h>

#include "master/journal_tables.h"

/* What both tables of attempts have, in the order of parameters and of what is selected. */
#define COLUMNS                                                                                \
    "task, status, code, attempt, attempts, worker, slot, started_ns, elapsed_s, cpu_s,"       \
    " max_rss, output_files, \"values\", error, stderr"

/* The same but for task. */
#define COLUMN_TYPES                                                                           \
    "status INTEGER NOT NULL, code INTEGER NOT NULL, attempt INTEGER NOT NULL,"                \
    " attempts INTEGER NOT NULL, worker TEXT NOT NULL, slot INTEGER NOT NULL,"                 \
    " started_ns INTEGER NOT NULL, elapsed_s REAL, cpu_s REAL, max_rss INTEGER NOT NULL,"      \
    " output_files INTEGER NOT NULL, \"values\" BLOB, error TEXT, stderr BLOB"

/* AUTOINCREMENT: ids only grow, so that their order is the order of the notes. */
#define CREATE_NOTE                                                                            \
    "CREATE TABLE IF NOT EXISTS note(id INTEGER PRIMARY KEY AUTOINCREMENT, bytes BLOB NOT "    \
    "NULL);"

const char journal_tables_create[] = CREATE_NOTE
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE result(task INTEGER PRIMARY KEY, " COLUMN_TYPES ", params BLOB, folder TEXT);"
    "CREATE TABLE attempt_failure(id INTEGER PRIMARY KEY, task INTEGER NOT "
    "NULL, " COLUMN_TYPES ");";

const char journal_tables_upgrade[] = CREATE_NOTE " ALTER TABLE result ADD COLUMN folder TEXT;";

const char journal_tables_insert_result[] =
    "INSERT INTO result(" COLUMNS ", params, folder)"
    " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17)"
    " ON CONFLICT(task) DO NOTHING";

const char journal_tables_insert_failure[] =
    "INSERT INTO attempt_failure(" COLUMNS ")"
    " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)";

const char journal_tables_insert_note[] = "INSERT INTO note(bytes) VALUES(?1)";

static const char select_results[] =
    "SELECT " COLUMNS ", params, folder FROM result ORDER BY task";
static const char select_results_2[] = /* up to version 2 */
    "SELECT " COLUMNS ", params, NULL FROM result ORDER BY task";
static const char select_failures[] =
    "SELECT " COLUMNS ", NULL, NULL FROM attempt_failure ORDER BY id";

/* Bytes as a BLOB (or TEXT), nothing as NULL, which takes no room. */
static void bind_bytes(sqlite3_stmt *statement, int column, const void *bytes, size_t size,
                       bool text)
{
    if (size == 0)
        sqlite3_bind_null(statement, column);
    else if (text)
        sqlite3_bind_text64(statement, column, bytes, size, SQLITE_STATIC, SQLITE_UTF8);
    else
        sqlite3_bind_blob64(statement, column, bytes, size, SQLITE_STATIC);
}

void journal_tables_bind(sqlite3_stmt *s, const struct journal_row *row)
{
    const struct result *result = &row->result;

    if (row->note) {
        sqlite3_bind_blob64(s, 1, row->params, row->params_size, SQLITE_STATIC);
        return;
    }
    sqlite3_bind_int64(s, 1, (sqlite3_int64)result->id.task);
    sqlite3_bind_int(s, 2, (int)result->status);
    sqlite3_bind_int(s, 3, result->code);
    sqlite3_bind_int64(s, 4, result->id.attempt);
    sqlite3_bind_int64(s, 5, row->attempts);
    sqlite3_bind_text(s, 6, row->worker, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 7, result->slot);
    sqlite3_bind_int64(s, 8, result->started_ns);
    sqlite3_bind_double(s, 9, result->elapsed_s);
    sqlite3_bind_double(s, 10, result->cpu_s);
    sqlite3_bind_int64(s, 11, result->max_rss_bytes);
    sqlite3_bind_int64(s, 12, result->output_files);
    bind_bytes(s, 13, result->values, result->values_size, false);
    bind_bytes(s, 14, result->error, result->error_size, true);
    bind_bytes(s, 15, result->stderr_tail, result->stderr_size, false);
    if (row->ended)
        bind_bytes(s, 16, row->params, row->params_size, false);
    if (row->ended)
        bind_bytes(s, 17, row->folder, row->folder ? strlen(row->folder) : 0, true);
}

const char *journal_tables_select(bool ended, int64_t version)
{
    return !ended ? select_failures : version < 3 ? select_results_2 : select_results;
}

int journal_tables_read(sqlite3_stmt *s, bool ended, struct journal_row *row,
                        struct error *ret_error)
{
    sqlite3_int64 task = sqlite3_column_int64(s, 0);
    int status = sqlite3_column_int(s, 1);
    const unsigned char *worker = sqlite3_column_text(s, 5);
    const unsigned char *folder = sqlite3_column_text(s, 16);

    if (task < 1 || status < 0 || status >= RESULT_STATUSES)
        return error_set(ret_error, ERROR_SYSTEM, "task %lld has status %d", (long long)task,
                         status);
    memset(row, 0, sizeof *row);
    row->ended = ended;
    row->attempts = (uint32_t)sqlite3_column_int64(s, 4);
    row->worker = worker ? (const char *)worker : "";
    row->params = sqlite3_column_blob(s, 15);
    row->params_size = (size_t)sqlite3_column_bytes(s, 15);
    row->folder = folder ? (const char *)folder : "";
    row->result = (struct result){
        .id = {(uint64_t)task, (uint32_t)sqlite3_column_int64(s, 3)},
        .status = (enum result_status)status,
        .code = sqlite3_column_int(s, 2),
        .slot = (uint32_t)sqlite3_column_int64(s, 6),
        .started_ns = sqlite3_column_int64(s, 7),
        .elapsed_s = sqlite3_column_double(s, 8),
        .cpu_s = sqlite3_column_double(s, 9),
        .max_rss_bytes = sqlite3_column_int64(s, 10),
        .output_files = (uint32_t)sqlite3_column_int64(s, 11),
        .values = sqlite3_column_blob(s, 12),
        .values_size = (size_t)sqlite3_column_bytes(s, 12),
        .error = (const char *)sqlite3_column_text(s, 13),
        .error_size = (size_t)sqlite3_column_bytes(s, 13),
        .stderr_tail = sqlite3_column_blob(s, 14),
        .stderr_size = (size_t)sqlite3_column_bytes(s, 14),
    };
    return 0;
}

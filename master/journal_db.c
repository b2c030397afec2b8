/*
 * journal_db.c - see journal_db.h.
 *
 * WAL with synchronous=FULL: one fsync per commit, of the log alone; every CHECKPOINT_PAGES pages
 * the log is copied into the database (two more fsyncs). WAL needs a small file shared through
 * mmap, which works between processes of one host only. On file systems that hosts share (and
 * through FUSE, which may lead to one) we therefore ask for locking_mode=EXCLUSIVE, which keeps
 * that index in our own memory; the same where the mapping fails. If even then the file system
 * does not do WAL, SQLite goes on with its rollback journal, which is as durable with
 * synchronous=EXTRA, and slower.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include <sqlite3.h>

#include "master/journal_db.h"
#include "master/journal_tables.h"

#define APPLICATION_ID   0x42656f46 /* "BeoF": what `file journal.db` shows */
#define CHECKPOINT_PAGES 8192       /* 32 MiB of log between checkpoints */
#define BUSY_MS          5000       /* somebody's sqlite3 shell may hold a lock for a moment */

enum statement { INSERT_RESULT, INSERT_FAILURE, INSERT_NOTE, BEGIN, COMMIT, STATEMENTS };

struct journal_db {
    sqlite3 *sqlite;
    sqlite3_stmt *statements[STATEMENTS];
    char *path;
};

static const char *const statement_text[STATEMENTS] = {
    [INSERT_RESULT] = journal_tables_insert_result,
    [INSERT_FAILURE] = journal_tables_insert_failure,
    [INSERT_NOTE] = journal_tables_insert_note,
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
};

/* Fill the error from what SQLite says of its last failure. */
static int db_error(const struct journal_db *db, struct error *ret_error, const char *doing)
{
    int last = errno;
    int code = db->sqlite ? sqlite3_errcode(db->sqlite) : SQLITE_NOMEM;
    int system = db->sqlite ? sqlite3_system_errno(db->sqlite) : 0;
    const char *text = db->sqlite ? sqlite3_errmsg(db->sqlite) : "out of memory";
    if (!system && last == EFBIG) /* SQLite often does not say what it knows */
        system = EFBIG;
    switch (code) {
    case SQLITE_FULL:
        return error_set(ret_error, ERROR_SYSTEM,
                         "cannot %s the journal %s: the disk is full; free some space", doing,
                         db->path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return error_set(ret_error, ERROR_SYSTEM,
                         "cannot %s the journal %s: %s; keep a copy, see what `sqlite3 %s "
                         ".recover` can save, or start a new run",
                         doing, db->path, text, db->path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return error_set(ret_error, ERROR_SYSTEM,
                         "cannot %s the journal %s: another program has locked it", doing,
                         db->path);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
        return system ? error_errno(ret_error, system, "cannot %s the journal %s (%s)", doing,
                                    db->path, text)
                      : error_set(ret_error, ERROR_SYSTEM, "cannot %s the journal %s: %s",
                                  doing, db->path, text);
    default:
        return error_set(ret_error, ERROR_SYSTEM, "cannot %s the journal %s: %s", doing,
                         db->path, text);
    }
}

/* Whether PATH lies on a file system that other hosts may have mounted too. */
static bool path_is_shared(const char *path)
{
    static const unsigned long shared[] = {
        0x6969,     0x517b,     0xff534d42, 0xfe534d42, /* NFS, SMB, CIFS, SMB2 */
        0x65735546, 0x00c36400, 0x0bd00bd0, 0x47504653, /* FUSE, Ceph, Lustre, GPFS */
        0x19830326, 0x5346414f, 0x01021997, 0x7461636f, /* BeeGFS, AFS, 9p, OCFS2 */
        0x01161970, 0xaad7aaea,                         /* GFS2, PanFS */
    };
    char copy[PATH_MAX];
    struct statfs info;

    if ((size_t)snprintf(copy, sizeof copy, "%s", path) >= sizeof copy)
        return true;
    if (statfs(dirname(copy), &info) < 0)
        return false; /* the open will say what is wrong */
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        if ((unsigned long)info.f_type == shared[i])
            return true;
    return false;
}

/* Run a pragma and return the integer it answers, -1 if it failed. */
static int64_t pragma_integer(struct journal_db *db, const char *text)
{
    sqlite3_stmt *statement = NULL;
    int64_t answer = -1;

    if (sqlite3_prepare_v2(db->sqlite, text, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        answer = sqlite3_column_int64(statement, 0);
    if (sqlite3_finalize(statement) != SQLITE_OK)
        answer = -1;
    return answer;
}

/* Ask for WAL; true if SQLite answers that it is on. */
static bool wal_enter(struct journal_db *db)
{
    sqlite3_stmt *statement = NULL;
    bool wal = false;

    if (sqlite3_prepare_v2(db->sqlite, "PRAGMA journal_mode=WAL", -1, &statement, NULL) ==
            SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        wal = strcmp((const char *)sqlite3_column_text(statement, 0), "wal") == 0;
    sqlite3_finalize(statement);
    return wal;
}

static void db_keep_to_ourselves(struct journal_db *db)
{
    pragma_integer(db, "PRAGMA locking_mode=EXCLUSIVE");
}

static int db_configure(struct journal_db *db, struct error *ret_error)
{
    char text[96];
    bool wal = wal_enter(db);

    if (!wal) {
        db_keep_to_ourselves(db);
        wal = wal_enter(db);
    }
    snprintf(text, sizeof text, "PRAGMA synchronous=%s; PRAGMA wal_autocheckpoint=%d",
             wal ? "FULL" : "EXTRA", CHECKPOINT_PAGES);
    if (sqlite3_exec(db->sqlite, text, NULL, NULL, NULL) != SQLITE_OK)
        return db_error(db, ret_error, "set up");
    return 0;
}

/* Is this a journal, and of a version that we know? */
static int db_identify(struct journal_db *db, bool *ret_fresh, struct error *ret_error)
{
    int64_t tables = pragma_integer(db, "SELECT count(*) FROM sqlite_schema");
    int64_t id, version;

    if (tables < 0)
        return db_error(db, ret_error, "read");
    *ret_fresh = tables == 0;
    if (*ret_fresh)
        return 0;
    id = pragma_integer(db, "PRAGMA application_id");
    version = pragma_integer(db, "PRAGMA user_version");
    if (id != APPLICATION_ID)
        return error_set(ret_error, ERROR_SYSTEM,
                         "%s is a database, but not a journal of beofarm; move it away",
                         db->path);
    if (version > JOURNAL_VERSION)
        return error_set(ret_error, ERROR_SYSTEM,
                         "the journal %s has format %" PRId64
                         ", this beofarm knows formats up to "
                         "%d; use the newer beofarm that wrote it",
                         db->path, version, JOURNAL_VERSION);
    if (version < 1)
        return error_set(ret_error, ERROR_SYSTEM,
                         "the journal %s names no format; it is broken", db->path);
    return 0;
}

/* A journal of an earlier version gets what came later. */
static int db_upgrade(struct journal_db *db, struct error *ret_error)
{
    char text[320];
    int64_t version = pragma_integer(db, "PRAGMA user_version");

    if (version >= JOURNAL_VERSION)
        return 0;
    snprintf(text, sizeof text, "BEGIN IMMEDIATE; %s PRAGMA user_version=%d; COMMIT",
             journal_tables_upgrade, JOURNAL_VERSION);
    return sqlite3_exec(db->sqlite, text, NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : db_error(db, ret_error, "upgrade");
}

static int statements_prepare(struct journal_db *db, struct error *ret_error)
{
    for (int i = 0; i < STATEMENTS; i++)
        if (!db->statements[i] &&
            sqlite3_prepare_v3(db->sqlite, statement_text[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &db->statements[i], NULL) != SQLITE_OK)
            return db_error(db, ret_error, "use");
    return 0;
}

/* Open the file and read what it is. *ret_code is SQLite's, 0 if it was not SQLite that failed. */
static struct journal_db *db_try(const char *path, bool write, bool alone, bool *ret_fresh,
                                 int *ret_code, struct error *ret_error)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (write ? SQLITE_OPEN_CREATE : 0);
    struct journal_db *db = calloc(1, sizeof *db);

    *ret_code = 0;
    if (!db || !(db->path = strdup(path))) {
        error_set(ret_error, ERROR_SYSTEM, "no memory to open the journal");
        goto fail;
    }
    if (sqlite3_open_v2(path, &db->sqlite, flags, NULL) != SQLITE_OK) {
        db_error(db, ret_error, "open");
        goto fail;
    }
    sqlite3_busy_timeout(db->sqlite, BUSY_MS);
    if (alone)
        db_keep_to_ourselves(db);
    if (db_identify(db, ret_fresh, ret_error) == 0)
        return db;
    *ret_code = sqlite3_errcode(db->sqlite);
fail:
    journal_db_close(db);
    return NULL;
}

struct journal_db *journal_db_open(const char *path, bool write, bool *ret_fresh,
                                   struct error *ret_error)
{
    bool alone = path_is_shared(path);
    int code;
    struct journal_db *db = db_try(path, write, alone, ret_fresh, &code, ret_error);

    /* An existing journal whose WAL index cannot be mapped here fails at its first read. */
    if (!db && !alone &&
        (code == SQLITE_IOERR || code == SQLITE_CANTOPEN || code == SQLITE_PROTOCOL))
        db = db_try(path, write, true, ret_fresh, &code, ret_error);
    if (!db)
        return NULL;
    if ((write && db_configure(db, ret_error) < 0) ||
        (write && !*ret_fresh &&
         (db_upgrade(db, ret_error) < 0 || statements_prepare(db, ret_error) < 0))) {
        journal_db_close(db);
        return NULL;
    }
    return db;
}

void journal_db_close(struct journal_db *db)
{
    if (!db)
        return;
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(db->statements[i]);
    sqlite3_close(db->sqlite); /* the last connection moves the log into the database */
    free(db->path);
    free(db);
}

/* Undo an open transaction; what made it necessary has been reported already. */
static void transaction_abandon(struct journal_db *db)
{
    if (!sqlite3_get_autocommit(db->sqlite))
        sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
}

static int meta_insert(struct journal_db *db, const char *key, const char *value,
                       struct error *ret_error)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db->sqlite, "INSERT OR REPLACE INTO meta VALUES(?1, ?2)", -1,
                                &statement, NULL);

    if (rc == SQLITE_OK) {
        sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 2, value, -1, SQLITE_STATIC);
        rc = sqlite3_step(statement);
    }
    if (rc != SQLITE_DONE)
        db_error(db, ret_error, "write");
    sqlite3_finalize(statement);
    return rc == SQLITE_DONE ? 0 : -1;
}

int journal_db_create(struct journal_db *db, const char *const (*meta)[2], size_t count,
                      struct error *ret_error)
{
    char text[128];

    snprintf(text, sizeof text,
             "BEGIN IMMEDIATE; PRAGMA application_id=%d; PRAGMA user_version=%d;",
             APPLICATION_ID, JOURNAL_VERSION);
    if (sqlite3_exec(db->sqlite, text, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(db->sqlite, journal_tables_create, NULL, NULL, NULL) != SQLITE_OK)
        goto fail;
    for (size_t i = 0; i < count; i++)
        if (meta_insert(db, meta[i][0], meta[i][1], ret_error) < 0)
            goto abandon;
    if (sqlite3_exec(db->sqlite, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        goto fail;
    return statements_prepare(db, ret_error);
fail:
    db_error(db, ret_error, "create");
abandon:
    transaction_abandon(db);
    return -1;
}

int journal_db_each_meta(struct journal_db *db,
                         int (*each)(void *context, const char *key, const char *value,
                                     struct error *ret_error),
                         void *context, struct error *ret_error)
{
    sqlite3_stmt *statement = NULL;
    int rc =
        sqlite3_prepare_v2(db->sqlite, "SELECT key, value FROM meta", -1, &statement, NULL);

    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        const char *key, *value;

        rc = sqlite3_step(statement);
        if (rc != SQLITE_ROW)
            break;
        key = (const char *)sqlite3_column_text(statement, 0);
        value = (const char *)sqlite3_column_text(statement, 1);
        if (key && value && each(context, key, value, ret_error) < 0) {
            sqlite3_finalize(statement);
            return -1;
        }
    }
    if (rc != SQLITE_DONE)
        db_error(db, ret_error, "read");
    sqlite3_finalize(statement);
    return rc == SQLITE_DONE ? 0 : -1;
}

int journal_db_forget_failed(struct journal_db *db, uint64_t *ret_count,
                             struct error *ret_error)
{
    char begin[256];
    snprintf(begin, sizeof begin,
             "BEGIN IMMEDIATE; DELETE FROM attempt_failure WHERE task IN"
             " (SELECT task FROM result WHERE status<>%d);",
             RESULT_OK);
    char forget[64];
    snprintf(forget, sizeof forget, "DELETE FROM result WHERE status<>%d", RESULT_OK);
    if (sqlite3_exec(db->sqlite, begin, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(db->sqlite, forget, NULL, NULL, NULL) != SQLITE_OK)
        goto fail;
    *ret_count = (uint64_t)sqlite3_changes(db->sqlite);
    if (sqlite3_exec(db->sqlite, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        goto fail;
    return 0;
fail:
    db_error(db, ret_error, "change");
    transaction_abandon(db);
    return -1;
}

static int statement_run(struct journal_db *db, enum statement which)
{
    int rc = sqlite3_step(db->statements[which]);
    return rc == SQLITE_DONE ? sqlite3_reset(db->statements[which]) : rc;
}

static int row_insert(struct journal_db *db, const struct journal_row *row)
{
    enum statement which = row->note    ? INSERT_NOTE
                           : row->ended ? INSERT_RESULT
                                        : INSERT_FAILURE;
    journal_tables_bind(db->statements[which], row);
    return statement_run(db, which);
}

int journal_db_commit(struct journal_db *db, const struct journal_row *rows, size_t count,
                      struct error *ret_error)
{
    if (statement_run(db, BEGIN) != SQLITE_OK)
        goto fail;
    for (size_t i = 0; i < count; i++)
        if (row_insert(db, &rows[i]) != SQLITE_OK)
            goto fail;
    if (statement_run(db, COMMIT) != SQLITE_OK)
        goto fail;
    return 0;
fail:
    db_error(db, ret_error, "write");
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_reset(db->statements[i]);
    transaction_abandon(db);
    return -1;
}

/* Call `each` for all rows of a query, until it returns -1. */
static int rows_visit(struct journal_db *db, const char *text,
                      int (*each)(void *context, sqlite3_stmt *s, struct error *ret_error),
                      void *context, struct error *ret_error)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db->sqlite, text, -1, &statement, NULL), told = 0;

    if (rc == SQLITE_OK)
        while (told == 0 && (rc = sqlite3_step(statement)) == SQLITE_ROW)
            told = each(context, statement, ret_error);
    if (told == 0 && rc != SQLITE_DONE)
        told = db_error(db, ret_error, "read");
    sqlite3_finalize(statement);
    return told;
}

struct replay {
    struct journal_db *db;
    bool ended;
    int (*each)(void *context, const struct journal_row *row, struct error *ret_error);
    int (*each_note)(void *context, const void *bytes, size_t size, struct error *ret_error);
    void *context;
};

static int result_replay(void *context, sqlite3_stmt *s, struct error *ret_error)
{
    const struct replay *replay = context;
    struct journal_row row;

    if (journal_tables_read(s, replay->ended, &row, ret_error) < 0)
        return error_prefix(ret_error, "the journal %s is broken", replay->db->path);
    return replay->each(replay->context, &row, ret_error) < 0 ? -1 : 0;
}

static int note_replay(void *context, sqlite3_stmt *s, struct error *ret_error)
{
    const struct replay *replay = context;

    return replay->each_note(replay->context, sqlite3_column_blob(s, 0),
                             (size_t)sqlite3_column_bytes(s, 0), ret_error) < 0
               ? -1
               : 0;
}

int journal_db_replay(struct journal_db *db, bool ended,
                      int (*each)(void *context, const struct journal_row *row,
                                  struct error *ret_error),
                      void *context, struct error *ret_error)
{
    int64_t version = pragma_integer(db, "PRAGMA user_version");
    const char *text = journal_tables_select(ended, version);
    struct replay replay = {.db = db, .ended = ended, .each = each, .context = context};

    return rows_visit(db, text, result_replay, &replay, ret_error);
}

int journal_db_replay_notes(struct journal_db *db,
                            int (*each)(void *context, const void *bytes, size_t size,
                                        struct error *ret_error),
                            void *context, struct error *ret_error)
{
    struct replay replay = {.db = db, .each_note = each, .context = context};

    if (pragma_integer(db, "PRAGMA user_version") < 2)
        return 0;
    return rows_visit(db, "SELECT bytes FROM note ORDER BY id", note_replay, &replay,
                      ret_error);
}

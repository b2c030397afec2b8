/*
 * journal.c - see journal.h.
 *
 * Two groups of rows: the owner's thread appends to `gathering`; the journal's thread swaps it
 * with the empty `writing` and commits that, while the next one gathers. So the size of a
 * transaction follows the load by itself: one row when idle, thousands when a commit takes as
 * long as thousands of results.
 *
 * Two locks: `queue_lock` for the groups and the counters, held for moments; `db_lock` for the
 * database, held for a whole commit or replay. db_lock is always taken first.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/hex.h"
#include "common/thread.h"
#include "master/journal.h"
#include "master/journal_db.h"
#include "master/lock_file.h"
#include "master/row_group.h"

#define JOURNAL_PACE_NS 10000000

struct meta_entry {
    struct meta_entry *next;
    char *key, *value;
};

struct journal {
    struct journal_db *db;
    struct meta_entry *meta;
    struct journal_hooks hooks;
    bool resumed;
    bool copied; /* the group that is being written: its copy is made */
    int lock_fd, event_fd;

    pthread_mutex_t db_lock, queue_lock;
    pthread_cond_t queue_changed; /* on the monotonic clock */
    pthread_t thread;
    bool thread_runs;

    /* under queue_lock */
    struct row_group gathering, writing;
    uint64_t added, committed;
    bool closing, troubled;
    struct error trouble;
};

/* --- the journal's thread ----------------------------------------------------------------- */

/* Wake the owner's event loop. */
static void journal_announce(struct journal *journal)
{
    uint64_t one = 1;

    while (write(journal->event_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

/* The group is durable: say so at once, before the hook. */
static void commit_count(struct journal *journal, size_t count)
{
    pthread_mutex_lock(&journal->queue_lock);
    journal->committed += count;
    journal->troubled = false;
    pthread_mutex_unlock(&journal->queue_lock);
    journal_announce(journal);
}

static int group_commit(struct journal *journal, struct error *ret_error)
{
    const struct journal_hooks *hooks = &journal->hooks;
    const struct row_group *group = &journal->writing;
    int rc;

    if (hooks->prepare &&
        hooks->prepare(hooks->prepare_context, group->rows, group->count, ret_error) < 0)
        return -1;
    if (hooks->copy && !journal->copied &&
        hooks->copy(hooks->copy_context, group->rows, group->count, ret_error) < 0)
        return -1;
    journal->copied = true;
    pthread_mutex_lock(&journal->db_lock);
    rc = journal_db_commit(journal->db, group->rows, group->count, ret_error);
    if (rc == 0) {
        journal->copied = false;
        commit_count(journal, group->count);
        if (hooks->committed)
            hooks->committed(hooks->committed_context, group->rows, group->count);
    }
    pthread_mutex_unlock(&journal->db_lock);
    return rc;
}

/* Sleep until it is time to try again, or the journal is being closed. */
static void retry_wait(struct journal *journal)
{
    thread_wait(&journal->queue_changed, &journal->queue_lock, &journal->closing,
                thread_deadline(JOURNAL_RETRY_S * CLOCK_SECOND_NS));
}

/* A commit costs some 0.3 ms of CPU, whatever it holds. On a busy farm the next one waits until
 * JOURNAL_PACE_NS have passed since the last began, so that more share it; after a quiet moment
 * a commit begins at once. */
static void pace(struct journal *journal, struct timespec next)
{
    thread_wait(&journal->queue_changed, &journal->queue_lock, &journal->closing, next);
}

/* A commit failed: keep the sentence, and wait a moment unless this was the last try. */
static void commit_settle_failed(struct journal *journal, bool last_try,
                                 const struct error *error)
{
    bool news = !journal->troubled || strcmp(error->text, journal->trouble.text) != 0;

    journal->troubled = true;
    journal->trouble = *error;
    if (news)
        journal_announce(journal);
    if (!last_try)
        retry_wait(journal);
}

static void *journal_write(void *context)
{
    struct journal *journal = context;
    struct error error;
    struct timespec next;
    bool go_on = true;

    pthread_mutex_lock(&journal->queue_lock);
    while (go_on) {
        bool last_try;
        int rc;

        while (!journal->closing && !journal->gathering.count && !journal->writing.count)
            pthread_cond_wait(&journal->queue_changed, &journal->queue_lock);
        if (!journal->writing.count) {
            struct row_group empty = journal->writing;

            if (!journal->gathering.count)
                break;
            journal->writing = journal->gathering;
            journal->gathering = empty;
        }
        last_try = journal->closing;
        pthread_mutex_unlock(&journal->queue_lock);
        next = thread_deadline(JOURNAL_PACE_NS);
        row_group_resolve(&journal->writing);
        rc = group_commit(journal, &error);
        pthread_mutex_lock(&journal->queue_lock);
        if (rc == 0) {
            row_group_clear(&journal->writing);
            pace(journal, next);
        } else {
            commit_settle_failed(journal, last_try, &error);
        }
        go_on = rc == 0 || !last_try;
    }
    pthread_mutex_unlock(&journal->queue_lock);
    return NULL;
}

/* --- opening and closing ------------------------------------------------------------------ */

static int meta_keep(void *context, const char *key, const char *value, struct error *ret_error)
{
    struct journal *journal = context;
    struct meta_entry *entry;
    char *copy = strdup(value);

    for (entry = journal->meta; entry && strcmp(entry->key, key); entry = entry->next)
        ;
    if (copy && !entry && (entry = calloc(1, sizeof *entry))) {
        if ((entry->key = strdup(key))) {
            entry->next = journal->meta;
            journal->meta = entry;
        } else {
            free(entry);
            entry = NULL;
        }
    }
    if (!copy || !entry) {
        free(copy);
        return error_set(ret_error, ERROR_SYSTEM, "no memory to read the journal");
    }
    free(entry->value);
    entry->value = copy;
    return 0;
}

static void meta_free(struct journal *journal)
{
    struct meta_entry *next;

    for (struct meta_entry *entry = journal->meta; entry; entry = next) {
        next = entry->next;
        free(entry->key);
        free(entry->value);
        free(entry);
    }
    journal->meta = NULL;
}

/* A fresh journal: its tables and what it is the journal of. */
static int journal_begin(struct journal *journal, const struct journal_meta *meta,
                         struct error *ret_error)
{
    uint8_t random[16];
    char run[33], created[24];

    if (getrandom(random, sizeof random, 0) != sizeof random)
        return error_errno(ret_error, errno, "cannot make a run id");
    hex_format(random, sizeof random, run);
    snprintf(created, sizeof created, "%" PRId64, clock_wall_ns());

    const char *const pairs[][2] = {
        {"farm", meta->farm},
        {"farm_file", meta->farm_file},
        {"params", meta->params},
        {"results", meta->results},
        {"brief", meta->brief ? "1" : "0"},
        {"run", run},
        {"created_ns", created},
    };
    return journal_db_create(journal->db, pairs, sizeof pairs / sizeof *pairs, ret_error);
}

/* The journal that is there must be of this farm, with the same columns. */
static int journal_check(struct journal *journal, const struct journal_meta *meta,
                         struct error *ret_error)
{
    const struct {
        const char *key, *now, *what;
    } checks[] = {
        {"farm", meta->farm, "the farm"},
        {"params", meta->params, "tasks with the parameters"},
        {"results", meta->results, "results with the values"},
    };

    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        const char *then = journal_meta_get(journal, checks[i].key);

        if (!then)
            return error_set(ret_error, ERROR_SYSTEM, "the journal is broken: it names no %s",
                             checks[i].key);
        if (strcmp(then, checks[i].now) != 0)
            return error_set(
                ret_error, ERROR_CHANGED,
                "the journal is of %s %s, but this farm file has %s; start a new run",
                checks[i].what, then, checks[i].now);
    }
    return 0;
}

static int writer_start(struct journal *journal, struct error *ret_error)
{
    int rc = thread_start(&journal->thread, journal_write, journal);
    if (rc)
        return error_errno(ret_error, rc, "cannot start the journal's thread");
    journal->thread_runs = true;
    return 0;
}

static struct journal *journal_create(struct error *ret_error)
{
    struct journal *journal = calloc(1, sizeof *journal);

    if (!journal) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the journal");
        return NULL;
    }
    journal->lock_fd = -1;
    row_group_init(&journal->gathering);
    row_group_init(&journal->writing);
    pthread_mutex_init(&journal->db_lock, NULL);
    pthread_mutex_init(&journal->queue_lock, NULL);
    thread_condition_init(&journal->queue_changed);
    journal->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (journal->event_fd < 0) {
        error_errno(ret_error, errno, "cannot make an eventfd");
        journal_close(journal, NULL);
        return NULL;
    }
    return journal;
}

char *journal_path(const char *run_dir, struct error *ret_error)
{
    char *path = NULL;
    if (asprintf(&path, "%s/journal.db", run_dir) >= 0)
        return path;
    error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    return NULL;
}

struct journal *journal_open(const char *path, enum journal_mode mode,
                             const struct journal_meta *meta, struct error *ret_error)
{
    struct journal *journal = journal_create(ret_error);
    bool write = mode == JOURNAL_WRITE, fresh;

    if (!journal)
        return NULL;
    if (write && (journal->lock_fd = lock_file_take(path, ret_error)) < 0)
        goto fail;
    if (!write && access(path, R_OK) < 0) {
        error_errno(ret_error, errno, "cannot read the journal %s", path);
        goto fail;
    }
    if (write && meta->restore && meta->restore(meta->restore_context, path, ret_error) < 0)
        goto fail;
    journal->db = journal_db_open(path, write, &fresh, ret_error);
    if (!journal->db)
        goto fail;
    journal->resumed = !fresh;
    if (fresh && !write) {
        error_set(ret_error, ERROR_SYSTEM, "%s is empty: its farm never began", path);
        goto fail;
    }
    if (fresh && journal_begin(journal, meta, ret_error) < 0)
        goto fail;
    if (journal_db_each_meta(journal->db, meta_keep, journal, ret_error) < 0)
        goto fail;
    if (meta && journal_check(journal, meta, ret_error) < 0) {
        error_prefix(ret_error, "%s", path);
        goto fail;
    }
    if (write && writer_start(journal, ret_error) < 0)
        goto fail;
    return journal;
fail:
    journal_close(journal, NULL);
    return NULL;
}

int journal_close(struct journal *journal, struct error *ret_error)
{
    int rc = 0;

    if (!journal)
        return 0;
    if (journal->thread_runs) {
        pthread_mutex_lock(&journal->queue_lock);
        journal->closing = true;
        pthread_cond_signal(&journal->queue_changed);
        pthread_mutex_unlock(&journal->queue_lock);
        pthread_join(journal->thread, NULL);
    }
    if (journal->committed < journal->added)
        rc = error_set(ret_error, journal->trouble.code,
                       "%" PRIu64 " results could not be written: %s",
                       journal->added - journal->committed, journal->trouble.text);
    row_group_fini(&journal->gathering);
    row_group_fini(&journal->writing);
    journal_db_close(journal->db);
    meta_free(journal);
    if (journal->event_fd >= 0)
        close(journal->event_fd);
    if (journal->lock_fd >= 0)
        close(journal->lock_fd);
    pthread_cond_destroy(&journal->queue_changed);
    pthread_mutex_destroy(&journal->queue_lock);
    pthread_mutex_destroy(&journal->db_lock);
    free(journal);
    return rc;
}

/* --- the owner's calls -------------------------------------------------------------------- */

void journal_set_hooks(struct journal *journal, const struct journal_hooks *hooks)
{
    journal->hooks = *hooks;
}

bool journal_resumed(const struct journal *journal)
{
    return journal->resumed;
}

const char *journal_meta_get(const struct journal *journal, const char *key)
{
    for (const struct meta_entry *entry = journal->meta; entry; entry = entry->next)
        if (strcmp(entry->key, key) == 0)
            return entry->value;
    return NULL;
}

static int replay(struct journal *journal, bool ended,
                  int (*each)(void *context, const struct journal_row *row,
                              struct error *ret_error),
                  void *context, struct error *ret_error)
{
    int rc;

    pthread_mutex_lock(&journal->db_lock);
    rc = journal_db_replay(journal->db, ended, each, context, ret_error);
    pthread_mutex_unlock(&journal->db_lock);
    return rc;
}

int journal_replay(struct journal *journal,
                   int (*each)(void *context, const struct journal_row *row,
                               struct error *ret_error),
                   void *context, struct error *ret_error)
{
    return replay(journal, true, each, context, ret_error);
}

int journal_replay_failures(struct journal *journal,
                            int (*each)(void *context, const struct journal_row *row,
                                        struct error *ret_error),
                            void *context, struct error *ret_error)
{
    return replay(journal, false, each, context, ret_error);
}

int journal_replay_notes(struct journal *journal,
                         int (*each)(void *context, const void *bytes, size_t size,
                                     struct error *ret_error),
                         void *context, struct error *ret_error)
{
    int rc;

    pthread_mutex_lock(&journal->db_lock);
    rc = journal_db_replay_notes(journal->db, each, context, ret_error);
    pthread_mutex_unlock(&journal->db_lock);
    return rc;
}

int journal_add(struct journal *journal, const struct journal_row *row, uint64_t *ret_sequence,
                struct error *ret_error)
{
    struct journal_row copy = *row;
    int rc;

    if (!copy.worker)
        copy.worker = "";
    if (!copy.folder)
        copy.folder = "";
    pthread_mutex_lock(&journal->queue_lock);
    rc = row_group_add(&journal->gathering, &copy);
    if (rc == 0) {
        journal->added++;
        if (ret_sequence)
            *ret_sequence = journal->added;
        /* The thread sleeps only while nothing is queued; a later row is seen after its commit. */
        if (journal->gathering.count == 1 && !journal->writing.count)
            pthread_cond_signal(&journal->queue_changed);
    }
    pthread_mutex_unlock(&journal->queue_lock);
    return rc < 0 ? error_set(ret_error, ERROR_SYSTEM, "no memory to journal task %" PRIu64,
                              row->result.id.task)
                  : 0;
}

int journal_add_note(struct journal *journal, const void *bytes, size_t size,
                     uint64_t *ret_sequence, struct error *ret_error)
{
    const struct journal_row row = {.note = true, .params = bytes, .params_size = size};

    if (size == 0)
        return error_set(ret_error, ERROR_BUG, "an empty note");
    return journal_add(journal, &row, ret_sequence, ret_error);
}

uint64_t journal_committed(struct journal *journal)
{
    uint64_t committed, count;

    /* First the descriptor, then the number: a commit in between rings again. */
    while (read(journal->event_fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
    pthread_mutex_lock(&journal->queue_lock);
    committed = journal->committed;
    pthread_mutex_unlock(&journal->queue_lock);
    return committed;
}

int journal_fd(const struct journal *journal)
{
    return journal->event_fd;
}

uint64_t journal_backlog(struct journal *journal, size_t *ret_bytes)
{
    uint64_t rows;

    pthread_mutex_lock(&journal->queue_lock);
    rows = journal->added - journal->committed;
    if (ret_bytes)
        *ret_bytes =
            row_group_memory(&journal->gathering) + row_group_memory(&journal->writing);
    pthread_mutex_unlock(&journal->queue_lock);
    return rows;
}

bool journal_trouble(struct journal *journal, struct error *ret_error)
{
    bool troubled;

    pthread_mutex_lock(&journal->queue_lock);
    troubled = journal->troubled;
    if (troubled && ret_error)
        *ret_error = journal->trouble;
    pthread_mutex_unlock(&journal->queue_lock);
    return troubled;
}

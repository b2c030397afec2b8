/*
 * journal.c - rows per second that the journal makes durable, and how long one row takes.
 *
 * Against the limit measured in the same run: what SQLite takes of the same rows in one bare
 * transaction, and what an fsync costs on this disk. With outputs: tasks per second with a file of
 * 1 MiB each, against writing the same bytes with one syncfs at the end.
 *
 *     benchmarks/journal [DIRECTORY]      (default: the working directory; it matters which disk)
 */
#include "config.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "common/clock.h"
#include "common/tree.h"
#include "common/values.h"
#include "master/journal.h"
#include "master/outputs.h"
#include "master/results.h"

#define ROWS    300000
#define SINGLES 200
#define FILES   200
#define ROUNDS  3
#define BACKLOG 20000 /* as the farm bounds it */

static char folder[256];

static const struct journal_meta meta = {
    .farm = "bench", .farm_file = "{}", .params = "[\"K\",\"S\"]", .results = "[\"head\"]"};

static void die(const char *what, const struct error *error)
{
    fprintf(stderr, "%s: %s\n", what, error->text);
    exit(1);
}

static double seconds_since(int64_t begun)
{
    return (double)(clock_monotonic_ns() - begun) / 1e9;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *numbers, size_t count)
{
    qsort(numbers, count, sizeof *numbers, compare);
    return numbers[count / 2];
}

static struct journal_row row_make(uint64_t task, struct buf *params, struct buf *values)
{
    struct value k = {.kind = VALUE_REAL, .real = (double)task / 3};
    const struct value both[] = {k, k};

    buf_clear(params);
    buf_clear(values);
    values_encode(params, both, 2);
    values_encode(values, &k, 1);
    return (struct journal_row){.ended = true,
                                .attempts = 1,
                                .worker = "node-17",
                                .worker_id = 1,
                                .params = params->data,
                                .params_size = params->size,
                                .result = {.id = {task, 1},
                                           .started_ns = INT64_C(1700000000000000000),
                                           .elapsed_s = 0.001,
                                           .values = values->data,
                                           .values_size = values->size}};
}

static const char *in_folder(const char *name)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void folder_clear(void)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY);

    tree_remove(fd, "journal.db");
    tree_remove(fd, "journal.db-wal");
    tree_remove(fd, "journal.db-shm");
    tree_remove(fd, "results.csv");
    tree_remove(fd, "out");
    tree_remove(fd, "bare");
    close(fd);
}

static struct journal *bench_open(void)
{
    struct error error;
    struct journal *journal;

    folder_clear();
    journal = journal_open(in_folder("journal.db"), JOURNAL_WRITE, &meta, &error);
    if (!journal)
        die("journal", &error);
    return journal;
}

static void wait_backlog(struct journal *journal, uint64_t most)
{
    struct pollfd poll_fd = {.fd = journal_fd(journal), .events = POLLIN};
    struct error error;

    while (journal_backlog(journal, NULL) > most) {
        poll(&poll_fd, 1, -1);
        journal_committed(journal);
        if (journal_trouble(journal, &error))
            die("commit", &error);
    }
}

/* Rows per second until the last is durable, with or without results.csv. */
static double grouped(bool with_results)
{
    struct journal *journal = bench_open();
    struct results *results = NULL;
    struct buf params, values;
    struct error error;
    int64_t begun;
    double rate;

    buf_init(&params, 1000);
    buf_init(&values, 1000);
    if (with_results) {
        results = results_open(in_folder("results.csv"), journal, &error);
        if (!results)
            die("results", &error);
        journal_set_hooks(journal, &(struct journal_hooks){.committed = results_append,
                                                           .committed_context = results});
    }
    begun = clock_monotonic_ns();
    for (uint64_t task = 1; task <= ROWS; task++) {
        struct journal_row row = row_make(task, &params, &values);

        if (journal_add(journal, &row, NULL, &error) < 0)
            die("add", &error);
        if (task % 256 == 0)
            wait_backlog(journal, BACKLOG);
    }
    wait_backlog(journal, 0);
    rate = ROWS / seconds_since(begun);
    journal_close(journal, NULL);
    results_close(results);
    buf_fini(&params);
    buf_fini(&values);
    return rate;
}

/* The median time from adding one row to an idle journal until it is durable. */
static double single(void)
{
    struct journal *journal = bench_open();
    struct buf params, values;
    double times[SINGLES];

    buf_init(&params, 1000);
    buf_init(&values, 1000);
    for (uint64_t task = 1; task <= SINGLES; task++) {
        struct journal_row row = row_make(task, &params, &values);
        int64_t begun = clock_monotonic_ns();

        journal_add(journal, &row, NULL, NULL);
        wait_backlog(journal, 0);
        times[task - 1] = seconds_since(begun);
    }
    journal_close(journal, NULL);
    buf_fini(&params);
    buf_fini(&values);
    return median(times, SINGLES);
}

/* The limit of one row: a 4 KiB write and fsync. */
static double bare_sync(void)
{
    int fd = open(in_folder("bare"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    double times[SINGLES];
    char block[4096] = {1};

    for (int i = 0; i < SINGLES; i++) {
        int64_t begun = clock_monotonic_ns();

        if (write(fd, block, sizeof block) < 0 || fdatasync(fd) < 0)
            perror("bare sync");
        times[i] = seconds_since(begun);
    }
    close(fd);
    return median(times, SINGLES);
}

/* The limit of many: the same columns in one bare transaction, one thread, nothing around it. */
static double bare_sqlite(void)
{
    sqlite3 *db;
    sqlite3_stmt *insert;
    struct buf params, values;
    int64_t begun;
    double rate;

    folder_clear();
    buf_init(&params, 1000);
    buf_init(&values, 1000);
    sqlite3_open(in_folder("journal.db"), &db);
    sqlite3_exec(db,
                 "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                 "CREATE TABLE r(task INTEGER PRIMARY KEY, worker TEXT, started INTEGER,"
                 " elapsed REAL, v BLOB, p BLOB); BEGIN",
                 NULL, NULL, NULL);
    sqlite3_prepare_v2(db, "INSERT INTO r VALUES(?,?,?,?,?,?)", -1, &insert, NULL);
    begun = clock_monotonic_ns();
    for (uint64_t task = 1; task <= ROWS; task++) {
        struct journal_row row = row_make(task, &params, &values);

        sqlite3_bind_int64(insert, 1, (sqlite3_int64)task);
        sqlite3_bind_text(insert, 2, row.worker, -1, SQLITE_STATIC);
        sqlite3_bind_int64(insert, 3, row.result.started_ns);
        sqlite3_bind_double(insert, 4, row.result.elapsed_s);
        sqlite3_bind_blob64(insert, 5, values.data, values.size, SQLITE_STATIC);
        sqlite3_bind_blob64(insert, 6, params.data, params.size, SQLITE_STATIC);
        sqlite3_step(insert);
        sqlite3_reset(insert);
    }
    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    rate = ROWS / seconds_since(begun);
    sqlite3_finalize(insert);
    sqlite3_close(db);
    buf_fini(&params);
    buf_fini(&values);
    return rate;
}

/* Tasks per second with an output of 1 MiB each, all durable. */
static double with_outputs(void)
{
    struct journal *journal = bench_open();
    struct error error;
    struct outputs *outputs = outputs_open(folder, &error);
    struct output_piece piece = {.path = "field.bin", .path_size = 9, .mode = 0644};
    struct buf params, values;
    int64_t begun;
    double rate;

    if (!outputs)
        die("outputs", &error);
    journal_set_hooks(journal, &(struct journal_hooks){.prepare = outputs_prepare,
                                                       .prepare_context = outputs});
    buf_init(&params, 1000);
    buf_init(&values, 1000);
    piece.size = piece.total_size = MESSAGE_CHUNK;
    piece.bytes = calloc(1, MESSAGE_CHUNK);
    begun = clock_monotonic_ns();
    for (uint64_t task = 1; task <= FILES; task++) {
        struct journal_row row = row_make(task, &params, &values);

        row.result.output_files = 1;
        piece.id = row.result.id;
        if (outputs_add(outputs, 1, &piece, &error) < 0 ||
            outputs_seal(outputs, 1, piece.id, 1, &error) < 0 ||
            journal_add(journal, &row, NULL, &error) < 0)
            die("outputs", &error);
    }
    wait_backlog(journal, 0);
    rate = FILES / seconds_since(begun);
    journal_close(journal, NULL);
    outputs_close(outputs);
    free((void *)piece.bytes);
    buf_fini(&params);
    buf_fini(&values);
    return rate;
}

static double bare_files(void)
{
    char *block = calloc(1, MESSAGE_CHUNK), name[64];
    int64_t begun;
    double rate;
    int folder_fd;

    folder_clear();
    folder_fd = open(folder, O_RDONLY | O_DIRECTORY);
    mkdirat(folder_fd, "bare", 0700);
    begun = clock_monotonic_ns();
    for (int i = 0; i < FILES; i++) {
        int fd;

        snprintf(name, sizeof name, "bare/%d", i);
        fd = openat(folder_fd, name, O_WRONLY | O_CREAT, 0600);
        if (write(fd, block, MESSAGE_CHUNK) < 0)
            perror("bare files");
        close(fd);
    }
    syncfs(folder_fd);
    rate = FILES / seconds_since(begun);
    close(folder_fd);
    free(block);
    return rate;
}

static double results_too(void)
{
    return grouped(true);
}

static double journal_alone(void)
{
    return grouped(false);
}

/* Interleaved rounds, so that what else runs on the machine meets both alike. */
static void measure(const char *what, const char *unit, double (*ours)(void),
                    double (*limit)(void), bool higher_is_better)
{
    double a[ROUNDS], b[ROUNDS], ratio;

    for (int i = 0; i < ROUNDS; i++) {
        a[i] = ours();
        b[i] = limit();
    }
    median(a, ROUNDS);
    median(b, ROUNDS);
    ratio = higher_is_better ? a[ROUNDS / 2] / b[ROUNDS / 2] : b[ROUNDS / 2] / a[ROUNDS / 2];
    printf("%-44s %12.6g %-8s limit %12.6g  ratio %.2f\n", what, a[ROUNDS / 2], unit,
           b[ROUNDS / 2], ratio);
}

int main(int argc, char **argv)
{
    snprintf(folder, sizeof folder, "%s/bench-journal-XXXXXX", argc > 1 ? argv[1] : ".");
    if (!mkdtemp(folder)) {
        perror(folder);
        return 1;
    }
    measure("journal: durable rows, grouped", "rows/s", journal_alone, bare_sqlite, true);
    measure("journal: the same with results.csv", "rows/s", results_too, bare_sqlite, true);
    measure("journal: one row, idle, until durable", "s", single, bare_sync, false);
    measure("outputs: tasks with 1 MiB, durable", "tasks/s", with_outputs, bare_files, true);
    folder_clear();
    unlink(in_folder("journal.db.lock"));
    if (rmdir(folder) < 0)
        perror(folder);
    return 0;
}

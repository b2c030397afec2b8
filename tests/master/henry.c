#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "tests/master/henry.h"

const struct journal_meta henry = {
    .farm = "henry", .farm_file = "{}", .params = "[\"K\"]", .results = "[\"head\"]"};

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

int henry_setup(void **state)
{
    struct place *place = calloc(1, sizeof *place);

    strcpy(place->folder, "/tmp/beofarm-journal-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->path, sizeof place->path, "%s/journal.db", place->folder);
    *state = place;
    return 0;
}

int henry_teardown(void **state)
{
    struct place *place = *state;

    nftw(place->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(place);
    return 0;
}

struct journal *henry_open(const struct place *place)
{
    struct error error = {0};
    struct journal *journal = journal_open(place->path, JOURNAL_WRITE, &henry, &error);

    if (!journal)
        print_message("# %s\n", error.text);
    assert_non_null(journal);
    return journal;
}

struct journal_row henry_row(uint64_t task)
{
    return (struct journal_row){
        .ended = true,
        .attempts = 1,
        .worker = "n1",
        .params = "\1\1\2",
        .params_size = 3,
        .result = {.id = {task, 1}, .elapsed_s = 0.5, .values = "\1\1\4", .values_size = 3}};
}

uint64_t henry_add(struct journal *journal, uint64_t task)
{
    struct journal_row row = henry_row(task);
    struct error error = {0};
    uint64_t sequence = 0;

    assert_int_equal(journal_add(journal, &row, &sequence, &error), 0);
    return sequence;
}

void henry_wait(struct journal *journal, uint64_t sequence)
{
    struct pollfd poll_fd = {.fd = journal_fd(journal), .events = POLLIN};

    while (journal_committed(journal) < sequence)
        assert_int_equal(poll(&poll_fd, 1, 20000), 1);
}

int henry_see(void *context, const struct journal_row *row, struct error *ret_error)
{
    struct seen *seen = context;

    (void)ret_error;
    if (row->ended) /* in task order, each once */
        assert_true(row->result.id.task > seen->last);
    seen->last = row->result.id.task;
    seen->count++;
    seen->row = *row;
    snprintf(seen->error, sizeof seen->error, "%.*s", (int)row->result.error_size,
             row->result.error_size ? row->result.error : "");
    snprintf(seen->stderr_tail, sizeof seen->stderr_tail, "%.*s", (int)row->result.stderr_size,
             row->result.stderr_size ? row->result.stderr_tail : "");
    snprintf(seen->worker, sizeof seen->worker, "%s", row->worker);
    return 0;
}

struct seen henry_replay(struct journal *journal)
{
    struct seen seen = {0};
    struct error error = {0};

    assert_int_equal(journal_replay(journal, henry_see, &seen, &error), 0);
    return seen;
}

void henry_refuse(const char *path, enum journal_mode mode, const struct journal_meta *meta,
                  enum error_code code, const char *words)
{
    struct error error = {0};

    assert_null(journal_open(path, mode, meta, &error));
    if (error.code != code || !strstr(error.text, words))
        print_message("# code %d: %s\n", error.code, error.text);
    assert_int_equal(error.code, code);
    assert_non_null(strstr(error.text, words));
}

void henry_sql(const char *path, const char *text)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/*
 * henry.h - the journal of a farm called henry, in a folder of its own, for tests.
 */
#ifndef BEOFARM_TESTS_MASTER_HENRY_H
#define BEOFARM_TESTS_MASTER_HENRY_H

#include <stdint.h>

#include "master/journal.h"

extern const struct journal_meta henry;

struct place {
    char folder[64], path[128]; /* of the journal */
};

/* For cmocka: *state is a place. */
int henry_setup(void **state);
int henry_teardown(void **state);
#define HENRY_TEST(name) cmocka_unit_test_setup_teardown(name, henry_setup, henry_teardown)

/* All of these assert that they succeed. */
struct journal *henry_open(const struct place *place);
struct journal_row henry_row(uint64_t task);                /* an accepted result */
uint64_t henry_add(struct journal *journal, uint64_t task); /* its sequence */

/* Wait, on the descriptor alone, until `sequence` is durable. */
void henry_wait(struct journal *journal, uint64_t sequence);

/* What a replay told: how many rows, the last task, and the last row with its texts. */
struct seen {
    uint64_t count, last;
    struct journal_row row;
    char error[64], stderr_tail[64], worker[64];
};

/* For journal_replay, with a `seen`: notes the row, and asserts that tasks come in order, each
 * once. */
int henry_see(void *context, const struct journal_row *row, struct error *ret_error);
struct seen henry_replay(struct journal *journal);

/* Opening must fail, with this code and a sentence that holds `words`. */
void henry_refuse(const char *path, enum journal_mode mode, const struct journal_meta *meta,
                  enum error_code code, const char *words);

/* Run statements on the database. */
void henry_sql(const char *path, const char *text);

#endif

/*
 * results.h - results.csv, one row per ended task.
 *
 * Columns: task, the task's parameters, the result's values, status, code, elapsed_s, worker,
 * attempts, error; without the parameters and values where the journal says "brief". While the farm
 * runs, rows are appended as they are committed (in the order of their ends); results_rewrite makes
 * the file again from the journal alone, in task order, and puts it in place whole (temporary file,
 * fsync, rename). So what the journal says is the truth, and results.csv can always be had again.
 *
 * Names: a parameter or value may not be called like one of the columns above, nor a value like a
 * parameter; results_check_names says so when the farm file is checked.
 */
#ifndef BEOFARM_MASTER_RESULTS_H
#define BEOFARM_MASTER_RESULTS_H

#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/error.h"
#include "master/journal.h"

struct results;

/* `params` and `values` are JSON arrays of names (the job's "params" and "results"). 0, or -1
 * with ERROR_CONFIG naming the clash. */
int results_check_names(const cJSON *params, const cJSON *values, struct error *ret_error);

/* Open (or begin) PATH for appending; column names come from the journal (borrowed during the
 * call). An existing file is kept as it is: call results_rewrite to bring it up to date. */
struct results *results_open(const char *path, struct journal *journal,
                             struct error *ret_error);

/* The journal's `committed` hook; `context` is the struct results. One write per group. When the
 * disk is full it stops, says so through results_trouble, and the row stays in the journal. */
void results_append(void *context, const struct journal_row *rows, size_t count);

/* -1 with the sentence if appending has failed since the last rewrite (a broken last line is
 * possible; results_rewrite mends it). */
int results_trouble(struct results *results, struct error *ret_error);

/* Make the whole file again from the journal. Call it while journal_backlog is 0 (at the start of
 * a resumed farm, at the end, for --results). *ret_rows (may be NULL): how many tasks. */
int results_rewrite(struct results *results, struct journal *journal, uint64_t *ret_rows,
                    struct error *ret_error);

void results_close(struct results *results); /* NULL is allowed; after journal_close */

#endif

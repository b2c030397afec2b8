/*
 * run_record.h - BASE.rmr: which model run was made where, how long it took, what failed.
 *
 * It is what BeoPEST's and PEST++'s run management record is to their users: a line per run as it
 * ends, and at the end runs, failures and mean times by node, the time that all runs took together,
 * the time that passed, and the ratio of the two. A resumed master writes it anew from its journal,
 * so it tells of all runs of an estimation, whoever led it.
 */
#ifndef BEOFARM_MASTER_PEST_RUN_RECORD_H
#define BEOFARM_MASTER_PEST_RUN_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/message.h"

struct run_record;

/* Begin PATH anew. `name` is the case's, for the heading. NULL with a sentence. */
struct run_record *run_record_open(const char *path, const char *name, struct error *ret_error);

/* A wave of runs begins: tasks `first` and those that follow. `purpose` is borrowed. */
void run_record_wave(struct run_record *record, uint64_t number, const char *purpose,
                     uint64_t first, size_t runs, uint32_t slots);

/* A run ended, on `node` ("" if nobody had it), after `attempts` tries. */
void run_record_run(struct run_record *record, const struct result *result, const char *node,
                    uint32_t attempts);

/* Write the summary, once. -1 with a sentence if something could not be written. */
int run_record_finish(struct run_record *record, struct error *ret_error);

void run_record_close(struct run_record *record); /* NULL is allowed */

#endif

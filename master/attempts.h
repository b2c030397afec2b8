/* attempts.h - `beofarm-master --attempts RUN_DIR --task N`: how a task's failed attempts ended. */
#ifndef BEOFARM_MASTER_ATTEMPTS_H
#define BEOFARM_MASTER_ATTEMPTS_H

#include <stdint.h>
#include <stdio.h>

#include "common/error.h"

/* Write, from the journal alone, a line for each failed attempt of the task and what was kept of
 * its standard error (MESSAGE_STDERR_MAX bytes at most, raw) to `stream`; nothing if none failed.
 * 0, or -1 with the sentence. Works also while a master is writing the journal. */
int attempts_print(const char *run_dir, uint64_t task, FILE *stream, struct error *ret_error);

#endif

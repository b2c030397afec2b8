/*
 * pick.h - picks values out of what a model printed or wrote.
 *
 * A rule is {"name": "head", "from": "stdout" or a file of the work directory, and "regex"
 * (POSIX extended, line by line) or "path" (into a JSON text)}. Of a regex the last line that
 * matches counts; its value is the first group, or the whole match where there is none. A text
 * that is a number in full becomes one (Fortran's 1.5D-3 too), anything else stays text. Memory
 * is bounded: a line is looked at up to PICK_LINE_MAX bytes, a JSON text may have
 * PICK_JSON_MAX.
 */
#ifndef BEOFARM_WORKER_PICK_H
#define BEOFARM_WORKER_PICK_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/values.h"
#include "worker/workdir.h"

#define PICK_LINE_MAX (64 << 10) /* some patterns take quadratic time, in the worker's loop */
#define PICK_JSON_MAX (64 << 20)

struct pick;

/* Compile `rules` (the job's work.values; NULL: none) for the columns `names` (the job's
 * "results"; NULL: none). A column without a rule stays empty. NULL with a sentence naming the
 * rule, ERROR_CONFIG. One pick serves one task at a time. */
struct pick *pick_create(const cJSON *rules, const cJSON *names, struct error *ret_error);
void pick_destroy(struct pick *pick); /* NULL is allowed */

void pick_begin(struct pick *pick);                                       /* a new task */
void pick_feed_stdout(struct pick *pick, const void *bytes, size_t size); /* its next bytes */

/* The task ended: read the files (workdir may be NULL if none is wanted) and append the
 * values.h list to `values`. -1 with a sentence naming the first value that was not found. */
int pick_finish(struct pick *pick, struct workdir *workdir, struct buf *values,
                struct error *ret_error);

/* Text to value: a number if all of it is one, else text (borrowed). Blanks around are dropped.
 */
struct value pick_parse_value(const char *text, size_t size);

#endif

/*
 * reply.h - the lines that a persistent runner is sent, and those it answers with
 * (docs/runners.md).
 *
 * Usual replies are read by a small scanner in one pass; whatever it does not understand at once
 * goes to the strict JSON reader, which decides.
 */
#ifndef BEOFARM_WORKER_REPLY_H
#define BEOFARM_WORKER_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/message.h"
#include "common/values.h"
#include "worker/params.h"

#define REPLY_OUTPUTS_MAX 100000

struct reply_reader;

struct reply_text {
    const char *text; /* borrowed, not NUL-terminated */
    size_t size;
};

/* A reply. All it points to is borrowed from the reader and the line. */
struct reply {
    uint64_t task;
    bool ok;
    const struct value *values; /* by column; VALUE_NONE where the reply has null, or nothing */
    const bool *given;          /* by column: the reply has this value */
    size_t value_count;         /* as many as there are columns */
    struct reply_text error;    /* where not ok */
    const struct reply_text *outputs;
    size_t output_count;
};

/* `names` are the columns (the job's "results"; NULL: none); borrowed. */
struct reply_reader *reply_reader_create(const cJSON *names, struct error *ret_error);
void reply_reader_destroy(struct reply_reader *reader); /* NULL is allowed */
const char *reply_reader_name(const struct reply_reader *reader, size_t column);

/* Read a line without its newline; the byte behind it must be readable. -1 (ERROR_TASKS) with a
 * sentence that quotes it. */
int reply_read(struct reply_reader *reader, const char *line, size_t size,
               struct reply *ret_reply, struct error *ret_error);

/* Append the line of a task, newline included. `dir` may be NULL. 0, or -1: buf failed. */
int reply_put_task(struct buf *buf, struct attempt_id id, const struct params *params,
                   const char *dir);

#endif

/*
 * csv.h - tables of comma-separated values (RFC 4180).
 *
 * Fields are separated by commas; lines end in LF or CRLF; a field in double quotes may hold
 * commas, line ends and doubled quotes; quotes stand only around a whole field. A UTF-8 byte
 * order mark is skipped. Empty lines are allowed at the end of the file alone. There are no
 * comment lines, and blanks are part of a field. Errors (ERROR_CONFIG) name FILE:LINE.
 *
 * A reader streams the records; a table remembers where each row begins (8 bytes per row) and
 * reads any row again.
 */
#ifndef BEOFARM_COMMON_CSV_H
#define BEOFARM_COMMON_CSV_H

#include <stddef.h>
#include <stdio.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"

#define CSV_FIELD_MAX   ((size_t)1 << 20)  /* bytes of a field */
#define CSV_RECORD_MAX  ((size_t)32 << 20) /* bytes of a record as it stands in the file */
#define CSV_COLUMNS_MAX 1000000

/* Borrowed from the reader until its next call. */
struct csv_field {
    const char *text; /* NUL-terminated; holds no NUL inside */
    size_t size;
};

struct csv_record {
    const struct csv_field *fields;
    size_t count;
    /* The line of the file where the record begins, from 1; 0: not known (rows of a table whose
     * fields hold line ends). */
    uint64_t line;
    uint64_t offset; /* the byte of the file where it begins */
};

struct csv_reader;

/* Read bytes (borrowed until csv_close), which errors call `name`. NULL with a sentence. All
 * records must have as many fields as the first. */
struct csv_reader *csv_open_memory(const void *bytes, size_t size, const char *name,
                                   struct error *ret_error);
void csv_close(struct csv_reader *reader); /* NULL is allowed */

/* The next record: 1, 0 at the end, -1 with a sentence. */
int csv_next(struct csv_reader *reader, struct csv_record *ret_record, struct error *ret_error);

struct csv_table;

/* Read the whole file once: its first record holds the columns' names (not empty, no two
 * alike). NULL with a sentence. A table without rows is allowed. */
struct csv_table *csv_table_open(const char *path, struct error *ret_error);
void csv_table_close(struct csv_table *table); /* NULL is allowed */

/* How many columns the table has. */
size_t csv_table_columns(const struct csv_table *table);
/* The columns' names, csv_table_columns of them. Borrowed until the table is closed. */
const char *const *csv_table_names(const struct csv_table *table);
/* How many rows, without the header. */
uint64_t csv_table_rows(const struct csv_table *table);

/* Read row `row`, from 0 (the header does not count). The record is borrowed until the next
 * call. Any order is fine, the file's own is fastest. -1 with a sentence if there is no such row,
 * or (ERROR_CHANGED) the file has been changed since it was opened. */
int csv_table_read(struct csv_table *table, uint64_t row, struct csv_record *ret_record,
                   struct error *ret_error);

/* Append a field, in quotes only where it needs them: it holds a comma, a quote, a line end,
 * or begins or ends with a blank. The caller writes commas and line ends. 0, or -1 (buf
 * failed). */
int csv_put_field(struct buf *buf, const void *text, size_t size);

/* The same into a stream (whose own failures are the caller's to ask for). -1: no memory. */
int csv_print_field(FILE *stream, const char *text);

#endif

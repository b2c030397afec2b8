/*
 * matrix.h - named matrices in the files that PEST, PEST++ and pyemu exchange.
 *
 * All numbers are little-endian; names are padded with blanks to the width given, lower case here
 * whatever the file has. Sources: PEST manual part II (matrix files), pyemu
 * (pypest/pyemu, pyemu/mat/mat_handler.py: to_binary, to_coo, write_dense, read_binary,
 * from_fortranfile, read_ascii), PEST++ (usgs/pestpp, src/libs/common/utilities.cpp:
 * save_binary_orgfmt, save_binary_extfmt, read_dense_binary).
 *
 * - Old binary (.jco, .jcb): int32 -columns, int32 -rows, int32 n; n records (int32 k, double v)
 *   with v at row (k - 1) % rows, column (k - 1) / rows; names of columns, 12 bytes each; names of
 *   rows, 20 bytes each. What is not listed is 0.
 * - Extended binary: int32 columns, int32 rows, int32 n; n records (int32 row, int32 column,
 *   double v), from 0; names of columns, 200 bytes each, then of rows, 200 bytes each.
 * - Dense binary (.bin): int32 0, int32 -columns, int32 -columns; int32 length of each column's
 *   name; those names without padding; then per row: int32 length of its name, the name,
 *   `columns` doubles. The number of rows is how many there are.
 * - Old binary as Fortran sequential records (each record between two int32 of its size): read
 *   only.
 * - ASCII (.mat, .cov): "rows columns icode", the values row by row, free format; then
 *   "* row and column names" with one name per line (icode 1; -1: a diagonal, only `rows` values),
 *   or (icode 2) "* row names" and names, "* column names" and names.
 * - CSV: a header with the columns' names after the first field, then a row's name and values.
 */
#ifndef BEOFARM_MASTER_PEST_MATRIX_H
#define BEOFARM_MASTER_PEST_MATRIX_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

/* For callers that know no better bound on what a file may ask for. */
#define MATRIX_BYTES_MAX ((size_t)16 << 30)

struct matrix {
    size_t rows, columns;
    double *values;                   /* values[row + column * rows]; `diagonal`: rows values */
    bool diagonal;                    /* an ASCII file with icode -1 */
    char **row_names, **column_names; /* lower case; at most PEST_NAME_MAX bytes */
};

enum matrix_format {
    MATRIX_OLD,      /* binary with names of 12 and 20 bytes; longer names are refused */
    MATRIX_EXTENDED, /* binary with names of 200 bytes */
    MATRIX_BINARY,   /* old where names fit and rows x columns fits an int32, else extended: as
                      * PEST++ does for .jcb and .jco */
    MATRIX_DENSE,    /* binary, row by row */
    MATRIX_ASCII,    /* icode 2; -1 where diagonal */
    MATRIX_ASCII_SYMMETRIC, /* icode 1: rows and columns named alike */
    MATRIX_CSV
};

/* Read any of them: told apart by content, but CSV by its extension. Before memory is asked for,
 * what the header says is compared with the size of the file, and with max_bytes for the values
 * in all. NULL with a sentence (ERROR_CONFIG; it names the file, and the line of an ASCII one). */
struct matrix *matrix_read(const char *path, size_t max_bytes, struct error *ret_error);
/* The same from bytes, which sentences call `name`. */
struct matrix *matrix_read_memory(const void *bytes, size_t size, const char *name,
                                  size_t max_bytes, struct error *ret_error);
/* rows x columns zeros without names (calloc'ed name arrays of NULL). NULL: no memory. */
struct matrix *matrix_create(size_t rows, size_t columns);
void matrix_free(struct matrix *matrix); /* NULL is allowed */

/* Write; the file appears complete or not at all. ASCII and CSV hold the fewest digits that read
 * back as the same double. -1 with a sentence. */
int matrix_write(const struct matrix *matrix, const char *path, enum matrix_format format,
                 struct error *ret_error);

/* A matrix that is not in one block, such as a Jacobian: `column` gives `rows` values of a column,
 * valid until its next call. */
struct matrix_source {
    size_t rows, columns;
    const char *const *row_names, *const *column_names;
    const double *(*column)(void *context, size_t column);
    void *context;
};
/* MATRIX_OLD, MATRIX_EXTENDED or MATRIX_BINARY; two passes through the columns, no copy. Zeros
 * are left out. -1 with a sentence. */
int matrix_write_source(const struct matrix_source *source, const char *path,
                        enum matrix_format format, struct error *ret_error);

#endif

/*
 * matrix_private.h - what the parts of matrix.c share.
 */
#ifndef BEOFARM_MASTER_PEST_MATRIX_PRIVATE_H
#define BEOFARM_MASTER_PEST_MATRIX_PRIVATE_H

#include <stdint.h>
#include <stdio.h>

#include "common/error.h"
#include "master/pest/matrix.h"

/* A file, or bytes, being read. */
struct matrix_input {
    FILE *stream;
    const char *name; /* for sentences */
    uint64_t size;    /* bytes in all */
    size_t max_bytes; /* of values */
    bool keep_case;   /* of names */
    struct error *error;
};

/* Readers, from the start of the stream. NULL with a sentence. */
struct matrix *matrix_read_binary(struct matrix_input *input, const int32_t header[3]);
struct matrix *matrix_read_dense(struct matrix_input *input, const int32_t header[3]);
struct matrix *matrix_read_fortran(struct matrix_input *input);
struct matrix *matrix_read_ascii(struct matrix_input *input);
struct matrix *matrix_read_csv(struct matrix_input *input);

/* Zeros, if rows x columns (or, diagonal, rows) doubles are within the input's max_bytes. */
struct matrix *matrix_create_for(const struct matrix_input *input, uint64_t rows,
                                 uint64_t columns, bool diagonal);

/* A name of `size` bytes: blanks and NULs around it cut off, lower case unless the input keeps it.
 * NULL with a sentence: it is empty, too long, or there is no memory. */
char *matrix_name(const struct matrix_input *input, const char *text, size_t size);

/* matrix_read, with the case of names kept if asked. */
struct matrix *matrix_read_case(const char *path, size_t max_bytes, bool keep_case,
                                struct error *ret_error);

/* Writers to a stream, whose errors are looked at later. -1 where names are too long. */
int matrix_put_binary(const struct matrix_source *source, FILE *stream, bool extended,
                      struct error *ret_error);
int matrix_put_dense(const struct matrix *matrix, FILE *stream, struct error *ret_error);
int matrix_put_ascii(const struct matrix *matrix, FILE *stream, int icode,
                     struct error *ret_error);
int matrix_put_csv(const struct matrix *matrix, FILE *stream, struct error *ret_error);

/* A number with the fewest digits that read back as the same double. */
void matrix_put_number(FILE *stream, double value);

/* The pieces of the dense format. */
void matrix_put_int(FILE *stream, int32_t value);
void matrix_put_reals(FILE *stream, const double *values, size_t count);

#endif

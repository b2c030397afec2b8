/* matrix.c - which format a file has, and its way from and to the disk. */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "common/pest/control.h"
#include "common/text_mark.h"
#include "common/whole.h"
#include "master/pest/matrix_private.h"

#define OLD_COLUMN_NAME 12
#define OLD_ROW_NAME    20

struct matrix *matrix_create(size_t rows, size_t columns)
{
    struct matrix *matrix = calloc(1, sizeof(*matrix));
    if (!matrix) {
        return NULL;
    }
    matrix->rows = rows;
    matrix->columns = columns;
    matrix->row_names = calloc(rows + 1, sizeof(char *));
    matrix->column_names = calloc(columns + 1, sizeof(char *));
    if (columns == 0 || rows <= SIZE_MAX / sizeof(double) / columns) {
        matrix->values = calloc(rows * columns + 1, sizeof(double));
    }
    if (!matrix->row_names || !matrix->column_names || !matrix->values) {
        matrix_free(matrix);
        return NULL;
    }
    return matrix;
}

static void names_free(char **names, size_t count)
{
    for (size_t i = 0; names && i < count; i++) {
        free(names[i]);
    }
    free(names);
}

void matrix_free(struct matrix *matrix)
{
    if (matrix) {
        names_free(matrix->row_names, matrix->rows);
        names_free(matrix->column_names, matrix->columns);
        free(matrix->values);
        free(matrix);
    }
}

/* A diagonal one is created with one column of values, and then said to have as many as rows. */
static struct matrix *diagonal_create(size_t rows)
{
    struct matrix *matrix = matrix_create(rows, 1);
    if (matrix) {
        free(matrix->column_names);
        matrix->diagonal = true;
        matrix->columns = rows;
        matrix->column_names = calloc(rows + 1, sizeof(char *));
        if (!matrix->column_names) {
            matrix_free(matrix);
            return NULL;
        }
    }
    return matrix;
}

struct matrix *matrix_create_for(const struct matrix_input *input, uint64_t rows,
                                 uint64_t columns, bool diagonal)
{
    uint64_t most = input->max_bytes / sizeof(double), across = diagonal ? 1 : columns;
    if (rows > 0 && across > most / rows) {
        error_set(input->error, ERROR_CONFIG,
                  "%s: a matrix of %llu x %llu takes more than the %zu MiB it may", input->name,
                  (unsigned long long)rows, (unsigned long long)columns,
                  input->max_bytes >> 20);
        return NULL;
    }
    struct matrix *matrix = diagonal ? diagonal_create(rows) : matrix_create(rows, columns);
    if (!matrix) {
        error_set(input->error, ERROR_SYSTEM,
                  "%s: there is no memory for a matrix of %llu x %llu", input->name,
                  (unsigned long long)rows, (unsigned long long)columns);
    }
    return matrix;
}

char *matrix_name(const struct matrix_input *input, const char *text, size_t size)
{
    while (size > 0 && (isspace((unsigned char)*text) || *text == '\0')) {
        text++;
        size--;
    }
    while (size > 0 && (isspace((unsigned char)text[size - 1]) || text[size - 1] == '\0')) {
        size--;
    }
    if (size == 0 || size > PEST_NAME_MAX || memchr(text, '\0', size)) {
        error_set(input->error, ERROR_CONFIG,
                  "%s: a name of a row or column is %s; names have 1 to %d characters",
                  input->name, size == 0 ? "empty" : "no text, or too long", PEST_NAME_MAX);
        return NULL;
    }
    char *name = strndup(text, size);
    if (!name) {
        error_set(input->error, ERROR_SYSTEM, "there is no memory for names");
        return NULL;
    }
    for (char *c = name; *c && !input->keep_case; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    return name;
}

/* --- reading -------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);
    return size >= end_size && strcasecmp(text + size - end_size, end) == 0;
}

/* The first bytes of a text are texts' bytes; a binary header has small numbers or negative ones,
 * whose upper bytes are 0 or 255. */
static bool is_text(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != '\t' && bytes[i] != '\r' && bytes[i] != '\n' &&
            (bytes[i] < 32 || bytes[i] > 126)) {
            return false;
        }
    }
    return true;
}

static struct matrix *input_read(struct matrix_input *input)
{
    unsigned char bytes[12];
    int32_t header[3];
    if (ends_with(input->name, ".csv")) {
        return matrix_read_csv(input);
    }
    size_t size = fread(bytes, 1, sizeof(bytes), input->stream);
    size_t mark = text_mark_size(bytes, size);
    rewind(input->stream);
    if (size == 0) {
        error_set(input->error, ERROR_CONFIG, "%s is empty; it should hold a matrix",
                  input->name);
        return NULL;
    }
    if (is_text(bytes + mark, size - mark)) {
        fseek(input->stream, (long)mark, SEEK_SET);
        return matrix_read_ascii(input);
    }
    if (size < sizeof(bytes)) {
        error_set(input->error, ERROR_CONFIG,
                  "%s is neither a PEST matrix in text nor one in binary", input->name);
        return NULL;
    }
    memcpy(header, bytes, sizeof(header));
    if (header[0] == 0 && header[1] < 0 && header[1] == header[2]) {
        return matrix_read_dense(input, header);
    }
    if (header[0] == 8 && header[1] < 0 && header[2] < 0) {
        return matrix_read_fortran(input);
    }
    return matrix_read_binary(input, header);
}

struct matrix *matrix_read_case(const char *path, size_t max_bytes, bool keep_case,
                                struct error *ret_error)
{
    struct matrix_input input = {
        .name = path, .max_bytes = max_bytes, .keep_case = keep_case, .error = ret_error};
    struct stat status;
    struct matrix *matrix = NULL;
    input.stream = fopen(path, "re");
    if (!input.stream || fstat(fileno(input.stream), &status) != 0) {
        error_errno(ret_error, errno, "\"%s\" cannot be read", path);
    } else if (!S_ISREG(status.st_mode)) {
        error_set(ret_error, ERROR_CONFIG, "\"%s\" is not a file", path);
    } else {
        input.size = (uint64_t)status.st_size;
        matrix = input_read(&input);
    }
    if (input.stream) {
        fclose(input.stream);
    }
    return matrix;
}

struct matrix *matrix_read(const char *path, size_t max_bytes, struct error *ret_error)
{
    return matrix_read_case(path, max_bytes, false, ret_error);
}

struct matrix *matrix_read_memory(const void *bytes, size_t size, const char *name,
                                  size_t max_bytes, struct error *ret_error)
{
    struct matrix_input input = {
        .name = name, .size = size, .max_bytes = max_bytes, .error = ret_error};
    if (size == 0) {
        error_set(ret_error, ERROR_CONFIG, "%s is empty; it should hold a matrix", name);
        return NULL;
    }
    /* Opened for reading alone: the bytes are not written. */
    input.stream = fmemopen((void *)(uintptr_t)bytes, size, "r");
    if (!input.stream) {
        error_errno(ret_error, errno, "%s cannot be read", name);
        return NULL;
    }
    struct matrix *matrix = input_read(&input);
    fclose(input.stream);
    return matrix;
}

/* --- writing -------------------------------------------------------------------------------- */

static size_t longest_name(const char *const *names, size_t count)
{
    size_t longest = 0;
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(names[i]);
        longest = size > longest ? size : longest;
    }
    return longest;
}

static bool fits_old(const struct matrix_source *source)
{
    return longest_name(source->column_names, source->columns) <= OLD_COLUMN_NAME &&
           longest_name(source->row_names, source->rows) <= OLD_ROW_NAME &&
           (source->columns == 0 || source->rows <= (size_t)INT32_MAX / source->columns);
}

int matrix_write_source(const struct matrix_source *source, const char *path,
                        enum matrix_format format, struct error *ret_error)
{
    struct whole whole;
    bool extended = format == MATRIX_EXTENDED || (format == MATRIX_BINARY && !fits_old(source));
    if (format == MATRIX_OLD && !fits_old(source)) {
        return error_set(
            ret_error, ERROR_CONFIG,
            "\"%s\": PEST's old binary format has room for names of %d characters in "
            "columns and %d in rows, and for 2147483647 elements; this matrix has "
            "more",
            path, OLD_COLUMN_NAME, OLD_ROW_NAME);
    }
    if (whole_open(&whole, path, ret_error) != 0) {
        return -1;
    }
    if (matrix_put_binary(source, whole.stream, extended, ret_error) != 0) {
        whole_abandon(&whole);
        return error_prefix(ret_error, "\"%s\"", path);
    }
    return whole_commit(&whole, ret_error);
}

struct columns {
    const struct matrix *matrix;
    double *scratch; /* of a diagonal one: its column, zeros but for one */
    size_t last;
};

static const double *columns_get(void *context, size_t column)
{
    struct columns *columns = context;
    if (!columns->matrix->diagonal) {
        return columns->matrix->values + column * columns->matrix->rows;
    }
    columns->scratch[columns->last] = 0;
    columns->scratch[column] = columns->matrix->values[column];
    columns->last = column;
    return columns->scratch;
}

static int binary_write(const struct matrix *matrix, const char *path,
                        enum matrix_format format, struct error *ret_error)
{
    struct columns columns = {.matrix = matrix};
    struct matrix_source source = {matrix->rows,
                                   matrix->columns,
                                   (const char *const *)matrix->row_names,
                                   (const char *const *)matrix->column_names,
                                   columns_get,
                                   &columns};
    columns.scratch = calloc(matrix->rows + 1, sizeof(double));
    if (!columns.scratch) {
        return error_set(ret_error, ERROR_SYSTEM, "there is no memory to write a matrix");
    }
    int result = matrix_write_source(&source, path, format, ret_error);
    free(columns.scratch);
    return result;
}

static int stream_put(const struct matrix *matrix, enum matrix_format format, FILE *stream,
                      struct error *ret_error)
{
    switch (format) {
    case MATRIX_DENSE:
        return matrix_put_dense(matrix, stream, ret_error);
    case MATRIX_CSV:
        return matrix_put_csv(matrix, stream, ret_error);
    case MATRIX_ASCII_SYMMETRIC:
        return matrix_put_ascii(matrix, stream, 1, ret_error);
    default:
        return matrix_put_ascii(matrix, stream, matrix->diagonal ? -1 : 2, ret_error);
    }
}

int matrix_write(const struct matrix *matrix, const char *path, enum matrix_format format,
                 struct error *ret_error)
{
    struct whole whole;
    if (format == MATRIX_OLD || format == MATRIX_EXTENDED || format == MATRIX_BINARY) {
        return binary_write(matrix, path, format, ret_error);
    }
    if (whole_open(&whole, path, ret_error) != 0) {
        return -1;
    }
    if (stream_put(matrix, format, whole.stream, ret_error) != 0) {
        whole_abandon(&whole);
        return error_prefix(ret_error, "\"%s\"", path);
    }
    return whole_commit(&whole, ret_error);
}

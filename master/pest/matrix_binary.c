/*
 * matrix_binary.c - matrix.h says how the formats look.
 *
 * Every size in a header is compared with the file's before memory is asked for. As machines that
 * run this are little-endian, as the files are, numbers are copied.
 */
#include "config.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/pest/control.h"
#include "master/pest/matrix_private.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "binary matrices are little-endian; this machine is not"
#endif

#define OLD_COLUMN_NAME 12
#define OLD_ROW_NAME    20
#define EXTENDED_NAME   200
#define FORTRAN_MARKS   8 /* bytes around a record */

/* How a sparse file is laid out. */
struct layout {
    uint64_t rows, columns, records;
    bool extended;   /* row and column in a record, and 200 bytes per name */
    bool fortran;    /* each piece is a record with its size before and after it */
    uint64_t header; /* bytes */
};

static int cut_short(const struct matrix_input *input)
{
    return error_set(input->error, ERROR_CONFIG,
                     "%s ends in the middle: it was not written to its end, or is no binary "
                     "matrix",
                     input->name);
}

/* Read `size` bytes; in a Fortran file the record that holds them. */
static int piece_read(const struct matrix_input *input, const struct layout *layout, void *to,
                      size_t size)
{
    int32_t before = (int32_t)size, after = (int32_t)size;
    if (layout->fortran && fread(&before, sizeof(before), 1, input->stream) != 1) {
        return cut_short(input);
    }
    if (before != (int32_t)size || fread(to, 1, size, input->stream) != size) {
        return cut_short(input);
    }
    if (layout->fortran &&
        (fread(&after, sizeof(after), 1, input->stream) != 1 || after != before)) {
        return cut_short(input);
    }
    return 0;
}

static int names_read(const struct matrix_input *input, const struct layout *layout,
                      size_t width, size_t count, char **names)
{
    char text[EXTENDED_NAME];
    for (size_t i = 0; i < count; i++) {
        if (piece_read(input, layout, text, width) != 0) {
            return -1;
        }
        names[i] = matrix_name(input, text, width);
        if (!names[i]) {
            return -1;
        }
    }
    return 0;
}

/* Where a record's value belongs, as place in the values. */
static int record_place(const struct matrix_input *input, const struct layout *layout,
                        const unsigned char *record, uint64_t number, uint64_t *ret_place)
{
    int32_t first, second = 0;
    memcpy(&first, record, sizeof(first));
    if (layout->extended) {
        memcpy(&second, record + sizeof(first), sizeof(second));
        *ret_place = (uint64_t)(uint32_t)first + (uint64_t)(uint32_t)second * layout->rows;
        if (first >= 0 && (uint64_t)first < layout->rows && second >= 0 &&
            (uint64_t)second < layout->columns) {
            return 0;
        }
    } else {
        *ret_place = (uint64_t)first - 1;
        if (first >= 1 && *ret_place < layout->rows * layout->columns) {
            return 0;
        }
    }
    return error_set(input->error, ERROR_CONFIG,
                     "%s: element %llu of %llu (from 1) lies outside the matrix of %llu x %llu",
                     input->name, (unsigned long long)number + 1,
                     (unsigned long long)layout->records, (unsigned long long)layout->rows,
                     (unsigned long long)layout->columns);
}

static int records_read(const struct matrix_input *input, const struct layout *layout,
                        double *values)
{
    unsigned char record[16];
    size_t index_size = layout->extended ? 8 : 4;
    for (uint64_t i = 0; i < layout->records; i++) {
        uint64_t place;
        if (piece_read(input, layout, record, index_size + sizeof(double)) != 0 ||
            record_place(input, layout, record, i, &place) != 0) {
            return -1;
        }
        memcpy(&values[place], record + index_size, sizeof(double));
    }
    return 0;
}

/* Does the file have as many bytes as its header promises? All numbers are below 2^31. */
static int layout_check(const struct matrix_input *input, const struct layout *layout)
{
    uint64_t marks = layout->fortran ? FORTRAN_MARKS : 0;
    uint64_t record = (layout->extended ? 16 : 12) + marks;
    uint64_t needed =
        layout->header + layout->records * record +
        layout->columns * ((layout->extended ? EXTENDED_NAME : OLD_COLUMN_NAME) + marks) +
        layout->rows * ((layout->extended ? EXTENDED_NAME : OLD_ROW_NAME) + marks);
    if (needed <= input->size) {
        return 0;
    }
    return error_set(input->error, ERROR_CONFIG,
                     "%s: its header promises %llu x %llu with %llu elements, which take %llu "
                     "bytes, but it has %llu: it was not written to its end, or is no binary "
                     "matrix",
                     input->name, (unsigned long long)layout->rows,
                     (unsigned long long)layout->columns, (unsigned long long)layout->records,
                     (unsigned long long)needed, (unsigned long long)input->size);
}

static struct matrix *sparse_read(struct matrix_input *input, const struct layout *layout)
{
    if (layout_check(input, layout) != 0) {
        return NULL;
    }
    struct matrix *matrix = matrix_create_for(input, layout->rows, layout->columns, false);
    if (!matrix) {
        return NULL;
    }
    size_t column_width = layout->extended ? EXTENDED_NAME : OLD_COLUMN_NAME;
    size_t row_width = layout->extended ? EXTENDED_NAME : OLD_ROW_NAME;
    if (records_read(input, layout, matrix->values) != 0 ||
        names_read(input, layout, column_width, matrix->columns, matrix->column_names) != 0 ||
        names_read(input, layout, row_width, matrix->rows, matrix->row_names) != 0) {
        matrix_free(matrix);
        return NULL;
    }
    return matrix;
}

static struct matrix *header_refuse(const struct matrix_input *input)
{
    error_set(input->error, ERROR_CONFIG,
              "%s is no matrix that is known here: neither PEST's binary formats (.jco, .jcb, "
              ".bin) nor its text format begin like this",
              input->name);
    return NULL;
}

struct matrix *matrix_read_binary(struct matrix_input *input, const int32_t header[3])
{
    bool old = header[0] < 0 && header[1]<0, extended = header[0]> 0 && header[1] > 0;
    if ((!old && !extended) || header[2] < 0) {
        return header_refuse(input);
    }
    struct layout layout = {.columns = (uint64_t)llabs((long long)header[0]),
                            .rows = (uint64_t)llabs((long long)header[1]),
                            .records = (uint64_t)header[2],
                            .extended = extended,
                            .header = 3 * sizeof(int32_t)};
    if (fseek(input->stream, (long)layout.header, SEEK_SET) != 0) {
        cut_short(input);
        return NULL;
    }
    return sparse_read(input, &layout);
}

struct matrix *matrix_read_fortran(struct matrix_input *input)
{
    struct layout layout = {.fortran = true, .header = 12 + 2 * FORTRAN_MARKS};
    int32_t shape[2], records;
    if (piece_read(input, &layout, shape, sizeof(shape)) != 0 ||
        piece_read(input, &layout, &records, sizeof(records)) != 0) {
        return NULL;
    }
    if (shape[0] >= 0 || shape[1] >= 0 || records < 0) {
        return header_refuse(input);
    }
    layout.columns = (uint64_t) - (int64_t)shape[0];
    layout.rows = (uint64_t) - (int64_t)shape[1];
    layout.records = (uint64_t)records;
    return sparse_read(input, &layout);
}

/* --- dense ---------------------------------------------------------------------------------- */

/* A name of a length that the file says; the caller frees it. */
static char *sized_name_read(const struct matrix_input *input, int32_t size)
{
    char text[4 * PEST_NAME_MAX];
    if (size <= 0 || (size_t)size > sizeof(text)) {
        error_set(input->error, ERROR_CONFIG,
                  "%s: a name is said to have %d characters; names have 1 to %d", input->name,
                  (int)size, PEST_NAME_MAX);
        return NULL;
    }
    if (fread(text, 1, (size_t)size, input->stream) != (size_t)size) {
        cut_short(input);
        return NULL;
    }
    return matrix_name(input, text, (size_t)size);
}

static int dense_columns(const struct matrix_input *input, size_t columns, char **names)
{
    int32_t *sizes = malloc((columns + 1) * sizeof(*sizes));
    int result = 0;
    if (!sizes) {
        return error_set(input->error, ERROR_SYSTEM, "there is no memory for names");
    }
    if (fread(sizes, sizeof(*sizes), columns, input->stream) != columns) {
        result = cut_short(input);
    }
    for (size_t i = 0; result == 0 && i < columns; i++) {
        names[i] = sized_name_read(input, sizes[i]);
        result = names[i] ? 0 : -1;
    }
    free(sizes);
    return result;
}

/* How many rows follow: only a walk over them tells. The stream is where it was afterwards. */
static int dense_count(const struct matrix_input *input, size_t columns, size_t *ret_rows)
{
    long start = ftell(input->stream);
    uint64_t at = (uint64_t)start;
    size_t rows = 0;
    while (at < input->size) {
        int32_t size;
        if (fread(&size, sizeof(size), 1, input->stream) != 1 || size <= 0) {
            return cut_short(input);
        }
        at += sizeof(size) + (uint64_t)size + (uint64_t)columns * sizeof(double);
        if (at > input->size || fseek(input->stream, (long)at, SEEK_SET) != 0) {
            return cut_short(input);
        }
        rows++;
    }
    *ret_rows = rows;
    return fseek(input->stream, start, SEEK_SET) == 0 ? 0 : cut_short(input);
}

static int dense_rows(const struct matrix_input *input, struct matrix *matrix)
{
    double *row = malloc((matrix->columns + 1) * sizeof(*row));
    int result =
        row ? 0 : error_set(input->error, ERROR_SYSTEM, "there is no memory for a row");
    for (size_t i = 0; result == 0 && i < matrix->rows; i++) {
        int32_t size;
        if (fread(&size, sizeof(size), 1, input->stream) != 1) {
            result = cut_short(input);
            break;
        }
        matrix->row_names[i] = sized_name_read(input, size);
        if (!matrix->row_names[i]) {
            result = -1;
        } else if (fread(row, sizeof(*row), matrix->columns, input->stream) !=
                   matrix->columns) {
            result = cut_short(input);
        }
        for (size_t j = 0; result == 0 && j < matrix->columns; j++) {
            matrix->values[i + j * matrix->rows] = row[j];
        }
    }
    free(row);
    return result;
}

struct matrix *matrix_read_dense(struct matrix_input *input, const int32_t header[3])
{
    size_t columns = (size_t)(-(int64_t)header[1]), rows = 0;
    /* A column's name takes a length and at least one byte. */
    if ((uint64_t)columns * 5 + 12 > input->size || fseek(input->stream, 12, SEEK_SET) != 0) {
        cut_short(input);
        return NULL;
    }
    char **names = calloc(columns + 1, sizeof(*names));
    struct matrix *matrix = NULL;
    if (!names) {
        error_set(input->error, ERROR_SYSTEM, "there is no memory for names");
    } else if (dense_columns(input, columns, names) == 0 &&
               dense_count(input, columns, &rows) == 0) {
        matrix = matrix_create_for(input, rows, columns, false);
    }
    for (size_t i = 0; names && i < columns; i++) {
        if (matrix) {
            matrix->column_names[i] = names[i];
        } else {
            free(names[i]);
        }
    }
    free(names);
    if (matrix && dense_rows(input, matrix) != 0) {
        matrix_free(matrix);
        return NULL;
    }
    return matrix;
}

/* --- writing -------------------------------------------------------------------------------- */

void matrix_put_int(FILE *stream, int32_t value)
{
    fwrite(&value, sizeof(value), 1, stream);
}

void matrix_put_reals(FILE *stream, const double *values, size_t count)
{
    fwrite(values, sizeof(*values), count, stream);
}

static int names_put(FILE *stream, const char *const *names, size_t count, size_t width,
                     struct error *ret_error)
{
    char text[EXTENDED_NAME];
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(names[i]);
        if (size > width) {
            return error_set(ret_error, ERROR_CONFIG,
                             "the name \"%s\" has more than the %zu characters that a binary "
                             "matrix has room for",
                             names[i], width);
        }
        memset(text, ' ', width);
        memcpy(text, names[i], size);
        fwrite(text, 1, width, stream);
    }
    return 0;
}

static void column_put(const struct matrix_source *source, FILE *stream, bool extended,
                       size_t column)
{
    const double *values = source->column(source->context, column);
    for (size_t row = 0; row < source->rows; row++) {
        if (values[row] == 0) {
            continue;
        }
        if (extended) {
            matrix_put_int(stream, (int32_t)row);
            matrix_put_int(stream, (int32_t)column);
        } else {
            matrix_put_int(stream, (int32_t)(row + 1 + column * source->rows));
        }
        matrix_put_reals(stream, &values[row], 1);
    }
}

int matrix_put_binary(const struct matrix_source *source, FILE *stream, bool extended,
                      struct error *ret_error)
{
    uint64_t records = 0;
    for (size_t column = 0; column < source->columns; column++) {
        const double *values = source->column(source->context, column);
        for (size_t row = 0; row < source->rows; row++) {
            records += values[row] != 0;
        }
    }
    if (records > INT32_MAX || source->rows > INT32_MAX || source->columns > INT32_MAX) {
        return error_set(ret_error, ERROR_CONFIG,
                         "binary matrices have room for 2147483647 elements; this one has %llu",
                         (unsigned long long)records);
    }
    int32_t columns = (int32_t)source->columns, rows = (int32_t)source->rows;
    matrix_put_int(stream, extended ? columns : -columns);
    matrix_put_int(stream, extended ? rows : -rows);
    matrix_put_int(stream, (int32_t)records);
    for (size_t column = 0; column < source->columns; column++) {
        column_put(source, stream, extended, column);
    }
    if (names_put(stream, source->column_names, source->columns,
                  extended ? EXTENDED_NAME : OLD_COLUMN_NAME, ret_error) != 0) {
        return -1;
    }
    return names_put(stream, source->row_names, source->rows,
                     extended ? EXTENDED_NAME : OLD_ROW_NAME, ret_error);
}

int matrix_put_dense(const struct matrix *matrix, FILE *stream, struct error *ret_error)
{
    if (matrix->columns > INT32_MAX) {
        return error_set(ret_error, ERROR_CONFIG,
                         "a binary matrix has at most 2147483647 columns");
    }
    matrix_put_int(stream, 0);
    matrix_put_int(stream, -(int32_t)matrix->columns);
    matrix_put_int(stream, -(int32_t)matrix->columns);
    for (size_t i = 0; i < matrix->columns; i++) {
        matrix_put_int(stream, (int32_t)strlen(matrix->column_names[i]));
    }
    for (size_t i = 0; i < matrix->columns; i++) {
        fputs(matrix->column_names[i], stream);
    }
    for (size_t row = 0; row < matrix->rows; row++) {
        matrix_put_int(stream, (int32_t)strlen(matrix->row_names[row]));
        fputs(matrix->row_names[row], stream);
        for (size_t column = 0; column < matrix->columns; column++) {
            double value = matrix->diagonal ? (row == column ? matrix->values[row] : 0)
                                            : matrix->values[row + column * matrix->rows];
            matrix_put_reals(stream, &value, 1);
        }
    }
    return 0;
}

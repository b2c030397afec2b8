/*
 * Any bytes as a matrix file (the first byte chooses CSV or one of the other formats): reading
 * never crashes; what was read, written to a binary file's bytes or to text, is read the same.
 */
#include <stdlib.h>
#include <string.h>

#include "master/pest/matrix_private.h"
#include "tests/fuzz/target.h"

#define VALUES_MAX ((size_t)1 << 22)

static double element(const struct matrix *matrix, size_t row, size_t column)
{
    if (matrix->diagonal)
        return row == column ? matrix->values[row] : 0;
    return matrix->values[row + column * matrix->rows];
}

static const double *column_get(void *context, size_t column)
{
    const struct matrix *matrix = context;
    return matrix->values + column * matrix->rows;
}

static void same(const struct matrix *a, const struct matrix *b)
{
    FUZZ_CHECK(a->rows == b->rows && a->columns == b->columns);
    for (size_t i = 0; i < a->rows; i++)
        FUZZ_CHECK(strcmp(a->row_names[i], b->row_names[i]) == 0);
    for (size_t j = 0; j < a->columns; j++) {
        FUZZ_CHECK(strcmp(a->column_names[j], b->column_names[j]) == 0);
        for (size_t i = 0; i < a->rows; i++) {
            double x = element(a, i, j), y = element(b, i, j);
            FUZZ_CHECK(x == y || (x != x && y != y));
        }
    }
}

static int put(const struct matrix *matrix, int format, FILE *stream)
{
    struct matrix_source source = {matrix->rows,
                                   matrix->columns,
                                   (const char *const *)matrix->row_names,
                                   (const char *const *)matrix->column_names,
                                   column_get,
                                   (void *)(uintptr_t)matrix};
    if (format == 1)
        return matrix_put_dense(matrix, stream, NULL);
    if (format == 0 && !matrix->diagonal)
        return matrix_put_binary(&source, stream, true, NULL);
    return -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error;
    if (size == 0)
        return 0;
    const char *name = data[0] == 'C' ? "fuzz.csv" : "fuzz";
    struct matrix *matrix = matrix_read_memory(data + 1, size - 1, name, VALUES_MAX, &error);
    for (int format = 0; matrix && format < 2; format++) {
        char *bytes = NULL;
        size_t written = 0;
        FILE *stream = open_memstream(&bytes, &written);
        FUZZ_CHECK(stream);
        int result = put(matrix, format, stream);
        fclose(stream);
        if (result == 0 && matrix->rows > 0) {
            struct matrix *again =
                matrix_read_memory(bytes, written, "again", VALUES_MAX, &error);
            FUZZ_CHECK(again);
            same(matrix, again);
            matrix_free(again);
        }
        free(bytes);
    }
    matrix_free(matrix);
    return 0;
}

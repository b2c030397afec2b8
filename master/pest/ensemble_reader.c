/*
 * ensemble_reader.c - one realisation at a time.
 *
 * A CSV file is scanned once: names, and where each record begins; a realisation is then read
 * from there. A dense binary file has its rows' places found in one walk. Both stay open and are
 * read with pread, so that a file that is cut while it is read gives a sentence. Sparse binary
 * files are read whole, as they are sorted by column.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/pest/index.h"
#include "common/pest/number.h"
#include "master/pest/ensemble_private.h"

#define MISSING_SAID 5 /* names in a sentence */

int ensemble_no_memory(const char *path, struct error *ret_error)
{
    return error_set(ret_error, ERROR_SYSTEM, "there is no memory for the ensemble %s", path);
}

/* --- which column is which ------------------------------------------------------------------- */

static int missing_refuse(const struct ensemble_reader *reader, const char *const *names,
                          const double *fallback, struct error *ret_error)
{
    char said[MISSING_SAID * 210] = "";
    size_t missing = 0, used = 0;
    for (size_t i = 0; i < reader->count; i++) {
        if (reader->places[i] >= 0 || (fallback && !isnan(fallback[i]))) {
            continue;
        }
        if (missing++ < MISSING_SAID) {
            used += (size_t)snprintf(said + used, sizeof(said) - used, "%s\"%.200s\"",
                                     missing > 1 ? ", " : "", names[i]);
        }
    }
    if (missing == 0) {
        return 0;
    }
    return error_set(ret_error, ERROR_CONFIG,
                     "%s lacks %zu of the %zu columns that are needed: "
                     "%s%s",
                     reader->path, missing, reader->count, said,
                     missing > MISSING_SAID ? ", ..." : "");
}

int ensemble_columns_set(struct ensemble_reader *reader, char *const *columns,
                         size_t column_count, const char *const *names, const double *fallback,
                         struct error *ret_error)
{
    struct pest_index *index =
        pest_index_create((const char *const *)columns, column_count, ret_error);
    if (!index) {
        return -1;
    }
    size_t found = 0;
    for (size_t i = 0; i < reader->count; i++) {
        reader->places[i] = pest_index_find(index, names[i], strlen(names[i]));
        reader->fallback[i] = fallback ? fallback[i] : NAN;
        found += reader->places[i] >= 0;
    }
    reader->missing = reader->count - found;
    reader->unused = column_count > found ? column_count - found : 0;
    reader->columns = column_count;
    int result = missing_refuse(reader, names, fallback, ret_error);
    for (size_t i = 0; result == 0 && i < column_count; i++) {
        if (pest_index_find(index, columns[i], strlen(columns[i])) != (int)i) {
            result = error_set(ret_error, ERROR_CONFIG, "%s: two columns are named \"%s\"",
                               reader->path, columns[i]);
        }
    }
    pest_index_destroy(index);
    return result;
}

int ensemble_realisation_add(struct ensemble_reader *reader, const char *name, size_t size,
                             uint64_t place, struct error *ret_error)
{
    if (reader->realisations == reader->capacity) {
        size_t capacity = 2 * reader->capacity + 64;
        struct realisation *list = realloc(reader->list, capacity * sizeof(*list));
        if (!list) {
            return ensemble_no_memory(reader->path, ret_error);
        }
        reader->list = list;
        reader->capacity = capacity;
    }
    while (size > 0 && isspace((unsigned char)name[0])) {
        name++;
        size--;
    }
    while (size > 0 && isspace((unsigned char)name[size - 1])) {
        size--;
    }
    if (size == 0 || size > ENSEMBLE_NAME_MAX || memchr(name, '\0', size)) {
        return error_set(
            ret_error, ERROR_CONFIG,
            "%s: the name of realisation %zu (from 1) is empty, too long or no text",
            reader->path, reader->realisations + 1);
    }
    char *copy = strndup(name, size);
    if (!copy) {
        return ensemble_no_memory(reader->path, ret_error);
    }
    reader->list[reader->realisations++] = (struct realisation){copy, place};
    return 0;
}

/* --- sparse binary, and whatever else matrix.h reads ----------------------------------------- */

static int matrix_open(struct ensemble_reader *reader, const char *const *names,
                       const double *fallback, struct error *ret_error)
{
    struct matrix *matrix = matrix_read_case(reader->path, MATRIX_BYTES_MAX, true, ret_error);
    reader->matrix = matrix;
    for (size_t i = 0; matrix && i < matrix->rows; i++) {
        if (ensemble_realisation_add(reader, matrix->row_names[i], strlen(matrix->row_names[i]),
                                     i, ret_error) != 0) {
            return -1;
        }
    }
    return matrix ? ensemble_columns_set(reader, matrix->column_names, matrix->columns, names,
                                         fallback, ret_error)
                  : -1;
}

static void matrix_row(const struct ensemble_reader *reader, size_t row, double *ret_values)
{
    const struct matrix *matrix = reader->matrix;
    for (size_t i = 0; i < reader->count; i++) {
        long column = reader->places[i];
        if (column < 0) {
            ret_values[i] = reader->fallback[i];
        } else if (matrix->diagonal) {
            ret_values[i] = (size_t)column == row ? matrix->values[row] : 0;
        } else {
            ret_values[i] = matrix->values[row + (size_t)column * matrix->rows];
        }
    }
}

/* --- opening --------------------------------------------------------------------------------- */

/* Dense files begin with 0, -n, -n. */
static bool is_dense(int fd)
{
    int32_t header[3];
    return pread(fd, header, sizeof(header), 0) == (ssize_t)sizeof(header) && header[0] == 0 &&
           header[1] < 0 && header[1] == header[2];
}

static bool is_csv(const char *path)
{
    return ensemble_format_of(path) == ENSEMBLE_CSV;
}

static int reader_fill(struct ensemble_reader *reader, const char *const *names,
                       const double *fallback, struct error *ret_error)
{
    struct stat status;
    reader->fd = open(reader->path, O_RDONLY | O_CLOEXEC);
    if (reader->fd < 0 || fstat(reader->fd, &status) != 0) {
        return error_errno(ret_error, errno, "\"%s\" cannot be read", reader->path);
    }
    if (!S_ISREG(status.st_mode) || status.st_size == 0) {
        return error_set(ret_error, ERROR_CONFIG, "\"%s\" is %s", reader->path,
                         S_ISREG(status.st_mode) ? "empty" : "not a file");
    }
    reader->size = (uint64_t)status.st_size;
    int result;
    if (is_dense(reader->fd)) {
        result = ensemble_dense_open(reader, names, fallback, ret_error);
    } else if (is_csv(reader->path)) {
        result = ensemble_csv_open(reader, names, fallback, ret_error);
    } else {
        result = matrix_open(reader, names, fallback, ret_error);
    }
    if (result == 0 && reader->realisations == 0) {
        return error_set(ret_error, ERROR_CONFIG, "%s has no realisations", reader->path);
    }
    return result;
}

struct ensemble_reader *ensemble_open(const char *path, const char *const *names, size_t count,
                                      const double *fallback, struct error *ret_error)
{
    struct ensemble_reader *reader = calloc(1, sizeof(*reader));
    if (!reader) {
        ensemble_no_memory(path, ret_error);
        return NULL;
    }
    reader->fd = -1;
    reader->count = count;
    reader->path = strdup(path);
    reader->places = calloc(count + 1, sizeof(*reader->places));
    reader->fallback = calloc(count + 1, sizeof(*reader->fallback));
    if (!reader->path || !reader->places || !reader->fallback) {
        ensemble_no_memory(path, ret_error);
    } else if (reader_fill(reader, names, fallback, ret_error) == 0) {
        return reader;
    }
    ensemble_close(reader);
    return NULL;
}

void ensemble_close(struct ensemble_reader *reader)
{
    if (!reader) {
        return;
    }
    for (size_t i = 0; i < reader->realisations; i++) {
        free(reader->list[i].name);
    }
    if (reader->fd >= 0) {
        close(reader->fd);
    }
    free(reader->list);
    free(reader->path);
    free(reader->places);
    free(reader->fallback);
    free(reader->row);
    matrix_free(reader->matrix);
    free(reader);
}

size_t ensemble_realisations(const struct ensemble_reader *reader)
{
    return reader->realisations;
}

const char *ensemble_name(const struct ensemble_reader *reader, size_t realisation)
{
    return reader->list[realisation].name;
}

long ensemble_find(const struct ensemble_reader *reader, const char *name)
{
    for (size_t i = 0; i < reader->realisations; i++) {
        if (strcmp(reader->list[i].name, name) == 0) {
            return (long)i;
        }
    }
    return -1;
}

size_t ensemble_missing(const struct ensemble_reader *reader)
{
    return reader->missing;
}

size_t ensemble_unused(const struct ensemble_reader *reader)
{
    return reader->unused;
}

int ensemble_read(struct ensemble_reader *reader, size_t realisation, double *ret_values,
                  struct error *ret_error)
{
    int result = 0;
    if (realisation >= reader->realisations) {
        return error_set(ret_error, ERROR_BUG, "%s has no realisation %zu", reader->path,
                         realisation);
    }
    if (reader->matrix) {
        matrix_row(reader, realisation, ret_values);
    } else {
        result = reader->read_row(reader, realisation, ret_values, ret_error);
    }
    for (size_t i = 0; result == 0 && i < reader->count; i++) {
        if (!isfinite(ret_values[i])) {
            result =
                error_set(ret_error, ERROR_CONFIG,
                          "%s: realisation \"%s\" has a value that is not a finite number "
                          "(column %ld of the file, from 1)",
                          reader->path, reader->list[realisation].name, reader->places[i] + 1);
        }
    }
    return result;
}

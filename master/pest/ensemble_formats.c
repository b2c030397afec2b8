/* ensemble_formats.c - ensembles in CSV and dense binary files, read by realisation. */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/csv.h"
#include "common/pest/control.h"
#include "common/pest/number.h"
#include "master/pest/ensemble_private.h"

static int changed(const struct ensemble_reader *reader, struct error *ret_error)
{
    return error_set(ret_error, ERROR_CHANGED, "%s has been changed since it was opened",
                     reader->path);
}

/* Exactly `size` bytes at `place`. */
static int bytes_read(const struct ensemble_reader *reader, void *to, size_t size,
                      uint64_t place, struct error *ret_error)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(reader->fd, (char *)to + done, size - done, (off_t)(place + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got < 0
                       ? error_errno(ret_error, errno, "\"%s\" cannot be read", reader->path)
                       : changed(reader, ret_error);
        }
        done += (size_t)got;
    }
    return 0;
}

/* --- CSV ------------------------------------------------------------------------------------- */

static int csv_columns(struct ensemble_reader *reader, const struct csv_record *record,
                       const char *const *names, const double *fallback,
                       struct error *ret_error)
{
    size_t count = record->count - 1;
    char **columns = calloc(count + 1, sizeof(*columns));
    int result = columns ? 0 : ensemble_no_memory(reader->path, ret_error);
    struct matrix_input input = {.name = reader->path, .error = ret_error};
    for (size_t i = 0; result == 0 && i < count; i++) {
        columns[i] =
            matrix_name(&input, record->fields[i + 1].text, record->fields[i + 1].size);
        result = columns[i] ? 0 : -1;
    }
    if (result == 0) {
        result = ensemble_columns_set(reader, columns, count, names, fallback, ret_error);
    }
    for (size_t i = 0; columns && i < count; i++) {
        free(columns[i]);
    }
    free(columns);
    return result;
}

/* A field's number; `line` 0: not known. */
static int field_read(const struct ensemble_reader *reader, const struct csv_field *field,
                      size_t realisation, long column, double *ret, struct error *ret_error)
{
    enum pest_number kind = pest_number_parse(field->text, field->size, ret);
    if (kind == PEST_NUMBER_GOOD) {
        return 0;
    }
    return error_set(ret_error, ERROR_CONFIG,
                     "%s: realisation \"%s\", column %ld (from 1): \"%.40s\" %s", reader->path,
                     reader->list[realisation].name, column + 1, field->text,
                     pest_number_fault(kind));
}

static int csv_read_row(struct ensemble_reader *reader, size_t realisation, double *ret_values,
                        struct error *ret_error)
{
    uint64_t start = reader->list[realisation].place;
    uint64_t end = realisation + 1 < reader->realisations ? reader->list[realisation + 1].place
                                                          : reader->size;
    char *text = malloc(end - start + 1);
    struct csv_reader *csv = NULL;
    struct csv_record record;
    int result = text ? bytes_read(reader, text, end - start, start, ret_error)
                      : ensemble_no_memory(reader->path, ret_error);
    if (result == 0) {
        csv = csv_open_memory(text, end - start, reader->path, ret_error);
        result = !csv || csv_next(csv, &record, ret_error) < 0 ? -1 : 0;
    }
    if (result == 0 && record.count != reader->columns + 1) {
        result = changed(reader, ret_error);
    }
    for (size_t i = 0; result == 0 && i < reader->count; i++) {
        long column = reader->places[i];
        if (column < 0) {
            ret_values[i] = reader->fallback[i];
        } else {
            result = field_read(reader, &record.fields[column + 1], realisation, column,
                                &ret_values[i], ret_error);
        }
    }
    csv_close(csv);
    free(text);
    return result;
}

static int csv_scan(struct ensemble_reader *reader, struct csv_reader *csv,
                    const char *const *names, const double *fallback, struct error *ret_error)
{
    struct csv_record record;
    int more = csv_next(csv, &record, ret_error);
    if (more == 0 || (more == 1 && record.count < 2)) {
        return error_set(
            ret_error, ERROR_CONFIG,
            "%s has no columns: an ensemble has a header with names, and a row per "
            "realisation that begins with its name",
            reader->path);
    }
    if (more < 0 || csv_columns(reader, &record, names, fallback, ret_error) != 0) {
        return -1;
    }
    while ((more = csv_next(csv, &record, ret_error)) == 1) {
        if (ensemble_realisation_add(reader, record.fields[0].text, record.fields[0].size,
                                     record.offset, ret_error) != 0) {
            return -1;
        }
    }
    return more;
}

/* The scan reads the file in one piece of memory; the pieces are read again by realisation. */
int ensemble_csv_open(struct ensemble_reader *reader, const char *const *names,
                      const double *fallback, struct error *ret_error)
{
    char *text = malloc(reader->size + 1);
    struct csv_reader *csv = NULL;
    int result = text ? bytes_read(reader, text, reader->size, 0, ret_error)
                      : ensemble_no_memory(reader->path, ret_error);
    if (result == 0) {
        csv = csv_open_memory(text, reader->size, reader->path, ret_error);
        result = csv ? csv_scan(reader, csv, names, fallback, ret_error) : -1;
    }
    csv_close(csv);
    free(text);
    reader->read_row = csv_read_row;
    return result;
}

/* --- dense ----------------------------------------------------------------------------------- */

static int dense_cut(const struct ensemble_reader *reader, struct error *ret_error)
{
    return error_set(
        ret_error, ERROR_CONFIG,
        "%s ends in the middle: it was not written to its end, or is no dense binary "
        "ensemble",
        reader->path);
}

/* A name of `size` bytes at *place, which moves behind it. Allocated, NUL-terminated. */
static char *dense_name(const struct ensemble_reader *reader, int32_t size, uint64_t *place,
                        struct error *ret_error)
{
    if (size <= 0 || size > ENSEMBLE_NAME_MAX || (uint64_t)size > reader->size - *place) {
        dense_cut(reader, ret_error);
        return NULL;
    }
    char *name = calloc(1, (size_t)size + 1);
    if (!name) {
        ensemble_no_memory(reader->path, ret_error);
    } else if (bytes_read(reader, name, (size_t)size, *place, ret_error) != 0) {
        free(name);
        name = NULL;
    }
    *place += (uint64_t)size;
    return name;
}

static int dense_columns(struct ensemble_reader *reader, size_t count, const char *const *names,
                         const double *fallback, uint64_t *place, struct error *ret_error)
{
    int32_t *sizes = malloc((count + 1) * sizeof(*sizes));
    char **columns = calloc(count + 1, sizeof(*columns));
    int result = sizes && columns ? 0 : ensemble_no_memory(reader->path, ret_error);
    struct matrix_input input = {.name = reader->path, .error = ret_error};
    if (result == 0) {
        result = bytes_read(reader, sizes, count * sizeof(*sizes), *place, ret_error);
        *place += count * sizeof(*sizes);
    }
    for (size_t i = 0; result == 0 && i < count; i++) {
        char *name = dense_name(reader, sizes[i], place, ret_error);
        columns[i] = name ? matrix_name(&input, name, (size_t)sizes[i]) : NULL;
        free(name);
        result = columns[i] ? 0 : -1;
    }
    if (result == 0) {
        result = ensemble_columns_set(reader, columns, count, names, fallback, ret_error);
    }
    for (size_t i = 0; columns && i < count; i++) {
        free(columns[i]);
    }
    free(columns);
    free(sizes);
    return result;
}

static int dense_rows(struct ensemble_reader *reader, uint64_t place, struct error *ret_error)
{
    while (place < reader->size) {
        int32_t size;
        if (reader->size - place < sizeof(size)) {
            return dense_cut(reader, ret_error);
        }
        if (bytes_read(reader, &size, sizeof(size), place, ret_error) != 0) {
            return -1;
        }
        place += sizeof(size);
        char *name = dense_name(reader, size, &place, ret_error);
        int result =
            name ? ensemble_realisation_add(reader, name, (size_t)size, place, ret_error) : -1;
        free(name);
        if (result != 0) {
            return -1;
        }
        if ((reader->size - place) / sizeof(double) < reader->columns) {
            return dense_cut(reader, ret_error);
        }
        place += reader->columns * sizeof(double);
    }
    return 0;
}

static int dense_read_row(struct ensemble_reader *reader, size_t realisation,
                          double *ret_values, struct error *ret_error)
{
    if (bytes_read(reader, reader->row, reader->columns * sizeof(double),
                   reader->list[realisation].place, ret_error) != 0) {
        return -1;
    }
    for (size_t i = 0; i < reader->count; i++) {
        ret_values[i] =
            reader->places[i] < 0 ? reader->fallback[i] : reader->row[reader->places[i]];
    }
    return 0;
}

int ensemble_dense_open(struct ensemble_reader *reader, const char *const *names,
                        const double *fallback, struct error *ret_error)
{
    int32_t header[3];
    if (bytes_read(reader, header, sizeof(header), 0, ret_error) != 0) {
        return -1;
    }
    uint64_t place = sizeof(header), columns = (uint64_t) - (int64_t)header[1];
    if (columns > reader->size / 5) { /* a name takes its length and a byte */
        return dense_cut(reader, ret_error);
    }
    reader->read_row = dense_read_row;
    reader->row = malloc((columns + 1) * sizeof(double));
    if (!reader->row) {
        return ensemble_no_memory(reader->path, ret_error);
    }
    if (dense_columns(reader, columns, names, fallback, &place, ret_error) != 0) {
        return -1;
    }
    return dense_rows(reader, place, ret_error);
}

/* ensemble.c - whole ensembles, and their writer. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/csv.h"
#include "common/whole.h"
#include "master/pest/ensemble_private.h"

enum ensemble_format ensemble_format_of(const char *path)
{
    static const struct {
        const char *end;
        enum ensemble_format format;
    } ends[] = {{".jcb", ENSEMBLE_BINARY}, {".jco", ENSEMBLE_BINARY}, {".bin", ENSEMBLE_DENSE}};
    size_t size = strlen(path);
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
        if (size >= 4 && strcasecmp(path + size - 4, ends[i].end) == 0) {
            return ends[i].format;
        }
    }
    return ENSEMBLE_CSV;
}

/* --- whole ----------------------------------------------------------------------------------- */

static int ensemble_fill(struct ensemble_reader *reader, struct ensemble *ret,
                         struct error *ret_error)
{
    for (size_t i = 0; i < ret->realisations; i++) {
        ret->names[i] = strdup(ensemble_name(reader, i));
        if (!ret->names[i]) {
            return ensemble_no_memory(reader->path, ret_error);
        }
        if (ensemble_read(reader, i, ret->values + i * ret->columns, ret_error) != 0) {
            return -1;
        }
    }
    return 0;
}

int ensemble_load(const char *path, const char *const *names, size_t count,
                  const double *fallback, size_t max_realisations, struct ensemble *ret,
                  struct error *ret_error)
{
    struct ensemble_reader *reader = ensemble_open(path, names, count, fallback, ret_error);
    *ret = (struct ensemble){0};
    if (!reader) {
        return -1;
    }
    size_t most = ensemble_realisations(reader);
    ret->realisations =
        max_realisations > 0 && max_realisations < most ? max_realisations : most;
    ret->columns = count;
    ret->names = calloc(ret->realisations + 1, sizeof(char *));
    if (count == 0 || ret->realisations < SIZE_MAX / sizeof(double) / count) {
        ret->values = malloc((ret->realisations * count + 1) * sizeof(double));
    }
    int result = ret->names && ret->values ? ensemble_fill(reader, ret, ret_error)
                                           : ensemble_no_memory(path, ret_error);
    ensemble_close(reader);
    if (result != 0) {
        ensemble_fini(ret);
    }
    return result;
}

void ensemble_fini(struct ensemble *ensemble)
{
    for (size_t i = 0; ensemble->names && i < ensemble->realisations; i++) {
        free(ensemble->names[i]);
    }
    free(ensemble->names);
    free(ensemble->values);
    *ensemble = (struct ensemble){0};
}

/* --- written --------------------------------------------------------------------------------- */

struct ensemble_writer {
    enum ensemble_format format;
    struct whole whole; /* not for ENSEMBLE_BINARY */
    char *path;
    const char *const *names;
    size_t count;
    struct ensemble kept; /* ENSEMBLE_BINARY: what has been written so far */
    size_t capacity;
};

static int header_put(struct ensemble_writer *writer, struct error *ret_error)
{
    FILE *stream = writer->whole.stream;
    if (writer->format == ENSEMBLE_DENSE) {
        int32_t columns = (int32_t)writer->count;
        matrix_put_int(stream, 0);
        matrix_put_int(stream, -columns);
        matrix_put_int(stream, -columns);
        for (size_t i = 0; i < writer->count; i++) {
            matrix_put_int(stream, (int32_t)strlen(writer->names[i]));
        }
        for (size_t i = 0; i < writer->count; i++) {
            fputs(writer->names[i], stream);
        }
        return 0;
    }
    fputs("real_name", stream);
    for (size_t i = 0; i < writer->count; i++) {
        putc(',', stream);
        if (csv_print_field(stream, writer->names[i]) != 0) {
            return ensemble_no_memory(writer->path, ret_error);
        }
    }
    putc('\n', stream);
    return 0;
}

static void writer_free(struct ensemble_writer *writer)
{
    ensemble_fini(&writer->kept);
    free(writer->path);
    free(writer);
}

struct ensemble_writer *ensemble_create(const char *path, enum ensemble_format format,
                                        const char *const *names, size_t count,
                                        struct error *ret_error)
{
    struct ensemble_writer *writer = calloc(1, sizeof(*writer));
    if (!writer) {
        ensemble_no_memory(path, ret_error);
        return NULL;
    }
    writer->format = format;
    writer->names = names;
    writer->count = count;
    writer->kept.columns = count;
    writer->path = strdup(path);
    int result = writer->path ? 0 : ensemble_no_memory(path, ret_error);
    if (result == 0 && count > INT32_MAX) {
        result = error_set(ret_error, ERROR_CONFIG, "\"%s\": too many columns", path);
    }
    if (result == 0 && format != ENSEMBLE_BINARY) {
        result = whole_open(&writer->whole, path, ret_error);
        if (result == 0 && header_put(writer, ret_error) != 0) {
            whole_abandon(&writer->whole);
            result = -1;
        }
    }
    if (result != 0) {
        writer_free(writer);
        return NULL;
    }
    return writer;
}

static int realisation_keep(struct ensemble_writer *writer, const char *realisation,
                            const double *values, struct error *ret_error)
{
    struct ensemble *kept = &writer->kept;
    if (kept->realisations == writer->capacity) {
        size_t capacity = 2 * writer->capacity + 16;
        char **names = realloc(kept->names, capacity * sizeof(*names));
        kept->names = names ? names : kept->names;
        double *all = realloc(kept->values, (capacity * writer->count + 1) * sizeof(*all));
        kept->values = all ? all : kept->values;
        if (!names || !all) {
            return ensemble_no_memory(writer->path, ret_error);
        }
        writer->capacity = capacity;
    }
    kept->names[kept->realisations] = strdup(realisation);
    if (!kept->names[kept->realisations]) {
        return ensemble_no_memory(writer->path, ret_error);
    }
    memcpy(kept->values + kept->realisations * writer->count, values,
           writer->count * sizeof(*values));
    kept->realisations++;
    return 0;
}

int ensemble_write(struct ensemble_writer *writer, const char *realisation,
                   const double *values, struct error *ret_error)
{
    FILE *stream = writer->whole.stream;
    if (writer->format == ENSEMBLE_BINARY) {
        return realisation_keep(writer, realisation, values, ret_error);
    }
    if (writer->format == ENSEMBLE_DENSE) {
        matrix_put_int(stream, (int32_t)strlen(realisation));
        fputs(realisation, stream);
        matrix_put_reals(stream, values, writer->count);
        return 0;
    }
    if (csv_print_field(stream, realisation) != 0) {
        return ensemble_no_memory(writer->path, ret_error);
    }
    for (size_t i = 0; i < writer->count; i++) {
        putc_unlocked(',', stream);
        matrix_put_number(stream, values[i]);
    }
    putc_unlocked('\n', stream);
    return 0;
}

struct kept_columns {
    const struct ensemble *kept;
    double *column;
};

static const double *kept_column(void *context, size_t column)
{
    struct kept_columns *columns = context;
    for (size_t i = 0; i < columns->kept->realisations; i++) {
        columns->column[i] = columns->kept->values[i * columns->kept->columns + column];
    }
    return columns->column;
}

static int kept_write(struct ensemble_writer *writer, struct error *ret_error)
{
    struct kept_columns columns = {&writer->kept,
                                   malloc((writer->kept.realisations + 1) * sizeof(double))};
    struct matrix_source source = {writer->kept.realisations,
                                   writer->count,
                                   (const char *const *)writer->kept.names,
                                   writer->names,
                                   kept_column,
                                   &columns};
    int result = columns.column
                     ? matrix_write_source(&source, writer->path, MATRIX_BINARY, ret_error)
                     : ensemble_no_memory(writer->path, ret_error);
    free(columns.column);
    return result;
}

int ensemble_commit(struct ensemble_writer *writer, struct error *ret_error)
{
    int result = writer->format == ENSEMBLE_BINARY ? kept_write(writer, ret_error)
                                                   : whole_commit(&writer->whole, ret_error);
    writer_free(writer);
    return result;
}

void ensemble_abandon(struct ensemble_writer *writer)
{
    if (writer) {
        whole_abandon(&writer->whole);
        writer_free(writer);
    }
}

int ensemble_save(const struct ensemble *ensemble, const char *const *names, const char *path,
                  enum ensemble_format format, struct error *ret_error)
{
    struct ensemble_writer *writer =
        ensemble_create(path, format, names, ensemble->columns, ret_error);
    for (size_t i = 0; writer && i < ensemble->realisations; i++) {
        if (ensemble_write(writer, ensemble->names[i], ensemble->values + i * ensemble->columns,
                           ret_error) != 0) {
            ensemble_abandon(writer);
            return -1;
        }
    }
    return writer ? ensemble_commit(writer, ret_error) : -1;
}

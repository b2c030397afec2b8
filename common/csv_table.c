/*
 * A table is the offsets of its rows. Rows are read again from a block of the file, so that going
 * through them in order costs a system call per block and not per row, and are parsed by the same
 * reader. That the file has not changed is seen, by its size and time stamp, whenever a block is
 * loaded; what a loaded block holds is the file as it was opened.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/csv.h"
#include "common/csv_private.h"

struct csv_table {
    int fd;
    char *path;
    struct stat stat; /* as of opening */
    char **names;
    size_t columns;
    uint64_t *offsets; /* where each row begins, and at last where the file ends */
    uint64_t rows;
    uint64_t capacity;
    bool one_line_rows; /* no field holds a line end */
    struct csv_reader *reader;
    char *block; /* bytes of the file from block_offset */
    size_t block_size, block_capacity;
    uint64_t block_offset;
};

#define BLOCK ((size_t)64 << 10)

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int check_names(const struct csv_table *table, struct error *ret_error)
{
    char **sorted = malloc(table->columns * sizeof(*sorted));
    if (!sorted)
        return error_set(ret_error, ERROR_SYSTEM, "%s: no memory left", table->path);
    memcpy(sorted, table->names, table->columns * sizeof(*sorted));
    qsort(sorted, table->columns, sizeof(*sorted), compare_names);
    int status = 0;
    for (size_t i = 0; i < table->columns && !status; i++) {
        if (!*table->names[i])
            status = error_set(ret_error, ERROR_CONFIG, "%s:1: column %zu has no name",
                               table->path, i + 1);
        else if (i && !strcmp(sorted[i - 1], sorted[i]))
            status =
                error_set(ret_error, ERROR_CONFIG, "%s:1: two columns are called \"%.100s\"",
                          table->path, sorted[i]);
    }
    free(sorted);
    return status;
}

static int read_names(struct csv_table *table, struct csv_reader *reader,
                      struct error *ret_error)
{
    struct csv_record record;
    int got = csv_next(reader, &record, ret_error);
    if (got < 0)
        return -1;
    if (!got)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: the file is empty; its first line should name the columns",
                         table->path);
    if (record.count == 1 && strpbrk(record.fields[0].text, ";\t"))
        return error_set(ret_error, ERROR_CONFIG,
                         "%s:1: columns are separated by commas, not by semicolons or tabs",
                         table->path);
    table->names = calloc(record.count, sizeof(*table->names));
    if (!table->names)
        return error_set(ret_error, ERROR_SYSTEM, "%s: no memory left", table->path);
    table->columns = record.count;
    for (size_t i = 0; i < record.count; i++) {
        table->names[i] = strdup(record.fields[i].text);
        if (!table->names[i])
            return error_set(ret_error, ERROR_SYSTEM, "%s: no memory left", table->path);
    }
    return check_names(table, ret_error);
}

static int add_offset(struct csv_table *table, uint64_t offset, struct error *ret_error)
{
    if (table->rows + 1 >= table->capacity) {
        uint64_t capacity = table->capacity ? table->capacity * 2 : 1024;
        uint64_t *offsets = realloc(table->offsets, capacity * sizeof(*offsets));
        if (!offsets)
            return error_set(ret_error, ERROR_SYSTEM, "%s: no memory left", table->path);
        table->offsets = offsets;
        table->capacity = capacity;
    }
    table->offsets[table->rows] = offset;
    return 0;
}

static int read_rows(struct csv_table *table, struct csv_reader *reader,
                     struct error *ret_error)
{
    struct csv_record record;
    int got;
    table->one_line_rows = true;
    while ((got = csv_next(reader, &record, ret_error)) > 0) {
        if (add_offset(table, record.offset, ret_error) < 0)
            return -1;
        table->rows++;
        table->one_line_rows = table->one_line_rows && record.line == table->rows + 1;
    }
    if (got < 0 || add_offset(table, (uint64_t)table->stat.st_size, ret_error) < 0)
        return -1;
    /* The last doubling may have left as much again. */
    uint64_t *offsets = realloc(table->offsets, (table->rows + 1) * sizeof(*offsets));
    if (offsets)
        table->offsets = offsets;
    return 0;
}

static int changed(const struct csv_table *table, struct error *ret_error)
{
    return error_set(ret_error, ERROR_CHANGED, "%s: changed while it was in use", table->path);
}

static int check_unchanged(const struct csv_table *table, struct error *ret_error)
{
    struct stat stat;
    if (fstat(table->fd, &stat) < 0)
        return error_errno(ret_error, errno, "%s: cannot be read", table->path);
    bool same = stat.st_size == table->stat.st_size &&
                stat.st_mtim.tv_sec == table->stat.st_mtim.tv_sec &&
                stat.st_mtim.tv_nsec == table->stat.st_mtim.tv_nsec;
    return same ? 0 : changed(table, ret_error);
}

static int index_file(struct csv_table *table, struct error *ret_error)
{
    table->fd = csv_open_file(table->path, &table->stat, ret_error);
    if (table->fd < 0)
        return -1;
    int fd = fcntl(table->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return error_errno(ret_error, errno, "%s: cannot be read", table->path);
    struct csv_reader *reader = csv_open_fd(fd, table->path, ret_error);
    if (!reader)
        return -1;
    int status = read_names(table, reader, ret_error);
    if (!status)
        status = read_rows(table, reader, ret_error);
    if (!status)
        status = check_unchanged(table, ret_error);
    csv_close(reader);
    return status;
}

struct csv_table *csv_table_open(const char *path, struct error *ret_error)
{
    struct csv_table *table = calloc(1, sizeof(*table));
    if (!table) {
        error_set(ret_error, ERROR_SYSTEM, "%s: no memory left", path);
        return NULL;
    }
    table->fd = -1;
    table->path = strdup(path);
    table->reader = csv_open_memory("", 0, path, ret_error);
    if (!table->path)
        error_set(ret_error, ERROR_SYSTEM, "%s: no memory left", path);
    if (!table->path || !table->reader || index_file(table, ret_error) < 0) {
        csv_table_close(table);
        return NULL;
    }
    return table;
}

void csv_table_close(struct csv_table *table)
{
    if (!table)
        return;
    if (table->fd >= 0)
        close(table->fd);
    for (size_t i = 0; table->names && i < table->columns; i++)
        free(table->names[i]);
    free(table->names);
    free(table->offsets);
    free(table->block);
    free(table->path);
    csv_close(table->reader);
    free(table);
}

size_t csv_table_columns(const struct csv_table *table)
{
    return table->columns;
}

const char *const *csv_table_names(const struct csv_table *table)
{
    return (const char *const *)table->names;
}

uint64_t csv_table_rows(const struct csv_table *table)
{
    return table->rows;
}

static bool loaded(const struct csv_table *table, uint64_t offset, size_t size)
{
    return offset >= table->block_offset &&
           offset + size <= table->block_offset + table->block_size;
}

/* Load a block that begins with the row at offset; a row may be larger than a block. */
static int load_block(struct csv_table *table, uint64_t offset, size_t row_size,
                      struct error *ret_error)
{
    if (check_unchanged(table, ret_error) < 0)
        return -1;
    uint64_t left = (uint64_t)table->stat.st_size - offset;
    size_t size = row_size > BLOCK ? row_size : left < BLOCK ? (size_t)left : BLOCK;
    table->block_size = 0;
    if (size > table->block_capacity) {
        char *block = realloc(table->block, size);
        if (!block)
            return error_set(ret_error, ERROR_SYSTEM, "%s: no memory left", table->path);
        table->block = block;
        table->block_capacity = size;
    }
    for (size_t have = 0; have < size;) {
        ssize_t got =
            pread(table->fd, table->block + have, size - have, (off_t)(offset + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_errno(ret_error, errno, "%s: cannot be read", table->path);
        if (got == 0)
            return changed(table, ret_error);
        have += (size_t)got;
    }
    table->block_offset = offset;
    table->block_size = size;
    return 0;
}

int csv_table_read(struct csv_table *table, uint64_t row, struct csv_record *ret_record,
                   struct error *ret_error)
{
    if (row >= table->rows)
        return error_set(ret_error, ERROR_BUG, "%s: there is no row %llu, only %llu",
                         table->path, (unsigned long long)row, (unsigned long long)table->rows);
    uint64_t offset = table->offsets[row];
    size_t size = (size_t)(table->offsets[row + 1] - offset);
    if (!loaded(table, offset, size) && load_block(table, offset, size, ret_error) < 0)
        return -1;
    csv_restart(table->reader, table->block + (offset - table->block_offset), size,
                table->one_line_rows ? row + 2 : 0, offset);
    if (csv_next(table->reader, ret_record, ret_error) <= 0 ||
        ret_record->count != table->columns)
        return changed(table, ret_error);
    return 0;
}

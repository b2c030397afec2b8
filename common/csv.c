/*
 * The reader keeps a window of the file that begins with the current record and grows until the
 * record is whole. Fields are unquoted in place (they only get shorter) and ended by a NUL that
 * overwrites their separator, so a record costs one pass and no copy. While a record is read its
 * fields are offsets from its beginning, because the window moves when more is read.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/csv.h"
#include "common/csv_private.h"
#include "common/text_mark.h"

#define CHUNK ((size_t)64 << 10)

struct csv_reader {
    int fd;                /* -1: from memory */
    const uint8_t *memory; /* what has not been taken into the window yet */
    size_t memory_left;
    char *name;
    char *data; /* the window; there is room for a NUL behind it */
    size_t size, capacity;
    size_t start;    /* the current record, in the window */
    size_t at;       /* the next byte to look at, from start */
    uint64_t offset; /* of start, in the file */
    uint64_t line;   /* of the next byte */
    uint64_t record_line;
    bool eof, begun, broken;
    size_t columns; /* 0: the first record is yet to come */
    struct csv_field *fields;
    size_t *starts; /* of the fields, from start */
    size_t *sizes;
    size_t field_count, field_capacity;
};

__attribute__((format(printf, 4, 5))) static int
fail(struct csv_reader *reader, uint64_t line, struct error *ret_error, const char *format, ...)
{
    reader->broken = true;
    va_list args;
    va_start(args, format);
    error_vset(ret_error, ERROR_CONFIG, format, args);
    va_end(args);
    return error_prefix(ret_error, "%s:%llu", reader->name, (unsigned long long)line);
}

static struct csv_reader *create(const char *name, struct error *ret_error)
{
    struct csv_reader *reader = calloc(1, sizeof(*reader));
    if (reader)
        reader->name = strdup(name);
    if (!reader || !reader->name) {
        free(reader);
        error_set(ret_error, ERROR_SYSTEM, "%s: no memory left", name);
        return NULL;
    }
    reader->fd = -1;
    reader->line = 1;
    return reader;
}

struct csv_reader *csv_open_fd(int fd, const char *name, struct error *ret_error)
{
    struct csv_reader *reader = create(name, ret_error);
    if (!reader) {
        close(fd);
        return NULL;
    }
    reader->fd = fd;
    return reader;
}

int csv_open_file(const char *path, struct stat *ret_stat, struct error *ret_error)
{
    /* O_NONBLOCK: opening a FIFO by mistake must not wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, ret_stat) < 0)
        error_errno(ret_error, errno, "%s: cannot be opened", path);
    else if (!S_ISREG(ret_stat->st_mode))
        error_set(ret_error, ERROR_CONFIG, "%s: not a regular file", path);
    else
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

struct csv_reader *csv_open_memory(const void *bytes, size_t size, const char *name,
                                   struct error *ret_error)
{
    struct csv_reader *reader = create(name, ret_error);
    if (!reader)
        return NULL;
    reader->memory = bytes;
    reader->memory_left = size;
    return reader;
}

void csv_close(struct csv_reader *reader)
{
    if (!reader)
        return;
    if (reader->fd >= 0)
        close(reader->fd);
    free(reader->name);
    free(reader->data);
    free(reader->fields);
    free(reader->starts);
    free(reader->sizes);
    free(reader);
}

void csv_restart(struct csv_reader *reader, const void *bytes, size_t size, uint64_t line,
                 uint64_t offset)
{
    reader->memory = bytes;
    reader->memory_left = size;
    reader->size = reader->start = reader->at = 0;
    reader->eof = reader->broken = false;
    reader->begun = true;
    reader->line = line;
    reader->offset = offset;
}

static int make_room(struct csv_reader *reader, struct error *ret_error)
{
    if (reader->start) {
        memmove(reader->data, reader->data + reader->start, reader->size - reader->start);
        reader->size -= reader->start;
        reader->start = 0;
    }
    size_t wanted = reader->size + CHUNK + 1;
    if (wanted <= reader->capacity)
        return 0;
    if (wanted < reader->capacity * 2)
        wanted = reader->capacity * 2;
    char *data = realloc(reader->data, wanted);
    if (!data)
        return fail(reader, reader->line, ret_error, "no memory left");
    reader->data = data;
    reader->capacity = wanted;
    return 0;
}

static ssize_t take(struct csv_reader *reader, char *room, size_t size)
{
    if (reader->fd >= 0) {
        ssize_t got;
        do
            got = read(reader->fd, room, size);
        while (got < 0 && errno == EINTR);
        return got;
    }
    size_t got = reader->memory_left < size ? reader->memory_left : size;
    if (got)
        memcpy(room, reader->memory, got);
    reader->memory += got;
    reader->memory_left -= got;
    return (ssize_t)got;
}

/* Is there a byte `ahead` of the next one? Reads on if need be. 1, 0 at the end of the file, -1. */
static int have(struct csv_reader *reader, size_t ahead, struct error *ret_error)
{
    while (reader->start + reader->at + ahead >= reader->size) {
        if (reader->eof)
            return 0;
        if (make_room(reader, ret_error) < 0)
            return -1;
        ssize_t got = take(reader, reader->data + reader->size, CHUNK);
        if (got < 0) {
            reader->broken = true;
            return error_errno(ret_error, errno, "%s: cannot be read", reader->name);
        }
        reader->eof = got == 0;
        reader->size += (size_t)got;
    }
    return 1;
}

static int byte_at(const struct csv_reader *reader, size_t ahead)
{
    return (unsigned char)reader->data[reader->start + reader->at + ahead];
}

/* Skip a byte order mark; say it plainly where the file is UTF-16. */
static int begin(struct csv_reader *reader, struct error *ret_error)
{
    reader->begun = true;
    int two = have(reader, 1, ret_error);
    if (two <= 0)
        return two;
    int first = byte_at(reader, 0), second = byte_at(reader, 1);
    if ((first == 0xff && second == 0xfe) || (first == 0xfe && second == 0xff))
        return fail(reader, 1, ret_error, "the file is UTF-16; save it as UTF-8");
    int three = have(reader, 2, ret_error);
    if (three < 0)
        return -1;
    size_t mark = three ? text_mark_size(reader->data + reader->start + reader->at, 3) : 0;
    reader->start += mark;
    reader->offset += mark;
    return 0;
}

static int add_field(struct csv_reader *reader, struct error *ret_error)
{
    if (reader->field_count == CSV_COLUMNS_MAX)
        return fail(reader, reader->line, ret_error, "more than %d fields", CSV_COLUMNS_MAX);
    if (reader->field_count == reader->field_capacity) {
        size_t capacity = reader->field_capacity ? reader->field_capacity * 2 : 16;
        size_t *starts = realloc(reader->starts, capacity * sizeof(*starts));
        if (starts)
            reader->starts = starts;
        size_t *sizes = realloc(reader->sizes, capacity * sizeof(*sizes));
        if (sizes)
            reader->sizes = sizes;
        struct csv_field *fields = realloc(reader->fields, capacity * sizeof(*fields));
        if (fields)
            reader->fields = fields;
        if (!starts || !sizes || !fields)
            return fail(reader, reader->line, ret_error, "no memory left");
        reader->field_capacity = capacity;
    }
    reader->starts[reader->field_count] = reader->at;
    reader->sizes[reader->field_count++] = 0;
    return 0;
}

static int check_size(struct csv_reader *reader, size_t field_size, struct error *ret_error)
{
    if (field_size > CSV_FIELD_MAX)
        return fail(reader, reader->record_line, ret_error,
                    "field %zu is larger than %zu KiB; is a quote not closed?",
                    reader->field_count, CSV_FIELD_MAX >> 10);
    if (reader->at > CSV_RECORD_MAX)
        return fail(reader, reader->record_line, ret_error, "the record is larger than %zu MiB",
                    CSV_RECORD_MAX >> 20);
    return 0;
}

/* Pass over bytes that are nothing special in a field. */
static void skip_plain(struct csv_reader *reader, bool quoted)
{
    const char *at = reader->data + reader->start + reader->at;
    const char *end = reader->data + reader->size;
    if (quoted) {
        while (at < end && *at != '"' && *at != '\n' && *at)
            at++;
    } else {
        while (at < end && *at != ',' && *at != '"' && *at != '\n' && *at != '\r' && *at)
            at++;
    }
    reader->at = (size_t)(at - reader->data) - reader->start;
}

static int refuse_nul(struct csv_reader *reader, struct error *ret_error)
{
    return fail(reader, reader->line, ret_error,
                "a NUL byte in field %zu; is this a text file, in UTF-8?", reader->field_count);
}

static int read_plain(struct csv_reader *reader, struct error *ret_error)
{
    size_t start = reader->at;
    for (;;) {
        int more = have(reader, 0, ret_error);
        if (more < 0)
            return -1;
        if (more)
            skip_plain(reader, false);
        if (check_size(reader, reader->at - start, ret_error) < 0)
            return -1;
        if (more && reader->start + reader->at == reader->size)
            continue;
        if (more && byte_at(reader, 0) == '"')
            return fail(reader, reader->line, ret_error,
                        "a quote inside field %zu; put the whole field in quotes and write the "
                        "quote twice",
                        reader->field_count);
        if (more && !byte_at(reader, 0))
            return refuse_nul(reader, ret_error);
        reader->sizes[reader->field_count - 1] = reader->at - start;
        return 0;
    }
}

/* Close up the gap that the opening quote and the first of each doubled quotes leave. */
static void move_down(struct csv_reader *reader, size_t from, size_t *size)
{
    char *record = reader->data + reader->start;
    size_t start = reader->starts[reader->field_count - 1];
    memmove(record + start + *size, record + from, reader->at - from);
    *size += reader->at - from;
}

/* At a quote inside a quoted field: 1 if it is doubled (one is kept), 0 if it closes the field. */
static int read_quote(struct csv_reader *reader, size_t *size, struct error *ret_error)
{
    int more = have(reader, 1, ret_error);
    if (more < 0)
        return -1;
    bool doubled = more && byte_at(reader, 1) == '"';
    reader->at += doubled ? 2 : 1;
    if (doubled)
        reader->data[reader->start + reader->starts[reader->field_count - 1] + (*size)++] = '"';
    return doubled;
}

static int read_quoted(struct csv_reader *reader, struct error *ret_error)
{
    size_t size = 0;
    uint64_t opened = reader->line;
    reader->at++;
    for (int inside = 1; inside;) {
        int more = have(reader, 0, ret_error);
        if (more < 0)
            return -1;
        if (!more)
            return fail(reader, opened, ret_error,
                        "the quote that opens field %zu is not closed", reader->field_count);
        size_t from = reader->at;
        skip_plain(reader, true);
        bool newline = reader->start + reader->at < reader->size && byte_at(reader, 0) == '\n';
        reader->at += newline;
        reader->line += newline;
        move_down(reader, from, &size);
        if (check_size(reader, size, ret_error) < 0)
            return -1;
        if (newline || reader->start + reader->at == reader->size)
            continue;
        if (!byte_at(reader, 0))
            return refuse_nul(reader, ret_error);
        if (byte_at(reader, 0) == '"')
            inside = read_quote(reader, &size, ret_error);
        if (inside < 0)
            return -1;
    }
    reader->sizes[reader->field_count - 1] = size;
    return 0;
}

/* What ends a field: 1 if another follows, 0 at the end of the record. */
static int read_separator(struct csv_reader *reader, struct error *ret_error)
{
    int more = have(reader, 0, ret_error);
    if (more <= 0)
        return more;
    int c = byte_at(reader, 0);
    if (c == '\r') {
        more = have(reader, 1, ret_error);
        if (more < 0)
            return -1;
        if (!more || byte_at(reader, 1) != '\n')
            return fail(reader, reader->line, ret_error,
                        "a carriage return without a line feed; end lines with LF or CRLF");
        reader->at++;
        c = '\n';
    }
    if (c != ',' && c != '\n')
        return fail(reader, reader->line, ret_error,
                    "text after the closing quote of field %zu", reader->field_count);
    reader->at++;
    reader->line += c == '\n';
    return c == ',';
}

static int read_field(struct csv_reader *reader, struct error *ret_error)
{
    int more = have(reader, 0, ret_error);
    if (more < 0 || add_field(reader, ret_error) < 0)
        return -1;
    bool quoted = more && byte_at(reader, 0) == '"';
    if ((quoted ? read_quoted(reader, ret_error) : read_plain(reader, ret_error)) < 0)
        return -1;
    return read_separator(reader, ret_error);
}

/* Pass over empty lines. 1: a record follows; 0: the end of the file. */
static int skip_empty_lines(struct csv_reader *reader, struct error *ret_error)
{
    uint64_t empty = 0;
    for (;;) {
        int more = have(reader, 0, ret_error);
        if (more <= 0)
            return more;
        size_t length = byte_at(reader, 0) == '\n' ? 1 : 0;
        if (byte_at(reader, 0) == '\r') {
            more = have(reader, 1, ret_error);
            if (more < 0)
                return -1;
            length = more && byte_at(reader, 1) == '\n' ? 2 : 0;
        }
        if (!length)
            break;
        if (!empty)
            empty = reader->line;
        reader->line++;
        reader->start += length;
        reader->offset += length;
    }
    if (empty)
        return fail(reader, empty, ret_error,
                    "an empty line; only the file's end may have them");
    return 1;
}

static int finish_record(struct csv_reader *reader, struct csv_record *ret_record,
                         struct error *ret_error)
{
    if (!reader->columns)
        reader->columns = reader->field_count;
    if (reader->field_count != reader->columns)
        return fail(reader, reader->record_line, ret_error,
                    "%zu fields where the first line has %zu", reader->field_count,
                    reader->columns);
    char *record = reader->data + reader->start;
    for (size_t i = 0; i < reader->field_count; i++) {
        reader->fields[i].text = record + reader->starts[i];
        reader->fields[i].size = reader->sizes[i];
        record[reader->starts[i] + reader->sizes[i]] = 0;
    }
    *ret_record = (struct csv_record){.fields = reader->fields,
                                      .count = reader->field_count,
                                      .line = reader->record_line,
                                      .offset = reader->offset};
    return 1;
}

int csv_next(struct csv_reader *reader, struct csv_record *ret_record, struct error *ret_error)
{
    if (reader->broken)
        return error_set(ret_error, ERROR_CONFIG, "%s: reading ended at an earlier mistake",
                         reader->name);
    reader->start += reader->at;
    reader->offset += reader->at;
    reader->at = 0;
    if (!reader->begun && begin(reader, ret_error) < 0)
        return -1;
    int more = skip_empty_lines(reader, ret_error);
    if (more <= 0)
        return more;
    reader->record_line = reader->line;
    reader->field_count = 0;
    do
        more = read_field(reader, ret_error);
    while (more > 0);
    return more < 0 ? -1 : finish_record(reader, ret_record, ret_error);
}

static bool needs_quotes(const char *text, size_t size)
{
    if (!size)
        return false;
    if (text[0] == ' ' || text[size - 1] == ' ' || text[0] == '\t' || text[size - 1] == '\t')
        return true;
    /* At the beginning of a file this would be taken for a byte order mark, ours or UTF-16's. */
    if (text_mark_size(text, size) || (unsigned char)text[0] >= 0xfe)
        return true;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == ',' || text[i] == '"' || text[i] == '\n' || text[i] == '\r')
            return true;
    }
    return false;
}

int csv_put_field(struct buf *buf, const void *text, size_t size)
{
    if (!needs_quotes(text, size))
        return buf_append(buf, text, size);
    const char *at = text, *end = at + size;
    buf_append(buf, "\"", 1);
    while (at < end) {
        const char *quote = memchr(at, '"', (size_t)(end - at));
        const char *stop = quote ? quote + 1 : end;
        buf_append(buf, at, (size_t)(stop - at));
        if (quote)
            buf_append(buf, "\"", 1);
        at = stop;
    }
    return buf_append(buf, "\"", 1);
}

int csv_print_field(FILE *stream, const char *text)
{
    struct buf buf;
    buf_init(&buf, CSV_FIELD_MAX);
    int result = csv_put_field(&buf, text, strlen(text));
    if (result == 0 && buf.size)
        fwrite(buf.data, 1, buf.size, stream);
    buf_fini(&buf);
    return result;
}

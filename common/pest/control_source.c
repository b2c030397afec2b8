/*
 * Files are read whole and taken apart in place: names and cells are pointers into them until the
 * reading ends, so that a hundred thousand lines cost no allocation each.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/pest/control_private.h"
#include "common/text_mark.h"

#define CONTROL_Z 0x1a /* ends a text file of DOS */

static int bytes_read(int fd, char *bytes, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = read(fd, bytes + done, size - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    bytes[done] = 0;
    return 0;
}

static char *file_load(const char *path, size_t *ret_size, struct error *ret_error)
{
    struct stat status;
    char *bytes = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &status) < 0) {
        error_errno(ret_error, errno, "%s: cannot be opened", path);
        goto out;
    }
    if (!S_ISREG(status.st_mode)) {
        error_set(ret_error, ERROR_CONFIG, "%s: is no file", path);
        goto out;
    }
    if ((uint64_t)status.st_size > PEST_SOURCE_MAX) {
        error_set(ret_error, ERROR_CONFIG, "%s: is larger than 1 GiB", path);
        goto out;
    }
    bytes = malloc((size_t)status.st_size + 1);
    if (!bytes || bytes_read(fd, bytes, (size_t)status.st_size) < 0) {
        error_errno(ret_error, bytes ? errno : ENOMEM, "%s: cannot be read", path);
        free(bytes);
        bytes = NULL;
        goto out;
    }
    *ret_size = (size_t)status.st_size;
out:
    if (fd >= 0)
        close(fd);
    return bytes;
}

/* Skips the byte order mark; refuses what is no text. */
static int source_begin(struct pest_source *source, size_t size, struct error *ret_error)
{
    unsigned char *bytes = (unsigned char *)source->bytes;
    if (size >= 2 &&
        ((bytes[0] == 0xff && bytes[1] == 0xfe) || (bytes[0] == 0xfe && bytes[1] == 0xff)))
        return error_set(ret_error, ERROR_CONFIG,
                         "%s:1: is UTF-16 text; save it as plain text (ASCII or UTF-8)",
                         source->path);
    char *end = memchr(source->bytes, CONTROL_Z, size);
    source->end = end ? end : source->bytes + size;
    *source->end = 0;
    source->at = source->bytes;
    source->at += text_mark_size(bytes, size);
    if (!memchr(source->at, '\n', (size_t)(source->end - source->at))) /* an old Macintosh's */
        for (char *c = source->at; (c = strchr(c, '\r'));)
            *c = '\n';
    char *nul = memchr(source->at, 0, (size_t)(source->end - source->at));
    if (!nul)
        return 0;
    int line = 1;
    for (char *c = source->at; c < nul; c++)
        line += *c == '\n';
    return error_set(ret_error, ERROR_CONFIG, "%s:%d: holds a NUL byte: is this a text file?",
                     source->path, line);
}

struct pest_source *pest_source_open(struct pest_reader *reader, const char *path,
                                     struct error *ret_error)
{
    size_t size = 0;
    struct pest_source **sources =
        pest_array_grow(reader, reader->sources, reader->source_count, sizeof *sources);
    struct pest_source *source = calloc(1, sizeof *source);
    if (sources)
        reader->sources = sources;
    if (!sources || !source || !(source->path = strdup(path))) {
        error_set(ret_error, ERROR_SYSTEM, "%s: no memory", path);
        free(source);
        return NULL;
    }
    sources[reader->source_count++] = source;
    source->bytes = file_load(path, &size, ret_error);
    if (!source->bytes || source_begin(source, size, ret_error) < 0)
        return NULL;
    return source;
}

void pest_sources_close(struct pest_reader *reader)
{
    for (size_t i = 0; i < reader->source_count; i++) {
        free(reader->sources[i]->path);
        free(reader->sources[i]->bytes);
        free(reader->sources[i]);
    }
    free(reader->sources);
}

/* The carriage return of a CRLF is a blank, too. */
static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r';
}

/* The quote that closes the one at *open, which begins a field; NULL: it is a mere letter. */
static char *quote_close(char *open)
{
    char *close = strchr(open + 1, *open);
    return close && (!close[1] || is_blank(close[1]) || close[1] == ',' || close[1] == '#')
               ? close
               : NULL;
}

/* Ends the line where its comment begins: at a `#` at its start or after a blank, outside of
 * quotes. (A name may hold one further on.) */
static void comment_cut(char *line)
{
    bool starts = true;
    for (char *c = line; *c; c++) {
        char *close = starts && (*c == '"' || *c == '\'') ? quote_close(c) : NULL;
        if (close) {
            c = close;
            starts = false;
        } else if (*c == '#' && starts) {
            *c = 0;
            return;
        } else {
            starts = is_blank(*c);
        }
    }
}

static char *line_trim(char *line, bool keep_tabs)
{
    while (is_blank(*line) && !(keep_tabs && *line == '\t'))
        line++;
    size_t size = strlen(line);
    while (size > 0 && is_blank(line[size - 1]) && !(keep_tabs && line[size - 1] == '\t'))
        line[--size] = 0;
    return line;
}

char *pest_source_next(struct pest_source *source)
{
    while (source->at < source->end) {
        char *line = source->at;
        char *end = memchr(line, '\n', (size_t)(source->end - line));
        if (!end)
            end = source->end;
        source->at = end < source->end ? end + 1 : end;
        *end = 0;
        source->line++;
        comment_cut(line);
        line = line_trim(line, source->keep_tabs);
        if (*line)
            return line;
    }
    return NULL;
}

struct pest_place pest_place_now(const struct pest_reader *reader)
{
    return (struct pest_place){reader->source, reader->source ? reader->source->line : 0};
}

/* Fields of a line, not taken apart. */
static size_t fields_count(const char *line)
{
    size_t count = 0;
    for (; *line; line++)
        count += !is_blank(*line) && (is_blank(line[1]) || !line[1]);
    return count;
}

void pest_fields_split(char *line, size_t least, struct pest_fields *ret_fields)
{
    bool commas = strchr(line, ',') && fields_count(line) < least;
    char *c = line;
    ret_fields->count = ret_fields->total = 0;
    while (*c) {
        while (is_blank(*c) || (commas && *c == ','))
            c++;
        if (!*c)
            break;
        char *close = *c == '"' || *c == '\'' ? quote_close(c) : NULL;
        char *start = close ? c + 1 : c;
        if (close)
            c = close;
        else
            while (*c && !is_blank(*c) && !(commas && *c == ','))
                c++;
        if (!close && least > 0)
            for (char *comma = c; comma > start + 1 && comma[-1] == ','; comma--)
                comma[-1] = 0; /* `1.0, 2.0` */
        if (*c)
            *c++ = 0;
        if (*start == ',' && !close && least > 0)
            continue;
        if (ret_fields->count < PEST_FIELDS_MAX)
            ret_fields->at[ret_fields->count++] = start;
        ret_fields->total++;
    }
}

char *pest_text_lower(char *text)
{
    for (char *c = text; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    return text;
}

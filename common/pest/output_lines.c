#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/pest/instruction.h"
#include "common/pest/output_lines.h"
#include "common/text_mark.h"

#define CHUNK    ((size_t)256 << 10) /* stays in a core's cache between read and search */
#define TAB_STOP 8

static int fail(const struct output_lines *lines, const char *text, struct error *ret_error)
{
    return error_set(ret_error, ERROR_CONFIG, "%s: %s", lines->name, text);
}

/* Forget what lies before `keep` and make room for a chunk more. */
static int make_room(struct output_lines *lines, size_t keep, struct error *ret_error)
{
    if (keep) {
        memmove(lines->data, lines->data + keep, lines->size - keep);
        lines->size -= keep;
        lines->next -= keep;
        lines->offset += keep;
    }
    size_t wanted = lines->size + CHUNK;
    if (lines->size > PEST_OUTPUT_LINE_MAX)
        return fail(lines, "a line is longer than 64 MiB", ret_error);
    if (wanted <= lines->capacity)
        return 0;
    if (wanted < lines->capacity * 2)
        wanted = lines->capacity * 2;
    char *data = realloc(lines->data, wanted);
    if (!data)
        return error_set(ret_error, ERROR_SYSTEM, "%s: no memory for a line of %zu bytes",
                         lines->name, lines->size);
    lines->data = data;
    lines->capacity = wanted;
    return 0;
}

/* Begin behind a byte order mark, which has no columns. */
static int mark_pass(struct output_lines *lines, struct error *ret_error)
{
    char begin[3];
    ssize_t got = pread(lines->fd, begin, sizeof(begin), 0);
    lines->offset = got > 0 ? text_mark_size(begin, (size_t)got) : 0;
    if (got >= 0 && lseek(lines->fd, (off_t)lines->offset, SEEK_SET) >= 0)
        return 0;
    return error_errno(ret_error, errno, "%s: cannot be read", lines->name);
}

int output_lines_open(struct output_lines *lines, int dirfd, const char *name,
                      struct error *ret_error)
{
    *lines = (struct output_lines){.name = name, .raw = "", .text = ""};
    /* O_NONBLOCK: opening a FIFO by mistake must not wait for a writer. */
    lines->fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (lines->fd < 0 && errno == ENOENT)
        return fail(lines, "the model has not written this file", ret_error);
    struct stat stat;
    if (lines->fd < 0 || fstat(lines->fd, &stat) < 0)
        error_errno(ret_error, errno, "%s: cannot be opened", name);
    else if (!S_ISREG(stat.st_mode))
        fail(lines, "not a regular file", ret_error);
    else if (make_room(lines, 0, ret_error) == 0 && mark_pass(lines, ret_error) == 0)
        return 0;
    output_lines_close(lines);
    return -1;
}

void output_lines_close(struct output_lines *lines)
{
    if (lines->fd >= 0)
        close(lines->fd);
    lines->fd = -1;
    free(lines->data);
    free(lines->expanded);
    lines->data = lines->expanded = NULL;
}

/* Read on, keeping the window from `keep` (which becomes 0). 1, 0 at the end, -1. */
static int read_on(struct output_lines *lines, size_t keep, struct error *ret_error)
{
    if (lines->eof)
        return 0;
    if (make_room(lines, keep, ret_error) < 0)
        return -1;
    ssize_t got;
    do
        got = read(lines->fd, lines->data + lines->size, CHUNK);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return error_errno(ret_error, errno, "%s: cannot be read", lines->name);
    lines->size += (size_t)got;
    lines->eof = got == 0;
    return got > 0;
}

int output_lines_skip(struct output_lines *lines, uint64_t count, struct error *ret_error)
{
    while (count > 0) {
        char *end = NULL;
        if (lines->size > lines->next)
            end = memchr(lines->data + lines->next, '\n', lines->size - lines->next);
        if (end) {
            lines->next = (size_t)(end + 1 - lines->data);
            count--;
            continue;
        }
        bool rest = lines->size > lines->next;
        lines->next = lines->size;
        int more = read_on(lines, lines->size, ret_error);
        if (more < 0)
            return -1;
        if (!more) /* a last line without an end is one, too */
            return rest && count == 1;
    }
    return 1;
}

static int expand(struct output_lines *lines, struct error *ret_error)
{
    size_t most = lines->raw_size * TAB_STOP, at = 0;
    if (most > PEST_OUTPUT_LINE_MAX)
        return fail(lines, "a line with tabs is longer than 8 MiB", ret_error);
    if (most > lines->expanded_capacity) {
        free(lines->expanded);
        lines->expanded_capacity = 0;
        lines->expanded = malloc(most);
        if (!lines->expanded)
            return error_set(ret_error, ERROR_SYSTEM, "%s: no memory for a line of %zu bytes",
                             lines->name, most);
        lines->expanded_capacity = most;
    }
    for (size_t i = 0; i < lines->raw_size; i++) {
        if (lines->raw[i] != '\t') {
            lines->expanded[at++] = lines->raw[i];
            continue;
        }
        do
            lines->expanded[at++] = ' ';
        while (at % TAB_STOP);
    }
    lines->text = lines->expanded;
    lines->text_size = at;
    return 0;
}

/* Blanks, the CR of a line's end, and Ctrl-Z, DOS's end of a file. */
static bool is_ending(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == 0x1a;
}

/* The current line is what lies in the window from start to end. */
static int set_line(struct output_lines *lines, size_t start, size_t end,
                    struct error *ret_error)
{
    lines->raw = lines->data + start;
    lines->raw_size = end - start;
    while (lines->raw_size && is_ending(lines->raw[lines->raw_size - 1]))
        lines->raw_size--;
    lines->text = lines->raw;
    lines->text_size = lines->raw_size;
    if (memchr(lines->raw, '\t', lines->raw_size) && expand(lines, ret_error) < 0)
        return -1;
    return 1;
}

/* The line that begins at `next`, of which `known` bytes hold no end of a line. */
static int take_line(struct output_lines *lines, size_t known, struct error *ret_error)
{
    for (;;) {
        char *end = NULL;
        if (lines->size > lines->next + known)
            end = memchr(lines->data + lines->next + known, '\n',
                         lines->size - lines->next - known);
        size_t start = lines->next;
        if (end) {
            lines->next = (size_t)(end + 1 - lines->data);
            return set_line(lines, start, (size_t)(end - lines->data), ret_error);
        }
        known = lines->size - lines->next;
        int more = read_on(lines, lines->next, ret_error);
        if (more < 0)
            return -1;
        if (!more && !known)
            return 0;
        if (!more) {
            start = lines->next;
            lines->next = lines->size;
            return set_line(lines, start, lines->size, ret_error);
        }
    }
}

int output_lines_next(struct output_lines *lines, struct error *ret_error)
{
    return take_line(lines, 0, ret_error);
}

/* How rare a byte is among what models write: tables of numbers, with words here and there. */
static int rarity(char c)
{
    if ((c >= '0' && c <= '9') || strchr(" .+-eEdD", c))
        return 0;
    return c >= 'a' && c <= 'z' ? 1 : 2;
}

/* memmem, but several times as fast where the key has a byte that is rare: memchr finds the next
 * of these faster than memory is read. If they turn out not to be rare, memmem does the rest. */
static const char *find_key(const char *text, size_t text_size, const char *key, size_t size)
{
    size_t rare = 0, misses = 0;
    for (size_t i = 1; i < size; i++)
        if (rarity(key[i]) > rarity(key[rare]))
            rare = i;
    const char *at = text, *end = text + text_size; /* where the key may begin */
    while ((size_t)(end - at) >= size) {
        if (misses > 16 + (size_t)(at - text) / 64)
            return memmem(at, (size_t)(end - at), key, size);
        const char *hit = memchr(at + rare, key[rare], (size_t)(end - at) - size + 1);
        if (!hit)
            return NULL;
        if (!memcmp(hit - rare, key, size))
            return hit - rare;
        at = hit - rare + 1;
        misses++;
    }
    return NULL;
}

int output_lines_search(struct output_lines *lines, const char *key, size_t size,
                        struct error *ret_error)
{
    size_t searched = 0; /* bytes from `next` in which it does not begin */
    for (;;) {
        const char *from = lines->data + lines->next;
        size_t left = lines->size - lines->next;
        const char *hit =
            left > searched ? find_key(from + searched, left - searched, key, size) : NULL;
        const char *end = left ? memrchr(from, '\n', hit ? (size_t)(hit - from) : left) : NULL;
        if (end) { /* lines before it do not matter any more */
            lines->next += (size_t)(end + 1 - from);
            left -= (size_t)(end + 1 - from);
            searched = 0;
        }
        if (hit)
            return take_line(lines, (size_t)(hit - (lines->data + lines->next)), ret_error);
        if (left >= size && left - size + 1 > searched)
            searched = left - size + 1;
        int more = read_on(lines, lines->next, ret_error);
        if (more <= 0)
            return more;
    }
}

uint64_t output_lines_number(const struct output_lines *lines)
{
    static const size_t size = (size_t)64 << 10;
    char *chunk = malloc(size);
    uint64_t start = lines->offset, at = 0, number = 0;
    char last = '\n';
    start += lines->next; /* of the next line */
    while (chunk && at < start) {
        size_t wanted = start - at < size ? (size_t)(start - at) : size;
        ssize_t got = pread(lines->fd, chunk, wanted, (off_t)at);
        if (got <= 0)
            break;
        for (char *end = chunk; (end = memchr(end, '\n', (size_t)(chunk + got - end))); end++)
            number++;
        last = chunk[got - 1];
        at += (uint64_t)got;
    }
    free(chunk);
    return number + (last != '\n');
}

/*
 * The cursor counts the characters of the current line that have been passed over, as PEST's
 * does: a tab to column 20 leaves it behind that column, a marker behind its last character.
 *
 * A primary marker is looked for in the file as it is, by its longest piece without blanks: that
 * is where memmem is fast, and what tabs become does not matter. Only lines that hold the piece
 * are looked at closely.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/pest/instruction.h"
#include "common/pest/instruction_private.h"
#include "common/pest/number.h"
#include "common/pest/output_lines.h"

#define EXCERPT_MAX 60 /* bytes of a line that a sentence quotes */

struct reading {
    const struct pest_instructions *from;
    const struct instruction *now;
    struct output_lines lines;
    size_t cursor;
    double *values;
    struct error *error;
};

struct piece {
    const char *text;
    size_t size;
};

/* Text of a file, made fit for a sentence. */
static const char *excerpt(char *room, const char *text, size_t size)
{
    size_t shown = size < EXCERPT_MAX ? size : EXCERPT_MAX;
    for (size_t i = 0; i < shown; i++) {
        unsigned char byte = (unsigned char)text[i];
        room[i] = byte < ' ' || byte == 0x7f ? '?' : (char)byte;
    }
    snprintf(room + shown, 4, "%s", size > shown ? "..." : "");
    return room;
}

/* "b.ins:3: !obs! of b.out:17: ...". */
__attribute__((format(printf, 2, 3))) static int fail(struct reading *reading,
                                                      const char *format, ...)
{
    char quoted[EXCERPT_MAX + 4];
    const struct pest_instructions *from = reading->from;
    const struct instruction *now = reading->now;
    va_list args;
    va_start(args, format);
    error_vset(reading->error, ERROR_CONFIG, format, args);
    va_end(args);
    return error_prefix(
        reading->error, "%s:%llu: %s in %s:%llu", from->path, (unsigned long long)now->line,
        excerpt(quoted, from->text + now->start, now->size), reading->lines.name,
        (unsigned long long)output_lines_number(&reading->lines));
}

/* The line ends before what is wanted. */
static int fail_short(struct reading *reading, const char *wanted)
{
    char quoted[EXCERPT_MAX + 4];
    return fail(reading, "%s; the line is \"%s\"", wanted,
                excerpt(quoted, reading->lines.text, reading->lines.text_size));
}

static int fail_number(struct reading *reading, const char *text, size_t size,
                       enum pest_number kind)
{
    char quoted[EXCERPT_MAX + 4];
    return fail(reading, "\"%s\" %s", excerpt(quoted, text, size), pest_number_fault(kind));
}

static struct piece marker_text(const struct pest_instructions *from,
                                const struct instruction *marker)
{
    return (struct piece){from->text + marker->start + 1, marker->number};
}

static bool ends_word(const struct reading *reading, char c)
{
    return reading->from->ends_word[(unsigned char)c];
}

static bool ends_free(const struct reading *reading, char c)
{
    return reading->from->ends_free[(unsigned char)c];
}

/* A marker with a tab is looked for in the line as it stands in the file. */
static bool find_tabbed(const struct reading *reading, struct piece marker, size_t *ret_start,
                        size_t *ret_end)
{
    const struct output_lines *lines = &reading->lines;
    size_t column = 0;
    for (size_t i = 0; i + marker.size <= lines->raw_size; i++) {
        if (column >= reading->cursor && !memcmp(lines->raw + i, marker.text, marker.size)) {
            *ret_start = column;
            for (size_t k = i; k < i + marker.size; k++)
                column = lines->raw[k] == '\t' ? (column / 8 + 1) * 8 : column + 1;
            *ret_end = column;
            return true;
        }
        column = lines->raw[i] == '\t' ? (column / 8 + 1) * 8 : column + 1;
    }
    return false;
}

/* A marker that ends in blanks is at the end of a line, too, where blanks do not show. */
static bool find_at_end(const struct reading *reading, struct piece marker, size_t *ret_start)
{
    const struct output_lines *lines = &reading->lines;
    size_t core = marker.size;
    while (core && marker.text[core - 1] == ' ')
        core--;
    if (core == marker.size || lines->text_size < reading->cursor + core)
        return false;
    *ret_start = lines->text_size - core;
    return !memcmp(lines->text + *ret_start, marker.text, core);
}

/* The first place of a marker from the cursor on. */
static bool find_marker(const struct reading *reading, struct piece marker, size_t *ret_start,
                        size_t *ret_end)
{
    const struct output_lines *lines = &reading->lines;
    const char *from = lines->text + reading->cursor;
    if (memchr(marker.text, '\t', marker.size) && lines->text != lines->raw)
        return find_tabbed(reading, marker, ret_start, ret_end);
    const char *hit =
        memmem(from, lines->text_size - reading->cursor, marker.text, marker.size);
    if (hit) {
        *ret_start = (size_t)(hit - lines->text);
        *ret_end = *ret_start + marker.size;
        return true;
    }
    if (!find_at_end(reading, marker, ret_start))
        return false;
    *ret_end = lines->text_size;
    return true;
}

static int go_on_lines(struct reading *reading)
{
    const struct instruction *now = reading->now;
    int status = output_lines_skip(&reading->lines, now->number - 1, reading->error);
    if (status > 0)
        status = output_lines_next(&reading->lines, reading->error);
    reading->cursor = 0;
    if (status == 0)
        return fail(reading, "the file ends too soon");
    return status < 0 ? -1 : 0;
}

/* The longest piece of a marker that holds neither blanks nor tabs. */
static struct piece longest_piece(struct piece marker)
{
    struct piece best = {marker.text, 0}, now = {marker.text, 0};
    for (size_t i = 0; i < marker.size; i++) {
        if (marker.text[i] == ' ' || marker.text[i] == '\t') {
            now = (struct piece){marker.text + i + 1, 0};
            continue;
        }
        now.size++;
        if (now.size > best.size)
            best = now;
    }
    return best;
}

static int find_primary(struct reading *reading)
{
    struct piece marker = marker_text(reading->from, reading->now);
    struct piece piece = longest_piece(marker);
    size_t start;
    for (;;) {
        reading->cursor = 0;
        int status = piece.size ? output_lines_search(&reading->lines, piece.text, piece.size,
                                                      reading->error)
                                : output_lines_next(&reading->lines, reading->error);
        if (status < 0)
            return -1;
        if (status == 0)
            return fail(reading, "the file ends without it");
        if (find_marker(reading, marker, &start, &reading->cursor))
            return 0;
    }
}

/* 0, 1: the primary marker must be looked for again, or -1. */
static int find_secondary(struct reading *reading)
{
    size_t start;
    if (find_marker(reading, marker_text(reading->from, reading->now), &start,
                    &reading->cursor))
        return 0;
    if (reading->now->retries)
        return 1;
    return fail_short(reading, "it is not in the rest of the line");
}

static int go_to_word(struct reading *reading)
{
    const struct output_lines *lines = &reading->lines;
    size_t at = reading->cursor;
    while (at < lines->text_size && !ends_word(reading, lines->text[at]))
        at++;
    while (at < lines->text_size && ends_word(reading, lines->text[at]))
        at++;
    if (at == lines->text_size)
        return fail_short(reading, "there is no other word");
    reading->cursor = at;
    return 0;
}

static int go_to_column(struct reading *reading)
{
    uint64_t column = reading->now->number;
    if (column < reading->cursor)
        return fail_short(reading, "reading has passed this column already");
    if (column > reading->lines.text_size)
        return fail_short(reading, "the line is shorter");
    reading->cursor = (size_t)column;
    return 0;
}

/* Keep the number that a text is; dum wants none. */
static int keep(struct reading *reading, const char *text, size_t size)
{
    double value;
    if (reading->now->observation == OBSERVATION_NONE)
        return 0;
    enum pest_number kind = pest_number_parse(text, size, &value);
    if (kind != PEST_NUMBER_GOOD)
        return fail_number(reading, text, size, kind);
    reading->values[reading->now->observation] = value;
    return 0;
}

static int read_fixed(struct reading *reading)
{
    const struct output_lines *lines = &reading->lines;
    size_t start = reading->now->first - 1, end = reading->now->last;
    if (start >= lines->text_size)
        return fail_short(reading, "the line is shorter");
    if (end > lines->text_size)
        end = lines->text_size;
    reading->cursor = end;
    return keep(reading, lines->text + start, end - start);
}

/* The first word of which a part stands in the columns. */
static int read_semifixed(struct reading *reading)
{
    const struct output_lines *lines = &reading->lines;
    size_t start = reading->now->first - 1, end = reading->now->last;
    if (end > lines->text_size)
        end = lines->text_size;
    while (start < end && ends_free(reading, lines->text[start]))
        start++;
    if (start >= end)
        return fail_short(reading, "the columns are blank");
    while (start > 0 && !ends_free(reading, lines->text[start - 1]))
        start--;
    for (end = start; end < lines->text_size && !ends_free(reading, lines->text[end]);)
        end++;
    reading->cursor = end;
    return keep(reading, lines->text + start, end - start);
}

/* What is no number by itself may be one that the next marker ends: !obs! @%@ of "3.1%". */
static bool cut_at_marker(struct reading *reading, size_t start, size_t *ret_end)
{
    const struct instruction *next = reading->now + 1;
    size_t end, marker_end;
    double value;
    if (next == reading->from->list + reading->from->count ||
        next->kind != INSTRUCTION_SECONDARY ||
        !find_marker(reading, marker_text(reading->from, next), &end, &marker_end) ||
        end <= start ||
        pest_number_parse(reading->lines.text + start, end - start, &value) != PEST_NUMBER_GOOD)
        return false;
    *ret_end = end;
    return true;
}

static int read_free(struct reading *reading)
{
    const struct output_lines *lines = &reading->lines;
    size_t start = reading->cursor, end;
    double value;
    while (start < lines->text_size && ends_free(reading, lines->text[start]))
        start++;
    if (start >= lines->text_size)
        return fail_short(reading, "the line ends before it");
    for (end = start; end < lines->text_size && !ends_free(reading, lines->text[end]);)
        end++;
    if (pest_number_parse(lines->text + start, end - start, &value) == PEST_NUMBER_GOOD) {
        if (reading->now->observation != OBSERVATION_NONE)
            reading->values[reading->now->observation] = value;
        reading->cursor = end;
        return 0;
    }
    cut_at_marker(reading, start, &end);
    reading->cursor = end;
    return keep(reading, lines->text + start, end - start);
}

static int follow_one(struct reading *reading)
{
    switch ((enum instruction_kind)reading->now->kind) {
    case INSTRUCTION_LINES:
        return go_on_lines(reading);
    case INSTRUCTION_PRIMARY:
        return find_primary(reading);
    case INSTRUCTION_SECONDARY:
        return find_secondary(reading);
    case INSTRUCTION_WORD:
        return go_to_word(reading);
    case INSTRUCTION_TAB:
        return go_to_column(reading);
    case INSTRUCTION_FREE:
        return read_free(reading);
    case INSTRUCTION_FIXED:
        return read_fixed(reading);
    case INSTRUCTION_SEMIFIXED:
        return read_semifixed(reading);
    }
    return -1;
}

static int follow_all(struct reading *reading)
{
    const struct instruction *end = reading->from->list + reading->from->count;
    for (reading->now = reading->from->list; reading->now < end;) {
        int status = follow_one(reading);
        if (status < 0)
            return -1;
        if (status > 0)
            while (!reading->now->begins)
                reading->now--;
        else
            reading->now++;
    }
    return 0;
}

int pest_instructions_run(const struct pest_instructions *instructions, int dirfd,
                          const char *file, double *values, struct error *ret_error)
{
    struct reading reading = {.from = instructions, .values = values, .error = ret_error};
    if (output_lines_open(&reading.lines, dirfd, file, ret_error) < 0)
        return -1;
    int status = follow_all(&reading);
    output_lines_close(&reading.lines);
    return status;
}

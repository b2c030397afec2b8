#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/pest/control_private.h"
#include "common/plain.h"

#define WHOLE_MAX 16384 /* before long words are cut */

static void sentence_format(char *text, size_t size, struct pest_place place,
                            const struct pest_control *control, const char *format,
                            va_list args)
{
    char whole[WHOLE_MAX];
    int used = place.source && place.line > 0
                   ? snprintf(whole, sizeof whole, "%s:%d: ", place.source->path, place.line)
                   : snprintf(whole, sizeof whole, "%s: ", control->path);
    if (used > 0 && (size_t)used < sizeof whole)
        vsnprintf(whole + used, sizeof whole - (size_t)used, format, args);
    plain_text(text, size, whole);
}

int pest_mistake(struct pest_reader *reader, struct pest_place place, const char *format, ...)
{
    char text[ERROR_TEXT_MAX];
    va_list args;
    if (reader->mistakes >= PEST_MISTAKES_MAX)
        return -1;
    va_start(args, format);
    sentence_format(text, sizeof text, place, reader->control, format, args);
    va_end(args);
    if (reader->mistakes++ == 0)
        error_set(&reader->first, ERROR_CONFIG, "%s", text);
    if (reader->report)
        reader->report(reader->context, text);
    return -1;
}

static void note_add(struct pest_reader *reader, struct pest_note **notes, size_t *count,
                     int line, const char *text)
{
    if (*count >= PEST_NOTES_MAX)
        return;
    struct pest_note *grown = pest_array_grow(reader, *notes, *count, sizeof *grown);
    char *copy = pest_text_copy(reader, text);
    if (grown)
        *notes = grown;
    if (!grown || !copy) {
        free(copy);
        return;
    }
    grown[(*count)++] = (struct pest_note){line, copy};
}

void pest_warn(struct pest_reader *reader, struct pest_place place, const char *format, ...)
{
    char text[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    sentence_format(text, sizeof text, place, reader->control, format, args);
    va_end(args);
    note_add(reader, &reader->control->warnings, &reader->control->warning_count, place.line,
             text);
}

void pest_unused(struct pest_reader *reader, struct pest_place place, const char *format, ...)
{
    char text[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    sentence_format(text, sizeof text, place, reader->control, format, args);
    va_end(args);
    note_add(reader, &reader->control->unused, &reader->control->unused_count, place.line,
             text);
}

void *pest_array_grow(struct pest_reader *reader, void *array, size_t count, size_t item)
{
    bool is_full = count == 0 || (count >= 4 && (count & (count - 1)) == 0);
    if (array && !is_full)
        return array;
    void *grown = reallocarray(array, count < 4 ? 4 : 2 * count, item);
    if (!grown)
        reader->no_memory = true;
    return grown;
}

char *pest_text_copy(struct pest_reader *reader, const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        reader->no_memory = true;
    return copy;
}

char *pest_name_copy(struct pest_reader *reader, const char *name)
{
    char *copy = pest_text_copy(reader, name);
    for (char *next = copy; next && *next; next++)
        if (*next == '\\')
            *next = '/';
    return copy;
}

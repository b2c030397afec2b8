#include "config.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/plain.h"

#define KEPT  ((PLAIN_WORD_MAX - 3) / 2) /* bytes, before and behind the "..." of a long word */
#define SHOWN 4                          /* bytes of the longest escape */

/* Of a word, or of one character between words. */
static size_t run_length(const char *text)
{
    size_t size = strcspn(text, " \":\n\t\r");
    return size ? size : 1;
}

/* Not in the midst of a character of UTF-8. */
static const char *forward(const char *text)
{
    while (((unsigned char)*text & 0xc0) == 0x80)
        text++;
    return text;
}

static const char *back(const char *text, const char *least)
{
    while (text > least && ((unsigned char)*text & 0xc0) == 0x80)
        text--;
    return text;
}

size_t plain_control_size(const char *text)
{
    unsigned char first = (unsigned char)text[0], second = (unsigned char)(first ? text[1] : 0);
    if (first < ' ' || first == 127)
        return 1;
    return first == 0xc2 && second >= 0x80 && second < 0xa0 ? 2 : 0;
}

static void escape(const char *text, size_t size, char shown[SHOWN + 1])
{
    static const char letters[] = "abtnvfr"; /* 7 to 13 */
    unsigned char code = (unsigned char)text[size - 1];
    if (code >= 7 && code <= 13)
        snprintf(shown, SHOWN + 1, "\\%c", letters[code - 7]);
    else
        snprintf(shown, SHOWN + 1, "\\x%02x", code);
}

struct target {
    char *to;
    size_t size, used;
    bool full;
};

/* All of it, or nothing from now on. */
static void put(struct target *target, const char *text, size_t size)
{
    target->full = target->full || target->used + size >= target->size;
    if (target->full)
        return;
    memcpy(target->to + target->used, text, size);
    target->used += size;
}

static void put_shown(struct target *target, const char *from, const char *end)
{
    while (from < end && !target->full) {
        char shown[SHOWN + 1];
        size_t size = plain_control_size(from);
        if (size) {
            escape(from, size, shown);
            put(target, shown, strlen(shown));
        } else {
            size = (size_t)(forward(from + 1) - from);
            put(target, from, size);
        }
        from += size;
    }
}

char *plain_text(char *to, size_t size, const char *text)
{
    struct target target = {.to = to, .size = size};
    while (*text && !target.full) {
        const char *end = text + run_length(text);
        if (end - text > PLAIN_WORD_MAX) {
            put_shown(&target, text, back(text + KEPT, text));
            put(&target, "...", 3);
            text = forward(end - KEPT);
        }
        put_shown(&target, text, end);
        text = end;
    }
    if (target.full) {
        if (target.used > size - 4)
            target.used = (size_t)(back(to + size - 4, to) - to);
        memcpy(to + target.used, "...", 3);
        target.used += 3;
    }
    to[target.used] = 0;
    return to;
}

static bool has_control(const char *text)
{
    while (*text && !plain_control_size(text))
        text++;
    return *text;
}

static void put_quoted(struct target *target, const char *text)
{
    put(target, "'", 1);
    for (; *text; text++)
        put(target, *text == '\'' ? "'\\''" : text, *text == '\'' ? 4 : 1);
    put(target, "'", 1);
}

/* Of POSIX 2024, and bash since long: no byte of it does anything to a terminal. */
static void put_escaped(struct target *target, const char *text)
{
    put(target, "$'", 2);
    for (; *text; text++) {
        char octal[8];
        bool odd = plain_control_size(text) || (unsigned char)*text >= 0x80;
        snprintf(octal, sizeof(octal), "\\%03o", (unsigned char)*text);
        if (odd || *text == '\'' || *text == '\\')
            put(target, odd ? octal : "\\", odd ? 4 : 1);
        if (!odd)
            put(target, text, 1);
    }
    put(target, "'", 1);
}

char *plain_argument(char *to, size_t size, const char *text)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "-_./:@%+,=";
    struct target target = {.to = to, .size = size};
    if (*text && !text[strspn(text, safe)])
        put(&target, text, strlen(text));
    else if (has_control(text))
        put_escaped(&target, text);
    else
        put_quoted(&target, text);
    to[target.used] = 0;
    return to;
}

/*
 * The strict syntax check (RFC 8259) that runs before cJSON sees a text. It is a loop over
 * tokens with a stack of bits (inside an object, or an array), so depth costs no C stack, and it
 * stops at the first mistake with its line and column.
 */
#include "config.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_private.h"
#include "common/text_mark.h"

/* cJSON copies a number into a buffer of 64 bytes and cuts it there. */
#define NUMBER_MAX 63

struct scanner {
    char *text;
    size_t size;
    size_t at;
    const char *name;
    unsigned flags;
    size_t depth;
    bool in_object[JSON_DEPTH_MAX];
    struct error *error;
};

__attribute__((format(printf, 3, 4))) static int fail(struct scanner *scanner, size_t at,
                                                      const char *format, ...)
{
    size_t line = 1, start = 0;
    for (size_t i = 0; i < at && i < scanner->size; i++) {
        if (scanner->text[i] == '\n') {
            line++;
            start = i + 1;
        }
    }
    va_list args;
    va_start(args, format);
    error_vset(scanner->error, ERROR_CONFIG, format, args);
    va_end(args);
    return error_prefix(scanner->error, "%s:%zu:%zu", scanner->name, line, at - start + 1);
}

static int peek(const struct scanner *scanner)
{
    return scanner->at < scanner->size ? (unsigned char)scanner->text[scanner->at] : -1;
}

/* What stands at the scanner, for "found …". */
static const char *found(const struct scanner *scanner, char *text, size_t size)
{
    int c = peek(scanner);
    if (c < 0)
        snprintf(text, size, "the end of the text");
    else if (c > ' ' && c < 0x7f)
        snprintf(text, size, "'%c'", c);
    else
        snprintf(text, size, "the byte 0x%02X", (unsigned)c);
    return text;
}

static int expected(struct scanner *scanner, const char *what)
{
    char text[32];
    return fail(scanner, scanner->at, "expected %s, found %s", what,
                found(scanner, text, sizeof(text)));
}

static int blank_comment(struct scanner *scanner)
{
    size_t start = scanner->at;
    if (!(scanner->flags & JSON_COMMENTS))
        return fail(scanner, start, "comments are not allowed here");
    bool block = start + 1 < scanner->size && scanner->text[start + 1] == '*';
    if (!block && (start + 1 >= scanner->size || scanner->text[start + 1] != '/'))
        return fail(scanner, start, "a lone '/'; comments are // or /* */");
    const char *from = scanner->text + start + 2, *stop;
    size_t left = scanner->size - start - 2;
    if (block)
        stop = memmem(from, left, "*/", 2);
    else
        stop = memchr(from, '\n', left);
    if (!stop && block)
        return fail(scanner, start, "this comment has no end; close it with */");
    size_t end = stop ? (size_t)(stop - scanner->text) + (block ? 2 : 0) : scanner->size;
    for (size_t i = start; i < end; i++) {
        if (!scanner->text[i])
            return fail(scanner, i, "a NUL byte");
        if (scanner->text[i] != '\n')
            scanner->text[i] = ' ';
    }
    scanner->at = end;
    return 0;
}

static int skip_blanks(struct scanner *scanner)
{
    for (;;) {
        int c = peek(scanner);
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
            scanner->at++;
        else if (c != '/')
            return 0;
        else if (blank_comment(scanner) < 0)
            return -1;
    }
}

static int hex4(const struct scanner *scanner, size_t at)
{
    int value = 0;
    for (size_t i = at; i < at + 4; i++) {
        int c = i < scanner->size ? scanner->text[i] : 0;
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static int check_unicode_escape(struct scanner *scanner)
{
    size_t at = scanner->at; /* of the backslash */
    int code = hex4(scanner, at + 2);
    if (code < 0)
        return fail(scanner, at, "\\u wants four hexadecimal digits");
    if (code == 0)
        return fail(scanner, at, "\\u0000 (a NUL) is not allowed in a text");
    scanner->at += 6;
    if (code >= 0xdc00 && code <= 0xdfff)
        return fail(scanner, at, "half of a surrogate pair; it wants a first half before it");
    if (code < 0xd800 || code > 0xdbff)
        return 0;
    bool follows = scanner->at + 1 < scanner->size && scanner->text[scanner->at] == '\\' &&
                   scanner->text[scanner->at + 1] == 'u';
    int second = follows ? hex4(scanner, scanner->at + 2) : -1;
    if (second < 0xdc00 || second > 0xdfff)
        return fail(scanner, at, "half of a surrogate pair; it wants a second half after it");
    scanner->at += 6;
    return 0;
}

static int check_escape(struct scanner *scanner)
{
    int c = scanner->at + 1 < scanner->size ? scanner->text[scanner->at + 1] : 0;
    if (c == 'u')
        return check_unicode_escape(scanner);
    if (!c || !strchr("\"\\/bfnrt", c))
        return fail(scanner, scanner->at,
                    "not an escape that JSON has; write \\\\ for a backslash");
    scanner->at += 2;
    return 0;
}

static int check_string(struct scanner *scanner)
{
    size_t start = scanner->at++;
    for (;;) {
        int c = peek(scanner);
        if (c < 0 || c == '\n')
            return fail(scanner, start, "this text has no closing '\"' on its line");
        if (c < 0x20)
            return fail(scanner, scanner->at,
                        "a control character (0x%02X) in a text; write \\u%04x", (unsigned)c,
                        (unsigned)c);
        if (c == '"') {
            scanner->at++;
            return 0;
        }
        if (c == '\\') {
            if (check_escape(scanner) < 0)
                return -1;
            continue;
        }
        size_t size =
            c < 0x80 ? 1
                     : json_utf8_size(scanner->text + scanner->at, scanner->size - scanner->at);
        if (!size)
            return fail(scanner, scanner->at,
                        "not UTF-8 (the byte 0x%02X); save the file as UTF-8", (unsigned)c);
        scanner->at += size;
    }
}

static bool skip_digits(struct scanner *scanner)
{
    size_t start = scanner->at;
    while (peek(scanner) >= '0' && peek(scanner) <= '9')
        scanner->at++;
    return scanner->at > start;
}

static int check_number(struct scanner *scanner)
{
    size_t start = scanner->at;
    if (peek(scanner) == '-')
        scanner->at++;
    size_t whole = scanner->at;
    if (!skip_digits(scanner))
        return expected(scanner, "a digit");
    if (scanner->text[whole] == '0' && scanner->at > whole + 1)
        return fail(scanner, start, "a number may not begin with 0");
    if (peek(scanner) == '.') {
        scanner->at++;
        if (!skip_digits(scanner))
            return expected(scanner, "a digit after the decimal point");
    }
    bool exponent = peek(scanner) == 'e' || peek(scanner) == 'E';
    if (exponent) {
        scanner->at++;
        if (peek(scanner) == '+' || peek(scanner) == '-')
            scanner->at++;
        if (!skip_digits(scanner))
            return expected(scanner, "a digit of the exponent");
    }
    size_t length = scanner->at - start;
    if (length > NUMBER_MAX)
        return fail(scanner, start, "a number of more than %d characters", NUMBER_MAX);
    char copy[NUMBER_MAX + 1];
    memcpy(copy, scanner->text + start, length);
    copy[length] = 0;
    if (exponent && isinf(strtod(copy, NULL)))
        return fail(scanner, start, "the number %s is too large (over 1.8e308)", copy);
    return 0;
}

static int check_word(struct scanner *scanner)
{
    static const char *const words[] = {"true", "false", "null"};
    static const char *const strangers[] = {"NaN",  "nan",  "Infinity", "inf",
                                            "None", "True", "False"};
    const char *at = scanner->text + scanner->at;
    size_t left = scanner->size - scanner->at, length = 0;
    while (length < left && ((at[length] | 32) >= 'a' && (at[length] | 32) <= 'z'))
        length++;
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (strlen(words[i]) == length && !memcmp(at, words[i], length)) {
            scanner->at += length;
            return 0;
        }
    }
    for (size_t i = 0; i < sizeof(strangers) / sizeof(*strangers); i++) {
        if (strlen(strangers[i]) == length && !memcmp(at, strangers[i], length))
            return fail(scanner, scanner->at, "%s is not JSON; write %s", strangers[i],
                        i < 5 ? "null" : (i == 5 ? "true" : "false"));
    }
    if (length && length < 64)
        return fail(scanner, scanner->at,
                    "expected a value, found the word %.*s (texts stand in \"\")", (int)length,
                    at);
    return expected(scanner, "a value");
}

/* A scalar, or the opening of an array or object. */
static int check_value(struct scanner *scanner)
{
    int c = peek(scanner);
    if (c == '"')
        return check_string(scanner);
    if (c == '-' || (c >= '0' && c <= '9'))
        return check_number(scanner);
    if (c != '{' && c != '[')
        return check_word(scanner);
    if (scanner->depth == JSON_DEPTH_MAX)
        return fail(scanner, scanner->at, "more than %d arrays and objects inside each other",
                    JSON_DEPTH_MAX);
    scanner->in_object[scanner->depth++] = c == '{';
    scanner->at++;
    return 0;
}

/* A key and its colon. */
static int check_key(struct scanner *scanner)
{
    if (peek(scanner) != '"')
        return expected(scanner, "a key in quotes");
    if (check_string(scanner) < 0 || skip_blanks(scanner) < 0)
        return -1;
    if (peek(scanner) != ':')
        return expected(scanner, "':' after the key");
    scanner->at++;
    return skip_blanks(scanner);
}

/* After a value: close what ends here; *ret_more says whether another value follows. */
static int check_after(struct scanner *scanner, bool opened, bool *ret_more)
{
    while (scanner->depth) {
        if (skip_blanks(scanner) < 0)
            return -1;
        bool object = scanner->in_object[scanner->depth - 1];
        if (peek(scanner) == (object ? '}' : ']')) {
            scanner->at++;
            scanner->depth--;
            opened = false;
            continue;
        }
        if (!opened) {
            if (peek(scanner) != ',')
                return expected(scanner, object ? "',' or '}'" : "',' or ']'");
            size_t comma = scanner->at++;
            if (skip_blanks(scanner) < 0)
                return -1;
            if (peek(scanner) == '}' || peek(scanner) == ']')
                return fail(scanner, comma, "a comma after the last value; remove it");
        }
        *ret_more = true;
        return object ? check_key(scanner) : 0;
    }
    *ret_more = false;
    return 0;
}

int json_check_syntax(char *text, size_t size, const char *name, unsigned flags,
                      struct error *ret_error)
{
    struct scanner scanner = {
        .text = text, .size = size, .name = name, .flags = flags, .error = ret_error};
    scanner.at = text_mark_size(text, size);
    if (skip_blanks(&scanner) < 0)
        return -1;
    for (bool more = true; more;) {
        size_t depth = scanner.depth;
        if (check_value(&scanner) < 0 ||
            check_after(&scanner, scanner.depth > depth, &more) < 0)
            return -1;
    }
    if (skip_blanks(&scanner) < 0)
        return -1;
    return scanner.at < size ? expected(&scanner, "nothing more after the value") : 0;
}

/*
 * Filling: formats were taken apart when the template was made, and the few printf formats used
 * here are put together from those parts.
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/template_private.h"

#define WIDTH_MAX     255
#define PRECISION_MAX 99
#define NUMBER_MAX    400 /* bytes of a value's text that can be a number */

/* 1.8e308 has 309 digits before the point; then the point, a sign and 99 digits. */
#define PRINTED_MAX 512

/* Read digits up to `max`; -1 if there are none or the number is larger. */
static int read_number(const char **at, const char *end, int max)
{
    int number = 0;
    const char *start = *at;
    while (*at < end && **at >= '0' && **at <= '9') {
        number = number * 10 + (*(*at)++ - '0');
        if (number > max)
            return -1;
    }
    return *at > start ? number : -1;
}

static const char *read_flags(const char *at, const char *end, struct template_format *format)
{
    for (; at < end; at++) {
        if (*at == '-')
            format->left = true;
        else if (*at == '+')
            format->plus = true;
        else if (*at == '0')
            format->zero = true;
        else if (*at == ' ')
            format->blank = true;
        else
            break;
    }
    return at;
}

const char *template_format_parse(const char *text, size_t size,
                                  struct template_format *ret_format)
{
    struct template_format format = {.precision = -1};
    const char *end = text + size, *at = read_flags(text, end, &format);
    if (at < end && *at >= '1' && *at <= '9') {
        int width = read_number(&at, end, WIDTH_MAX);
        if (width < 0)
            return "the width of a format is at most 255";
        format.width = (uint8_t)width;
    }
    if (at < end && *at == '.') {
        at++;
        int precision = read_number(&at, end, PRECISION_MAX);
        if (precision < 0)
            return "the precision of a format is a number up to 99";
        format.precision = (int8_t)precision;
    }
    if (end - at != 1 || !memchr("eEfgGds", *at, 7))
        return "not a format: [-+0 ][width][.precision] and one of e E f g G d s, such as "
               "12.4f";
    format.conversion = *at;
    if (*at == 'd' && format.precision >= 0)
        return "the format d takes no precision";
    if (*at == 's' && (format.precision >= 0 || format.plus || format.zero || format.blank))
        return "the format s takes a width alone, and '-' for left";
    *ret_format = format;
    return NULL;
}

bool template_uses(const struct template *template, size_t name)
{
    for (size_t i = 0; i < template->count; i++) {
        if (template->parts[i].name != TEMPLATE_LITERAL && template->parts[i].name == name)
            return true;
    }
    return false;
}

bool template_has_places(const struct template *template)
{
    for (size_t i = 0; i < template->count; i++) {
        if (template->parts[i].name != TEMPLATE_LITERAL)
            return true;
    }
    return false;
}

/* A value's text as a C string without blanks around it; NULL if it is too long for a number. */
static const char *trim_number(const struct template_text *text, char *copy)
{
    const char *at = text->text;
    size_t size = text->size;
    while (size && (*at == ' ' || *at == '\t')) {
        at++;
        size--;
    }
    while (size && (at[size - 1] == ' ' || at[size - 1] == '\t'))
        size--;
    if (!size || size >= NUMBER_MAX)
        return NULL;
    memcpy(copy, at, size);
    copy[size] = 0;
    return copy;
}

static bool read_real(const char *number, double *ret_real)
{
    char *end;
    *ret_real = strtod(number, &end);
    return !*end;
}

/* Whole numbers may also be written 3.0 or 1e3. */
static bool read_whole(const char *number, long long *ret_whole)
{
    double real;
    if (!read_real(number, &real) || real != trunc(real) || fabs(real) >= 9.2e18)
        return false;
    char *end;
    *ret_whole = strtoll(number, &end, 10);
    if (*end)
        *ret_whole = (long long)real;
    return true;
}

#define PRINTF_FORMAT_MAX 16 /* "%", four flags, and one of "*lld", "*.*f" */

static void put_flags(const struct template_format *format, const char *rest,
                      char *printf_format)
{
    snprintf(printf_format, PRINTF_FORMAT_MAX, "%%%s%s%s%s%s", format->left ? "-" : "",
             format->plus ? "+" : "", format->blank ? " " : "", format->zero ? "0" : "", rest);
}

static int put_text(const struct template_format *format, const struct template_text *text,
                    struct buf *buf)
{
    size_t pad = format->width > text->size ? format->width - text->size : 0;
    char blanks[WIDTH_MAX];
    memset(blanks, ' ', pad);
    if (!format->left)
        buf_append(buf, blanks, pad);
    buf_append(buf, text->text, text->size);
    if (format->left)
        buf_append(buf, blanks, pad);
    return 0;
}

/* 0, or -1: not a number of that kind. */
static int put_number(const struct template_format *format, const struct template_text *text,
                      struct buf *buf)
{
    char copy[NUMBER_MAX], printf_format[PRINTF_FORMAT_MAX], printed[PRINTED_MAX];
    const char *number = trim_number(text, copy);
    int size;
    if (!number)
        return -1;
    if (format->conversion == 'd') {
        long long whole;
        if (!read_whole(number, &whole))
            return -1;
        put_flags(format, "*lld", printf_format);
        size = snprintf(printed, sizeof(printed), printf_format, format->width, whole);
    } else {
        double real;
        if (!read_real(number, &real))
            return -1;
        const char rest[] = {'*', '.', '*', format->conversion, 0};
        put_flags(format, rest, printf_format);
        size = snprintf(printed, sizeof(printed), printf_format, format->width,
                        format->precision, real);
    }
    buf_append(buf, printed, (size_t)size);
    return 0;
}

static int fill_place(const struct template *template, const struct template_part *part,
                      const struct template_text *text, struct buf *buf,
                      struct error *ret_error)
{
    char conversion = part->format.conversion;
    if (!conversion) {
        buf_append(buf, text->text, text->size);
        return 0;
    }
    if (conversion == 's')
        return put_text(&part->format, text, buf);
    if (put_number(&part->format, text, buf) < 0)
        return error_set(
            ret_error, ERROR_CONFIG, "%.*s: the value \"%.*s\" is not a %s", (int)part->size,
            template->text + part->offset, (int)(text->size < 100 ? text->size : 100),
            text->size ? text->text : "", conversion == 'd' ? "whole number" : "number");
    return 0;
}

int template_fill(const struct template *template, const struct template_text *texts,
                  struct buf *buf, struct error *ret_error)
{
    size_t before = buf->size;
    for (size_t i = 0; i < template->count && !buf_failed(buf); i++) {
        const struct template_part *part = &template->parts[i];
        if (part->name == TEMPLATE_LITERAL) {
            buf_append(buf, template->text + part->offset, part->size);
        } else if (fill_place(template, part, &texts[part->name], buf, ret_error) < 0) {
            buf->size = before;
            return -1;
        }
    }
    if (buf_failed(buf))
        return error_set(
            ret_error, ERROR_CONFIG,
            "the filled text is larger than %zu bytes, or there is no memory for it", buf->max);
    return 0;
}

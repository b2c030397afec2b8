/*
 * Numbers of up to 18 digits with a small exponent (nearly all that models write) are computed
 * from an integer and an exact power of ten, which is correctly rounded by itself (W. Clinger,
 * "How to read floating point numbers accurately", 1990, doi:10.1145/93542.93557). All others are
 * copied with their exponent as C writes it and left to strtod, whose locale is always "C" here.
 */
#include "config.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/pest/number.h"

#define DIGITS_MAX                                                                             \
    1100 /* more characters than any double needs to be told from its neighbours */

/* A number, taken apart. */
struct parts {
    const char *digits, *digits_end; /* with the point among them */
    bool negative, point;
    uint64_t whole; /* the digits without the point, while `exact` */
    bool exact;     /* there were no more than fit */
    long shift;     /* digits behind the point */
    long exponent;  /* as written */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *read_digits(const char *at, const char *end, struct parts *parts)
{
    size_t count = 0, significant = 0;
    parts->digits = at;
    parts->exact = true;
    for (; at < end && (is_digit(*at) || (*at == '.' && !parts->point)); at++) {
        if (*at == '.') {
            parts->point = true;
            continue;
        }
        count++;
        parts->shift += parts->point;
        if (significant || *at != '0')
            significant++;
        if (significant > 18)
            parts->exact = false;
        else
            parts->whole = parts->whole * 10 + (uint64_t)(*at - '0');
    }
    parts->digits_end = at;
    return count ? at : NULL;
}

static const char *read_exponent(const char *at, const char *end, struct parts *parts)
{
    if (at == end)
        return at;
    bool letter = memchr("eEdDqQ", *at, 6) != NULL;
    if (!letter && *at != '+' && *at != '-')
        return NULL;
    at += letter;
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '+' || *at == '-'))
        at++;
    const char *first = at;
    for (; at < end && is_digit(*at); at++)
        if (parts->exponent < 100000) /* far beyond any double, and far from overflow */
            parts->exponent = parts->exponent * 10 + (*at - '0');
    if (negative)
        parts->exponent = -parts->exponent;
    return at > first ? at : NULL;
}

/* Take a number apart that fills the text to its end. */
static bool dissect(const char *at, const char *end, struct parts *parts)
{
    parts->negative = at < end && *at == '-';
    if (at < end && (*at == '+' || *at == '-'))
        at++;
    at = read_digits(at, end, parts);
    if (at)
        at = read_exponent(at, end, parts);
    return at == end;
}

static bool compute_exactly(const struct parts *parts, double *ret_value)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    long exponent = parts->exponent - parts->shift;
    if (!parts->exact || parts->whole > ((uint64_t)1 << 53) || exponent > 22 || exponent < -22)
        return false;
    double value = (double)parts->whole;
    value = exponent < 0 ? value / powers[-exponent] : value * powers[exponent];
    *ret_value = parts->negative ? -value : value;
    return true;
}

/* Digits that no longer count are dropped, but for a 1 that says that there were some. */
static enum pest_number compute_slowly(const struct parts *parts, double *ret_value)
{
    char text[DIGITS_MAX + 64];
    size_t size = 0;
    long exponent = parts->exponent;
    bool point = false, rest = false;
    for (const char *at = parts->digits; at < parts->digits_end; at++) {
        if (*at == '.') {
            point = true;
        } else if (size < DIGITS_MAX) {
            if (size || *at != '0')
                text[size++] = *at;
            exponent -= point;
        } else {
            rest = rest || *at != '0';
            exponent += !point;
        }
    }
    if (rest) {
        text[size++] = '1';
        exponent--;
    }
    if (!size)
        text[size++] = '0';
    snprintf(text + size, sizeof(text) - size, "e%ld", exponent);
    double value = strtod(text, NULL);
    if (isinf(value))
        return PEST_NUMBER_LARGE;
    *ret_value = parts->negative ? -value : value;
    return PEST_NUMBER_GOOD;
}

static bool is_word(const char *text, size_t size, const char *word)
{
    return size == strlen(word) && strncasecmp(text, word, size) == 0;
}

static bool begins_with(const char *text, size_t size, const char *word)
{
    return size >= strlen(word) && strncasecmp(text, word, strlen(word)) == 0;
}

/* What is no number may be what a program writes where it has none. */
static enum pest_number classify(const char *text, size_t size)
{
    size_t stars = 0;
    while (stars < size && text[stars] == '*')
        stars++;
    if (stars == size)
        return PEST_NUMBER_STARS;
    if (*text == '+' || *text == '-') {
        text++;
        size--;
    }
    if (is_word(text, size, "inf") || is_word(text, size, "infinity") ||
        begins_with(text, size, "1.#inf"))
        return PEST_NUMBER_INFINITE;
    if (is_word(text, size, "nan") || begins_with(text, size, "nan(") ||
        begins_with(text, size, "1.#qnan") || begins_with(text, size, "1.#snan") ||
        begins_with(text, size, "1.#ind"))
        return PEST_NUMBER_NAN;
    return PEST_NUMBER_BAD;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

enum pest_number pest_number_parse(const char *text, size_t size, double *ret_value)
{
    const char *end = text + size;
    while (text < end && is_blank(*text))
        text++;
    while (text < end && is_blank(end[-1]))
        end--;
    if (text == end)
        return PEST_NUMBER_BLANK;
    struct parts parts = {0};
    if (!dissect(text, end, &parts))
        return classify(text, (size_t)(end - text));
    if (compute_exactly(&parts, ret_value))
        return PEST_NUMBER_GOOD;
    return compute_slowly(&parts, ret_value);
}

const char *pest_number_fault(enum pest_number kind)
{
    switch (kind) {
    case PEST_NUMBER_GOOD:
        return "is a number";
    case PEST_NUMBER_BLANK:
        return "is blank";
    case PEST_NUMBER_NAN:
        return "is NaN, not a number";
    case PEST_NUMBER_INFINITE:
        return "is infinite";
    case PEST_NUMBER_STARS:
        return "are asterisks: the number did not fit the program's own format";
    case PEST_NUMBER_LARGE:
        return "is too large for a double";
    default:
        return "is not a number";
    }
}

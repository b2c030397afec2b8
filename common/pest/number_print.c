/*
 * A value has two shapes: without an exponent (123.45, .00123) and with one (1.23E-5), where the
 * point may stand anywhere among the digits, because 12.3E-9 is a digit better than 1.23E-10 in
 * the same room. Each shape is tried with all digits that tell the double from its neighbours,
 * and where these do not fit with as many as do. The shape whose text reads back nearer to the
 * value wins; of equals the one without an exponent, while it is not long.
 *
 * The value is printed once, to 17 digits, which printf does exactly; fewer are had by rounding
 * those. That is the rounding of the value itself, but for what looks like a tie (5000...): its
 * further digits, rounded off already, would decide, so printf is asked again.
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/pest/number.h"

#define SINGLE_WIDTH 13 /* of a positive number */
#define DOUBLE_WIDTH 23
#define DIGITS_MAX   17

/* A positive value rounded to `count` digits: 0.d1d2d3... times 10 to the `magnitude`. */
struct decimal {
    char digits[DIGITS_MAX + 1]; /* without zeros at the end, but for a lone one */
    int count;
    int magnitude;
};

/* A text in the making. */
struct shape {
    char text[PEST_NUMBER_MAX + 8];
    int size; /* 0: it does not fit */
    double written;
};

/* A positive value with its first 17 digits. */
struct source {
    double value;
    char digits[DIGITS_MAX + 1];
    int magnitude;
};

static void decimal_strip(struct decimal *decimal)
{
    while (decimal->count > 1 && decimal->digits[decimal->count - 1] == '0')
        decimal->count--;
}

/* Print "d.ddde±xx" and take it apart. */
static int print_digits(double value, int count, char *digits)
{
    char printed[40];
    snprintf(printed, sizeof(printed), "%.*e", count - 1, value);
    digits[0] = printed[0];
    if (count > 1)
        memcpy(digits + 1, printed + 2, (size_t)count - 1);
    return (int)strtol(strchr(printed, 'e') + 1, NULL, 10) + 1;
}

/* How what is cut off compares with a half: -1, 0 (it looks like one), 1. */
static int compare_with_half(const char *digits, int size)
{
    if (digits[0] != '5')
        return digits[0] < '5' ? -1 : 1;
    for (int i = 1; i < size; i++)
        if (digits[i] != '0')
            return 1;
    return 0;
}

static void round_up(struct decimal *decimal)
{
    int at = decimal->count - 1;
    while (at >= 0 && decimal->digits[at] == '9')
        decimal->digits[at--] = '0';
    if (at >= 0) {
        decimal->digits[at]++;
        return;
    }
    decimal->digits[0] = '1'; /* the others are zeros */
    decimal->magnitude++;
}

/* Round to `count` significant digits, 1 to 17. */
static void decimal_round(struct decimal *decimal, const struct source *source, int count)
{
    int half =
        count < DIGITS_MAX ? compare_with_half(source->digits + count, DIGITS_MAX - count) : -1;
    decimal->count = count;
    decimal->magnitude = source->magnitude;
    memcpy(decimal->digits, source->digits, (size_t)count);
    if (half > 0)
        round_up(decimal);
    else if (half == 0)
        decimal->magnitude = print_digits(source->value, count, decimal->digits);
    decimal_strip(decimal);
}

static double decimal_read(const struct decimal *decimal)
{
    char text[DIGITS_MAX + 16];
    memcpy(text, decimal->digits, (size_t)decimal->count);
    snprintf(text + decimal->count, 16, "e%d", decimal->magnitude - decimal->count);
    return strtod(text, NULL);
}

/* The fewest digits that read back as the same double (at least 15 are tried). */
static void decimal_find(struct decimal *decimal, const struct source *source)
{
    for (int count = 15; count <= DIGITS_MAX; count++) {
        decimal_round(decimal, source, count);
        if (count == DIGITS_MAX || decimal_read(decimal) == source->value)
            return;
    }
}

static int put(char *text, int at, const char *from, int size)
{
    memcpy(text + at, from, (size_t)size);
    return at + size;
}

static int put_zeros(char *text, int at, int count)
{
    memset(text + at, '0', (size_t)count);
    return at + count;
}

/* Without an exponent: the point stands behind `magnitude` digits. */
static int plain_put(const struct decimal *decimal, const struct pest_style *style, int width,
                     char *text)
{
    int whole = decimal->magnitude > 0 ? decimal->magnitude : 0;
    int zeros = decimal->magnitude < 0 ? -decimal->magnitude : 0;
    int before = decimal->count < whole ? decimal->count : whole;
    int after = decimal->count - before;
    int fraction = after ? zeros + after : 0;
    if (whole + fraction > width || whole + fraction > PEST_NUMBER_MAX)
        return 0;
    int room = width - whole - fraction;
    bool bare = !fraction && (room < 1 || (style->json && room < 2));
    if (bare && style->point && !style->json)
        return 0;
    if (fraction && room < 1 + (style->json && !whole))
        return 0;
    int at = 0;
    if (!whole && room >= 2)
        at = put_zeros(text, at, 1);
    at = put(text, at, decimal->digits, before);
    at = put_zeros(text, at, whole - before);
    if (bare)
        return at;
    at = put(text, at, ".", 1);
    if (fraction)
        return put(text, put_zeros(text, at, zeros), decimal->digits + before, after);
    return room >= 2 ? put_zeros(text, at, 1) : at;
}

/* Characters of an exponent with its letter. */
static int exponent_size(int exponent)
{
    int sign = exponent < 0, left = abs(exponent);
    return 1 + sign + (left >= 100 ? 3 : left >= 10 ? 2 : 1);
}

/* With an exponent, and the point behind `before` digits (-1: none, behind the last). */
static int scaled_put(const struct decimal *decimal, int before, bool extra, char *text)
{
    int shown = before < 0 ? decimal->count : before;
    int at = put(text, 0, decimal->digits, shown);
    if (before >= 0) {
        at = put(text, at, ".", 1);
        at = put(text, at, decimal->digits + shown, decimal->count - shown);
        if (extra)
            at = put_zeros(text, at, 1);
    }
    return at + snprintf(text + at, 8, "E%d", decimal->magnitude - shown);
}

/* Where the point stands best for `count` digits in `width`; false if they do not fit. */
static bool scaled_place(int count, int magnitude, const struct pest_style *style, int width,
                         int *ret_before)
{
    bool json = style->json;
    static const int first[] = {1, 0};
    for (int i = 0; i < count + 1; i++) { /* 1, 0, 2, 3 ... */
        int before = i < 2 ? first[i] : i;
        if (json && (before == 0 || before == count))
            continue;
        *ret_before = before;
        if (count + 1 + exponent_size(magnitude - before) <= width)
            return true;
    }
    *ret_before = -1;
    return (json || !style->point) && count + exponent_size(magnitude - count) <= width;
}

static int scaled_shape(const struct decimal *decimal, const struct pest_style *style,
                        int width, char *text)
{
    int before;
    if (!scaled_place(decimal->count, decimal->magnitude, style, width, &before))
        return 0;
    int size = decimal->count + (before >= 0) +
               exponent_size(decimal->magnitude - (before < 0 ? decimal->count : before));
    return scaled_put(decimal, before, before == decimal->count && size < width, text);
}

/* Read a shape back; one that rounding has made infinite is none. */
static void shape_read(struct shape *shape, int size, double value)
{
    shape->size = size;
    if (!size)
        return;
    shape->text[size] = 0;
    shape->written = strtod(shape->text, NULL);
    if (isinf(shape->written) || (shape->written == 0) != (value == 0))
        shape->size = 0;
}

static double power_of_ten(int exponent)
{
    char text[16];
    snprintf(text, sizeof(text), "1e%d", exponent);
    return strtod(text, NULL);
}

/* As many decimals as there is room for, or fewer where rounding up takes a digit more. */
static void plain_fit(struct shape *shape, const struct source *source,
                      const struct pest_style *style, int width)
{
    double value = source->value;
    int magnitude = source->magnitude;
    int whole = magnitude > 0 ? magnitude : 0;
    for (int decimals = width - 1 - whole; decimals >= -1; decimals--) {
        int count = magnitude + (decimals < 0 ? 0 : decimals);
        struct decimal decimal;
        if (count > DIGITS_MAX)
            continue;
        if (count < 0)
            break;
        if (count == 0) { /* above half a unit it rounds up to one */
            if (value <= power_of_ten(magnitude) / 2)
                break;
            decimal = (struct decimal){.digits = "1", .count = 1, .magnitude = magnitude + 1};
        } else {
            decimal_round(&decimal, source, count);
        }
        shape_read(shape, plain_put(&decimal, style, width, shape->text), value);
        if (shape->size)
            return;
    }
    shape->size = 0;
}

/* Rounding up may change the exponent, so each count of digits is rounded before it is placed. */
static void scaled_fit(struct shape *shape, const struct source *source,
                       const struct pest_style *style, int width)
{
    int most = width - 2; /* E and a digit behind it */
    for (int count = most < DIGITS_MAX ? most : DIGITS_MAX; count > 0; count--) {
        struct decimal decimal;
        decimal_round(&decimal, source, count);
        shape_read(shape, scaled_shape(&decimal, style, width, shape->text), source->value);
        if (shape->size)
            return;
    }
    shape->size = 0;
}

static const struct shape *choose(const struct shape *plain, const struct shape *scaled,
                                  double value, int magnitude)
{
    if (!plain->size || !scaled->size)
        return plain->size ? plain : scaled;
    double plain_error = fabs(plain->written - value);
    double scaled_error = fabs(scaled->written - value);
    if (plain_error != scaled_error)
        return plain_error < scaled_error ? plain : scaled;
    return magnitude > -4 && magnitude <= 16 ? plain : scaled;
}

/* A positive value in `width` characters. */
static void print_positive(const struct pest_style *style, int width, double value,
                           struct shape *ret_shape)
{
    struct source source = {.value = value};
    struct shape plain = {.size = 0}, scaled = {.size = 0};
    source.magnitude = print_digits(value, DIGITS_MAX, source.digits);
    if (width > 15) { /* where 15 digits and a point fit, perhaps all do */
        struct decimal decimal;
        decimal_find(&decimal, &source);
        shape_read(&plain, plain_put(&decimal, style, width, plain.text), value);
        shape_read(&scaled, scaled_shape(&decimal, style, width, scaled.text), value);
    }
    if (!plain.size && !scaled.size) {
        plain_fit(&plain, &source, style, width);
        if (!plain.size || plain.written != value)
            scaled_fit(&scaled, &source, style, width);
    }
    *ret_shape = *choose(&plain, &scaled, value, source.magnitude);
}

static void print_zero(const struct pest_style *style, int width, struct shape *ret_shape)
{
    bool bare = width < 2 || (style->json && width < 3);
    ret_shape->size = bare ? 1 : width < 3 ? 2 : 3;
    memcpy(ret_shape->text, "0.0", 3);
    ret_shape->written = 0;
    if (bare && style->point && !style->json)
        ret_shape->size = 0;
}

size_t pest_number_print(const struct pest_style *style, size_t width, double value, char *text,
                         double *ret_written)
{
    int widest = style->double_precision ? DOUBLE_WIDTH : SINGLE_WIDTH;
    bool negative = value < 0;
    if (!isfinite(value) || width <= negative)
        return 0;
    int room = width - negative > (size_t)widest ? widest : (int)(width - negative);
    struct shape shape;
    if (value == 0)
        print_zero(style, room, &shape);
    else
        print_positive(style, room, fabs(value), &shape);
    if (!shape.size)
        return 0;
    if (negative)
        text[0] = '-';
    memcpy(text + negative, shape.text, (size_t)shape.size);
    if (ret_written)
        *ret_written = negative ? -shape.written : shape.written;
    return (size_t)shape.size + negative;
}

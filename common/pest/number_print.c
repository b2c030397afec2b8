/*
 * A value has two shapes: without an exponent (123.45, .00123) and with one (1.23E-5), where the
 * point may stand anywhere among the digits, because 12.3E-9 is a digit better than 1.23E-10 in
 * the same room. Each shape is tried with all digits that tell the double from its neighbours,
 * and where these do not fit with as many as do, rounded by printf, which is exact. The shape
 * whose text reads back nearer to the value wins; of equals the one without an exponent, while it
 * is not long.
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

/* Take "d.ddde±xx" apart. */
static void decimal_take(struct decimal *decimal, const char *printed, int count)
{
    decimal->digits[0] = printed[0];
    memcpy(decimal->digits + 1, printed + 2, (size_t)count - 1);
    const char *exponent = strchr(printed, 'e') + 1;
    decimal->magnitude = (int)strtol(exponent, NULL, 10) + 1;
    while (count > 1 && decimal->digits[count - 1] == '0')
        count--;
    decimal->count = count;
}

/* Round to `count` significant digits. */
static void decimal_round(struct decimal *decimal, double value, int count)
{
    char printed[40];
    if (count == 1) { /* there would be no point */
        snprintf(printed, sizeof(printed), "%.0e", value);
        decimal->digits[0] = printed[0];
        decimal->count = 1;
        decimal->magnitude = (int)strtol(strchr(printed, 'e') + 1, NULL, 10) + 1;
        return;
    }
    snprintf(printed, sizeof(printed), "%.*e", count - 1, value);
    decimal_take(decimal, printed, count);
}

/* The fewest digits that read back as the same double (at least 15 are tried). */
static void decimal_find(struct decimal *decimal, double value)
{
    char printed[40];
    for (int count = 15; count <= DIGITS_MAX; count++) {
        snprintf(printed, sizeof(printed), "%.*e", count - 1, value);
        decimal_take(decimal, printed, count);
        if (strtod(printed, NULL) == value)
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
static void plain_fit(struct shape *shape, double value, int magnitude,
                      const struct pest_style *style, int width)
{
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
            decimal_round(&decimal, value, count);
        }
        shape_read(shape, plain_put(&decimal, style, width, shape->text), value);
        if (shape->size)
            return;
    }
    shape->size = 0;
}

/* Rounding up may change the exponent, so each count of digits is rounded before it is placed. */
static void scaled_fit(struct shape *shape, double value, const struct pest_style *style,
                       int width)
{
    int most = width - 2; /* E and a digit behind it */
    for (int count = most < DIGITS_MAX ? most : DIGITS_MAX; count > 0; count--) {
        struct decimal decimal;
        decimal_round(&decimal, value, count);
        shape_read(shape, scaled_shape(&decimal, style, width, shape->text), value);
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
    struct decimal decimal;
    struct shape plain, scaled;
    decimal_find(&decimal, value);
    shape_read(&plain, plain_put(&decimal, style, width, plain.text), value);
    shape_read(&scaled, scaled_shape(&decimal, style, width, scaled.text), value);
    if (!plain.size && !scaled.size) {
        plain_fit(&plain, value, decimal.magnitude, style, width);
        scaled_fit(&scaled, value, style, width);
    }
    *ret_shape = *choose(&plain, &scaled, value, decimal.magnitude);
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

int pest_number_written(size_t width, bool double_precision, bool point, double value,
                        double *ret_written)
{
    char text[PEST_NUMBER_MAX];
    const struct pest_style style = {.double_precision = double_precision, .point = point};
    return pest_number_print(&style, width, value, text, ret_written) ? 0 : -1;
}

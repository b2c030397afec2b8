/*
 * values.h - lists of values: a task's parameters, a result's numbers.
 *
 * A list is kept and sent in one encoded form (a count, then tagged values), so that a million
 * waiting tasks cost little and nothing between driver and runner needs to look inside. Names
 * are not repeated: they stand once in the job ("params", "results"), in the same order.
 */
#ifndef BEOFARM_COMMON_VALUES_H
#define BEOFARM_COMMON_VALUES_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"

enum value_kind {
    VALUE_NONE = 0, /* missing: an empty field of results.csv, null in JSON */
    VALUE_INTEGER = 1,
    VALUE_REAL = 2,
    VALUE_TEXT = 3,
};

struct value {
    enum value_kind kind;
    int64_t integer; /* VALUE_INTEGER */
    double real;     /* VALUE_REAL; NaN and infinities are allowed */
    const char
        *text; /* VALUE_TEXT: borrowed, text_size bytes, not NUL-terminated, no NUL inside */
    size_t text_size;
};

#define VALUES_MAX       1000000 /* values in one list */
#define VALUE_TEXT_MAX   (1 << 20)
#define VALUE_NUMBER_MAX 32 /* bytes that value_format needs for a number */

/* Append a list of `count` values to buf. 0, or -1 with buf failed: no room, or values_decode
 * would refuse it (too many values, a text too long or with a NUL inside). */
int values_encode(struct buf *buf, const struct value *values, size_t count);

/* Decode a list. *ret_values is allocated (caller must free) and its texts point into `bytes`;
 * NULL for an empty list. The whole of bytes must be one list. 0 or -1 (ERROR_NETWORK). */
int values_decode(const void *bytes, size_t size, struct value **ret_values, size_t *ret_count,
                  struct error *ret_error);

/* The same for lists of reals alone, without a struct value for each: encode `count` of them, and
 * decode a list that must hold exactly `count` numbers (VALUE_REAL or VALUE_INTEGER) into
 * `reals`. */
int values_encode_reals(struct buf *buf, const double *reals, size_t count);
int values_decode_reals(const void *bytes, size_t size, double *reals, size_t count,
                        struct error *ret_error);

/* Print a value as text: integers in decimal, reals with the fewest digits that read back to
 * the same double, texts as they are, VALUE_NONE as nothing. Appends to buf. */
int value_format(struct buf *buf, const struct value *value);

/* The shortest text that strtod reads back to `real`; "nan", "inf", "-inf" where it is so.
 * text must have VALUE_NUMBER_MAX bytes. Returns the length. */
int value_format_real(double real, char *text);

#endif

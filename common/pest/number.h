/*
 * number.h - real numbers as PEST reads and writes them.
 *
 * Reading: what Fortran accepts of a real: blanks around it, a sign, digits with at most one
 * point among them, and an exponent: E, e, D, d, Q or q with a number, or a signed number alone
 * (`1.0-3` is 0.001). The result is the double nearest to what is written, to the last digit. A
 * number whose magnitude is above DBL_MAX is refused; below the smallest it becomes 0.
 *
 * Writing: the most that a field of a given width can say of a value, rounded to the nearest.
 * The rules (PEST manual part I, on template files and on the variables PRECIS and DPOINT):
 *   - single precision: at most 13 characters (14 with a minus sign) and 8 significant digits,
 *     exponents after E, magnitudes below 1e39; a value below 1e-38 is refused;
 *   - double precision: at most 23 characters (24 with a minus sign) and 17 significant digits
 *     (so that it reads back as the same double), exponents after D;
 *   - point: a decimal point is always there. nopoint: it is left out where that makes room for
 *     one digit more, and the exponent is changed to suit (`1234567E-9`).
 * A value that is not zero is never written with no significant digit.
 */
#ifndef BEOFARM_COMMON_PEST_NUMBER_H
#define BEOFARM_COMMON_PEST_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

#define PEST_NUMBER_MAX 32 /* bytes that pest_number_print needs at most */

enum pest_number {
    PEST_NUMBER_GOOD,
    PEST_NUMBER_BLANK,    /* nothing but blanks and tabs */
    PEST_NUMBER_NAN,      /* "NaN" in any case, with or without a sign */
    PEST_NUMBER_INFINITE, /* "Inf", "Infinity" */
    PEST_NUMBER_STARS,    /* asterisks: Fortran had no room for the number */
    PEST_NUMBER_LARGE,    /* above DBL_MAX */
    PEST_NUMBER_BAD,      /* none of these */
};

/* Read the `size` bytes of text as one number; *ret_value is written if that is GOOD. */
enum pest_number pest_number_parse(const char *text, size_t size, double *ret_value);

/* What is wrong, for a sentence: "the model wrote NaN", "is not a number" …; never NULL. It
 * follows the quoted text: `"nan" is NaN`. */
const char *pest_number_fault(enum pest_number kind);

/* The length of the longest beginning of text that is a number (0: none), without blanks. */
size_t pest_number_span(const char *text, size_t size);

/* How numbers are written: PRECIS and DPOINT of the control file. */
struct pest_style {
    bool double_precision; /* PRECIS: double */
    bool point;            /* DPOINT: point */
};

/* Print value into `text` (PEST_NUMBER_MAX bytes; no NUL behind) in at most `width` characters.
 * Returns how many it took; 0: the value cannot be written in that width and style (also NaN
 * and infinities). *ret_written (may be NULL) is the value as it reads back. */
size_t pest_number_print(const struct pest_style *style, size_t width, double value, char *text,
                         double *ret_written);

/* The value that a model reads when `value` is written in a field `width` wide. 0, or -1 if it
 * cannot be written. */
int pest_number_written(size_t width, bool double_precision, bool point, double value,
                        double *ret_written);

#endif

/*
 * number.h - real numbers as PEST reads and writes them.
 *
 * Reading: what Fortran accepts of a real: blanks around it, a sign, digits with at most one
 * point among them, and an exponent: E, e, D, d, Q or q with a number, or a signed number alone
 * (`1.0-3` is 0.001). The result is the double nearest to what is written, to the last digit. A
 * magnitude above DBL_MAX is refused; below the smallest it becomes 0.
 *
 * Writing: of all that a field can hold, what is nearest to the value. The rules (PEST manual
 * part I, on template files and on the variables PRECIS and DPOINT):
 *   - single precision takes at most 13 characters (14 with a minus sign), double precision 23
 *     (24), and never more than the 17 digits that tell doubles apart;
 *   - point: a decimal point is always there; nopoint: it is left out where that makes room for
 *     one digit more (`1234567E-9`);
 *   - the exponent's letter is E, in double precision, too: every Fortran reads that into a
 *     double, while C and Python stop at a D without a word;
 *   - a value that is not zero is never written without a significant digit.
 */
#ifndef BEOFARM_COMMON_PEST_NUMBER_H
#define BEOFARM_COMMON_PEST_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

#define PEST_NUMBER_MAX 32 /* bytes that pest_number_print needs at most */

enum pest_number {
    PEST_NUMBER_GOOD,
    PEST_NUMBER_BLANK, /* nothing but blanks and tabs */
    PEST_NUMBER_NAN,   /* NaN in any case, as C, Fortran and Microsoft's libraries write it */
    PEST_NUMBER_INFINITE, /* Inf, Infinity, 1.#INF */
    PEST_NUMBER_STARS,    /* asterisks: Fortran had no room for the number */
    PEST_NUMBER_LARGE,    /* above DBL_MAX */
    PEST_NUMBER_BAD,      /* none of these */
};

/* Read the `size` bytes of text as one number; *ret_value is written if that is GOOD. */
enum pest_number pest_number_parse(const char *text, size_t size, double *ret_value);

/* What is wrong, to follow the quoted text in a sentence: `"1..5" is not a number`. */
const char *pest_number_fault(enum pest_number kind);

/* How numbers are written. */
struct pest_style {
    bool double_precision; /* PRECIS: double */
    bool point;            /* DPOINT: point */
    bool json;             /* only what JSON's grammar knows: 0.5 rather than .5; `point` then
                            * does not count */
};

/* Print value into `text` (PEST_NUMBER_MAX bytes; no NUL behind) in at most `width` characters.
 * Returns how many it took; 0: the value cannot be written in that width and style (NaN and
 * infinities never can). *ret_written (may be NULL) is the value as it reads back. */
size_t pest_number_print(const struct pest_style *style, size_t width, double value, char *text,
                         double *ret_written);

#endif

/*
 * head.h - the first line of PEST's template and instruction files: `ptf x`, `pif x`.
 */
#ifndef BEOFARM_COMMON_PEST_HEAD_H
#define BEOFARM_COMMON_PEST_HEAD_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

struct pest_head {
    bool json;   /* jtf, jif */
    char mark;   /* x */
    size_t size; /* bytes of the line with its end */
};

/* Read the head at the beginning of a file. `word` is "ptf" or "pif"; with j for p it is good,
 * too. x is no letter, digit, blank or control character, and none of `reserved`. 0, or -1 with
 * a sentence that begins with "NAME:1: ". */
int pest_head_parse(const char *text, size_t size, const char *name, const char *word,
                    const char *reserved, struct pest_head *ret_head, struct error *ret_error);

/* A blank, a tab, or the CR before a line's end. */
bool pest_is_blank(char c);

#endif

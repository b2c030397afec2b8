/*
 * instruction_private.h - instructions as instruction.c parses and instruction_run.c follows them.
 */
#ifndef BEOFARM_COMMON_PEST_INSTRUCTION_PRIVATE_H
#define BEOFARM_COMMON_PEST_INSTRUCTION_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/pest/instruction.h"

#define OBSERVATION_NONE (-1) /* dum */

enum instruction_kind {
    INSTRUCTION_LINES,     /* l# */
    INSTRUCTION_PRIMARY,   /* a marker that begins a line */
    INSTRUCTION_SECONDARY, /* any other */
    INSTRUCTION_WORD,      /* w */
    INSTRUCTION_TAB,       /* t# */
    INSTRUCTION_FREE,      /* !obs! */
    INSTRUCTION_FIXED,     /* [obs]a:b */
    INSTRUCTION_SEMIFIXED, /* (obs)a:b */
};

struct instruction {
    uint8_t kind;
    bool begins;          /* the first of its line (that may go on with &) */
    bool retries;         /* a secondary marker with only markers before it in its line */
    uint32_t size;        /* of its text */
    size_t start;         /* of its text in the instruction file */
    uint64_t line;        /* of the instruction file */
    uint64_t number;      /* lines to go on; the column of t#; the length of a marker */
    uint32_t first, last; /* columns, from 1 */
    int observation;
};

struct pest_instructions {
    char *path;
    char *text;                            /* the whole file */
    const struct pest_index *observations; /* borrowed */
    struct instruction *list;
    size_t count, capacity;
    int *read; /* the observations, in the order of their instructions */
    size_t read_count;
    bool ends_word[256]; /* what separates words for w, and ends free and semi-fixed numbers: */
    bool ends_free[256]; /* the comma, too */
};

#endif

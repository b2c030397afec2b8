/*
 * output_lines.h - a model's output file, line by line.
 *
 * Lines are skipped and searched where they lie in a window of the file, which holds at least the
 * current line; no line may be longer than PEST_OUTPUT_LINE_MAX. Lines are not counted: whoever
 * needs to know a number (an error's sentence) has the file read once more.
 */
#ifndef BEOFARM_COMMON_PEST_OUTPUT_LINES_H
#define BEOFARM_COMMON_PEST_OUTPUT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

struct output_lines {
    int fd;
    const char *name; /* borrowed */
    char *data;       /* the window */
    size_t size, capacity;
    size_t next;     /* the first byte behind the current line and its end */
    uint64_t offset; /* of the window in the file */
    bool eof;
    char *expanded; /* the current line with blanks for its tabs */
    size_t expanded_capacity;

    /* The current line: without its end and blanks before that. Borrowed until the next call. */
    const char *raw; /* as it stands in the file */
    size_t raw_size;
    const char *text; /* tabs reach to the next multiple of 8 columns */
    size_t text_size;
};

/* Open a regular file; `name` is relative to the folder `dirfd`, and borrowed. */
int output_lines_open(struct output_lines *lines, int dirfd, const char *name,
                      struct error *ret_error);
void output_lines_close(struct output_lines *lines);

/* Pass over `count` lines. 1; 0: the file ends before; -1 with a sentence. */
int output_lines_skip(struct output_lines *lines, uint64_t count, struct error *ret_error);

/* Make the next line the current one. 1, 0 at the end, -1. */
int output_lines_next(struct output_lines *lines, struct error *ret_error);

/* Make that of the next lines the current one which holds `key` (no tabs or line ends) first.
 * 1, 0 if none does, -1. */
int output_lines_search(struct output_lines *lines, const char *key, size_t size,
                        struct error *ret_error);

/* The number of the current line, from 1; the number of lines where the file has ended. */
uint64_t output_lines_number(const struct output_lines *lines);

#endif

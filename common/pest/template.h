/*
 * template.h - a PEST template file: a model's input file with fields in place of numbers.
 *
 * The first line is `ptf x` or `jtf x`, where x is the delimiter: one character that is no
 * letter, digit or blank. In the lines below, `x name x` is a field; its width counts both
 * delimiters and all between. Everything else, line ends included, goes into the model's file
 * byte by byte. A parameter may have many fields, in many templates: PEST writes the same digits
 * into all, as many as the narrowest holds (inputs.h sees to that), at the right end of each.
 * In the fields of a parameter that stands in a `jtf` file numbers are as JSON wants them.
 *
 * A template is parsed once and does not change: threads may share it. Mistakes are
 * ERROR_CONFIG, "FILE:LINE: ...".
 */
#ifndef BEOFARM_COMMON_PEST_TEMPLATE_H
#define BEOFARM_COMMON_PEST_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/pest/index.h"

#define PEST_TEMPLATE_SIZE_MAX ((size_t)4 << 30) /* bytes of a template file */

struct pest_template;

/* The text of each parameter's value, as inputs.h prints it. */
struct pest_text {
    const char *text;
    size_t size; /* at most the width of every field of the parameter */
};

/* Read a template. Its parameters are looked up in `parameters` (not borrowed); one that is not
 * there is refused. NULL with a sentence. */
struct pest_template *pest_template_read(const char *path, const struct pest_index *parameters,
                                         struct error *ret_error);
/* The same from memory; errors call it `name`. */
struct pest_template *pest_template_parse(const char *bytes, size_t size, const char *name,
                                          const struct pest_index *parameters,
                                          struct error *ret_error);
void pest_template_destroy(struct pest_template *template); /* NULL is allowed */

/* How many fields it has. */
size_t pest_template_fields(const struct pest_template *template);

/* A field: `parameter` is its place in the index. */
struct pest_field {
    int parameter;
    size_t width;
    uint64_t line;
};
struct pest_field pest_template_field(const struct pest_template *template, size_t number);

/* Whether it is a `jtf` file. */
bool pest_template_json(const struct pest_template *template);

/* Bytes of the model's file that it gives: always the same. */
size_t pest_template_size(const struct pest_template *template);

/* The path with which it was read. Borrowed. */
const char *pest_template_path(const struct pest_template *template);

/* Write the model's file to a descriptor. `texts` has one entry per parameter of the index
 * (those without a field here are not looked at). 0, or -1 (ERROR_SYSTEM) with `name`, what
 * errors call the file. */
int pest_template_write(const struct pest_template *template, const struct pest_text *texts,
                        int fd, const char *name, struct error *ret_error);

#endif

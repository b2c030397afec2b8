/*
 * template.h - {name} places in commands, file names and whole files.
 *
 *     {K}        the value as it is
 *     {K:12.4f}  as a number: [-+0 ][width][.precision] and one of e E f g G d
 *     {K:-10s}   as text: [-][width] and s
 *     {{  }}     a brace
 *
 * The format after the colon means what C's printf means by it; width is at most 255, precision
 * at most 99. It is taken apart when the template is made and never handed to printf; `d` wants a
 * whole number. A text whose own language is full of braces may choose other marks ("<<" and ">>");
 * a mark written twice stands for itself. Everything is checked when the template is made, once;
 * filling is a run of appends.
 */
#ifndef BEOFARM_COMMON_TEMPLATE_H
#define BEOFARM_COMMON_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/error.h"

#define TEMPLATE_SIZE_MAX                                                                      \
    ((size_t)64 << 20)      /* bytes of a template, and of what it is filled to */
#define TEMPLATE_MARK_MAX 8 /* bytes of a mark */

struct template;

/* The marks around a place: 1 to 8 of the signs ! # $ % & * / < = > ? @ ^ | ~ { } ( ) ; , each;
 * different, and neither begins with the other. */
struct template_marks {
    const char *open;  /* "{" */
    const char *close; /* "}" */
};

/* The value of a name. No NUL is needed behind the text. */
struct template_text {
    const char *text;
    size_t size;
};

/* Compile `text` against `count` names. `where` begins the sentences of errors
 * ("$.work.command[2]", a file's name). marks may be NULL: braces. Nothing is borrowed. NULL
 * with a sentence (ERROR_CONFIG) that names the place and, for an unknown name, the nearest
 * known one. */
struct template *template_create(const char *text, size_t size, const char *where,
                                 const char *const *names, size_t count,
                                 const struct template_marks *marks, struct error *ret_error);

/* The same with the content of the file `path`; errors name FILE:LINE:COL. */
struct template *template_create_file(const char *path, const char *const *names, size_t count,
                                      const struct template_marks *marks,
                                      struct error *ret_error);
void template_destroy(struct template *template); /* NULL is allowed */

/* Whether any place uses name number `name`; whether any place is there at all. */
bool template_uses(const struct template *template, size_t name);
bool template_has_places(const struct template *template);

/* Append the filled text to buf. `texts` has the values in the order of the names. 0, or -1: a
 * value is not the number that its place asks for (the buf is as before), or buf failed. */
int template_fill(const struct template *template, const struct template_text *texts,
                  struct buf *buf, struct error *ret_error);

/* May `name` be used in a place? Not empty, not over 255 bytes, no control characters, braces,
 * ':' or '=' (it becomes an environment variable, too), no blank at either end. 0, or -1 with a
 * sentence that quotes it. */
int template_check_name(const char *name, struct error *ret_error);

#endif

/*
 * template_private.h - shared by template.c and template_fill.c alone.
 */
#ifndef BEOFARM_COMMON_TEMPLATE_PRIVATE_H
#define BEOFARM_COMMON_TEMPLATE_PRIVATE_H

#include <stdint.h>

#include "common/template.h"

#define TEMPLATE_LITERAL UINT32_MAX

struct template_format {
    char conversion; /* 0: none, the value as it is */
    bool left, zero, plus, blank;
    uint8_t width;
    int8_t precision; /* -1: not given */
};

/* A run of the text, or a place (then offset and size are those of its source, marks included). */
struct template_part {
    size_t offset, size;
    uint32_t name; /* TEMPLATE_LITERAL, or the number of a name */
    struct template_format format;
};

struct template
{
    char *text;
    size_t size;
    struct template_part *parts;
    size_t count;
};

/* Parse what stands behind the colon. NULL, or why it is no format. */
const char *template_format_parse(const char *text, size_t size,
                                  struct template_format *ret_format);

#endif

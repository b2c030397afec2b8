/*
 * drawing.h - has beofarm-plot draw a file.
 */
#ifndef BEOFARM_LAUNCH_DRAWING_H
#define BEOFARM_LAUNCH_DRAWING_H

#include <stddef.h>

#include "common/error.h"

#define DRAWING_OPTIONS_MAX 16

/* Options of beofarm-plot; all texts are borrowed. All zero: none. */
struct drawing {
    const char *options[2 * DRAWING_OPTIONS_MAX];
    size_t count;
};

/* Add an option with its value. -1 with a sentence if there are too many. */
int drawing_option(struct drawing *drawing, const char *option, const char *value,
                   struct error *ret_error);

/* Draw `file` into `png`. -1 with a sentence: what beofarm-plot said. */
int drawing_make(const struct drawing *drawing, const char *file, const char *png,
                 struct error *ret_error);

#endif

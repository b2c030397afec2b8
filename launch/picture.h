/*
 * picture.h - has beofarm-plot draw a file.
 */
#ifndef BEOFARM_LAUNCH_PICTURE_H
#define BEOFARM_LAUNCH_PICTURE_H

#include <stddef.h>

#include "common/error.h"

#define PICTURE_OPTIONS_MAX 16

/* Options of beofarm-plot; all texts are borrowed. All zero: none. */
struct picture_request {
    const char *options[2 * PICTURE_OPTIONS_MAX];
    size_t count;
};

/* Add an option with its value. -1 with a sentence if there are too many. */
int picture_option(struct picture_request *request, const char *option, const char *value,
                   struct error *ret_error);

/* Draw `file` into `png`. -1 with a sentence: what beofarm-plot said. */
int picture_draw(const struct picture_request *request, const char *file, const char *png,
                 struct error *ret_error);

#endif

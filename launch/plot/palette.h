/*
 * palette.h - colour scales: a number between 0 and 1 becomes a colour.
 */
#ifndef BEOFARM_LAUNCH_PLOT_PALETTE_H
#define BEOFARM_LAUNCH_PLOT_PALETTE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

enum palette {
    PALETTE_GREY,    /* white to black: gathers and migrated images */
    PALETTE_RWB,     /* red, white, blue, as users of gradients have it; 0.5 is white */
    PALETTE_VIRIDIS, /* dark blue to yellow, alike in lightness for every eye: models */
    PALETTES
};

/* The colour of `value`, which is taken for the nearer end where it lies outside 0 ... 1; NaN is a
 * grey of its own. 0xRRGGBB. */
uint32_t palette_colour(enum palette palette, double value);

/* "grey", "red-white-blue", "viridis". */
const char *palette_name(enum palette palette);

/* -1 with a sentence (ERROR_USAGE) that lists them. */
int palette_find(const char *name, enum palette *ret_palette, struct error *ret_error);

#endif

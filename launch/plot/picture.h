/*
 * picture.h - fields as coloured panels with axes, drawn into a PNG file.
 *
 * A picture has a title, one to three panels below each other, and one colour scale for all of
 * them, which is drawn beside with its numbers: what is shown can be read off.
 */
#ifndef BEOFARM_LAUNCH_PLOT_PICTURE_H
#define BEOFARM_LAUNCH_PLOT_PICTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "launch/plot/palette.h"

#define PICTURE_PANELS 3
#define PICTURE_CELLS  2048 /* the most that are kept of an axis */

struct picture_axis {
    const char *label;  /* with its unit: "x (m)"; static */
    double first, step; /* where the first cell's middle lies, and how far the next is */
    bool whole;         /* it counts: nothing lies between its numbers */
};

struct picture_panel {
    char title[128];
    float *values;            /* [across][down], down fastest; owned */
    size_t across, down;      /* at least 1 */
    struct picture_axis x, y; /* to the right; down */
    bool lengths;             /* both axes are lengths: to scale, where the space allows */
    bool map;                 /* both are horizontal lengths: to scale, narrower if need be */
};

struct picture {
    char title[256];
    struct picture_panel panels[PICTURE_PANELS];
    size_t count;
    enum palette palette;
    double low, high; /* what the ends of the colour scale stand for */
    char scale[96];   /* what it shows, and how the clip was chosen: "m/s", "clip: 99 %" */
};

void picture_fini(struct picture *picture);

/* Make room for a panel's values. NULL with a sentence. */
float *picture_panel_reserve(struct picture_panel *panel, size_t across, size_t down,
                             struct error *ret_error);

/* Choose low and high. `clip` in per cent (0 exclusive to 100): that many of all values lie inside.
 * `symmetric`: low is -high, as for values that oscillate about 0. Never an empty range. */
int picture_clip(struct picture *picture, double clip, bool symmetric, struct error *ret_error);

/* Draw it. The file appears whole. */
int picture_write(const struct picture *picture, const char *path, struct error *ret_error);

#endif

/*
 * source.h - what a file holds, as a picture: a field of a model, or a shot's traces.
 */
#ifndef BEOFARM_LAUNCH_PLOT_SOURCE_H
#define BEOFARM_LAUNCH_PLOT_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/seismic/grid.h"
#include "launch/plot/picture.h"

enum source_kind {
    SOURCE_AUTO, /* .json and .rsf are models; SEG-Y is one if its traces have a place but neither
                  * source nor receiver */
    SOURCE_MODEL,
    SOURCE_GATHER
};

struct source_options {
    enum source_kind kind;
    bool has_shot;
    int64_t shot; /* SEG-Y: this shot's traces; else the first shot's */
    bool has_at[GRID_AXES];
    double at[GRID_AXES]; /* 3-D: cut here, metres; else in the middle */
};

/* Fill titles, panels and their count, the unit in `scale`, and a palette that suits what is shown:
 * grey for gathers, red-white-blue for what oscillates, viridis for what does not. *ret_symmetric
 * says whether the scale should be, too. -1 with a sentence; then there is nothing to free. */
int source_read(const char *path, const struct source_options *options, struct picture *picture,
                bool *ret_symmetric, struct error *ret_error);

#endif

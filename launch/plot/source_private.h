/*
 * source_private.h - for source*.c alone.
 */
#ifndef BEOFARM_LAUNCH_PLOT_SOURCE_PRIVATE_H
#define BEOFARM_LAUNCH_PLOT_SOURCE_PRIVATE_H

#include "launch/plot/source.h"

/* Cells of one picture are the means of this many values along each axis. */
struct thinning {
    size_t across, down;
};

struct thinning thinning_of(size_t across, size_t down);

/* Add column `i` (of the file) of `down` values to a panel made by thinning_panel. Columns come in
 * order. NaN is no value. */
void thinning_add(struct picture_panel *panel, const struct thinning *thinning, size_t i,
                  const float *column, size_t down, float *counts);

/* The panel for across x down values of the file, zeroed, and room for counts (freed by the
 * caller). */
int thinning_begin(struct picture_panel *panel, const struct thinning *thinning, size_t across,
                   size_t down, float **ret_counts, struct error *ret_error);

/* Divide by the counts, and free them. */
void thinning_end(struct picture_panel *panel, float *counts);

int source_model_read(const char *path, const struct source_options *options,
                      struct picture *picture, struct error *ret_error);
int source_gather_read(const char *path, const struct source_options *options,
                       struct picture *picture, struct error *ret_error);

#endif

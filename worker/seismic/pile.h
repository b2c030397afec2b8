/*
 * pile.h - arrays that the shots of a task add to, on the part of the model that they need
 * together.
 *
 * Sums are in double, shots in the order of the task, so that a task has one result whoever
 * computes it. Outside the window everything is zero: a shot's aperture is put back by where it is
 * added.
 */
#ifndef BEOFARM_WORKER_SEISMIC_PILE_H
#define BEOFARM_WORKER_SEISMIC_PILE_H

#include <stddef.h>

#include "common/error.h"
#include "common/seismic/grid.h"
#include "worker/seismic/wave.h"

enum pile_array { PILE_IMAGE, PILE_ILLUMINATION, PILE_ARRAYS };

struct pile {
    struct grid_box window;      /* of the model */
    double *arrays[PILE_ARRAYS]; /* on the window; owned */
};

/* The least box that holds both; a box without points is no box yet. */
struct grid_box pile_join(const struct grid_box *a, const struct grid_box *b);

int pile_init(struct pile *pile, const struct grid_box *window, struct error *ret_error);
void pile_fini(struct pile *pile);

/* Add `scale` times values of a box within the window. */
void pile_add(struct pile *pile, enum pile_array array, const struct grid_box *box,
              const wave_real *values, double scale);

/* Write an array as 32-bit floats, little-endian: the window, or with `grid` the whole model, zero
 * outside the window. The file appears whole. -1 if that fails or a value is not finite. */
int pile_write(const struct pile *pile, enum pile_array array, const struct grid *grid,
               const char *path, struct error *ret_error);

#endif

/*
 * places.h - sources and receivers wherever they are: points in metres become weighted grid points.
 *
 * Each place is a product of Kaiser-windowed sincs (kaiser.h), 8 grid points along every axis on
 * which it lies between two, one where it lies on the grid. Near a free surface the part above it
 * is mirrored with the opposite sign by the wave itself (wave.h), as Hicks 2002 does.
 */
#ifndef BEOFARM_WORKER_SEISMIC_PLACES_H
#define BEOFARM_WORKER_SEISMIC_PLACES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/seismic/grid.h"
#include "worker/seismic/wave.h"

#define PLACES_HALF 4 /* points on either side */

/*
 * Receivers: what is sampled is the field's value at each of `count` points. For wave->grid; all
 * points must lie in it, and below its first plane where that is a free surface, or a sentence says
 * which one does not ("receiver 3 of shot 12 at (x, y, z) m ..."). `shot` is the shot's name. The
 * caller destroys the result.
 */
struct wave_points *places_of_receivers(const struct wave *wave, const char *shot,
                                        const struct point *points, size_t count,
                                        struct error *ret_error);

/* Sources, which are fired together: one place, the sum of `count` points, each times its weight
 * (NULL: 1) and divided by the volume of a cell (area in 2-D), so that a value injected there is
 * the q(t) of q(t) delta(x - x_s), whatever the grid. */
struct wave_points *places_of_sources(const struct wave *wave, const char *shot,
                                      const struct point *points, const double *weights,
                                      size_t count, struct error *ret_error);

#endif

/*
 * fwi_weight.h - what makes up for the decay of gradients with depth: W of fwi.h, for each point.
 */
#ifndef BEOFARM_MASTER_SHOTS_FWI_WEIGHT_H
#define BEOFARM_MASTER_SHOTS_FWI_WEIGHT_H

#include <stddef.h>

#include "common/seismic/grid.h"

/* W = sqrt(1 + steps below the top, or below frozen_depth_m), 1 above. z is the fastest axis. */
void fwi_weight_by_depth(double *weight, const struct grid *grid, double frozen_depth_m);

/* W = 1 / (I / mean I + 0.1), the mean over points whose mask is above 0; left as it is where no
 * light is known (NULL), or there is none. */
void fwi_weight_by_light(double *weight, size_t n, const double *mask,
                         const float *illumination);

#endif

#include "config.h"

#include <math.h>
#include <stdbool.h>

#include "master/shots/fwi_weight.h"

/* Of the mean illumination: what is darker is not made up for any further. On Marmousi between 0.01
 * and 1 it hardly matters; it bounds what a point without light can get. */
#define DARKEST 0.1

void fwi_weight_by_depth(double *weight, const struct grid *grid, double frozen_depth_m)
{
    double frozen = frozen_depth_m - grid->origin[GRID_Z];
    double top = frozen > 0 ? frozen : 0, step = grid->spacing[GRID_Z];
    for (size_t i = 0, n = grid_size(grid); i < n; i++) {
        double below = (double)(i % grid->n[GRID_Z]) * step - top;
        weight[i] = below > 0 ? sqrt(1 + below / step) : 1;
    }
}

/* Over what may change: much light in water says nothing. */
static double mean_light(size_t n, const double *mask, const float *illumination)
{
    double sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        sum += mask[i] > 0 ? illumination[i] : 0;
        count += mask[i] > 0;
    }
    return count ? sum / (double)count : 0;
}

void fwi_weight_by_light(double *weight, size_t n, const double *mask,
                         const float *illumination)
{
    double mean = illumination ? mean_light(n, mask, illumination) : 0;
    bool lit = mean > 0 && isfinite(mean);
    for (size_t i = 0; lit && i < n; i++)
        weight[i] = 1 / ((illumination[i] > 0 ? illumination[i] / mean : 0) + DARKEST);
}

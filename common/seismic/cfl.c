#include "config.h"

#include <math.h>

#include "common/seismic/cfl.h"

void cfl_centred_weights(int order, double weights[CFL_HALF_MAX + 1])
{
    int m = order / 2;
    double ratio = 1, sum = 0; /* ratio: (m!)^2 / ((m-k)! (m+k)!) */
    for (int k = 1; k <= m; k++) {
        ratio *= (double)(m - k + 1) / (m + k);
        weights[k] = (k % 2 ? 2 : -2) * ratio / ((double)k * k);
        sum += weights[k];
    }
    weights[0] = -2 * sum;
}

/* The weights are exact for the powers 1, 3, 5, ... of the distances 1/2, 3/2, ...: Lagrange's
 * products over the squared distances, divided by the distance. */
void cfl_staggered_weights(int order, double weights[CFL_HALF_MAX])
{
    int m = order / 2;
    for (int k = 0; k < m; k++) {
        double a = k + 0.5, product = 1;
        for (int j = 0; j < m; j++) {
            double b = j + 0.5;
            if (j != k)
                product *= b * b / (b * b - a * a);
        }
        weights[k] = product / (2 * a);
    }
}

double cfl_symbol_max(enum cfl_operator kind, int order)
{
    double weights[CFL_HALF_MAX + 1], sum = 0;
    if (kind == CFL_STAGGERED) {
        cfl_staggered_weights(order, weights);
        for (int k = 0; k < order / 2; k++)
            sum += 2 * fabs(weights[k]);
        return sum * sum;
    }
    cfl_centred_weights(order, weights);
    for (int k = 1; k <= order / 2; k++)
        sum += 2 * fabs(weights[k]);
    return sum + fabs(weights[0]);
}

double cfl_limit(enum cfl_operator kind, int order, const struct grid *grid,
                 double velocity_max)
{
    double sum = 0;
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        double h = grid->spacing[axis];
        if (axis != GRID_Y || grid->dims == 3)
            sum += 1 / (h * h);
    }
    return 2 / (velocity_max * sqrt(sum * cfl_symbol_max(kind, order)));
}

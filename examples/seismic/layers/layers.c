/*
 * layers - a layered model of the subsurface, in three files: vp.json, the velocity; vp0.json, what
 * is left of it when it is smoothed, as a velocity analysis gives; dm.json, what is missing there,
 * as a perturbation of the squared slowness. Each header has its values beside it (.bin).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "examples/seismic/field.h"

#define NX      301
#define NZ      121
#define SPACING 10.0 /* metres */
#define REACH   12   /* points on each side that the smoothing takes */
#define LAYERS  6

static const struct field_grid grid = {.dims = 2, .points = {NX, NZ}, .spacing = SPACING};
static float vp[NX][NZ], vp0[NX][NZ], dm[NX][NZ];

/* How deep the top of a layer is at x: undulating, and the deeper the steeper. */
static double top_of(int layer, double x)
{
    static const double depth[LAYERS] = {0, 220, 390, 560, 740, 930};
    double part = x / ((NX - 1) * SPACING);
    return depth[layer] +
           layer * (14 * sin(2 * M_PI * (1.3 * part + 0.13 * layer)) - 22 * (part - 0.5));
}

static double velocity_at(double x, double z)
{
    static const double velocity[LAYERS] = {1500, 1750, 2050, 1900, 2400, 2900};
    int layer = 0;
    while (layer + 1 < LAYERS && z >= (layer == 0 ? 220 : top_of(layer + 1, x)))
        layer++;
    return velocity[layer];
}

/* The mean slowness around a point; what is above the sea floor stays as it is. */
static double smooth_at(int ix, int iz)
{
    double sum = 0;
    int count = 0;
    if (iz * SPACING < 220)
        return vp[ix][iz];
    for (int i = ix - REACH; i <= ix + REACH; i++)
        for (int k = iz - REACH; k <= iz + REACH; k++)
            if (i >= 0 && i < NX && k >= 0 && k < NZ && k * SPACING >= 220) {
                sum += 1 / vp[i][k];
                count++;
            }
    return count / sum;
}

int main(void)
{
    for (int i = 0; i < NX; i++)
        for (int k = 0; k < NZ; k++)
            vp[i][k] = (float)velocity_at(i * SPACING, k * SPACING);
    for (int i = 0; i < NX; i++)
        for (int k = 0; k < NZ; k++) {
            double slow = 1 / vp[i][k], smooth = 1 / smooth_at(i, k);
            vp0[i][k] = (float)(1 / smooth);
            dm[i][k] = (float)(slow * slow - smooth * smooth);
        }
    if (field_write(&grid, "vp", "m/s", vp[0]) != 0 ||
        field_write(&grid, "vp0", "m/s", vp0[0]) != 0 ||
        field_write(&grid, "dm", "s2/m2", dm[0]) != 0) {
        fprintf(stderr, "layers: the model cannot be written here\n");
        return 1;
    }
    return 0;
}

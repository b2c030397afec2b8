/*
 * cube - a model in three dimensions: vp.json, a velocity that grows with depth; dm.json, what
 * reflects in it, as a perturbation of the squared slowness: a river's channel that was buried, and
 * a ball below.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "examples/seismic/field.h"

#define N       81 /* points along x and along y */
#define NZ      51
#define SPACING 20.0 /* metres */

static const struct field_grid grid = {.dims = 3, .points = {N, N, NZ}, .spacing = SPACING};
static float vp[N][N][NZ], dm[N][N][NZ];

/* The relative change of velocity at a place. */
static double change_at(double x, double y, double z)
{
    double bed = 800 + 260 * sin(2 * M_PI * y / 1500), across = fabs(x - bed);
    if (z >= 380 && z < 440 - 60 * pow(across / 140, 2))
        return -0.08; /* the channel: 280 m wide, up to 60 m deep */
    double radius = sqrt(pow(x - 1050, 2) + pow(y - 550, 2) + pow(z - 720, 2));
    return radius < 110 ? 0.12 : 0;
}

int main(void)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            for (int k = 0; k < NZ; k++) {
                double v = 1600 + 0.6 * k * SPACING;
                double w = v * (1 + change_at(i * SPACING, j * SPACING, k * SPACING));
                vp[i][j][k] = (float)v;
                dm[i][j][k] = (float)(1 / (w * w) - 1 / (v * v));
            }
    if (field_write(&grid, "vp", "m/s", vp[0][0]) != 0 ||
        field_write(&grid, "dm", "s2/m2", dm[0][0]) != 0) {
        fprintf(stderr, "cube: the model cannot be written here\n");
        return 1;
    }
    return 0;
}

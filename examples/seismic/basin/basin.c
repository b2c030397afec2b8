/*
 * basin - a model in the manner of Marmousi, made from a few rules and a seed: sediments under
 * water, folded and cut by growth faults, thin layers of changing velocity, over an older, dipping
 * block. Writes vp.json, the velocity, and vp0.json, a smooth one to begin an inversion with;
 * values beside each header (.bin).
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "examples/seismic/field.h"

#define NX      321
#define NZ      121
#define SPACING 20.0 /* metres */
#define WATER   160.0
#define FAULTS  4
#define BEDS    64 /* thin layers: 45 m each */
#define BED     45.0
#define REACH   15 /* points on each side that the smoothing takes */

static const struct field_grid grid = {.dims = 2, .points = {NX, NZ}, .spacing = SPACING};
static float vp[NX][NZ], vp0[NX][NZ];
static double bed_velocity[BEDS];

/* xorshift64* (Vigna 2016): numbers from 0 to 1 */
static double chance(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (double)(*state * UINT64_C(2685821657736338717) >> 11) / 9007199254740992.0;
}

static void beds_choose(uint64_t seed)
{
    for (int i = 0; i < BEDS; i++)
        bed_velocity[i] = 460 * (chance(&seed) - 0.5);
}

/* How far beds at a place have come down: a fold, and the blocks of faults that lean to the
 * right. */
static double throw_at(double x, double z)
{
    static const double place[FAULTS] = {1900, 2700, 3500, 4500},
                        drop[FAULTS] = {90, 150, 120, -70};
    double down = 130 * sin(2 * M_PI * (x - 700) / 6400) * exp(-z / 3000);
    for (int i = 0; i < FAULTS; i++)
        if (x > place[i] + 0.45 * z)
            down += drop[i] * (1 - exp(-z / 500)); /* it grew while beds were laid */
    return down;
}

static double velocity_at(double x, double z)
{
    if (z < WATER)
        return 1500;
    double old = 1750 + 0.055 * (x - 3200) * (x > 3200 ? -1.5 : 1); /* top of the old block */
    if (z > old) {
        int bed = (int)floor((z + 0.35 * x) / (3 * BED));
        return 3350 + 1.1 * bed_velocity[((bed % BEDS) + BEDS) % BEDS] + 0.12 * (z - old);
    }
    double laid = z - throw_at(x, z);
    int bed = (int)floor(laid / BED);
    return fmax(1550,
                1620 + 0.62 * (laid - WATER) +
                    bed_velocity[((bed % BEDS) + BEDS) % BEDS] * fmin(1, (z - WATER) / 250));
}

/* The mean slowness around a point, below the water. */
static double smooth_at(int ix, int iz)
{
    double sum = 0, weights = 0;
    if (iz * SPACING < WATER)
        return vp[ix][iz];
    for (int i = ix - 2 * REACH; i <= ix + 2 * REACH; i++)
        for (int k = iz - REACH; k <= iz + REACH; k++)
            if (i >= 0 && i < NX && k >= 0 && k < NZ && k * SPACING >= WATER) {
                double weight = (2 * REACH + 1 - abs(i - ix)) * (REACH + 1 - abs(k - iz));
                sum += weight / vp[i][k];
                weights += weight;
            }
    return weights / sum;
}

int main(void)
{
    beds_choose(20);
    for (int i = 0; i < NX; i++)
        for (int k = 0; k < NZ; k++)
            vp[i][k] = (float)velocity_at(i * SPACING, k * SPACING);
    for (int i = 0; i < NX; i++)
        for (int k = 0; k < NZ; k++)
            vp0[i][k] = (float)smooth_at(i, k);
    if (field_write(&grid, "vp", "m/s", vp[0]) != 0 ||
        field_write(&grid, "vp0", "m/s", vp0[0]) != 0) {
        fprintf(stderr, "basin: the model cannot be written here\n");
        return 1;
    }
    return 0;
}

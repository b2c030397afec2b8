/*
 * scan - an optimiser in C, as small as they come: which of many transmissivities fits a drawdown
 * best?
 *
 *     scan SOCKET DRAWDOWN
 *
 * All evaluations are submitted at once; results are looked at as they come.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/beofarm_driver.h"

#define POINTS 200

static double transmissivity(int point)
{
    return 10 *
           pow(1000, point / (POINTS - 1.0)); /* 10 to 10,000 m2/d, evenly in its logarithm */
}

static int submit_all(struct beofarm_driver *farm)
{
    char id[32];
    for (int i = 0; i < POINTS; i++) {
        /* transmissivity, storativity, pumping, distance, river, days: as in farm.json */
        const double params[] = {transmissivity(i), 2.5e-3, 1500, 50, 300, 10};
        snprintf(id, sizeof(id), "%d", i);
        if (beofarm_driver_submit(farm, id, params, 6) < 0)
            return -1;
    }
    return 0;
}

/* The best point's number, or -1. */
static int look_for_best(struct beofarm_driver *farm, double drawdown)
{
    struct beofarm_result result;
    double least = INFINITY;
    int best = -1;
    for (int ended = 0; ended < POINTS; ended++) {
        if (beofarm_driver_next(farm, -1, &result) <= 0)
            return -1;
        if (!result.ok)
            fprintf(stderr, "point %s: %s\n", result.id, result.sentence);
        else if (fabs(result.values[0] - drawdown) < least) {
            least = fabs(result.values[0] - drawdown);
            best = (int)strtol(result.id, NULL, 10);
        }
    }
    return best;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: scan SOCKET DRAWDOWN\n");
        return 2;
    }
    struct beofarm_driver *farm = beofarm_driver_open(argv[1], "scan", 0);
    int best = farm && !beofarm_driver_is_lost(farm) && submit_all(farm) == 0
                   ? look_for_best(farm, strtod(argv[2], NULL))
                   : -1;
    if (best < 0)
        fprintf(stderr, "scan: %s\n", beofarm_driver_error(farm));
    else
        printf("transmissivity %.4g m2/d\n", transmissivity(best));
    if (farm && !beofarm_driver_is_lost(farm))
        beofarm_driver_finish(farm, false);
    beofarm_driver_close(farm);
    return best < 0;
}

/*
 * theis - a persistent runner: drawdown, m, around a well near a river.
 *
 * Parameters: transmissivity (m2/d), storativity, pumping (m3/d), distance (from the well, m),
 * river (its distance from the well, m; without it there is none), days. Value: drawdown.
 */
#include <math.h>
#include <stdbool.h>

#include "examples/theis/well_function.h"
#include "worker/beofarm_runner.h"

/* A parameter that must be there and positive; the task fails where it is not. */
static bool positive(struct beofarm_runner *runner, const char *name, double *ret_number)
{
    *ret_number = beofarm_runner_number(runner, name, NAN);
    if (*ret_number > 0)
        return true;
    const char *text = beofarm_runner_param(runner, name);
    beofarm_runner_fail(runner, "%s must be a positive number, found `%s`", name,
                        text ? text : "nothing");
    return false;
}

static void compute(struct beofarm_runner *runner)
{
    struct theis theis;
    double distance, days;
    if (!positive(runner, "transmissivity", &theis.transmissivity) ||
        !positive(runner, "storativity", &theis.storativity) ||
        !positive(runner, "distance", &distance) || !positive(runner, "days", &days))
        return;
    theis.pumping = beofarm_runner_number(runner, "pumping", 0);
    theis.river = beofarm_runner_number(runner, "river", INFINITY);
    if (distance > theis.river)
        beofarm_runner_fail(runner, "distance (%g m) must not reach beyond the river (%g m)",
                            distance, theis.river);
    else
        beofarm_runner_value(runner, "drawdown", theis_drawdown(&theis, distance, days));
}

int main(void)
{
    struct beofarm_runner runner;
    if (beofarm_runner_open(&runner) < 0)
        return 1;
    while (beofarm_runner_next(&runner) > 0) {
        compute(&runner);
        beofarm_runner_done(&runner);
    }
    return beofarm_runner_close(&runner);
}

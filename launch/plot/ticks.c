#include "config.h"

#include "launch/plot/ticks.h"

#include <math.h>

#define FEW 3

/* The smallest of 1, 2, 5 times a power of ten that is at least `least`. */
static double round_step(double least)
{
    double power = pow(10, floor(log10(least))), part = least / power;
    if (part <= 1.0000001)
        return power;
    return part <= 2.0000001 ? 2 * power : part <= 5.0000001 ? 5 * power : 10 * power;
}

/* The largest of them below a round step. */
static double finer_step(double step)
{
    double first = step / pow(10, floor(log10(step) + 1e-9)); /* 1, 2 or 5 */
    return first > 4.5 ? step / 2.5 : step / 2;
}

static double ticks_within(double least, double most, double step)
{
    double slack = step * 1e-6;
    return floor((most + slack) / step) - ceil((least - slack) / step) + 1;
}

void ticks_choose(struct ticks *ticks, double low, double high, int wanted)
{
    double least = fmin(low, high), most = fmax(low, high);
    *ticks = (struct ticks){0};
    if (!isfinite(low) || !isfinite(high) || !(most > least))
        return;
    double step = round_step((most - least) / wanted);
    while (wanted >= FEW && ticks_within(least, most, step) < FEW)
        step = finer_step(step);
    double slack = step * 1e-6;
    ticks->decimals = step < 1 ? (int)ceil(-log10(step) - 1e-9) : 0;
    for (double n = ceil((least - slack) / step);
         n * step <= most + slack && ticks->count < TICKS_MAX; n++)
        ticks->at[ticks->count++] = n == 0 ? 0 : n * step; /* no "-0" */
}

/*
 * well_function.h - drawdown around a pumped well in a confined aquifer (Theis, 1935).
 *
 * C. V. Theis, Transactions of the American Geophysical Union 16, 519-524,
 * https://doi.org/10.1029/TR016i002p00519
 */
#ifndef BEOFARM_EXAMPLES_THEIS_WELL_FUNCTION_H
#define BEOFARM_EXAMPLES_THEIS_WELL_FUNCTION_H

/* W(u), the exponential integral E1(u), for u > 0; relative error below 1e-14. NaN elsewhere;
 * infinity at 0. */
double well_function(double u);

struct theis {
    double transmissivity; /* T, m2/d, > 0 */
    double storativity;    /* S, > 0 */
    double pumping;        /* Q, m3/d */
    double river;          /* distance of well and river, m; infinity: no river */
};

/* Drawdown, m, at `distance` (> 0, m) from the well, on the line towards the river and before it,
 * after `days` (> 0) of pumping:
 *
 *     s = Q / (4 pi T) (W(u(distance)) - W(u(2 river - distance))),   u(r) = r2 S / (4 T t)
 *
 * The second term is the image well that keeps the river's level (Theis, 1941). */
double theis_drawdown(const struct theis *theis, double distance, double days);

#endif

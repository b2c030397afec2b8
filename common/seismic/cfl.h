/*
 * cfl.h - finite-difference weights, and the longest time step that is stable with them.
 *
 * For leap-frog in time, u(t + dt) - 2 u(t) + u(t - dt) = dt^2 c^2 D u, a time step is stable while
 * dt^2 c^2 |D| <= 4, where |D| is the largest absolute value of the symbol of the discrete
 * Laplacian (von Neumann; e.g. Cohen, Higher-Order Numerical Methods for Transient Wave Equations,
 * 2002, ch. 4). The weights alternate in sign, so it is reached at the Nyquist wavenumbers and is
 * the sum of the absolute values of all weights, over the squared spacing, summed over the axes.
 *
 * The master uses it to refuse a time step before anything is farmed, the propagators to choose
 * one.
 */
#ifndef BEOFARM_COMMON_SEISMIC_CFL_H
#define BEOFARM_COMMON_SEISMIC_CFL_H

#include "common/seismic/grid.h"

#define CFL_ORDER_MAX 16
#define CFL_HALF_MAX  (CFL_ORDER_MAX / 2)

enum cfl_operator {
    CFL_CENTRED,   /* second derivatives by one centred stencil along each axis */
    CFL_STAGGERED, /* the divergence of a gradient by two staggered first derivatives */
};

/* Taylor weights of the second derivative times h^2: weights[0] of the point itself, weights[k] of
 * both its k-th neighbours, k to order / 2. `order` is even, 2 to CFL_ORDER_MAX.
 * (Fornberg 1988, doi:10.1090/S0025-5718-1988-0935077-0: 2 (-1)^(k+1) (m!)^2 / (k^2 (m-k)! (m+k)!),
 * m = order / 2.) */
void cfl_centred_weights(int order, double weights[CFL_HALF_MAX + 1]);

/* Taylor weights of the first derivative times h, half-way between points: weights[k] of the points
 * k + 1/2 further (and minus that of those before), k from 0 to order / 2 - 1. (The same
 * source.) */
void cfl_staggered_weights(int order, double weights[CFL_HALF_MAX]);

/* |D| h^2 along one axis: the sum of absolute values of all centred weights; of staggered ones, the
 * square of it. (Order 2: 4 for both.) */
double cfl_symbol_max(enum cfl_operator kind, int order);

/* The longest stable time step, seconds, where waves go no faster than velocity_max (m/s; in
 * anisotropic media the largest phase velocity, v sqrt(1 + 2 max(epsilon, delta, 0))):
 * 2 / (velocity_max sqrt(sum over axes of cfl_symbol_max / spacing^2)). */
double cfl_limit(enum cfl_operator kind, int order, const struct grid *grid,
                 double velocity_max);

#endif

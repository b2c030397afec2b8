/*
 * transport.h - one-dimensional advection, dispersion, sorption and decay of a solute.
 *
 *     R dC/dt = D d2C/dx2 - v dC/dx - lambda R C         0 < x < length
 *     C(0, t) = inlet,   dC/dx(length, t) = 0,   C(x, 0) = 0
 *
 * C is relative to the source's concentration, so it lies in 0..1.
 */
#ifndef BEOFARM_EXAMPLES_ADVECTION_TRANSPORT_H
#define BEOFARM_EXAMPLES_ADVECTION_TRANSPORT_H

struct transport;

/* The coefficients of the equation above and the grid; lengths in m, times in d. */
struct transport_problem {
    double velocity;    /* v, m/d, > 0 */
    double dispersion;  /* D, m2/d, > 0 */
    double retardation; /* R, >= 1 */
    double decay;       /* lambda, 1/d, >= 0 */
    double length;      /* m */
    int cells;          /* equal cells; see transport_cells_needed */
};

/* Cells that keep the grid Peclet number v dx / D at 2 or below, where central differences make
 * no wiggles. May be more than memory holds: compare before use. */
double transport_cells_needed(const struct transport_problem *problem);

/* Start with C = 0 everywhere. NULL where memory is short. */
struct transport *transport_create(const struct transport_problem *problem);
void transport_destroy(struct transport *transport);

/* Advance by dt days with `inlet` held at the boundary. Second order in dt and in dx. */
void transport_step(struct transport *transport, double dt, double inlet);

/* Days simulated so far. */
double transport_time(const struct transport *transport);

/* C at x (0 <= x <= length), linear between the centres of cells. */
double transport_concentration(const struct transport *transport, double x);

/* The solute's mass in the strip, dissolved and sorbed, per pore area of cross section and unit
 * source concentration: R times the integral of C dx, m. */
double transport_mass(const struct transport *transport);

/* What passed inlet and outlet, and what decayed, since the start; same unit. At any time
 * mass = entered - left - decayed, to rounding. */
struct transport_balance {
    double entered, left, decayed;
};
struct transport_balance transport_balance(const struct transport *transport);

#endif

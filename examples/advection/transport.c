/*
 * Cell-centred finite volumes with central fluxes, and the theta scheme in time:
 *
 *     (R + theta dt A) C' = (R - (1 - theta) dt A) C + dt b
 *
 * A is tridiagonal (flux divergence plus decay), b the inlet. theta = 1/2 is Crank and Nicolson
 * (1947), second order but not damping: the jump of the inlet would ring through the grid. So,
 * after Rannacher (1984), https://doi.org/10.1007/BF01389577, the first two steps behind a jump
 * are each done as two half steps of implicit Euler (theta = 1), which damps the ringing and
 * leaves the order at two.
 *
 * Finite volumes conserve mass to rounding: what leaves one cell enters its neighbour. The
 * balance is summed from the same fluxes, at the same time levels, as the scheme's own.
 */
#include <math.h>
#include <stdlib.h>

#include "examples/advection/transport.h"

#define DAMPED_STEPS 2
#define PECLET_MAX   2.0

/* A system matrix with its forward elimination done, for one (theta, dt). */
struct factor {
    double theta, dt;
    double *upper;   /* super-diagonal over pivot */
    double *inverse; /* 1 / pivot */
};

struct transport {
    struct transport_problem problem;
    double dx;
    double time;
    double inlet;              /* during the last step */
    int damped_left;           /* steps still to be damped */
    double west, centre, east; /* row of A in the interior: C[i-1], C[i], C[i+1] */
    double centre_first, centre_last;
    double source; /* b of the first cell for inlet = 1 */
    struct factor smooth, damped;
    double *c;   /* cells: the concentration */
    double *rhs; /* cells */
    struct transport_balance balance;
};

double transport_cells_needed(const struct transport_problem *problem)
{
    return ceil(problem->length * problem->velocity / (PECLET_MAX * problem->dispersion));
}

/* Rows of A. Inside, the flux through the face between i and i+1 is
 * v (C[i] + C[i+1]) / 2 - D (C[i+1] - C[i]) / dx. At the inlet C is given half a cell away; at
 * the outlet the gradient is nought, so the flux is v C. */
static void matrix_set(struct transport *transport)
{
    const struct transport_problem *p = &transport->problem;
    double dx = transport->dx;
    double advection = p->velocity / (2 * dx);
    double dispersion = p->dispersion / (dx * dx);
    double decay = p->decay * p->retardation;
    transport->west = -advection - dispersion;
    transport->east = advection - dispersion;
    transport->centre = 2 * dispersion + decay;
    transport->centre_first = advection + 3 * dispersion + decay;
    transport->centre_last = advection + dispersion + decay;
    transport->source = 2 * advection + 2 * dispersion;
}

static double centre_of(const struct transport *transport, int cell)
{
    if (cell == 0)
        return transport->centre_first;
    return cell == transport->problem.cells - 1 ? transport->centre_last : transport->centre;
}

/* Thomas' algorithm, its half that depends on the matrix alone. The matrix is diagonally
 * dominant while the grid Peclet number is at most 2, so no pivoting is needed. */
static void factor_set(const struct transport *transport, struct factor *factor, double theta,
                       double dt)
{
    if (factor->theta == theta && factor->dt == dt)
        return;
    factor->theta = theta;
    factor->dt = dt;
    double lower = theta * dt * transport->west;
    double upper = theta * dt * transport->east;
    for (int i = 0; i < transport->problem.cells; i++) {
        double pivot = transport->problem.retardation + theta * dt * centre_of(transport, i);
        if (i > 0)
            pivot -= lower * factor->upper[i - 1];
        factor->inverse[i] = 1 / pivot;
        factor->upper[i] = upper / pivot;
    }
}

/* rhs = (R - (1 - theta) dt A) C + dt b */
static void rhs_set(struct transport *transport, double theta, double dt, double inlet)
{
    const double *c = transport->c;
    double *rhs = transport->rhs;
    int last = transport->problem.cells - 1;
    double explicit_dt = (1 - theta) * dt;
    double west = explicit_dt * transport->west;
    double east = explicit_dt * transport->east;
    double centre = transport->problem.retardation - explicit_dt * transport->centre;
    for (int i = 1; i < last; i++)
        rhs[i] = centre * c[i] - west * c[i - 1] - east * c[i + 1];
    double retardation = transport->problem.retardation;
    rhs[0] = (retardation - explicit_dt * transport->centre_first) * c[0] - east * c[1] +
             dt * transport->source * inlet;
    rhs[last] =
        (retardation - explicit_dt * transport->centre_last) * c[last] - west * c[last - 1];
}

static void solve(struct transport *transport, const struct factor *factor)
{
    double *c = transport->c;
    double *rhs = transport->rhs;
    int cells = transport->problem.cells;
    double lower = factor->theta * factor->dt * transport->west;
    rhs[0] *= factor->inverse[0];
    for (int i = 1; i < cells; i++)
        rhs[i] = (rhs[i] - lower * rhs[i - 1]) * factor->inverse[i];
    c[cells - 1] = rhs[cells - 1];
    for (int i = cells - 2; i >= 0; i--)
        c[i] = rhs[i] - factor->upper[i] * c[i + 1];
}

/* Add `weight` days of the fluxes and the decay at the present concentrations. */
static void balance_add(struct transport *transport, double weight, double inlet)
{
    const struct transport_problem *p = &transport->problem;
    int last = p->cells - 1;
    double entering =
        p->velocity * inlet + 2 * p->dispersion / transport->dx * (inlet - transport->c[0]);
    transport->balance.entered += weight * entering;
    transport->balance.left += weight * p->velocity * transport->c[last];
    if (p->decay > 0)
        transport->balance.decayed += weight * p->decay * transport_mass(transport);
}

static void theta_step(struct transport *transport, struct factor *factor, double theta,
                       double dt, double inlet)
{
    factor_set(transport, factor, theta, dt);
    rhs_set(transport, theta, dt, inlet);
    balance_add(transport, (1 - theta) * dt, inlet);
    solve(transport, factor);
    balance_add(transport, theta * dt, inlet);
    transport->time += dt;
}

void transport_step(struct transport *transport, double dt, double inlet)
{
    if (inlet != transport->inlet) {
        transport->inlet = inlet;
        transport->damped_left = DAMPED_STEPS;
    }
    if (transport->damped_left > 0) {
        transport->damped_left--;
        theta_step(transport, &transport->damped, 1, dt / 2, inlet);
        theta_step(transport, &transport->damped, 1, dt / 2, inlet);
    } else {
        theta_step(transport, &transport->smooth, 0.5, dt, inlet);
    }
}

struct transport *transport_create(const struct transport_problem *problem)
{
    struct transport *transport = calloc(1, sizeof *transport);
    if (!transport)
        return NULL;
    transport->problem = *problem;
    transport->dx = problem->length / problem->cells;
    transport->c = calloc((size_t)problem->cells * 6, sizeof(double));
    if (!transport->c) {
        free(transport);
        return NULL;
    }
    transport->rhs = transport->c + problem->cells;
    transport->smooth.upper = transport->rhs + problem->cells;
    transport->smooth.inverse = transport->smooth.upper + problem->cells;
    transport->damped.upper = transport->smooth.inverse + problem->cells;
    transport->damped.inverse = transport->damped.upper + problem->cells;
    matrix_set(transport);
    return transport;
}

void transport_destroy(struct transport *transport)
{
    if (!transport)
        return;
    free(transport->c);
    free(transport);
}

double transport_time(const struct transport *transport)
{
    return transport->time;
}

double transport_concentration(const struct transport *transport, double x)
{
    const double *c = transport->c;
    int last = transport->problem.cells - 1;
    double place = x / transport->dx - 0.5; /* in cells, from the centre of the first */
    if (place < 0) /* between the inlet, where C is given, and the first centre */
        return transport->inlet + (c[0] - transport->inlet) * (place + 0.5) * 2;
    int left = (int)place;
    if (left >= last)
        return c[last];
    return c[left] + (c[left + 1] - c[left]) * (place - left);
}

double transport_mass(const struct transport *transport)
{
    double sum = 0;
    for (int i = 0; i < transport->problem.cells; i++)
        sum += transport->c[i];
    return sum * transport->dx * transport->problem.retardation;
}

struct transport_balance transport_balance(const struct transport *transport)
{
    return transport->balance;
}

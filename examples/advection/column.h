/*
 * column.h - what a run of ade1d is told: the aquifer between a spill and a well.
 *
 * An input file has one `name = value` per line; `#` starts a comment. Every name below is
 * required, once; a name that is not below is an error.
 */
#ifndef BEOFARM_EXAMPLES_ADVECTION_COLUMN_H
#define BEOFARM_EXAMPLES_ADVECTION_COLUMN_H

#include <stddef.h>

struct column {
    double conductivity; /* K, m/d */
    double gradient;     /* hydraulic gradient, m/m */
    double porosity;     /* effective, 0 < n < 1 */
    double dispersivity; /* longitudinal, m */
    double diffusion;    /* molecular, in the pores, m2/d */
    double retardation;  /* R >= 1: velocity of the water over that of the solute */
    double half_life;   /* of the solute, dissolved and sorbed alike, d; 0: it does not decay */
    double source_days; /* how long the spill keeps the inlet at relative concentration 1, d */
    double length;      /* of the modelled strip, m */
    double well_distance; /* from inlet to well, m; 0 < well_distance < length */
    double days;          /* simulated time, d */
    int cells;            /* of the grid: 10 to 100,000 */
};

/* Read and check an input file. 0, or -1 with a sentence (file, line, what to do) in `reason`.
 */
int column_read(const char *path, struct column *ret_column, char *reason, size_t reason_size);

/* Check values that did not come from a file. 0, or -1 with a sentence. */
int column_check(const struct column *column, char *reason, size_t reason_size);

/* Mean velocity of the water in the pores, m/d: v = K i / n (Darcy). */
double column_velocity(const struct column *column);

/* Hydrodynamic dispersion, m2/d: D = a v + Dm. */
double column_dispersion(const struct column *column);

/* First-order decay, 1/d: ln 2 over the half-life; 0 where it does not decay. */
double column_decay(const struct column *column);

#endif

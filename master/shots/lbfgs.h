/*
 * lbfgs.h - minimises f(x) with l <= x <= u, given f and its gradient at points it asks for.
 *
 * L-BFGS (Nocedal 1980, doi:10.1090/S0025-5718-1980-0572855-7; two loops, Nocedal & Wright 2006,
 * algorithm 7.4) with bounds by two-metric projection (Bertsekas 1982, doi:10.1137/0320018): of the
 * variables at a bound whose gradient pushes them outwards, none takes part in the direction d = -H
 * g; the search goes along x(a) = P(x + a d), P cutting at the bounds, until f(x(a)) <= f + c
 * g.(x(a) - x) (Armijo, c = 1e-4). The first a is 1, or, with no pairs, one that changes no
 * variable by more than `first_change`; it is tried with the gradient, as it mostly succeeds.
 * Further ones come from the parabola through f, its slope and the last value, kept within 0.1 and
 * 0.5 of the last a, and are tried without. Where no a is found, the pairs are forgotten and the
 * search begins once more; then it is stuck. A pair s, y is kept if s.y > 1e-8 |s| |y|, so that H
 * stays positive definite.
 *
 * Nobody is called: the caller evaluates what is wanted and tells it. The state can be written to a
 * stream and read back, and goes on to the bit.
 */
#ifndef BEOFARM_MASTER_SHOTS_LBFGS_H
#define BEOFARM_MASTER_SHOTS_LBFGS_H

#include <stddef.h>
#include <stdio.h>

#include "common/error.h"

struct lbfgs;

struct lbfgs_options {
    size_t history;      /* pairs kept, at least 1 */
    unsigned trials;     /* values of a that one search may try, at least 1 */
    double first_change; /* of any variable, by the first step without pairs; above 0 */
    /* Bounds of each variable, or (one_for_all) one value for all; borrowed until the end. NULL:
     * none.
     */
    const double *lower, *upper;
    int one_for_all;
    /* H's first factor: multiply v (n values) by a symmetric positive semidefinite matrix, in
     * place. NULL: the identity. */
    void (*precondition)(void *context, double *v);
    void *context;
};

enum lbfgs_want {
    LBFGS_VALUE_AND_GRADIENT, /* at lbfgs_point */
    LBFGS_VALUE,              /* at lbfgs_point; the gradient is not needed */
    LBFGS_ITERATED,           /* an iteration is done; lbfgs_next goes on */
    LBFGS_STUCK,              /* no step makes f less: a minimum, as far as can be told */
};

/* n variables beginning at x (cut at the bounds; copied). NULL with a sentence. */
struct lbfgs *lbfgs_create(size_t n, const double *x, const struct lbfgs_options *options,
                           struct error *ret_error);
void lbfgs_destroy(struct lbfgs *lbfgs); /* NULL is allowed */

/* The point to evaluate; after LBFGS_ITERATED and LBFGS_STUCK, the best one. */
const double *lbfgs_point(const struct lbfgs *lbfgs);

/* The best point known. */
const double *lbfgs_best(const struct lbfgs *lbfgs);

/* What it wants first, and after LBFGS_ITERATED: begins a search. */
enum lbfgs_want lbfgs_next(struct lbfgs *lbfgs);

/* f and, where it was wanted, its gradient (n values, copied) at lbfgs_point. In a search a value
 * that is not finite counts as too large, and needs no gradient: so does one that was taken to be
 * good already, when it is not found again with its gradient. Where a search is yet to begin, both
 * must be there. */
enum lbfgs_want lbfgs_tell(struct lbfgs *lbfgs, double value, const double *gradient);

/* Before lbfgs_next: f is another function from now on (other shots, another band), whose value and
 * gradient at this point are not known. Pairs are kept, as curvature changes little, or
 * forgotten. */
void lbfgs_change(struct lbfgs *lbfgs, int forget);

/* Of the present search: the value at its beginning is this instead (fewer shots than there
 * were). */
void lbfgs_set_value(struct lbfgs *lbfgs, double value);

/* The value at the best point; how many iterations are done; how long the last step was (a). */
double lbfgs_value(const struct lbfgs *lbfgs);
unsigned lbfgs_iterations(const struct lbfgs *lbfgs);
double lbfgs_step(const struct lbfgs *lbfgs);

/* Write all of the state; read it back into one created with the same n, bounds and options. -1
 * with a sentence. The stream's own errors are left to the caller of fclose when writing. */
int lbfgs_write(const struct lbfgs *lbfgs, FILE *stream, struct error *ret_error);
int lbfgs_read(struct lbfgs *lbfgs, FILE *stream, struct error *ret_error);

#endif

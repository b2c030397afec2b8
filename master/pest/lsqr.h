/*
 * lsqr.h - damped least squares, min |Ax - b|² + λ|x|², for many λ at once.
 *
 * C. C. Paige and M. A. Saunders, "LSQR: an algorithm for sparse linear equations and sparse least
 * squares", ACM TOMS 8 (1982) 43-71, doi:10.1145/355984.355989. The Golub-Kahan bidiagonalisation
 * of A does not know λ: it is made once, and each λ has its own pair of plane rotations and its
 * own x. Where A fits the memory of a fast solution, glm_model.h does not come here.
 */
#ifndef BEOFARM_MASTER_PEST_LSQR_H
#define BEOFARM_MASTER_PEST_LSQR_H

#include <stddef.h>

#include "common/error.h"

/* A, rows x columns. `apply` makes u := A v - alpha u and w := Aᵗ u (with that new u) in one go,
 * so that A is read once. u has `rows` entries, v and w `columns`. */
struct lsqr_operator {
    size_t rows, columns;
    void (*apply)(void *context, const double *v, double alpha, double *u, double *w);
    void *context;
};

/* The lsqr section of the control file. */
struct lsqr_limits {
    double atol;   /* >= 0: relative error of A. Ends where |Aᵗr| <= atol |A| |r| */
    double btol;   /* >= 0: relative error of b. Ends where |r| <= btol |b| + atol |A| |x| */
    double conlim; /* Ends where the estimated condition of A passes it; 0: no limit */
    int itnlim;    /* iterations at most; < 1: 4 x columns */
};

enum lsqr_reason {
    LSQR_ZERO,       /* b or Aᵗb is zero: x is zero */
    LSQR_COMPATIBLE, /* Ax = b within atol and btol */
    LSQR_SQUARES,    /* a least-squares solution within atol */
    LSQR_CONDITION,  /* conlim was passed */
    LSQR_PRECISION,  /* nothing more can be had in double precision */
    LSQR_ITERATIONS  /* itnlim was reached */
};

struct lsqr_report {
    enum lsqr_reason reason;
    int iterations;
    double residual_norm; /* |(b - Ax, -√λ x)| */
    double solution_norm; /* |x| */
    double condition;     /* estimate for (A, √λ I) */
};

/* Solve for shift_count λ (>= 0): ret_x[i * columns + p]. Memory: rows + columns (2 +
 * shift_count) doubles. -1: no memory, or A holds values that are not finite.
 * Reaching a limit is no error: the report says it. */
int lsqr_solve(const struct lsqr_operator *linear, const double *b, const double *lambdas,
               size_t shift_count, const struct lsqr_limits *limits, double *ret_x,
               struct lsqr_report *ret_reports, struct error *ret_error);

const char *lsqr_reason_text(enum lsqr_reason reason);

#endif

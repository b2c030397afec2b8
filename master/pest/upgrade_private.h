/*
 * upgrade_private.h - what upgrade.c and upgrade_solve.c share.
 */
#ifndef BEOFARM_MASTER_PEST_UPGRADE_PRIVATE_H
#define BEOFARM_MASTER_PEST_UPGRADE_PRIVATE_H

#include "master/pest/upgrade.h"

/* One kind of rows: what is left of them once they are summed. */
struct upgrade_part {
    double *normal;   /* JᵗQJ, or NULL: no such rows, or LSQR does without */
    double *gradient; /* JᵗQr */
    double square;    /* rᵗQr */
};

struct upgrade {
    struct jacobian_view jacobian;
    const double *weights;
    const bool *regularisation; /* NULL where no row is */
    struct upgrade_options options;
    enum upgrade_method method; /* chosen: never automatic; Cholesky means: where it will do */
    double factor;              /* of the regularisation rows' weights */
    double *residuals;
    struct upgrade_part measurement, regular;
};

/* JᵗQJ of both kinds of rows, if not made yet. */
int upgrade_normal_make(struct upgrade *upgrade, struct error *ret_error);

/* An element of JᵗQJ with the factor applied. */
static inline double upgrade_element(const struct upgrade *upgrade, size_t p, size_t q)
{
    size_t at = p + q * upgrade->jacobian.parameters;
    double value = upgrade->measurement.normal[at];
    if (upgrade->regular.normal) {
        value += upgrade->factor * upgrade->factor * upgrade->regular.normal[at];
    }
    return value;
}

/* upgrade_solve by LSQR, in upgrade_lsqr.c. */
int upgrade_solve_lsqr(struct upgrade *upgrade, const bool *frozen, const double *moves,
                       const double *lambdas, size_t lambda_count, double *ret_upgrades,
                       struct upgrade_report *ret_reports, struct error *ret_error);

#endif

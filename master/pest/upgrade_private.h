/*
 * upgrade_private.h - what upgrade.c and upgrade_solve.c share.
 */
#ifndef BEOFARM_MASTER_PEST_UPGRADE_PRIVATE_H
#define BEOFARM_MASTER_PEST_UPGRADE_PRIVATE_H

#include "master/pest/upgrade.h"

struct upgrade {
    struct jacobian_view jacobian;
    const double *weights;
    const bool *regularisation; /* NULL where no row is */
    struct lsqr_limits limits;
    double factor; /* of the regularisation rows' weights */
    double *residuals;
};

/* A row's weight with the factor applied. */
static inline double upgrade_weight(const struct upgrade *upgrade, size_t row)
{
    bool regular = upgrade->regularisation && upgrade->regularisation[row];
    return upgrade->weights[row] * (regular ? upgrade->factor : 1);
}

#endif

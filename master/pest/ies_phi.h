/*
 * ies_phi.h - how well realisations fit: phi of each, and what drops one.
 *
 * Rows are the observations with a weight whose group is not called "regul...". Phi is the sum of
 * (weight * residual)², the residual simulated minus
 *   measured phi: the realisation's target (measured value plus noise);
 *   actual phi:   the measured value.
 * Regularisation phi is the sum over adjustable parameters of ((m - prior) / deviation)², and the
 * composite phi measured + ++ies_reg_factor * regularisation.
 *
 * Inequalities: in groups called "l_...", "less..." or ">@..." simulated values below the measured
 * one have residual 0 and others simulated minus measured; "g_...", "greater..." or "<@..." the
 * other way round (PEST++ manual, 9.1.10).
 */
#ifndef BEOFARM_MASTER_PEST_IES_PHI_H
#define BEOFARM_MASTER_PEST_IES_PHI_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/pest/control.h"
#include "master/pest/glm_parameters.h"
#include "master/pest/ies_ensemble.h"

enum ies_sense { IES_EQUAL, IES_LESS, IES_GREATER };

/* What the rows are. */
struct ies_rows {
    const struct pest_control *control; /* borrowed */
    size_t count;
    size_t *observation;   /* [count] index in the control file */
    double *weight;        /* [count] > 0 */
    enum ies_sense *sense; /* [count] */
    size_t ignored;        /* observations with a weight in groups "regul..." */
};

int ies_rows_init(struct ies_rows *rows, const struct pest_control *control,
                  struct error *ret_error);
void ies_rows_fini(struct ies_rows *rows);
/* Take out the rows marked. */
void ies_rows_drop(struct ies_rows *rows, const bool *dropped);

/* Residuals of a realisation: ret[count]. `target` NULL: of actual phi. */
void ies_rows_residuals(const struct ies_rows *rows, const double *simulated,
                        const double *target, double *ret);

/* Phi of one realisation. */
struct ies_phi {
    double measured, actual, regularisation, composite;
};

/* What phi is reckoned with. */
struct ies_judge {
    const struct ies_rows *rows;
    const struct glm_parameters *parameters;
    const double *deviations; /* [columns] prior standard deviations */
    double regul_factor;
};

struct ies_phi ies_phi_of(const struct ies_judge *judge, const double *values,
                          const double *prior, const double *simulated, const double *target);
/* The parts of actual phi by observation group, [observation_group_count], and of regularisation
 * phi by parameter group, [parameter_group_count]. */
void ies_phi_groups(const struct ies_judge *judge, const double *simulated, double *ret_groups);
void ies_phi_parameter_groups(const struct ies_judge *judge, const double *values,
                              const double *prior, double *ret_groups);

/* Of a list of numbers; the standard deviation is that of a sample (n - 1), 0 of one number. */
struct ies_statistics {
    double mean, deviation, least, most;
};
struct ies_statistics ies_statistics_of(const double *values, size_t count);

/* Above this a measured phi is bad: ++ies_bad_phi and ++ies_bad_phi_sigma (PEST++ manual, 9.1.12;
 * quartiles are medians of the lower and the upper half). -1: no memory. */
int ies_phi_threshold(const double *measured, size_t count, double bad_phi, double sigma,
                      double *ret_threshold, struct error *ret_error);

/* One row in prior-data conflict. */
struct ies_conflict {
    size_t row;
    struct ies_statistics observed, simulated;
    double distance; /* between the ranges (smallest to largest); may be negative */
};
/* Rows where no simulated value and no target come near each other (White 2018, section 2.5). With
 * sigma > 0 "near" is within that many standard deviations of the means. *ret_list is allocated;
 * ordered by row. */
int ies_conflicts_find(const struct ies_rows *rows, const struct ies_ensemble *ensemble,
                       double sigma, struct ies_conflict **ret_list, size_t *ret_count,
                       struct error *ret_error);

#endif

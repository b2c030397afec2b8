/*
 * ies.h - mode "ies": the iterative ensemble smoother, as pestpp-ies.
 *
 * An ensemble of parameter sets, drawn from the prior, is moved by what the runs of all of them say
 * of parameters and observations together, so that each realisation comes to fit the measured
 * values plus its own realisation of measurement noise (Chen and Oliver 2013,
 * doi:10.1007/s10596-013-9351-5; White 2018, doi:10.1016/j.envsoft.2018.06.009). ies_update.h has
 * the formulas, ies_options.h the options, ies_report.h the files.
 *
 * Waves: the prior ensemble; then in each iteration the trials (every lambda and scale factor, for
 * a subset of the realisations) and, with the best of them, the remaining realisations. An
 * iteration is accepted where the mean of phi over the realisations that were run stays within
 * ++ies_accept_phi_fac of what it was for the same realisations; lambda then falls. Where no trial
 * is accepted lambda rises and no parameter changes. Where the remainder spoils the mean, the
 * realisations whose phi fell are taken, the others stay, and lambda rises.
 *
 * NOPTMAX 0: one run of the control file's values; -1: the prior ensemble alone; -2: its mean.
 *
 * Prior information, and observation groups that are called "regul...", have no part in it.
 * Realisations with failed runs, or with a phi that ++ies_bad_phi or ++ies_bad_phi_sigma condemns,
 * are dropped; with fewer than 3 left it ends with a sentence.
 *
 * Nothing but the control file, the files it names, the results and (ies_subset.h) the number of
 * slots goes into a step: random numbers are those of master/sweep/random.h with ++rand_seed.
 */
#ifndef BEOFARM_MASTER_PEST_IES_H
#define BEOFARM_MASTER_PEST_IES_H

#include "master/pest/estimator.h"

extern const struct estimator_ops estimator_ies;

#endif

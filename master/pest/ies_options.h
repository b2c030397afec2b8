/*
 * ies_options.h - the `++` options of mode "ies", with the defaults of PEST++ 5.2 (PEST++ manual,
 * chapter 9). Older and shorter names stand for the same: ies_par_en, ies_obs_en, ies_init_lam ...
 */
#ifndef BEOFARM_MASTER_PEST_IES_OPTIONS_H
#define BEOFARM_MASTER_PEST_IES_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/pest/control.h"

#define IES_BASE "base" /* the realisation of the control file's values, without noise */

enum ies_subset_how { IES_FIRST, IES_LAST, IES_RANDOM, IES_PHI_BASED };

struct ies_options {
    /* Files; borrowed from the control file, NULL: none. */
    const char *parameter_ensemble, *observation_ensemble;
    const char *restart_parameter_ensemble, *restart_observation_ensemble;
    const char *obscov, *localizer;

    bool reals_given; /* ++ies_num_reals is there: ensembles from files are cut to it */
    size_t reals;     /* realisations in all, the base one included; at least 3 */
    bool add_base, no_noise, enforce_bounds, enforce_tied;
    uint32_t seed;

    bool approx;         /* without the term that pulls towards the prior (ies_update.h) */
    bool prior_scaling;  /* anomalies of parameters are divided by prior standard deviations */
    double regul_factor; /* of the prior's part in the composite phi; >= 0 */

    double initial_lambda;   /* <= 0: from phi; negative: that times its size */
    double *multipliers;     /* of lambda, > 0 */
    size_t multiplier_count; /* >= 1 */
    double *scales;          /* lengths of steps, > 0 */
    size_t scale_count;      /* >= 1 */
    long subset_size;        /* realisations that try; negative: percent; 0: all */
    enum ies_subset_how subset_how;
    double increase, decrease; /* lambda's factors, > 1 and 0 to 1 */
    double accept;             /* phi may rise by this factor, >= 1 */

    double bad_phi;       /* realisations above it are dropped */
    double bad_phi_sigma; /* > 0: so are those more than this many standard deviations above the
                           * mean; < 0: this many interquartile ranges above the third quartile;
                           * 0: none */
    bool drop_conflicts;  /* observations in prior-data conflict get no weight */
    double
        conflict_sigma; /* > 0: ranges are mean +- this times the standard deviation; else they
                            * go from the smallest to the largest value */
    bool binary;        /* ensembles are written as .jcb */
    bool save_lambda;   /* those of the trials, too */
};

/* -1 with a sentence that names the option. `options` is zeroed or to be ies_options_fini'ed. */
int ies_options_read(struct ies_options *options, struct pest_control *control,
                     struct error *ret_error);
void ies_options_fini(struct ies_options *options);

#endif

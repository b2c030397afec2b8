/*
 * glm_options.h - the `++` options of pestpp-glm that mean something here, read once.
 *
 *   lambdas(list)            Marquardt lambdas to choose from, instead of those around the last
 *                            best (RLAMBDA1, RLAMFAC); where none lowers phi, others follow
 *   lambda_scale_fac(list)   each upgrade is also tried at these multiples of its length
 *   upgrade_augment(bool)    with `lambdas`: the last best lambda and its neighbours join the list
 *   lambda_forgive(bool)     a failed upgrade run is only a bad upgrade; default true unless
 *                            the control file says nolamforgive
 *   der_forgive(bool)        likewise for derivatives (glm_derivatives.h), and noderforgive
 *   glm_normal_form(form)    what lambda multiplies: diag (of JᵗQJ; the default), ident, or prior
 *                            (the inverse of the prior parameter variances)
 *   n_iter_base, n_iter_super, max_n_super, super_eigthresh
 *                            SVD-assist (glm_super.h)
 *   base_jacobian(file)      the first Jacobian comes from this file
 *   hotstart_resfile(file)   the base run's results come from this residuals file
 *   enforce_tied_bounds(bool) glm_parameters.h
 *   uncertainty(bool)        first-order uncertainty at the end; default true
 *   reg_frac(portion)        regularisation mode: the weight factor is such that this portion of
 *                            phi is regularisation (glm_regul.h); 0 and less: by PHIMLIM
 *   glm_num_reals(N), rand_seed, save_binary
 *                            realisations of the posterior at the end (glm_posterior.h)
 *   forecasts(names)         observations whose uncertainty is wanted
 */
#ifndef BEOFARM_MASTER_PEST_GLM_OPTIONS_H
#define BEOFARM_MASTER_PEST_GLM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/pest/control.h"

enum glm_form { GLM_DIAG, GLM_IDENT, GLM_PRIOR };

struct glm_options {
    double *lambdas; /* NULL: by RLAMBDA1 and RLAMFAC */
    size_t lambda_count;
    double *scales; /* without 1; may be empty */
    size_t scale_count;
    bool augment;
    bool lambda_forgive, der_forgive;
    enum glm_form form;
    long base_iterations, super_iterations; /* super 0: no SVD-assist; base -1: one in all */
    long super_max;
    double super_threshold;
    const char *base_jacobian, *hotstart; /* NULL: none; borrowed from the control file */
    bool enforce_tied;
    double regul_portion;
    bool uncertainty;
    long reals;
    uint32_t seed;
    bool save_binary;
    char **forecasts;
    size_t forecast_count;
};

/* -1 with "file:line: ..." for a malformed one. */
int glm_options_read(struct glm_options *options, struct pest_control *control,
                     struct error *ret_error);
void glm_options_fini(struct glm_options *options);

#endif

/* glm_options.c - see glm_options.h. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "master/pest/glm_options.h"

#define REALS_MAX 1000000

static int positive(const struct pest_control *control, const char *name, const double *list,
                    size_t count, bool zero, struct error *ret_error)
{
    for (size_t i = 0; i < count; i++)
        if (!(list[i] > 0.0 || (zero && list[i] == 0.0)))
            return error_set(ret_error, ERROR_CONFIG,
                             "%s: ++%s(...) holds %g; its values must "
                             "be positive",
                             control->path, name, list[i]);
    return 0;
}

static int lists_read(struct glm_options *options, struct pest_control *control,
                      struct error *ret_error)
{
    size_t kept = 0;

    if (pest_control_option_reals(control, "lambdas", &options->lambdas, &options->lambda_count,
                                  ret_error) != 0 ||
        pest_control_option_reals(control, "lambda_scale_fac", &options->scales,
                                  &options->scale_count, ret_error) != 0 ||
        positive(control, "lambdas", options->lambdas, options->lambda_count, true,
                 ret_error) != 0 ||
        positive(control, "lambda_scale_fac", options->scales, options->scale_count, false,
                 ret_error) != 0)
        return -1;
    if (!options->lambda_count) {
        free(options->lambdas);
        options->lambdas = NULL;
    }
    for (size_t i = 0; i < options->scale_count; i++)
        if (options->scales[i] != 1.0)
            options->scales[kept++] = options->scales[i];
    options->scale_count = kept;
    return 0;
}

static int form_read(struct glm_options *options, struct pest_control *control,
                     struct error *ret_error)
{
    const char *text = pest_control_option(control, "glm_normal_form");

    options->form = GLM_DIAG;
    if (!text || strcasecmp(text, "diag") == 0)
        return 0;
    if (strcasecmp(text, "ident") == 0)
        options->form = GLM_IDENT;
    else if (strcasecmp(text, "prior") == 0)
        options->form = GLM_PRIOR;
    else
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: ++glm_normal_form(%s) must be diag, ident or prior",
                         control->path, text);
    return 0;
}

static int super_read(struct glm_options *options, struct pest_control *control,
                      struct error *ret_error)
{
    if (pest_control_option_integer(control, "n_iter_base", 1, &options->base_iterations,
                                    ret_error) != 0 ||
        pest_control_option_integer(control, "n_iter_super", 0, &options->super_iterations,
                                    ret_error) != 0 ||
        pest_control_option_integer(control, "max_n_super", 1000000, &options->super_max,
                                    ret_error) != 0 ||
        pest_control_option_real(control, "super_eigthresh", 1e-6, &options->super_threshold,
                                 ret_error) != 0)
        return -1;
    if (options->super_max < 1)
        return error_set(ret_error, ERROR_CONFIG, "%s: ++max_n_super(%ld) must be at least 1",
                         control->path, options->super_max);
    if (options->base_iterations == 0)
        options->base_iterations = 1; /* super parameters need a Jacobian first */
    return 0;
}

static int flags_read(struct glm_options *options, struct pest_control *control,
                      struct error *ret_error)
{
    if (pest_control_option_boolean(control, "upgrade_augment", true, &options->augment,
                                    ret_error) != 0 ||
        pest_control_option_boolean(control, "lambda_forgive", control->lamforgive != 0,
                                    &options->lambda_forgive, ret_error) != 0 ||
        pest_control_option_boolean(control, "der_forgive", control->derforgive != 0,
                                    &options->der_forgive, ret_error) != 0 ||
        pest_control_option_boolean(control, "enforce_tied_bounds", false,
                                    &options->enforce_tied, ret_error) != 0 ||
        pest_control_option_boolean(control, "uncertainty", true, &options->uncertainty,
                                    ret_error) != 0)
        return -1;
    if (pest_control_option_real(control, "reg_frac", 0.0, &options->regul_portion,
                                 ret_error) != 0)
        return -1;
    if (!(options->regul_portion < 1.0))
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: ++reg_frac(%g) must be below 1: it is a portion of phi",
                         control->path, options->regul_portion);
    return 0;
}

/* The seed is that of PEST++. */
static int posterior_read(struct glm_options *options, struct pest_control *control,
                          struct error *ret_error)
{
    long seed;

    if (pest_control_option_integer(control, "glm_num_reals", 0, &options->reals, ret_error) !=
            0 ||
        pest_control_option_integer(control, "rand_seed", 358183147, &seed, ret_error) != 0 ||
        pest_control_option_boolean(control, "save_binary", false, &options->save_binary,
                                    ret_error) != 0)
        return -1;
    if (options->reals > REALS_MAX)
        return error_set(ret_error, ERROR_CONFIG, "%s: ++glm_num_reals(%ld) must be at most %d",
                         control->path, options->reals, REALS_MAX);
    if (seed < 0 || seed > (long)UINT32_MAX)
        return error_set(ret_error, ERROR_CONFIG, "%s: ++rand_seed(%ld) must be 0 to %u",
                         control->path, seed, UINT32_MAX);
    if (options->reals > 0 && !options->uncertainty)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: ++glm_num_reals(%ld) draws from the uncertainty that "
                         "++uncertainty(false) forbids",
                         control->path, options->reals);
    options->seed = (uint32_t)seed;
    return 0;
}

static int forecasts_check(const struct glm_options *options,
                           const struct pest_control *control, struct error *ret_error)
{
    for (size_t i = 0; i < options->forecast_count; i++)
        if (pest_control_observation(control, options->forecasts[i]) < 0)
            return error_set(ret_error, ERROR_CONFIG,
                             "%s: ++forecasts(...) names \"%s\", which is no observation",
                             control->path, options->forecasts[i]);
    return 0;
}

int glm_options_read(struct glm_options *options, struct pest_control *control,
                     struct error *ret_error)
{
    *options = (struct glm_options){0};
    if (lists_read(options, control, ret_error) != 0 ||
        form_read(options, control, ret_error) != 0 ||
        super_read(options, control, ret_error) != 0 ||
        flags_read(options, control, ret_error) != 0 ||
        posterior_read(options, control, ret_error) != 0) {
        glm_options_fini(options);
        return -1;
    }
    if (pest_control_option_names(control, "forecasts", &options->forecasts,
                                  &options->forecast_count, ret_error) != 0 ||
        forecasts_check(options, control, ret_error) != 0) {
        glm_options_fini(options);
        return -1;
    }
    options->base_jacobian = pest_control_option(control, "base_jacobian");
    if (!options->base_jacobian)
        options->base_jacobian = pest_control_option(control, "base_jacobian_filename");
    options->hotstart = pest_control_option(control, "hotstart_resfile");
    return 0;
}

void glm_options_fini(struct glm_options *options)
{
    free(options->lambdas);
    free(options->scales);
    for (size_t i = 0; i < options->forecast_count; i++)
        free(options->forecasts[i]);
    free(options->forecasts);
    *options = (struct glm_options){0};
}

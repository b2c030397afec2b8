#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <strings.h>

#include "master/pest/ies_options.h"

#define REALS_DEFAULT 50
#define REALS_MAX     1000000
#define SEED_DEFAULT  358183147 /* PEST++'s */
#define NEVER         1e300     /* PEST++'s "no bad phi" */

static int wrong(const struct pest_control *control, const char *name, const char *expected,
                 struct error *ret_error)
{
    return error_set(ret_error, ERROR_CONFIG, "%s: ++%s(…) must be %s", control->path, name,
                     expected);
}

/* The value of the first of these names that is there; the others are looked at, too, so that none
 * counts as unused. */
static const char *file_of(struct pest_control *control, const char *const *names)
{
    const char *found = NULL;
    for (; *names; names++) {
        const char *value = pest_control_option(control, *names);
        if (!found && value && *value)
            found = value;
    }
    return found;
}

static void files_read(struct ies_options *options, struct pest_control *control)
{
    static const char *const parameters[] = {"ies_parameter_ensemble", "ies_par_en",
                                             "ies_par_csv", NULL};
    static const char *const observations[] = {"ies_observation_ensemble", "ies_obs_en",
                                               "ies_obs_csv", NULL};
    static const char *const restart_parameters[] = {"ies_restart_parameter_ensemble",
                                                     "ies_restart_par_en", NULL};
    static const char *const restart_observations[] = {
        "ies_restart_observation_ensemble", "ies_restart_obs_en", "ies_obs_restart_csv", NULL};
    static const char *const obscov[] = {"obscov", "obscov_filename", "observation_covariance",
                                         NULL};
    static const char *const localizer[] = {"ies_localizer", NULL};
    options->parameter_ensemble = file_of(control, parameters);
    options->observation_ensemble = file_of(control, observations);
    options->restart_parameter_ensemble = file_of(control, restart_parameters);
    options->restart_observation_ensemble = file_of(control, restart_observations);
    options->obscov = file_of(control, obscov);
    options->localizer = file_of(control, localizer);
}

static int reals_read(struct ies_options *options, struct pest_control *control,
                      struct error *ret_error)
{
    long reals, seed;
    options->reals_given = pest_control_option(control, "ies_num_reals") != NULL;
    if (pest_control_option_integer(control, "ies_num_reals", REALS_DEFAULT, &reals,
                                    ret_error) < 0 ||
        pest_control_option_integer(control, "rand_seed", SEED_DEFAULT, &seed, ret_error) < 0)
        return -1;
    if (reals < 3 || reals > REALS_MAX)
        return wrong(control, "ies_num_reals", "3 to 1000000", ret_error);
    if (seed < 0 || seed > (long)UINT32_MAX)
        return wrong(control, "rand_seed", "0 to 4294967295", ret_error);
    options->reals = (size_t)reals;
    options->seed = (uint32_t)seed;
    return 0;
}

struct flag {
    const char *name, *other; /* an older name, or NULL */
    bool fallback;
    bool *ret;
};

static int flags_read(struct ies_options *options, struct pest_control *control,
                      struct error *ret_error)
{
    const struct flag flags[] = {
        {"ies_add_base", "ies_include_base", true, &options->add_base},
        {"ies_no_noise", NULL, false, &options->no_noise},
        {"ies_enforce_bounds", NULL, true, &options->enforce_bounds},
        {"enforce_tied_bounds", NULL, false, &options->enforce_tied},
        {"ies_use_approx", "ies_use_approximate_solution", true, &options->approx},
        {"ies_use_prior_scaling", NULL, false, &options->prior_scaling},
        {"ies_drop_conflicts", NULL, false, &options->drop_conflicts},
        {"ies_save_binary", "save_binary", false, &options->binary},
        {"ies_save_lambda_en", "ies_save_lambda_ensembles", false, &options->save_lambda},
    };
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        bool value = flags[i].fallback;
        if (flags[i].other &&
            pest_control_option_boolean(control, flags[i].other, value, &value, ret_error) < 0)
            return -1;
        if (pest_control_option_boolean(control, flags[i].name, value, flags[i].ret,
                                        ret_error) < 0)
            return -1;
    }
    return 0;
}

/* A list of positive numbers, or the fallback's three. */
static int list_read(struct pest_control *control, const char *name, const double fallback[3],
                     double **ret_list, size_t *ret_count, struct error *ret_error)
{
    if (pest_control_option_reals(control, name, ret_list, ret_count, ret_error) < 0)
        return -1;
    for (size_t i = 0; i < *ret_count; i++)
        if (!((*ret_list)[i] > 0 && (*ret_list)[i] < INFINITY))
            return wrong(control, name, "a list of numbers above 0", ret_error);
    if (*ret_count > 0)
        return 0;
    free(*ret_list);
    *ret_list = malloc(3 * sizeof **ret_list);
    if (!*ret_list)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the options");
    for (*ret_count = 0; *ret_count < 3; ++*ret_count)
        (*ret_list)[*ret_count] = fallback[*ret_count];
    return 0;
}

static int how_read(struct ies_options *options, struct pest_control *control,
                    struct error *ret_error)
{
    static const char *const names[] = {[IES_FIRST] = "first",
                                        [IES_LAST] = "last",
                                        [IES_RANDOM] = "random",
                                        [IES_PHI_BASED] = "phi_based"};
    const char *text = pest_control_option(control, "ies_subset_how");
    options->subset_how = IES_RANDOM;
    for (int i = 0; text && i < 4; i++)
        if (strcasecmp(text, names[i]) == 0) {
            options->subset_how = (enum ies_subset_how)i;
            return 0;
        }
    return text
               ? wrong(control, "ies_subset_how", "first, last, random or phi_based", ret_error)
               : 0;
}

static int lambdas_read(struct ies_options *options, struct pest_control *control,
                        struct error *ret_error)
{
    static const double multipliers[3] = {0.1, 1, 10}, scales[3] = {0.75, 1, 1.1};
    double older;
    if (list_read(control, "ies_lambda_mults", multipliers, &options->multipliers,
                  &options->multiplier_count, ret_error) < 0 ||
        list_read(control, "lambda_scale_fac", scales, &options->scales, &options->scale_count,
                  ret_error) < 0 ||
        pest_control_option_real(control, "ies_init_lam", 0, &older, ret_error) < 0 ||
        pest_control_option_real(control, "ies_initial_lambda", older, &options->initial_lambda,
                                 ret_error) < 0 ||
        pest_control_option_real(control, "ies_lambda_inc_fac", 10, &options->increase,
                                 ret_error) < 0 ||
        pest_control_option_real(control, "ies_lambda_dec_fac", 0.75, &options->decrease,
                                 ret_error) < 0 ||
        pest_control_option_real(control, "ies_accept_phi_fac", 1.05, &options->accept,
                                 ret_error) < 0 ||
        pest_control_option_integer(control, "ies_subset_size", 4, &options->subset_size,
                                    ret_error) < 0)
        return -1;
    if (!isfinite(options->initial_lambda))
        return wrong(control, "ies_initial_lambda", "a number", ret_error);
    if (!(options->increase > 1 && options->increase < INFINITY))
        return wrong(control, "ies_lambda_inc_fac", "more than 1", ret_error);
    if (!(options->decrease > 0 && options->decrease <= 1))
        return wrong(control, "ies_lambda_dec_fac", "more than 0 and at most 1", ret_error);
    if (!(options->accept >= 1))
        return wrong(control, "ies_accept_phi_fac", "1 or more", ret_error);
    if (options->subset_size < -100)
        return wrong(control, "ies_subset_size",
                     "a number of realisations, or -1 to -100 (percent)", ret_error);
    return how_read(options, control, ret_error);
}

static int limits_read(struct ies_options *options, struct pest_control *control,
                       struct error *ret_error)
{
    double older;
    if (pest_control_option_real(control, "ies_bad_phi", NEVER, &options->bad_phi, ret_error) <
            0 ||
        pest_control_option_real(control, "ies_bad_phi_sigma", NEVER, &options->bad_phi_sigma,
                                 ret_error) < 0 ||
        pest_control_option_real(control, "ies_pdc_sigma_distance", -1,
                                 &options->conflict_sigma, ret_error) < 0 ||
        pest_control_option_real(control, "ies_reg_fac", 0, &older, ret_error) < 0 ||
        pest_control_option_real(control, "ies_reg_factor", older, &options->regul_factor,
                                 ret_error) < 0)
        return -1;
    if (!(options->bad_phi > 0))
        return wrong(control, "ies_bad_phi", "more than 0", ret_error);
    if (isnan(options->bad_phi_sigma) || isnan(options->conflict_sigma))
        return wrong(control, "ies_bad_phi_sigma", "a number", ret_error);
    if (!(options->regul_factor >= 0 && options->regul_factor < INFINITY))
        return wrong(control, "ies_reg_factor", "0 or more", ret_error);
    if (options->bad_phi_sigma >= NEVER)
        options->bad_phi_sigma = 0;
    return 0;
}

/* Options that contradict each other. */
static int sense_check(const struct ies_options *options, const struct pest_control *control,
                       struct error *ret_error)
{
    if (options->no_noise && (options->observation_ensemble || options->obscov))
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: ++ies_no_noise(true) and ++%s(…) contradict each other; take one "
                         "of them out",
                         control->path,
                         options->obscov ? "obscov" : "ies_observation_ensemble");
    if (options->restart_parameter_ensemble && !options->restart_observation_ensemble)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: ++ies_restart_parameter_ensemble(…) needs "
                         "++ies_restart_observation_ensemble(…), what the model said of it",
                         control->path);
    for (size_t g = 0; g < control->observation_group_count; g++)
        if (control->observation_groups[g].covfle)
            return error_set(
                ret_error, ERROR_CONFIG,
                "%s: the observation group \"%s\" has a covariance file, which mode "
                "ies does not use; give weights, and ++obscov(%s) for the noise",
                control->path, control->observation_groups[g].obgnme,
                control->observation_groups[g].covfle);
    return 0;
}

int ies_options_read(struct ies_options *options, struct pest_control *control,
                     struct error *ret_error)
{
    files_read(options, control);
    if (reals_read(options, control, ret_error) < 0 ||
        flags_read(options, control, ret_error) < 0 ||
        lambdas_read(options, control, ret_error) < 0 ||
        limits_read(options, control, ret_error) < 0)
        return -1;
    return sense_check(options, control, ret_error);
}

void ies_options_fini(struct ies_options *options)
{
    free(options->multipliers);
    free(options->scales);
    *options = (struct ies_options){0};
}

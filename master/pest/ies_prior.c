/*
 * The files are read first, since they say how many realisations there are and what they are
 * called; what no file says is drawn. The base realisation comes last, over whatever stood there.
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/ensemble.h"
#include "master/pest/ies_draw.h"
#include "master/pest/ies_prior.h"
#include "master/pest/ies_values.h"
#include "master/pest/matrix.h"

struct work {
    const struct ies_prior_source *source;
    struct ies_ensemble *ensemble;
    struct ensemble parameters, observations; /* as read; zeroed where drawn */
    size_t *address;                          /* scratch for columns or rows */
    double *scratch;
};

static const char *const no_memory = "no memory for an ensemble";

/* --- files -------------------------------------------------------------------------------- */

static int file_load(struct pest_control *control, const char *name, const char *const *names,
                     size_t count, const double *fallback, size_t most, struct ensemble *ret,
                     struct error *ret_error)
{
    char *path = pest_control_path(control, name);
    int rc = path ? ensemble_load(path, names, count, fallback, most, ret, ret_error)
                  : error_set(ret_error, ERROR_SYSTEM, no_memory);
    free(path);
    return rc;
}

/* A log parameter that is not positive has no place in an ensemble. */
static int logs_check(const struct pest_control *control, const char *file,
                      const struct ensemble *read, struct error *ret_error)
{
    for (size_t i = 0; i < read->realisations; i++)
        for (size_t p = 0; p < read->columns; p++) {
            double value = read->values[i * read->columns + p];
            if (control->parameters[p].partrans == PEST_LOG && !(value > 0))
                return error_set(ret_error, ERROR_CONFIG,
                                 "\"%s\": realisation \"%s\" has %g for \"%s\", which is "
                                 "log-transformed and must be more than 0",
                                 file, read->names[i], value, control->parameters[p].parnme);
        }
    return 0;
}

static int parameters_load(const struct ies_prior_source *source, const char *file, size_t most,
                           struct ensemble *ret, struct error *ret_error)
{
    struct pest_control *control = source->control;
    double *fallback = malloc((control->parameter_count + 1) * sizeof *fallback);
    if (!fallback)
        return error_set(ret_error, ERROR_SYSTEM, no_memory);
    for (size_t p = 0; p < control->parameter_count; p++) {
        const struct pest_parameter *parameter = &control->parameters[p];
        bool adjustable = parameter->partrans == PEST_NONE || parameter->partrans == PEST_LOG;
        fallback[p] = adjustable ? NAN : parameter->parval1;
    }
    int rc = file_load(control, file, control->parameter_names, control->parameter_count,
                       fallback, most, ret, ret_error);
    free(fallback);
    return rc == 0 ? logs_check(control, file, ret, ret_error) : -1;
}

/* Observations; those without a weight may be absent and have the measured value then. */
static int observations_load(const struct ies_prior_source *source, const char *file,
                             size_t most, struct ensemble *ret, struct error *ret_error)
{
    struct pest_control *control = source->control;
    double *fallback = malloc((control->observation_count + 1) * sizeof *fallback);
    if (!fallback)
        return error_set(ret_error, ERROR_SYSTEM, no_memory);
    for (size_t o = 0; o < control->observation_count; o++)
        fallback[o] = control->observations[o].obsval;
    for (size_t r = 0; r < source->rows->count; r++)
        fallback[source->rows->observation[r]] = NAN;
    int rc = file_load(control, file, control->observation_names, control->observation_count,
                       fallback, most, ret, ret_error);
    free(fallback);
    return rc;
}

static long name_find(const struct ensemble *read, const char *name)
{
    for (size_t i = 0; i < read->realisations; i++)
        if (strcmp(read->names[i], name) == 0)
            return (long)i;
    return -1;
}

static int files_read(struct work *work, size_t *ret_count, struct error *ret_error)
{
    const struct ies_options *options = work->source->options;
    size_t most = options->reals_given ? options->reals : 0;
    if (options->parameter_ensemble &&
        parameters_load(work->source, options->parameter_ensemble, most, &work->parameters,
                        ret_error) < 0)
        return -1;
    if (options->observation_ensemble &&
        observations_load(work->source, options->observation_ensemble, 0, &work->observations,
                          ret_error) < 0)
        return -1;
    *ret_count = options->parameter_ensemble ? work->parameters.realisations : options->reals;
    if (options->observation_ensemble && !options->parameter_ensemble && !options->reals_given)
        *ret_count = work->observations.realisations;
    if (*ret_count < 3)
        return error_set(ret_error, ERROR_CONFIG,
                         "\"%s\" has %zu realisations; at least 3 are needed",
                         options->parameter_ensemble ? options->parameter_ensemble
                                                     : options->observation_ensemble,
                         *ret_count);
    if (options->observation_ensemble && work->observations.realisations < *ret_count)
        return error_set(ret_error, ERROR_CONFIG,
                         "\"%s\" has %zu realisations, but there are %zu of the parameters; "
                         "give as many, or ++ies_num_reals(%zu)",
                         options->observation_ensemble, work->observations.realisations,
                         *ret_count, work->observations.realisations);
    return 0;
}

/* --- parameters --------------------------------------------------------------------------- */

/* "0" to "count - 1"; the last is "base" where that is asked for and no file says what it is. */
static const char *own_name(const struct ies_options *options, size_t index, size_t count,
                            char text[32])
{
    snprintf(text, 32, "%zu", index);
    return options->add_base && index + 1 == count ? IES_BASE : text;
}

static void control_values(const struct pest_control *control, double *values)
{
    for (size_t p = 0; p < control->parameter_count; p++)
        values[p] = control->parameters[p].parval1;
}

static int values_draw(struct work *work, size_t index, struct error *ret_error)
{
    const struct ies_prior_source *source = work->source;
    const struct glm_parameters *parameters = source->parameters;
    double *values = ies_ensemble_values(work->ensemble, index);
    for (size_t c = 0; c < parameters->count; c++)
        work->address[c] = (size_t)parameters->index[c];
    if (ies_draw(source->covariance, source->options->seed, IES_STREAM_PARAMETERS,
                 work->address, index, work->scratch, ret_error) < 0)
        return -1;
    control_values(source->control, values);
    for (size_t c = 0; c < parameters->count; c++)
        work->scratch[c] +=
            glm_parameters_transform(parameters, c, values[parameters->index[c]]);
    ies_values_expand(parameters, work->scratch, false, values);
    return 0;
}

static int values_make(struct work *work, struct error *ret_error)
{
    struct ies_ensemble *ensemble = work->ensemble;
    bool read = work->parameters.values != NULL;
    if (!read && covariance_factor(work->source->covariance, ret_error) < 0)
        return error_prefix(ret_error, "the prior covariance of parameters");
    for (size_t i = 0; i < ensemble->count; i++) {
        char text[32];
        const char *name = read ? work->parameters.names[i]
                                : own_name(work->source->options, i, ensemble->count, text);
        if (ies_ensemble_name(ensemble, i, name, name, ret_error) < 0)
            return -1;
        if (read)
            memcpy(ies_ensemble_values(ensemble, i),
                   work->parameters.values + i * ensemble->parameter_count,
                   ensemble->parameter_count * sizeof(double));
        else if (strcmp(name, IES_BASE) == 0)
            control_values(work->source->control, ies_ensemble_values(ensemble, i));
        else if (values_draw(work, i, ret_error) < 0)
            return -1;
    }
    return 0;
}

/* --- targets ------------------------------------------------------------------------------ */

static void targets_measured(const struct pest_control *control, double *target)
{
    for (size_t o = 0; o < control->observation_count; o++)
        target[o] = control->observations[o].obsval;
}

/* Of noise: ++obscov, and 1 / weight² where that says nothing. In the order of the rows. */
static struct covariance *noise_covariance(const struct ies_prior_source *source,
                                           struct error *ret_error)
{
    const struct ies_rows *rows = source->rows;
    struct covariance *covariance = NULL, *whole = NULL;
    const char **names = malloc((rows->count + 1) * sizeof *names);
    double *variances = malloc((rows->count + 1) * sizeof *variances);
    char *path = source->options->obscov
                     ? pest_control_path(source->control, source->options->obscov)
                     : NULL;
    for (size_t r = 0; names && variances && r < rows->count; r++) {
        names[r] = source->control->observation_names[rows->observation[r]];
        variances[r] = 1 / (rows->weight[r] * rows->weight[r]);
    }
    if (!names || !variances || (source->options->obscov && !path))
        error_set(ret_error, ERROR_SYSTEM, no_memory);
    else if (!path)
        covariance = covariance_from_variances(names, variances, rows->count, ret_error);
    else if ((whole = covariance_read(path, MATRIX_BYTES_MAX, ret_error)))
        covariance = covariance_select(whole, names, rows->count, variances, ret_error);
    if (covariance && covariance_factor(covariance, ret_error) < 0) {
        error_prefix(ret_error, "the covariance of observation noise");
        covariance_free(covariance);
        covariance = NULL;
    }
    covariance_free(whole);
    free(names);
    free(variances);
    free(path);
    return covariance;
}

static int targets_draw(struct work *work, struct error *ret_error)
{
    const struct ies_prior_source *source = work->source;
    const struct ies_rows *rows = source->rows;
    struct ies_ensemble *ensemble = work->ensemble;
    struct covariance *covariance = NULL;
    int rc = 0;
    if (!source->options->no_noise && rows->count > 0 &&
        !(covariance = noise_covariance(source, ret_error)))
        return -1;
    for (size_t r = 0; r < rows->count; r++)
        work->address[r] = rows->observation[r];
    for (size_t i = 0; rc == 0 && i < ensemble->count; i++) {
        double *target = ies_ensemble_target(ensemble, i);
        targets_measured(source->control, target);
        if (!covariance || strcmp(ies_ensemble_parameter_name(ensemble, i), IES_BASE) == 0)
            continue;
        rc = ies_draw(covariance, source->options->seed, IES_STREAM_NOISE, work->address, i,
                      work->scratch, ret_error);
        for (size_t r = 0; rc == 0 && r < rows->count; r++)
            target[rows->observation[r]] += work->scratch[r];
    }
    covariance_free(covariance);
    return rc;
}

/* A file's realisations go by name if it has all the names, else in order. */
static int targets_take(struct work *work, struct error *ret_error)
{
    struct ies_ensemble *ensemble = work->ensemble;
    const struct ensemble *read = &work->observations;
    bool named = true;
    for (size_t i = 0; named && i < ensemble->count; i++)
        named = name_find(read, ies_ensemble_parameter_name(ensemble, i)) >= 0;
    for (size_t i = 0; i < ensemble->count; i++) {
        const char *name = ies_ensemble_parameter_name(ensemble, i);
        size_t from = named ? (size_t)name_find(read, name) : i;
        double *target = ies_ensemble_target(ensemble, i);
        bool base = strcmp(name, IES_BASE) == 0;
        memcpy(target, read->values + from * ensemble->observation_count,
               ensemble->observation_count * sizeof *target);
        if (base && !named)
            targets_measured(work->source->control, target);
        if (!base && ies_ensemble_name(ensemble, i, name, read->names[from], ret_error) < 0)
            return -1;
    }
    return 0;
}

/* --- base, bounds, restart ---------------------------------------------------------------- */

/* Where files know no base realisation, it takes the last one's place. */
static int base_add(struct work *work, struct error *ret_error)
{
    struct ies_ensemble *ensemble = work->ensemble;
    const struct ies_options *options = work->source->options;
    size_t last = ensemble->count - 1;
    if (!options->add_base || options->restart_observation_ensemble ||
        ies_ensemble_base(ensemble) >= 0)
        return 0;
    control_values(work->source->control, ies_ensemble_values(ensemble, last));
    return ies_ensemble_name(ensemble, last, IES_BASE, IES_BASE, ret_error);
}

static void values_settle(struct work *work)
{
    struct ies_ensemble *ensemble = work->ensemble;
    const struct ies_options *options = work->source->options;
    bool enforce = options->enforce_bounds && !options->restart_observation_ensemble;
    for (size_t i = 0; i < ensemble->count; i++)
        ies_values_settle(work->source->parameters, enforce, ies_ensemble_values(ensemble, i));
    memcpy(ensemble->prior, ensemble->values,
           ensemble->count * ensemble->parameter_count * sizeof *ensemble->prior);
}

/* Results of earlier runs; realisations that are not among them are left out. */
static int simulated_take(struct work *work, struct error *ret_error)
{
    struct ies_ensemble *ensemble = work->ensemble;
    struct ensemble read = {0};
    const char *file = work->source->options->restart_observation_ensemble;
    bool *dropped = calloc(ensemble->count + 1, sizeof *dropped);
    size_t found = 0;
    int rc = dropped ? observations_load(work->source, file, 0, &read, ret_error)
                     : error_set(ret_error, ERROR_SYSTEM, no_memory);
    for (size_t i = 0; rc == 0 && i < ensemble->count; i++) {
        long from = name_find(&read, ies_ensemble_observation_name(ensemble, i));
        if (from < 0)
            from = name_find(&read, ies_ensemble_parameter_name(ensemble, i));
        dropped[i] = from < 0;
        found += !dropped[i];
        if (!dropped[i])
            memcpy(ies_ensemble_simulated(ensemble, i),
                   read.values + (size_t)from * ensemble->observation_count,
                   ensemble->observation_count * sizeof(double));
    }
    if (rc == 0 && found < read.realisations)
        rc =
            error_set(ret_error, ERROR_CONFIG,
                      "\"%s\" has %zu realisations, of which only %zu are called as one of the "
                      "parameters' is",
                      file, read.realisations, found);
    if (rc == 0)
        ies_ensemble_drop(ensemble, dropped);
    ensemble_fini(&read);
    free(dropped);
    return rc;
}

/* The parameters with which they were run. */
static int restarted_values(struct work *work, struct error *ret_error)
{
    struct ies_ensemble *ensemble = work->ensemble;
    struct ensemble read = {0};
    const char *file = work->source->options->restart_parameter_ensemble;
    int rc = parameters_load(work->source, file, 0, &read, ret_error);
    for (size_t i = 0; rc == 0 && i < ensemble->count; i++) {
        const char *name = ies_ensemble_parameter_name(ensemble, i);
        long from = name_find(&read, name);
        double *values = ies_ensemble_values(ensemble, i);
        if (from < 0) {
            rc = error_set(ret_error, ERROR_CONFIG,
                           "\"%s\" has no realisation \"%s\", of which there is a result", file,
                           name);
            break;
        }
        memcpy(values, read.values + (size_t)from * ensemble->parameter_count,
               ensemble->parameter_count * sizeof *values);
        ies_values_settle(work->source->parameters, false, values);
    }
    ensemble_fini(&read);
    return rc;
}

static int ensemble_make(struct work *work, size_t count, struct error *ret_error)
{
    const struct ies_prior_source *source = work->source;
    const struct pest_control *control = source->control;
    if (ies_ensemble_init(work->ensemble, control->parameter_count, control->observation_count,
                          count, ret_error) < 0 ||
        values_make(work, ret_error) < 0 || base_add(work, ret_error) < 0)
        return -1;
    values_settle(work);
    if ((work->observations.values ? targets_take(work, ret_error)
                                   : targets_draw(work, ret_error)) < 0)
        return -1;
    if (source->options->restart_observation_ensemble && simulated_take(work, ret_error) < 0)
        return -1;
    return source->options->restart_parameter_ensemble ? restarted_values(work, ret_error) : 0;
}

int ies_prior_make(const struct ies_prior_source *source, struct ies_ensemble *ensemble,
                   struct error *ret_error)
{
    struct work work = {.source = source, .ensemble = ensemble};
    size_t most = source->parameters->count > source->rows->count ? source->parameters->count
                                                                  : source->rows->count;
    size_t count = 0;
    work.address = calloc(most + 1, sizeof *work.address);
    work.scratch = calloc(most + 1, sizeof *work.scratch);
    int rc = work.address && work.scratch ? files_read(&work, &count, ret_error)
                                          : error_set(ret_error, ERROR_SYSTEM, no_memory);
    if (rc == 0)
        rc = ensemble_make(&work, count, ret_error);
    ensemble_fini(&work.parameters);
    ensemble_fini(&work.observations);
    free(work.address);
    free(work.scratch);
    return rc;
}

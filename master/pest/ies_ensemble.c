#include "config.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/ies_ensemble.h"
#include "master/pest/ies_options.h"

static double *matrix_make(size_t rows, size_t columns, double value)
{
    if (columns > 0 && rows > SIZE_MAX / sizeof(double) / columns)
        return NULL;
    double *matrix = malloc(rows * columns * sizeof *matrix + 1);
    for (size_t i = 0; matrix && i < rows * columns; i++)
        matrix[i] = value;
    return matrix;
}

int ies_ensemble_init(struct ies_ensemble *ensemble, size_t parameter_count,
                      size_t observation_count, size_t count, struct error *ret_error)
{
    *ensemble = (struct ies_ensemble){.parameter_count = parameter_count,
                                      .observation_count = observation_count,
                                      .count = count,
                                      .first_count = count};
    ensemble->parameter_names = calloc(count + 1, sizeof *ensemble->parameter_names);
    ensemble->observation_names = calloc(count + 1, sizeof *ensemble->observation_names);
    ensemble->origin = calloc(count + 1, sizeof *ensemble->origin);
    ensemble->values = matrix_make(count, parameter_count, 0);
    ensemble->prior = matrix_make(count, parameter_count, 0);
    ensemble->target = matrix_make(count, observation_count, 0);
    ensemble->simulated = matrix_make(count, observation_count, NAN);
    if (ensemble->parameter_names && ensemble->observation_names && ensemble->origin &&
        ensemble->values && ensemble->prior && ensemble->target && ensemble->simulated) {
        for (size_t i = 0; i < count; i++)
            ensemble->origin[i] = i;
        return 0;
    }
    ies_ensemble_fini(ensemble);
    return error_set(ret_error, ERROR_SYSTEM,
                     "no memory for %zu realisations of %zu parameters and %zu observations "
                     "(%.1f GiB)",
                     count, parameter_count, observation_count,
                     (double)count * (double)(parameter_count + observation_count) * 16 /
                         (1 << 30));
}

void ies_ensemble_fini(struct ies_ensemble *ensemble)
{
    for (size_t i = 0; i < ensemble->first_count; i++) {
        if (ensemble->parameter_names)
            free(ensemble->parameter_names[i]);
        if (ensemble->observation_names)
            free(ensemble->observation_names[i]);
    }
    free(ensemble->parameter_names);
    free(ensemble->observation_names);
    free(ensemble->origin);
    free(ensemble->values);
    free(ensemble->prior);
    free(ensemble->target);
    free(ensemble->simulated);
    *ensemble = (struct ies_ensemble){0};
}

int ies_ensemble_name(struct ies_ensemble *ensemble, size_t index, const char *parameter_name,
                      const char *observation_name, struct error *ret_error)
{
    size_t origin = ensemble->origin[index];
    char *parameter = strdup(parameter_name), *observation = strdup(observation_name);
    free(ensemble->parameter_names[origin]);
    free(ensemble->observation_names[origin]);
    ensemble->parameter_names[origin] = parameter;
    ensemble->observation_names[origin] = observation;
    if (parameter && observation)
        return 0;
    return error_set(ret_error, ERROR_SYSTEM, "no memory for the names of realisations");
}

const char *ies_ensemble_parameter_name(const struct ies_ensemble *ensemble, size_t index)
{
    return ensemble->parameter_names[ensemble->origin[index]];
}

const char *ies_ensemble_observation_name(const struct ies_ensemble *ensemble, size_t index)
{
    return ensemble->observation_names[ensemble->origin[index]];
}

double *ies_ensemble_values(const struct ies_ensemble *ensemble, size_t index)
{
    return ensemble->values + index * ensemble->parameter_count;
}

double *ies_ensemble_prior(const struct ies_ensemble *ensemble, size_t index)
{
    return ensemble->prior + index * ensemble->parameter_count;
}

double *ies_ensemble_target(const struct ies_ensemble *ensemble, size_t index)
{
    return ensemble->target + index * ensemble->observation_count;
}

double *ies_ensemble_simulated(const struct ies_ensemble *ensemble, size_t index)
{
    return ensemble->simulated + index * ensemble->observation_count;
}

long ies_ensemble_base(const struct ies_ensemble *ensemble)
{
    for (size_t i = 0; i < ensemble->count; i++)
        if (strcmp(ies_ensemble_parameter_name(ensemble, i), IES_BASE) == 0)
            return (long)i;
    return -1;
}

static void row_move(double *matrix, size_t columns, size_t to, size_t from)
{
    memmove(matrix + to * columns, matrix + from * columns, columns * sizeof *matrix);
}

void ies_ensemble_drop(struct ies_ensemble *ensemble, const bool *dropped)
{
    size_t kept = 0;
    for (size_t i = 0; i < ensemble->count; i++) {
        if (dropped[i])
            continue;
        ensemble->origin[kept] = ensemble->origin[i];
        row_move(ensemble->values, ensemble->parameter_count, kept, i);
        row_move(ensemble->prior, ensemble->parameter_count, kept, i);
        row_move(ensemble->target, ensemble->observation_count, kept, i);
        row_move(ensemble->simulated, ensemble->observation_count, kept, i);
        kept++;
    }
    ensemble->count = kept;
}

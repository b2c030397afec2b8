/* fosm_write.c - the files of PEST++. */
#include "config.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/csv.h"
#include "common/whole.h"
#include "master/pest/fosm.h"
#include "master/pest/matrix_private.h"

#define SUMMARY_HEADER                                                                         \
    "name,prior_mean,prior_stdev,prior_lower_bound,prior_upper_bound,post_mean,post_stdev,"    \
    "post_lower_bound,post_upper_bound\n"

static char *path_make(const char *base, const char *end, struct error *ret_error)
{
    char *path;
    if (asprintf(&path, "%s%s", base, end) < 0) {
        error_set(ret_error, ERROR_SYSTEM, "there is no memory for a path");
        return NULL;
    }
    return path;
}

static int file_open(struct whole *whole, const char *base, const char *end,
                     struct error *ret_error)
{
    char *path = path_make(base, end, ret_error);
    int result = path ? whole_open(whole, path, ret_error) : -1;
    free(path);
    return result;
}

/* Put it in its place, unless a name could not be written for want of memory. */
static int file_close(struct whole *whole, int result, struct error *ret_error)
{
    if (result != 0) {
        whole_abandon(whole);
        return error_set(ret_error, ERROR_SYSTEM, "there is no memory for a summary");
    }
    return whole_commit(whole, ret_error);
}

static void real_put(FILE *stream, double value)
{
    putc(',', stream);
    matrix_put_number(stream, value);
}

/* Mean, deviation, and the bounds two deviations from the mean. */
static void range_put(FILE *stream, double mean, double deviation)
{
    real_put(stream, mean);
    real_put(stream, deviation);
    real_put(stream, mean - 2 * deviation);
    real_put(stream, mean + 2 * deviation);
}

int fosm_write_covariance(const struct fosm *fosm, const char *base, struct error *ret_error)
{
    struct covariance posterior = *fosm_prior(fosm);
    char *path = path_make(base, ".post.cov", ret_error);
    if (!path) {
        return -1;
    }
    /* Names of the prior, values of the posterior, which are read alone. */
    posterior.diagonal = false;
    posterior.values = (double *)(uintptr_t)fosm_posterior(fosm);
    posterior.factor = NULL;
    int result = covariance_write(&posterior, path, ret_error);
    free(path);
    return result;
}

int fosm_write_parameters(const struct fosm *fosm, const struct pest_control *control,
                          const size_t *parameters, const double *initial, const double *final,
                          const char *base, struct error *ret_error)
{
    struct whole whole;
    int result = 0;
    if (file_open(&whole, base, ".par.usum.csv", ret_error) != 0) {
        return -1;
    }
    fputs(SUMMARY_HEADER, whole.stream);
    for (size_t i = 0; i < fosm_prior(fosm)->count; i++) {
        const struct pest_parameter *parameter = &control->parameters[parameters[i]];
        bool log = parameter->partrans == PEST_LOG;
        result |= csv_print_field(whole.stream, parameter->parnme);
        range_put(whole.stream, log ? log10(initial[i]) : initial[i],
                  fosm_prior_deviation(fosm, i));
        range_put(whole.stream, log ? log10(final[i]) : final[i],
                  fosm_posterior_deviation(fosm, i));
        putc('\n', whole.stream);
    }
    return file_close(&whole, result, ret_error);
}

int fosm_write_predictions(const struct fosm_prediction *predictions, size_t count,
                           const char *base, struct error *ret_error)
{
    struct whole whole;
    int result = 0;
    if (file_open(&whole, base, ".pred.usum.csv", ret_error) != 0) {
        return -1;
    }
    fputs(SUMMARY_HEADER, whole.stream);
    for (size_t i = 0; i < count; i++) {
        result |= csv_print_field(whole.stream, predictions[i].name);
        range_put(whole.stream, predictions[i].prior_mean, predictions[i].prior_stdev);
        range_put(whole.stream, predictions[i].post_mean, predictions[i].post_stdev);
        putc('\n', whole.stream);
    }
    return file_close(&whole, result, ret_error);
}

int fosm_write_identifiability(const struct pest_control *control, const size_t *parameters,
                               const double *identifiability, size_t count, const char *base,
                               struct error *ret_error)
{
    struct whole whole;
    int result = 0;
    if (file_open(&whole, base, ".ident.csv", ret_error) != 0) {
        return -1;
    }
    fputs("name,identifiability\n", whole.stream);
    for (size_t i = 0; i < count; i++) {
        result |= csv_print_field(whole.stream, control->parameters[parameters[i]].parnme);
        real_put(whole.stream, identifiability[i]);
        putc('\n', whole.stream);
    }
    return file_close(&whole, result, ret_error);
}

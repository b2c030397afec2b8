/* glm_posterior.c - see glm_posterior.h. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/ensemble.h"
#include "master/pest/glm_posterior.h"
#include "master/pest/ies_draw.h"

/* Realisation `number`, transformed, into `drawn`, and its values into the wave to come. */
static int draw_one(struct estimator *estimator, const struct covariance *posterior,
                    const size_t *addresses, size_t number, double *drawn,
                    struct error *ret_error)
{
    size_t count = estimator->control->parameter_count;

    if (ies_draw(posterior, estimator->options.seed, IES_STREAM_POSTERIOR, addresses, number,
                 drawn, ret_error) != 0)
        return -1;
    for (size_t c = 0; c < posterior->count; c++)
        drawn[c] += estimator->best.transformed[c];
    glm_parameters_expand_from(&estimator->parameters, estimator->best.transformed,
                               estimator->best.point.parameters, drawn,
                               estimator->posterior + number * count);
    return 0;
}

static int draw_all(struct estimator *estimator, struct covariance *posterior,
                    struct error *ret_error)
{
    size_t n = posterior->count, reals = (size_t)estimator->options.reals;
    size_t *addresses = malloc((n + 1) * sizeof *addresses);
    double *drawn = malloc((n + 1) * sizeof *drawn);
    int failed = 0;

    estimator->posterior =
        malloc(reals * estimator->control->parameter_count * sizeof *estimator->posterior);
    if (!addresses || !drawn || !estimator->posterior)
        failed = error_set(ret_error, ERROR_SYSTEM,
                           "no memory for %zu posterior realisations of %zu parameters", reals,
                           estimator->control->parameter_count);
    for (size_t c = 0; !failed && c < n; c++)
        addresses[c] = (size_t)estimator->parameters.index[c];
    for (size_t r = 0; !failed && r < reals; r++)
        failed = draw_one(estimator, posterior, addresses, r, drawn, ret_error);
    free(drawn);
    free(addresses);
    return failed;
}

int glm_posterior_draw(struct estimator *estimator, const struct fosm *fosm,
                       struct error *ret_error)
{
    size_t n = estimator->parameters.count;
    char **names = malloc((n + 1) * sizeof *names);
    /* Borrowed, but for the factor. */
    struct covariance posterior = {
        .count = n, .names = names, .values = (double *)(void *)(size_t)fosm_posterior(fosm)};
    struct error why = {0};
    int failed = 0;

    if (!names)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu parameters", n);
    for (size_t c = 0; c < n; c++)
        names[c] = estimator->control->parameters[estimator->parameters.index[c]].parnme;
    if (covariance_factor(&posterior, &why) == 0)
        failed = draw_all(estimator, &posterior, ret_error);
    else
        glm_say(estimator, "no posterior realisations are drawn: %s", why.text);
    free(posterior.factor);
    free(names);
    return failed;
}

/* Rows of `values` (row_length apart) whose runs did not fail, in a file. */
static int file_put(struct estimator *estimator, const char *what, const char *const *names,
                    const double *values, size_t columns, const bool *failed,
                    struct error *ret_error)
{
    bool binary = estimator->options.save_binary;
    struct ensemble_writer *writer;
    char *path = NULL;
    int wrong = 0;

    if (!estimator->context.output_base)
        return 0;
    if (asprintf(&path, "%s.post.%s.%s", estimator->context.output_base, what,
                 binary ? "jcb" : "csv") < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    writer = ensemble_create(path, binary ? ENSEMBLE_BINARY : ENSEMBLE_CSV, names, columns,
                             ret_error);
    for (size_t r = 0; writer && !wrong && r < (size_t)estimator->options.reals; r++) {
        char name[32];

        snprintf(name, sizeof name, "%zu", r);
        if (!failed || !failed[r])
            wrong = ensemble_write(writer, name, values + r * columns, ret_error);
    }
    if (wrong)
        ensemble_abandon(writer);
    else
        wrong = !writer || ensemble_commit(writer, ret_error) != 0;
    free(path);
    return wrong ? -1 : 0;
}

int glm_posterior_plan(struct estimator *estimator, struct wave *wanted,
                       struct error *ret_error)
{
    size_t count = estimator->control->parameter_count;

    for (size_t r = 0; r < (size_t)estimator->options.reals; r++)
        if (wave_add(wanted, estimator->posterior + r * count) < 0)
            return error_set(ret_error, ERROR_SYSTEM,
                             "no memory for the runs of posterior realisations");
    wanted->purpose = "posterior realisations";
    return file_put(estimator, "paren", estimator->control->parameter_names,
                    estimator->posterior, count, NULL, ret_error);
}

int glm_posterior_take(struct estimator *estimator, const struct wave *ended,
                       struct error *ret_error)
{
    free(estimator->posterior);
    estimator->posterior = NULL;
    return file_put(estimator, "obsen", estimator->control->observation_names,
                    ended->observations, estimator->control->observation_count, ended->failed,
                    ret_error);
}

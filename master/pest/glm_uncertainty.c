/* glm_uncertainty.c - see glm_uncertainty.h. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "master/pest/eigen.h"
#include "master/pest/fosm.h"
#include "master/pest/glm_posterior.h"
#include "master/pest/glm_uncertainty.h"

#define PARAMETERS_MAX 10000

/* JᵗQJ of measurements with the weights of fosm_weights. NULL with a sentence. */
static double *normal_make(struct estimator *estimator, struct error *ret_error)
{
    const struct glm_frame *full = &estimator->full;
    struct jacobian_view view = full->view;
    size_t n = full->n, rows = glm_objective_rows(estimator->objective);
    double *normal = malloc((n * n + 1) * sizeof *normal);
    double *weights = malloc((rows + 1) * sizeof *weights);
    int failed = normal && weights ? 0 : -1;

    if (failed) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the uncertainty of %zu parameters",
                  n);
    } else {
        fosm_weights(glm_objective_weights(estimator->objective), estimator->best.residuals,
                     glm_objective_regularisation(estimator->objective), rows, weights);
        view.priors = 0;
        failed = normal_fill(&view, weights, NULL, NORMAL_ALL, normal, ret_error);
    }
    free(weights);
    if (!failed)
        return normal;
    free(normal);
    return NULL;
}

static int parameters_put(struct estimator *estimator, const struct fosm *fosm,
                          const size_t *indices, struct error *ret_error)
{
    const struct glm_parameters *parameters = &estimator->parameters;
    size_t n = parameters->count;
    double *ends = malloc((2 * n + 1) * sizeof *ends);
    int failed;

    if (!ends)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu parameters", n);
    for (size_t c = 0; c < n; c++) {
        ends[c] = parameters->initial[parameters->index[c]];
        ends[n + c] = estimator->best.point.parameters[parameters->index[c]];
    }
    failed = fosm_write_covariance(fosm, estimator->context.output_base, ret_error) != 0 ||
             fosm_write_parameters(fosm, estimator->control, indices, ends, ends + n,
                                   estimator->context.output_base, ret_error) != 0;
    free(ends);
    return failed ? -1 : 0;
}

static void forecast_set(struct estimator *estimator, const struct fosm *fosm, size_t o,
                         double *sensitivities, struct fosm_prediction *prediction)
{
    for (size_t c = 0; c < estimator->full.n; c++)
        sensitivities[c] = estimator->full.columns[c][o];
    prediction->name = estimator->control->observations[o].obsnme;
    prediction->prior_mean = estimator->start_observations[o];
    prediction->post_mean = estimator->best.point.observations[o];
    fosm_forecast(fosm, sensitivities, &prediction->prior_stdev, &prediction->post_stdev);
}

static int forecasts_put(struct estimator *estimator, const struct fosm *fosm,
                         struct error *ret_error)
{
    size_t count = estimator->options.forecast_count;
    double *sensitivities = malloc((estimator->full.n + 1) * sizeof *sensitivities);
    struct fosm_prediction *predictions = calloc(count + 1, sizeof *predictions);
    int failed = 0;

    if (!sensitivities || !predictions)
        failed = error_set(ret_error, ERROR_SYSTEM, "no memory for %zu forecasts", count);
    for (size_t i = 0; !failed && i < count; i++)
        forecast_set(estimator, fosm,
                     (size_t)pest_control_observation(estimator->control,
                                                      estimator->options.forecasts[i]),
                     sensitivities, &predictions[i]);
    if (!failed && count)
        failed = fosm_write_predictions(predictions, count, estimator->context.output_base,
                                        ret_error);
    free(predictions);
    free(sensitivities);
    return failed;
}

/* How many singular values identifiability is about: those that an upgrade would use. */
static size_t rank_count(const struct pest_control *control, const double *values, size_t n)
{
    double threshold = control->svdmode ? control->eigthresh : 1e-6;
    size_t most =
        control->svdmode && (size_t)control->maxsing < n ? (size_t)control->maxsing : n;
    size_t count = 0;

    while (count < most && values[count] > 0.0 && values[count] >= threshold * values[0])
        count++;
    return count;
}

/* The Jacobian has given what it had. */
static void jacobian_free(struct estimator *estimator)
{
    struct glm_frame *full = &estimator->full;

    if (estimator->view.jacobian == full->jacobian)
        estimator->view.jacobian = NULL;
    free(full->jacobian);
    full->jacobian = NULL;
}

/* Takes `normal`: its eigenvectors come in its place. */
static int identifiability_put(struct estimator *estimator, double *normal,
                               const size_t *indices, struct error *ret_error)
{
    size_t n = estimator->full.n;
    double *values = malloc((2 * n + 1) * sizeof *values);
    int failed;

    if (!values)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu parameters", n);
    failed = eigen_decompose(normal, n, values, ret_error);
    if (!failed) {
        fosm_identifiability(normal, n, rank_count(estimator->control, values, n), values + n);
        failed = fosm_write_identifiability(estimator->control, indices, values + n, n,
                                            estimator->context.output_base, ret_error);
    }
    free(values);
    return failed;
}

/* One large matrix after the other. */
static int files_put(struct estimator *estimator, double *normal, const size_t *indices,
                     struct error *ret_error)
{
    struct fosm *fosm = fosm_create(normal, estimator->prior, ret_error);
    int failed =
        !fosm || parameters_put(estimator, fosm, indices, ret_error) != 0 ||
        forecasts_put(estimator, fosm, ret_error) != 0 ||
        (estimator->options.reals > 0 && glm_posterior_draw(estimator, fosm, ret_error) != 0);

    fosm_destroy(fosm);
    if (failed)
        return -1;
    jacobian_free(estimator);
    return identifiability_put(estimator, normal, indices, ret_error);
}

static size_t *indices_make(const struct glm_parameters *parameters, struct error *ret_error)
{
    size_t *indices = malloc((parameters->count + 1) * sizeof *indices);

    if (!indices)
        error_set(ret_error, ERROR_SYSTEM, "no memory for %zu parameters", parameters->count);
    for (size_t c = 0; indices && c < parameters->count; c++)
        indices[c] = (size_t)parameters->index[c];
    return indices;
}

int glm_uncertainty_open(struct estimator *estimator, struct error *ret_error)
{
    struct error why = {0};
    size_t *indices;

    if ((!estimator->options.uncertainty && estimator->options.form != GLM_PRIOR) ||
        estimator->parameters.count > PARAMETERS_MAX || !estimator->parameters.count)
        return 0;
    indices = indices_make(&estimator->parameters, ret_error);
    if (!indices)
        return -1;
    estimator->prior =
        covariance_prior(estimator->control, indices, estimator->parameters.count, &why);
    free(indices);
    if (estimator->prior)
        return 0;
    if (pest_control_option(estimator->control, "parcov") ||
        estimator->options.form == GLM_PRIOR) {
        *ret_error = why;
        return -1;
    }
    glm_say(estimator, "no uncertainty will be told: %s", why.text);
    return 0;
}

int glm_uncertainty(struct estimator *estimator, struct error *ret_error)
{
    const struct glm_frame *full = &estimator->full;
    size_t *indices;
    double *normal;
    int failed = -1;

    if (!estimator->options.uncertainty || !estimator->prior || !full->jacobian ||
        !full->whitened || !estimator->context.output_base)
        return 0;
    indices = indices_make(&estimator->parameters, ret_error);
    normal = indices ? normal_make(estimator, ret_error) : NULL;
    if (normal)
        failed = files_put(estimator, normal, indices, ret_error);
    free(normal);
    free(indices);
    return failed;
}

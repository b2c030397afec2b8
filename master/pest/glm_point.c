/* glm_point.c - see glm_point.h. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "master/pest/glm_point.h"

int glm_known_init(struct glm_known *known, const struct glm_parameters *parameters,
                   struct error *ret_error)
{
    const struct pest_control *control = parameters->control;
    size_t rows = control->observation_count + control->prior_count;

    *known = (struct glm_known){0};
    known->point.parameters = calloc(control->parameter_count + 1, sizeof(double));
    known->point.observations = calloc(control->observation_count + 1, sizeof(double));
    known->point.priors = calloc(control->prior_count + 1, sizeof(double));
    known->point.phi.groups = calloc(control->observation_group_count + 1, sizeof(double));
    known->transformed = calloc(parameters->count + 1, sizeof(double));
    known->residuals = calloc(rows + 1, sizeof(double));
    if (known->point.parameters && known->point.observations && known->point.priors &&
        known->point.phi.groups && known->transformed && known->residuals)
        return 0;
    glm_known_fini(known);
    return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu residuals", rows);
}

void glm_known_fini(struct glm_known *known)
{
    free(known->point.parameters);
    free(known->point.observations);
    free(known->point.priors);
    free(known->point.phi.groups);
    free(known->transformed);
    free(known->residuals);
    *known = (struct glm_known){0};
}

void glm_known_copy(struct glm_known *to, const struct glm_known *from,
                    const struct glm_parameters *parameters)
{
    const struct pest_control *control = parameters->control;
    size_t rows = control->observation_count + control->prior_count;
    double *groups = to->point.phi.groups;

    memcpy(to->point.parameters, from->point.parameters,
           control->parameter_count * sizeof(double));
    memcpy(to->point.observations, from->point.observations,
           control->observation_count * sizeof(double));
    memcpy(to->point.priors, from->point.priors, control->prior_count * sizeof(double));
    memcpy(groups, from->point.phi.groups, control->observation_group_count * sizeof(double));
    to->point.phi = from->point.phi;
    to->point.phi.groups = groups;
    memcpy(to->transformed, from->transformed, parameters->count * sizeof(double));
    memcpy(to->residuals, from->residuals, rows * sizeof(double));
    to->set = from->set;
}

int glm_known_set(struct glm_known *known, const struct glm_parameters *parameters,
                  const struct glm_objective *objective, const double *values,
                  const double *observations, double factor, struct error *ret_error)
{
    const struct pest_control *control = parameters->control;

    memcpy(known->point.parameters, values, control->parameter_count * sizeof(double));
    memcpy(known->point.observations, observations,
           control->observation_count * sizeof(double));
    glm_objective_priors(control, values, known->point.priors);
    glm_parameters_reduce(parameters, values, known->transformed);
    if (glm_objective_residuals(objective, values, observations, known->residuals, ret_error) !=
        0)
        return -1;
    glm_known_reckon(known, objective, factor);
    known->set = true;
    return 0;
}

void glm_known_reckon(struct glm_known *known, const struct glm_objective *objective,
                      double factor)
{
    glm_objective_phi(objective, known->residuals, factor, &known->point.phi);
}

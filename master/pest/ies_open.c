/* ies_open.c - the smoother is built up, and taken down; see ies_private.h. */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "master/pest/covariance.h"
#include "master/pest/ies.h"
#include "master/pest/ies_prior.h"
#include "master/pest/ies_private.h"

static int no_memory(struct error *ret_error)
{
    return error_set(ret_error, ERROR_SYSTEM, "no memory for the smoother");
}

void ies_close(struct estimator *ies)
{
    if (!ies)
        return;
    ies_report_close(ies->report);
    ies_search_fini(&ies->search);
    ies_frame_fini(&ies->frame);
    ies_stop_fini(&ies->stop);
    ies_classes_free(ies);
    localizer_free(ies->localizer);
    ies_ensemble_fini(&ies->ensemble);
    ies_rows_fini(&ies->rows);
    glm_parameters_fini(&ies->parameters);
    ies_options_fini(&ies->options);
    free(ies->deviations);
    free(ies->phi);
    free(ies);
}

static struct covariance *covariance_open(struct estimator *ies, struct error *ret_error)
{
    size_t count = ies->parameters.count;
    size_t *list = malloc((count + 1) * sizeof *list);
    struct covariance *covariance = NULL;
    ies->deviations = malloc((count + 1) * sizeof *ies->deviations);
    if (!list || !ies->deviations) {
        no_memory(ret_error);
    } else {
        for (size_t c = 0; c < count; c++)
            list[c] = (size_t)ies->parameters.index[c];
        covariance = covariance_prior(ies->context.control, list, count, ret_error);
    }
    for (size_t c = 0; covariance && c < count; c++)
        ies->deviations[c] = sqrt(covariance->values[covariance->diagonal ? c : c + c * count]);
    free(list);
    return covariance;
}

static int prior_open(struct estimator *ies, struct error *ret_error)
{
    struct covariance *covariance = covariance_open(ies, ret_error);
    if (!covariance)
        return -1;
    const struct ies_prior_source source = {.control = ies->context.control,
                                            .options = &ies->options,
                                            .parameters = &ies->parameters,
                                            .covariance = covariance,
                                            .rows = &ies->rows};
    int rc = ies_prior_make(&source, &ies->ensemble, ret_error);
    covariance_free(covariance);
    if (rc < 0)
        return -1;
    if (ies->ensemble.count < IES_REALS_MIN)
        return error_set(
            ret_error, ERROR_CONFIG,
            "%zu realisations are both in \"%s\" and among the parameters'; at least "
            "%d are needed",
            ies->ensemble.count, ies->options.restart_observation_ensemble, IES_REALS_MIN);
    ies->phi = calloc(ies->ensemble.count + 1, sizeof *ies->phi);
    return ies->phi ? 0 : no_memory(ret_error);
}

static int localizer_open(struct estimator *ies, struct error *ret_error)
{
    char *path = pest_control_path(ies->context.control, ies->options.localizer);
    if (!path)
        return no_memory(ret_error);
    ies->localizer = localizer_read(path, ies->context.control, ret_error);
    free(path);
    return ies->localizer ? 0 : -1;
}

static int report_open(struct estimator *ies, struct error *ret_error)
{
    const struct ies_report_source source = {.output_base = ies->context.output_base,
                                             .control = ies->context.control,
                                             .options = &ies->options,
                                             .judge = &ies->judge,
                                             .ensemble = &ies->ensemble};
    ies->report = ies_report_open(&source, ret_error);
    return ies->report ? 0 : -1;
}

/* What the localizer leaves out is likely a mistake. */
static void localizer_tell(struct estimator *ies)
{
    size_t observations = localizer_uncovered_observations(ies->localizer);
    size_t parameters = localizer_uncovered_parameters(ies->localizer);
    if (observations || parameters)
        ies_say(ies,
                "++ies_localizer(%s) names neither %zu of the observations with a weight nor "
                "%zu of "
                "the adjustable parameters: they have no part in the update",
                ies->options.localizer, observations, parameters);
}

static int open_all(struct estimator *ies, struct error *ret_error)
{
    struct pest_control *control = ies->context.control;
    if (control->observation_count == 0)
        return error_set(ret_error, ERROR_CONFIG, "%s: there are no observations",
                         control->path);
    if (ies_options_read(&ies->options, control, ret_error) < 0 ||
        glm_parameters_init(&ies->parameters, control, ies->options.enforce_tied, ret_error) <
            0 ||
        ies_rows_init(&ies->rows, control, ret_error) < 0)
        return -1;
    ies->parameters.written = ies->context.written;
    ies->parameters.written_context = ies->context.written_context;
    if (ies->options.localizer && localizer_open(ies, ret_error) < 0)
        return -1;
    if (control->noptmax != 0 && prior_open(ies, ret_error) < 0)
        return -1;
    ies->judge = (struct ies_judge){.rows = &ies->rows,
                                    .parameters = &ies->parameters,
                                    .deviations = ies->deviations,
                                    .regul_factor = ies->options.regul_factor};
    if (ies->context.plan_only)
        return 0;
    if (report_open(ies, ret_error) < 0)
        return -1;
    if (ies->localizer)
        localizer_tell(ies);
    return 0;
}

struct estimator *ies_open(const struct estimator_context *context, struct error *ret_error)
{
    struct estimator *ies = calloc(1, sizeof *ies);
    if (!ies) {
        no_memory(ret_error);
        return NULL;
    }
    ies->context = *context;
    ies->lambda = NAN;
    if (open_all(ies, ret_error) == 0)
        return ies;
    ies_close(ies);
    return NULL;
}

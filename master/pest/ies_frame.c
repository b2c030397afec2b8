/* ies_frame.c - what an update is made from, and the runs that it proposes; see ies_private.h. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "master/pest/ies_private.h"
#include "master/pest/ies_values.h"

static int no_memory(struct error *ret_error)
{
    return error_set(ret_error, ERROR_SYSTEM, "no memory for an iteration of the smoother");
}

void ies_frame_fini(struct ies_frame *frame)
{
    free(frame->parameters);
    free(frame->offset);
    free(frame->prior);
    free(frame->simulated);
    free(frame->residuals);
    *frame = (struct ies_frame){0};
}

static int frame_allocate(struct estimator *ies, struct error *ret_error)
{
    struct ies_frame *frame = &ies->frame;
    size_t count = ies->ensemble.count, columns = ies->parameters.count;
    size_t size = (count * columns + 1) * sizeof(double);
    size_t rows = (count * ies->rows.count + 1) * sizeof(double);
    ies_frame_fini(frame);
    frame->parameters = malloc(size);
    frame->simulated = malloc(rows);
    frame->residuals = malloc(rows);
    if (!ies->options.approx) {
        frame->offset = malloc(size);
        frame->prior = malloc(size);
    }
    if (!frame->parameters || !frame->simulated || !frame->residuals ||
        (!ies->options.approx && (!frame->offset || !frame->prior)))
        return no_memory(ret_error);
    return 0;
}

static void realisation_fill(struct estimator *ies, size_t i)
{
    struct ies_frame *frame = &ies->frame;
    size_t columns = ies->parameters.count, rows = ies->rows.count;
    const double *simulated = ies_ensemble_simulated(&ies->ensemble, i);
    double *parameters = frame->parameters + i * columns;
    glm_parameters_reduce(&ies->parameters, ies_ensemble_values(&ies->ensemble, i), parameters);
    if (frame->prior) {
        double *prior = frame->prior + i * columns;
        glm_parameters_reduce(&ies->parameters, ies_ensemble_prior(&ies->ensemble, i), prior);
        for (size_t c = 0; c < columns; c++)
            frame->offset[i * columns + c] = parameters[c] - prior[c];
    }
    for (size_t r = 0; r < rows; r++)
        frame->simulated[i * rows + r] = simulated[ies->rows.observation[r]];
    ies_rows_residuals(&ies->rows, simulated, ies_ensemble_target(&ies->ensemble, i),
                       frame->residuals + i * rows);
}

int ies_frame_make(struct estimator *ies, struct error *ret_error)
{
    struct ies_frame *frame = &ies->frame;
    if (frame_allocate(ies, ret_error) < 0)
        return -1;
    for (size_t i = 0; i < ies->ensemble.count; i++)
        realisation_fill(ies, i);
    frame->problem = (struct ies_update_problem){
        .columns = ies->parameters.count,
        .rows = ies->rows.count,
        .count = ies->ensemble.count,
        .parameters = frame->parameters,
        .offset = frame->offset,
        .prior = frame->prior,
        .deviations = ies->options.prior_scaling ? ies->deviations : NULL,
        .simulated = frame->simulated,
        .residuals = frame->residuals,
        .weights = ies->rows.weight,
        .maxsing = (size_t)ies->context.control->maxsing,
        .eigthresh = ies->context.control->eigthresh,
        .classes = ies->localizer ? ies->classes : NULL,
        .class_count = ies->class_count};
    return 0;
}

/* --- classes of a localizer --------------------------------------------------------------- */

void ies_classes_free(struct estimator *ies)
{
    for (size_t i = 0; ies->classes && i < ies->class_count; i++) {
        free((void *)ies->classes[i].parameters);
        free((void *)ies->classes[i].factors);
    }
    free(ies->classes);
    ies->classes = NULL;
    ies->class_count = 0;
}

/* The classes with columns: lists of them, in order; places[number] is where. */
static int lists_make(struct estimator *ies, const long *class_of, size_t most, size_t *sizes,
                      size_t *places, struct error *ret_error)
{
    const struct glm_parameters *parameters = &ies->parameters;
    for (size_t c = 0; c < parameters->count; c++)
        if (class_of[parameters->index[c]] >= 0)
            sizes[class_of[parameters->index[c]]]++;
    for (size_t i = 0; i < most; i++) {
        if (sizes[i] == 0)
            continue;
        places[i] = ies->class_count++;
        struct ies_class *class = &ies->classes[places[i]];
        class->parameters = malloc(sizes[i] * sizeof(size_t));
        class->factors = malloc((ies->rows.count + 1) * sizeof(double));
        if (!class->parameters || !class->factors)
            return no_memory(ret_error);
    }
    for (size_t c = 0; c < parameters->count; c++) {
        long number = class_of[parameters->index[c]];
        if (number < 0)
            continue;
        struct ies_class *class = &ies->classes[places[number]];
        ((size_t *)class->parameters)[class->parameter_count++] = c;
    }
    return 0;
}

int ies_classes_make(struct estimator *ies, struct error *ret_error)
{
    size_t most = localizer_class_count(ies->localizer);
    long *class_of = calloc(ies->context.control->parameter_count + 1, sizeof *class_of);
    size_t *sizes = calloc(most + 1, sizeof *sizes), *places = calloc(most + 1, sizeof *places);
    int rc = -1;
    ies_classes_free(ies);
    ies->classes = calloc(most + 1, sizeof *ies->classes);
    if (class_of && sizes && places && ies->classes) {
        localizer_classes(ies->localizer, class_of);
        rc = lists_make(ies, class_of, most, sizes, places, ret_error);
    } else {
        no_memory(ret_error);
    }
    for (size_t i = 0; rc == 0 && i < ies->class_count; i++)
        localizer_column(
            ies->localizer, (size_t)ies->parameters.index[ies->classes[i].parameters[0]],
            ies->rows.observation, ies->rows.count, (double *)ies->classes[i].factors);
    free(class_of);
    free(sizes);
    free(places);
    return rc;
}

/* --- proposals ---------------------------------------------------------------------------- */

/* One run: the realisation, moved by `scale` times its step. */
static int run_add(struct estimator *ies, size_t realisation, const double *step, double scale,
                   double *values, struct wave *wanted, struct error *ret_error)
{
    size_t columns = ies->parameters.count;
    const double *from = ies->frame.parameters + realisation * columns;
    const double *now = ies_ensemble_values(&ies->ensemble, realisation);
    memcpy(values, now, ies->ensemble.parameter_count * sizeof *values);
    for (size_t c = 0; c < columns; c++)
        if (step[c] != 0) /* else it keeps every bit: 10^log10(x) need not be x */
            ies_values_put(&ies->parameters, c, from[c] + scale * step[c], values);
    ies_values_settle(&ies->parameters, ies->options.enforce_bounds, values);
    return wave_add(wanted, values) < 0 ? no_memory(ret_error) : 0;
}

int ies_frame_propose(struct estimator *ies, const double *lambdas, size_t lambda_count,
                      const double *scales, size_t scale_count, const size_t *realisations,
                      size_t count, struct wave *wanted, struct error *ret_error)
{
    size_t columns = ies->parameters.count;
    double *steps = malloc((lambda_count * count * columns + 1) * sizeof *steps);
    double *values = malloc((ies->ensemble.parameter_count + 1) * sizeof *values);
    int rc = steps && values ? 0 : no_memory(ret_error);
    if (rc == 0)
        rc = ies_update_solve(&ies->frame.problem, lambdas, lambda_count, realisations, count,
                              steps, ret_error);
    for (size_t l = 0; rc == 0 && l < lambda_count; l++)
        for (size_t s = 0; rc == 0 && s < scale_count; s++)
            for (size_t k = 0; rc == 0 && k < count; k++)
                rc = run_add(ies, realisations[k], steps + (l * count + k) * columns, scales[s],
                             values, wanted, ret_error);
    free(steps);
    free(values);
    return rc;
}

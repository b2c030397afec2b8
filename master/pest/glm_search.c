/* glm_search.c - see glm_search.h; glm_search_propose.c chooses the trials. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/glm_search.h"

#define DOUBT_FADES 0.3 /* a doubt that is not confirmed */

int glm_search_init(struct glm_search *search, size_t n, const struct pest_control *control,
                    const struct glm_options *options, struct error *ret_error)
{
    *search = (struct glm_search){.n = n, .control = control, .options = options};
    search->lambda = (control->rlambda1 > 0.0 ? control->rlambda1 : 10.0) / 100.0;
    search->best = calloc(n + 1, sizeof *search->best);
    search->scratch = calloc(n + 1, sizeof *search->scratch);
    if (search->best && search->scratch)
        return 0;
    glm_search_fini(search);
    return error_set(ret_error, ERROR_SYSTEM, "no memory for the lambda search");
}

void glm_search_fini(struct glm_search *search)
{
    for (size_t i = 0; i < search->candidate_capacity; i++)
        free(search->candidates[i].step);
    free(search->candidates);
    free(search->best);
    free(search->known);
    free(search->scratch);
    *search = (struct glm_search){0};
}

void glm_search_begin(struct glm_search *search, struct glm_model *model,
                      struct glm_regul *regul, const struct glm_box *box, double measurement,
                      double regularisation, size_t spent)
{
    search->model = model;
    search->regul = regul;
    search->box = box;
    search->base_measurement = search->best_measurement = measurement;
    search->base_regularisation = search->best_regularisation = regularisation;
    search->improved = false;
    memset(search->best, 0, search->n * sizeof *search->best);
    search->reach = HUGE_VAL;
    search->known_count = search->trials = search->failures = search->rounds = 0;
    search->since = 0;
    search->spent = spent;
    search->promised = search->missed = NAN;
    search->shortest = HUGE_VAL;
    search->closing = search->plain = false;
}

int glm_search_know(struct glm_search *search, const double *step)
{
    if (search->known_count == search->known_capacity) {
        size_t capacity = search->known_capacity ? 2 * search->known_capacity : 16;
        double *known = realloc(search->known, capacity * search->n * sizeof *known);

        if (!known)
            return -1;
        search->known = known;
        search->known_capacity = capacity;
    }
    memcpy(search->known + search->known_count++ * search->n, step, search->n * sizeof *step);
    return 0;
}

double glm_search_nearest(const struct glm_search *search, const double *step)
{
    double nearest = glm_model_distance(search->model, step, NULL);

    for (size_t i = 0; i < search->known_count; i++)
        nearest = fmin(nearest,
                       glm_model_distance(search->model, step, search->known + i * search->n));
    return nearest;
}

bool glm_search_doubts(const struct glm_search *search)
{
    return search->doubts[0].distance > 0.0;
}

double glm_search_doubt(const struct glm_search *search, const double *step)
{
    double x = sqrt(glm_search_nearest(search, step)), most = 0.0;

    for (int i = 0; i < 2 && search->doubts[i].distance > 0.0; i++) {
        double ratio = x / search->doubts[i].distance;

        most = fmax(most, (i ? DOUBT_FADES : 1.0) * search->doubts[i].missed * ratio *
                              fmax(1.0, ratio));
    }
    return most;
}

int glm_search_take(struct glm_search *search, const double *step, double lambda,
                    double measurement, double regularisation, double missed,
                    struct error *ret_error)
{
    double nearest = glm_search_nearest(search, step);
    bool better;

    search->trials++;
    if (!isfinite(measurement + regularisation)) {
        search->trials--;
        glm_search_fail(search, step);
        return 0;
    }
    /* Rounding is no curvature. */
    missed = fmax(0.0, missed - 1e-9 * sqrt(search->base_measurement));
    if (nearest > 0.0) {
        search->doubts[1] = search->doubts[0];
        search->doubts[0].distance = sqrt(nearest);
        search->doubts[0].missed = missed;
    }
    search->shortest = fmin(search->shortest, glm_model_distance(search->model, step, NULL));
    better =
        glm_regul_merit(search->regul, measurement, regularisation) <
        glm_regul_merit(search->regul, search->best_measurement, search->best_regularisation);
    search->since = better ? 0 : search->since + 1;
    if (better) {
        search->improved = true;
        search->best_measurement = measurement;
        search->best_regularisation = regularisation;
        search->lambda = fmax(lambda / glm_model_unit(search->model), 1e-9);
        search->missed = missed;
        memcpy(search->best, step, search->n * sizeof *step);
    }
    if (search->plain && !better)
        search->reach =
            fmin(search->reach, 0.25 * glm_model_distance(search->model, step, NULL));
    if (glm_search_know(search, step) != 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the lambda search");
    return better;
}

void glm_search_plain(struct glm_search *search)
{
    search->plain = true;
    search->doubts[0].distance = search->doubts[1].distance = 0.0;
    search->rounds = 0;
    search->reach = fmin(search->reach, 0.25 * search->shortest);
}

void glm_search_fail(struct glm_search *search, const double *step)
{
    search->trials++;
    search->failures++;
    search->reach = fmin(search->reach, 0.25 * glm_model_distance(search->model, step, NULL));
}

/*
 * glm_search_propose.c - choosing the trials of a lambda search (glm_search.h).
 *
 * For few parameters an upgrade costs nothing and the ladder of lambdas is long and fine; for
 * thousands each costs seconds, and the ladder is a few rungs about the last best lambda.
 */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/glm_search.h"

#define LAMBDA_LEAST 1e-8
#define LAMBDA_MOST  1e3
#define LADDER_MAX   64
#define FACTOR_EACH  300    /* parameters: the weight factor is sought for each lambda */
#define HOPELESS     1e-10  /* of merit: not worth a run */
#define DIFFERENT    0.0625 /* (1/4)², of a step's |step|² */
#define CLOSING      1e-7   /* of merit: still worth a run at the end */
#define NOTHING      1e-3   /* of PHIREDSTP: not worth a run */
#define CHEAP        5.0    /* times better than what the iteration has brought per run */
#define AGAIN        1e-2   /* |.|² of a step from one known against that from the best */
#define LITTLE       1e-5   /* of merit */
#define TRUSTED      0.1
#define FAR_ENOUGH   1e-12
#define AMPLE_TRIALS 6.0 /* at least */
#define AMPLE_SHARE  1.5 /* of a Jacobian's runs */

/* How long a ladder, and how many Gauss-Newton steps per rung, n parameters can pay. */
static void afford(size_t n, size_t *ret_rungs, int *ret_effort)
{
    *ret_rungs = n <= 60 ? LADDER_MAX : n <= 300 ? 12 : n <= 1000 ? 7 : n <= 2500 ? 4 : 3;
    *ret_effort = n <= 60 ? 25 : n <= 300 ? 8 : n <= 1000 ? 4 : n <= 2500 ? 2 : 1;
}

static double spacing(const struct pest_control *control)
{
    double factor = control->rlamfac;

    if (factor < -1.0) /* RLAMBDA1 comes to 1 in that many steps */
        factor = pow(fmax(control->rlambda1, 1.0 / control->rlambda1), 1.0 / -factor);
    return isfinite(factor) && factor > 1.2 ? factor : 2.0;
}

/* Lambdas from large to small; how many. */
static size_t ladder_fill(const struct glm_search *search, size_t rungs, double *ret)
{
    const struct glm_options *options = search->options;
    double factor = spacing(search->control), unit = glm_model_unit(search->model);
    double top = LAMBDA_MOST * unit, bottom = LAMBDA_LEAST * unit;
    size_t count = 0;

    if (options->lambdas) {
        for (size_t i = 0; i < options->lambda_count && count < LADDER_MAX - 10; i++)
            ret[count++] = options->lambdas[i];
        for (int i = -1; options->augment && i <= 1; i++)
            ret[count++] = search->lambda * unit * pow(factor, i);
        for (int i = 0; search->rounds > 0 && !search->improved && i < 7; i++)
            if (count < LADDER_MAX)
                ret[count++] = unit * pow(10.0, i - 3);
        return count;
    }
    if (rungs < LADDER_MAX) { /* about the last best, mostly below */
        factor = fmax(factor, 10.0);
        top = search->lambda * unit * pow(factor, (double)((rungs - 1) / 2));
        bottom = top / pow(factor, (double)rungs - 2.0);
    } else {
        factor = fmax(factor, pow(LAMBDA_MOST / LAMBDA_LEAST, 1.0 / (LADDER_MAX - 2.0)));
    }
    for (double lambda = top; lambda >= bottom * 0.999 && count + 1 < rungs; lambda /= factor)
        ret[count++] = lambda;
    ret[count++] = LAMBDA_LEAST * unit;
    return count;
}

static struct glm_candidate *candidate_next(struct glm_search *search)
{
    if (search->candidate_count == search->candidate_capacity) {
        size_t capacity = search->candidate_capacity ? 2 * search->candidate_capacity : 32;
        struct glm_candidate *more =
            realloc(search->candidates, capacity * sizeof *search->candidates);

        if (!more)
            return NULL;
        search->candidates = more;
        for (size_t i = search->candidate_capacity; i < capacity; i++)
            more[i].step = NULL;
        while (search->candidate_capacity < capacity) {
            double *step = malloc((search->n + 1) * sizeof *step);

            if (!step)
                return NULL;
            search->candidates[search->candidate_capacity++].step = step;
        }
    }
    return &search->candidates[search->candidate_count++];
}

/* What to expect of a step. */
static void judge(const struct glm_search *search, struct glm_candidate *candidate)
{
    double doubt = glm_search_doubt(search, candidate->step);

    glm_model_predict(search->model, candidate->step, &candidate->measurement,
                      &candidate->regularisation);
    candidate->doubt = doubt * doubt;
    candidate->expected = glm_regul_merit(
        search->regul, candidate->measurement + candidate->doubt, candidate->regularisation);
}

static void scale_step(const struct glm_search *search, const double *from, double scale,
                       double *step)
{
    const struct glm_box *box = search->box;

    for (size_t p = 0; p < search->n; p++) {
        double to = search->best[p] + scale * (from[p] - search->best[p]);

        step[p] = fmax(box->lower[p], fmin(box->upper[p], to));
    }
}

/* After failures, no farther than `reach`. */
static void shorten(const struct glm_search *search, double *step)
{
    double length = glm_model_distance(search->model, step, NULL);

    if (length > search->reach && length > 0.0)
        for (size_t p = 0; p < search->n; p++)
            step[p] *= sqrt(search->reach / length);
}

/* The upgrade for a lambda. With many parameters the weight factor is that of the least lambda,
 * which comes first: then the factor says what regularisation is worth, not how short a step is. */
static int upgrade_make(struct glm_search *search, double lambda, bool first, int effort,
                        double *step, struct error *ret_error)
{
    double target = glm_regul_target(search->regul, search->best_measurement);

    if (!first && search->n > FACTOR_EACH)
        return glm_model_upgrade(search->model, search->box, lambda, search->best, effort, step,
                                 ret_error);
    return glm_regul_upgrade(search->regul, search->model, search->box, lambda, search->best,
                             effort, target, step, ret_error);
}

static int candidates_make(struct glm_search *search, struct error *ret_error)
{
    double ladder[LADDER_MAX];
    bool least_first = search->n > FACTOR_EACH;
    size_t rungs, count;
    int effort;

    afford(search->n, &rungs, &effort);
    count = ladder_fill(search, rungs, ladder);
    search->candidate_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct glm_candidate *candidate = candidate_next(search);

        if (!candidate)
            return error_set(ret_error, ERROR_SYSTEM, "no memory for the lambda search");
        candidate->lambda = ladder[least_first ? count - 1 - i : i];
        candidate->scale = 1.0;
        if (upgrade_make(search, candidate->lambda, i == 0, effort, candidate->step,
                         ret_error) != 0)
            return -1;
        shorten(search, candidate->step);
    }
    return 0;
}

/* The candidate to begin with: the least expected merit; before there is a doubt, the one whose
 * lambda is nearest to search->lambda. */
static size_t choose(const struct glm_search *search)
{
    double unit = glm_model_unit(search->model);
    size_t chosen = 0;

    for (size_t i = 1; i < search->candidate_count; i++) {
        const struct glm_candidate *a = &search->candidates[i];
        const struct glm_candidate *b = &search->candidates[chosen];
        bool nearer = fabs(log((a->lambda + 1e-30) / unit) - log(search->lambda)) <
                      fabs(log((b->lambda + 1e-30) / unit) - log(search->lambda));

        if (!glm_search_doubts(search) ? nearer : a->expected < b->expected)
            chosen = i;
    }
    return chosen;
}

static void swap(struct glm_search *search, size_t a, size_t b)
{
    struct glm_candidate kept = search->candidates[a];

    search->candidates[a] = search->candidates[b];
    search->candidates[b] = kept;
}

/* Leave out what would be a run again. */
static void repeats_drop(struct glm_search *search)
{
    double near =
        FAR_ENOUGH * FAR_ENOUGH *
        glm_regul_merit(search->regul, search->base_measurement, search->base_regularisation);

    for (size_t i = search->candidate_count; i-- > 0;)
        if (glm_search_nearest(search, search->candidates[i].step) <= near)
            swap(search, i, --search->candidate_count);
}

/* How much a candidate differs from those chosen, as a share of its own length. */
static double difference(const struct glm_search *search, size_t candidate, size_t chosen)
{
    const double *step = search->candidates[candidate].step;
    double length = glm_model_distance(search->model, step, search->best), least = HUGE_VAL;

    for (size_t i = 0; i < chosen; i++)
        least =
            fmin(least, glm_model_distance(search->model, step, search->candidates[i].step));
    return length > 0.0 ? least / length : 0.0;
}

/* Put into the first places other candidates worth a slot: of those that differ enough, the one
 * with the least expected merit; without a doubt, the one that differs most. */
static size_t diversify(struct glm_search *search, size_t wanted)
{
    size_t chosen = 1;

    while (chosen < wanted) {
        size_t next = 0;

        for (size_t i = chosen; i < search->candidate_count; i++) {
            double differs = difference(search, i, chosen);

            if (differs < DIFFERENT)
                continue;
            if (!next ||
                (!glm_search_doubts(search)
                     ? differs > difference(search, next, chosen)
                     : search->candidates[i].expected < search->candidates[next].expected))
                next = i;
        }
        if (!next)
            break;
        swap(search, chosen++, next);
    }
    return chosen;
}

/* ++lambda_scale_fac: the same upgrades at other lengths. */
static int scales_add(struct glm_search *search, size_t chosen, struct error *ret_error)
{
    search->candidate_count = chosen;
    for (size_t i = 0; i < chosen; i++)
        for (size_t k = 0; k < search->options->scale_count; k++) {
            struct glm_candidate *candidate = candidate_next(search);

            if (!candidate)
                return error_set(ret_error, ERROR_SYSTEM, "no memory for the lambda search");
            candidate->lambda = search->candidates[i].lambda;
            candidate->scale = search->options->scales[k];
            scale_step(search, search->candidates[i].step, candidate->scale, candidate->step);
            judge(search, candidate);
        }
    return 0;
}

/* PHIRATSUF is met and trials have cost more than a Jacobian: what they teach is worth less than a
 * new one. */
static bool is_ample(const struct glm_search *search, double base, double best)
{
    double runs = (double)search->trials;

    return best < search->control->phiratsuf * base && runs >= AMPLE_TRIALS &&
           runs >= AMPLE_SHARE * (double)search->spent;
}

/* Whether the best candidate is worth its run, phi having fallen already. */
static bool worth(const struct glm_search *search, double base, double best, double next)
{
    double promised = log(best / next), earned = log(base / best);
    double runs = (double)(search->spent + search->trials);

    if (!(best > 0.0))
        return false;
    if (search->closing)
        return best - next > CLOSING * best;
    if (best - next < NOTHING * search->control->phiredstp * best)
        return false;
    if (is_ample(search, base, best))
        return false;
    /* A gain that is hardly in doubt would be had by the next iteration in as many trials; taken
     * now it may spare that iteration's. */
    if (search->candidates[0].doubt < TRUSTED * (best - next) &&
        best - next > TRUSTED * search->control->phiredlam * best)
        return true;
    if (search->control->phiratsuf > 0.0 && best < search->control->phiratsuf * base)
        promised /= 2.0;
    /* Where a Jacobian is many runs, a trial may promise less than PHIREDLAM and still be cheap. */
    return promised * runs >
           (best - next <= search->control->phiredlam * best ? CHEAP * earned : earned);
}

static bool is_over(const struct glm_search *search)
{
    double best =
        glm_regul_merit(search->regul, search->best_measurement, search->best_regularisation);
    double base =
        glm_regul_merit(search->regul, search->base_measurement, search->base_regularisation);
    double next = search->candidates[0].expected;
    const double *step = search->candidates[0].step;
    double nearest = glm_search_nearest(search, step);

    /* It would nearly be a run again, for nearly nothing. */
    if (best - next < LITTLE * best &&
        nearest <= AGAIN * glm_model_distance(search->model, step, search->best))
        return true;
    /* At the end, or where phi has hardly moved. */
    if (search->since >= GLM_SEARCH_DISAPPOINTED &&
        (search->closing ||
         (!search->plain && base - best < search->control->phiredstp * base)))
        return true;

    if (search->improved)
        return !worth(search, base, best, next);
    return search->rounds > 0 && next >= best * (1.0 - HOPELESS);
}

/* How many trials at a time: the first round fills the slots, within reason of what the Jacobian
 * cost; later ones are as sure of themselves as they need to be. */
static size_t round_size(const struct glm_search *search, uint32_t slots)
{
    size_t limit = search->control->numlam > 0 ? (size_t)search->control->numlam : 10;
    size_t left, wanted = search->spent / 4 > 3 ? search->spent / 4 : 3;

    limit *= search->closing || search->plain ? 2 : 1;
    left = limit > search->trials ? limit - search->trials : 0;
    if (search->rounds > 0 && search->improved)
        wanted = 1;
    wanted = wanted < slots ? wanted : slots;
    return wanted < left ? wanted : left;
}

int glm_search_propose(struct glm_search *search, uint32_t slots, size_t *ret_count,
                       struct error *ret_error)
{
    size_t wanted = round_size(search, slots);

    *ret_count = 0;
    if (!wanted)
        return 0;
    if (candidates_make(search, ret_error) != 0)
        return -1;
    for (size_t i = 0; i < search->candidate_count; i++)
        judge(search, &search->candidates[i]);
    repeats_drop(search);
    if (!search->candidate_count) {
        search->promised = glm_regul_merit(search->regul, search->best_measurement,
                                           search->best_regularisation);
        return 0;
    }
    swap(search, 0, choose(search));
    search->promised = search->candidates[0].expected;
    if (is_over(search))
        return 0;
    wanted = diversify(search, wanted);
    if (scales_add(search, wanted, ret_error) != 0)
        return -1;
    search->rounds++;
    *ret_count = search->candidate_count;
    return 0;
}

int glm_search_hope(struct glm_search *search, double *ret_part, struct error *ret_error)
{
    double target = glm_regul_target(search->regul, search->best_measurement), merit, base;
    double measurement, regularisation;
    size_t rungs;
    int effort;

    afford(search->n, &rungs, &effort);
    if (glm_regul_upgrade(search->regul, search->model, search->box,
                          LAMBDA_LEAST * glm_model_unit(search->model), NULL, effort, target,
                          search->scratch, ret_error) != 0)
        return -1;
    glm_model_predict(search->model, search->scratch, &measurement, &regularisation);
    merit = glm_regul_merit(search->regul, measurement, regularisation);
    base =
        glm_regul_merit(search->regul, search->base_measurement, search->base_regularisation);
    *ret_part = base > 0.0 ? fmax(0.0, 1.0 - merit / base) : 0.0;
    return 0;
}

/*
 * An iteration: (the source is estimated,) value and gradient at the model are asked for where they
 * are not known, then L-BFGS asks for trials until one is better. `lbfgs` holds the model.
 */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/whole.h"
#include "master/shots/fwi.h"
#include "master/shots/fwi_weight.h"
#include "master/shots/lbfgs.h"
#include "master/shots/source_filter.h"
#include "master/shots/subset.h"

#define STATE_MAGIC UINT64_C(0x4246574931000003)
/* The first step, without any curvature: of the greatest velocity. Some 1 % changes arrival times
 * by less than half a period over fifty wavelengths. */
#define FIRST_CHANGE    0.01
#define SMOOTH_REACH    4 /* standard deviations */
#define HISTORY_DEFAULT 5
#define TRIALS_DEFAULT  10

enum stage { ESTIMATING, EVALUATING, SEARCHING };

/* What is written as it is. */
struct state {
    uint64_t magic, n, survey_shots;
    int32_t stage, want;
    uint64_t begins_band; /* its first misfit is still to come */
    uint64_t band, band_iterations;
    int64_t iteration;
    uint64_t shot_count, filter_size;
    uint64_t blind; /* no shot of the last trial had a misfit */
    double first_misfit;
};

struct fwi {
    const struct survey *survey;
    struct state state;
    struct lbfgs *lbfgs;
    double *lower, *upper;      /* n: of what may not change, what it is */
    size_t moved;               /* points that began outside the bounds */
    double *mask;               /* n */
    double *weight;             /* n: W of fwi.h */
    double *line;               /* the longest axis, and what the kernel reaches beyond */
    double *kernels[GRID_AXES]; /* reach + 1 values; NULL: not smoothed */
    size_t reaches[GRID_AXES];
    size_t *shots;    /* of the present iteration */
    double *misfits;  /* of each of them, at the model; NaN: none */
    double *velocity; /* a scratch vector of n, for gradients */
    char *filter;
    bool iterated, failed;
    char sentence[ERROR_TEXT_MAX];
};

/* --- the first factor of H --- */

static void smooth_line(const struct fwi *fwi, enum grid_axis axis, double *v, size_t n,
                        size_t stride)
{
    size_t reach = fwi->reaches[axis];
    const double *kernel = fwi->kernels[axis];
    double *line = fwi->line + reach; /* zeros on both sides: a symmetric matrix */
    for (size_t i = 0; i < n; i++)
        line[i] = v[i * stride];
    memset(fwi->line, 0, reach * sizeof(double));
    memset(line + n, 0, reach * sizeof(double));
    for (size_t i = 0; i < n; i++) {
        double sum = kernel[0] * line[i];
        for (size_t k = 1; k <= reach; k++)
            sum += kernel[k] * (line[(ptrdiff_t)i - (ptrdiff_t)k] + line[i + k]);
        v[i * stride] = sum;
    }
}

static void smooth_axis(const struct fwi *fwi, enum grid_axis axis, double *v)
{
    const size_t *n = fwi->survey->grid.n;
    size_t strides[GRID_AXES] = {n[GRID_Y] * n[GRID_Z], n[GRID_Z], 1};
    size_t a = axis == GRID_X ? GRID_Y : GRID_X, b = axis == GRID_Z ? GRID_Y : GRID_Z;
    for (size_t i = 0; i < n[a]; i++)
        for (size_t j = 0; j < n[b]; j++)
            smooth_line(fwi, axis, v + i * strides[a] + j * strides[b], n[axis], strides[axis]);
}

static void precondition(void *context, double *v)
{
    const struct fwi *fwi = context;
    for (size_t i = 0; i < fwi->state.n; i++)
        v[i] *= fwi->mask[i] * fwi->weight[i];
    for (int axis = 0; axis < GRID_AXES; axis++)
        if (fwi->kernels[axis])
            smooth_axis(fwi, (enum grid_axis)axis, v);
    for (size_t i = 0; i < fwi->state.n; i++)
        v[i] *= fwi->mask[i] * fwi->weight[i];
}

/* --- what makes up for depth --- */

static void weight_begin(struct fwi *fwi)
{
    for (size_t i = 0; i < fwi->state.n; i++)
        fwi->weight[i] = 1;
    if (fwi->survey->inversion.precondition == SURVEY_BY_DEPTH)
        fwi_weight_by_depth(fwi->weight, &fwi->survey->grid,
                            fwi->survey->inversion.frozen_depth_m);
}

static int kernels_make(struct fwi *fwi)
{
    const struct grid *grid = &fwi->survey->grid;
    size_t longest = 0, most = 0;
    for (int axis = 0; axis < GRID_AXES; axis++) {
        double sigma = fwi->survey->inversion.smooth_m / grid->spacing[axis], sum = 1;
        if (longest < grid->n[axis])
            longest = grid->n[axis];
        if (!(sigma > 0) || grid->n[axis] < 2)
            continue;
        /* From the first point to the last: what reaches farther meets nothing there. */
        size_t reach = (size_t)fmin(ceil(SMOOTH_REACH * sigma), (double)(grid->n[axis] - 1));
        double *kernel = fwi->kernels[axis] = calloc(reach + 1, sizeof(double));
        if (!kernel)
            return -1;
        for (size_t k = 0; k <= reach; k++) {
            kernel[k] = exp(-0.5 * (double)k * (double)k / (sigma * sigma));
            sum += k ? 2 * kernel[k] : 0;
        }
        for (size_t k = 0; k <= reach; k++)
            kernel[k] /= sum;
        fwi->reaches[axis] = reach;
        most = most < reach ? reach : most;
    }
    fwi->line = calloc(longest + 2 * most + 1, sizeof(double));
    return fwi->line ? 0 : -1;
}

static void mask_make(struct fwi *fwi, const float *mask)
{
    const struct grid *grid = &fwi->survey->grid;
    for (size_t i = 0; i < fwi->state.n; i++) {
        double z = grid->origin[GRID_Z] + (double)(i % grid->n[GRID_Z]) * grid->spacing[GRID_Z];
        bool frozen = z < fwi->survey->inversion.frozen_depth_m;
        fwi->mask[i] = frozen ? 0 : mask[i];
    }
}

/* --- making one --- */

static struct lbfgs *minimiser_create(struct fwi *fwi, const float *velocity,
                                      struct error *ret_error)
{
    const struct survey_inversion *inversion = &fwi->survey->inversion;
    size_t n = (size_t)fwi->state.n;
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        fwi->velocity[i] = velocity[i];
        most = velocity[i] > most ? velocity[i] : most;
    }
    /* Without a bound, at least nothing that is no velocity. */
    double lower = inversion->min_m_s > 0 ? inversion->min_m_s : 0.1 * most;
    double upper = inversion->max_m_s > 0 ? inversion->max_m_s : INFINITY;
    for (size_t i = 0; i < n; i++) {
        bool fixed = fwi->mask[i] == 0;
        fwi->lower[i] = fixed ? velocity[i] : lower;
        fwi->upper[i] = fixed ? velocity[i] : upper;
        fwi->moved += velocity[i] < fwi->lower[i] || velocity[i] > fwi->upper[i];
    }
    const struct lbfgs_options options = {
        .history = inversion->history ? inversion->history : HISTORY_DEFAULT,
        .trials = inversion->line_search ? inversion->line_search : TRIALS_DEFAULT,
        .first_change = FIRST_CHANGE * most,
        .lower = fwi->lower,
        .upper = fwi->upper,
        .precondition = precondition,
        .context = fwi};
    return lbfgs_create(n, fwi->velocity, &options, ret_error);
}

struct fwi *fwi_create(const struct survey *survey, const float *velocity, const float *mask,
                       struct error *ret_error)
{
    struct fwi *fwi = calloc(1, sizeof(*fwi));
    size_t n = grid_size(&survey->grid), shots = survey->shot_count;
    if (fwi) {
        fwi->survey = survey;
        fwi->state = (struct state){
            .magic = STATE_MAGIC, .n = n, .survey_shots = shots, .begins_band = 1};
        fwi->mask = calloc(n + 1, sizeof(double));
        fwi->weight = calloc(n + 1, sizeof(double));
        fwi->lower = calloc(n + 1, sizeof(double));
        fwi->upper = calloc(n + 1, sizeof(double));
        fwi->velocity = calloc(n + 1, sizeof(double));
        fwi->shots = calloc(shots + 1, sizeof(size_t));
        fwi->misfits = calloc(shots + 1, sizeof(double));
    }
    if (!fwi || !fwi->mask || !fwi->weight || !fwi->lower || !fwi->upper || !fwi->velocity ||
        !fwi->shots || !fwi->misfits || kernels_make(fwi) < 0) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for an inversion of %zu points", n);
        fwi_destroy(fwi);
        return NULL;
    }
    mask_make(fwi, mask);
    weight_begin(fwi);
    fwi->lbfgs = minimiser_create(fwi, velocity, ret_error);
    if (fwi->lbfgs)
        return fwi;
    fwi_destroy(fwi);
    return NULL;
}

void fwi_destroy(struct fwi *fwi)
{
    if (!fwi)
        return;
    lbfgs_destroy(fwi->lbfgs);
    for (int axis = 0; axis < GRID_AXES; axis++)
        free(fwi->kernels[axis]);
    free(fwi->mask);
    free(fwi->weight);
    free(fwi->lower);
    free(fwi->upper);
    free(fwi->line);
    free(fwi->shots);
    free(fwi->misfits);
    free(fwi->velocity);
    free(fwi->filter);
    free(fwi);
}

/* --- which shots --- */

static bool has_subsets(const struct fwi *fwi)
{
    size_t wanted = fwi->survey->inversion.shots_per_iteration;
    return wanted > 0 && wanted < fwi->state.survey_shots;
}

/* Whether each iteration minimises a function of its own: of other shots, or of shots fired as one
 * with other signs. */
static bool draws(const struct fwi *fwi)
{
    return has_subsets(fwi) || fwi->survey->batch.encoded > 1;
}

static void shots_choose(struct fwi *fwi)
{
    size_t all = (size_t)fwi->state.survey_shots;
    fwi->state.shot_count = has_subsets(fwi) ? fwi->survey->inversion.shots_per_iteration : all;
    if (has_subsets(fwi))
        subset_draw(all, (size_t)fwi->state.shot_count,
                    fwi->survey->inversion.seed ^
                        ((uint64_t)fwi->state.iteration + 1) * UINT64_C(0xd1342543de82ef95),
                    fwi->shots);
    for (size_t i = 0; !has_subsets(fwi) && i < all; i++)
        fwi->shots[i] = i;
}

/* --- iterations --- */

static const struct survey_band *band_of(const struct fwi *fwi)
{
    static const struct survey_band everything = {.min_hz = 0, .max_hz = INFINITY};
    const struct survey_inversion *inversion = &fwi->survey->inversion;
    return inversion->band_count ? &inversion->bands[fwi->state.band] : &everything;
}

static unsigned band_iterations(const struct fwi *fwi)
{
    unsigned said = band_of(fwi)->iterations;
    return said ? said : fwi->survey->inversion.iterations;
}

static void iteration_begin(struct fwi *fwi, bool changed, bool forget)
{
    struct state *state = &fwi->state;
    bool estimate = fwi->survey->inversion.source_estimation;
    shots_choose(fwi);
    if (changed || estimate || draws(fwi)) {
        lbfgs_change(fwi->lbfgs, forget);
        state->stage = estimate ? ESTIMATING : EVALUATING;
        state->want = LBFGS_VALUE_AND_GRADIENT;
        return;
    }
    state->stage = SEARCHING;
    state->want = lbfgs_next(fwi->lbfgs);
}

/* Why nothing more is to be done in this band; NULL: there is. */
static const char *band_end(const struct fwi *fwi, bool stuck)
{
    double stop = fwi->survey->inversion.stop_misfit;
    if (stop > 0 && fwi_misfit(fwi) < stop * fwi->state.first_misfit)
        return "the misfit is below stop_misfit";
    if (stuck && !draws(fwi) && fwi_misfit(fwi) == 0)
        return "the model explains the data";
    /* Stuck on a subset, or with its signs, is not stuck on the next. */
    if (stuck && !draws(fwi))
        return "no step makes the misfit less";
    return fwi->state.band_iterations >= band_iterations(fwi) ? "all iterations are done"
                                                              : NULL;
}

/* The iteration is done, or there is nothing more to gain in this band. False: it is all over. */
static bool go_on(struct fwi *fwi, bool stuck)
{
    struct state *state = &fwi->state;
    size_t bands = fwi->survey->inversion.band_count ? fwi->survey->inversion.band_count : 1;
    const char *why = band_end(fwi, stuck);
    if (why && state->band + 1 >= bands) {
        snprintf(fwi->sentence, sizeof(fwi->sentence), "%s", why);
        return false;
    }
    if (why) {
        state->band++;
        state->band_iterations = 0;
        state->begins_band = 1;
    }
    iteration_begin(fwi, why || stuck, why != NULL);
    return true;
}

/* --- answers --- */

static double misfit_sum(const double *misfits, const double *others, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        if (!isnan(misfits[i]) && !(others && isnan(others[i])))
            sum += misfits[i];
    return sum;
}

static bool has_any(const double *misfits, const double *others, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isnan(misfits[i]) && !(others && isnan(others[i])))
            return true;
    return false;
}

static const double *gradient_of(struct fwi *fwi, const struct fwi_answer *answer)
{
    if (!answer->gradient)
        return NULL;
    for (size_t i = 0; i < fwi->state.n; i++)
        fwi->velocity[i] = answer->gradient[i];
    return fwi->velocity;
}

/* At the starting model nothing is known; later there is a model to keep. */
static int no_shots(struct fwi *fwi, struct error *ret_error)
{
    const char *what =
        fwi->state.stage == ESTIMATING ? "an estimate of the source" : "a misfit";
    snprintf(fwi->sentence, sizeof(fwi->sentence),
             "no shot has %s, so the inversion cannot go on; results.csv says why", what);
    if (fwi->state.iteration == 0)
        return error_set(ret_error, ERROR_TASKS, "%s", fwi->sentence);
    size_t size = strlen(fwi->sentence);
    fwi->failed = true;
    snprintf(fwi->sentence + size, sizeof(fwi->sentence) - size,
             "; the model is the last good one");
    return 0;
}

/* No step was short enough. */
static int no_step(struct fwi *fwi)
{
    fwi->failed = true;
    snprintf(fwi->sentence, sizeof(fwi->sentence),
             "however short the step, no shot of the trial has a misfit; results.csv says why, "
             "and the model is the last good one");
    return 0;
}

/* 1: go on; 0: over. */
static int told(struct fwi *fwi, enum lbfgs_want want)
{
    fwi->state.want = want;
    fwi->state.stage = SEARCHING;
    if (want == LBFGS_VALUE || want == LBFGS_VALUE_AND_GRADIENT)
        return 1;
    if (want == LBFGS_STUCK && fwi->state.blind)
        return no_step(fwi);
    fwi->iterated = want == LBFGS_ITERATED;
    fwi->state.iteration++;
    fwi->state.band_iterations++;
    return go_on(fwi, want == LBFGS_STUCK);
}

static bool wants_light(const struct fwi *fwi)
{
    return fwi->survey->inversion.precondition == SURVEY_BY_ILLUMINATION &&
           fwi->state.stage == EVALUATING;
}

static int take_source(struct fwi *fwi, const struct fwi_answer *answer,
                       struct error *ret_error)
{
    size_t estimates = 0;
    for (size_t i = 0; i < answer->extra_count; i++)
        estimates += answer->extras[i] != NULL;
    if (!estimates)
        return no_shots(fwi, ret_error);
    char *filter = source_filter_make(answer->extras, answer->extra_count, ret_error);
    if (!filter)
        return -1;
    free(fwi->filter);
    fwi->filter = filter;
    fwi->state.filter_size = strlen(filter) + 1;
    fwi->state.stage = EVALUATING;
    return 1;
}

static int take_first(struct fwi *fwi, const struct fwi_answer *answer, struct error *ret_error)
{
    size_t count = (size_t)fwi->state.shot_count;
    if (!has_any(answer->misfits, NULL, count))
        return no_shots(fwi, ret_error);
    fwi->state.blind = 0;
    double value = misfit_sum(answer->misfits, NULL, count);
    memcpy(fwi->misfits, answer->misfits, count * sizeof(double));
    if (fwi->state.begins_band)
        fwi->state.first_misfit = value;
    fwi->state.begins_band = 0;
    if (wants_light(fwi))
        fwi_weight_by_light(fwi->weight, (size_t)fwi->state.n, fwi->mask, answer->illumination);
    return told(fwi, lbfgs_tell(fwi->lbfgs, value, gradient_of(fwi, answer)));
}

static int take_trial(struct fwi *fwi, const struct fwi_answer *answer)
{
    size_t count = (size_t)fwi->state.shot_count;
    fwi->state.blind = !has_any(answer->misfits, fwi->misfits, count);
    if (fwi->state.blind)
        return told(fwi, lbfgs_tell(fwi->lbfgs, INFINITY, NULL));
    lbfgs_set_value(fwi->lbfgs, misfit_sum(fwi->misfits, answer->misfits, count));
    double value = misfit_sum(answer->misfits, fwi->misfits, count);
    enum lbfgs_want want = lbfgs_tell(fwi->lbfgs, value, gradient_of(fwi, answer));
    if (want == LBFGS_ITERATED)
        memcpy(fwi->misfits, answer->misfits, count * sizeof(double));
    return told(fwi, want);
}

static void request_fill(const struct fwi *fwi, struct fwi_request *request)
{
    static const enum shot_operation operations[] = {
        [LBFGS_VALUE_AND_GRADIENT] = SHOT_GRADIENT, [LBFGS_VALUE] = SHOT_MISFIT};
    static const char *const purposes[] = {"source", "gradient", "line search"};
    const struct state *state = &fwi->state;
    *request = (struct fwi_request){
        .operation = state->stage == ESTIMATING ? SHOT_SOURCE : operations[state->want],
        .purpose = purposes[state->stage],
        .iteration = (int)state->iteration,
        .min_hz = band_of(fwi)->min_hz,
        .max_hz = band_of(fwi)->max_hz,
        .shots = fwi->shots,
        .shot_count = (size_t)state->shot_count,
        .velocity = lbfgs_point(fwi->lbfgs),
        .filter = state->stage == ESTIMATING ? NULL : fwi->filter,
        .illumination = wants_light(fwi)};
}

int fwi_step(struct fwi *fwi, const struct fwi_answer *answer, struct fwi_request *ret_request,
             struct error *ret_error)
{
    int rc = 1;
    fwi->iterated = false;
    if (!answer)
        iteration_begin(fwi, true, false);
    else if (fwi->state.stage == ESTIMATING)
        rc = take_source(fwi, answer, ret_error);
    else if (fwi->state.stage == EVALUATING)
        rc = take_first(fwi, answer, ret_error);
    else
        rc = take_trial(fwi, answer);
    /* A search that begins at a model where nothing can be gained. */
    while (rc > 0 && fwi->state.want == LBFGS_STUCK)
        rc = told(fwi, LBFGS_STUCK);
    if (rc > 0)
        request_fill(fwi, ret_request);
    return rc;
}

/* --- what is known --- */

bool fwi_iterated(const struct fwi *fwi)
{
    return fwi->iterated;
}

const double *fwi_velocity(const struct fwi *fwi)
{
    return lbfgs_best(fwi->lbfgs);
}

size_t fwi_moved(const struct fwi *fwi)
{
    return fwi->moved;
}

int fwi_iteration(const struct fwi *fwi)
{
    return (int)fwi->state.iteration;
}

double fwi_misfit(const struct fwi *fwi)
{
    return lbfgs_value(fwi->lbfgs);
}

double fwi_misfit_first(const struct fwi *fwi)
{
    return fwi->state.first_misfit;
}

size_t fwi_band(const struct fwi *fwi)
{
    return (size_t)fwi->state.band;
}

double fwi_step_length(const struct fwi *fwi)
{
    return lbfgs_step(fwi->lbfgs);
}

bool fwi_failed(const struct fwi *fwi)
{
    return fwi->failed;
}

const char *fwi_sentence(const struct fwi *fwi)
{
    return fwi->sentence;
}

/* --- the state as bytes --- */

int fwi_save(const struct fwi *fwi, const char *path, struct error *ret_error)
{
    struct whole whole;
    size_t shots = (size_t)fwi->state.survey_shots;
    if (whole_open(&whole, path, ret_error) < 0)
        return -1;
    /* Errors of the stream are kept until whole_commit. */
    fwrite(&fwi->state, sizeof(fwi->state), 1, whole.stream);
    fwrite(fwi->shots, sizeof(*fwi->shots), shots, whole.stream);
    fwrite(fwi->misfits, sizeof(*fwi->misfits), shots, whole.stream);
    fwrite(fwi->weight, sizeof(*fwi->weight), (size_t)fwi->state.n, whole.stream);
    if (fwi->filter)
        fwrite(fwi->filter, (size_t)fwi->state.filter_size, 1, whole.stream);
    if (lbfgs_write(fwi->lbfgs, whole.stream, ret_error) < 0) {
        whole_abandon(&whole);
        return error_prefix(ret_error, "%s", path);
    }
    return whole_commit(&whole, ret_error);
}

static int load(struct fwi *fwi, FILE *stream, struct error *ret_error)
{
    struct state state;
    size_t shots = (size_t)fwi->state.survey_shots;
    if (fread(&state, sizeof(state), 1, stream) != 1 || state.magic != STATE_MAGIC ||
        state.n != fwi->state.n || state.survey_shots != shots || state.shot_count > shots ||
        state.filter_size > JSON_SIZE_MAX ||
        fread(fwi->shots, sizeof(*fwi->shots), shots, stream) != shots ||
        fread(fwi->misfits, sizeof(*fwi->misfits), shots, stream) != shots ||
        fread(fwi->weight, sizeof(*fwi->weight), (size_t)state.n, stream) != state.n)
        return error_set(ret_error, ERROR_SYSTEM, "it is of another inversion, or damaged");
    free(fwi->filter);
    fwi->filter = state.filter_size ? malloc((size_t)state.filter_size) : NULL;
    if (state.filter_size &&
        (!fwi->filter || fread(fwi->filter, (size_t)state.filter_size, 1, stream) != 1 ||
         fwi->filter[state.filter_size - 1]))
        return error_set(ret_error, ERROR_SYSTEM, "it is damaged");
    fwi->state = state;
    return lbfgs_read(fwi->lbfgs, stream, ret_error);
}

int fwi_load(struct fwi *fwi, const char *path, struct error *ret_error)
{
    FILE *stream = fopen(path, "rbe");
    if (!stream)
        return error_set(ret_error, ERROR_SYSTEM,
                         "the inversion's state \"%s\" cannot be read; start a new run", path);
    int rc = load(fwi, stream, ret_error);
    fclose(stream);
    return rc < 0 ? error_prefix(ret_error, "%s", path) : 0;
}

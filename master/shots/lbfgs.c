#include "config.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "master/shots/lbfgs.h"

#define ARMIJO       1e-4
#define CURVATURE    1e-8
#define SHRINK_MOST  0.1
#define SHRINK_LEAST 0.5
#define STATE_MAGIC  UINT64_C(0x4c42464753310001)

enum phase {
    UNKNOWN,  /* value and gradient at x are not known */
    KNOWN,    /* both are */
    TRYING,   /* value at `trial` is wanted, perhaps with the gradient */
    ACCEPTED, /* the trial is good; its gradient is wanted */
};

/* Everything that is written as it is. */
struct state {
    uint64_t magic, n;
    int32_t phase, steepest; /* steepest: the search is one without pairs */
    uint32_t pairs, newest;  /* pair i back from the newest is at (newest - i) mod history */
    uint32_t trial, iterations;
    double value, trial_value, a, slope; /* slope: g.(x(a) - x) / a of the last trial */
};

struct lbfgs {
    struct state state;
    struct lbfgs_options options;
    double *x, *g, *d, *trial_x; /* n each */
    double *s, *y;               /* history x n */
    double *rho, *alpha;         /* history */
};

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static double lower(const struct lbfgs *l, size_t i)
{
    return l->options.lower ? l->options.lower[l->options.one_for_all ? 0 : i] : -INFINITY;
}

static double upper(const struct lbfgs *l, size_t i)
{
    return l->options.upper ? l->options.upper[l->options.one_for_all ? 0 : i] : INFINITY;
}

static double cut(const struct lbfgs *l, size_t i, double x)
{
    return x < lower(l, i) ? lower(l, i) : x > upper(l, i) ? upper(l, i) : x;
}

struct lbfgs *lbfgs_create(size_t n, const double *x, const struct lbfgs_options *options,
                           struct error *ret_error)
{
    struct lbfgs *l = calloc(1, sizeof(*l));
    size_t pairs = options->history;
    if (l) {
        l->state = (struct state){.magic = STATE_MAGIC, .n = n};
        l->options = *options;
        l->x = calloc(n + 1, sizeof(double));
        l->g = calloc(n + 1, sizeof(double));
        l->d = calloc(n + 1, sizeof(double));
        l->trial_x = calloc(n + 1, sizeof(double));
        l->s = calloc(pairs * n + 1, sizeof(double));
        l->y = calloc(pairs * n + 1, sizeof(double));
        l->rho = calloc(pairs + 1, sizeof(double));
        l->alpha = calloc(pairs + 1, sizeof(double));
    }
    if (!l || !l->x || !l->g || !l->d || !l->trial_x || !l->s || !l->y || !l->rho ||
        !l->alpha) {
        error_set(ret_error, ERROR_SYSTEM,
                  "no memory for an inversion of %zu values with %zu pairs (%.1f GiB)", n,
                  pairs, (double)n * (double)(2 * pairs + 4) * 8 / (1 << 30));
        lbfgs_destroy(l);
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        l->x[i] = cut(l, i, x[i]);
    return l;
}

void lbfgs_destroy(struct lbfgs *l)
{
    if (!l)
        return;
    free(l->x);
    free(l->g);
    free(l->d);
    free(l->trial_x);
    free(l->s);
    free(l->y);
    free(l->rho);
    free(l->alpha);
    free(l);
}

const double *lbfgs_point(const struct lbfgs *l)
{
    return l->state.phase == TRYING || l->state.phase == ACCEPTED ? l->trial_x : l->x;
}

const double *lbfgs_best(const struct lbfgs *l)
{
    return l->x;
}

/* --- the direction --- */

/* At a bound, and pushed outwards. */
static int is_held(const struct lbfgs *l, size_t i)
{
    return (l->x[i] <= lower(l, i) && l->g[i] > 0) || (l->x[i] >= upper(l, i) && l->g[i] < 0);
}

static void hold(const struct lbfgs *l, double *v)
{
    for (size_t i = 0; i < l->state.n; i++)
        if (is_held(l, i))
            v[i] = 0;
}

static size_t pair_at(const struct lbfgs *l, size_t back)
{
    size_t m = l->options.history;
    return (l->state.newest + m - back % m) % m;
}

static void two_loops(struct lbfgs *l, double *q)
{
    size_t n = l->state.n;
    for (size_t back = 0; back < l->state.pairs; back++) {
        size_t k = pair_at(l, back);
        l->alpha[k] = l->rho[k] * dot(l->s + k * n, q, n);
        for (size_t i = 0; i < n; i++)
            q[i] -= l->alpha[k] * l->y[k * n + i];
    }
    if (l->options.precondition)
        l->options.precondition(l->options.context, q);
    /* Scaled as the newest pair is: 7.20 there, in the metric of the preconditioner. */
    double scale = 1;
    if (l->state.pairs) {
        size_t k = pair_at(l, 0);
        double *y = l->trial_x; /* not in use now */
        memcpy(y, l->y + k * n, n * sizeof(*y));
        if (l->options.precondition)
            l->options.precondition(l->options.context, y);
        double yhy = dot(l->y + k * n, y, n);
        scale = yhy > 0 ? 1 / (l->rho[k] * yhy) : 1;
    }
    for (size_t i = 0; i < n; i++)
        q[i] *= scale;
    for (size_t back = l->state.pairs; back-- > 0;) {
        size_t k = pair_at(l, back);
        double beta = l->rho[k] * dot(l->y + k * n, q, n);
        for (size_t i = 0; i < n; i++)
            q[i] += (l->alpha[k] - beta) * l->s[k * n + i];
    }
}

/* d = -H g, in the variables that are not held; whether it leads down. */
static int direction_make(struct lbfgs *l)
{
    size_t n = l->state.n;
    memcpy(l->d, l->g, n * sizeof(*l->d));
    hold(l, l->d);
    two_loops(l, l->d);
    for (size_t i = 0; i < n; i++)
        l->d[i] = -l->d[i];
    hold(l, l->d);
    return dot(l->d, l->g, n) < 0;
}

static double largest(const double *v, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        if (fabs(v[i]) > most)
            most = fabs(v[i]);
    return most;
}

/* --- the search --- */

static enum lbfgs_want try_step(struct lbfgs *l, double a)
{
    struct state *state = &l->state;
    double change = 0;
    for (size_t i = 0; i < state->n; i++) {
        l->trial_x[i] = cut(l, i, l->x[i] + a * l->d[i]);
        change += l->g[i] * (l->trial_x[i] - l->x[i]);
    }
    state->a = a;
    state->slope = change / a;
    state->phase = TRYING;
    return state->trial++ == 0 ? LBFGS_VALUE_AND_GRADIENT : LBFGS_VALUE;
}

static enum lbfgs_want search_begin(struct lbfgs *l)
{
    struct state *state = &l->state;
    if (!direction_make(l) && state->pairs) {
        state->pairs = 0;
        if (!direction_make(l))
            return LBFGS_STUCK;
    }
    double most = largest(l->d, state->n);
    if (most == 0 || !isfinite(most))
        return LBFGS_STUCK;
    state->steepest = state->pairs == 0;
    state->trial = 0;
    return try_step(l, state->pairs ? 1 : l->options.first_change / most);
}

enum lbfgs_want lbfgs_next(struct lbfgs *l)
{
    if (l->state.phase == UNKNOWN)
        return LBFGS_VALUE_AND_GRADIENT;
    if (l->state.phase == ACCEPTED)
        return LBFGS_VALUE_AND_GRADIENT;
    if (l->state.phase == TRYING)
        return l->state.trial > 1 ? LBFGS_VALUE : LBFGS_VALUE_AND_GRADIENT;
    return search_begin(l);
}

static void pair_add(struct lbfgs *l, const double *gradient)
{
    size_t n = l->state.n, m = l->options.history;
    size_t k = l->state.pairs ? (l->state.newest + 1) % m : 0;
    double *s = l->s + k * n, *y = l->y + k * n;
    for (size_t i = 0; i < n; i++) {
        s[i] = l->trial_x[i] - l->x[i];
        y[i] = gradient[i] - l->g[i];
    }
    double sy = dot(s, y, n);
    if (!(sy > CURVATURE * sqrt(dot(s, s, n)) * sqrt(dot(y, y, n)))) {
        /* If the place was the oldest's, that is lost with it. */
        if (l->state.pairs == m)
            l->state.pairs--;
        return;
    }
    l->rho[k] = 1 / sy;
    l->state.newest = (uint32_t)k;
    if (l->state.pairs < m)
        l->state.pairs++;
}

static enum lbfgs_want accept(struct lbfgs *l, double value, const double *gradient)
{
    size_t n = l->state.n;
    pair_add(l, gradient);
    memcpy(l->x, l->trial_x, n * sizeof(*l->x));
    memcpy(l->g, gradient, n * sizeof(*l->g));
    l->state.value = value;
    l->state.iterations++;
    l->state.phase = KNOWN;
    return LBFGS_ITERATED;
}

static enum lbfgs_want search_fail(struct lbfgs *l)
{
    l->state.phase = KNOWN;
    if (l->state.steepest)
        return LBFGS_STUCK;
    l->state.pairs = 0;
    return search_begin(l);
}

/* The least of the parabola through f, its slope there and the value at a. */
static double step_next(const struct state *state, double value)
{
    double a = state->a, shorter = a * SHRINK_LEAST;
    if (isfinite(value)) {
        double curvature = (value - state->value - state->slope * a) / (a * a);
        if (curvature > 0)
            shorter = -state->slope / (2 * curvature);
    }
    double least = a * SHRINK_MOST, most = a * SHRINK_LEAST;
    return shorter < least ? least : shorter > most ? most : shorter;
}

static enum lbfgs_want refused(struct lbfgs *l, double value)
{
    if (l->state.trial >= l->options.trials)
        return search_fail(l);
    return try_step(l, step_next(&l->state, value));
}

static enum lbfgs_want tried(struct lbfgs *l, double value, const double *gradient)
{
    struct state *state = &l->state;
    if (value <= state->value + ARMIJO * state->slope * state->a && state->slope < 0) {
        if (gradient)
            return accept(l, value, gradient);
        state->trial_value = value;
        state->phase = ACCEPTED;
        return LBFGS_VALUE_AND_GRADIENT;
    }
    return refused(l, value);
}

enum lbfgs_want lbfgs_tell(struct lbfgs *l, double value, const double *gradient)
{
    struct state *state = &l->state;
    if (state->phase == TRYING)
        return tried(l, isfinite(value) ? value : INFINITY, gradient);
    if (state->phase == ACCEPTED)
        return isfinite(value) && gradient ? accept(l, value, gradient) : refused(l, INFINITY);
    memcpy(l->g, gradient, state->n * sizeof(*l->g));
    state->value = value;
    state->phase = KNOWN;
    return search_begin(l);
}

void lbfgs_change(struct lbfgs *l, int forget)
{
    l->state.phase = UNKNOWN;
    if (forget)
        l->state.pairs = 0;
}

void lbfgs_set_value(struct lbfgs *l, double value)
{
    l->state.value = value;
}

double lbfgs_value(const struct lbfgs *l)
{
    return l->state.value;
}

unsigned lbfgs_iterations(const struct lbfgs *l)
{
    return l->state.iterations;
}

double lbfgs_step(const struct lbfgs *l)
{
    return l->state.a;
}

/* --- the state as bytes: of the same program on the same kind of machine --- */

struct block {
    void *bytes;
    size_t size;
};

static size_t blocks_of(const struct lbfgs *l, struct block *blocks)
{
    size_t n = (size_t)l->state.n * sizeof(double), m = l->options.history;
    const struct block all[] = {{l->x, n},
                                {l->g, n},
                                {l->d, n},
                                {l->trial_x, n},
                                {l->s, m * n},
                                {l->y, m * n},
                                {l->rho, m * sizeof(double)}};
    memcpy(blocks, all, sizeof(all));
    return sizeof(all) / sizeof(*all);
}

int lbfgs_write(const struct lbfgs *l, FILE *stream, struct error *ret_error)
{
    struct block blocks[8];
    size_t count = blocks_of(l, blocks);
    size_t good = fwrite(&l->state, sizeof(l->state), 1, stream);
    for (size_t i = 0; good && i < count; i++)
        good = blocks[i].size == 0 || fwrite(blocks[i].bytes, blocks[i].size, 1, stream) == 1;
    return good ? 0
                : error_errno(ret_error, errno, "the state of the inversion cannot be written");
}

int lbfgs_read(struct lbfgs *l, FILE *stream, struct error *ret_error)
{
    struct block blocks[8];
    struct state state;
    size_t count = blocks_of(l, blocks);
    if (fread(&state, sizeof(state), 1, stream) != 1 || state.magic != STATE_MAGIC ||
        state.n != l->state.n || state.pairs > l->options.history ||
        state.newest >= l->options.history)
        return error_set(ret_error, ERROR_SYSTEM,
                         "the state of the inversion is of another one, or damaged");
    for (size_t i = 0; i < count; i++)
        if (blocks[i].size && fread(blocks[i].bytes, blocks[i].size, 1, stream) != 1)
            return error_set(ret_error, ERROR_SYSTEM,
                             "the state of the inversion is cut short");
    l->state = state;
    return 0;
}

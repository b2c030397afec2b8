/* anisotropic.c - what anisotropic waves have besides what acoustic ones do: the second field, M,
 * the symmetry axis and the damping of tilted layers. anisotropic_stage.c advances them. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/seismic/cfl.h"
#include "worker/seismic/acoustic_private.h"
#include "worker/seismic/anisotropic.h"

/* Fields lie apart by different numbers of cache lines; acoustic.c has those before. */
#define SKEW_PAIR 14

/* M must not be negative anywhere after rounding either: where epsilon = delta it has an eigenvalue
 * of zero, and what is a little below zero grows, if only in tens of thousands of steps. */
#define ROUNDED_UP (1 + 16 * (sizeof(wave_real) == 4 ? 0x1p-23 : 0x1p-52))

static double value_at(const float *values, size_t i)
{
    return values ? (double)values[i] : 0;
}

/* Thomsen's epsilon, raised to delta where it is below. */
static double epsilon_at(const struct wave_medium *medium, size_t i)
{
    return fmax(value_at(medium->epsilon, i), value_at(medium->delta, i));
}

double pair_velocity_max(const struct wave_medium *medium)
{
    double most = 0;
    for (size_t i = 0; i < grid_size(&medium->grid); i++)
        most = fmax(most, (double)medium->vp[i] * sqrt(1 + 2 * fmax(epsilon_at(medium, i), 0)));
    return most;
}

static double limit(const struct wave_medium *medium, const struct wave_options *options)
{
    return cfl_limit(CFL_CENTRED, options->order ? options->order : 8, &medium->grid,
                     pair_velocity_max(medium));
}

size_t pair_fields(enum kind kind, bool flat)
{
    size_t fields = 4 + 3; /* two times q and p; M */
    return kind == KIND_VTI ? fields : fields + PAIR_PARTS + (flat ? 2 : 3);
}

/*
 * Weights of D, exact for the powers 1, 3, 5, ... up to the order: Lagrange's (Fornberg 1988)
 * (-1)^(k+1) (m!)^2 / (k (m - k)! (m + k)!).
 */
static void weights_init(struct acoustic *a)
{
    int m = a->layout.radius;
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        wave_real *taps = a->pair->first[axis];
        double ratio = 1;
        for (int k = 1; k <= m && !(axis == GRID_Y && a->layout.flat); k++) {
            ratio *= (double)(m - k + 1) / (m + k);
            taps[m + k] =
                (wave_real)((k % 2 ? ratio : -ratio) / k / a->wave.grid.spacing[axis]);
            taps[m - k] = -taps[m + k];
        }
    }
}

static int allocate(struct acoustic *a)
{
    struct pair *pair = a->pair;
    size_t size = a->layout.size, row = a->layout.stride[GRID_Y];
    int skew = SKEW_PAIR;
    pair->p[0] = layout_alloc(size, skew++);
    pair->p[1] = layout_alloc(size, skew++);
    pair->cross = layout_alloc(size, skew++);
    pair->vp = layout_alloc(size, skew++);
    bool good = pair->p[0] && pair->p[1] && pair->cross && pair->vp;
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        if (pair->tilted && !(axis == GRID_Y && a->layout.flat)) {
            pair->axis[axis] = layout_alloc(size, skew++);
            good = good && pair->axis[axis];
        }
        pair->stiff[axis] =
            calloc(a->layout.n[axis] + LAYOUT_MARGIN, sizeof *pair->stiff[axis]);
        pair->ease[axis] = calloc(a->layout.n[axis] + LAYOUT_MARGIN, sizeof *pair->ease[axis]);
        good = good && pair->stiff[axis] && pair->ease[axis];
    }
    for (int f = 0; f < PAIR_FIELDS && pair->tilted; f++) {
        pair->slope[f] = layout_alloc(size, skew++);
        good = good && pair->slope[f];
    }
    if (pair->tilted) {
        pair->slow = layout_alloc(size, skew++);
        good = good && pair->slow;
    }
    size_t rows = (size_t)a->wave.options.threads * PAIR_ROWS * row;
    pair->rows = layout_alloc(rows, skew);
    pair->ones = calloc(row, sizeof *pair->ones);
    return good && pair->rows && pair->ones ? 0 : -1;
}

int pair_create(struct acoustic *a, enum kind kind)
{
    if (kind != KIND_VTI && kind != KIND_TTI)
        return 0;
    a->pair = calloc(1, sizeof *a->pair);
    if (!a->pair)
        return -1;
    a->pair->tilted = kind == KIND_TTI;
    if (allocate(a) < 0)
        return -1;
    for (size_t i = 0; i < a->layout.stride[GRID_Y]; i++)
        a->pair->ones[i] = 1;
    weights_init(a);
    return 0;
}

void pair_destroy(struct acoustic *a)
{
    struct pair *pair = a->pair;
    if (!pair)
        return;
    size_t size = a->layout.size;
    size_t rows = (size_t)a->wave.options.threads * PAIR_ROWS * a->layout.stride[GRID_Y];
    int skew = SKEW_PAIR;
    layout_free(pair->p[0], size, skew++);
    layout_free(pair->p[1], size, skew++);
    layout_free(pair->cross, size, skew++);
    layout_free(pair->vp, size, skew++);
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        free(pair->stiff[axis]);
        free(pair->ease[axis]);
        if (!pair->tilted || (axis == GRID_Y && a->layout.flat))
            continue;
        layout_free(pair->axis[axis], size, skew++);
    }
    for (int f = 0; f < PAIR_FIELDS && pair->tilted; f++)
        layout_free(pair->slope[f], size, skew++);
    if (pair->tilted)
        layout_free(pair->slow, size, skew++);
    layout_free(pair->rows, rows, skew);
    free(pair->ones);
    free(pair);
}

/* How stiff the slow wave becomes in tilted layers, and from which share of their points on. */
#define STIFF       0.6
#define STIFF_FIRST 0.2

/* eta is this share of the layers' largest damping, at most, over their points squared. */
#define EASE 1.0

/* How far point i of an axis is outside the medium's grid, in points. */
static size_t outside(const struct acoustic *a, enum grid_axis axis, size_t i)
{
    size_t pad = (size_t)a->layout.pad[axis][0], end = pad + a->wave.grid.n[axis];
    return i < pad ? pad - i : i < end ? 0 : i - end + 1;
}

/* g^2 at a share of a layer's points. */
static double stiffness(double part)
{
    double rise = fmax(0, (part - STIFF_FIRST) / (1 - STIFF_FIRST));
    return STIFF * rise * rise * (3 - 2 * rise);
}

void pair_layers(struct acoustic *a, const struct wave_medium *medium)
{
    int pad = a->wave.options.absorb;
    double dt = a->wave.options.dt;
    if (!a->pair->tilted)
        return;
    a->pair->lag = (wave_real)(limit(medium, &a->wave.options) / dt);
    a->pair->fastest = (double)a->pair->lag * pair_velocity_max(medium);
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        const struct cpml *cpml = &a->cpml[axis];
        int last = cpml->width[1] - 1;
        double ease = last < 0 ? 0 : EASE / pad / pad * dt * (double)cpml->damping[1][last];
        for (size_t i = 0; i < a->layout.n[axis] && pad > 0; i++) {
            double part = (double)outside(a, (enum grid_axis)axis, i) / pad;
            a->pair->stiff[axis][i] = (wave_real)sqrt(stiffness(part));
            a->pair->ease[axis][i] = (wave_real)(ease * part * part);
        }
    }
}

/* The axis at point i of the medium. */
static void axis_fill(struct acoustic *a, const struct wave_medium *medium, size_t i, size_t at)
{
    double theta = value_at(medium->theta, i), phi = value_at(medium->phi, i);
    wave_real **axis = a->pair->axis;
    axis[GRID_Z][at] = (wave_real)cos(theta);
    axis[GRID_X][at] = (wave_real)(sin(theta) * cos(phi));
    if (axis[GRID_Y])
        axis[GRID_Y][at] = (wave_real)(sin(theta) * sin(phi));
}

/*
 * Across the axis, with M = ((own, s), (s, 1)), own = s^2 + A, and Q times the stiffness, a wave's
 * squared velocities over vp^2 are the roots of x^2 - (own + Q A) x + Q A s^2; the larger is `most`
 * where A is this.
 */
static double across_of(double most, double s2, double stiff)
{
    return most * (most - s2) / (most + stiff * (most - s2));
}

/* M's own part of p where layers are stiff: the fast wave is as fast across the axis as without,
 * and what damps the slow one does not make steps of dt too long. */
static double own_lowered(const struct acoustic *a, double vp, double stiff, double own,
                          double s2)
{
    double most = pow(a->pair->fastest / vp, 2), lag = (double)a->pair->lag;
    double same = across_of(own, s2, stiff),
           stable = across_of(most, s2, stiff * (1 + 2 * lag));
    return s2 + fmin(same, stable);
}

static void row_fill(struct acoustic *a, const struct wave_medium *medium, size_t ix, size_t iy)
{
    double dt = a->wave.options.dt;
    const size_t *n = a->wave.grid.n;
    struct pair *pair = a->pair;
    size_t at = layout_at(&a->layout, ix, iy);
    size_t row =
        (acoustic_clamp(a, GRID_X, ix) * n[GRID_Y] + acoustic_clamp(a, GRID_Y, iy)) * n[GRID_Z];
    for (size_t iz = 0; iz < a->layout.n[GRID_Z]; iz++) {
        size_t i = row + acoustic_clamp(a, GRID_Z, iz);
        bool surface = a->wave.options.free_surface && iz == 0;
        double epsilon = epsilon_at(medium, i), delta = value_at(medium->delta, i);
        double own = 1 + 2 * epsilon;
        double g = fmax((double)pair->stiff[GRID_Z][iz],
                        fmax((double)pair->stiff[GRID_X][ix], (double)pair->stiff[GRID_Y][iy]));
        double c = dt * (double)medium->vp[i], m = surface ? 0 : c * c;
        if (g > 0)
            own = own_lowered(a, medium->vp[i], g * g, own, 1 + 2 * delta);
        a->v[at + iz] = (wave_real)m;
        pair->cross[at + iz] = (wave_real)(m * sqrt(1 + 2 * delta));
        pair->vp[at + iz] = (wave_real)(ROUNDED_UP * m * own);
        if (pair->tilted)
            axis_fill(a, medium, i, at + iz);
    }
    for (size_t k = 1; pair->tilted && a->wave.options.free_surface && k <= LAYOUT_MARGIN; k++)
        pair->axis[GRID_Z][at - k] = pair->axis[GRID_Z][at + k];
}

void pair_fill(struct acoustic *a, const struct wave_medium *medium, const struct rows *rows)
{
    for (size_t ix = rows->x0; ix < rows->x1; ix++)
        for (size_t iy = rows->y0; iy < rows->y1; iy++)
            row_fill(a, medium, ix, iy);
}

static struct wave *vti_create(const struct wave_medium *medium,
                               const struct wave_options *options, struct error *ret_error)
{
    return acoustic_create(KIND_VTI, medium, options, ret_error);
}

static struct wave *tti_create(const struct wave_medium *medium,
                               const struct wave_options *options, struct error *ret_error)
{
    if (medium->phi && medium->grid.dims == 2) {
        error_set(ret_error, ERROR_CONFIG,
                  "phi turns the symmetry axis out of a model of 2 dimensions: leave it out");
        return NULL;
    }
    return acoustic_create(KIND_TTI, medium, options, ret_error);
}

static size_t vti_memory(const struct grid *grid, const struct wave_options *options)
{
    return acoustic_memory(KIND_VTI, grid, options);
}

static size_t tti_memory(const struct grid *grid, const struct wave_options *options)
{
    return acoustic_memory(KIND_TTI, grid, options);
}

const struct wave_physics vti_physics = {
    .name = "vti",
    .about = "pseudo-acoustic waves, vertical symmetry axis",
    .needs = WAVE_VP,
    .may_have = WAVE_EPSILON | WAVE_DELTA,
    .dt_limit = limit,
    .create = vti_create,
    .destroy = acoustic_destroy,
    .clear = acoustic_clear,
    .run = acoustic_run,
    .run_both = acoustic_run_both,
    .save = acoustic_save,
    .load = acoustic_load,
    .inner_save = acoustic_inner_save,
    .inner_load = acoustic_inner_load,
    .field = acoustic_field,
    .energy = acoustic_energy,
    .memory = vti_memory,
};

const struct wave_physics tti_physics = {
    .name = "tti",
    .about = "pseudo-acoustic waves, tilted symmetry axis",
    .needs = WAVE_VP,
    .may_have = WAVE_EPSILON | WAVE_DELTA | WAVE_THETA | WAVE_PHI,
    .dt_limit = limit,
    .create = tti_create,
    .destroy = acoustic_destroy,
    .clear = acoustic_clear,
    .run = acoustic_run,
    .save = acoustic_save,
    .load = acoustic_load,
    .inner_save = acoustic_inner_save,
    .inner_load = acoustic_inner_load,
    .field = acoustic_field,
    .energy = acoustic_energy,
    .memory = tti_memory,
};

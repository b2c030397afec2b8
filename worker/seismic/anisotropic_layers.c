/*
 * anisotropic_layers.c - what tilted layers do about the slow wave (anisotropic.h), point by point.
 *
 * With d = p - s q, K = g L g and L what the layers make of the Laplacian, a step has besides
 *
 *     p[k+1] += A V (K (d[k] + tau/dt (d[k] - d[k-1]))) - 2 eta dt (d[k] - d[k-1])
 *
 * where A V = dt^2 vp^2 2 (epsilon - delta), which is own - s cross. f = g (d + ...) is made before
 * all other stages, anisotropic_stage.c differentiates it as it does p, and the rest is done around
 * the step. All of it is zero on the medium's grid.
 */
#include "config.h"

#include "worker/seismic/acoustic_private.h"

/* The numbers of a row that lie in layers: one stretch, or one at either end. */
struct span {
    size_t from, to;
};

static int spans_of(const struct acoustic *a, size_t ix, size_t iy, struct span ret_spans[2])
{
    const size_t *n = a->wave.grid.n;
    size_t x = ix - (size_t)a->layout.pad[GRID_X][0], y = iy - (size_t)a->layout.pad[GRID_Y][0];
    size_t first = (size_t)a->layout.pad[GRID_Z][0], all = a->layout.n[GRID_Z];
    ret_spans[0] = (struct span){0, first};
    ret_spans[1] = (struct span){first + n[GRID_Z], all};
    if (x < n[GRID_X] && y < n[GRID_Y])
        return 2;
    ret_spans[0].to = all;
    return 1;
}

static wave_real larger(wave_real a, wave_real b)
{
    return a > b ? a : b;
}

/* What one span of a row is about. */
static struct kernel_slow slow_job(const struct acoustic *a, size_t ix, size_t iy,
                                   const struct span *span)
{
    const struct pair *pair = a->pair;
    size_t at = layout_at(&a->layout, ix, iy) + span->from;
    return (struct kernel_slow){
        .length = span->to - span->from,
        .q = a->field[a->newest] + at,
        .p = pair->p[a->newest] + at,
        .old_q = a->field[!a->newest] + at,
        .old_p = pair->p[!a->newest] + at,
        .v = a->v + at,
        .cross = pair->cross + at,
        .own = pair->vp + at,
        .y = pair_y(a, PAIR_SLOW) + span->from,
        .f = pair->slow + at,
        .stiff_along = pair->stiff[GRID_Z] + span->from,
        .ease_along = pair->ease[GRID_Z] + span->from,
        .stiff = larger(pair->stiff[GRID_X][ix], pair->stiff[GRID_Y][iy]),
        .ease = larger(pair->ease[GRID_X][ix], pair->ease[GRID_Y][iy]),
        .lag = pair->lag,
    };
}

void pair_slow_make(struct acoustic *a, size_t ix, size_t iy)
{
    struct span spans[2];
    wave_real *f = a->pair->slow + layout_at(&a->layout, ix, iy);
    int count = spans_of(a, ix, iy, spans);
    for (int n = 0; n < count; n++) {
        const struct kernel_slow job = slow_job(a, ix, iy, &spans[n]);
        a->kernels.pair.slow_make(&job);
    }
    for (size_t k = 1; a->wave.options.free_surface && k <= (size_t)a->layout.radius; k++)
        *(f - k) = -f[k];
}

/* Second differences of f, to its y. */
static void differentiate(const struct acoustic *a, size_t ix, size_t iy,
                          const struct span *span)
{
    const struct kernel_laplace job = {
        .length = span->to - span->from,
        .deep = (ptrdiff_t)a->layout.stride[GRID_X],
        .across = a->layout.flat ? 0 : (ptrdiff_t)a->layout.stride[GRID_Y],
        .u = a->pair->slow + layout_at(&a->layout, ix, iy) + span->from,
        .weights = {a->second[GRID_X], a->second[GRID_Y], a->second[GRID_Z]},
        .centre = a->centre,
        .out = pair_y(a, PAIR_SLOW) + span->from,
    };
    a->kernels.pair.laplace(&job);
}

void pair_slow_begin(struct acoustic *a, size_t ix, size_t iy)
{
    struct span spans[2];
    int count = spans_of(a, ix, iy, spans);
    for (int n = 0; n < count; n++) {
        const struct kernel_slow job = slow_job(a, ix, iy, &spans[n]);
        differentiate(a, ix, iy, &spans[n]);
        a->kernels.pair.slow_ease(&job);
    }
}

void pair_slow_end(struct acoustic *a, size_t ix, size_t iy)
{
    struct span spans[2];
    int count = spans_of(a, ix, iy, spans);
    for (int n = 0; n < count; n++) {
        const struct kernel_slow job = slow_job(a, ix, iy, &spans[n]);
        a->kernels.pair.slow_give(&job);
    }
}

/*
 * anisotropic_layers.c - what tilted layers do about the slow wave (anisotropic.h), point by point.
 *
 * With d = p - s q, K = g L g and L what the layers make of the Laplacian, a step has besides
 *
 *     p[k+1] += A V (K (d[k] + tau/dt (d[k] - d[k-1]))) - 2 eta dt (d[k] - d[k-1])
 *
 * where A V = dt^2 vp^2 2 (epsilon - delta), which is own - s cross. f = g (d + ...) is made before all other
 * stages, anisotropic_stage.c differentiates it as it does p, and the rest is done around the step. All of it
 * is zero on the medium's grid.
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

/* A row's numbers. */
struct row {
    const wave_real *q, *p, *old_q, *v, *cross, *own, *y;
    wave_real *old_p, *f;
};

static struct row row_of(const struct acoustic *a, size_t ix, size_t iy)
{
    const struct pair *pair = a->pair;
    size_t at = layout_at(&a->layout, ix, iy);
    return (struct row){
        .q = a->field[a->newest] + at,
        .p = pair->p[a->newest] + at,
        .old_q = a->field[!a->newest] + at,
        .old_p = pair->p[!a->newest] + at,
        .v = a->v + at,
        .cross = pair->cross + at,
        .own = pair->vp + at,
        .y = pair_y(a, PAIR_SLOW),
        .f = pair->slow + at,
    };
}

/* At a point, the largest of what the axes have. */
static inline wave_real most(wave_real *const of[GRID_AXES], size_t ix, size_t iy, size_t iz)
{
    wave_real x = of[GRID_X][ix], y = of[GRID_Y][iy], z = of[GRID_Z][iz];
    x = x > y ? x : y;
    return x > z ? x : z;
}

/* s; at a free surface, where both fields are zero, and V, zero. */
static inline wave_real ratio(const struct row *row, size_t i)
{
    return row->v[i] > 0 ? row->cross[i] / row->v[i] : 0;
}

void pair_slow_make(struct acoustic *a, size_t ix, size_t iy)
{
    struct span spans[2];
    const struct row row = row_of(a, ix, iy);
    int count = spans_of(a, ix, iy, spans);
    for (int n = 0; n < count; n++) {
        for (size_t i = spans[n].from; i < spans[n].to; i++) {
            wave_real s = ratio(&row, i), d = row.p[i] - s * row.q[i];
            wave_real change = d - (row.old_p[i] - s * row.old_q[i]);
            wave_real g = row.v[i] > 0 ? most(a->pair->stiff, ix, iy, i) : 0;
            row.f[i] = g * (d + a->pair->lag * change);
        }
    }
    for (size_t k = 1; a->wave.options.free_surface && k <= (size_t)a->layout.radius; k++)
        *(row.f - k) = -row.f[k];
}

/* p comes to change less: what it was goes into the step with the opposite sign. */
static void ease(const struct acoustic *a, const struct row *row, size_t ix, size_t iy,
                 const struct span *span)
{
    for (size_t i = span->from; i < span->to; i++) {
        wave_real s = ratio(row, i), eta = most(a->pair->ease, ix, iy, i);
        wave_real d = row->p[i] - s * row->q[i];
        row->old_p[i] += 2 * eta * (d - (row->old_p[i] - s * row->old_q[i]));
    }
}

void pair_slow_begin(struct acoustic *a, size_t ix, size_t iy)
{
    struct span spans[2];
    const struct row row = row_of(a, ix, iy);
    int count = spans_of(a, ix, iy, spans);
    for (int n = 0; n < count; n++) {
        size_t from = spans[n].from;
        for (int axis = GRID_X; axis < GRID_AXES; axis++) {
            if (axis == GRID_Y && a->layout.flat)
                continue;
            pair_difference(a, (enum grid_axis)axis, row.f + from, spans[n].to - from,
                            a->taps[axis], axis != GRID_X, pair_y(a, PAIR_SLOW) + from);
        }
        ease(a, &row, ix, iy, &spans[n]);
    }
}

void pair_slow_end(struct acoustic *a, size_t ix, size_t iy)
{
    struct span spans[2];
    const struct row row = row_of(a, ix, iy);
    int count = spans_of(a, ix, iy, spans);
    for (int n = 0; n < count; n++) {
        for (size_t i = spans[n].from; i < spans[n].to; i++) {
            wave_real own = row.own[i] - ratio(&row, i) * row.cross[i];
            row.old_p[i] += own * most(a->pair->stiff, ix, iy, i) * row.y[i];
        }
    }
}

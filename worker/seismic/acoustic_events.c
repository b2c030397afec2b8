/*
 * acoustic_events.c - what happens to the newest field between steps: injection, scattering, the
 * free surface's mirror, snapshots, images, illumination and samples.
 *
 * All of it but samples is done by the thread that owns a row, right after it has computed it; so a
 * block of rows goes through several steps while it is in cache.
 */
#include "config.h"

#include <string.h>
#if defined __x86_64__
#include <emmintrin.h>
#endif

#include "worker/seismic/acoustic_private.h"
#include "worker/seismic/points.h"

static size_t every_of(const struct wave_run *run)
{
    return run->every ? run->every : 1;
}

/* One row of the medium's grid that lies among `rows`: its place in padded and in unpadded
 * fields. */
struct inner {
    const wave_real *old, *v, *half_rho; /* half_rho is NULL without density */
    wave_real *field, *p, *old_p;        /* p's and M's are NULL without anisotropy */
    wave_real *aside;                    /* what is put aside, if a->keep; may be NULL */
    const wave_real *cross, *vp;
    size_t at;  /* in snapshots, dm */
    size_t row; /* of all rows */
    size_t n;
};

struct inner_walk {
    const struct acoustic *a;
    const struct rows *rows;
    size_t x, x1, y0, y1, y;
};

/* The rows of the medium's grid among `rows`. */
static struct inner_walk inner_begin(const struct acoustic *a, const struct rows *rows)
{
    const struct layout *l = &a->layout;
    size_t px = (size_t)l->pad[GRID_X][0], py = (size_t)l->pad[GRID_Y][0];
    size_t nx = a->wave.grid.n[GRID_X], ny = a->wave.grid.n[GRID_Y];
    struct inner_walk walk = {
        .a = a,
        .rows = rows,
        .x = rows->x0 > px ? rows->x0 - px : 0,
        .x1 = rows->x1 > px ? rows->x1 - px : 0,
        .y0 = rows->y0 > py ? rows->y0 - py : 0,
        .y1 = rows->y1 > py ? rows->y1 - py : 0,
    };
    walk.x1 = walk.x1 < nx ? walk.x1 : nx;
    walk.y1 = walk.y1 < ny ? walk.y1 : ny;
    walk.y = walk.y0;
    return walk;
}

static wave_real *inner_aside(const struct inner_walk *walk)
{
    const struct acoustic *a = walk->a;
    size_t x = walk->x + (size_t)a->layout.pad[GRID_X][0] - walk->rows->x0;
    size_t y = walk->y + (size_t)a->layout.pad[GRID_Y][0] - walk->rows->y0;
    return acoustic_aside_at(a, x, y) + a->layout.pad[GRID_Z][0];
}

static bool inner_next(struct inner_walk *walk, struct inner *ret_row)
{
    if (walk->y0 >= walk->y1)
        return false;
    if (walk->y == walk->y1) {
        walk->y = walk->y0;
        walk->x++;
    }
    if (walk->x >= walk->x1)
        return false;
    const struct acoustic *a = walk->a;
    size_t at = layout_inner(&a->layout, walk->x, walk->y), nz = a->wave.grid.n[GRID_Z];
    size_t index = walk->x * a->wave.grid.n[GRID_Y] + walk->y;
    *ret_row = (struct inner){
        .old = a->field[!a->newest] + at,
        .field = a->field[a->newest] + at,
        .v = a->v + at,
        .half_rho = a->half_rho ? a->half_rho + at : NULL,
        .p = a->pair ? a->pair->p[a->newest] + at : NULL,
        .old_p = a->pair ? a->pair->p[!a->newest] + at : NULL,
        .aside = a->aside ? inner_aside(walk) : NULL,
        .cross = a->pair ? a->pair->cross + at : NULL,
        .vp = a->pair ? a->pair->vp + at : NULL,
        .at = index * nz,
        .row = index,
        .n = nz,
    };
    walk->y++;
    return true;
}

/*
 * A snapshot is V times what a step adds up: the Laplacian, which the kernel leaves in a->aside,
 * and what is injected and scattered, added there. Where there is no a->aside the stage of the
 * field writes it to the snapshot, and the rest is added to that.
 */
static wave_real *snapshot_of(const struct acoustic *a, const struct wave_run *run, size_t k)
{
    size_t every = every_of(run);
    if (!run->snapshots || run->mode == WAVE_TRANSPOSED || k % every)
        return NULL;
    return run->snapshots + k / every * a->wave.snapshot_size;
}

wave_real *acoustic_keep(const struct acoustic *a, const struct wave_run *run, size_t k)
{
    return snapshot_of(a, run, k);
}

/* What is injected at a point of the medium's grid is a part of the snapshot: where, or NULL. */
static wave_real *keep_at(const struct acoustic *a, const size_t at[GRID_AXES])
{
    size_t index = 0;
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        size_t i = at[axis] - (size_t)a->layout.pad[axis][0];
        if (i >= a->wave.grid.n[axis]) /* before the grid, it has wrapped around */
            return NULL;
        index = index * a->wave.grid.n[axis] + i;
    }
    return a->keep + index;
}

/* Keep what is injected at a strip of row (x, y); `aside` is that row, where there is one. */
static void strip_keep(const struct acoustic *a, size_t x, const struct point_strip *strip,
                       const wave_real *weights, wave_real value, wave_real *aside)
{
    for (size_t i = 0; i < strip->n; i++) {
        size_t at[GRID_AXES] = {x, strip->y, strip->z + i};
        wave_real *keep = aside ? NULL : keep_at(a, at), part = weights[i] * value;
        if (aside)
            aside[strip->z + i] += part;
        else if (keep)
            *keep +=
                a->pair ? part : a->v[layout_at(&a->layout, x, strip->y) + at[GRID_Z]] * part;
    }
}

/* The same where snapshots become an image at once, in 2-D. */
static void strip_image(const struct acoustic *a, size_t x, const struct point_strip *strip,
                        const wave_real *weights, wave_real value)
{
    size_t ix = x - (size_t)a->layout.pad[GRID_X][0], at = layout_at(&a->layout, x, 0);
    if (ix >= a->wave.grid.n[GRID_X])
        return;
    for (size_t i = 0; i < strip->n; i++) {
        size_t z = strip->z + i, iz = z - (size_t)a->layout.pad[GRID_Z][0];
        wave_real part = a->v[at + z] * (weights[i] * value);
        if (iz < a->wave.grid.n[GRID_Z])
            a->image[ix * a->wave.image_row + iz] +=
                acoustic_image_scale(a) * part * a->imaged[PAIR_Q][at + z];
    }
}

static void strip_inject(const struct acoustic *a, size_t at, size_t n,
                         const wave_real *weights, wave_real value)
{
    wave_real *field = a->field[a->newest] + at;
    const wave_real *v = a->v + at;
    for (size_t i = 0; i < n; i++)
        field[i] += v[i] * (weights[i] * value);
    if (!a->pair)
        return;
    wave_real *p = a->pair->p[a->newest] + at;
    const wave_real *cross = a->pair->cross + at;
    for (size_t i = 0; i < n; i++)
        p[i] += cross[i] * (weights[i] * value);
}

static void weights_inject(const struct acoustic *a, const struct wave_run *run, size_t k,
                           const struct rows *rows)
{
    const struct wave_points *points = run->inject;
    const wave_real *values = run->injected + k * points->count;
    if (points->plane[rows->x0] == points->plane[rows->x1]) /* most planes have no source */
        return;
    for (size_t ix = rows->x0; ix < rows->x1; ix++) {
        size_t end = points_find_row(points, ix, rows->y1);
        for (size_t i = points_find_row(points, ix, rows->y0); i < end; i++) {
            const struct point_strip *strip = &points->strips[i];
            const wave_real *weights = points->weights + strip->weight;
            wave_real value = values[strip->place];
            strip_inject(a, layout_at(&a->layout, ix, strip->y) + strip->z, strip->n, weights,
                         value);
            if (a->image)
                strip_image(a, ix, strip, weights, value);
            else if (a->keep)
                strip_keep(a, ix, strip, weights, value,
                           a->aside ? acoustic_aside_at(a, ix - rows->x0, strip->y - rows->y0)
                                    : NULL);
        }
    }
}

/*
 * Rows of what is done at every point, compiled for several kinds of processors: these loops go
 * over as much memory as a step does.
 */
#if defined __x86_64__ && defined __has_attribute
#if __has_attribute(target_clones)
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#endif
#endif
#ifndef WIDE
#define WIDE
#endif

/* sum += scale a b */
WIDE static void row_add(wave_real *restrict sum, const wave_real *a, const wave_real *b,
                         wave_real scale, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        sum[i] += scale * a[i] * b[i];
}

/* sum += scale a b, and then the same of the next two rows */
WIDE static void row_add_two(wave_real *restrict sum, const wave_real *a, const wave_real *b,
                             const wave_real *next_a, const wave_real *next_b, wave_real scale,
                             size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        wave_real first = sum[i] + scale * a[i] * b[i];
        sum[i] = first + scale * next_a[i] * next_b[i];
    }
}

/* The same two with scale / (2 half_rho) */
WIDE static void row_add_divided(wave_real *restrict sum, const wave_real *a,
                                 const wave_real *b, const wave_real *half_rho, wave_real scale,
                                 size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        sum[i] += scale / (2 * half_rho[i]) * a[i] * b[i];
}

WIDE static void row_add_two_divided(wave_real *restrict sum, const wave_real *a,
                                     const wave_real *b, const wave_real *next_a,
                                     const wave_real *next_b, const wave_real *half_rho,
                                     wave_real scale, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        wave_real part = scale / (2 * half_rho[i]);
        wave_real first = sum[i] + part * a[i] * b[i];
        sum[i] = first + part * next_a[i] * next_b[i];
    }
}

/* What one step gives to a pair's image: y, and the field before it, of q and of p. */
struct pair_step {
    const wave_real *y_q, *q, *y_p, *p;
};

/* The same two of a pair: sum += scale v (y_q q + y_p p) */
WIDE static void row_add_pair(wave_real *restrict sum, const struct pair_step *step,
                              const wave_real *v, wave_real scale, size_t n)
{
    const struct pair_step s = *step;
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        sum[i] += scale * v[i] * (s.y_q[i] * s.q[i] + s.y_p[i] * s.p[i]);
}

WIDE static void row_add_two_pair(wave_real *restrict sum, const struct pair_step *step,
                                  const struct pair_step *next, const wave_real *v,
                                  wave_real scale, size_t n)
{
    const struct pair_step s = *step, t = *next;
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        wave_real part = scale * v[i];
        wave_real first = sum[i] + part * (s.y_q[i] * s.q[i] + s.y_p[i] * s.p[i]);
        sum[i] = first + part * (t.y_q[i] * t.q[i] + t.y_p[i] * t.p[i]);
    }
}

/* field += scale v dm s */
WIDE static void row_scatter(wave_real *restrict field, const wave_real *v, const wave_real *dm,
                             const wave_real *s, wave_real scale, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        field[i] += scale * v[i] * dm[i] * s[i];
}

/* field += scale v dm s / (2 half_rho) */
WIDE static void row_scatter_divided(wave_real *restrict field, const wave_real *v,
                                     const wave_real *dm, const wave_real *s,
                                     const wave_real *half_rho, wave_real scale, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        field[i] += scale / (2 * half_rho[i]) * v[i] * dm[i] * s[i];
}

/* Scattering of a pair: a snapshot changes by -(1/m) dm of itself, and the fields by M times
 * that. */
static void pair_scatter(const struct acoustic *a, const struct wave_run *run,
                         const wave_real *snapshot, wave_real *keep, const struct rows *rows)
{
    double dt = a->wave.options.dt;
    wave_real scale = (wave_real)(-1 / (dt * dt));
    struct inner_walk walk = inner_begin(a, rows);
    for (struct inner row; inner_next(&walk, &row);) {
        const wave_real *dm = run->dm + row.at, *q = snapshot + row.at, *p = q + a->wave.points;
        for (size_t i = 0; i < row.n; i++) {
            wave_real part = scale * row.v[i] * dm[i], of_q = part * q[i], of_p = part * p[i];
            row.field[i] += row.v[i] * of_q + row.cross[i] * of_p;
            row.p[i] += row.cross[i] * of_q + row.vp[i] * of_p;
            if (keep) {
                keep[row.at + i] += of_q;
                keep[a->wave.points + row.at + i] += of_p;
            }
        }
    }
}

static void scatter(const struct acoustic *a, const struct wave_run *run,
                    const wave_real *snapshot, const struct rows *rows)
{
    double dt = a->wave.options.dt;
    wave_real scale = (wave_real)(-1 / (dt * dt));
    struct inner_walk walk = inner_begin(a, rows);
    for (struct inner row; inner_next(&walk, &row);) {
        const wave_real *dm = run->dm + row.at, *s = snapshot + row.at;
        if (row.half_rho)
            row_scatter_divided(row.field, row.v, dm, s, row.half_rho, scale, row.n);
        else
            row_scatter(row.field, row.v, dm, s, scale, row.n);
        if (a->keep && row.half_rho)
            row_scatter_divided(a->keep + row.at, row.v, dm, s, row.half_rho, scale, row.n);
        else if (a->keep)
            row_add(row.aside, dm, s, scale, row.n);
    }
}

/*
 * What is added of step k: where every step is imaged, two of them together, for the field of the
 * one before (k + 1, transposed) is still there and going over the image costs as much as a step.
 * Those of k's parity leave it to the next one. The sums are the same to the bit.
 */
enum turns { TURNS_NONE, TURNS_ONE, TURNS_TWO };
static enum turns turns_of(const struct wave_run *run, size_t k)
{
    if (every_of(run) > 1)
        return TURNS_ONE;
    if ((run->steps - 1 - k) % 2)
        return TURNS_TWO;
    return k > 0 ? TURNS_NONE : TURNS_ONE;
}

static void row_image_pair(const struct acoustic *a, const struct inner *row, wave_real *sum,
                           const wave_real *s, enum turns turns, wave_real scale)
{
    const wave_real *before = s + a->wave.snapshot_size;
    const struct pair_step step = {s, row->field, s + a->wave.points, row->p};
    const struct pair_step old = {before, row->old, before + a->wave.points, row->old_p};
    if (turns == TURNS_TWO)
        row_add_two_pair(sum, &old, &step, row->v, scale, row->n);
    else
        row_add_pair(sum, &step, row->v, scale, row->n);
}

static void image(const struct acoustic *a, const struct wave_run *run, size_t k,
                  const wave_real *snapshot, const struct rows *rows)
{
    wave_real scale = acoustic_image_scale(a);
    size_t step = run->image_row ? run->image_row : a->wave.grid.n[GRID_Z];
    struct inner_walk walk = inner_begin(a, rows);
    enum turns turns = turns_of(run, k);
    for (struct inner row; turns != TURNS_NONE && inner_next(&walk, &row);) {
        wave_real *sum = run->image + row.row * step;
        const wave_real *s = snapshot + row.at;
        if (row.p)
            row_image_pair(a, &row, sum, s, turns, scale);
        else if (turns == TURNS_TWO && row.half_rho)
            row_add_two_divided(sum, s + a->wave.snapshot_size, row.old, s, row.field,
                                row.half_rho, scale, row.n);
        else if (turns == TURNS_TWO)
            row_add_two(sum, s + a->wave.snapshot_size, row.old, s, row.field, scale, row.n);
        else if (row.half_rho)
            row_add_divided(sum, s, row.field, row.half_rho, scale, row.n);
        else
            row_add(sum, s, row.field, scale, row.n);
    }
}

static void illuminate(const struct acoustic *a, const struct wave_run *run,
                       const struct rows *rows)
{
    struct inner_walk walk = inner_begin(a, rows);
    for (struct inner row; inner_next(&walk, &row);)
        row_add(run->illumination + row.at, row.field, row.field, 1, row.n);
}

/* to = a b */
WIDE static void row_product(wave_real *restrict to, const wave_real *a, const wave_real *b,
                             size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        to[i] = a[i] * b[i];
}

#if defined __x86_64__
/* One number, past the caches. */
static void number_stream(wave_real *to, wave_real value)
{
#ifdef WAVE_DOUBLE
    long long bits;
    memcpy(&bits, &value, sizeof bits);
    _mm_stream_si64((long long *)to, bits);
#else
    int bits;
    memcpy(&bits, &value, sizeof bits);
    _mm_stream_si32((int *)to, bits);
#endif
}
#endif

/* The same, past the caches: where snapshots are too many for these, memory's lines need not be
 * read before they are written. All of a row, for a line of which a part is stored as usual takes
 * many times as long. */
static void row_stream(wave_real *restrict to, const wave_real *a, const wave_real *b, size_t n)
{
#if defined __x86_64__
    typedef wave_real piece
        __attribute__((vector_size(16), may_alias, aligned(sizeof(wave_real))));
    const size_t lanes = 16 / sizeof *to;
    size_t i = 0;
    for (; i < n && (uintptr_t)(to + i) % 16; i++)
        number_stream(to + i, a[i] * b[i]);
    for (; i + lanes <= n; i += lanes)
        _mm_stream_ps((float *)(to + i),
                      (__m128)(*(const piece *)(a + i) * *(const piece *)(b + i)));
    for (; i < n; i++)
        number_stream(to + i, a[i] * b[i]);
#else
    row_product(to, a, b, n);
#endif
}

void acoustic_streams_end(const struct acoustic *a)
{
#if defined __x86_64__
    if (a->stream)
        _mm_sfence();
#else
    (void)a;
#endif
}

void acoustic_keep_row(const struct acoustic *a, wave_real *to, const wave_real *v,
                       const wave_real *sums)
{
    size_t n = a->wave.grid.n[GRID_Z];
    a->stream ? row_stream(to, v, sums, n) : row_product(to, v, sums, n);
}

static void snapshot_end(const struct acoustic *a, const struct rows *rows)
{
    struct inner_walk walk = inner_begin(a, rows);
    for (struct inner row; inner_next(&walk, &row);)
        acoustic_keep_row(a, a->keep + row.at, row.v, row.aside);
}

const wave_real *acoustic_due(const struct acoustic *a, const struct wave_run *run, size_t k)
{
    size_t every = every_of(run);
    if (!a->stream || run->mode != WAVE_TRANSPOSED || !run->image || !run->scattered ||
        k == 0 || (k - 1) % every)
        return NULL;
    return run->scattered + (k - 1) / every * a->wave.snapshot_size;
}

void acoustic_inject(const struct acoustic *a, const struct wave_run *run, size_t k,
                     const struct rows *rows)
{
    size_t every = every_of(run), index = k / every * a->wave.snapshot_size;
    bool turn = k % every == 0;
    if (run->inject && run->injected)
        weights_inject(a, run, k, rows);
    if (turn && run->scattered && run->dm && run->mode == WAVE_FORWARD)
        a->pair ? pair_scatter(a, run, run->scattered + index, a->keep, rows)
                : scatter(a, run, run->scattered + index, rows);
    acoustic_mirror(a, a->field[a->newest], rows);
    if (a->pair)
        acoustic_mirror(a, a->pair->p[a->newest], rows);
    if (turn && run->scattered && run->image && run->mode == WAVE_TRANSPOSED)
        image(a, run, k, run->scattered + index, rows);
    if (a->keep && a->aside && !a->image)
        snapshot_end(a, rows);
    if (turn && run->illumination)
        illuminate(a, run, rows);
}

/* Whose samples of a place are, in groups of a cache line: those of a block of planes are near
 * each other, and all threads should have some of them. */
static int place_owner(uint32_t place, int threads)
{
    const uint32_t group = 64 / sizeof(wave_real);
    return (int)(place / group % (uint32_t)threads);
}

static wave_real strip_sum(const struct acoustic *a, const struct wave_points *points,
                           size_t ix, const struct point_strip *strip)
{
    const wave_real *weights = points->weights + strip->weight;
    const wave_real *field =
        a->field[a->newest] + layout_at(&a->layout, ix, strip->y) + strip->z;
    wave_real sum = 0;
    for (size_t i = 0; i < strip->n; i++)
        sum += weights[i] * field[i];
    return sum;
}

void acoustic_sample(const struct acoustic *a, const struct wave_run *run, size_t k,
                     const struct rows *rows, int id, int threads)
{
    const struct wave_points *points = run->sample;
    wave_real *values = run->sampled + k * points->count;
    for (size_t ix = rows->x0; ix < rows->x1; ix++)
        for (size_t i = points->plane[ix]; i < points->plane[ix + 1]; i++) {
            const struct point_turn *turn = &points->turns[i];
            if (place_owner(turn->place, threads) == id)
                values[turn->place] += strip_sum(a, points, ix, &points->strips[turn->strip]);
        }
}

void acoustic_catch(const struct acoustic *a, const struct wave_points *points,
                    const struct rows *rows, wave_real *caught)
{
    for (size_t ix = rows->x0; ix < rows->x1; ix++) {
        size_t end = points_find_row(points, ix, rows->y1);
        for (size_t i = points_find_row(points, ix, rows->y0); i < end; i++)
            caught[i] = strip_sum(a, points, ix, &points->strips[i]);
    }
}

void acoustic_sample_caught(const struct wave_run *run, size_t k, const wave_real *caught,
                            int id, int threads)
{
    const struct wave_points *points = run->sample;
    wave_real *values = run->sampled + k * points->count;
    for (size_t i = 0; i < points_strips(points); i++) {
        const struct point_turn *turn = &points->turns[i];
        if (place_owner(turn->place, threads) == id)
            values[turn->place] += caught[turn->strip];
    }
}

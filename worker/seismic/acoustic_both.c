/*
 * acoustic_both.c - a run of a 2-D wave backwards in time, and the transposed one of another wave
 * that images it, step by step together, so that they stay in cache where each alone would.
 *
 * A gradient goes through two waves, snapshots and the image: of models that are not small that is
 * more than the last cache has left, where a forward run alone still stays in it. So the first
 * run's steps and the second's take turns in the same pass over the planes, each a block behind the
 * one before, `depth` steps of each; and what a step backwards makes is added to the image at once,
 * with the field that the second run has reached there: no snapshot is written. Sums are those of
 * snapshots that are read, to the bit.
 *
 * Threads have planes of their own. First each takes these through all steps, of which every one
 * ends `slope` planes before the last one did at a border between threads, for it reads what that
 * one made. Then all threads do what is left there, step after step.
 *
 *     steps   ^     / \            1: thread 0's and thread 1's own planes
 *             |  1 / 2 \ 1         2: what is left
 *             |   /     \
 *             +-------------> x
 */
#include "config.h"

#ifdef _OPENMP
#include <omp.h>
#endif

#include "worker/seismic/acoustic_private.h"
#include "worker/seismic/cache.h"
#include "worker/seismic/gate.h"

#define RUNS 2

/* More steps gain nothing, for most of what is in cache is used often then. */
#define DEPTH_MOST  8
#define DEPTH_LEAST 2

/* What of the last cache two waves and the image may fill before they are better taken together:
 * others use it as well (measured: of 32 MB 4 are better apart, 11 as good or better together, and
 * 18 need two thirds of the time), and what fronts may. */
#define APART(share) ((share) / 10 * 3)
#define FRONT(share) ((share) / 8 * 3)

struct both {
    struct acoustic *waves[RUNS];
    const struct wave_run *runs[RUNS];
    size_t depth;        /* steps of each run in a pass */
    size_t block, slope; /* planes */
};

/* A thread's share. */
struct share {
    const struct both *both;
    struct gate *gate;
    struct acoustic waves[RUNS]; /* its copies */
    struct wave_run runs[RUNS];
    int newest[RUNS]; /* at the first step of the pass */
    int id, threads;
};

/* Steps of each run: `count` of them after `done`. */
struct span {
    size_t done, count;
};

/* The border before thread id's planes, where the kernel's groups begin. */
static size_t border(const struct acoustic *a, int id, int threads)
{
    size_t n = a->layout.n[GRID_X], at = n * (size_t)id / (size_t)threads;
    return id == threads ? n : at / KERNELS_GROUP * KERNELS_GROUP;
}

/* Step i of both runs' in turn, of planes [x0, x1). */
static void planes_step(struct share *s, const struct span *span, size_t i, size_t x0,
                        size_t x1)
{
    size_t run = i % RUNS, t = i / RUNS;
    struct acoustic *a = &s->waves[run];
    struct rows rows = {x0, x1, 0, a->layout.n[GRID_Y]};
    if (run == 0)
        a->imaged = s->waves[1].field[s->newest[1] ^ (int)(t & 1)];
    if (acoustic_inner_run(&s->runs[run]))
        acoustic_rows_clip(a, &rows, 0);
    if (rows.x0 < rows.x1)
        acoustic_rows_step(a, &s->runs[run], span->done + t, s->newest[run] ^ (int)(t & 1),
                           &rows, false);
}

/* Ask for a part of some numbers. */
static void numbers_ask(const wave_real *from, size_t count, size_t part, size_t parts)
{
    for (size_t i = count * part / parts; i < count * (part + 1) / parts; i += LAYOUT_ALIGN)
        __builtin_prefetch(from + i, 0, 2);
}

/* Ask for a part of what the first step of a run will find in the block at plane `at`: memory
 * answers slowly, and the processor does not see so many streams coming. */
static void block_ask(const struct share *s, size_t run, size_t at, size_t part, size_t parts)
{
    const struct acoustic *a = &s->waves[run];
    const struct layout *l = &a->layout;
    size_t block = s->both->block, px = (size_t)l->pad[GRID_X][0];
    size_t count = block * l->stride[GRID_X], here = layout_at(l, at, 0);
    size_t ahead = here + (size_t)l->radius * l->stride[GRID_X];
    if (at + block > l->n[GRID_X])
        return;
    numbers_ask(a->field[s->newest[run]] + ahead, count, part, parts);
    numbers_ask(a->field[!s->newest[run]] + here, count, part, parts);
    numbers_ask(a->v + here, count, part, parts);
    if (a->image && at >= px && at + block <= px + a->wave.grid.n[GRID_X])
        numbers_ask(a->image + (at - px) * a->wave.grid.n[GRID_Z],
                    block * a->wave.grid.n[GRID_Z], part, parts);
}

/* What step i does of a turn, in which it is i blocks behind the first one. */
static void turn_step(struct share *s, const struct span *span, size_t turn, size_t i)
{
    const struct both *both = s->both;
    size_t first = border(s->waves, s->id, s->threads), block = both->block;
    size_t end = border(s->waves, s->id + 1, s->threads);
    size_t less = i / RUNS * both->slope, at = first + (turn - i) * block;
    size_t from = s->id == 0 ? 0 : first + less;
    size_t to = s->id + 1 == s->threads ? end : end - less;
    size_t x0 = at > from ? at : from, x1 = at + block < to ? at + block : to;
    for (size_t run = 0; run < RUNS; run++)
        block_ask(s, run, first + (turn + 1 - run) * block, i, RUNS * span->count);
    if (x0 < x1)
        planes_step(s, span, i, x0, x1);
}

static void own_planes(struct share *s, const struct span *span)
{
    size_t first = border(s->waves, s->id, s->threads), block = s->both->block;
    size_t planes = border(s->waves, s->id + 1, s->threads) - first;
    size_t turns = (planes + block - 1) / block + RUNS * span->count - 1;
    for (size_t turn = 0; turn < turns; turn++)
        for (size_t i = 0; i < RUNS * span->count && i <= turn; i++)
            turn_step(s, span, turn, i);
}

/* Around each border. The two runs' steps read nothing that the other one of the same turn
 * writes in another thread's planes. */
static void left_planes(struct share *s, const struct span *span)
{
    gate_wait(s->gate, s->threads);
    for (size_t t = 1; t < span->count; t++) {
        for (int id = 1; id < s->threads; id++) {
            size_t middle = border(s->waves, id, s->threads), less = t * s->both->slope;
            struct rows all = {middle - less, middle + less, 0, 1};
            struct rows own = acoustic_rows(s->waves, &all, s->id, s->threads);
            for (size_t run = 0; run < RUNS; run++)
                planes_step(s, span, t * RUNS + run, own.x0, own.x1);
        }
        gate_wait(s->gate, s->threads);
    }
}

static void share_begin(struct share *s, const struct both *both, struct gate *gate)
{
    *s = (struct share){.both = both, .gate = gate, .threads = 1};
#ifdef _OPENMP
    s->id = omp_get_thread_num();
    s->threads = omp_get_num_threads();
#endif
    for (size_t i = 0; i < RUNS; i++) {
        struct acoustic *a = &s->waves[i];
        *a = *both->waves[i];
        a->id = s->id;
        a->aside += (size_t)s->id * acoustic_aside_size(a);
        s->newest[i] = a->newest;
        s->runs[i] = *both->runs[i];
        acoustic_span_choose(a, &s->runs[i]);
    }
    s->waves[0].image = s->runs[1].image;
    s->runs[1].image = NULL;
}

static void share_run(struct share *s)
{
    struct acoustic *second = &s->waves[1];
    struct rows all = acoustic_rows_all(second);
    struct rows rows = acoustic_rows(second, &all, s->id, s->threads);
    size_t steps = s->runs[0].steps, depth = s->both->depth;
    acoustic_inject(second, &s->runs[1], steps - 1, &rows); /* which comes before a step */
    gate_wait(s->gate, s->threads);
    for (size_t done = 0; done < steps; done += depth) {
        struct span span = {done, steps - done < depth ? steps - done : depth};
        own_planes(s, &span);
        if (s->threads > 1)
            left_planes(s, &span);
        for (size_t i = 0; i < RUNS; i++)
            s->newest[i] ^= (int)(span.count & 1);
    }
}

static void both_run(const struct both *both)
{
    struct gate gate = {0};
    size_t steps = both->runs[0]->steps;
    both->waves[0]->newest ^= 1; /* backwards: u[k] becomes the newest, u[k+1] is overwritten */
#ifdef _OPENMP
#pragma omp parallel num_threads(both->waves[0]->wave.options.threads)
#endif
    {
        unsigned long before = flush_begin();
        struct share share;
        share_begin(&share, both, &gate);
        share_run(&share);
        flush_restore(before);
    }
    both->waves[0]->newest ^= (int)(steps & 1) ^ 1;
    both->waves[1]->newest ^= (int)(steps & 1);
}

/* Whether each thread's planes are enough for so many steps, and no border's are in a layer. */
static bool borders_fit(const struct acoustic *a, size_t depth)
{
    int threads = a->wave.options.threads;
    size_t less = (depth + 1) * (size_t)a->layout.radius;
    if (a->layout.n[GRID_X] / (size_t)threads < 4 * less)
        return threads == 1;
    for (int id = 1; id < threads; id++) {
        size_t at = border(a, id, threads);
        if (acoustic_memory_cut(a, WAVE_TRANSPOSED, GRID_X, at - less) ||
            acoustic_memory_cut(a, WAVE_TRANSPOSED, GRID_X, at + less))
            return false;
    }
    return true;
}

/* Planes of a block: transposed, memory variables reach twice as far as fields. */
static size_t block_planes(const struct acoustic *a)
{
    size_t reach = 2 * (size_t)a->layout.radius;
    return reach > 8 ? reach : 8;
}

size_t acoustic_both_depth(const struct acoustic *a)
{
    size_t threads = (size_t)a->wave.options.threads, share = cache_share((int)threads);
    size_t plane = a->fields * a->layout.stride[GRID_X] * sizeof(wave_real);
    size_t image = a->wave.points * sizeof(wave_real), depth = DEPTH_MOST;
    if (!a->layout.flat || !a->aside || a->asked > 0 ||
        RUNS * plane * a->layout.n[GRID_X] + image < APART(share))
        return 0;
    while (depth >= DEPTH_LEAST &&
           (threads * RUNS * depth * block_planes(a) * plane > FRONT(share) ||
            !borders_fit(a, depth)))
        depth--;
    return depth >= DEPTH_LEAST ? depth : 0;
}

/* Whether two runs are what is done here. */
static bool runs_fit(const struct wave_run *run, const struct wave_run *reads)
{
    return run->mode == WAVE_BACKWARD && run->shells && run->snapshots && !run->sample &&
           !run->illumination && run->every <= 1 && reads->mode == WAVE_TRANSPOSED &&
           reads->image && reads->scattered == run->snapshots && !reads->sample &&
           !reads->illumination && reads->every <= 1 && run->steps == reads->steps &&
           run->steps > 0;
}

void acoustic_run_both(struct wave *wave, const struct wave_run *run, struct wave *reader,
                       const struct wave_run *reads)
{
    struct acoustic *a = (struct acoustic *)wave, *b = (struct acoustic *)reader;
    struct both both = {.waves = {a, b},
                        .runs = {run, reads},
                        .depth = a->wave.both_steps,
                        .block = block_planes(a),
                        .slope = (size_t)a->layout.radius};
    if (both.depth > 0 && both.depth == b->wave.both_steps && runs_fit(run, reads)) {
        both_run(&both);
        return;
    }
    acoustic_run(wave, run);
    acoustic_run(reader, reads);
}

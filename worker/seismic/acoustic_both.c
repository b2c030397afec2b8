/*
 * acoustic_both.c - a run of a 2-D wave backwards in time, and the transposed one of another wave
 * that images it, step by step together, so that they stay in cache where each alone would. Not
 * those with density or tilted axes, whose steps have stages.
 *
 * A gradient goes through two waves, snapshots and the image: of models that are not small that is
 * more than the last cache has left, where a forward run alone still stays in it. So the first
 * run's steps and the second's take turns in the same pass over the planes, both in a block that is
 * one behind that of the steps before, `depth` steps of each. What a step backwards makes is added
 * to the image at once, with the fields that the second run has reached there, while both are in
 * registers: no snapshot is written. Both waves read one medium. Threads have planes of their own
 * (acoustic_wedge.c), or, where these are too few, share all of them, step after step: the sums are
 * the same to the bit.
 */
#include "config.h"

#ifdef _OPENMP
#include <omp.h>
#endif

#include "common/seismic/shot_cost.h"
#include "worker/seismic/acoustic_private.h"
#include "worker/seismic/cache.h"
#include "worker/seismic/gate.h"

#define RUNS 2

/* More steps gain nothing, for most of what is in cache is used often then. (With 2001 x 2001
 * points 8 took 1.07 times as long.) */
#define DEPTH_MOST  SHOT_TOGETHER
#define DEPTH_LEAST 2
#define DEPTH_PLAIN 1 /* threads share a step's planes */

/* What of the last cache fronts may fill: others use it as well. */
#define FRONT(share) ((share) / 8 * 3)

struct both {
    struct acoustic *waves[RUNS];
    const struct wave_run *runs[RUNS];
    size_t depth; /* steps of each run in a pass */
    size_t block; /* planes */
};

/* A thread's share. */
struct share {
    const struct both *both;
    struct gate *gate;
    struct acoustic waves[RUNS]; /* its copies */
    struct pair pair;            /* of the second one, where it has any */
    struct wave_run runs[RUNS];
    wave_real *image;
    int newest[RUNS]; /* at the first step of the pass */
    size_t done;      /* steps of each run before it */
    int id, threads;
};

/* Whether a run backwards makes a snapshot in its t-th step. */
static bool step_images(const struct wave_run *run, size_t t)
{
    return run->every <= 1 || (run->steps - 1 - t) % run->every == 0;
}

/* Step t of the pass, of one run. `ready`: memory variables have been advanced. */
static void run_step(struct share *s, size_t run, size_t t, const struct rows *rows, bool ready)
{
    struct acoustic *a = &s->waves[run];
    if (run == 0) {
        int newest = s->newest[1] ^ (int)(t & 1);
        a->imaged[PAIR_Q] = s->waves[1].field[newest];
        a->imaged[PAIR_P] = a->pair ? s->waves[1].pair->p[newest] : NULL;
        a->image = step_images(&s->runs[0], s->done + t) ? s->image : NULL;
    }
    acoustic_rows_step(a, &s->runs[run], s->done + t, s->newest[run] ^ (int)(t & 1), rows,
                       ready);
}

/* Step i of both runs' in turn, of planes [x0, x1). */
static void both_step(void *context, size_t i, size_t x0, size_t x1)
{
    struct share *s = context;
    size_t run = i % RUNS;
    struct acoustic *a = &s->waves[run];
    struct rows rows = {x0, x1, 0, a->layout.n[GRID_Y]};
    if (acoustic_inner_run(&s->runs[run]))
        acoustic_rows_clip(a, &rows, 0);
    if (rows.x0 < rows.x1)
        run_step(s, run, i / RUNS, &rows, false);
}

static void both_ask(void *context, size_t run, size_t at, size_t i)
{
    const struct share *s = context;
    wedge_ask(&s->waves[run], s->newest[run], at, s->both->block, i, RUNS * s->both->depth);
}

/* Let the second wave read the first one's medium, which is the same: so only one comes through the
 * cache. */
static void medium_share(struct share *s)
{
    const struct acoustic *first = &s->waves[0];
    struct acoustic *second = &s->waves[1];
    second->v = first->v;
    if (!second->pair)
        return;
    s->pair = *second->pair;
    s->pair.cross = first->pair->cross;
    s->pair.vp = first->pair->vp;
    second->pair = &s->pair;
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
    medium_share(s);
    s->image = s->runs[1].image;
    s->runs[1].image = NULL;
}

/* Passes of wedges. */
static void share_wedges(struct share *s)
{
    const struct acoustic *second = &s->waves[1];
    size_t steps = s->runs[0].steps, depth = s->both->depth;
    struct wedge wedge = {.runs = RUNS,
                          .planes = second->layout.n[GRID_X],
                          .block = s->both->block,
                          .slope = (size_t)second->layout.radius,
                          .gate = s->gate,
                          .id = s->id,
                          .threads = s->threads,
                          .step = both_step,
                          .ask = both_ask,
                          .context = s};
    for (s->done = 0; s->done < steps; s->done += depth) {
        size_t count = steps - s->done < depth ? steps - s->done : depth;
        wedge.steps = RUNS * count;
        wedge_run(&wedge);
        for (size_t i = 0; i < RUNS; i++)
            s->newest[i] ^= (int)(count & 1);
    }
}

/* Steps of which each thread has a part of all planes: `rows` of the second run's. */
static void share_plain(struct share *s, const struct rows *rows)
{
    struct acoustic *second = &s->waves[1];
    struct rows all = acoustic_rows_all(second), inner = all;
    acoustic_rows_clip(second, &inner, 0);
    struct rows first = acoustic_rows(second, &inner, s->id, s->threads);
    bool cut = acoustic_rows_cut(second, WAVE_TRANSPOSED, &all, s->threads);
    for (size_t t = 0; t < s->runs[0].steps; t++) {
        run_step(s, 0, t, &first, false);
        second->newest = s->newest[1] ^ (int)(t & 1);
        for (int phase = 0; cut && phase < acoustic_phases(WAVE_TRANSPOSED); phase++) {
            acoustic_memory_run(second, WAVE_TRANSPOSED, phase, rows);
            gate_wait(s->gate, s->threads);
        }
        run_step(s, 1, t, rows, cut);
        gate_wait(s->gate, s->threads);
    }
}

static void share_run(struct share *s)
{
    struct acoustic *second = &s->waves[1];
    struct rows all = acoustic_rows_all(second);
    struct rows rows = acoustic_rows(second, &all, s->id, s->threads);
    acoustic_inject(second, &s->runs[1], s->runs[1].steps - 1, &rows); /* before a step */
    gate_wait(s->gate, s->threads);
    if (s->both->depth == DEPTH_PLAIN)
        share_plain(s, &rows);
    else
        share_wedges(s);
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

/* Whether there is a depth must not depend on caches, nor on the number of threads, for a gradient
 * of waves apart differs in rounding. */
static size_t depth_choose(const struct acoustic *a)
{
    size_t threads = (size_t)a->wave.options.threads, share = cache_share((int)threads);
    size_t fields = a->fields + 2 * acoustic_parts(a->kind); /* of both, with one medium */
    size_t plane = fields * a->layout.stride[GRID_X] * sizeof(wave_real);
    size_t front = wedge_block(a) * plane, depth = DEPTH_MOST;
    if (!a->layout.flat || !acoustic_fused(a) || a->asked > 0)
        return 0;
    while (depth > DEPTH_LEAST && depth * front > FRONT(share / threads))
        depth--;
    while (depth >= DEPTH_LEAST && !wedge_fits(a, depth))
        depth--;
    return depth >= DEPTH_LEAST ? depth : DEPTH_PLAIN;
}

void acoustic_both_init(struct acoustic *a)
{
    a->both_depth = depth_choose(a);
    a->wave.both_steps = a->both_depth > 0 ? DEPTH_MOST : 0;
}

/* Whether two runs are what is done here. */
static bool runs_fit(const struct wave_run *run, const struct wave_run *reads, size_t row)
{
    return run->mode == WAVE_BACKWARD && run->shells && run->snapshots && !run->sample &&
           !run->illumination && reads->mode == WAVE_TRANSPOSED && reads->image &&
           reads->scattered == run->snapshots && !reads->sample && !reads->illumination &&
           reads->image_row == row && reads->every == run->every &&
           run->steps == reads->steps && run->steps > 0;
}

void acoustic_run_both(struct wave *wave, const struct wave_run *run, struct wave *reader,
                       const struct wave_run *reads)
{
    struct acoustic *a = (struct acoustic *)wave, *b = (struct acoustic *)reader;
    struct both both = {
        .waves = {a, b}, .runs = {run, reads}, .depth = a->both_depth, .block = wedge_block(a)};
    if (both.depth > 0 && both.depth == b->both_depth &&
        runs_fit(run, reads, a->wave.image_row)) {
        both_run(&both);
        return;
    }
    acoustic_run(wave, run);
    acoustic_run(reader, reads);
}

/*
 * wave PHYSICS ORDER NX NY NZ ROUNDS THREADS: how fast waves advance, in rounds that each measure, one
 * after another on as many points: a leap-frog stream, which moves the least that any in-place
 * propagator can (16 bytes a point: two fields and V read, one written); the bare kernel, one step a
 * pass over memory; waves as they are run by default, without layers; with layers (inside those NX NY
 * NZ points), a source and a line of receivers; and the same, transposed. Prints a line of JSON with
 * the medians, in Gpoints/s.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/mman.h>

#include "worker/seismic/wave.h"

enum contestant { STREAM, BARE, BLOCKED, FULL, TRANSPOSED, CONTESTANTS };
static const char *const names[] = {"stream", "bare", "blocked", "full", "transposed"};

#define ROUNDS_MAX 99
#define MOST       64 /* receivers */

struct bench {
    struct grid grid;
    size_t points, steps;
    struct wave *wave[CONTESTANTS];
    struct wave_points *source, *receivers;
    wave_real *values, *sampled;
    wave_real *stream[3];
    double rate[CONTESTANTS][ROUNDS_MAX];
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void *allocate(size_t count)
{
    size_t bytes = (count * sizeof(wave_real) + ((size_t)2 << 20)) & ~(((size_t)2 << 20) - 1);
    void *memory = aligned_alloc((size_t)2 << 20, bytes);
    if (!memory)
        exit(1);
    madvise(memory, bytes, MADV_HUGEPAGE);
    memset(memory, 0, bytes);
    return memory;
}

/* A field of the medium; NULL where the physics takes none. */
static const float *constant(size_t n, float value, bool taken)
{
    float *values = taken ? malloc(n * sizeof *values) : NULL;
    if (taken && !values)
        exit(1);
    for (size_t i = 0; i < n && taken; i++)
        values[i] = value;
    return values;
}

static struct wave *create(const char *physics, struct grid grid, struct wave_options options)
{
    const struct wave_physics *found = wave_physics_find(physics);
    if (!found) {
        fprintf(stderr, "no physics \"%s\"\n", physics);
        exit(1);
    }
    for (int axis = 0; axis < GRID_AXES; axis++)
        if (axis != GRID_Y || grid.dims == 3)
            grid.n[axis] -= 2 * (size_t)options.absorb;
    size_t n = grid_size(&grid);
    unsigned takes = found->needs | found->may_have;
    const struct wave_medium medium = {
        .grid = grid,
        .vp = constant(n, 2000, true),
        .rho = constant(n, 1.5F, takes & WAVE_RHO),
        .epsilon = constant(n, 0.2F, takes & WAVE_EPSILON),
        .delta = constant(n, 0.1F, takes & WAVE_DELTA),
        .theta = constant(n, 0.5F, takes & WAVE_THETA),
        .phi = constant(n, 0.3F, (takes & WAVE_PHI) && grid.dims == 3),
    };
    options.dt = 0.9 * wave_dt_limit(found, &medium, &options);
    struct error error = {0};
    struct wave *wave = wave_create(found, &medium, &options, &error);
    if (!wave) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    const float *fields[] = {medium.vp,    medium.rho,   medium.epsilon,
                             medium.delta, medium.theta, medium.phi};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        free((void *)fields[i]);
    return wave;
}

static struct wave_points *points(const struct wave *wave, size_t count, int depth)
{
    size_t first[MOST + 1];
    struct wave_weight weights[MOST];
    const size_t *n = wave->grid.n;
    for (size_t i = 0; i <= count; i++)
        first[i] = i;
    for (size_t i = 0; i < count; i++)
        weights[i] = (struct wave_weight){
            .at = {(int)((i + 1) * n[GRID_X] / (count + 1)), (int)(n[GRID_Y] / 2), depth},
            .weight = 1};
    struct error error;
    struct wave_points *made = wave_points_create(wave, count, first, weights, &error);
    if (!made)
        exit(1);
    return made;
}

/* In vectors: a stream of single numbers is slower than memory. */
static void stream_run(struct bench *b, int threads)
{
    const wave_real *restrict v = b->stream[2];
    for (size_t step = 0; step < b->steps; step++) {
        wave_real *restrict out = b->stream[step % 2];
        const wave_real *restrict u = b->stream[!(step % 2)];
        (void)threads;
#ifdef _OPENMP
#pragma omp parallel for simd num_threads(threads) schedule(static)
#endif
        for (size_t i = 0; i < b->points; i++)
            out[i] = 2 * u[i] - out[i] + v[i] * u[i];
    }
}

static void contestant_run(struct bench *b, enum contestant c, int threads)
{
    struct wave_run run = {.steps = b->steps};
    if (c == STREAM) {
        stream_run(b, threads);
        return;
    }
    if (c == FULL || c == TRANSPOSED) {
        run.inject = b->source;
        run.injected = b->values;
        run.sample = b->receivers;
        run.sampled = b->sampled;
    }
    if (c == TRANSPOSED) {
        run.mode = WAVE_TRANSPOSED;
        run.inject = b->receivers;
        run.sample = b->source;
    }
    wave_run(b->wave[c], &run);
}

static void bench_open(struct bench *b, const char *physics, int order, int threads)
{
    struct wave_options bare = {.order = order, .threads = threads, .time_block = 1};
    struct wave_options blocked = {.order = order, .threads = threads};
    struct wave_options full = {.order = order, .threads = threads, .absorb = 20};
    b->wave[BARE] = create(physics, b->grid, bare);
    b->wave[BLOCKED] = create(physics, b->grid, blocked);
    b->wave[FULL] = create(physics, b->grid, full);
    b->wave[TRANSPOSED] = create(physics, b->grid, full);
    b->source = points(b->wave[FULL], 1, 10);
    b->receivers = points(b->wave[FULL], MOST, 3);
    for (int i = 0; i < 3; i++)
        b->stream[i] = allocate(b->points);
    b->values = allocate(b->steps * MOST);
    b->sampled = allocate(b->steps * MOST);
    for (size_t i = 0; i < b->steps * MOST; i++)
        b->values[i] = 1e-3F * (wave_real)(i % 17);
}

static int compare(const void *a, const void *b)
{
    const double *p = a, *q = b;
    return (*p > *q) - (*p < *q);
}

int main(int count, char **arguments)
{
    if (count != 8) {
        fprintf(stderr, "usage: wave PHYSICS ORDER NX NY NZ ROUNDS THREADS\n");
        return 2;
    }
    static struct bench b;
    int order = atoi(arguments[2]), rounds = atoi(arguments[6]), threads = atoi(arguments[7]);
    b.grid = (struct grid){.spacing = {10, 10, 10}};
    for (int axis = 0; axis < GRID_AXES; axis++)
        b.grid.n[axis] = (size_t)atol(arguments[3 + axis]);
    b.grid.dims = b.grid.n[GRID_Y] > 1 ? 3 : 2;
    b.points = grid_size(&b.grid);
    b.steps = 16 + (size_t)2e8 / b.points / 8 * 8;
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    bench_open(&b, arguments[1], order, threads);
    for (int round = -1; round < rounds; round++) { /* one to warm up */
        for (int c = 0; c < CONTESTANTS; c++) {
            double begin = now_s();
            contestant_run(&b, (enum contestant)c, threads);
            if (round >= 0)
                b.rate[c][round] = 1e-9 * (double)(b.points * b.steps) / (now_s() - begin);
        }
    }
    printf("{\"steps\": %zu, \"time_block\": %d", b.steps, b.wave[FULL]->options.time_block);
    for (int c = 0; c < CONTESTANTS; c++) {
        qsort(b.rate[c], (size_t)rounds, sizeof(double), compare);
        printf(", \"%s\": %.3f, \"%s_best\": %.3f", names[c], b.rate[c][rounds / 2], names[c],
               b.rate[c][rounds - 1]);
    }
    printf("}\n");
    return 0;
}
